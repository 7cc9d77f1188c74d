#include "router/run_private.h"

#include "cache/splice.h"
#include "router/request_facts.h"

#include <stdlib.h>

static void finish(struct run *r, const struct failure *failure)
{
    const struct sink_ops *sink = r->sink;
    if (sink) {
        run_cancel(r, END_UNWANTED); /* what still runs is for nothing now */
        sink->end(r->sink_arg, failure);
    }
}

static void fail(struct run *r, const char *message)
{
    struct failure f = {.reason = END_INTERNAL,
                        .status = 500,
                        .message = message,
                        .type = "server_error",
                        .code = "internal"};
    finish(r, &f);
}

/* ---- usage ---- */

/* The client's prompt as the models saw it: the shortest prompt of a call without candidates, else of any. */
static const struct token_usage *prompt_usage(const struct run *r)
{
    const struct token_usage *best = NULL;
    bool best_is_root = false;
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        const struct call_record *c = run_call(r, i);
        bool is_root = run_graph_node(r, i)->predecessors == 0;
        if (!c || !c->usage.known) {
            continue;
        }
        if (!best || (is_root && !best_is_root) ||
            (is_root == best_is_root && c->usage.prompt < best->prompt)) {
            best = &c->usage;
            best_is_root = is_root;
        }
    }
    return best;
}

static struct graph_usage usage_of(const struct run *r)
{
    struct record all = {0};
    struct graph_usage u = {0};
    const struct token_usage *prompt = prompt_usage(r);
    run_report(r, &all);
    if (r->spec.usage_sum) {
        prompt = &all.usage;
    }
    if (prompt) {
        u.prompt = prompt->prompt;
        u.cached = prompt->cached;
    }
    u.completion = r->spec.usage_sum ? all.usage.completion : all.call.usage.completion;
    u.calls = all.calls;
    u.all_prompt = all.usage.prompt;
    u.all_completion = all.usage.completion;
    u.usd = all.usd;
    return u;
}

/* ---- giving to the sink ---- */

static void obey(struct run *r, enum sink_flow flow)
{
    struct upstream_call *call = r->sink ? run_output(r)->call : NULL;
    if (!r->sink) {
        return; /* cancelled from inside the sink */
    }
    if (flow == SINK_FULL && r->is_streaming && call) {
        r->was_paused = true;
        upstream_pause(call);
    } else if (flow == SINK_GONE) {
        run_cancel(r, END_CLIENT_GONE);
    }
}

/* Takes the text; false where it cannot be given, or nobody takes it any more. */
static bool give_event(struct run *r, struct reply_buffer *text, enum err rc)
{
    struct chunk c;
    bool ok = rc == ERR_NONE && chunk_parse((struct slice) {text->bytes, text->length},
                                            ENDPOINT_CHAT, &c, NULL) == ERR_NONE;
    if (ok) {
        obey(r, r->sink->chunk(r->sink_arg, &c));
    } else {
        fail(r, "the answer of the graph could not be written");
    }
    reply_buffer_fini(text);
    return ok && r->sink;
}

static bool give_reply(struct run *r, struct reply_buffer *text, enum err rc)
{
    struct chunk c;
    bool ok = rc == ERR_NONE && chunk_parse_reply((struct slice) {text->bytes, text->length},
                                                  ENDPOINT_CHAT, &c, NULL) == ERR_NONE;
    if (ok) {
        obey(r, r->sink->reply(r->sink_arg, &c));
    } else {
        fail(r, "the answer of the graph could not be written");
    }
    reply_buffer_fini(text);
    return ok && r->sink;
}

static int64_t wall_s(const struct run *r)
{
    return env_wall_us(loop_env(r->spec.host->loop)) / 1000000;
}

static void start_text(const struct run *r, struct reply_buffer *text)
{
    reply_buffer_init(text, r->spec.host->reply_cap_bytes);
}

static void finish_stream(struct run *r)
{
    struct reply_buffer text;
    bool ok = true;
    if (r->spec.request->wants_usage) {
        struct graph_usage usage = usage_of(r);
        start_text(r, &text);
        ok = give_event(r, &text, deliver_usage_event(&usage, wall_s(r), &text));
    }
    if (ok) {
        finish(r, NULL);
    }
}

static void finish_reply(struct run *r, const struct delivery *d)
{
    struct reply_buffer text, usage_text;
    struct graph_usage usage = usage_of(r);
    start_text(r, &text);
    start_text(r, &usage_text);
    enum err rc = deliver_usage(&usage, &usage_text);
    struct slice usage_json = {usage_text.bytes, usage_text.length};
    if (rc == ERR_NONE) {
        rc = d ? deliver_reply(d, usage_json, &text)
               : assemble_reply(r->assemble, usage_json, &text);
    }
    reply_buffer_fini(&usage_text);
    if (give_reply(r, &text, rc)) {
        finish(r, NULL);
    }
}

/* ---- a text that nobody streams ---- */

