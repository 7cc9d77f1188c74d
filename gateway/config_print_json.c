#include "gateway/config_print.h"

#include "gateway/config_keys.h"

#include <jansson.h>

/* jansson's failures (no memory) leave members out; json_object_set_new takes NULL without harm. */

/* Whole microseconds as milliseconds. */
static json_t *ms(uint64_t us)
{
    return us % 1000 == 0 ? json_integer((json_int_t) (us / 1000)) : json_real((double) us / 1000);
}

static json_t *text(const char *value)
{
    return value ? json_string(value) : json_null();
}

/* 0: none, or not known. */
static json_t *count(uint64_t value)
{
    return value > 0 ? json_integer((json_int_t) value) : json_null();
}

static json_t *texts(const char *const *values)
{
    json_t *list = json_array();
    for (size_t i = 0; values && values[i]; i++) {
        json_array_append_new(list, json_string(values[i]));
    }
    return list;
}

static json_t *server(const struct config *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "listen", text(c->listen_text));
    json_object_set_new(o, "tls_cert", text(c->tls_cert));
    json_object_set_new(o, "tls_key", text(c->tls_key));
    json_object_set_new(o, "admin", text(c->admin_text));
    json_object_set_new(o, "admin_token", json_boolean(c->admin_token != NULL));
    json_object_set_new(o, "workers", json_integer(c->workers));
    json_object_set_new(o, "data", text(c->data));
    json_object_set_new(o, "drain_ms", ms(c->drain_us));
    json_object_set_new(o, "cors", texts(c->cors));
    json_object_set_new(o, "compress", text(c->compress_streams ? "streams" : "json"));
    json_object_set_new(o, "log_level", text(config_key_word("log", "level", c->log_level)));
    json_object_set_new(o, "log_file", text(c->log_file));
    json_object_set_new(o, "log_access", json_boolean(c->log_access));
    return o;
}

static json_t *limits(const struct config_limits *l)
{
    return json_pack("{sI sI sI sI}", "body_bytes", (json_int_t) l->body_bytes, "answer_bytes",
                     (json_int_t) l->answer_bytes, "stream_buffer_bytes",
                     (json_int_t) l->stream_buffer_bytes, "connections",
                     (json_int_t) l->connections);
}

static json_t *timeouts(const struct config *c)
{
    const struct config_timeouts *t = &c->timeouts;
    return json_pack("{so so so so so so so so}", "handshake_ms", ms(t->handshake_us), "head_ms",
                     ms(t->head_us), "body_ms", ms(t->body_us), "keep_alive_ms",
                     ms(t->keep_alive_us), "send_ms", ms(t->send_us), "request_ms",
                     ms(t->request_us), "heartbeat_first_ms", ms(c->heartbeat_first_us),
                     "heartbeat_every_ms", ms(c->heartbeat_every_us));
}

static json_t *keys(const struct auth *auth)
{
    json_t *list = json_array();
    for (size_t i = 0; i < auth->count; i++) {
        const struct auth_key *k = &auth->keys[i];
        json_array_append_new(list,
                              json_pack("{ss so so so so}", "name", k->name, "requests_per_minute",
                                        count(k->limits.requests_per_minute), "tokens_per_minute",
                                        count(k->limits.tokens_per_minute), "max_in_flight",
                                        count(k->limits.max_in_flight), "allow",
                                        k->allow ? texts(k->allow) : json_null()));
    }
    return list;
}

