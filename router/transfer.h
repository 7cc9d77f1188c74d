/* One HTTP exchange with an upstream, behind a table of operations: libcurl in production
 * (upstream_curl.h), a script in unit tests, a simulator in the lab's fast mode.
 *
 * The owner gets on_head once, then on_body any number of times, then on_end exactly once, unless it
 * cancels: after transfer_cancel no callback comes, not even from inside the one that cancelled.
 * transfer_cancel and transfer_resume may be called at any time, callbacks included. */
#ifndef ROUTER_TRANSFER_H
#define ROUTER_TRANSFER_H

#include "cache/base.h"
#include "router/model.h"

struct transfer;

struct transfer_spec {
    const struct upstream_def *upstream;
    const char *path;           /* appended to the upstream's url: "/chat/completions" */
    const struct slice *pieces; /* the body, a JSON text */
    size_t piece_count;
    const char *const *headers; /* further "Name: value" lines, NULL-terminated; may be NULL */
    uint64_t connect_timeout_us;
    bool stream; /* accept: text/event-stream */
};
/* Everything a spec points at is borrowed until on_end or until transfer_cancel's `drop` was called. */

struct transfer_head {
    int status;
    struct slice content_type; /* borrowed for the call, like the others; may be empty */
    struct slice content_encoding;
    struct slice request_id; /* x-request-id */
    uint64_t retry_after_us; /* Retry-After or retry-after-ms, UINT64_MAX where absent */
};

enum transfer_flow {
    TRANSFER_OK,
    TRANSFER_PAUSE, /* nothing of these bytes was taken; they come again after transfer_resume */
};

enum transfer_end {
    TRANSFER_COMPLETE, /* the whole reply, by its framing */
    TRANSFER_CONNECT,  /* no name, refused, unreachable, TLS refused */
    TRANSFER_CONNECT_TIMEOUT,
    TRANSFER_CUT,       /* closed or reset before the end that the framing promised */
    TRANSFER_MALFORMED, /* not HTTP, or a head or chunk that cannot be */
    TRANSFER_FAILED,    /* our side: memory, libcurl's misuse */
};

struct transfer_events {
    void (*on_head)(void *arg, const struct transfer_head *head);
    enum transfer_flow (*on_body)(void *arg, struct slice bytes);
    void (*on_end)(void *arg, enum transfer_end end, const char *detail); /* detail: for the log */
};

struct transfer_ops {
    /* Never calls back before it returns. NULL: no memory. */
    struct transfer *(*start)(void *pool, const struct transfer_spec *spec,
                              const struct transfer_events *events, void *arg);
    void (*resume)(struct transfer *t);
    /* Aborts, in this turn of the loop at the latest. `drain`: instead reads the rest and throws it
     * away. `drop(drop_arg)` is called once the borrowed memory is no longer used and the exchange is
     * over; never before cancel has returned, since the caller may be inside a callback of its own. */
    void (*cancel)(struct transfer *t, bool drain, void (*drop)(void *arg), void *drop_arg);
};

/* The way to upstreams of one thread. */
struct transfers {
    const struct transfer_ops *ops;
    void *pool;
};

static inline struct transfer *transfer_start(const struct transfers *via,
                                              const struct transfer_spec *spec,
                                              const struct transfer_events *events, void *arg)
{
    return via->ops->start(via->pool, spec, events, arg);
}

#endif
