#include "gateway/config_print.h"

#include "gateway/cli_table.h"
#include "gateway/config_keys.h"
#include "gateway/config_print_tasks.h"
#include "gateway/config_value.h"

#include <inttypes.h>
#include <string.h>

enum { INDENT = 2, CELL_BYTES = 64 };

const char *config_print_missing(void)
{
    return "serves its first champion and measures cost, latency and errors; ratings or `correct` "
           "from clients would take it to level 1, and this version has no feedback yet";
}

/* ---- words of cells ---- */

struct cell {
    char text[CELL_BYTES];
};

static const char *count(struct cell *c, uint64_t n)
{
    snprintf(c->text, sizeof(c->text), "%" PRIu64, n);
    return c->text;
}

/* 0: no limit, or not known. */
static const char *count_or_none(struct cell *c, uint64_t n)
{
    return n == 0 ? "-" : count(c, n);
}

static const char *number_or_none(struct cell *c, double n)
{
    return n > 0 ? config_value_number_text(n, c->text) : "-";
}

static const char *duration(struct cell *c, uint64_t us)
{
    return config_value_duration_text(us, c->text);
}

static const char *size(struct cell *c, size_t bytes)
{
    return config_value_size_text(bytes, c->text);
}

static void print_title(const char *title, FILE *out)
{
    fprintf(out, "\n%s\n", title);
}

/* ---- the server ---- */

static void add_endpoints(struct cli_table *t, const struct config *c)
{
    cli_table_pair(t, "listen", "%s, %s", c->listen_text, c->tls_cert ? "TLS" : "plain HTTP");
    if (c->tls_cert) {
        cli_table_pair(t, "tls", "certificate %s, key %s", c->tls_cert, c->tls_key);
    }
    cli_table_pair(t, "admin", "%s%s", c->admin_text ? c->admin_text : "none",
                   !c->admin_text     ? ""
                   : c->admin.is_unix ? ", for the user who runs it"
                   : c->admin_token   ? ", changes with a token"
                                      : ", reading only");
    cli_table_pair(t, "workers", "%u", c->workers);
    cli_table_pair(t, "data", "%s", c->data ? c->data : "none: nothing is remembered");
}

static void add_bounds(struct cli_table *t, const struct config *c)
{
    struct cell a[6];
    cli_table_pair(t, "limits", "body %s, answer %s, stream buffer %s, %u connections a worker",
                   size(&a[0], c->limits.body_bytes), size(&a[1], c->limits.answer_bytes),
                   size(&a[2], c->limits.stream_buffer_bytes), c->limits.connections);
    cli_table_pair(t, "timeouts",
                   "handshake %s, head %s, body %s, keep-alive %s, send %s, request %s",
                   duration(&a[0], c->timeouts.handshake_us), duration(&a[1], c->timeouts.head_us),
                   duration(&a[2], c->timeouts.body_us), duration(&a[3], c->timeouts.keep_alive_us),
                   duration(&a[4], c->timeouts.send_us), duration(&a[5], c->timeouts.request_us));
    if (c->heartbeat_first_us > 0) {
        cli_table_pair(t, "heartbeat", "after %s, then every %s",
                       duration(&a[0], c->heartbeat_first_us),
                       duration(&a[1], c->heartbeat_every_us));
    } else {
        cli_table_pair(t, "heartbeat", "off");
    }
    cli_table_pair(t, "drain", "%s", duration(&a[0], c->drain_us));
}

static void print_server(const struct config *c, FILE *out)
{
    struct cli_table t;
    cli_table_init(&t, 2);
    add_endpoints(&t, c);
    add_bounds(&t, c);
    for (size_t i = 0; c->cors[i]; i++) {
        cli_table_pair(&t, i == 0 ? "cors" : "", "%s", c->cors[i]);
    }
    cli_table_pair(&t, "compress",
                   c->compress_streams ? "JSON answers and streams" : "JSON answers");
    cli_table_pair(&t, "log", "%s, to %s, %s", config_key_word("log", "level", c->log_level),
                   c->log_file ? c->log_file : "standard error",
                   c->log_access ? "a line for every request" : "no line for requests");
    cli_table_print(&t, INDENT, out);
    cli_table_fini(&t);
}

/* ---- lists ---- */

static const char *join(struct arena *a, const char *const *texts)
{
    const char *all = texts && texts[0] ? texts[0] : "all";
    for (size_t i = 1; all && texts && texts[0] && texts[i]; i++) {
        all = arena_printf(a, "%s, %s", all, texts[i]);
    }
    return all;
}

