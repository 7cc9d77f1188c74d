#include "router/run_private.h"

#include "cache/mix.h"

#include <math.h>
#include <stdio.h>

enum { PROMPT_ROOM_BYTES = 1024, VOTES_ROOM_FACTOR = 16 };

static void advance(struct run *r);

uint64_t run_now_us(const struct run *r)
{
    return loop_now_us(r->spec.host->loop);
}

/* ---- stragglers ---- */

/* The call is over by our will. */
static void stop_node(struct run_node *n, enum end_reason reason)
{
    if (n->call) {
        upstream_cancel(n->call, &n->record);
        n->call = NULL;
        n->record.reason = reason;
    }
    arena_fini(&n->room);
}

/* The ledger is asked only where there is something to be late for. */
static uint64_t late_us(const struct run *r, unsigned node)
{
    return dag_late_us(&r->dag, node, 0) == UINT64_MAX
               ? UINT64_MAX
               : dag_late_us(&r->dag, node, run_expect_patience_us(r, node));
}

static void set_late(struct run *r)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        uint64_t due = late_us(r, i);
        first = due < first ? due : first;
    }
    if (first == UINT64_MAX) {
        loop_timer_clear(r->spec.host->loop, &r->late);
    } else {
        loop_timer_set_at(r->spec.host->loop, &r->late, first);
    }
}

static void on_late(void *arg)
{
    struct run *r = arg;
    uint64_t now = run_now_us(r);
    for (unsigned i = 0; i < r->spec.graph->count && r->sink; i++) {
        if (late_us(r, i) <= now) {
            stop_node(&r->nodes[i], END_STRAGGLER);
            run_expect_end(r, i);
            run_settle(r, i, false);
        }
    }
    if (r->sink) {
        set_late(r);
    }
}

/* ---- a node's call ---- */

/* An answer whose text is a client's or another node's to read. */
static bool take_answer(struct run_node *n)
{
    n->text = collect_answer(&n->collect);
    n->is_cut = n->collect.is_cut;
    n->source = n->index;
    return n->text.n > 0;
}

/* The answer is another node's, word for word. */
static void adopt(struct run_node *n, const struct run_node *from)
{
    n->text = from->text;
    n->is_cut = from->is_cut;
    n->source = from->source;
}

/* A select's reply names the candidate whose text is the answer. */
static bool take_selection(struct run_node *n)
{
    int place = prompt_selected(collect_answer(&n->collect), n->order_count);
    if (place < 0) {
        return false;
    }
    adopt(n, &n->run->nodes[n->order[place]]);
    return true;
}

static void end_node(struct run_node *n, bool complete)
{
    struct run *r = n->run;
    bool selects = run_graph_node(r, n->index)->fuse == FUSER_SELECT;
    arena_fini(&n->room);
    bool answered = complete && (selects ? take_selection(n) : take_answer(n));
    run_expect_end(r, n->index);
    run_settle(r, n->index, answered);
}

static void on_commit(void *arg, const struct model_def *model)
{
    (void) arg;
    (void) model;
}

static void on_chunk(void *arg, const struct chunk *chunk)
{
    struct run_node *n = arg;
    enum err rc = collect_chunk(&n->collect, chunk);
    if (rc != ERR_NONE) {
        /* Where as much as one answer may hold has come, the rest is not waited for, and it counts. */
        bool is_full = rc == ERR_LIMIT;
        upstream_cancel(n->call, &n->record);
        n->call = NULL;
        n->record.reason = is_full ? END_UPSTREAM_LIMIT : END_INTERNAL;
        end_node(n, is_full);
    }
}

static void on_reply(void *arg, const struct chunk *reply)
{
    (void) arg;
    (void) reply; /* an inner node is always asked for a stream */
}

static void on_end(void *arg, const struct failure *failure, const struct call_record *record)
{
    struct run_node *n = arg;
    n->record = *record;
    n->call = NULL;
    if (failure) {
        n->run->failure = *failure;
    }
    end_node(n, failure == NULL);
}

static void on_slot(void *arg)
{
    struct run_node *n = arg;
    dag_serve(&n->run->dag, n->index, run_now_us(n->run));
    set_late(n->run);
}

static const struct upstream_events inner_events = {on_commit, on_chunk, on_reply, on_end, on_slot};

/* The request's deadline less what follows is expected to take, yet never less than half of what is left.
 * Where that is not known, nodes that follow one another have equal shares. */
