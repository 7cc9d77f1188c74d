#include "router/job.h"

#include "router/eligible.h"
#include "router/ledger_stats.h"
#include "router/run.h"

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
    const struct model_def *model; /* that one call is made to; NULL: a run */
    struct upstream_call *output;  /* the call that feeds the sink */
    struct run *run;               /* of a graph of several nodes, to the job's end */
    struct loop_task no_memory;
    struct loop_task unfit;
    const char *degraded; /* static text; NULL: what was planned answers, or nothing yet */
    enum end_reason reason;
    bool was_paused;         /* the client read more slowly than the one call's answer came */
    struct call_record call; /* of the one call, once it is over */
};

static void on_no_memory(void *arg);
static void on_unfit(void *arg);

struct job *job_new(const struct upstream_host *host, struct snapshot *snapshot,
                    const struct sink_ops *sink, void *sink_arg)
{
    struct job *job = x_alloc(sizeof(*job));
    arena_init(&job->room, ROOM_FIRST_BYTES, ROOM_CAP_BYTES);
    loop_task_init(&job->no_memory, on_no_memory, job);
    loop_task_init(&job->unfit, on_unfit, job);
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
    run_free(job->run);
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

static void finish(struct job *job, const struct failure *failure)
{
    const struct sink_ops *sink = job->sink;
    job->sink = NULL;
    job->output = NULL;
    job->reason = failure ? failure->reason : END_COMPLETE;
    sink->end(job->sink_arg, failure);
}

static void on_no_memory(void *arg)
{
    static const struct failure failure = {.reason = END_INTERNAL,
                                           .status = 503,
                                           .type = "server_error",
                                           .code = "out_of_memory",
                                           .message = "no memory for this request"};
    finish(arg, &failure);
}

/* An evaluation's request that its graph cannot serve. */
static void on_unfit(void *arg)
{
    struct job *job = arg;
    struct failure failure = {.reason = END_BAD_REQUEST,
                              .status = 400,
                              .type = "invalid_request_error",
                              .code = job->degraded,
                              .message = "the graph cannot serve this request"};
    finish(job, &failure);
}

/* ---- one call ---- */

static void obey(struct job *job, enum sink_flow flow)
{
    if (!job->sink) {
        return; /* cancelled from inside the sink */
    }
    if (flow == SINK_FULL) {
        job->was_paused = true;
        upstream_pause(job->output);
    } else if (flow == SINK_GONE) {
        job_cancel(job, END_CLIENT_GONE);
    }
}

static void on_commit(void *arg, const struct model_def *model)
{
    struct job *job = arg;
    if (model != job->model) {
        job->degraded = "fallback";
    }
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

/* What a run of this task, or of any, expects of the model. */
static void learn(const struct job *job)
{
    if (job->request.endpoint != ENDPOINT_CHAT) {
        return;
    }
    struct ledger_tokens *tokens = snapshot_tokens(job->snapshot, job->plan.route.task, job->model);
    ledger_note_call(job->host->ledger, job->model->ledger, tokens, 0,
                     job->request.is_stream && !job->was_paused, &job->call);
}

static void on_end(void *arg, const struct failure *failure, const struct call_record *record)
{
    struct job *job = arg;
    job->call = *record;
    learn(job);
    finish(job, failure);
}

static const struct upstream_events output_events = {on_commit, on_chunk, on_reply, on_end, NULL};

static enum ledger_class class_of(const struct job_plan *plan)
{
    return plan->is_evaluation ? LEDGER_LAB : LEDGER_LIVE;
}

static bool start_call(struct job *job)
{
    const struct job_plan *plan = &job->plan;
    struct upstream_spec spec = {
        .snapshot = job->snapshot,
        .model = job->model,
        .request = &job->request,
        .headers = plan->headers,
        .budget = &job->retries,
        .deadline_us = plan->deadline_us,
        .class = class_of(plan),
        .is_evaluation = plan->is_evaluation,
        .key_tag = plan->key_tag,
    };
    job->output = upstream_start(job->host, &spec, &job->room, &output_events, job);
    return job->output != NULL;
}

/* ---- a run ---- */

/* The run obeys what the client's sink says; the job only has to know that it is over. */
static enum sink_flow on_run_chunk(void *arg, const struct chunk *chunk)
{
    struct job *job = arg;
    return job->sink->chunk(job->sink_arg, chunk);
}

static enum sink_flow on_run_reply(void *arg, const struct chunk *reply)
{
    struct job *job = arg;
    return job->sink->reply(job->sink_arg, reply);
}

static void on_run_end(void *arg, const struct failure *failure)
{
    finish(arg, failure);
}

static const struct sink_ops run_sink = {on_run_chunk, on_run_reply, on_run_end};

static bool start_run(struct job *job)
{
    const struct job_plan *plan = &job->plan;
    struct run_spec spec = {
        .host = job->host,
        .snapshot = job->snapshot,
        .graph = plan->route.graph,
        .task = plan->route.task,
        .request = &job->request,
        .headers = plan->headers,
        .budget = &job->retries,
        .deadline_us = plan->deadline_us,
        .class = class_of(plan),
        .is_evaluation = plan->is_evaluation,
        .key_tag = plan->key_tag,
        .seed = plan->seed,
        .usage_sum = plan->usage_sum,
    };
    job->run = run_start(&spec, &job->room, &run_sink, job);
    return job->run != NULL;
}

/* ---- the interface ---- */

/* The model of a request that is one call; NULL: it is a run. */
static const struct model_def *single_model(struct job *job)
{
    const struct route *route = &job->plan.route;
    struct request_facts facts;
    if (graph_is_single(route->graph)) {
        return route->graph->nodes[route->graph->output].model;
    }
    request_facts(&job->request, &facts);
    job->degraded = eligible_reason(&job->request, &facts, route->task, route->graph);
    return job->degraded ? eligible_model(&job->request, &facts, route, job->snapshot->catalog)
                         : NULL;
}

static unsigned planned_calls(const struct graph *g)
{
    unsigned calls = 0;
    for (unsigned i = 0; i < g->count; i++) {
        calls += g->nodes[i].model != NULL; /* a vote makes none */
    }
    return calls;
}

void job_start(struct job *job, const struct job_plan *plan)
{
    unsigned fifth = planned_calls(plan->route.graph) / 5;
    job->plan = *plan;
    job->retries.left = fifth > RETRIES_LEAST ? fifth : RETRIES_LEAST;
    job->model = single_model(job);
    if (plan->is_evaluation && job->degraded) {
        loop_post(job->host->loop, &job->unfit);
    } else if (!(job->model ? start_call(job) : start_run(job))) {
        loop_post(job->host->loop, &job->no_memory);
    }
}

void job_resume(struct job *job)
{
    if (job->output) {
        upstream_resume(job->output);
    } else if (job->run) {
        run_resume(job->run);
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
    loop_unpost(job->host->loop, &job->unfit);
    if (job->output) {
        upstream_cancel(job->output, &job->call);
        job->output = NULL;
    }
    if (job->run) {
        run_cancel(job->run, reason);
    }
}

const char *job_degraded(const struct job *job)
{
    const char *of_run = job->run ? run_degraded(job->run) : NULL;
    return of_run ? of_run : job->degraded;
}

const struct call_record *job_call(const struct job *job, unsigned *node)
{
    const struct call_record *call = NULL;
    while (job->run && !call && *node < job->plan.route.graph->count) {
        call = run_call(job->run, (*node)++);
    }
    return call;
}

static void report_call(const struct job *job, struct record *record)
{
    record->call = job->call;
    record->calls = job->call.attempts;
    record->usage = job->call.usage;
    record->usd = job->call.usd;
}

void job_report(const struct job *job, struct record *record)
{
    const char *degraded = job_degraded(job);
    snprintf(record->degraded, sizeof(record->degraded), "%s", degraded ? degraded : "");
    record->reason = job->reason;
    if (job->run) {
        run_report(job->run, record);
    } else {
        report_call(job, record);
    }
    record->call.reason = record->call.reason == END_NONE ? job->reason : record->call.reason;
    if (job->plan.route.graph) {
        record->graph_id = job->plan.route.graph->id;
        record->propensity = (float) job->plan.route.propensity;
    }
    if (job->plan.route.task) {
        snprintf(record->task, sizeof(record->task), "%s", job->plan.route.task->name);
    }
}
