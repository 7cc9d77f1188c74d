#include "router/cost.h"

#include <math.h>

/* What units and budgets are made of. */
static const struct model_def unit_model = {
    .name = "1B", .params = 1e9, .layers = 16, .hidden = 2048};
static const struct model_def budget_output = {
    .name = "3B", .params = 3e9, .layers = 28, .hidden = 3072};

double cost_flops(const struct model_def *m, double prompt_tokens, double answer_tokens)
{
    double attention = 2.0 * m->layers * m->hidden;
    double prefill;
    double decode;

    if (m->params <= 0.0 || m->layers == 0 || m->hidden == 0) {
        return (double) NAN;
    }
    prefill = 2.0 * m->params * prompt_tokens + attention * prompt_tokens * (prompt_tokens + 1.0);
    decode = 2.0 * m->params * answer_tokens +
             attention * answer_tokens * (2.0 * prompt_tokens + answer_tokens + 1.0);
    return prefill + decode;
}

static double flops_of_degree(const struct model_def *m, unsigned predecessors,
                              const struct cost_tokens *t)
{
    return cost_flops(m, t->prompt + predecessors * t->answer, t->answer);
}

double cost_unit_flops(const struct cost_tokens *t)
{
    return flops_of_degree(&unit_model, 0, t);
}

double cost_node_units(const struct graph *g, unsigned node, const struct cost_tokens *t)
{
    if (g->nodes[node].fuse == FUSER_VOTE) {
        return 0.0;
    }
    return flops_of_degree(g->nodes[node].model, graph_in_degree(g, node), t) / cost_unit_flops(t);
}

double cost_graph_units(const struct graph *g, const struct cost_tokens *t)
{
    double sum = 0.0;
    unsigned i;

    for (i = 0; i < g->count; i++) {
        sum += cost_node_units(g, i, t);
    }
    return sum;
}

double cost_complete_dag_units(unsigned b, const struct cost_tokens *t)
{
    double sum = flops_of_degree(&budget_output, b, t);
    unsigned i;

    for (i = 0; i < b; i++) {
        sum += flops_of_degree(&unit_model, i, t);
    }
    return sum / cost_unit_flops(t);
}

double cost_node_usd(const struct graph *g, unsigned node, const struct cost_tokens *t)
{
    const struct model_def *m = g->nodes[node].model;
    double cached = fmin(t->cached, t->prompt);

    if (g->nodes[node].fuse == FUSER_VOTE) {
        return 0.0;
    }
    return ((t->prompt - cached + graph_in_degree(g, node) * t->answer) * m->usd_per_mtok_input +
            cached * m->usd_per_mtok_cached + t->answer * m->usd_per_mtok_output) /
           1e6;
}

double cost_graph_usd(const struct graph *g, const struct cost_tokens *t)
{
    double sum = 0.0;
    unsigned i;

    for (i = 0; i < g->count; i++) {
        sum += cost_node_usd(g, i, t);
    }
    return sum;
}

double cost_critical_path_s(const struct graph *g, const struct cost_latency latency[],
                            double answer_tokens)
{
    double whole[GRAPH_NODES_MAX]; /* when a node's answer is */
    unsigned i;

    for (i = 0; i < g->count; i++) {
        uint32_t from = g->nodes[i].predecessors;

        whole[i] = 0.0;
        for (; from != 0; from &= from - 1) {
            whole[i] = fmax(whole[i], whole[__builtin_ctz(from)]);
        }
        if (g->nodes[i].fuse != FUSER_VOTE) {
            whole[i] += latency[i].first_s + latency[i].per_token_s * answer_tokens;
        }
    }
    return whole[g->output];
}
