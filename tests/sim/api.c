#include "tests/sim/api.h"

#include "tests/sim/answer.h"
#include "tests/sim/ask.h"
#include "tests/sim/embeddings.h"
#include "tests/sim/faults.h"
#include "tests/sim/player.h"
#include "tests/sim/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum endpoint { ENDPOINT_CHAT = 0, ENDPOINT_COMPLETION, ENDPOINT_EMBEDDINGS };

static struct job *new_job(struct api *api, struct conn *c, const struct http_request *req,
                           struct stats_model *m)
{
    struct job *j = player_new(api->base, c, &api->stats, m);

    j->script.keep_alive = req->keep_alive;
    j->script.is_chunked = req->minor == 1;
    return j;
}

static void answer_json(struct api *api, struct conn *c, const struct http_request *req,
                        json_t *doc)
{
    struct job *j = new_job(api, c, req, NULL);
    char *text = json_dumps(doc, 0);

    if (text == NULL) {
        script_error(&j->script, 500, -1, "server_error", NULL, NULL, "cannot render the document");
    } else {
        script_plain(&j->script, 200, "application/json", text, strlen(text), "");
    }
    free(text);
    json_decref(doc);
    player_start(j);
}

static void answer_bytes(struct api *api, struct conn *c, const struct http_request *req,
                         const char *type, const char *p, size_t n)
{
    struct job *j = new_job(api, c, req, NULL);

    script_plain(&j->script, 200, type, p, n, "");
    player_start(j);
}

static void answer_error(struct api *api, struct conn *c, const struct http_request *req,
                         int status, const char *code, const char *message)
{
    struct job *j = new_job(api, c, req, NULL);

    script_error(&j->script, status, -1, "invalid_request_error", code, NULL, message);
    player_start(j);
}

static json_t *model_json(const char *id)
{
    return json_pack("{s:s, s:s, s:i, s:s}", "id", id, "object", "model", "created", 1700000000,
                     "owned_by", "simulated");
}

