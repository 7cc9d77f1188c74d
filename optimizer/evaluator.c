#include "optimizer/evaluator.h"

#include "cache/mix.h"
#include "router/collect.h"
#include "router/cost.h"
#include "router/job.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_FIRST_US = 500 * 1000,
    BACKOFF_MAX_US = 60 * 1000 * 1000, /* of what an upstream may ask for */
    ANSWER_BYTES_MAX = GRADER_TEXT_BYTES_MAX,
};

/* An item being run. */
struct eval_slot {
    struct evaluator *evaluator;
    size_t item;
    unsigned runs; /* begun; 0: the slot is free */
    struct job *job;
    struct collect collect;
    bool is_out_of_memory;
    bool has_failed;
    struct failure failure; /* its texts live as long as the job */
    uint64_t start_us;
    uint64_t end_us;
    struct loop_task over;
    struct loop_timer again;
};

struct evaluator {
    struct evaluator_spec spec;
    struct eval_slot *slots;
    size_t next; /* item that no slot has taken yet */
    size_t ended;
    size_t dropped;
    struct loop_task begin;
};

const char *eval_verdict_text(enum eval_verdict verdict)
{
    static const char *const texts[] = {
#define X(name, text) [name] = (text),
        EVAL_VERDICTS(X)
#undef X
    };
    return texts[verdict];
}

static void start_run(struct eval_slot *s);
static void take_items(struct evaluator *e);

/* ---- a run's answer ---- */

static enum sink_flow on_chunk(void *arg, const struct chunk *chunk)
{
    struct eval_slot *s = arg;
    /* Over the cap is as good as cut, which `collect` says itself; deadlines end what does not end. */
    s->is_out_of_memory = collect_chunk(&s->collect, chunk) == ERR_NOMEM || s->is_out_of_memory;
    return SINK_OK;
}

static enum sink_flow on_reply(void *arg, const struct chunk *reply)
{
    (void) arg;
    (void) reply; /* a stream is asked for */
    return SINK_OK;
}

static void on_end(void *arg, const struct failure *failure)
{
    struct eval_slot *s = arg;
    s->end_us = loop_now_us(s->evaluator->spec.host->loop);
    s->has_failed = failure != NULL;
    if (failure) {
        s->failure = *failure;
    }
    loop_post(s->evaluator->spec.host->loop,
              &s->over); /* a job is not freed from inside its sink */
}

static const struct sink_ops sink = {on_chunk, on_reply, on_end};

/* ---- whose fault ---- */

static bool is_breakage(int status)
{
    switch (status) {
    case 401: /* our key or the model's name is wrong there: nothing that the graph could help */
    case 403:
    case 404:
    case 408:
    case 409:
    case 429:
        return true;
    default:
        /* 200: an error inside a stream that had begun. */
        return status < 400 || status >= 500;
    }
}

static bool is_hopeless(const struct call_record *c)
{
    return c->reason == END_UPSTREAM_STATUS &&
           (c->status == 401 || c->status == 403 || c->status == 404);
}

/* The upstream broke the call; what a model made of its time is not that. */
static bool is_broken(const struct call_record *c)
{
    switch (c->reason) {
    case END_CONNECT:
    case END_CONNECT_TIMEOUT:
    case END_CUT:
    case END_MALFORMED:
    case END_BREAKER_OPEN:
    case END_OVERLOADED:
    case END_INTERNAL:
        return true;
    case END_UPSTREAM_STATUS:
        return is_breakage(c->status);
    case END_DEADLINE:
    case END_STRAGGLER:
        /* It ran out of time while what an upstream had broken was waited for, or tried again. */
        return c->attempts > 1 || (c->status >= 400 && is_breakage(c->status));
    default:
        return false;
    }
}

struct eval_calls {
    const struct call_record *broken; /* the first one; NULL: none */
    const struct call_record *last;   /* that was begun */
    bool is_repeated;
    double flops;
};

static void look_at(struct eval_calls *calls, const struct call_record *c,
                    const struct graph_node *node)
{
    calls->last = c;
    calls->is_repeated = calls->is_repeated || c->attempts > 1;
    if (!calls->broken && is_broken(c)) {
        calls->broken = c;
    }
    if (c->usage.known) {
        calls->flops += cost_flops(node->model, (double) c->usage.prompt,
                                   (double) c->usage.completion);
    }
}

static struct eval_calls calls_of(const struct eval_slot *s, const struct record *record)
{
    const struct graph *g = s->evaluator->spec.graph;
    struct eval_calls calls = {.broken = NULL};
    const struct call_record *c;
    if (graph_is_single(g)) {
        look_at(&calls, &record->call, &g->nodes[0]);
        return calls;
    }
    for (unsigned i = 0; (c = job_call(s->job, &i)) != NULL;) {
        look_at(&calls, c, &g->nodes[c->node]);
    }
    return calls;
}

/* ---- the verdict ---- */

