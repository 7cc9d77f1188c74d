#include "router/run_private.h"

#include "router/ledger_stats.h"

#include <math.h>

/* Less is the noise of machines and networks, and nothing is gained by not waiting for it. */
enum { PATIENCE_LEAST_US = 200 * 1000 };

/* Of an answer, for the time that it takes before any was seen; and how far past its prediction a run may
 * go. */
static const double ANSWER_TOKENS = 256.0, SLACK = 1.5;

/* ---- what a node is expected to read and write ---- */

/* At most, since before any answer was seen a mean would be a guess that leaves nodes out. */
static double answer_cap(const struct run *r, unsigned node)
{
    const struct graph_node *g = run_graph_node(r, node);
    if (node == r->spec.graph->output) {
        return (double) r->spec.request->answer_tokens;
    }
    return g->max_tokens ? g->max_tokens : r->spec.task->node_tokens;
}

static struct cost_tokens tokens_of(const struct run *r, unsigned node)
{
    const struct run_spec *s = &r->spec;
    const struct model_def *m = run_graph_node(r, node)->model;
    struct cost_tokens t = {.prompt = (double) s->request->prompt_tokens,
                            .answer = answer_cap(r, node)};
    struct ledger_token_means means;
    ledger_token_means(s->host->ledger, snapshot_tokens(s->snapshot, s->task, m),
                       graph_in_degree(s->graph, node), &means);
    if (means.count > 0) {
        t.answer = means.answer;
    }
    return t;
}

static bool has_call(const struct run *r, unsigned node)
{
    return run_graph_node(r, node)->model != NULL;
}

/* ---- the bill ---- */

static double predicted(const struct run *r, unsigned node)
{
    struct cost_tokens t = tokens_of(r, node);
    switch (r->expect.currency) {
    case RUN_FLOPS: /* not units: one is measured with the tokens of its own node */
        return cost_node_units(r->spec.graph, node, &t) * cost_unit_flops(&t);
    case RUN_USD:
        return cost_node_usd(r->spec.graph, node, &t);
    case RUN_CALLS:
        break;
    }
    return 1.0;
}

/* False: a node's cost is not known in this currency, or nothing costs anything. */
static bool price_all(struct run *r, enum run_currency currency)
{
    struct run_expect *e = &r->expect;
    double sum = 0.0;
    e->currency = currency;
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        e->cost[i] = has_call(r, i) ? predicted(r, i) : 0.0;
        sum += e->cost[i];
    }
    e->limit = SLACK * sum;
    return sum > 0.0; /* false for NAN, too */
}

static double spent_by(const struct run *r, unsigned node)
{
    const struct run_node *n = &r->nodes[node];
    const struct token_usage *u = &n->record.usage;
    if (!u->known || r->expect.currency == RUN_CALLS) {
        return r->expect.cost[node];
    }
    if (r->expect.currency == RUN_USD) {
        return n->record.usd;
    }
    return cost_flops(run_graph_node(r, node)->model, (double) u->prompt, (double) u->completion);
}

bool run_expect_start(struct run *r, unsigned node)
{
    struct run_expect *e = &r->expect;
    double rounding = 1e-9 * e->limit;
    if (node != r->spec.graph->output && e->spent + e->cost[node] > e->limit + rounding) {
        return false;
    }
    e->spent += e->cost[node];
    return true;
}

/* ---- time ---- */

/* NAN: not known yet. */
static double expected_s(const struct run *r, unsigned node)
{
    struct ledger_latency latency;
    if (!has_call(r, node)) {
        return 0.0;
    }
    const struct model_def *m = run_graph_node(r, node)->model;
    ledger_latency(r->spec.host->ledger, m->ledger, &latency);
    if (latency.p50_us > 0) {
        return (double) latency.p50_us * 1e-6;
    }
    return model_has_speed(m)
               ? ((double) m->first_token_us + ANSWER_TOKENS * (double) m->token_us) * 1e-6
               : (double) NAN;
}

uint64_t run_expect_patience_us(const struct run *r, unsigned node)
{
    struct ledger_latency latency = {0};
    if (has_call(r, node) && (r->dag.running & dag_bit(node)) != 0) {
        ledger_latency(r->spec.host->ledger, run_graph_node(r, node)->model->ledger, &latency);
    }
    return latency.p95_us > PATIENCE_LEAST_US ? latency.p95_us : PATIENCE_LEAST_US;
}

/* ---- before and after ---- */

void run_expect_init(struct run *r)
{
    double expect_s[GRAPH_NODES_MAX] = {0}, calls[GRAPH_NODES_MAX] = {0};
    if (!price_all(r, RUN_FLOPS) && !price_all(r, RUN_USD)) {
        price_all(r, RUN_CALLS);
    }
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        expect_s[i] = expected_s(r, i);
        calls[i] = has_call(r, i) ? 1.0 : 0.0;
    }
    dag_follow_s(r->spec.graph, expect_s, r->expect.follow_s);
    dag_follow_s(r->spec.graph, calls, r->expect.follow_nodes);
}

void run_expect_end(struct run *r, unsigned node)
{
    const struct run_spec *s = &r->spec;
    const struct model_def *m = run_graph_node(r, node)->model;
    bool has_times = node != s->graph->output || !r->was_paused;
    r->expect.spent += spent_by(r, node) - r->expect.cost[node];
    ledger_note_call(s->host->ledger, m->ledger, snapshot_tokens(s->snapshot, s->task, m),
                     graph_in_degree(s->graph, node), has_times, &r->nodes[node].record);
}
