/* A graph drawn for terminals: from left to right where that is clear, with what each node is in
 * its place or, where that gets too wide, in a table beneath; else a row for each node. */
#ifndef ROUTER_GRAPH_DRAW_H
#define ROUTER_GRAPH_DRAW_H

#include "router/graph.h"

/* Lines of at most `columns` characters, or of 66 where that is less; what does not fit is cut with
 * an ellipsis. Only ASCII where `ascii`. Terminated, the caller's to free. */
char *graph_draw(const struct graph *g, unsigned columns, bool ascii);

#endif