static enum eval_verdict verdict_of_failure(const struct failure *f)
{
    switch (f->reason) {
    case END_BAD_REQUEST:
        return strcmp(f->code, "context") == 0      ? EVAL_CONTEXT
               : strcmp(f->code, "capability") == 0 ? EVAL_CAPABILITY
                                                    : EVAL_UNFIT;
    case END_DEADLINE:
    case END_FIRST_TOKEN_TIMEOUT:
    case END_IDLE_TIMEOUT:
    case END_TOTAL_TIMEOUT:
        return EVAL_DEADLINE;
    case END_BUDGET:
        return EVAL_BUDGET;
    case END_UPSTREAM_LIMIT:
        return EVAL_LENGTH;
    case END_UPSTREAM_STATUS:
        return slice_eq_text(f->code_json, "\"context_length_exceeded\"") ? EVAL_CONTEXT
                                                                          : EVAL_REJECTED;
    case END_MALFORMED: /* of a run whose calls are whole: none of them gave an answer */
        return EVAL_EMPTY;
    default:
        return EVAL_DROPPED;
    }
}

static enum eval_verdict verdict_of_grade(enum grade_reason reason, double score)
{
    switch (reason) {
    case GRADE_NO_ANSWER:
        return EVAL_UNPARSABLE;
    case GRADE_NO_IDEAL:
        return EVAL_UNFIT;
    case GRADE_TOO_LONG:
        return EVAL_LENGTH;
    case GRADE_NO_MEMORY:
        return EVAL_DROPPED;
    default:
        return score >= 0.5 ? EVAL_RIGHT : EVAL_WRONG;
    }
}

static enum eval_verdict grade(const struct eval_slot *s, struct eval_outcome *o)
{
    const struct eval_item *item = &s->evaluator->spec.items[s->item];
    const struct grader *grader = item->grader ? item->grader : s->evaluator->spec.grader;
    struct slice answer = collect_answer(&s->collect);
    if (s->collect.is_refused) {
        return EVAL_REFUSAL;
    }
    if (s->collect.is_cut) {
        return EVAL_LENGTH;
    }
    if (answer.n == 0) {
        return EVAL_EMPTY;
    }
    struct grade g = grader_grade(grader, answer, item->ideals, item->ideal_count);
    enum eval_verdict verdict = verdict_of_grade(g.reason, g.score);
    o->is_graded = true;
    o->grade = g.reason;
    o->score = verdict == EVAL_RIGHT || verdict == EVAL_WRONG ? g.score : 0.0;
    return verdict;
}

static void fill_outcome(const struct eval_slot *s, struct eval_outcome *o,
                         const struct eval_calls *calls, const struct record *record)
{
    o->runs = s->runs;
    o->is_repeated = calls->is_repeated;
    o->is_rescued = strcmp(record->degraded, "rescue") == 0;
    o->latency_us = s->end_us - s->start_us;
    o->calls = record->calls;
    o->usage = record->usage;
    o->usd = record->usd;
    o->flops = calls->flops;
    if (calls->broken || o->verdict == EVAL_DROPPED || o->verdict == EVAL_REJECTED) {
        const struct call_record *c = calls->broken ? calls->broken : calls->last;
        o->broken = c ? c->reason : END_INTERNAL;
        snprintf(o->detail, sizeof(o->detail), "%s", c ? c->detail : "");
        o->status = c ? c->status : 0;
    }
}

/* ---- the end of an item ---- */

static void forget_run(struct eval_slot *s)
{
    job_free(s->job);
    s->job = NULL;
    collect_fini(&s->collect);
}

static bool is_over(const struct evaluator *e)
{
    return e->ended == e->spec.count;
}

static bool has_dropped_too_many(const struct evaluator *e)
{
    return (double) e->dropped > EVALUATOR_DROPPED_MAX * (double) e->spec.count;
}

static void cancel(struct evaluator *e)
{
    struct loop *loop = e->spec.host->loop;
    loop_unpost(loop, &e->begin);
    for (unsigned i = 0; i < e->spec.concurrency; i++) {
        struct eval_slot *s = &e->slots[i];
        loop_unpost(loop, &s->over);
        loop_timer_clear(loop, &s->again);
        forget_run(s);
        s->runs = 0;
    }
}

static void end_item(struct eval_slot *s, const struct eval_outcome *outcome)
{
    struct evaluator *e = s->evaluator;
    e->ended++;
    e->dropped += outcome->verdict == EVAL_DROPPED ? 1 : 0;
    s->runs = 0;
    e->spec.on_outcome(e->spec.arg, s->item, outcome);
    if (is_over(e) || has_dropped_too_many(e)) {
        bool complete = !has_dropped_too_many(e);
        cancel(e);
        e->spec.on_end(e->spec.arg, complete);
    } else {
        take_items(e);
    }
}

/* Twice as long each time, over the half that is drawn, and never less than the upstream asked for. */
static uint64_t backoff_us(const struct eval_slot *s)
{
    const struct env *env = loop_env(s->evaluator->spec.host->loop);
    uint64_t asked = s->has_failed ? s->failure.retry_after_us : 0;
    double full = (double) ((uint64_t) BACKOFF_FIRST_US << (s->runs - 1));
    uint64_t wait = (uint64_t) (full * (0.5 + 0.5 * env_uniform(env)));
    asked = asked < BACKOFF_MAX_US ? asked : BACKOFF_MAX_US;
    return wait > asked ? wait : asked;
}

