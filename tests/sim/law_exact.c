#include "tests/sim/law_graph_private.h"

#include <math.h>

static unsigned count_bits(uint32_t bits)
{
    return (unsigned) __builtin_popcount(bits);
}

/* ---- states ---- */

/* The n lowest of the bits. */
static uint32_t lowest(uint32_t bits, unsigned n)
{
    uint32_t out = 0;

    for (; n > 0; n--) {
        out |= bits & -bits;
        bits &= bits - 1;
    }
    return out;
}

/* Keeps how many voters are right, and how many wrong ones precede the first of these. */
static uint32_t pack_voters(uint32_t voters, uint32_t right)
{
    uint32_t first = right & -right;
    unsigned before = count_bits(voters & (first - 1));
    uint32_t behind = voters & ~lowest(voters, before);

    return right == 0 ? 0 : lowest(behind, count_bits(right));
}

static uint32_t pack(const struct law_node *node, uint32_t right)
{
    right &= node->live;
    for (unsigned i = 0; i < node->n_twins; i++) {
        const struct twins *t = &node->twins[i];

        if (t->voters != 0) {
            right = (right & ~t->voters) | pack_voters(t->voters, right & t->voters);
            continue;
        }
        right = (right & ~t->plain & ~t->persuasive) |
                lowest(t->plain, count_bits(right & t->plain)) |
                lowest(t->persuasive, count_bits(right & t->persuasive));
    }
    return right;
}

static double vote_chance(const struct law_node *node, uint32_t right)
{
    uint32_t first = right & -right;

    return right == 0
               ? 0
               : node->vote->wins[count_bits(right)][count_bits(node->predecessors & (first - 1))];
}

static double node_chance(const struct law_graph *lg, const struct law_node *node, double ease,
                          uint32_t state)
{
    uint32_t right = state & node->predecessors;
    uint32_t loud = node->predecessors & ~right & lg->persuasive;
    struct law_seen seen = {node->count, count_bits(right), 0, -1, node->round};

    if (node->is_vote) {
        return vote_chance(node, right);
    }
    seen.wrong_weight = seen.count - seen.right;
    for (; loud != 0; loud &= loud - 1) {
        seen.wrong_weight += lg->nodes[__builtin_ctz(loud)].reader.model->persuasion - 1;
    }
    return node->is_select ? law_trust(&node->reader, ease, &seen)
                           : law_chance(&node->reader, ease, &seen);
}

double law_graph_chance(struct law_graph *lg, uint64_t item)
{
    double right = 0;

    law_states_clear(&lg->states);
    law_states_add(&lg->states, 0, 1);
    for (unsigned i = 0; i < lg->count; i++) {
        const struct law_node *node = &lg->nodes[i];
        const struct law_reader *r = &node->reader;
        double ease = node->is_vote ? 0 : law_ease(lg->law, r->model, r->task, item);
        struct law_states swap;

        law_states_clear(&lg->next);
        for (size_t s = 0; s < lg->states.n; s++) {
            uint32_t bits = lg->states.bits[s];
            double chance = lg->states.chance[s];
            double p = node_chance(lg, node, ease, bits);

            law_states_add(&lg->next, pack(node, bits | UINT32_C(1) << i), chance * p);
            law_states_add(&lg->next, pack(node, bits), chance * (1 - p));
        }
        swap = lg->states;
        lg->states = lg->next;
        lg->next = swap;
    }
    for (size_t s = 0; s < lg->states.n; s++) {
        right += lg->states.bits[s] != 0 ? lg->states.chance[s] : 0;
    }
    return right;
}

double law_graph_accuracy(struct law_graph *lg, uint64_t first, size_t count, double *sd)
{
    double sum = 0;
    double variance = 0;

    for (size_t i = 0; i < count; i++) {
        double p = law_graph_chance(lg, first + i);

        sum += p;
        variance += p * (1 - p);
    }
    *sd = sqrt(variance) / (double) count;
    return sum / (double) count;
}

/* ---- preparation ---- */

/* Votes and selections hand on another's answer, so their round is its. */
static enum err prepare_round(struct law_graph *lg, unsigned i, struct errbuf *err)
{
    struct law_node *node = &lg->nodes[i];
    bool hands_on = node->is_vote || node->is_select;
    bool is_inner = i != lg->count - 1;
    unsigned low = UINT32_MAX;
    unsigned high = 0;

