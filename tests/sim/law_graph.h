/*
 * What the law says of a whole graph: the exact chance that its answer to an item is right, and one
 * run of it in process. Neither sends anything.
 *
 * Exact chance. Given the item, every node is right or wrong by a coin of its own whose chance
 * depends on how many of its predecessors are right (and how many are wrong and persuasive). So the
 * nodes are walked in topological order with the distribution over which of them are right; nodes
 * that the rest of the graph cannot tell apart are counted, not listed. Wrong answers are
 * independent draws from the task's distractors, so a vote needs no more than the order of right
 * and wrong: its table says how likely the first c right answers win against b wrong ones before
 * and a wrong ones behind the first right one, ties going to the answer voted for first.
 */
#ifndef SIM_LAW_GRAPH_H
#define SIM_LAW_GRAPH_H

#include "router/graph.h"
#include "tests/sim/law.h"

/* Which task, and at which temperature the nodes work that the graph sets none for. */
struct law_setting {
    enum law_task task;
    double output;  /* what the client sends; NAN: nothing */
    double replica; /* inner nodes with equal twins */
    double inner;   /* other inner nodes */
};

/* Nothing from the client, 0.7 for twins and 0.2 for others, as the gateway does. */
struct law_setting law_setting(enum law_task task);

struct law_graph;

/*
 * Prepares a graph: its models' ids (or else names) are looked up with law_models_find(). Borrows
 * law, not the graph. NULL with words in err for a model that the law does not know.
 */
struct law_graph *law_graph_new(const struct law *law, const struct graph *g,
                                const struct law_setting *setting, struct errbuf *err);
void law_graph_free(struct law_graph *lg);

/*
 * One run: draws each node's answer as the simulated server would, candidates in random order.
 * base: of the run's draws. Returns 0 when the answer is right, else the number of a distractor.
 */
unsigned law_graph_run(const struct law_graph *lg, uint64_t item, uint64_t base);

/*
 * Prepares the exact chance, once. ERR_LIMIT with words in err when it is not to be had: more than
 * LAW_GRAPH_STATES_MAX states; a vote that feeds on a vote or a selection; an inner vote or
 * selection over a persuasive model, or over answers of different rounds where rounds matter.
 */
#define LAW_GRAPH_STATES_MAX 262144U
enum err law_graph_make_exact(struct law_graph *lg, struct errbuf *err) MUST_CHECK;

/* The chance that the graph's answer to the item is right, after law_graph_make_exact(). Uses
 * memory of lg: one thread at a time. */
double law_graph_chance(struct law_graph *lg, uint64_t item);

/*
 * The mean of law_graph_chance() over items [first, first + count), and in *sd the standard
 * deviation of the share of right answers when each of these items is asked once.
 */
double law_graph_accuracy(struct law_graph *lg, uint64_t first, size_t count, double *sd);

#endif
