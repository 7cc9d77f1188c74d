#include "gateway/api.h"

#include "gateway/exchange.h"
#include "gateway/reply.h"
#include "cache/span.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

/* What the list says of one name. `created` is required by clients and means nothing here: 0. */
static void add_model(struct evbuffer *out, const char *name, const char *owner)
{
    struct slice text = slice_of(name);
    size_t length = span_escaped_length(text);
    char *escaped = x_array(length + 1, 1);
    span_escape(text, escaped, length);
    evbuffer_add_printf(out,
                        "{\"id\":\"%s\",\"object\":\"model\",\"created\":0,\"owned_by\":\"%s\"}",
                        escaped, owner);
    free(escaped);
}

static void send_buffer(struct exchange *x, struct evbuffer *json)
{
    struct slice body = {(const char *) evbuffer_pullup(json, -1), evbuffer_get_length(json)};
    reply_whole(x, 200, "application/json", body);
    evbuffer_free(json);
}

static void add_if_allowed(struct exchange *x, struct evbuffer *out, const char *name,
                           const char *owner, bool *first)
{
    if (!auth_allows(x->key, slice_of(name))) {
        return;
    }
    if (!*first) {
        evbuffer_add(out, ",", 1);
    }
    *first = false;
    add_model(out, name, owner);
}

/* With one task `auto` says all that `auto/default` does. */
static void list_models(struct exchange *x)
{
    const struct snapshot *s = x->settings->snapshot;
    const struct catalog *c = s->catalog;
    struct evbuffer *json = evbuffer_new();
    bool first = true;
    evbuffer_add_printf(json, "{\"object\":\"list\",\"data\":[");
    add_if_allowed(x, json, "auto", "sluice", &first);
    for (size_t i = 0; i < s->task_count && s->task_count > 1; i++) {
        add_if_allowed(x, json, s->tasks[i].route_name, "sluice", &first);
    }
    for (size_t i = 0; i < c->graph_count; i++) {
        if (c->graphs[i].route_name) {
            add_if_allowed(x, json, c->graphs[i].route_name, "sluice", &first);
        }
    }
    for (size_t i = 0; i < c->alias_count; i++) {
        add_if_allowed(x, json, c->aliases[i].name, "sluice", &first);
    }
    for (size_t i = 0; i < c->model_count; i++) {
        add_if_allowed(x, json, c->models[i].name, c->models[i].upstream->name, &first);
    }
    evbuffer_add(json, "]}", 2);
    send_buffer(x, json);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Names may hold slashes and colons, which clients send as they are or percent-encoded. */
static struct slice decode_percent(struct arena *room, struct slice path)
{
    char *out = arena_alloc(room, path.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < path.n; i++) {
        int high = path.p[i] == '%' && i + 2 < path.n ? hex_digit(path.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(path.p[i + 2]) : -1;
        if (low >= 0) {
            out[n++] = (char) (high * 16 + low);
            i += 2;
        } else {
            out[n++] = path.p[i];
        }
    }
    return (struct slice) {out, n};
}

static bool is_known(const struct snapshot *s, struct slice name)
{
    static const char task[] = "auto/";
    static const char graph[] = "graph/";
    if (slice_starts(name, task)) {
        size_t skip = sizeof(task) - 1;
        return snapshot_task(s, (struct slice) {name.p + skip, name.n - skip}) != NULL;
    }
    if (slice_starts(name, graph)) {
        size_t skip = sizeof(graph) - 1;
        return catalog_graph(s->catalog, (struct slice) {name.p + skip, name.n - skip}) != NULL;
    }
    return slice_eq_text(name, "auto") || catalog_alias(s->catalog, name) != NULL ||
           catalog_model(s->catalog, name) != NULL;
}

static void show_model(struct exchange *x)
{
    const struct catalog *c = x->settings->snapshot->catalog;
    struct slice name = decode_percent(&x->room, x->rest);
    const struct model_def *model = catalog_model(c, name);
    if (!is_known(x->settings->snapshot, name) || !auth_allows(x->key, name)) {
        struct failure f = {.reason = END_NOT_FOUND,
                            .status = 404,
                            .type = "invalid_request_error",
                            .param = "model",
                            .code = "model_not_found",
                            .message = "no such model; GET /v1/models lists them"};
        reply_failure(x, &f);
        return;
    }
    struct evbuffer *json = evbuffer_new();
    const char *text = arena_dup_slice(&x->room, name).p;
    add_model(json, text, model ? model->upstream->name : "sluice");
    send_buffer(x, json);
}

const struct handler api_models = {.needs_key = true, .start = list_models};
const struct handler api_model = {.needs_key = true, .start = show_model};
