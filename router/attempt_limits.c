#include "router/attempt_private.h"

#include "router/attempt_failure.h"

enum {
    AFTER_DONE_US = 1000 * 1000, /* for the framing to end once the stream said [DONE] */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the current phase runs out. A JSON reply is silent until it is whole, so only `total` bounds the
 * wait for its first byte. */
static uint64_t phase_due(const struct attempt *a)
{
    const struct upstream_timeouts *t = &a->upstream->timeouts;
    if (a->said_done) {
        return a->done_us + AFTER_DONE_US;
    }
    if (a->mode == MODE_REPLY || a->mode == MODE_ERROR) {
        return a->last_byte_us > 0 ? a->last_byte_us + t->idle_us : UINT64_MAX;
    }
    if (!a->nodecall.stream) {
        return UINT64_MAX;
    }
    if (!a->committed) {
        return a->start_us + t->first_token_us;
    }
    return a->paused ? UINT64_MAX : a->last_byte_us + t->idle_us;
}

uint64_t attempt_limits_due(const struct attempt *a)
{
    uint64_t total = a->start_us + a->upstream->timeouts.total_us;
    return earlier(earlier(phase_due(a), total), a->deadline_us);
}

struct failure attempt_limits_failure(const struct attempt *a, uint64_t now_us)
{
    if (now_us >= a->deadline_us) {
        return attempt_failure_make(END_DEADLINE, 504,
                                    "the request's deadline passed before the answer was whole");
    }
    if (now_us < phase_due(a)) {
        return attempt_failure_make(END_TOTAL_TIMEOUT, 504,
                                    "the model took longer than its total timeout");
    }
    if (a->committed || a->mode == MODE_REPLY) {
        return attempt_failure_make(END_IDLE_TIMEOUT, 504,
                                    "the model stopped sending in the middle of its answer");
    }
    return attempt_failure_make(END_FIRST_TOKEN_TIMEOUT, 504, "the model sent no content in time");
}
