#include "router/attempt_failure.h"

#include <string.h>

enum {
    SECRET_LEAST_BYTES = 8, /* of a key that is one, and no word such as EMPTY */
};

struct failure attempt_failure_make(enum end_reason reason, int status, const char *message)
{
    return (struct failure) {.reason = reason,
                             .status = status,
                             .message = message,
                             .type = "server_error",
                             .code = end_reason_text(reason)};
}

struct failure attempt_failure_by_end(enum transfer_end end)
{
    static const struct {
        enum end_reason reason;
        int status;
        const char *message;
    } table[] = {
        [TRANSFER_COMPLETE] = {END_CUT, 502, "the model's answer ended before it was finished"},
        [TRANSFER_CONNECT] = {END_CONNECT, 502, "the upstream cannot be reached"},
        [TRANSFER_CONNECT_TIMEOUT] = {END_CONNECT_TIMEOUT, 504,
                                      "connecting to the upstream took too long"},
        [TRANSFER_CUT] = {END_CUT, 502,
                          "the upstream closed the connection in the middle of its answer"},
        [TRANSFER_MALFORMED] = {END_MALFORMED, 502, "the upstream does not speak HTTP as it must"},
        [TRANSFER_FAILED] = {END_INTERNAL, 500, "the transfer failed on our side"},
    };
    return attempt_failure_make(table[end].reason, table[end].status, table[end].message);
}

/* ---- the provider's words ---- */

/* Does the text begin with the secret, written with or without the backslashes that JSON allows? */
static bool begins_with(const char *at, const char *end, const char *secret)
{
    while (at < end && *secret) {
        at += *at == '\\' && end - at > 1 ? 1 : 0;
        if (*at++ != *secret++) {
            return false;
        }
    }
    return !*secret;
}

/* Some servers tell which key they refuse. The words of an error that does so are not passed on. */
static bool repeats(struct slice text, const char *secret)
{
    for (size_t i = 0; i < text.n; i++) {
        if (begins_with(text.p + i, text.p + text.n, secret)) {
            return true;
        }
    }
    return false;
}

/* An error inside a 200 often has its HTTP status as its code. */
static int status_in(struct slice code, int otherwise)
{
    uint64_t number;
    return slice_to_u64(code, &number) && number >= 400 && number <= 599 ? (int) number : otherwise;
}

struct failure attempt_failure_by_provider(struct slice json, int status, bool is_event,
                                           const char *key, struct arena *room)
{
    struct chunk_error words;
    struct failure f = attempt_failure_make(END_UPSTREAM_STATUS, status, NULL);
    if (key && strlen(key) >= SECRET_LEAST_BYTES && repeats(json, key)) {
        f.message = arena_printf(
            room, "the upstream answered with status %d and words that hold its key", status);
        return f;
    }
    if (chunk_error(json, &words)) {
        f.message_json = arena_dup_slice(room, words.message);
        f.type_json = arena_dup_slice(room, words.type);
        f.param_json = arena_dup_slice(room, words.param);
        f.code_json = arena_dup_slice(room, words.code);
        f.status = is_event ? status_in(words.code, status) : status;
    }
    if (f.message_json.n == 0) {
        f.message = arena_printf(room, "the upstream answered with status %d and no OpenAI error",
                                 status);
    }
    return f;
}

/* ---- what it means ---- */

enum ledger_outcome attempt_failure_outcome(const struct failure *f)
{
    switch (f->reason) {
    case END_COMPLETE:
        return LEDGER_HEALTHY;
    case END_UPSTREAM_STATUS:
        if (f->status == 429) {
            return LEDGER_NEUTRAL; /* it is well and says "not now" */
        }
        return f->status >= 500 ? LEDGER_FAILED : LEDGER_HEALTHY;
    case END_DEADLINE:
    case END_UPSTREAM_LIMIT:
    case END_INTERNAL:
        return LEDGER_NEUTRAL;
    default:
        return LEDGER_FAILED;
    }
}

enum attempt_advice attempt_failure_advice(const struct failure *f)
{
    switch (f->reason) {
    case END_CONNECT:
    case END_CONNECT_TIMEOUT:
    case END_CUT:
    case END_MALFORMED:
        return ATTEMPT_RETRY;
    case END_FIRST_TOKEN_TIMEOUT: /* a silent model is not asked twice: that is how minutes pass */
    case END_IDLE_TIMEOUT:
    case END_TOTAL_TIMEOUT:
    case END_UPSTREAM_LIMIT:
        return ATTEMPT_FALLBACK;
    case END_UPSTREAM_STATUS:
        if (f->status == 408 || f->status == 409 || f->status == 429 || f->status >= 500) {
            return ATTEMPT_RETRY;
        }
        /* Our key or the model's name is wrong there; another upstream may be set up rightly. */
        return f->status == 401 || f->status == 403 || f->status == 404 ? ATTEMPT_FALLBACK
                                                                        : ATTEMPT_GIVE_UP;
    default:
        return ATTEMPT_GIVE_UP;
    }
}
