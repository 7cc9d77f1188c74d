/* One attempt of a model call: one exchange with one upstream, checked until it is known to be whole.
 *
 * The attempt owns its slot of the ledger and everything that the exchange borrows, so that an
 * abandoned one can drain after its job has gone. A stream that is cut, stalled or malformed ends as a
 * failure. Events before content are held back, so that an attempt that fails there leaves no trace. */
#ifndef ROUTER_ATTEMPT_H
#define ROUTER_ATTEMPT_H

#include "router/upstream.h"

struct attempt;

struct attempt_spec {
    struct snapshot *snapshot;
    const struct model_def *model;
    const struct request *request;
    const struct node_ask *ask; /* NULL: of a graph of one node; outlives the attempt's start */
    const char *const *headers;
    uint64_t deadline_us; /* absolute */
};

/* What may follow a failure. */
enum attempt_advice {
    ATTEMPT_GIVE_UP,  /* the request is at fault, or content went out: nobody will do better */
    ATTEMPT_FALLBACK, /* not this model again: silent, or it refuses us */
    ATTEMPT_RETRY,
};

struct attempt_end {
    struct failure failure; /* reason END_COMPLETE: whole */
    enum attempt_advice advice;
};

struct attempt_events {
    void (*on_commit)(void *arg);
    void (*on_chunk)(void *arg, const struct chunk *chunk);
    void (*on_reply)(void *arg, const struct chunk *reply);
    void (*on_end)(void *arg, const struct attempt_end *end); /* exactly once unless cancelled */
};

/* The caller holds a slot of the model's upstream; it is the attempt's from here on, also when this
 * returns NULL (no memory). Fills `record` as things happen. Strings of a failure live in `room`. */
struct attempt *attempt_start(const struct upstream_host *host, const struct attempt_spec *spec,
                              struct arena *room, struct call_record *record,
                              const struct attempt_events *events, void *arg);
void attempt_pause(struct attempt *a);
void attempt_resume(struct attempt *a);
/* No callback comes any more. The upstream's on_abandon decides between abort and drain. */
void attempt_cancel(struct attempt *a);

#endif
