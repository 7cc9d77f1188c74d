/* One model call of a node, made to succeed where that is honest: a slot from the ledger, attempts with
 * jittered retries that honour Retry-After, the model's fallback, and separate deadlines for connect,
 * first token, idle and total. Retries and fallbacks go on until the first content and never after.
 *
 * States of a call:
 *
 *      start ──► QUEUED ──grant──► RUNNING ──content──► FLOWING ──complete──► over
 *                  ▲                  │ failed, retryable    │ failed: over, content was sent
 *                  └──── WAITING ◄────┘ (backoff)            ▼
 *
 * The call checks what arrives (sse_parse, chunk): a stream that is cut, stalled or malformed ends as a
 * failure, never as a success. Events before content (role only, empty) are held back, so that an
 * attempt that fails there leaves no trace. */
#ifndef ROUTER_UPSTREAM_H
#define ROUTER_UPSTREAM_H

#include "cache/arena.h"
#include "cache/loop.h"
#include "cache/mailbox.h"
#include "router/chunk.h"
#include "router/failure.h"
#include "router/ledger.h"
#include "router/nodecall.h"
#include "router/snapshot.h"
#include "router/transfer.h"

/* What a thread needs to make calls. Owned by the front (later also the lab); outlives its calls. */
struct upstream_host {
    struct loop *loop;
    struct ledger *ledger;
    struct mailbox *mailbox; /* grants arrive here */
    struct transfers transfers;
    size_t reply_cap_bytes; /* a whole JSON reply: limits.body */
    size_t
        event_cap_bytes; /* a line or event of a stream, and events before content: limits.answer */
};

struct upstream_call;

/* Retries that all calls of a job have together. Fallbacks cost nothing of it. */
struct retry_budget {
    unsigned left;
};

struct upstream_spec {
    struct snapshot *snapshot; /* the call takes its own reference */
    const struct model_def *model;
    const struct request *request; /* outlives the call; its body is referenced by attempts */
    const struct node_ask *ask;    /* NULL: of a graph of one node; outlives the call */
    const char *const *headers;  /* to pass on, "Name: value", NULL-terminated; outlive the call */
    struct retry_budget *budget; /* NULL: only the upstream's own `retries` */
    uint64_t deadline_us;        /* absolute, of the request */
    enum ledger_class class;
    bool is_evaluation; /* this model answers or none does: no fallback */
    uint32_t key_tag;
    uint32_t node; /* of the graph, for the record */
};

struct upstream_events {
    /* The first content is about to be delivered, and this model answers. */
    void (*on_commit)(void *arg, const struct model_def *model);
    /* A stream's event, held ones first. Never after a pause was asked for (see upstream_pause). */
    void (*on_chunk)(void *arg, const struct chunk *chunk);
    /* A JSON client's whole reply, once, before on_end. */
    void (*on_reply)(void *arg, const struct chunk *reply);
    /* Exactly once, last. `failure` NULL: complete. `record` is whole. */
    void (*on_end)(void *arg, const struct failure *failure, const struct call_record *record);
    /* The first attempt has its slot: the wait of the queue is over. NULL: nobody asks. */
    void (*on_slot)(void *arg);
};

/* Calls back only after it has returned. `room` is the job's arena and outlives the call. NULL: no
 * memory. */
struct upstream_call *upstream_start(const struct upstream_host *host,
                                     const struct upstream_spec *spec, struct arena *room,
                                     const struct upstream_events *events, void *arg);

/* From on_chunk, or at any time: no further bytes are taken from the upstream until upstream_resume.
 * Events already in hand are still delivered. The idle deadline stops meanwhile. */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);

/* The job no longer wants it: aborts in this turn (or drains, as the upstream says). No callback comes
 * any more; the call's memory ends with the arena. Fills *record as far as it went when not NULL. */
void upstream_cancel(struct upstream_call *call, struct call_record *record);

#endif
