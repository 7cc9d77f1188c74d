#include "router/reply_head.h"

#include "router/http_date.h"

#include <string.h>

enum { RETRY_AFTER_MAX = 1000 * 1000 }; /* in either unit: over a week is no answer */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

static void keep(char out[REPLY_HEAD_VALUE_BYTES], struct slice value)
{
    size_t n = value.n < REPLY_HEAD_VALUE_BYTES - 1 ? value.n : REPLY_HEAD_VALUE_BYTES - 1;
    memcpy(out, value.p, n);
    out[n] = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.1 200 OK */
static int status_of(struct slice line)
{
    const char *space = memchr(line.p, ' ', line.n);
    if (!space || line.p + line.n - space < 4 || !is_digit(space[1]) || !is_digit(space[2]) ||
        !is_digit(space[3])) {
        return 0;
    }
    return (space[1] - '0') * 100 + (space[2] - '0') * 10 + (space[3] - '0');
}

/* Some send fractions: "1.5". UINT64_MAX when it is no such number or too large a one. */
static uint64_t decimal_us(struct slice text, uint64_t unit_us)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    size_t i = 0;
    for (; i < text.n && is_digit(text.p[i]); i++) {
        whole = whole * 10 + (uint64_t) (text.p[i] - '0');
        if (whole >= RETRY_AFTER_MAX) {
            return UINT64_MAX;
        }
    }
    bool has_digits = i > 0;
    if (i < text.n && text.p[i] == '.') {
        uint64_t worth = unit_us / 10;
        for (i++; i < text.n && is_digit(text.p[i]); i++) {
            part += worth * (uint64_t) (text.p[i] - '0');
            worth /= 10;
        }
    }
    return has_digits && i == text.n ? whole * unit_us + part : UINT64_MAX;
}

/* Nonsense counts as absent. */
static uint64_t seconds_or_date_us(struct slice text, const struct env *env)
{
    uint64_t us = decimal_us(text, UINT64_C(1000000));
    int64_t when;
    if (us != UINT64_MAX || !http_date_parse(text, &when)) {
        return us;
    }
    int64_t wait = when * 1000000 - env_wall_us(env);
    return wait > 0 ? (uint64_t) wait : 0;
}

static void take_field(struct reply_head *h, struct slice name, struct slice value,
                       const struct env *env)
{
    if (slice_ieq_text(name, "content-type")) {
        keep(h->content_type, value);
    } else if (slice_ieq_text(name, "content-encoding")) {
        keep(h->content_encoding, value);
    } else if (slice_ieq_text(name, "x-request-id")) {
        keep(h->request_id, value);
    } else if (slice_ieq_text(name, "retry-after-ms")) {
        uint64_t us = decimal_us(value, 1000);
        if (us != UINT64_MAX) {
            h->retry_after_us = us;
            h->has_retry_after_ms = true;
        }
    } else if (slice_ieq_text(name, "retry-after") && !h->has_retry_after_ms) {
        h->retry_after_us = seconds_or_date_us(value, env);
    }
}

bool reply_head_take(struct reply_head *h, struct slice line, const struct env *env)
{
    if (slice_starts(line, "HTTP/")) {
        *h = (struct reply_head) {.status = status_of(line), .retry_after_us = UINT64_MAX};
        return false;
    }
    const char *colon = memchr(line.p, ':', line.n);
    if (colon) {
        size_t n = (size_t) (colon - line.p);
        struct slice value = {colon + 1, line.n - n - 1};
        take_field(h, (struct slice) {line.p, n}, trim(value), env);
        return false;
    }
    bool is_last = slice_eq_text(line, "\r\n") || slice_eq_text(line, "\n");
    return is_last && (h->status < 100 || h->status > 199);
}