static void list_models(struct api *api, struct conn *c, const struct http_request *req)
{
    json_t *list = json_array();

    for (size_t i = 0; i < models_count(api->models); i++) {
        json_array_append_new(list, model_json(models_at(api->models, i)->id));
    }
    answer_json(api, c, req, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The id behind /v1/models/ or after ?model=, percent-decoded; a new string. */
static char *decode(const char *s)
{
    struct buf b = {0};

    for (; *s != '\0'; s++) {
        char ch = *s;

        if (ch == '%' && s[1] != '\0' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
            ch = (char) (hex_digit(s[1]) * 16 + hex_digit(s[2]));
            s += 2;
        }
        buf_add(&b, &ch, 1);
    }
    return buf_str(&b);
}

static void show_model(struct api *api, struct conn *c, const struct http_request *req,
                       const char *encoded)
{
    char *id = decode(encoded);
    struct plan plan;

    if (models_plan(api->models, id, &plan)) {
        answer_json(api, c, req, model_json(id));
    } else {
        answer_error(api, c, req, 404, "model_not_found", "The simulator has no such model.");
    }
    free(id);
}

static void show_stats(struct api *api, struct conn *c, const struct http_request *req)
{
    json_t *doc = stats_json(&api->stats);

    json_object_set_new(doc, "connections_open",
                        json_integer((json_int_t) server_open_connections(api->server)));
    json_object_set_new(doc, "connections_total",
                        json_integer((json_int_t) server_total_connections(api->server)));
    answer_json(api, c, req, doc);
}

/* /sim/last and /sim/last/body, both with ?model=NAME. */
static void show_last(struct api *api, struct conn *c, const struct http_request *req,
                      bool body_only)
{
    const char *query = strstr(req->target, "?model=");
    char *name = query != NULL ? decode(query + 7) : NULL;
    const struct http_request *last = stats_last(&api->stats, name);

    free(name);
    if (last == NULL) {
        answer_error(api, c, req, 404, NULL, "There was no such request yet.");
    } else if (body_only) {
        answer_bytes(api, c, req, "application/octet-stream", last->body.data, last->body.len);
    } else {
        answer_json(api, c, req, stats_last_json(last));
    }
}

/* /sim/calls with ?model=NAME. */
static void show_calls(struct api *api, struct conn *c, const struct http_request *req)
{
    const char *query = strstr(req->target, "?model=");
    char *name = query != NULL ? decode(query + 7) : NULL;

    answer_json(api, c, req, calls_json(&api->stats.calls, name));
    free(name);
}

/* What a 401 or a 429 of the whole server needs to know before the body is looked at. */
static bool is_authorized(const struct api *api, const struct http_request *req)
{
    const char *sent = http_header(req, "authorization");

    if (api->api_key == NULL) {
        return true;
    }
    return sent != NULL && strncmp(sent, "Bearer ", 7) == 0 && strcmp(sent + 7, api->api_key) == 0;
}

static void build_reply(struct api *api, struct job *j, struct ask *a, const struct plan *plan)
{
    struct reply *r = &j->reply;
    struct call_record *call = calls_get(&api->stats.calls, j->call);
    struct solved solved;

    reply_init(r, a->is_chat, a->model, a->n, ++api->next_id);
    j->has_reply = true;
    faults_prepare(r, plan);
    answer_make(r, a, plan, api->seed, &api->solver, &solved);
    if (call != NULL) {
        call->candidates = solved.candidates;
        call->candidates_right = solved.right;
        call->is_select = solved.is_select;
    }
    if (a->stream) {
        script_stream(&j->script, r, plan);
    } else {
        struct buf body = {0};

        reply_json(r, &body);
        script_json(&j->script, &body, plan, (int64_t) r->longest);
        j->script.tokens = r->completion_tokens;
        buf_fini(&body);
    }
}

static int build_embeddings(struct api *api, struct job *j, struct ask *a, const struct plan *plan,
                            struct ask_error *error)
{
    struct buf body = {0};
    int64_t prompt_tokens = 0;
    int rc = embeddings_make(a->root, api->seed, &body, &prompt_tokens, error);

    if (rc == 0) {
        script_json(&j->script, &body, plan, 0);
        reply_init(&j->reply, false, a->model, 1, ++api->next_id);
        j->reply.prompt_tokens = prompt_tokens;
        j->has_reply = true;
    }
    buf_fini(&body);
    return rc;
}

static void refuse_ask(struct job *j, const struct ask_error *error)
{
    script_error(&j->script, 400, -1, "invalid_request_error", NULL, error->param, error->message);
    j->script.is_fault = true;
}

static int parse_ask(struct ask *a, enum endpoint endpoint, const struct http_request *req,
                     struct ask_error *error)
{
    if (endpoint == ENDPOINT_CHAT) {
        return ask_parse_chat(a, req->body.data, req->body.len, error);
    }
    if (endpoint == ENDPOINT_COMPLETION) {
        return ask_parse_completion(a, req->body.data, req->body.len, error);
    }
    return ask_parse_root(a, req->body.data, req->body.len, error);
}

/* Writes the job's script: a refusal, a fault, or an answer. */
static void build(struct api *api, struct job *j, enum endpoint endpoint, struct ask *a,
                  const struct plan *plan, const struct fault_state *state)
{
    struct ask_error error = {NULL, NULL};

    if (faults_refuse(&j->script, plan, state, a->prefilled, a->stream, j->start_us)) {
        return;
    }
    if (endpoint != ENDPOINT_EMBEDDINGS) {
        build_reply(api, j, a, plan);
    } else if (build_embeddings(api, j, a, plan, &error) != 0) {
        refuse_ask(j, &error);
    }
}

/* POST to a model. Takes req. */
static void serve_model(struct api *api, struct conn *c, struct http_request *req,
                        enum endpoint endpoint)
{
    struct ask a = {0};
    struct ask_error error = {NULL, NULL};
    int rc = parse_ask(&a, endpoint, req, &error);
    struct stats_model *m = stats_model(&api->stats, a.model != NULL ? a.model : "");
    bool is_full = api->max_in_flight > 0 && api->stats.total.in_flight >= api->max_in_flight;
    struct fault_state state = m->fault;
    struct job *j = new_job(api, c, req, m);
    struct plan plan;

    state.first_us = state.requests > 0 ? state.first_us : j->start_us;
    stats_keep(&api->stats, m, req);
    if (rc != 0) {
        refuse_ask(j, &error);
    } else if (!models_plan(api->models, a.model, &plan)) {
        script_error(&j->script, 404, -1, "invalid_request_error", "model_not_found", "model",
                     "The simulator has no such model.");
        j->script.is_fault = true;
    } else if (is_full) {
        script_error(&j->script, 429, 1, "requests", "rate_limit_exceeded", NULL,
                     "Too many requests in flight.");
        j->script.is_fault = true;
    } else {
        build(api, j, endpoint, &a, &plan, &state);
    }
    ask_fini(&a);
    player_start(j);
}

static bool is_path(const char *target, const char *path)
{
    size_t n = strlen(path);

    return strncmp(target, path, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

static bool serve_control(struct api *api, struct conn *c, const struct http_request *req)
{
    const char *t = req->target;

    if (is_path(t, "/sim/stats")) {
        show_stats(api, c, req);
    } else if (is_path(t, "/sim/reset")) {
        stats_reset(&api->stats);
        answer_bytes(api, c, req, "application/json", "{}", 2);
    } else if (is_path(t, "/sim/calls")) {
        show_calls(api, c, req);
    } else if (is_path(t, "/sim/canonical")) {
        answer_bytes(api, c, req, "text/plain", answer_canonical, strlen(answer_canonical));
    } else if (is_path(t, "/sim/last")) {
        show_last(api, c, req, false);
    } else if (is_path(t, "/sim/last/body")) {
        show_last(api, c, req, true);
    } else {
        return false;
    }
    return true;
}

static bool serve_models(struct api *api, struct conn *c, const struct http_request *req)
{
    if (strcmp(req->method, "GET") != 0) {
        return false;
    }
    if (is_path(req->target, "/v1/models")) {
        list_models(api, c, req);
    } else if (strncmp(req->target, "/v1/models/", 11) == 0) {
        show_model(api, c, req, req->target + 11);
    } else {
        return false;
    }
    return true;
}

void api_on_request(struct conn *c, struct http_request *req, void *arg)
{
    static const char *const paths[] = {"/v1/chat/completions", "/v1/completions",
                                        "/v1/embeddings"};
    struct api *api = arg;

    if (serve_control(api, c, req)) {
        http_request_free(req);
        return;
    }
    if (is_authorized(api, req) && strcmp(req->method, "POST") == 0) {
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
            if (is_path(req->target, paths[i])) {
                serve_model(api, c, req, (enum endpoint) i);
                return;
            }
        }
    }
    api->stats.other++;
    if (!is_authorized(api, req)) {
        answer_error(api, c, req, 401, "invalid_api_key", "Incorrect API key provided.");
    } else if (!serve_models(api, c, req)) {
        answer_error(api, c, req, 404, NULL, "The simulator does not serve this path.");
    }
    http_request_free(req);
}
