/* What a graph is expected to cost: FLOPs, dollars, seconds. The formulas are those of the cost
 * theorem of "Generalizing Test-time Compute-optimal Scaling as an Optimizable Graph"
 * (arXiv 2511.00086) and of its code.
 *
 * A node whose model has M parameters, L layers and width D and that reads Np and writes Nd tokens:
 *     prefill = 2 M Np + 2 L D Np (Np + 1)
 *     decode  = 2 M Nd + 2 L D Nd (2 Np + Nd + 1)
 * With d predecessors Np = A + d B and Nd = B, where A and B are the task's means of prompt and
 * answer tokens. One unit is what a model of 1e9 parameters, 16 layers and width 2048 without
 * predecessors takes on that task. A vote costs nothing, in any currency. */
#ifndef ROUTER_COST_H
#define ROUTER_COST_H

#include "router/graph.h"

struct cost_tokens {
    double prompt; /* A: of the client's prompt */
    double cached; /* of these, how many the upstream is expected to have in its cache */
    double answer; /* B */
};

/* NAN where the model has no parameters, layers or width configured. */
double cost_flops(const struct model_def *m, double prompt_tokens, double answer_tokens);
double cost_unit_flops(const struct cost_tokens *t);

/* In units; NAN as above. A graph's is the sum over its nodes. */
double cost_node_units(const struct graph *g, unsigned node, const struct cost_tokens *t);
double cost_graph_units(const struct graph *g, const struct cost_tokens *t);

/* The budget that belongs to `b` models of one unit: the complete DAG of them (each feeds all later
 * ones) and an output of 3e9 parameters, 28 layers and width 3072 that all of them feed. */
double cost_complete_dag_units(unsigned b, const struct cost_tokens *t);

/* Predecessors' answers are new to every cache; of the client's prompt, `cached` tokens (at most
 * `prompt`) are charged at the cached price. */
double cost_node_usd(const struct graph *g, unsigned node, const struct cost_tokens *t);
double cost_graph_usd(const struct graph *g, const struct cost_tokens *t);

/* How fast a node is. */
struct cost_latency {
    double first_s;     /* from its start to its first token */
    double per_token_s; /* for each token of the answer */
};

/* Seconds until the answer is whole: the longest path through the nodes' times. latency[i] belongs
 * to node i; a vote's is not read, it takes no time. */
double cost_critical_path_s(const struct graph *g, const struct cost_latency latency[],
                            double answer_tokens);

#endif