static void print_keys(const struct config *c, FILE *out)
{
    static const char *const heads[] = {"name",      "requests/min", "tokens/min",
                                        "in flight", "usage",        "allow"};
    struct cli_table t;
    print_title("keys", out);
    if (c->auth.count == 0) {
        fprintf(out, "%*snone: programs on this machine only, no web pages\n", INDENT, "");
        return;
    }
    cli_table_init(&t, ARRAY_LEN(heads));
    cli_table_add(&t, heads);
    for (size_t i = 0; i < c->auth.count; i++) {
        const struct auth_key *k = &c->auth.keys[i];
        struct cell a[3];
        const char *cells[] = {k->name,
                               count_or_none(&a[0], k->limits.requests_per_minute),
                               count_or_none(&a[1], k->limits.tokens_per_minute),
                               count_or_none(&a[2], k->limits.max_in_flight),
                               k->usage_sum ? "sum" : "client",
                               join(&t.arena, k->allow)};
        cli_table_add(&t, cells);
    }
    cli_table_print(&t, INDENT, out);
    cli_table_fini(&t);
}

static void print_upstreams(const struct catalog *c, FILE *out)
{
    static const char *const heads[] = {"name",  "url",     "key",         "slots",
                                        "queue", "connect", "first token", "idle",
                                        "total", "retries", "abandoned"};
    struct cli_table t;
    print_title("upstreams", out);
    cli_table_init(&t, ARRAY_LEN(heads));
    cli_table_add(&t, heads);
    for (size_t i = 0; i < c->upstream_count; i++) {
        const struct upstream_def *u = &c->upstreams[i];
        struct cell a[7];
        const char *cells[] = {u->name,
                               u->url,
                               u->key ? "yes" : "no",
                               count(&a[0], u->max_in_flight),
                               count(&a[1], u->queue),
                               duration(&a[2], u->timeouts.connect_us),
                               duration(&a[3], u->timeouts.first_token_us),
                               duration(&a[4], u->timeouts.idle_us),
                               duration(&a[5], u->timeouts.total_us),
                               count(&a[6], u->retries),
                               config_key_word("upstreams[]", "on_abandon", u->on_abandon)};
        cli_table_add(&t, cells);
    }
    cli_table_print(&t, INDENT, out);
    cli_table_fini(&t);
}

static const char *prices(struct arena *a, const struct model_def *m)
{
    struct cell c[3];
    if (m->usd_per_mtok_input <= 0 && m->usd_per_mtok_output <= 0) {
        return "-";
    }
    return arena_printf(a, "%s / %s / %s",
                        config_value_number_text(m->usd_per_mtok_input, c[0].text),
                        config_value_number_text(m->usd_per_mtok_cached, c[1].text),
                        config_value_number_text(m->usd_per_mtok_output, c[2].text));
}

static void print_models(const struct catalog *c, FILE *out)
{
    static const char *const heads[] = {
        "name", "upstream", "id", "params", "context", "fallback", "$ per Mtok in / cached / out"};
    struct cli_table t;
    print_title("models", out);
    cli_table_init(&t, ARRAY_LEN(heads));
    cli_table_add(&t, heads);
    for (size_t i = 0; i < c->model_count; i++) {
        const struct model_def *m = &c->models[i];
        struct cell a[2];
        const char *cells[] = {m->name,
                               m->upstream->name,
                               m->id,
                               number_or_none(&a[0], m->params),
                               count_or_none(&a[1], m->context),
                               m->fallback ? m->fallback->name : "-",
                               prices(&t.arena, m)};
        cli_table_add(&t, cells);
    }
    cli_table_print(&t, INDENT, out);
    cli_table_fini(&t);
}

static void print_aliases(const struct catalog *c, FILE *out)
{
    struct cli_table t;
    if (c->alias_count == 0) {
        return;
    }
    print_title("aliases", out);
    cli_table_init(&t, 2);
    for (size_t i = 0; i < c->alias_count; i++) {
        const char *cells[] = {c->aliases[i].name, c->aliases[i].target};
        cli_table_add(&t, cells);
    }
    cli_table_print(&t, INDENT, out);
    cli_table_fini(&t);
}

void config_print(const struct config *c, const struct snapshot *s, FILE *out)
{
    fprintf(out, "%s\n", c->file);
    print_server(c, out);
    print_keys(c, out);
    print_upstreams(s->catalog, out);
    print_models(s->catalog, out);
    print_aliases(s->catalog, out);
    config_print_graphs(s, out);
    config_print_tasks(c, s, out);
}