    for (unsigned j = 0; j < i; j++) {
        bool feeds = (node->predecessors >> j & 1) != 0;

        if (feeds && node->is_vote && (lg->nodes[j].is_vote || lg->nodes[j].is_select)) {
            return err_set(err, ERR_LIMIT,
                           "node #%u: a vote that feeds on #%u, which hands on "
                           "another's answer",
                           i, j);
        }
        if (feeds) {
            low = lg->nodes[j].round < low ? lg->nodes[j].round : low;
            high = lg->nodes[j].round > high ? lg->nodes[j].round : high;
        }
    }
    if (hands_on && is_inner && (node->predecessors & lg->persuasive) != 0) {
        return err_set(err, ERR_LIMIT, "node #%u: may hand on a persuasive answer", i);
    }
    if (hands_on && is_inner && low != high && lg->law->task[lg->task].phi > 0) {
        return err_set(err, ERR_LIMIT, "node #%u: hands on answers of different rounds", i);
    }
    node->round = high + (node->count > 0 && !hands_on ? 1 : 0);
    return ERR_NONE;
}

/* Members of the group may be packed as voters when every vote among the successors has read, of
 * the nodes up to i, only them: later ones come behind them in its order. */
static bool is_packable(const struct law_graph *lg, unsigned i, uint32_t group, uint32_t readers,
                        bool *has_vote)
{
    uint32_t past = (UINT32_C(2) << i) - 1;
    bool has_other = false;

    *has_vote = false;
    for (; readers != 0; readers &= readers - 1) {
        const struct law_node *reader = &lg->nodes[__builtin_ctz(readers)];

        if (!reader->is_vote) {
            has_other = true;
            continue;
        }
        *has_vote = true;
        if ((reader->predecessors & past) != group) {
            return false;
        }
    }
    return !*has_vote || !has_other || (group & lg->persuasive) == 0;
}

/* Groups the nodes up to i by who will read them. */
static void prepare_twins(struct law_graph *lg, unsigned i)
{
    struct law_node *node = &lg->nodes[i];
    uint32_t future = ~((UINT32_C(2) << i) - 1);
    uint32_t left;

    for (unsigned j = 0; j <= i; j++) {
        if ((lg->nodes[j].successors & future) != 0 || j == lg->count - 1) {
            node->live |= UINT32_C(1) << j;
        }
    }
    left = node->live;
    while (left != 0) {
        uint32_t readers = lg->nodes[__builtin_ctz(left)].successors & future;
        uint32_t group = 0;
        struct twins *t = &node->twins[node->n_twins];
        bool has_vote;

        for (unsigned j = 0; j <= i; j++) {
            if ((left >> j & 1) != 0 && (lg->nodes[j].successors & future) == readers) {
                group |= UINT32_C(1) << j;
            }
        }
        left &= ~group;
        if (is_packable(lg, i, group, readers, &has_vote)) {
            t->voters = has_vote ? group : 0;
            t->plain = has_vote ? 0 : group & ~lg->persuasive;
            t->persuasive = has_vote ? 0 : group & lg->persuasive;
            node->n_twins++;
        }
    }
}

/* States do not depend on the item but for chances of exactly 0 and 1, which no item has. */
static enum err count_states(struct law_graph *lg, struct errbuf *err)
{
    law_states_add(&lg->states, 0, 1);
    for (unsigned i = 0; i < lg->count; i++) {
        struct law_states swap;

        law_states_clear(&lg->next);
        for (size_t s = 0; s < lg->states.n; s++) {
            uint32_t bits = lg->states.bits[s];

            law_states_add(&lg->next, pack(&lg->nodes[i], bits | UINT32_C(1) << i), 1);
            law_states_add(&lg->next, pack(&lg->nodes[i], bits), 1);
            if (lg->next.n > LAW_GRAPH_STATES_MAX) {
                return err_set(err, ERR_LIMIT, "node #%u: more than %u states", i,
                               LAW_GRAPH_STATES_MAX);
            }
        }
        swap = lg->states;
        lg->states = lg->next;
        lg->next = swap;
    }
    return ERR_NONE;
}

enum err law_graph_make_exact(struct law_graph *lg, struct errbuf *err)
{
    for (unsigned i = 0; i < lg->count; i++) {
        struct law_node *node = &lg->nodes[i];
        enum err rc = prepare_round(lg, i, err);

        if (rc != ERR_NONE) {
            return rc;
        }
        if (node->is_vote) {
            node->vote = x_alloc(sizeof(*node->vote));
            law_vote_init(node->vote, &lg->law->task[lg->task], node->count);
        }
    }
    for (unsigned i = 0; i < lg->count; i++) {
        prepare_twins(lg, i);
    }
    return count_states(lg, err);
}
