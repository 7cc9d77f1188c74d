/* The head of an upstream's reply, line by line, as far as we look at it: the status and five fields.
 * Heads of 1xx before the real one are passed over. */
#ifndef ROUTER_REPLY_HEAD_H
#define ROUTER_REPLY_HEAD_H

#include "cache/base.h"

enum { REPLY_HEAD_VALUE_BYTES = 128 };

/* Zeroed at its start; the first line is a status line, and each further one begins anew. */
struct reply_head {
    int status;              /* 0: the status line has none */
    uint64_t retry_after_us; /* of retry-after-ms, else of Retry-After; UINT64_MAX where absent */
    bool has_retry_after_ms;
    char content_type[REPLY_HEAD_VALUE_BYTES]; /* terminated; a longer value is cut */
    char content_encoding[REPLY_HEAD_VALUE_BYTES];
    char request_id[REPLY_HEAD_VALUE_BYTES]; /* x-request-id */
};

/* One line with its line end, the empty one too. True when that was the last line of the real head: the
 * members are final. `env`: a Retry-After may be a date, which is worth the time until then. */
bool reply_head_take(struct reply_head *h, struct slice line, const struct env *env);

#endif
