#include "gateway/relay.h"

#include "gateway/relay_limits.h"
#include "gateway/reply.h"
#include "gateway/sse_write.h"
#include "cache/mix.h"
#include "cache/splice.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The relay's state of one exchange, in the exchange's arena. */
struct relay {
    struct exchange *x;
    struct job *job;
    struct route route;
    struct relay_limits limits;
    struct loop_timer heartbeat;
    struct slice id_json; /* what replaces the upstream's id and model */
    struct slice model_json;
};

/* ---- failures ---- */

static const char *id_prefix(enum endpoint endpoint)
{
    switch (endpoint) {
    case ENDPOINT_CHAT:
        return "chatcmpl-";
    case ENDPOINT_COMPLETIONS:
        return "cmpl-";
    case ENDPOINT_EMBEDDINGS:
    case ENDPOINT_OTHER:
    case ENDPOINT_COUNT:
        break;
    }
    return "";
}

static void refuse(struct exchange *x, enum end_reason reason, int status, const char *param,
                   const char *code, const char *message)
{
    struct failure f = {.reason = reason,
                        .status = status,
                        .type = "invalid_request_error",
                        .param = param,
                        .code = code,
                        .message = message};
    reply_failure(x, &f);
}

/* ---- heartbeat ---- */

static void on_heartbeat(void *arg)
{
    struct relay *r = arg;
    struct exchange *x = r->x;
    const struct config *c = x->settings->config;
    uint64_t now = exchange_now_us(x);
    uint64_t period = reply_is_committed(x) ? c->heartbeat_every_us : c->heartbeat_first_us;
    if (now - x->reply.sent_us < period) { /* something was sent since the timer was set */
        loop_timer_set_at(x->server->loop, &r->heartbeat, x->reply.sent_us + period);
        return;
    }
    if (!reply_is_committed(x)) {
        reply_stream_begin(x);
    }
    if (!x->reply.full) { /* a client that is behind has bytes to read: it does not think us dead */
        sse_write_comment(reply_stream(x), SLICE_LIT("heartbeat"));
        reply_stream_flush(x);
        x->record.heartbeats++;
    }
    if (c->heartbeat_every_us > 0) {
        loop_timer_set(x->server->loop, &r->heartbeat, c->heartbeat_every_us);
    }
}

static void start_heartbeat(struct relay *r)
{
    struct exchange *x = r->x;
    x->reply.sent_us = exchange_now_us(x);
    if (x->settings->config->heartbeat_first_us > 0) {
        loop_timer_set(x->server->loop, &r->heartbeat, x->settings->config->heartbeat_first_us);
    }
}

/* ---- the sink ---- */

/* The upstream's id and model are replaced by ours; all other bytes are the upstream's. */
static enum err put_names(const struct relay *r, const struct chunk *c, struct splice *edits)
{
    enum err rc = ERR_NONE;
    splice_init(edits, c->json);
    if (c->id.type != SPAN_ABSENT) {
        rc = splice_replace(edits, c->id.text, r->id_json);
    }
    if (rc == ERR_NONE && c->model.type != SPAN_ABSENT) {
        rc = splice_replace(edits, c->model.text, r->model_json);
    }
    return rc;
}

/* Our own fault in the middle of an answer: the client is told, the job is stopped by SINK_GONE. */
static enum sink_flow give_up(struct relay *r)
{
    static const struct failure failure = {.reason = END_INTERNAL,
                                           .status = 500,
                                           .type = "server_error",
                                           .code = "internal",
                                           .message = "the answer could not be rewritten"};
    loop_timer_clear(r->x->server->loop, &r->heartbeat);
    if (r->x->reply.stream) {
        reply_stream_abort(r->x, &failure);
    } else {
        reply_failure(r->x, &failure);
    }
    return SINK_GONE;
}

/* The upstream's own id, for a person who asks its operator. It is the upstream's text: only what can
 * stand in a header goes into one. */
