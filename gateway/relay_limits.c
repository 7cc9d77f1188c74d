#include "gateway/relay_limits.h"

#include "gateway/reply.h"

#include <inttypes.h>
#include <stdio.h>

static void add_duration(struct exchange *x, const char *name, uint64_t us)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64 "ms", (us + 999) / 1000);
    reply_header(x, name, text);
}

static void add_headers(struct exchange *x, const struct ledger_admission *a)
{
    if (a->limits.requests_per_minute > 0) {
        reply_header_u64(x, "x-ratelimit-limit-requests", a->limits.requests_per_minute);
        reply_header_u64(x, "x-ratelimit-remaining-requests", a->requests_left);
        add_duration(x, "x-ratelimit-reset-requests", a->requests_reset_us);
    }
    if (a->limits.tokens_per_minute > 0) {
        reply_header_u64(x, "x-ratelimit-limit-tokens", a->limits.tokens_per_minute);
        reply_header_u64(x, "x-ratelimit-remaining-tokens", a->tokens_left);
        add_duration(x, "x-ratelimit-reset-tokens", a->tokens_reset_us);
    }
}

static void refuse(struct exchange *x, const struct ledger_admission *a)
{
    static const char *const words[] = {
        [LIMIT_NONE] = "",
        [LIMIT_REQUESTS] = "this API key has used up its requests_per_minute",
        [LIMIT_TOKENS] = "this API key has used up its tokens_per_minute",
        [LIMIT_IN_FLIGHT] = "this API key has max_in_flight requests under way already",
    };
    struct failure f = {.reason = END_RATE_LIMITED,
                        .status = 429,
                        .type = a->refused == LIMIT_TOKENS ? "tokens" : "requests",
                        .code = "rate_limit_exceeded",
                        .message = words[a->refused],
                        .retry_after_us = a->retry_us > 0 ? a->retry_us : 1000000};
    reply_failure(x, &f);
}

bool relay_limits_enter(struct relay_limits *l, struct exchange *x, const struct request *request)
{
    if (!x->key) {
        return true;
    }
    struct ledger_admission a;
    ledger_key_enter(x->server->upstreams->ledger, x->key->ledger, request->estimated_tokens, &a);
    add_headers(x, &a);
    if (a.refused != LIMIT_NONE) {
        refuse(x, &a);
        return false;
    }
    l->entered = true;
    l->estimated_tokens = request->estimated_tokens;
    l->prompt_tokens = request->prompt_tokens + request->tools_tokens;
    return true;
}

uint64_t relay_limits_used(const struct relay_limits *l, const struct record *r)
{
    uint64_t reported = r->usage.known ? r->usage.prompt + r->usage.completion : 0;
    uint64_t others = l->unreported * l->prompt_tokens;
    if (r->call.usage.known || r->call.first_byte_us == 0) {
        return reported + others;
    }
    if (r->reason == END_COMPLETE) {
        return (r->usage.known ? reported : l->estimated_tokens) + others;
    }
    return reported + others + l->prompt_tokens + l->delivered_events;
}

void relay_limits_leave(struct relay_limits *l, struct exchange *x)
{
    if (!l->entered) {
        return;
    }
    l->entered = false;
    ledger_key_leave(x->server->upstreams->ledger, x->key->ledger, l->estimated_tokens,
                     relay_limits_used(l, &x->record));
}