void run_deliver(struct run *r, unsigned source)
{
    typedef enum err (*writer)(const struct delivery *d, struct reply_buffer *out);
    static const writer events[] = {deliver_role, deliver_content, deliver_finish};
    const struct run_node *n = &r->nodes[source];
    struct delivery d = {.text = n->text, .is_cut = n->is_cut, .created_s = wall_s(r)};
    r->source = n->source;
    if (!r->spec.request->is_stream) {
        finish_reply(r, &d);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct reply_buffer text;
        start_text(r, &text);
        if (!give_event(r, &text, events[i](&d, &text))) {
            return;
        }
    }
    finish_stream(r);
}

/* Those that feed the output, else any; yet a client that asked for a form gets none that was not asked for
 * it. */
static uint32_t rescuers(const struct run *r)
{
    uint32_t set = dag_candidates(&r->dag, r->spec.graph->output);
    struct request_facts facts;
    if (set != 0) {
        return set;
    }
    request_facts(r->spec.request, &facts);
    return r->dag.answered &
           (facts.has_json_schema ? graph_deliverable(r->spec.graph) : UINT32_MAX);
}

void run_rescue(struct run *r)
{
    static const struct failure nothing = {.reason = END_MALFORMED,
                                           .status = 502,
                                           .message = "no model of the graph gave an answer",
                                           .type = "server_error",
                                           .code = "no_answer"};
    uint32_t set = rescuers(r);
    if (set == 0) {
        finish(r, r->failure.reason != END_NONE ? &r->failure : &nothing);
        return;
    }
    r->degraded = "rescue";
    run_deliver(r, run_best(r, set));
}

/* ---- an output that streams ---- */

static void on_commit(void *arg, const struct model_def *model)
{
    struct run_node *n = arg;
    struct run *r = n->run;
    const struct graph_node *g = run_graph_node(r, n->index);
    r->is_streaming = true;
    if (model != g->model) {
        r->degraded = "fallback";
    } else if (g->role == ROLE_FUSER && dag_candidates(&r->dag, n->index) == 0) {
        r->degraded = "no_candidates";
    }
}

/* Ours comes at the end and speaks of the client's side; the upstream's would speak of the fuser's prompt. */
static bool without_usage(struct run *r, const struct chunk *c, struct reply_buffer *text)
{
    struct splice edits;
    splice_init(&edits, c->json);
    start_text(r, text);
    if (splice_remove(&edits, c->usage.member) != ERR_NONE) {
        return false;
    }
    struct slice pieces[SPLICE_PIECES_MAX];
    size_t count = splice_pieces(&edits, pieces);
    for (size_t i = 0; i < count; i++) {
        if (reply_buffer_add(text, pieces[i]) != ERR_NONE) {
            return false;
        }
    }
    return true;
}

static void stream_chunk(struct run *r, const struct chunk *c)
{
    struct reply_buffer text;
    if (c->usage.type == SPAN_ABSENT || c->usage.type == SPAN_NULL) {
        r->has_content = r->has_content || c->has_content;
        obey(r, r->sink->chunk(r->sink_arg, c));
    } else if (c->has_choices) {
        r->has_content = r->has_content || c->has_content;
        give_event(r, &text, without_usage(r, c, &text) ? ERR_NONE : ERR_LIMIT);
    }
}

/* What the client has got nothing of may be replaced. */
static void lose_output(struct run_node *n, const struct failure *failure)
{
    n->run->failure = *failure;
    n->run->is_streaming = false;
    run_settle(n->run, n->index, false);
}

static void assemble_it(struct run_node *n, const struct chunk *c)
{
    static const struct failure too_long = {
        .reason = END_UPSTREAM_LIMIT,
        .status = 502,
        .message = "the model's answer is longer than limits.body",
        .type = "server_error",
        .code = "upstream_too_large"};
    struct run *r = n->run;
    if (!r->assemble) {
        r->assemble = assemble_new(r->spec.host->reply_cap_bytes);
    }
    enum err rc = r->assemble ? assemble_chunk(r->assemble, c) : ERR_NOMEM;
    if (rc == ERR_LIMIT) { /* as if its upstream had failed */
        upstream_cancel(n->call, &n->record);
        n->call = NULL;
        n->record.reason = END_UPSTREAM_LIMIT;
        arena_fini(&n->room);
        run_expect_end(r, n->index);
        lose_output(n, &too_long);
    } else if (rc != ERR_NONE) {
        fail(r, "no memory for the answer");
    }
}

static void on_chunk(void *arg, const struct chunk *c)
{
    struct run_node *n = arg;
    if (n->run->spec.request->is_stream) {
        stream_chunk(n->run, c);
    } else {
        assemble_it(n, c);
    }
}

static void on_reply(void *arg, const struct chunk *reply)
{
    (void) arg;
    (void) reply; /* a graph's output is always asked for a stream */
}

static void on_end(void *arg, const struct failure *failure, const struct call_record *record)
{
    struct run_node *n = arg;
    struct run *r = n->run;
    n->record = *record;
    n->call = NULL;
    arena_fini(&n->room);
    run_expect_end(r, n->index);
    if (!failure) {
        dag_end(&r->dag, n->index, true, run_now_us(r));
        if (r->spec.request->is_stream) {
            finish_stream(r);
        } else {
            finish_reply(r, NULL);
        }
    } else if (r->has_content) {
        finish(r, failure);
    } else {
        lose_output(n, failure);
    }
}

const struct upstream_events run_stream_events = {on_commit, on_chunk, on_reply, on_end, NULL};