static json_t *upstreams(const struct catalog *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->upstream_count; i++) {
        const struct upstream_def *u = &c->upstreams[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", text(u->name));
        json_object_set_new(o, "url", text(u->url));
        json_object_set_new(o, "key", json_boolean(u->key != NULL));
        json_object_set_new(o, "ca", text(u->ca));
        json_object_set_new(o, "max_in_flight", json_integer(u->max_in_flight));
        json_object_set_new(o, "queue", json_integer(u->queue));
        json_object_set_new(o, "connect_ms", ms(u->timeouts.connect_us));
        json_object_set_new(o, "first_token_ms", ms(u->timeouts.first_token_us));
        json_object_set_new(o, "idle_ms", ms(u->timeouts.idle_us));
        json_object_set_new(o, "total_ms", ms(u->timeouts.total_us));
        json_object_set_new(o, "retries", json_integer(u->retries));
        json_object_set_new(o, "on_abandon",
                            text(config_key_word("upstreams[]", "on_abandon", u->on_abandon)));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *capabilities(unsigned flags)
{
    const struct config_key *key = config_key_find("models[]", SLICE_LIT("capabilities"));
    json_t *list = json_array();
    for (const struct config_word *w = key->words; w->text; w++) {
        if (flags & w->value) {
            json_array_append_new(list, json_string(w->text));
        }
    }
    return list;
}

static json_t *models(const struct catalog *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->model_count; i++) {
        const struct model_def *m = &c->models[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", text(m->name));
        json_object_set_new(o, "upstream", text(m->upstream->name));
        json_object_set_new(o, "id", text(m->id));
        json_object_set_new(o, "family", text(m->family));
        json_object_set_new(o, "params", m->params > 0 ? json_real(m->params) : json_null());
        json_object_set_new(o, "layers", count(m->layers));
        json_object_set_new(o, "hidden", count(m->hidden));
        json_object_set_new(o, "context", count(m->context));
        json_object_set_new(o, "capabilities", capabilities(m->capabilities));
        json_object_set_new(o, "fallback", text(m->fallback ? m->fallback->name : NULL));
        json_object_set_new(o, "usd_per_mtok_input", json_real(m->usd_per_mtok_input));
        json_object_set_new(o, "usd_per_mtok_cached", json_real(m->usd_per_mtok_cached));
        json_object_set_new(o, "usd_per_mtok_output", json_real(m->usd_per_mtok_output));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *aliases(const struct catalog *c)
{
    json_t *o = json_object();
    for (size_t i = 0; i < c->alias_count; i++) {
        json_object_set_new(o, c->aliases[i].name, text(c->aliases[i].target));
    }
    return o;
}

static json_t *tasks(const struct snapshot *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->task_count; i++) {
        const struct graph *graph = s->tasks[i].arm_count > 0 ? s->tasks[i].arms[0].graph : NULL;
        char id[GRAPH_ID_TEXT_BYTES] = "";
        json_t *o = json_object();
        if (graph) {
            graph_id_text(graph->id, id);
        }
        json_object_set_new(o, "name", text(s->tasks[i].name));
        json_object_set_new(o, "champion",
                            text(graph ? graph->nodes[graph->output].model->name : NULL));
        json_object_set_new(o, "graph", text(graph ? id : NULL));
        json_object_set_new(o, "level", json_integer(CONFIG_PRINT_LEVEL));
        json_object_set_new(o, "missing", text(config_print_missing()));
        json_array_append_new(list, o);
    }
    return list;
}

void config_print_json(const struct config *c, const struct snapshot *s, FILE *out)
{
    json_t *o = json_object();
    json_object_set_new(o, "file", text(c->file));
    json_object_set_new(o, "faults", json_array());
    json_object_set_new(o, "server", server(c));
    json_object_set_new(o, "limits", limits(&c->limits));
    json_object_set_new(o, "timeouts", timeouts(c));
    json_object_set_new(o, "keys", keys(&c->auth));
    json_object_set_new(o, "upstreams", upstreams(s->catalog));
    json_object_set_new(o, "models", models(s->catalog));
    json_object_set_new(o, "aliases", aliases(s->catalog));
    json_object_set_new(o, "tasks", tasks(s));
    json_dumpf(o, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    fputc('\n', out);
    json_decref(o);
}

void config_print_faults_json(const char *file, const struct config_report *report, FILE *out)
{
    json_t *o = json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < report->count; i++) {
        json_t *message = json_string(report->messages[i]);
        json_array_append_new(list, message ? message : json_string("a message that is not UTF-8"));
    }
    json_object_set_new(o, "file", text(file));
    json_object_set_new(o, "faults", list);
    json_dumpf(o, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(o);
}
