/* The parts of an attempt, for attempt.c (its life), attempt_stream.c (events that arrive) and
 * attempt_limits.c (when it has taken too long). */
#ifndef ROUTER_ATTEMPT_PRIVATE_H
#define ROUTER_ATTEMPT_PRIVATE_H

#include "router/attempt.h"
#include "router/reply_buffer.h"
#include "router/sse_parse.h"

enum attempt_mode {
    MODE_HEAD,   /* no response yet */
    MODE_STREAM, /* events */
    MODE_REPLY,  /* a JSON text */
    MODE_ERROR,  /* a status that is no success, with its body */
};

struct attempt {
    const struct upstream_host *host;
    const struct upstream_def *upstream;
    struct snapshot *snapshot;
    struct reqbody *body;
    enum endpoint endpoint;
    struct arena node_room; /* of the node call's pieces */
    struct nodecall nodecall;
    struct transfer *transfer;

    const struct attempt_events *events; /* NULL once over or cancelled */
    void *arg;
    struct arena *room;
    struct call_record *record;
    enum ledger_outcome outcome;

    enum attempt_mode mode;
    struct sse_parser parser;
    struct reply_buffer text; /* a reply or an error body */
    struct reply_buffer held; /* events before content, each with its length in front */
    struct chunk_mender mender;
    unsigned choices_seen;
    unsigned choices_finished;
    uint64_t choices_asked; /* by the node call */
    bool committed;
    bool said_done; /* [DONE] */
    bool paused;

    struct loop_timer watch; /* fires at the earliest limit, or before one that has moved */
    uint64_t start_us;
    uint64_t deadline_us;
    uint64_t last_byte_us;
    uint64_t done_us;
    uint64_t retry_after_us;
};

/* ---- attempt.c ---- */

/* Ends the exchange from our side. */
void attempt_leave(struct attempt *a, bool drain);

/* Reports a failure of our own finding and leaves. */
void attempt_fail(struct attempt *a, enum end_reason reason, int status, const char *message);

/* Reports the error that a provider sent: the body of an error status, or an event or reply inside a
 * 200. The exchange must be over, or left by the caller afterwards. */
void attempt_report_provider(struct attempt *a, struct slice json, int status);

/* Sets the timer for the phase that begins now. */
void attempt_watch(struct attempt *a);

/* ---- attempt_stream.c ---- */

enum transfer_flow attempt_stream_take(struct attempt *a, struct slice bytes);

/* Notes what a chunk, or a whole reply, says about the call. */
void attempt_stream_note(struct attempt *a, const struct chunk *c);

/* Every choice that was begun is finished. Where the stream does not end as it must, those count too
 * that the client asked for and that have not begun. */
bool attempt_stream_is_whole(const struct attempt *a, enum transfer_end end);

/* ---- attempt_limits.c: no function here changes anything ---- */

/* When the earliest limit of the current phase runs out. */
uint64_t attempt_limits_due(const struct attempt *a);

/* Which limit it is that has run out at `now_us`. */
struct failure attempt_limits_failure(const struct attempt *a, uint64_t now_us);

#endif
