/* The limits of an API key around one request: requests and tokens per minute, estimated at admission
 * and corrected at the end, and requests in flight. */
#ifndef GATEWAY_RELAY_LIMITS_H
#define GATEWAY_RELAY_LIMITS_H

#include "gateway/exchange.h"

struct relay_limits {
    bool entered;
    uint64_t estimated_tokens;
    uint64_t prompt_tokens; /* part of them */
    uint64_t
        delivered_events; /* of a stream, with content: about a token each. The relay counts. */
    /* Calls of a graph, but for the one that answers, that began and never told their usage. The relay
     * counts. */
    uint32_t unreported;
};

/* Admits the request and adds the x-ratelimit-* headers to the reply to come; false after a 429 with
 * retry-after was sent. A request without a key has no limits. */
bool relay_limits_enter(struct relay_limits *l, struct exchange *x, const struct request *request);

/* Tokens of the request as it went: what the upstreams reported. Where the one that answers did not: a
 * request that never reached it is charged nothing more, one that ended early its prompt and what was
 * delivered of the answer; a whole one the estimate, when no node reported anything. And the prompt for each
 * other call of a graph that was begun and cancelled before it reported. */
uint64_t relay_limits_used(const struct relay_limits *l, const struct record *r);

/* Charges the key that much in place of the estimate. */
void relay_limits_leave(struct relay_limits *l, struct exchange *x);

#endif