static void name_upstream_id(struct exchange *x, const char *id)
{
    for (size_t i = 0; id[i]; i++) {
        if (id[i] <= ' ' || id[i] > '~') {
            return;
        }
    }
    if (id[0]) {
        reply_header(x, "x-sluice-upstream-id", id);
    }
}

/* Before the head goes out: who answers, as far as it differs from what was planned. */
static void name_source(const struct relay *r, const struct chunk *c)
{
    char id[RECORD_ID_BYTES];
    size_t n = c->id.type == SPAN_STRING ? span_decode(c->id.text, id, sizeof(id) - 1) : 0;
    if (n < sizeof(id)) {
        id[n] = '\0';
        name_upstream_id(r->x, id);
    }
    if (job_degraded(r->job)) {
        reply_header(r->x, "x-sluice-degraded", job_degraded(r->job));
    }
}

static enum sink_flow on_chunk(void *arg, const struct chunk *c)
{
    struct relay *r = arg;
    struct exchange *x = r->x;
    const struct request *request = job_request(r->job);
    struct splice edits;
    struct slice pieces[SPLICE_PIECES_MAX];
    bool has_usage = c->usage.type != SPAN_ABSENT;
    if (has_usage && !request->wants_usage && !c->has_choices) {
        return SINK_OK; /* the usage event, which only we asked for */
    }
    enum err rc = put_names(r, c, &edits);
    if (rc == ERR_NONE && has_usage && !request->wants_usage) {
        rc = splice_remove(&edits, c->usage.member);
    }
    if (rc != ERR_NONE) {
        return give_up(r);
    }
    if (!reply_is_committed(x)) {
        name_source(r, c);
        reply_stream_begin(x);
    }
    if (c->has_content) {
        r->limits.delivered_events++;
        x->record.content_us = x->record.content_us ? x->record.content_us : exchange_now_us(x);
    }
    if (sse_write_event(reply_stream(x), pieces, splice_pieces(&edits, pieces)) != ERR_NONE) {
        return give_up(r);
    }
    enum sink_flow flow = reply_stream_flush(x);
    if (flow == SINK_FULL) {
        x->record.pauses++;
    }
    return flow;
}

static enum sink_flow on_reply(void *arg, const struct chunk *c)
{
    struct relay *r = arg;
    struct exchange *x = r->x;
    struct splice edits;
    struct slice pieces[SPLICE_PIECES_MAX];
    if (put_names(r, c, &edits) != ERR_NONE) {
        return give_up(r);
    }
    x->record.content_us = exchange_now_us(x);
    name_source(r, c);
    reply_pieces(x, 200, "application/json", pieces, splice_pieces(&edits, pieces));
    return SINK_OK;
}

/* The last word of a stream is a comment, which clients ignore and people can read. */
static void write_closing(struct relay *r)
{
    char graph[GRAPH_ID_TEXT_BYTES];
    char text[128];
    struct record facts = {0};
    job_report(r->job, &facts);
    graph_id_text(r->route.graph->id, graph);
    int n = snprintf(text, sizeof(text), "sluice graph=%s calls=%" PRIu32 " degraded=%s", graph,
                     facts.calls, facts.degraded[0] ? facts.degraded : "no");
    sse_write_comment(reply_stream(r->x), (struct slice) {text, (size_t) n});
    sse_write_done(reply_stream(r->x));
}

static void on_end(void *arg, const struct failure *failure)
{
    struct relay *r = arg;
    struct exchange *x = r->x;
    loop_timer_clear(x->server->loop, &r->heartbeat);
    if (failure && x->reply.stream) {
        reply_stream_abort(x, failure);
    } else if (failure) {
        struct record facts = {0};
        job_report(r->job, &facts);
        name_upstream_id(x, facts.call.upstream_id);
        reply_failure(x, failure);
    } else if (x->reply.stream) {
        write_closing(r);
        reply_stream_end(x);
    }
    /* else a JSON client, who has the whole reply already */
}

static const struct sink_ops sink = {on_chunk, on_reply, on_end};

/* ---- admission ---- */