static uint64_t deadline_of(const struct run *r, unsigned node)
{
    uint64_t now = run_now_us(r);
    double left = r->spec.deadline_us > now ? (double) (r->spec.deadline_us - now) : 0.0;
    double follow = r->expect.follow_s[node] * 1e6;
    double nodes = r->expect.follow_nodes[node];
    double own = isnan(follow) ? left / (nodes + 1.0) : fmax(left - follow, left / 2.0);
    return now + (uint64_t) own;
}

/* It makes no call, and says so. */
static void fail_node(struct run_node *n, enum end_reason reason, const char *message)
{
    const struct model_def *m = run_graph_node(n->run, n->index)->model;
    uint64_t now = run_now_us(n->run);
    n->run->failure = (struct failure) {.reason = reason,
                                        .status = 503,
                                        .message = message,
                                        .type = "server_error",
                                        .code = end_reason_text(reason)};
    n->record = (struct call_record) {
        .node = n->index, .reason = reason, .start_us = now, .end_us = now};
    snprintf(n->record.model, sizeof(n->record.model), "%s", m->name);
    snprintf(n->record.upstream, sizeof(n->record.upstream), "%s", m->upstream->name);
    n->has_record = true;
    arena_fini(&n->room);
    run_settle(n->run, n->index, false);
}

static void call_node(struct run_node *n, bool streams)
{
    struct run *r = n->run;
    const struct run_spec *s = &r->spec;
    struct upstream_spec spec = {
        .snapshot = s->snapshot,
        .model = run_graph_node(r, n->index)->model,
        .request = s->request,
        .ask = &n->ask,
        .headers = s->headers,
        .budget = s->budget,
        .deadline_us = deadline_of(r, n->index),
        .class = s->class,
        .is_evaluation = s->is_evaluation,
        .key_tag = s->key_tag,
        .node = n->index,
    };
    dag_start(&r->dag, n->index, run_now_us(r));
    if (run_ask(n, streams) == ERR_NONE) {
        n->call = upstream_start(s->host, &spec, r->room,
                                 streams ? &run_stream_events : &inner_events, n);
    }
    if (!n->call) {
        fail_node(n, END_INTERNAL, "no memory for a call to the model");
        return;
    }
    n->has_record = true;
}

/* ---- what can start ---- */

static void settle_by(struct run *r, unsigned node, unsigned source)
{
    adopt(&r->nodes[node], &r->nodes[source]);
    run_settle(r, node, true);
}

static void start_vote(struct run *r, unsigned node)
{
    uint32_t set = dag_candidates(&r->dag, node);
    unsigned winner = set ? run_vote(r, set) : GRAPH_NODES_MAX;
    if (winner != GRAPH_NODES_MAX) {
        settle_by(r, node, winner);
    } else {
        run_settle(r, node, false);
    }
}

static void start_node(struct run *r, unsigned node)
{
    const struct graph_node *g = run_graph_node(r, node);
    uint32_t candidates = dag_candidates(&r->dag, node);
    bool is_output = node == r->spec.graph->output;
    if (g->fuse == FUSER_VOTE) {
        start_vote(r, node);
    } else if (g->fuse == FUSER_SELECT && __builtin_popcount(candidates) == 1) {
        settle_by(r, node, (unsigned) __builtin_ctz(candidates)); /* nothing to choose from */
    } else if (!run_expect_start(r, node)) {
        fail_node(&r->nodes[node], END_BUDGET, "the graph would have cost more than it may");
    } else {
        /* A select without candidates answers the question itself, as any output does. */
        call_node(&r->nodes[node], is_output && (g->fuse != FUSER_SELECT || candidates == 0));
    }
}

static void cancel_unwanted(struct run *r)
{
    uint32_t cancelled = dag_prune(&r->dag);
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        if ((cancelled & dag_bit(i)) != 0) {
            stop_node(&r->nodes[i], END_UNWANTED);
            run_expect_end(r, i);
        }
    }
}

static void decide_votes(struct run *r, unsigned node)
{
    uint32_t next = graph_successors(r->spec.graph, node) & r->dag.waiting;
    for (unsigned i = node + 1; i < r->spec.graph->count && r->sink; i++) {
        if ((next & r->dag.waiting & dag_bit(i)) != 0 && run_graph_node(r, i)->fuse == FUSER_VOTE &&
            run_vote_is_decided(r, i)) {
            start_vote(r, i);
        }
    }
}

