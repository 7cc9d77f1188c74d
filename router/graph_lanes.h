/* Any graph, a row for each node in the order of the graph:
 *
 *      ●        a
 *      ├─●      b
 *      ├─│─●    c
 *      │ ├─┴─●  d
 *      ╰─┴───┴─●  f
 *
 * Below a node's dot runs its answer, down to the last that reads it. In a reader's row a line
 * comes from the left to its dot: it joins the answers that are read and passes under others. */
#ifndef ROUTER_GRAPH_LANES_H
#define ROUTER_GRAPH_LANES_H

#include "router/graph.h"

/* texts[i] stands right of the drawing in the row of node i, cut at `columns`. Terminated, the
 * caller's to free. */
char *graph_lanes_text(const struct graph *g, const char *const texts[], unsigned columns,
                       bool ascii);

#endif
