#include "router/graph_order.h"

#include <string.h>

enum { NODES_MAX = GRAPH_ORDER_NODES_MAX, SYMMETRIES_MAX = 64 };

/* An ordered partition: nodes in sequence, cut into cells. A cell of one node is settled. */
struct partition {
    uint8_t at[NODES_MAX];
    uint32_t starts; /* bit i: a cell begins at place i */
};

struct symmetry {
    uint8_t image[NODES_MAX];
    uint32_t moved; /* nodes whose image is another one */
};

struct leaf {
    uint8_t at[NODES_MAX];
    uint32_t form[NODES_MAX];  /* predecessors of the node at each place, as places */
    uint8_t prefix[NODES_MAX]; /* nodes that were singled out on the way */
};

struct search {
    const struct graph_order_input *in;
    uint32_t successors[NODES_MAX];
    uint32_t twins[NODES_MAX];
    uint8_t prefix[NODES_MAX];
    struct leaf first;
    struct leaf best;
    unsigned leaves;
    unsigned leaves_max;
    struct symmetry symmetries[SYMMETRIES_MAX]; /* the newest overwrites the oldest */
    unsigned symmetry_count;
};

static uint32_t bit(unsigned i)
{
    return (uint32_t) 1 << i;
}

static unsigned ones(uint32_t mask)
{
    return (unsigned) __builtin_popcount(mask);
}

static bool is_discrete(const struct search *s, const struct partition *p)
{
    return ones(p->starts) == s->in->count;
}

static unsigned cell_end(const struct search *s, const struct partition *p, unsigned start)
{
    unsigned end = start + 1;

    while (end < s->in->count && (p->starts & bit(end)) == 0) {
        end++;
    }
    return end;
}

/* Sorts a cell by `key` and cuts it where the key changes. Nodes of equal keys may stand in any
 * sequence: nothing looks at it but the choice of which is tried first. */
static bool split(struct partition *p, unsigned start, unsigned end, const unsigned key[])
{
    uint32_t before = p->starts;
    unsigned i;

    for (i = start + 1; i < end; i++) {
        uint8_t node = p->at[i];
        unsigned j = i;

        while (j > start && key[p->at[j - 1]] > key[node]) {
            p->at[j] = p->at[j - 1];
            j--;
        }
        p->at[j] = node;
    }
    for (i = start + 1; i < end; i++) {
        if (key[p->at[i]] != key[p->at[i - 1]]) {
            p->starts |= bit(i);
        }
    }
    return p->starts != before;
}

static bool split_all(const struct search *s, struct partition *p, const unsigned key[])
{
    bool changed = false;
    unsigned start;
    unsigned end;

    for (start = 0; start < s->in->count; start = end) {
        end = cell_end(s, p, start);
        if (end - start > 1) {
            changed |= split(p, start, end, key);
        }
    }
    return changed;
}

/* Cuts cells until all nodes of a cell have equally many predecessors, and successors, in every
 * cell. */
static void refine(const struct search *s, struct partition *p)
{
    unsigned key[NODES_MAX];
    bool changed;
    unsigned start;
    unsigned end;
    unsigned i;

    do {
        changed = false;
        for (start = 0; start < s->in->count; start = end) {
            uint32_t cell = 0;

            end = cell_end(s, p, start);
            for (i = start; i < end; i++) {
                cell |= bit(p->at[i]);
            }
            for (i = 0; i < s->in->count; i++) {
                key[i] = 64 * ones(s->in->predecessors[i] & cell) + ones(s->successors[i] & cell);
            }
            changed |= split_all(s, p, key);
        }
    } while (changed && !is_discrete(s, p));
}

/* Nodes that known symmetries which leave the first `level` singled-out nodes alone make of
 * `node`. */
static uint32_t orbit(const struct search *s, unsigned level, unsigned node)
{
    unsigned known = s->symmetry_count < SYMMETRIES_MAX ? s->symmetry_count : SYMMETRIES_MAX;
    uint32_t fixed = 0;
    uint32_t seen = bit(node);
    uint32_t fresh = seen;
    unsigned i;

    for (i = 0; i < level; i++) {
        fixed |= bit(s->prefix[i]);
    }
    while (fresh != 0) {
        unsigned from = (unsigned) __builtin_ctz(fresh);
        uint32_t images = s->twins[from] & ~fixed;

        for (i = 0; i < known; i++) {
            if ((s->symmetries[i].moved & fixed) == 0) {
                images |= bit(s->symmetries[i].image[from]);
            }
        }
        fresh = (fresh | (images & ~seen)) & ~bit(from);
        seen |= images;
    }
    return seen;
}

static void make_leaf(const struct search *s, const struct partition *p, struct leaf *leaf)
{
    uint8_t place[NODES_MAX];
    unsigned i;

    memcpy(leaf->at, p->at, sizeof(leaf->at));
    memcpy(leaf->prefix, s->prefix, sizeof(leaf->prefix));
    for (i = 0; i < s->in->count; i++) {
        place[p->at[i]] = (uint8_t) i;
    }
    for (i = 0; i < s->in->count; i++) {
        uint32_t from = s->in->predecessors[p->at[i]];

        for (leaf->form[i] = 0; from != 0; from &= from - 1) {
            leaf->form[i] |= bit(place[__builtin_ctz(from)]);
        }
    }
}

