#include "router/graph_lanes.h"

#include <string.h>

#include "router/canvas.h"

struct lanes {
    unsigned of[GRAPH_NODES_MAX]; /* a node's lane */
    unsigned count;
};

/* The last that reads the answer of a node; 0: nobody. */
static unsigned last_reader(const struct graph *g, unsigned node)
{
    uint32_t readers = graph_successors(g, node);

    return readers == 0 ? 0 : 31 - (unsigned) __builtin_clz(readers);
}

static bool feeds(const struct graph *g, unsigned from, unsigned to)
{
    return (g->nodes[to].predecessors >> from & 1) != 0;
}

/* Each node takes the first free lane right of all that it reads. A lane is used only after those
 * left of it, so there are never more lanes than nodes. */
static void give_lanes(const struct graph *g, struct lanes *l)
{
    unsigned i;
    unsigned j;

    memset(l, 0, sizeof(*l));
    for (i = 0; i < g->count; i++) {
        uint32_t taken = 0;
        unsigned lane = 0;

        for (j = 0; j < i; j++) {
            if (last_reader(g, j) >= i) {
                taken |= (uint32_t) 1 << l->of[j];
            }
            if (feeds(g, j, i) && l->of[j] >= lane) {
                lane = l->of[j] + 1;
            }
        }
        while ((taken >> lane & 1) != 0) {
            lane++;
        }
        l->of[i] = lane;
        l->count = lane + 1 > l->count ? lane + 1 : l->count;
    }
}

/* The line from the leftmost that the node reads. */
static void draw_line(const struct graph *g, const struct lanes *l, unsigned node, struct canvas *c)
{
    unsigned first = 2 * l->of[node];
    unsigned x;
    unsigned i;

    for (i = 0; i < node; i++) {
        if (feeds(g, i, node) && 2 * l->of[i] < first) {
            first = 2 * l->of[i];
        }
    }
    for (x = first; x < 2 * l->of[node]; x++) {
        canvas_join(c, x, node, x == first ? LINE_RIGHT : LINE_LEFT | LINE_RIGHT);
    }
}

static void draw_row(const struct graph *g, const struct lanes *l, unsigned node, struct canvas *c)
{
    unsigned i;

    draw_line(g, l, node, c);
    for (i = 0; i < node; i++) {
        unsigned last = last_reader(g, i);

        if (feeds(g, i, node)) {
            canvas_join(c, 2 * l->of[i], node, last > node ? LINE_UP | LINE_DOWN : LINE_UP);
        } else if (last > node) {
            canvas_cross(c, 2 * l->of[i], node, LINE_UP | LINE_DOWN);
        }
    }
    canvas_dot(c, 2 * l->of[node], node);
}

char *graph_lanes_text(const struct graph *g, const char *const texts[], unsigned columns,
                       bool ascii)
{
    struct lanes l;
    struct canvas c;
    unsigned width;
    unsigned i;

    give_lanes(g, &l);
    width = 2 * l.count + 1;
    canvas_init(&c, columns > width ? columns : width, g->count, ascii);
    for (i = 0; i < g->count; i++) {
        draw_row(g, &l, i, &c);
        canvas_text(&c, width, i, texts[i]);
    }
    return canvas_take(&c);
}
