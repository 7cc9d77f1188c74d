#include "router/graph_layers.h"

#include <math.h>
#include <string.h>

#include "router/canvas.h"

enum { LAYERS_MAX = GRAPH_NODES_MAX, ROWS_MAX = 64 };

/* Before each layer but the first there is a channel. In it every set of nodes that feeds somebody
 * of the layer has a track: a vertical line where the wires of the set's nodes, which run to the
 * right in the rows of their nodes, meet and leave for whom they feed. */
struct layout {
    const struct graph *g;
    const char *const *labels;
    unsigned layer_count;
    unsigned layer[GRAPH_NODES_MAX];
    unsigned last[GRAPH_NODES_MAX];    /* layer of the last that a node feeds */
    double wish[GRAPH_NODES_MAX];      /* where a node would like to be: what it is sorted by */
    unsigned members[GRAPH_NODES_MAX]; /* nodes by layer, from the top down */
    unsigned begin[LAYERS_MAX + 1];    /* of each layer in `members` */
    int row[GRAPH_NODES_MAX];
    unsigned track[GRAPH_NODES_MAX]; /* of the set that feeds a node, in the channel before it */
    unsigned track_count[LAYERS_MAX];
    unsigned label_width[GRAPH_NODES_MAX];
    unsigned channel[LAYERS_MAX + 1]; /* first column after a layer */
};

static bool feeds(const struct layout *l, unsigned from, unsigned to)
{
    return (l->g->nodes[to].predecessors >> from & 1) != 0;
}

/* Has a wire all through the layer's column. */
static bool passes(const struct layout *l, unsigned node, unsigned layer)
{
    return l->layer[node] < layer && l->last[node] > layer;
}

/* ---- which graphs ---- */

static uint32_t successors_from(const struct layout *l, unsigned node, unsigned layer)
{
    uint32_t all = graph_successors(l->g, node);
    uint32_t some = 0;

    for (; all != 0; all &= all - 1) {
        unsigned to = (unsigned) __builtin_ctz(all);

        some |= l->layer[to] >= layer ? (uint32_t) 1 << to : 0;
    }
    return some;
}

static bool is_clear(const struct layout *l)
{
    unsigned i;

    for (i = 0; i < l->g->count; i++) {
        uint32_t from = l->g->nodes[i].predecessors;
        uint32_t shared = 0;

        for (; from != 0; from &= from - 1) {
            uint32_t to = successors_from(l, (unsigned) __builtin_ctz(from), l->layer[i]);

            if (shared != 0 && shared != to) {
                return false;
            }
            shared = to;
        }
    }
    return true;
}

/* ---- rows ---- */

static void find_layers(struct layout *l)
{
    unsigned depths[GRAPH_NODES_MAX];
    unsigned filled = 0;
    unsigned i;
    unsigned layer;

    graph_depths(l->g, depths);
    l->layer_count = l->g->depth;
    for (i = 0; i < l->g->count; i++) {
        uint32_t to = graph_successors(l->g, i);

        l->layer[i] = depths[i] - 1;
        l->label_width[i] = canvas_text_width(l->labels[i]);
        for (; to != 0; to &= to - 1) {
            unsigned there = depths[__builtin_ctz(to)] - 1;

            l->last[i] = there > l->last[i] ? there : l->last[i];
        }
    }
    for (layer = 0; layer < l->layer_count; layer++) {
        l->begin[layer] = filled;
        for (i = 0; i < l->g->count; i++) {
            if (l->layer[i] == layer) {
                l->members[filled++] = i;
            }
        }
    }
    l->begin[layer] = filled;
}

/* Keeps the order of equals, but those that the same nodes feed stand together. */
static void sort_layer(struct layout *l, unsigned layer)
{
    unsigned i;

    for (i = l->begin[layer] + 1; i < l->begin[layer + 1]; i++) {
        unsigned node = l->members[i];
        unsigned j = i;

        for (; j > l->begin[layer]; j--) {
            unsigned other = l->members[j - 1];

            if (l->wish[other] < l->wish[node] ||
                (l->wish[other] <= l->wish[node] &&
                 l->g->nodes[other].predecessors <= l->g->nodes[node].predecessors)) {
                break;
            }
            l->members[j] = other;
        }
        l->members[j] = node;
    }
}

static double mean_row(const struct layout *l, uint32_t nodes)
{
    double sum = 0.0;
    int count = __builtin_popcount(nodes);

    for (; nodes != 0; nodes &= nodes - 1) {
        sum += l->row[__builtin_ctz(nodes)];
    }
    return sum / count;
}

static bool is_taken(const struct layout *l, unsigned layer, int row)
{
    unsigned i;

    for (i = 0; i < l->g->count; i++) {
        if (passes(l, i, layer) && l->row[i] == row) {
            return true;
        }
    }
    return false;
}

static int free_row(const struct layout *l, unsigned layer, int row)
{
    while (is_taken(l, layer, row)) {
        row++;
    }
    return row;
}

