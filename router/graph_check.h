/* What a graph must be: one output that feeds nobody, a way from every node to it, no cycle, roles
 * with the model, fuser kind and number of predecessors that they need, settings within range. */
#ifndef ROUTER_GRAPH_CHECK_H
#define ROUTER_GRAPH_CHECK_H

#include "router/graph.h"

/* ERR_INPUT with words that name the node at fault, by its name, else as #number, counted from 0 as
 * in the draft. */
enum err graph_check(const struct graph_draft *draft, struct errbuf *err) MUST_CHECK;

/* 1 to 31 ASCII letters, digits, '-', '_' and '.'. */
bool graph_check_name(struct slice name);

#endif