static void end_output(struct run *r, bool answered)
{
    if (answered) {
        run_deliver(r, run_output(r)->source);
    } else {
        run_rescue(r);
    }
}

void run_settle(struct run *r, unsigned node, bool answered)
{
    dag_end(&r->dag, node, answered, run_now_us(r));
    if (node == r->spec.graph->output) {
        end_output(r, answered);
        return;
    }
    decide_votes(r, node); /* by silence too: one less is out that could change it */
    if (r->sink) {
        cancel_unwanted(r);
        advance(r);
    }
}

/* One node a round: what it settles at once may change what is ready. */
static void advance(struct run *r)
{
    uint32_t ready;
    while (r->sink && (ready = dag_ready(&r->dag)) != 0) {
        start_node(r, (unsigned) __builtin_ctz(ready));
    }
    if (r->sink) {
        set_late(r);
    }
}

/* ---- life ---- */

static void on_begin(void *arg)
{
    advance(arg);
}

static uint64_t seed_of(const struct run_spec *spec)
{
    static const char *const names[] = {"seed"};
    struct span_value seed;
    uint64_t sent;
    span_find(spec->request->object, names, 1, &seed);
    if (seed.type != SPAN_NUMBER) {
        return spec->seed;
    }
    return mix64(span_to_u64(&seed, &sent) ? sent : mix64_text(seed.text)); /* as -1 */
}

static bool init_nodes(struct run *r)
{
    unsigned count = r->spec.graph->count;
    r->nodes = arena_array(r->room, count, sizeof(*r->nodes));
    for (unsigned i = 0; r->nodes && i < count; i++) {
        struct run_node *n = &r->nodes[i];
        n->run = r;
        n->index = i;
        n->source = i;
        collect_init(&n->collect, r->spec.host->event_cap_bytes);
        arena_init(&n->room, PROMPT_ROOM_BYTES, SIZE_MAX);
    }
    return r->nodes != NULL;
}

struct run *run_start(const struct run_spec *spec, struct arena *room, const struct sink_ops *sink,
                      void *sink_arg)
{
    struct run *r = arena_alloc(room, sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->spec = *spec;
    r->room = room;
    if (!init_nodes(r)) {
        return NULL;
    }
    r->spec.snapshot = snapshot_ref(spec->snapshot);
    r->sink = sink;
    r->sink_arg = sink_arg;
    r->seed = seed_of(spec);
    r->source = spec->graph->output;
    dag_init(&r->dag, spec->graph);
    arena_init(&r->votes, 1024, VOTES_ROOM_FACTOR * spec->host->event_cap_bytes);
    loop_timer_init(&r->late, on_late, r);
    loop_task_init(&r->begin, on_begin, r);
    run_expect_init(r);
    loop_post(spec->host->loop, &r->begin);
    return r;
}

void run_resume(struct run *r)
{
    if (r->sink && r->is_streaming && run_output(r)->call) {
        upstream_resume(run_output(r)->call);
    }
}

void run_cancel(struct run *r, enum end_reason reason)
{
    r->sink = NULL;
    loop_unpost(r->spec.host->loop, &r->begin);
    loop_timer_clear(r->spec.host->loop, &r->late);
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        stop_node(&r->nodes[i], reason);
    }
}

void run_free(struct run *r)
{
    if (!r) {
        return;
    }
    run_cancel(r, END_CLIENT_GONE);
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        collect_fini(&r->nodes[i].collect);
    }
    assemble_free(r->assemble);
    arena_fini(&r->votes);
    snapshot_unref(r->spec.snapshot);
}

/* ---- what it says of itself ---- */

const char *run_degraded(const struct run *r)
{
    return r->degraded;
}

const struct call_record *run_call(const struct run *r, unsigned node)
{
    return r->nodes[node].has_record ? &r->nodes[node].record : NULL;
}

void run_report(const struct run *r, struct record *record)
{
    const struct call_record *source = run_call(r, r->source);
    record->calls = 0;
    record->usd = 0.0;
    record->usage = (struct token_usage) {.known = false};
    if (source) {
        record->call = *source;
    }
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        const struct call_record *c = run_call(r, i);
        if (c) {
            record->calls += c->attempts;
            record->usage.known = record->usage.known || c->usage.known;
            record->usage.prompt += c->usage.prompt;
            record->usage.cached += c->usage.cached;
            record->usage.completion += c->usage.completion;
            record->usd += c->usd;
        }
    }
}
