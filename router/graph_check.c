#include "router/graph_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How a message names a node. */
struct called {
    char text[GRAPH_NAME_MAX + 3];
};

static struct called call(const struct graph_draft *d, unsigned node)
{
    struct called c;

    if (d->nodes[node].name[0] != '\0') {
        snprintf(c.text, sizeof(c.text), "\"%.*s\"", GRAPH_NAME_MAX, d->nodes[node].name);
    } else {
        snprintf(c.text, sizeof(c.text), "#%u", node);
    }
    return c;
}

static bool feeds(const struct graph_draft *d, unsigned from, unsigned to)
{
    return (d->nodes[to].predecessors >> from & 1) != 0;
}

bool graph_check_name(struct slice name)
{
    size_t i;

    for (i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return name.n >= 1 && name.n <= GRAPH_NAME_MAX;
}

static enum err check_names(const struct graph_draft *d, struct errbuf *err)
{
    unsigned i;
    unsigned j;

    for (i = 0; i < d->count; i++) {
        struct slice name = {d->nodes[i].name, strnlen(d->nodes[i].name, GRAPH_NAME_MAX + 1)};

        if (name.n == 0) {
            continue;
        }
        if (!graph_check_name(name)) {
            return err_set(err, ERR_INPUT,
                           "node #%u: a name has 1 to %d letters, digits and any of \"-_.\"", i,
                           GRAPH_NAME_MAX);
        }
        for (j = 0; j < i; j++) {
            if (slice_eq_text(name, d->nodes[j].name)) {
                return err_set(err, ERR_INPUT, "two nodes have the name \"%s\"", d->nodes[j].name);
            }
        }
    }
    return ERR_NONE;
}

static enum err check_role(const struct graph_node *n, const char *name, struct errbuf *err)
{
    unsigned inputs = (unsigned) __builtin_popcount(n->predecessors);

    if (n->role == ROLE_ASSISTANT && n->fuse != FUSER_NONE) {
        return err_set(err, ERR_INPUT, "node %s: an assistant has no fuser kind, this one has %s",
                       name, graph_fuse_text(n->fuse));
    }
    if (n->role == ROLE_FUSER && n->fuse == FUSER_NONE) {
        return err_set(err, ERR_INPUT, "node %s: a fuser is of kind llm, vote or select", name);
    }
    if (n->fuse == FUSER_LLM && inputs == 0) {
        return err_set(err, ERR_INPUT, "node %s: a fuser needs a predecessor, this one has none",
                       name);
    }
    if ((n->fuse == FUSER_VOTE || n->fuse == FUSER_SELECT) && inputs < 2) {
        return err_set(err, ERR_INPUT, "node %s: a %s needs two predecessors, this one has %s",
                       name, graph_fuse_text(n->fuse), inputs == 0 ? "none" : "one");
    }
    return ERR_NONE;
}

static enum err check_call(const struct graph_node *n, const char *name, struct errbuf *err)
{
    bool is_vote = n->fuse == FUSER_VOTE;

    if (is_vote &&
        (n->model != NULL || !isnan(n->temperature) || !isnan(n->top_p) || n->max_tokens != 0)) {
        return err_set(err, ERR_INPUT,
                       "node %s: a vote makes no call, so it has no model and no settings", name);
    }
    if (!is_vote && n->model == NULL) {
        return err_set(err, ERR_INPUT, "node %s: only a vote is without a model", name);
    }
    if (!isnan(n->temperature) && !(n->temperature >= 0.0 && n->temperature <= 2.0)) {
        return err_set(err, ERR_INPUT, "node %s: temperature must be from 0 to 2, not %g", name,
                       n->temperature);
    }
    if (!isnan(n->top_p) && !(n->top_p > 0.0 && n->top_p <= 1.0)) {
        return err_set(err, ERR_INPUT, "node %s: top_p must be over 0 and at most 1, not %g", name,
                       n->top_p);
    }
    return ERR_NONE;
}

static enum err check_nodes(const struct graph_draft *d, struct errbuf *err)
{
    unsigned i;

    for (i = 0; i < d->count; i++) {
        const struct graph_node *n = &d->nodes[i];
        struct called name = call(d, i);

        if (d->count < GRAPH_NODES_MAX && n->predecessors >> d->count != 0) {
            return err_set(err, ERR_INPUT, "node %s: a predecessor is not among the %u nodes",
                           name.text, d->count);
        }
        if (check_role(n, name.text, err) != ERR_NONE ||
            check_call(n, name.text, err) != ERR_NONE) {
            return ERR_INPUT;
        }
    }
    return ERR_NONE;
}

/* Every node of `left` has a predecessor in it, so walking up must come round to a node again. */
static enum err name_cycle(const struct graph_draft *d, uint32_t left, struct errbuf *err)
{
    unsigned walk[GRAPH_NODES_MAX + 1];
    char text[256];
    uint32_t seen = 0;
    unsigned steps = 0;
    unsigned at = (unsigned) __builtin_ctz(left);
    bool is_whole = false;
    int n;

    while ((seen >> at & 1) == 0) {
        seen |= (uint32_t) 1 << at;
        walk[steps++] = at;
        at = (unsigned) __builtin_ctz(d->nodes[at].predecessors & left);
    }
    n = snprintf(text, sizeof(text), "%s", call(d, at).text);
    while (steps > 0 && !is_whole) { /* down again, the way that answers would go */
        is_whole = walk[--steps] == at;
        if ((size_t) n > sizeof(text) - sizeof(struct called) - 8) {
            snprintf(text + n, sizeof(text) - (size_t) n, " -> …");
            break;
        }
        n += snprintf(text + n, sizeof(text) - (size_t) n, " -> %s", call(d, walk[steps]).text);
    }
    return err_set(err, ERR_INPUT, "node %s: there is a cycle: %s", call(d, at).text, text);
}

static enum err check_ways(const struct graph_draft *d, struct errbuf *err)
{
    uint32_t all = UINT32_MAX >> (GRAPH_NODES_MAX - d->count);
    uint32_t done = 0;
    uint32_t reaching = (uint32_t) 1 << d->output;
    unsigned round;
    unsigned i;

    for (i = 0; i < d->count; i++) {
        if (i != d->output && feeds(d, d->output, i)) {
            return err_set(err, ERR_INPUT, "node %s: the output feeds nobody, this one feeds %s",
                           call(d, d->output).text, call(d, i).text);
        }
    }
    for (round = 0; round < d->count; round++) {
        for (i = 0; i < d->count; i++) {
            if ((d->nodes[i].predecessors & ~done) == 0) {
                done |= (uint32_t) 1 << i;
            }
            if ((reaching >> i & 1) != 0) {
                reaching |= d->nodes[i].predecessors;
            }
        }
    }
    if (done != all) {
        return name_cycle(d, all & ~done, err);
    }
    if (reaching != all) {
        return err_set(err, ERR_INPUT, "node %s: no way leads from it to the output %s",
                       call(d, (unsigned) __builtin_ctz(all & ~reaching)).text,
                       call(d, d->output).text);
    }
    return ERR_NONE;
}

enum err graph_check(const struct graph_draft *d, struct errbuf *err)
{
    if (d->count == 0) {
        return err_set(err, ERR_INPUT, "a graph has at least one node");
    }
    if (d->count > GRAPH_NODES_MAX) {
        return err_set(err, ERR_INPUT, "a graph has at most %d nodes, this one has %u",
                       GRAPH_NODES_MAX, d->count);
    }
    if (d->output >= d->count) {
        return err_set(err, ERR_INPUT, "the output is #%u, which is not among the %u nodes",
                       d->output, d->count);
    }
    if (check_names(d, err) != ERR_NONE || check_nodes(d, err) != ERR_NONE) {
        return ERR_INPUT;
    }
    return check_ways(d, err);
}