static struct slice quoted(struct arena *room, const char *prefix, struct slice text)
{
    size_t length = span_escaped_length(text);
    size_t prefix_length = strlen(prefix);
    char *out = arena_alloc(room, prefix_length + length + 3);
    if (!out) {
        return SLICE_LIT("\"\"");
    }
    out[0] = '"';
    memcpy(out + 1, prefix, prefix_length);
    span_escape(text, out + 1 + prefix_length, length);
    out[1 + prefix_length + length] = '"';
    return (struct slice) {out, prefix_length + length + 2};
}

static void name_answer(struct relay *r)
{
    struct exchange *x = r->x;
    const struct request *request = job_request(r->job);
    bool is_graph = r->route.kind != ROUTE_MODEL;
    if (is_graph || r->route.task_by == TASK_BY_HEADER) {
        exchange_set_task(x, r->route.task);
    }
    r->id_json = quoted(&x->room, id_prefix(request->endpoint), slice_of(exchange_id(x)));
    r->model_json = quoted(&x->room, "", request->model_name);
    if (is_graph) {
        char graph[GRAPH_ID_TEXT_BYTES];
        graph_id_text(r->route.graph->id, graph);
        reply_header(x, "x-sluice-task", r->route.task->name);
        reply_header(x, "x-sluice-graph", graph);
    }
}

/* An upstream that routes itself may answer with any of `models`, also one that the key's list does not
 * hold. False after a refusal was sent. */
static bool check_models(struct exchange *x, const struct request *request)
{
    enum span_type type = request->models.type;
    if (x->key && x->key->allow && type != SPAN_ABSENT && type != SPAN_NULL) {
        refuse(x, END_FORBIDDEN, 403, "models", "model_not_allowed",
               "this API key is limited to certain models: `models` is not allowed");
        return false;
    }
    return true;
}

/* False after a refusal was sent. */
static bool parse(struct relay *r)
{
    struct exchange *x = r->x;
    struct errbuf why;
    const char *param = NULL;
    if (!x->body) {
        refuse(x, END_BAD_REQUEST, 400, NULL, "invalid_json",
               "the request has no body; a JSON object is expected");
        return false;
    }
    struct reqbody *body = x->body;
    x->body = NULL;
    enum err rc = request_parse(job_request(r->job), x->handler->endpoint, body, job_room(r->job),
                                &param, &why);
    if (rc != ERR_NONE) {
        refuse(x, END_BAD_REQUEST, 400, param, param ? "invalid_value" : "invalid_json", why.text);
        return false;
    }
    const struct request *request = job_request(r->job);
    size_t n = request->model_name.n < RECORD_NAME_BYTES - 1 ? request->model_name.n
                                                             : RECORD_NAME_BYTES - 1;
    memcpy(x->record.model, request->model_name.p, n);
    x->record.stream = request->is_stream;
    return true;
}

static void refuse_route(struct exchange *x, enum route_answer answer, const struct errbuf *why)
{
    switch (answer) {
    case ROUTE_UNKNOWN_TASK:
        refuse(x, END_BAD_REQUEST, 400, NULL, "unknown_task", why->text);
        break;
    case ROUTE_OUTSIDE_DATA:
        refuse(x, END_FORBIDDEN, 403, "model", "data_boundary", why->text);
        break;
    case ROUTE_NO_MEMORY:
        refuse(x, END_INTERNAL, 503, NULL, "out_of_memory", why->text);
        break;
    case ROUTE_UNKNOWN_NAME:
    case ROUTE_OK:
        refuse(x, END_NOT_FOUND, 404, "model", "model_not_found", why->text);
        break;
    }
}

