#include "gateway/admin.h"

#include "gateway/api.h"
#include "gateway/app.h"
#include "gateway/exchange.h"
#include "gateway/graph_facts.h"
#include "gateway/reply.h"
#include "router/ledger.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { UPSTREAMS_SHOWN = 256 };

static void send_buffer(struct exchange *x, const char *type, struct evbuffer *text)
{
    struct slice body = {(const char *) evbuffer_pullup(text, -1), evbuffer_get_length(text)};
    reply_whole(x, 200, type, body);
    evbuffer_free(text);
}

/* ---- /metrics ---- */

static void on_metrics(void *arg, const struct metrics *sum, const struct metrics_process *process)
{
    struct exchange *x = arg;
    struct evbuffer *text = evbuffer_new();
    x->state = NULL;
    metrics_write(text, sum, process, app_ledger(x->server->owner));
    send_buffer(x, "text/plain; version=0.0.4; charset=utf-8", text);
}

static void show_metrics(struct exchange *x)
{
    struct app_question question = {on_metrics, x};
    x->state = app_ask_metrics(x->server->owner, &question);
}

static void forget_metrics(struct exchange *x, enum end_reason reason)
{
    (void) reason;
    if (x->state) {
        app_forget_metrics(x->state);
        x->state = NULL;
    }
}

/* ---- /admin/status ---- */

static const char *breaker_text(enum ledger_breaker breaker)
{
    switch (breaker) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half_open";
    }
    return "?";
}

static json_t *upstreams_json(struct ledger *ledger)
{
    struct ledger_upstream_state *states = x_array(UPSTREAMS_SHOWN, sizeof(*states));
    size_t count = ledger_upstreams(ledger, states, UPSTREAMS_SHOWN);
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < UPSTREAMS_SHOWN; i++) {
        json_array_append_new(
            list,
            json_pack("{s:s, s:i, s:i, s:i, s:s, s:I, s:I}", "name", states[i].name,
                      "max_in_flight", (int) states[i].max_in_flight, "in_flight",
                      (int) states[i].in_flight, "waiting", (int) states[i].waiting, "breaker",
                      breaker_text(states[i].breaker), "openings", (json_int_t) states[i].openings,
                      "granted", (json_int_t) states[i].granted));
    }
    free(states);
    return list;
}

static json_t *arm_json(const struct snapshot *s, const struct task *task, const struct arm *arm,
                        struct ledger *ledger)
{
    struct graph_facts facts;
    graph_facts(s, arm->graph, &facts);
    double latency_s = graph_facts_latency_s(s, task, arm->graph, ledger);
    return json_pack("{s:s, s:s, s:f, s:i, s:i, s:o}", "graph", facts.id, "name", facts.name,
                     "share", arm->probability, "nodes", (int) arm->graph->count, "calls",
                     (int) facts.calls, "latency_s",
                     isnan(latency_s) ? json_null() : json_real(latency_s));
}

static json_t *tasks_json(const struct snapshot *s, struct ledger *ledger)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->task_count; i++) {
        const struct task *task = &s->tasks[i];
        json_t *arms = json_array();
        for (size_t k = 0; k < task->arm_count; k++) {
            json_array_append_new(arms, arm_json(s, task, &task->arms[k], ledger));
        }
        json_array_append_new(list, json_pack("{s:s, s:o}", "name", task->name, "arms", arms));
    }
    return list;
}

static void show_status(struct exchange *x)
{
    struct app *app = x->server->owner;
    const struct snapshot *s = x->settings->snapshot;
    json_t *status = json_pack("{s:s, s:b, s:I, s:o, s:o}", "version", SLUICE_VERSION, "draining",
                               app_is_draining(app) ? 1 : 0, "snapshot", (json_int_t) s->number,
                               "tasks", tasks_json(s, app_ledger(app)), "upstreams",
                               upstreams_json(app_ledger(app)));
    char *text = json_dumps(status, JSON_COMPACT);
    reply_whole(x, 200, "application/json", slice_of(text));
    free(text);
    json_decref(status);
}

/* ---- /admin/reload ---- */

static void reload(struct exchange *x)
{
    struct config_report report = {.count = 0};
    bool ok = app_reload(x->server->owner, &report);
    json_t *faults = json_array();
    for (size_t i = 0; i < report.count; i++) {
        json_array_append_new(faults, json_string(report.messages[i]));
    }
    json_t *result = json_pack("{s:b, s:o}", "reloaded", ok ? 1 : 0, "faults", faults);
    char *text = json_dumps(result, JSON_COMPACT);
    reply_whole(x, ok ? 200 : 422, "application/json", slice_of(text));
    free(text);
    json_decref(result);
    config_report_fini(&report);
}

static const struct handler metrics_handler = {.start = show_metrics, .stop = forget_metrics};
static const struct handler status_handler = {.start = show_status};
static const struct handler reload_handler = {.needs_key = true, .start = reload};

const struct routes *routes_admin(void)
{
    static const struct route_entry entries[] = {
        {HTTP1_GET, "/metrics", &metrics_handler},
        {HTTP1_GET, "/admin/status", &status_handler},
        {HTTP1_POST, "/admin/reload", &reload_handler},
        {HTTP1_GET, "/healthz", &api_healthz},
        {HTTP1_GET, "/readyz", &api_readyz},
    };
    static const struct routes routes = {
        entries,
        ARRAY_LEN(entries),
        "GET /metrics, GET /admin/status, POST /admin/reload, GET /healthz, GET /readyz",
    };
    return &routes;
}
