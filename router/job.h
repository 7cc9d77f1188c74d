/* A job runs one client request through its graph: owns the request's memory, deadline and
 * cancellation, and feeds the sink. A graph of one node is one call whose events are the client's; so is a
 * request that a graph of several cannot serve (router/eligible.h); all else is a run (router/run.h).
 *
 * Pull, not push. The sink answers SINK_OK, SINK_FULL (the job pauses its output call until
 * job_resume) or SINK_GONE (the job cancels everything). job_cancel may be called at any time and
 * twice; after it, or after `end`, the sink is never called again.
 *
 * Life: job_new ─► job_start ─► sink.chunk… or sink.reply ─► sink.end ─► job_free. The owner frees it,
 * from anywhere but a sink callback. */
#ifndef ROUTER_JOB_H
#define ROUTER_JOB_H

#include "cache/arena.h"
#include "router/request.h"
#include "router/route.h"
#include "router/sink.h"
#include "router/upstream.h"

struct job;

/* How the request is to be run, known once it has been parsed. */
struct job_plan {
    struct route route;
    const char *const
        *headers;         /* to pass upstream, "Name: value", NULL-terminated; outlive the job */
    uint64_t deadline_us; /* absolute */
    uint32_t key_tag;
    uint64_t seed;  /* of a graph's draws, where the client sent none */
    bool usage_sum; /* `usage` of a graph's answer is that of all its calls */
    /* The graph itself is measured, in the lab's class: no fallback answers for its models, and a request that
     * would run as one call ends as END_BAD_REQUEST, whose code is the word of eligible_reason. */
    bool is_evaluation;
};

/* Takes its own reference of the snapshot; `host` outlives the job. */
struct job *job_new(const struct upstream_host *host, struct snapshot *snapshot,
                    const struct sink_ops *sink, void *sink_arg);
void job_free(struct job *job); /* NULL allowed; cancels what still runs */

/* The request, to be filled by request_parse with job_room() before job_start. */
struct request *job_request(struct job *job);
struct arena *job_room(struct job *job);

/* Starts the ready nodes. Never calls the sink before it returns. */
void job_start(struct job *job, const struct job_plan *plan);
void job_resume(struct job *job);
void job_cancel(struct job *job, enum end_reason reason);

/* Why something else answers than was planned: a word of eligible_reason, "fallback" or one of run_degraded;
 * known from the first content on; NULL: nothing does. */
const char *job_degraded(const struct job *job);

/* Fills what the job knows: calls, usage, reason, upstream id, whether it was degraded. */
void job_report(const struct job *job, struct record *record);

/* The calls of a graph of several nodes, one at a time in canonical order: begin with *node 0; NULL behind
 * the last. Nodes without one (run_call) are left out. */
const struct call_record *job_call(const struct job *job, unsigned *node);

#endif