/* Around the middle of what feeds them: an even number leaves the middle row free. */
static void place_set(struct layout *l, unsigned layer, unsigned begin, unsigned end, int *lowest)
{
    int count = (int) (end - begin);
    double middle = l->wish[l->members[begin]];
    bool has_gap = count % 2 == 0 && floor(middle) >= middle;
    int row = (int) floor(middle) - (count - 1) / 2;
    unsigned i;

    row -= has_gap;
    if (row < *lowest || is_taken(l, layer, row)) {
        row = free_row(l, layer, row < *lowest ? *lowest : row);
        has_gap = false;
    }
    for (i = begin; i < end; i++) {
        if (has_gap && (int) (i - begin) == count / 2) {
            row++;
        }
        row = free_row(l, layer, row);
        l->row[l->members[i]] = row++;
    }
    *lowest = row;
}

static void place_layer(struct layout *l, unsigned layer)
{
    unsigned begin;
    unsigned end;
    unsigned i;
    int lowest = -ROWS_MAX;

    for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
        unsigned node = l->members[i];

        l->wish[node] = mean_row(l, l->g->nodes[node].predecessors);
    }
    sort_layer(l, layer);
    for (begin = l->begin[layer]; begin < l->begin[layer + 1]; begin = end) {
        uint32_t from = l->g->nodes[l->members[begin]].predecessors;

        end = begin + 1;
        while (end < l->begin[layer + 1] && l->g->nodes[l->members[end]].predecessors == from) {
            end++;
        }
        place_set(l, layer, begin, end, &lowest);
    }
}

/* The first layer is sorted by what it feeds, once that has been placed. */
static void place(struct layout *l)
{
    unsigned round;
    unsigned layer;
    unsigned i;

    for (round = 0; round < 3; round++) {
        for (i = 0; i < l->begin[1]; i++) {
            uint32_t to = graph_successors(l->g, l->members[i]);

            l->wish[l->members[i]] = round == 0 || to == 0 ? 0.0 : mean_row(l, to);
        }
        sort_layer(l, 0);
        for (i = 0; i < l->begin[1]; i++) {
            l->row[l->members[i]] = (int) i;
        }
        for (layer = 1; layer < l->layer_count; layer++) {
            place_layer(l, layer);
        }
    }
}

/* Makes the first row 0; the number of rows. */
static unsigned count_rows(struct layout *l)
{
    int least = l->row[0];
    int most = l->row[0];
    unsigned i;

    for (i = 0; i < l->g->count; i++) {
        least = l->row[i] < least ? l->row[i] : least;
        most = l->row[i] > most ? l->row[i] : most;
    }
    for (i = 0; i < l->g->count; i++) {
        l->row[i] -= least;
    }
    return (unsigned) (most - least) + 1;
}

/* ---- tracks and columns ---- */

/* The rows where the track of `to` is joined. */
static uint64_t joints(const struct layout *l, unsigned to)
{
    uint64_t rows = 0;
    unsigned i;

    for (i = 0; i < l->g->count; i++) {
        if (feeds(l, i, to) || l->g->nodes[i].predecessors == l->g->nodes[to].predecessors) {
            rows |= (uint64_t) 1 << l->row[i];
        }
    }
    return rows;
}

/* All rows from the first joint to the last. */
static uint64_t span(const struct layout *l, unsigned to)
{
    uint64_t rows = joints(l, to);

    return (UINT64_MAX << __builtin_ctzll(rows)) & (UINT64_MAX >> __builtin_clzll(rows));
}

static bool same_set(const struct layout *l, unsigned a, unsigned b)
{
    return l->g->nodes[a].predecessors == l->g->nodes[b].predecessors;
}

/* A wire that is in the way between the track of `to` and `to` must have ended before: the track of
 * `other`, which the wire leads to, comes first. */
static bool must_follow(const struct layout *l, unsigned to, unsigned other)
{
    uint32_t from = l->g->nodes[other].predecessors;

    for (; from != 0 && !same_set(l, to, other); from &= from - 1) {
        if (l->row[__builtin_ctz(from)] == l->row[to]) {
            return true;
        }
    }
    return false;
}

/* The first track for the set of `node` among those that have one: right of those it must follow,
 * not where another is in the way. False when it must follow one that has none yet. */
static bool find_track(const struct layout *l, unsigned layer, unsigned node, const bool done[],
                       unsigned *track)
{
    bool is_free;
    unsigned i;
    unsigned j;

    *track = 0;
    for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
        for (j = l->begin[layer]; j < l->begin[layer + 1]; j++) {
            unsigned other = l->members[j];

            if (!same_set(l, l->members[i], node) || !must_follow(l, l->members[i], other)) {
                continue;
            }
            if (!done[other]) {
                return false;
            }
            *track = l->track[other] >= *track ? l->track[other] + 1 : *track;
        }
    }
    do {
        is_free = true;
        for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
            unsigned other = l->members[i];

            is_free &= !done[other] || l->track[other] != *track ||
                       (span(l, other) & span(l, node)) == 0;
        }
        *track += !is_free;
    } while (!is_free);
    return true;
}

