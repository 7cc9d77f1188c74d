#include "router/run_private.h"

/* As the task compares answers; made once, when first needed. */
static const struct answer *vote_of(struct run *r, unsigned node)
{
    struct run_node *n = &r->nodes[node];
    if (!n->is_normalised) {
        n->vote = answer_extract(n->text, r->spec.task->answer, &r->votes);
        n->is_normalised = true;
    }
    return &n->vote;
}

/* Votes of the nodes in `set` in canonical order, and which node each is. */
static unsigned gather(struct run *r, uint32_t set, struct answer votes[], unsigned nodes[])
{
    unsigned count = 0;
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        if ((set & dag_bit(i)) != 0) {
            votes[count] = *vote_of(r, i);
            nodes[count++] = i;
        }
    }
    return count;
}

unsigned run_vote(struct run *r, uint32_t set)
{
    struct answer votes[GRAPH_NODES_MAX];
    unsigned nodes[GRAPH_NODES_MAX];
    unsigned count = gather(r, set, votes, nodes);
    int winner = answer_vote(votes, count);
    return winner < 0 ? GRAPH_NODES_MAX : nodes[winner];
}

bool run_vote_is_decided(struct run *r, unsigned vote)
{
    struct answer votes[GRAPH_NODES_MAX];
    unsigned nodes[GRAPH_NODES_MAX];
    uint32_t set = dag_candidates(&r->dag, vote);
    uint32_t out = run_graph_node(r, vote)->predecessors & (r->dag.waiting | r->dag.running);
    unsigned count = gather(r, set, votes, nodes);
    return answer_is_decided(votes, count, (size_t) __builtin_popcount(out));
}

static unsigned largest(const struct run *r, uint32_t set)
{
    unsigned best = GRAPH_NODES_MAX;
    double most = -1.0;
    for (unsigned i = 0; i < r->spec.graph->count; i++) {
        const struct model_def *m = run_graph_node(r, r->nodes[i].source)->model;
        double params = m ? m->params : 0.0;
        if ((set & dag_bit(i)) != 0 && params > most) {
            best = i;
            most = params;
        }
    }
    return best;
}

unsigned run_best(struct run *r, uint32_t set)
{
    unsigned winner = run_vote(r, set);
    for (unsigned i = 0; winner != GRAPH_NODES_MAX && i < r->spec.graph->count; i++) {
        if (i != winner && (set & dag_bit(i)) != 0 &&
            answer_equal(vote_of(r, i), vote_of(r, winner))) {
            return winner;
        }
    }
    return largest(r, set);
}