static bool find_route(struct relay *r)
{
    struct exchange *x = r->x;
    const struct request *request = job_request(r->job);
    struct errbuf why;
    if (!auth_allows(x->key, request->model_name)) {
        refuse(x, END_FORBIDDEN, 403, "model", "model_not_allowed",
               "this API key is not allowed to use this model");
        return false;
    }
    const struct route_ask ask = {
        .name = request->model_name, .header = slice_of(x->task_header), .request = request};
    enum route_answer answer = route_find(x->settings->snapshot, &ask, &r->route, &why);
    if (answer != ROUTE_OK) {
        refuse_route(x, answer, &why);
        return false;
    }
    if (request->endpoint == ENDPOINT_EMBEDDINGS && !graph_is_single(r->route.graph)) {
        r->route.graph = NULL; /* nothing has run that could be reported */
        refuse(x, END_BAD_REQUEST, 400, "model", "not_an_embedding_model",
               "a graph of several models makes no embeddings: name a model that does");
        return false;
    }
    x->record.task_by = r->route.task_by;
    x->record.task_p = r->route.task_probability;
    if (route_has_choice(&r->route)) {
        route_choose(&r->route,
                     request_unit(request, x->server->install_key, x->key ? x->key->key_tag : 0,
                                  slice_of(x->session_name)));
    }
    return true;
}

static void run_job(struct relay *r)
{
    struct exchange *x = r->x;
    struct job_plan plan = {
        .route = r->route,
        .headers = x->pass_headers,
        .deadline_us = x->record.head_us + r->route.task->deadline_us,
        .key_tag = x->key ? x->key->key_tag : 0,
        .usage_sum = x->key && x->key->usage_sum,
    };
    name_answer(r);
    /* What a graph draws by, where the client sent no seed: this request's own id. */
    plan.seed = graph_is_single(r->route.graph) ? 0 : mix64_text(slice_of(exchange_id(x)));
    x->record.route_us = exchange_now_us(x);
    if (job_request(r->job)->is_stream) {
        start_heartbeat(r);
    }
    job_start(r->job, &plan);
}

void relay_start(struct exchange *x)
{
    struct relay *r = arena_alloc(&x->room, sizeof(*r));
    if (!r) {
        refuse(x, END_INTERNAL, 503, NULL, "out_of_memory", "no memory for this request");
        return;
    }
    r->x = x;
    x->state = r;
    loop_timer_init(&r->heartbeat, on_heartbeat, r);
    r->job = job_new(x->server->upstreams, x->settings->snapshot, &sink, r);
    const struct request *request = job_request(r->job);
    if (parse(r) && check_models(x, request) && find_route(r) &&
        relay_limits_enter(&r->limits, x, request)) {
        run_job(r);
    }
}

/* ---- while it runs, and after ---- */

void relay_drained(struct exchange *x)
{
    struct relay *r = x->state;
    job_resume(r->job);
}

void relay_stop(struct exchange *x, enum end_reason reason)
{
    struct relay *r = x->state;
    if (r) {
        loop_timer_clear(x->server->loop, &r->heartbeat);
        job_cancel(r->job, reason);
    }
}

static bool is_unreported(const struct call_record *call)
{
    return call->first_byte_us != 0 && !call->usage.known;
}

/* A graph's calls: each is counted and gets a line of its own, and the key pays for those that nobody
 * reports. */
static void note_calls(struct relay *r)
{
    const struct call_record *answer = &r->x->record.call;
    const struct call_record *call;
    char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1];
    if (graph_is_single(r->route.graph)) {
        return; /* its one call is the request's own line */
    }
    graph_names(r->route.graph, names);
    for (unsigned node = 0; (call = job_call(r->job, &node)) != NULL;) {
        log_node_call(r->x->server->log, exchange_id(r->x), names[call->node], call);
        metrics_record_node(&r->x->server->metrics, call);
        if (call->node != answer->node || answer->attempts == 0) {
            r->limits.unreported += is_unreported(call);
        }
    }
}

void relay_release(struct exchange *x)
{
    struct relay *r = x->state;
    if (!r) {
        return;
    }
    enum end_reason reason = x->record.reason;
    loop_timer_clear(x->server->loop, &r->heartbeat);
    if (r->route.graph) {
        job_report(r->job, &x->record);
        note_calls(r);
    }
    if (reason != END_NONE) {
        x->record.reason = reason; /* what the client was told goes before what the job knows */
    }
    relay_limits_leave(&r->limits, x);
    job_free(r->job);
}