static void on_over(void *arg)
{
    struct eval_slot *s = arg;
    struct eval_outcome outcome = {.verdict = EVAL_DROPPED};
    struct record record = {.calls = 0};
    job_report(s->job, &record);
    struct eval_calls calls = calls_of(s, &record);
    bool is_in_vain = calls.broken || s->is_out_of_memory;
    if (is_in_vain && s->runs < EVALUATOR_RUNS && !(calls.broken && is_hopeless(calls.broken))) {
        loop_timer_set(s->evaluator->spec.host->loop, &s->again, backoff_us(s));
        forget_run(s);
        return;
    }
    if (!is_in_vain) {
        outcome.verdict = s->has_failed ? verdict_of_failure(&s->failure) : grade(s, &outcome);
    }
    fill_outcome(s, &outcome, &calls, &record);
    forget_run(s);
    end_item(s, &outcome);
}

/* ---- the beginning of one ---- */

/* The item's request with its seed, which all draws of the run follow. NULL: no memory. */
static struct reqbody *body_of(const struct eval_slot *s, uint32_t seed)
{
    static const char begin[] = "{\"model\":\"auto\",\"stream\":true,\"messages\":";
    struct slice messages = s->evaluator->spec.items[s->item].messages;
    char end[32];
    size_t n = (size_t) snprintf(end, sizeof(end), ",\"seed\":%" PRIu32 "}", seed);
    size_t at = sizeof(begin) - 1;
    struct reqbody *body = reqbody_new(at + messages.n + n);
    if (body) {
        memcpy(body->bytes, begin, at);
        memcpy(body->bytes + at, messages.p, messages.n);
        memcpy(body->bytes + at + messages.n, end, n);
    }
    return body;
}

/* What cannot be run ends like a run, so that there is one way out. */
static void refuse(struct eval_slot *s, bool is_out_of_memory)
{
    s->is_out_of_memory = is_out_of_memory;
    s->has_failed = true;
    s->failure = (struct failure) {.reason = END_BAD_REQUEST, .code = "request"};
    s->end_us = s->start_us;
    loop_post(s->evaluator->spec.host->loop, &s->over);
}

static void start_run(struct eval_slot *s)
{
    static const char *const no_headers[] = {NULL};
    const struct evaluator_spec *spec = &s->evaluator->spec;
    uint64_t seed = mix64_pair(spec->items[s->item].hash, spec->sample);
    struct reqbody *body = body_of(s, (uint32_t) (seed >> 33));
    const char *param;
    struct job_plan plan = {.route = {.kind = ROUTE_GRAPH,
                                      .task = spec->task,
                                      .graph = spec->graph,
                                      .name = spec->task->route_name,
                                      .propensity = 1.0},
                            .headers = no_headers,
                            .seed = seed,
                            .is_evaluation = true};
    s->runs++;
    s->is_out_of_memory = s->has_failed = false;
    s->start_us = loop_now_us(spec->host->loop);
    plan.deadline_us = s->start_us + spec->task->deadline_us;
    collect_init(&s->collect, ANSWER_BYTES_MAX);
    s->job = job_new(spec->host, spec->snapshot, &sink, s);
    if (!body) {
        refuse(s, true);
        return;
    }
    enum err rc = request_parse(job_request(s->job), ENDPOINT_CHAT, body, job_room(s->job), &param,
                                NULL);
    if (rc != ERR_NONE) {
        refuse(s, rc == ERR_NOMEM);
    } else {
        job_start(s->job, &plan);
    }
}

static void on_again(void *arg)
{
    start_run(arg);
}

static void take_items(struct evaluator *e)
{
    for (unsigned i = 0; i < e->spec.concurrency && e->next < e->spec.count; i++) {
        if (e->slots[i].runs == 0) {
            e->slots[i].item = e->next++;
            start_run(&e->slots[i]);
        }
    }
}

static void on_begin(void *arg)
{
    struct evaluator *e = arg;
    if (is_over(e)) { /* of no items */
        e->spec.on_end(e->spec.arg, true);
    } else {
        take_items(e);
    }
}

/* ---- the interface ---- */

struct evaluator *evaluator_start(const struct evaluator_spec *spec)
{
    struct evaluator *e = x_alloc(sizeof(*e));
    e->spec = *spec;
    e->slots = x_array(spec->concurrency, sizeof(*e->slots));
    for (unsigned i = 0; i < spec->concurrency; i++) {
        struct eval_slot *s = &e->slots[i];
        s->evaluator = e;
        loop_task_init(&s->over, on_over, s);
        loop_timer_init(&s->again, on_again, s);
        collect_init(&s->collect, ANSWER_BYTES_MAX);
    }
    loop_task_init(&e->begin, on_begin, e);
    loop_post(spec->host->loop, &e->begin);
    return e;
}

void evaluator_free(struct evaluator *e)
{
    if (e) {
        cancel(e);
        free(e->slots);
        free(e);
    }
}