static void take_track(struct layout *l, unsigned layer, unsigned node, unsigned track, bool done[])
{
    uint64_t rows = span(l, node);
    unsigned i;

    for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
        if (same_set(l, l->members[i], node)) {
            l->track[l->members[i]] = track;
            done[l->members[i]] = true;
        }
    }
    /* A wire that runs straight through needs no column. */
    if ((rows & (rows - 1)) != 0 && track >= l->track_count[layer]) {
        l->track_count[layer] = track + 1;
    }
}

/* False when the sets wait for each other in a circle. */
static bool give_tracks(struct layout *l, unsigned layer)
{
    bool done[GRAPH_NODES_MAX] = {false};
    unsigned given;
    unsigned track;
    unsigned i;

    do {
        given = 0;
        for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
            unsigned node = l->members[i];

            if (!done[node] && find_track(l, layer, node, done, &track)) {
                take_track(l, layer, node, track, done);
                given++;
            }
        }
    } while (given > 0);
    for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
        if (!done[l->members[i]]) {
            return false;
        }
    }
    return true;
}

/* " ─", two columns a track, "▶ " */
static unsigned label_column(const struct layout *l, unsigned layer)
{
    return layer == 0 ? 0 : l->channel[layer - 1] + 4 + 2 * l->track_count[layer];
}

static unsigned track_column(const struct layout *l, unsigned to)
{
    return l->channel[l->layer[to] - 1] + 2 + 2 * l->track[to];
}

static bool find_columns(struct layout *l, unsigned columns)
{
    unsigned layer;
    unsigned i;

    for (layer = 0; layer < l->layer_count; layer++) {
        unsigned width = 0;

        if (layer > 0 && !give_tracks(l, layer)) {
            return false;
        }
        for (i = l->begin[layer]; i < l->begin[layer + 1]; i++) {
            unsigned label = l->label_width[l->members[i]];

            width = label > width ? label : width;
        }
        l->channel[layer] = label_column(l, layer) + width;
    }
    return l->channel[l->layer_count - 1] <= columns;
}

/* ---- ink ---- */

static void draw_right(struct canvas *c, unsigned from, unsigned to, int row)
{
    unsigned x;

    canvas_join(c, from, (unsigned) row, LINE_RIGHT);
    for (x = from + 1; x < to; x++) {
        canvas_join(c, x, (unsigned) row, LINE_LEFT | LINE_RIGHT);
    }
    canvas_join(c, to, (unsigned) row, LINE_LEFT);
}

/* To the track where its wire ends. */
static void draw_wire(const struct layout *l, struct canvas *c, unsigned node)
{
    unsigned from = label_column(l, l->layer[node]) + l->label_width[node] + 1;
    unsigned i;

    for (i = 0; i < l->g->count; i++) {
        if (feeds(l, node, i) && l->layer[i] == l->last[node]) {
            draw_right(c, from, track_column(l, i), l->row[node]);
            return;
        }
    }
}

/* Where it is not joined it passes over what is there. */
static void draw_track(const struct layout *l, struct canvas *c, unsigned to)
{
    uint64_t rows = joints(l, to);
    unsigned top = (unsigned) __builtin_ctzll(rows);
    unsigned bottom = 63 - (unsigned) __builtin_clzll(rows);
    unsigned y;

    for (y = top; y <= bottom; y++) {
        unsigned ways = (y > top ? LINE_UP : 0u) | (y < bottom ? LINE_DOWN : 0u);

        if ((rows >> y & 1) != 0) {
            canvas_join(c, track_column(l, to), y, ways);
        } else {
            canvas_cross(c, track_column(l, to), y, ways);
        }
    }
}

static void draw(const struct layout *l, struct canvas *c)
{
    unsigned i;

    for (i = 0; i < l->g->count; i++) {
        unsigned x = label_column(l, l->layer[i]);

        draw_wire(l, c, i);
        if (l->layer[i] > 0) {
            draw_right(c, track_column(l, i), x - 2, l->row[i]);
        }
    }
    for (i = 0; i < l->g->count; i++) {
        unsigned x = label_column(l, l->layer[i]);

        if (l->layer[i] > 0) {
            draw_track(l, c, i);
            canvas_arrow(c, x - 2, (unsigned) l->row[i]);
        }
        canvas_text(c, x, (unsigned) l->row[i], l->labels[i]);
    }
}

char *graph_layers_text(const struct graph *g, const char *const labels[], unsigned columns,
                        bool ascii)
{
    struct layout l;
    struct canvas c;
    unsigned rows;

    memset(&l, 0, sizeof(l));
    l.g = g;
    l.labels = labels;
    find_layers(&l);
    if (!is_clear(&l)) {
        return NULL;
    }
    place(&l);
    rows = count_rows(&l);
    if (rows > ROWS_MAX || !find_columns(&l, columns)) {
        return NULL;
    }
    canvas_init(&c, l.channel[l.layer_count - 1], rows, ascii);
    draw(&l, &c);
    return canvas_take(&c);
}
