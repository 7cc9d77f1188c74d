/* A graph as columns of nodes, from left to right by depth:
 *
 *      a1 ─╮
 *      a2 ─┼─▶ f
 *      a3 ─╯
 *
 * Nodes that feed the same ones meet in a line, so only graphs can be drawn like this where nodes
 * that have a successor in common share all from there on: in any other a reader would see edges
 * that are not there. */
#ifndef ROUTER_GRAPH_LAYERS_H
#define ROUTER_GRAPH_LAYERS_H

#include "router/graph.h"

/* NULL when the graph cannot be drawn like this, or is wider than `columns`. Terminated, the
 * caller's to free. */
char *graph_layers_text(const struct graph *g, const char *const labels[], unsigned columns,
                        bool ascii);

#endif
