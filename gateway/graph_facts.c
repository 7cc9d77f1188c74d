#include "gateway/graph_facts.h"

#include "router/ledger_stats.h"

#include <math.h>

static const char *name_of(const struct snapshot *s, const struct graph *g)
{
    const struct catalog *c = s->catalog;
    for (size_t i = 0; i < c->graph_count; i++) {
        if (c->graphs[i].graph == g) {
            return c->graphs[i].route_name ? c->graphs[i].route_name : c->graphs[i].file;
        }
    }
    return g->nodes[g->output].model->name; /* every other graph is a model alone */
}

/* The form of max_tokens is ours to mind, and says nothing of what a graph can do. */
enum { LACKS = CAPABILITY_NO_SYSTEM, HAS = ~(LACKS | CAPABILITY_MAX_COMPLETION_TOKENS) };

static struct cost_latency configured(const struct model_def *m)
{
    return (struct cost_latency) {(double) m->first_token_us * 1e-6, (double) m->token_us * 1e-6};
}

/* NAN where the configuration does not say how fast each model is. */
static double configured_latency_s(const struct graph *g, const struct cost_tokens *tokens)
{
    struct cost_latency times[GRAPH_NODES_MAX] = {{0}};
    for (unsigned i = 0; i < g->count; i++) {
        const struct model_def *m = g->nodes[i].model;
        if (m && !model_has_speed(m)) {
            return (double) NAN;
        }
        times[i] = m ? configured(m) : times[i];
    }
    return cost_critical_path_s(g, times, tokens->answer);
}

void graph_facts(const struct snapshot *s, const struct graph *g, struct graph_facts *out)
{
    const struct cost_tokens tokens = task_tokens();
    bool knows_context = true;
    unsigned lacks = 0;
    *out = (struct graph_facts) {.name = name_of(s, g),
                                 .units = cost_graph_units(g, &tokens),
                                 .usd = cost_graph_usd(g, &tokens),
                                 .latency_s = configured_latency_s(g, &tokens),
                                 .capabilities = (unsigned) HAS};
    graph_id_text(g->id, out->id);
    for (unsigned i = 0; i < g->count; i++) {
        const struct model_def *m = g->nodes[i].model;
        if (!m) {
            continue;
        }
        out->calls++;
        out->capabilities &= m->capabilities;
        lacks |= m->capabilities & (unsigned) LACKS;
        knows_context = knows_context && m->context > 0;
        if (out->context == 0 || m->context < out->context) {
            out->context = m->context;
        }
    }
    out->capabilities |= lacks;
    if (!knows_context) {
        out->context = 0;
    }
}

/* Of the output's answers, else of the predecessor's that a vote delivers; what is assumed where none is
 * known. */
static double answer_tokens(const struct snapshot *s, const struct task *task,
                            const struct graph *g, struct ledger *ledger)
{
    struct ledger_token_means means = {.count = 0};
    for (unsigned i = g->count; i > 0 && means.count == 0; i--) {
        const struct model_def *m = g->nodes[i - 1].model;
        if (m) {
            ledger_token_means(ledger, snapshot_tokens(s, task, m), graph_in_degree(g, i - 1),
                               &means);
        }
    }
    return means.count > 0 ? means.answer : task_tokens().answer;
}

double graph_facts_latency_s(const struct snapshot *s, const struct task *task,
                             const struct graph *g, struct ledger *ledger)
{
    struct cost_latency times[GRAPH_NODES_MAX] = {{0}};
    for (unsigned i = 0; i < g->count; i++) {
        const struct model_def *m = g->nodes[i].model;
        struct ledger_latency measured;
        if (!m) {
            continue;
        }
        ledger_latency(ledger, m->ledger, &measured);
        if (measured.count == 0 && !model_has_speed(m)) {
            return (double) NAN;
        }
        times[i] = measured.count > 0
                       ? (struct cost_latency) {measured.first_s, measured.per_token_s}
                       : configured(m);
    }
    return cost_critical_path_s(g, times, answer_tokens(s, task, g, ledger));
}
