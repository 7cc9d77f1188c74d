#include "router/dag.h"

#include <string.h>

static unsigned count_of(uint32_t set)
{
    return (unsigned) __builtin_popcount(set);
}

static uint32_t settled(const struct dag *d)
{
    return d->answered | d->silent | d->unwanted;
}

void dag_init(struct dag *d, const struct graph *graph)
{
    memset(d, 0, sizeof(*d));
    d->graph = graph;
    d->waiting = graph->count == 32 ? UINT32_MAX : dag_bit(graph->count) - 1;
}

static bool is_mute_fuser(const struct dag *d, unsigned node)
{
    return d->graph->nodes[node].role == ROLE_FUSER && node != d->graph->output &&
           dag_candidates(d, node) == 0;
}

uint32_t dag_ready(struct dag *d)
{
    uint32_t ready = 0;

    /* In topological order, so that a fuser made silent is seen by those it feeds. */
    for (unsigned i = 0; i < d->graph->count; i++) {
        uint32_t open = d->graph->nodes[i].predecessors & ~settled(d);

        if ((d->waiting & dag_bit(i)) == 0 || open != 0) {
            continue;
        }
        if (is_mute_fuser(d, i)) {
            d->waiting &= ~dag_bit(i);
            d->silent |= dag_bit(i);
        } else {
            ready |= dag_bit(i);
        }
    }
    return ready;
}

void dag_start(struct dag *d, unsigned node, uint64_t now_us)
{
    d->waiting &= ~dag_bit(node);
    d->running |= dag_bit(node);
    d->start_us[node] = now_us;
}

/* Were it no time at all that a vote took, whoever else is waited for would be late at once. */
static uint64_t first_start_us(const struct dag *d, uint32_t set, uint64_t now_us)
{
    uint64_t first = now_us;

    for (; set != 0; set &= set - 1) {
        uint64_t start = d->start_us[__builtin_ctz(set)];

        first = start < first ? start : first;
    }
    return first;
}

void dag_end(struct dag *d, unsigned node, bool answered, uint64_t now_us)
{
    if ((d->running & dag_bit(node)) == 0) {
        d->start_us[node] = first_start_us(d, dag_candidates(d, node), now_us);
    }
    d->waiting &= ~dag_bit(node);
    d->running &= ~dag_bit(node);
    d->end_us[node] = now_us;
    if (answered) {
        d->answered |= dag_bit(node);
    } else {
        d->silent |= dag_bit(node);
    }
}

uint32_t dag_prune(struct dag *d)
{
    uint32_t cancelled = 0;

    /* Backwards: a node that becomes unwanted settles before those that feed it are looked at. */
    for (unsigned i = d->graph->count; i-- > 0;) {
        uint32_t bit = dag_bit(i);

        if (i == d->graph->output || (settled(d) & bit) != 0 ||
            (graph_successors(d->graph, i) & ~settled(d)) != 0) {
            continue;
        }
        cancelled |= d->running & bit;
        d->waiting &= ~bit;
        d->running &= ~bit;
        d->unwanted |= bit;
    }
    return cancelled;
}

uint32_t dag_candidates(const struct dag *d, unsigned node)
{
    return d->graph->nodes[node].predecessors & d->answered;
}

/* ---- stragglers ---- */

void dag_serve(struct dag *d, unsigned node, uint64_t now_us)
{
    d->served |= dag_bit(node);
    d->start_us[node] = now_us;
}

/* How long node i took as one that began at start_us sees it: a chain took as long as all of it. */
static uint64_t time_seen_us(const struct dag *d, unsigned i, uint64_t start_us)
{
    uint64_t own = d->end_us[i] - d->start_us[i];
    uint64_t since = d->end_us[i] > start_us ? d->end_us[i] - start_us : 0;

    return own > since ? own : since;
}

/* Of the nodes in `set`; of an even number the mean of the middle two, of none 0. */
static uint64_t median_us(const struct dag *d, uint32_t set, uint64_t start_us)
{
    uint64_t times[GRAPH_NODES_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < d->graph->count; i++) {
        if ((set & dag_bit(i)) == 0) {
            continue;
        }
        uint64_t time = time_seen_us(d, i, start_us);
        unsigned at = n++;

        for (; at > 0 && times[at - 1] > time; at--) {
            times[at] = times[at - 1];
        }
        times[at] = time;
    }
    if (n == 0) {
        return 0;
    }
    return n % 2 == 1 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
}

/* What `node`, the one that waits, grants a predecessor that is still out and began at start_us. */
static uint64_t patience_us(const struct dag *d, unsigned node, uint64_t start_us, uint64_t p95_us)
{
    unsigned k = count_of(d->graph->nodes[node].predecessors);
    uint32_t in = dag_candidates(d, node);

    if (k < 2 || count_of(in) < (k + 1) / 2) {
        return UINT64_MAX;
    }
    uint64_t twice = 2 * median_us(d, in, start_us);

    return twice > p95_us ? twice : p95_us;
}

uint64_t dag_late_us(const struct dag *d, unsigned node, uint64_t p95_us)
{
    uint32_t waiting = graph_successors(d->graph, node) & ~settled(d);
    uint64_t most = 0;

    if ((d->running & d->served & dag_bit(node)) == 0 || waiting == 0) {
        return UINT64_MAX;
    }
    for (unsigned i = 0; i < d->graph->count; i++) {
        if ((waiting & dag_bit(i)) != 0) {
            uint64_t patience = patience_us(d, i, d->start_us[node], p95_us);

            most = patience > most ? patience : most;
        }
    }
    return most == UINT64_MAX ? UINT64_MAX : d->start_us[node] + most;
}

void dag_follow_s(const struct graph *graph, const double expect_s[], double follow_s[])
{
    for (unsigned i = graph->count; i-- > 0;) {
        uint32_t next = graph_successors(graph, i);

        follow_s[i] = 0.0;
        for (unsigned j = i + 1; j < graph->count; j++) {
            double way = expect_s[j] + follow_s[j];

            if ((next & dag_bit(j)) != 0 && (isnan(way) || way > follow_s[i])) {
                follow_s[i] = way;
            }
        }
    }
}
