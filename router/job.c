#include "router/job.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ROOM_FIRST_BYTES = 1024,
    ROOM_CAP_BYTES = 1024 * 1024, /* small strings and call state only; bodies live elsewhere */
    RETRIES_LEAST = 2, /* of the job's retry budget, which else is a fifth of its nodes */
};

struct job {
    struct arena room;
    const struct upstream_host *host;
    struct snapshot *snapshot;
    struct job_plan plan;
    const struct sink_ops *sink; /* NULL once ended or cancelled: nobody listens */
    void *sink_arg;
    struct request request;
    struct retry_budget retries;
    struct upstream_call *output; /* the call that feeds the sink */
    struct loop_task no_memory;
    const char *degraded; /* static text; NULL: what was planned answers, or nothing yet */
    enum end_reason reason;
    struct call_record call; /* of the output node, once it is over */
};

static void on_no_memory(void *arg);

struct job *job_new(const struct upstream_host *host, struct snapshot *snapshot,
                    const struct sink_ops *sink, void *sink_arg)
{
    struct job *job = x_alloc(sizeof(*job));
    arena_init(&job->room, ROOM_FIRST_BYTES, ROOM_CAP_BYTES);
    loop_task_init(&job->no_memory, on_no_memory, job);
    job->host = host;
    job->snapshot = snapshot_ref(snapshot);
    job->sink = sink;
    job->sink_arg = sink_arg;
    return job;
}

void job_free(struct job *job)
{
    if (!job) {
        return;
    }
    job_cancel(job, END_CLIENT_GONE);
    request_fini(&job->request);
    snapshot_unref(job->snapshot);
    arena_fini(&job->room);
    free(job);
}

struct request *job_request(struct job *job)
{
    return &job->request;
}

struct arena *job_room(struct job *job)
{
    return &job->room;
}

/* ---- the output call ---- */

static void obey(struct job *job, enum sink_flow flow)
{
    if (!job->sink) {
        return; /* cancelled from inside the sink */
    }
    if (flow == SINK_FULL) {
        upstream_pause(job->output);
    } else if (flow == SINK_GONE) {
        job_cancel(job, END_CLIENT_GONE);
    }
}

static const struct model_def *planned_model(const struct job *job)
{
    const struct graph *graph = job->plan.route.graph;
    return graph->nodes[graph->output].model;
}

static void on_commit(void *arg, const struct model_def *model)
{
    struct job *job = arg;
    job->degraded = model != planned_model(job) ? "fallback" : NULL;
}

static void on_chunk(void *arg, const struct chunk *chunk)
{
    struct job *job = arg;
    obey(job, job->sink->chunk(job->sink_arg, chunk));
}

static void on_reply(void *arg, const struct chunk *reply)
{
    struct job *job = arg;
    obey(job, job->sink->reply(job->sink_arg, reply));
}

static void finish(struct job *job, const struct failure *failure)
{
    const struct sink_ops *sink = job->sink;
    job->sink = NULL;
    job->output = NULL;
    job->reason = failure ? failure->reason : END_COMPLETE;
    sink->end(job->sink_arg, failure);
}

static void on_end(void *arg, const struct failure *failure, const struct call_record *record)
{
    struct job *job = arg;
    job->call = *record;
    finish(job, failure);
}

static const struct upstream_events output_events = {on_commit, on_chunk, on_reply, on_end};

static void on_no_memory(void *arg)
{
    static const struct failure failure = {.reason = END_INTERNAL,
                                           .status = 503,
                                           .type = "server_error",
                                           .code = "out_of_memory",
                                           .message = "no memory for this request"};
    finish(arg, &failure);
}

/* ---- the interface ---- */

void job_start(struct job *job, const struct job_plan *plan)
{
    unsigned fifth = plan->route.graph->count / 5;
    job->plan = *plan;
    job->retries.left = fifth > RETRIES_LEAST ? fifth : RETRIES_LEAST;
    struct upstream_spec spec = {
        .snapshot = job->snapshot,
        .model = planned_model(job),
        .request = &job->request,
        .headers = plan->headers,
        .budget = &job->retries,
        .deadline_us = plan->deadline_us,
        .class = LEDGER_LIVE,
        .key_tag = plan->key_tag,
    };
    job->output = upstream_start(job->host, &spec, &job->room, &output_events, job);
    if (!job->output) {
        loop_post(job->host->loop, &job->no_memory);
    }
}

void job_resume(struct job *job)
{
    if (job->output) {
        upstream_resume(job->output);
    }
}

void job_cancel(struct job *job, enum end_reason reason)
{
    if (!job->sink) {
        return;
    }
    job->sink = NULL;
    job->reason = reason;
    loop_unpost(job->host->loop, &job->no_memory);
    if (job->output) {
        upstream_cancel(job->output, &job->call);
        job->output = NULL;
    }
}

const char *job_degraded(const struct job *job)
{
    return job->degraded;
}

void job_report(const struct job *job, struct record *record)
{
    snprintf(record->degraded, sizeof(record->degraded), "%s", job->degraded ? job->degraded : "");
    record->reason = job->reason;
    record->call = job->call;
    record->call.reason = job->call.reason == END_NONE ? job->reason : job->call.reason;
    record->calls = job->call.attempts;
    record->usage = job->call.usage;
    record->usd = job->call.usd;
    if (job->plan.route.graph) {
        record->graph_id = job->plan.route.graph->id;
        record->propensity = (float) job->plan.route.propensity;
    }
    if (job->plan.route.task) {
        snprintf(record->task, sizeof(record->task), "%s", job->plan.route.task->name);
    }
}
