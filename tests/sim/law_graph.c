#include "tests/sim/law_graph_private.h"

#include "tests/sim/hash.h"

#include <math.h>
#include <stdlib.h>

struct law_setting law_setting(enum law_task task)
{
    return (struct law_setting) {task, (double) NAN, 0.7, 0.2};
}

static double node_temperature(const struct graph *g, unsigned node,
                               const struct law_setting *setting)
{
    const struct graph_node *n = &g->nodes[node];

    if (!isnan(n->temperature)) {
        return n->temperature;
    }
    /* A selector writes no answer that the client reads, so it is asked like an inner node. */
    if (node == g->output && n->fuse != FUSER_SELECT) {
        return setting->output;
    }
    return n->is_replicated ? setting->replica : setting->inner;
}

static const struct law_model *node_model(const struct graph *g, unsigned node)
{
    const struct model_def *model = g->nodes[node].model;
    const struct law_model *found = model->id != NULL ? law_models_find(model->id) : NULL;

    return found != NULL ? found : law_models_find(model->name);
}

static void prepare_node(struct law_graph *lg, const struct graph *g, unsigned i,
                         const struct law_setting *setting)
{
    struct law_node *node = &lg->nodes[i];

    node->is_vote = g->nodes[i].model == NULL;
    node->is_select = g->nodes[i].fuse == FUSER_SELECT;
    node->predecessors = g->nodes[i].predecessors;
    node->successors = graph_successors(g, i);
    node->count = (unsigned) __builtin_popcount(node->predecessors);
    if (node->is_vote) {
        return;
    }
    node->temperature = node_temperature(g, i, setting);
    law_reader_init(&node->reader, lg->law, node_model(g, i), setting->task, node->temperature);
    if (node->reader.model->persuasion > 1 && !node->is_select) {
        lg->persuasive |= UINT32_C(1) << i;
    }
}

struct law_graph *law_graph_new(const struct law *law, const struct graph *g,
                                const struct law_setting *setting, struct errbuf *err)
{
    struct law_graph *lg = x_alloc(sizeof(*lg) + g->count * sizeof(lg->nodes[0]));

    lg->law = law;
    lg->task = setting->task;
    lg->count = g->count;
    law_states_init(&lg->states);
    law_states_init(&lg->next);
    for (unsigned i = 0; i < g->count; i++) {
        if (g->nodes[i].model != NULL && node_model(g, i) == NULL) {
            (void) err_set(err, ERR_INPUT, "node #%u: the law does not know the model %s", i,
                           g->nodes[i].model->name);
            law_graph_free(lg);
            return NULL;
        }
        prepare_node(lg, g, i, setting);
    }
    return lg;
}

void law_graph_free(struct law_graph *lg)
{
    if (lg == NULL) {
        return;
    }
    for (unsigned i = 0; i < lg->count; i++) {
        free(lg->nodes[i].vote);
    }
    law_states_fini(&lg->states);
    law_states_fini(&lg->next);
    free(lg);
}

/* What a node says. */
struct said {
    double weight;   /* as a wrong one */
    unsigned answer; /* 0: right */
    unsigned round;
};

/* The predecessors' numbers in a random order. */
static unsigned shuffle(uint32_t predecessors, uint64_t key, unsigned order[GRAPH_NODES_MAX])
{
    unsigned n = 0;

    for (; predecessors != 0; predecessors &= predecessors - 1) {
        unsigned at = (unsigned) (hash_unit(hash_u64(key, n)) * (n + 1));

        order[n] = order[at];
        order[at] = (unsigned) __builtin_ctz(predecessors);
        n++;
    }
    return n;
}

static struct said vote(uint32_t predecessors, const struct said *said)
{
    unsigned votes[LAW_WRONG_MAX + 1] = {0};
    unsigned best = (unsigned) __builtin_ctz(predecessors);

    for (uint32_t p = predecessors; p != 0; p &= p - 1) {
        votes[said[__builtin_ctz(p)].answer]++;
    }
    for (uint32_t p = predecessors; p != 0; p &= p - 1) {
        unsigned i = (unsigned) __builtin_ctz(p);

        if (votes[said[i].answer] > votes[said[best].answer]) {
            best = i;
        }
    }
    return said[best];
}

static struct said ask(const struct law_node *node, const struct said *said, uint64_t item,
                       uint64_t key)
{
    const struct law_reader *r = &node->reader;
    unsigned order[GRAPH_NODES_MAX] = {0};
    bool right[GRAPH_NODES_MAX] = {false};
    struct law_seen seen = {.first = -1};
    struct said out;

    seen.count = shuffle(node->predecessors, hash_u64(key, 3), order);
    for (unsigned i = 0; i < seen.count; i++) {
        const struct said *s = &said[order[i]];

        right[i] = s->answer == 0;
        seen.right += right[i] ? 1 : 0;
        seen.wrong_weight += right[i] ? 0 : s->weight;
        seen.round = s->round + 1 > seen.round ? s->round + 1 : seen.round;
    }
    if (seen.count > 0) {
        seen.first = right[0] ? 1 : 0;
    }
    if (node->is_select) {
        return said[order[law_pick(r, item, &seen, right, key)]];
    }
    out.answer = law_answer(r, item, &seen, key);
    out.weight = r->model->persuasion;
    out.round = seen.round;
    return out;
}

unsigned law_graph_run(const struct law_graph *lg, uint64_t item, uint64_t base)
{
    struct said said[GRAPH_NODES_MAX] = {{0, 0, 0}};

    for (unsigned i = 0; i < lg->count; i++) {
        const struct law_node *node = &lg->nodes[i];

        if (node->is_vote) {
            said[i] = vote(node->predecessors, said);
        } else {
            said[i] = ask(node, said, item,
                          law_key(&node->reader, item, node->temperature, hash_u64(base, i),
                                  node->predecessors));
        }
    }
    return said[lg->count - 1].answer;
}
