/* A graph of several nodes being run for one request. Ready nodes start at once, each as one model call;
 * inner answers are gathered up to a cap; the output node streams to the sink.
 *
 *            ┌────────────── settle: votes, prune, stragglers ◄──────────┐
 *            ▼                                                           │
 *     dag_ready ─► ask (prompt, seed, cap) ─► upstream call ─► collect ──┘
 *            └─► output: stream, or deliver a text (vote, select, rescue) ─► sink
 *
 * An output that fails before anything went out is replaced by the best answer in hand. A client that wants
 * JSON gets the stream put together. `usage` in the answer speaks of what the client sent and got, and its
 * member `sluice` of all calls. */
#ifndef ROUTER_RUN_H
#define ROUTER_RUN_H

#include "router/sink.h"
#include "router/snapshot.h"
#include "router/upstream.h"

struct run;

/* Borrowed but for the snapshot; all outlives the run. */
struct run_spec {
    const struct upstream_host *host;
    struct snapshot *snapshot;
    const struct graph *graph; /* of two nodes or more */
    const struct task *task;
    const struct request *request; /* a chat request */
    const char *const *headers;
    struct retry_budget *budget;
    uint64_t deadline_us;
    enum ledger_class class;
    bool is_evaluation; /* no model's fallback answers */
    uint32_t key_tag;
    uint64_t seed;  /* of all draws, where the client sent none */
    bool usage_sum; /* `usage` is that of all calls, not the client's side alone */
};

/* Starts what is ready; calls the sink only after it has returned. NULL: no memory. */
struct run *run_start(const struct run_spec *spec, struct arena *room, const struct sink_ops *sink,
                      void *sink_arg);
void run_resume(struct run *r);
/* No callback comes any more; every call is cancelled in this turn, for this reason. Twice is fine. */
void run_cancel(struct run *r, enum end_reason reason);
/* Cancels what runs. Never from inside a sink. NULL allowed. */
void run_free(struct run *r);

/* Why the output is not what was planned, known from the first content on: "fallback" (another model),
 * "no_candidates" (all that feeds it was silent), "rescue" (the best answer in hand instead); NULL: nothing. */
const char *run_degraded(const struct run *r);

/* What is known now. `call` is the output node's, or that of the node whose text was delivered. */
void run_report(const struct run *r, struct record *record);

/* Of each node in canonical order; NULL: it was not to make a call, or not yet. One that could not be made, as
 * when it would have cost too much, has no attempts and its reason. */
const struct call_record *run_call(const struct run *r, unsigned node);

#endif