static int compare(const struct search *s, const struct leaf *a, const struct leaf *b)
{
    unsigned i;

    for (i = 0; i < s->in->count; i++) {
        if (a->form[i] != b->form[i]) {
            return a->form[i] < b->form[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Two orders that read the same: putting the one's nodes for the other's is a symmetry. It takes
 * the branch of `earlier` at the level where the two part, which is done with, to the branch of
 * `leaf`, so that level is where to go on. */
static unsigned learn(struct search *s, const struct leaf *earlier, const struct leaf *leaf)
{
    struct symmetry *y = &s->symmetries[s->symmetry_count++ % SYMMETRIES_MAX];
    unsigned level = 0;
    unsigned i;

    y->moved = 0;
    for (i = 0; i < s->in->count; i++) {
        y->image[earlier->at[i]] = leaf->at[i];
        if (earlier->at[i] != leaf->at[i]) {
            y->moved |= bit(earlier->at[i]);
        }
    }
    while (earlier->prefix[level] == leaf->prefix[level]) {
        level++;
    }
    return level;
}

static unsigned look_at_leaf(struct search *s, const struct partition *p, unsigned level)
{
    struct leaf leaf;
    int order;

    make_leaf(s, p, &leaf);
    if (s->leaves++ == 0) {
        s->first = leaf;
        s->best = leaf;
        return level;
    }
    if (compare(s, &leaf, &s->first) == 0) {
        return learn(s, &s->first, &leaf);
    }
    order = compare(s, &leaf, &s->best);
    if (order == 0) {
        return learn(s, &s->best, &leaf);
    }
    if (order < 0) {
        s->best = leaf;
    }
    return level;
}

/* Singles out `node` of the cell at `start`: it goes first. */
static void single_out(struct partition *p, unsigned start, unsigned node)
{
    unsigned i = start;

    while (p->at[i] != node) {
        i++;
    }
    p->at[i] = p->at[start];
    p->at[start] = (uint8_t) node;
    p->starts |= bit(start + 1);
}

/* Returns the level to go on at: less than `level` when the rest of this branch is known. */
static unsigned explore(struct search *s, const struct partition *p, unsigned level)
{
    uint32_t known = 0;
    unsigned start = 0;
    unsigned end;
    unsigned i;

    if (is_discrete(s, p)) {
        return look_at_leaf(s, p, level);
    }
    while (cell_end(s, p, start) == start + 1) {
        start++;
    }
    end = cell_end(s, p, start);
    for (i = start; i < end && s->leaves < s->leaves_max; i++) {
        struct partition child = *p;
        unsigned back;

        if ((orbit(s, level, p->at[i]) & known) != 0) {
            continue;
        }
        known |= bit(p->at[i]);
        s->prefix[level] = p->at[i];
        single_out(&child, start, p->at[i]);
        refine(s, &child);
        back = explore(s, &child, level + 1);
        if (back < level) {
            return back;
        }
    }
    return level;
}

static void measure_depths(const struct graph_order_input *in, unsigned depth[])
{
    bool changed;
    unsigned i;

    memset(depth, 0, in->count * sizeof(depth[0]));
    do {
        changed = false;
        for (i = 0; i < in->count; i++) {
            uint32_t from = in->predecessors[i];

            for (; from != 0; from &= from - 1) {
                if (depth[i] <= depth[__builtin_ctz(from)]) {
                    depth[i] = depth[__builtin_ctz(from)] + 1;
                    changed = true;
                }
            }
        }
    } while (changed);
}

static void prepare(struct search *s, struct partition *p)
{
    const struct graph_order_input *in = s->in;
    unsigned key[NODES_MAX] = {0};
    unsigned depth[NODES_MAX];
    unsigned i;
    unsigned j;

    measure_depths(in, depth);
    for (i = 0; i < in->count; i++) {
        p->at[i] = (uint8_t) i;
        for (j = 0; j < in->count; j++) {
            if ((in->predecessors[j] & bit(i)) != 0) {
                s->successors[i] |= bit(j);
            }
            /* The rank of (depth, label); depth first makes the order topological. */
            key[i] += depth[j] < depth[i] || (depth[j] == depth[i] && in->label[j] < in->label[i]);
        }
    }
    for (i = 0; i < in->count; i++) {
        for (j = 0; j < in->count; j++) {
            if (i != j && in->label[i] == in->label[j] &&
                in->predecessors[i] == in->predecessors[j] &&
                s->successors[i] == s->successors[j]) {
                s->twins[i] |= bit(j);
            }
        }
    }
    p->starts = 1;
    split_all(s, p, key);
    refine(s, p);
}

enum err graph_order(const struct graph_order_input *in, unsigned leaves_max,
                     struct graph_order *out)
{
    struct search s;
    struct partition p = {{0}, 0};
    unsigned i;

    memset(&s, 0, sizeof(s));
    s.in = in;
    s.leaves_max = leaves_max;
    prepare(&s, &p);
    explore(&s, &p, 0);
    out->leaves = s.leaves;
    if (s.leaves >= leaves_max) {
        return ERR_LIMIT;
    }
    for (i = 0; i < in->count; i++) {
        out->node[i] = s.best.at[i];
    }
    return ERR_NONE;
}
