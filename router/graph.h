/* A collaboration graph: a DAG of at most 32 nodes, each a (model, role) call, with one output.
 *
 * Immutable once made; owned by a snapshot. Nodes stand in canonical order: a topological order (so
 * predecessors have smaller numbers) that isomorphic graphs share. The id is the first 64 bits of
 * the SHA-256 of the canonical form, so ids are equal if and only if the graphs are isomorphic (up
 * to a collision of the hash: compare graph_form where it matters). Names of nodes are for people
 * and take no part in it; models count by name. */
#ifndef ROUTER_GRAPH_H
#define ROUTER_GRAPH_H

#include <math.h>

#include "cache/base.h"
#include "router/model.h"

enum { GRAPH_NODES_MAX = 32, GRAPH_NAME_MAX = 31 };

enum node_role { ROLE_ASSISTANT, ROLE_FUSER };
enum fuser_kind { FUSER_NONE, FUSER_LLM, FUSER_VOTE, FUSER_SELECT };

struct graph_node {
    char name[GRAPH_NAME_MAX + 1]; /* of the file; "" where there is none */
    const struct model_def *model; /* NULL for a vote, which makes no call, and only there */
    enum node_role role;
    enum fuser_kind fuse;
    uint32_t predecessors; /* bit i: node i feeds this one */
    double temperature;    /* 0 to 2; NAN: not set by the graph */
    double top_p;          /* over 0, up to 1; NAN: not set */
    uint32_t max_tokens;   /* 0: the task's cap */
    unsigned replica;      /* 0, 1, … among nodes of the same label and the same predecessors */
    bool is_replicated;    /* it has such a twin */
};

struct graph {
    uint64_t id;
    unsigned count;
    unsigned output;           /* always count - 1 */
    unsigned depth;            /* nodes on the longest path */
    unsigned width;            /* most nodes that are equally deep: 1 for a chain */
    struct graph_node nodes[]; /* count of them */
};

/* Nodes in any order, predecessors as bits of that order. `replica` and `is_replicated` are not
 * read. Make nodes with the two functions below: a node of zeroes has a temperature of 0. */
struct graph_draft {
    unsigned count;
    unsigned output;
    struct graph_node nodes[GRAPH_NODES_MAX];
};

static inline struct graph_node graph_assistant(const struct model_def *model)
{
    return (struct graph_node) {
        .model = model, .role = ROLE_ASSISTANT, .temperature = (double) NAN, .top_p = (double) NAN};
}

static inline struct graph_node graph_fuser(enum fuser_kind fuse, const struct model_def *model)
{
    struct graph_node node = graph_assistant(model);

    node.role = ROLE_FUSER;
    node.fuse = fuse;
    return node;
}

/* Checks (router/graph_check.h) and canonicalises. NULL with ERR_INPUT's words, which name the node
 * at fault, or with those of ERR_LIMIT when the graph is so symmetric that its canonical order was
 * not found within the bound of router/graph_order.h; models must outlive the graph. */
struct graph *graph_new(const struct graph_draft *draft, struct errbuf *err);
struct graph *graph_new_single(const struct model_def *model); /* one assistant */
void graph_free(struct graph *g);

/* The canonical form as text, the caller's to free: what the id is the hash of. */
char *graph_form(const struct graph *g);

/* 16 lower-case hex digits, terminated: how a graph is named in headers, logs and files. */
enum { GRAPH_ID_TEXT_BYTES = 17 };
void graph_id_text(uint64_t id, char out[GRAPH_ID_TEXT_BYTES]);

const char *graph_role_text(enum node_role role);  /* assistant, fuser */
const char *graph_fuse_text(enum fuser_kind fuse); /* none, llm, vote, select */

/* A name for each node: its own, else the first free of a1, a2, … for assistants, f1, f2, … for
 * fusers. */
void graph_names(const struct graph *g, char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1]);

unsigned graph_in_degree(const struct graph *g, unsigned node);
uint32_t graph_successors(const struct graph *g, unsigned node);
/* Nodes whose own text the client may get verbatim in place of the output's: those that feed it, through
 * votes and selects, which only choose. */
uint32_t graph_deliverable(const struct graph *g);
/* depths[i]: nodes on the longest path that ends in node i, itself included. */
void graph_depths(const struct graph *g, unsigned depths[GRAPH_NODES_MAX]);

static inline bool graph_is_single(const struct graph *g)
{
    return g->count == 1;
}

#endif
