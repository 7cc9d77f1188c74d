#include "gateway/config_print.h"

#include "gateway/config_keys.h"
#include "gateway/graph_facts.h"
#include "router/graph_draw.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWING_COLUMNS = 100 };

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
                              json_pack("{ss so so so so so}", "name", k->name,
                                        "requests_per_minute", count(k->limits.requests_per_minute),
                                        "tokens_per_minute", count(k->limits.tokens_per_minute),
                                        "max_in_flight", count(k->limits.max_in_flight), "usage",
                                        text(k->usage_sum ? "sum" : "client"), "allow",
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

static json_t *words(const char *parent, const char *leaf, unsigned flags)
{
    const struct config_key *key = config_key_find(parent, slice_of(leaf));
    json_t *list = json_array();
    for (const struct config_word *w = key->words; w->text; w++) {
        if (flags & w->value) {
            json_array_append_new(list, json_string(w->text));
        }
    }
    return list;
}

/* null: not known. */
static json_t *milliseconds(uint64_t us)
{
    return us > 0 ? json_real((double) us / 1e3) : json_null();
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
        json_object_set_new(o, "params", m->params > 0 ? json_real(m->params) : json_null());
        json_object_set_new(o, "layers", count(m->layers));
        json_object_set_new(o, "hidden", count(m->hidden));
        json_object_set_new(o, "context", count(m->context));
        json_object_set_new(o, "capabilities", words("models[]", "capabilities", m->capabilities));
        json_object_set_new(o, "fallback", text(m->fallback ? m->fallback->name : NULL));
        json_object_set_new(o, "usd_per_mtok_input", json_real(m->usd_per_mtok_input));
        json_object_set_new(o, "usd_per_mtok_cached", json_real(m->usd_per_mtok_cached));
        json_object_set_new(o, "usd_per_mtok_output", json_real(m->usd_per_mtok_output));
        json_object_set_new(o, "first_token_ms", milliseconds(m->first_token_us));
        json_object_set_new(o, "token_ms", milliseconds(m->token_us));
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

/* NAN: not known. */
static json_t *number(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

/* What config_print says of a graph, into `o`. */
static void add_graph(json_t *o, const struct snapshot *s, const struct graph *g)
{
    struct graph_facts f;
    char *drawing = graph_draw(g, DRAWING_COLUMNS, false);
    graph_facts(s, g, &f);
    json_object_set_new(o, "graph", text(f.id));
    json_object_set_new(o, "nodes", json_integer(g->count));
    json_object_set_new(o, "calls", json_integer(f.calls));
    json_object_set_new(o, "width", json_integer(g->width));
    json_object_set_new(o, "depth", json_integer(g->depth));
    json_object_set_new(o, "cost_units", number(f.units));
    json_object_set_new(o, "cost_usd", json_real(f.usd));
    json_object_set_new(o, "latency_s", number(f.latency_s));
    json_object_set_new(o, "context", count(f.context));
    json_object_set_new(o, "capabilities", words("models[]", "capabilities", f.capabilities));
    json_object_set_new(o, "drawing", text(drawing));
    free(drawing);
}

static json_t *graphs(const struct snapshot *s)
{
    const struct catalog *c = s->catalog;
    json_t *list = json_array();
    for (size_t i = 0; i < c->graph_count; i++) {
        if (c->graphs[i].name) {
            json_t *o = json_object();
            json_object_set_new(o, "name", text(c->graphs[i].name));
            json_object_set_new(o, "file", text(c->graphs[i].file));
            add_graph(o, s, c->graphs[i].graph);
            json_array_append_new(list, o);
        }
    }
    return list;
}

static json_t *match(const struct config *c, const struct task *task)
{
    json_t *o = json_object();
    size_t examples = 0;
    for (size_t i = 0; c->examples && i < c->examples->count; i++) {
        const char *name = c->examples->names[c->examples->list[i].class];
        examples += strcmp(name, task->name) == 0 ? 1 : 0;
    }
    json_object_set_new(o, "header", text(task->match.header));
    json_object_set_new(o, "rules", words("tasks[].match", "rules", task->match.rules));
    json_object_set_new(o, "any", texts(task->match.any));
    json_object_set_new(o, "examples", json_integer((json_int_t) examples));
    return o;
}

static json_t *data(const struct task *task)
{
    json_t *list = json_array();
    for (size_t i = 0; task->data && task->data[i]; i++) {
        json_array_append_new(list, json_string(task->data[i]->name));
    }
    return list;
}

static void add_limits(json_t *o, const struct task *task)
{
    json_object_set_new(o, "budget_flops", number(task->budget.units));
    json_object_set_new(o, "budget_usd", number(task->budget.usd));
    json_object_set_new(o, "data", data(task));
    json_object_set_new(o, "data_is_written", json_boolean(task->data_is_written));
    json_object_set_new(o, "deadline_ms", ms(task->deadline_us));
    json_object_set_new(o, "tools", text(task->tools_graph ? "graph" : "single"));
    json_object_set_new(o, "own_prompts", json_boolean(task->prompts != prompt_defaults()));
    json_object_set_new(o, "answer", text(config_key_word("tasks[]", "answer", task->answer)));
    json_object_set_new(o, "max_tokens", json_integer(task->node_tokens));
    json_object_set_new(o, "pass", texts(task->pass));
}

static void add_eval(json_t *o, const struct config_eval *eval)
{
    json_object_set_new(o, "eval", eval ? text(eval->file) : json_null());
    json_object_set_new(o, "grader",
                        eval && eval->grader_text ? text(eval->grader_text) : json_null());
}

static json_t *tasks(const struct config *c, const struct snapshot *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->task_count; i++) {
        const struct task *task = &s->tasks[i];
        const struct graph *g = task->arm_count > 0 ? task->arms[0].graph : NULL;
        json_t *o = json_object();
        json_object_set_new(o, "name", text(task->name));
        json_object_set_new(o, "match", match(c, task));
        json_object_set_new(o, "champion", json_null());
        json_object_set_new(o, "graph", json_null());
        if (g) {
            struct graph_facts f;
            graph_facts(s, g, &f);
            json_object_set_new(o, "champion", text(f.name));
            add_graph(o, s, g);
        }
        add_limits(o, task);
        add_eval(o, config_eval_of(c, task->name));
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
    json_object_set_new(o, "graphs", graphs(s));
    json_object_set_new(o, "tasks", tasks(c, s));
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
