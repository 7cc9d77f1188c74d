/* What the files of a run share: run.c (life and nodes), run_ask.c (what a node is asked), run_vote.c
 * (answers compared), run_output.c (what the client gets), run_expect.c (what is expected of the nodes). */
#ifndef ROUTER_RUN_PRIVATE_H
#define ROUTER_RUN_PRIVATE_H

#include "router/assemble.h"
#include "router/collect.h"
#include "router/cost.h"
#include "router/dag.h"
#include "router/deliver.h"
#include "router/run.h"

struct run_node {
    struct run *run;
    unsigned index;
    struct upstream_call *call; /* NULL: none is running */
    struct collect collect;     /* the answer of a node that does not stream */
    struct arena room;          /* of what it is asked, until its call is over */
    struct node_ask ask;
    struct call_record record; /* once it has started, or was not let */
    bool has_record;
    bool is_cut;
    struct slice text;  /* the answer once it is settled: in `collect`, or another node's */
    unsigned source;    /* the node whose text that is */
    struct answer vote; /* the text normalised, once a vote has asked; in the run's `votes` */
    bool is_normalised;
    uint8_t order[GRAPH_NODES_MAX]; /* of a select: which node stands at a place of its prompt */
    unsigned order_count;
};

struct run_expect {
    double cost[GRAPH_NODES_MAX]; /* in FLOPs, dollars or calls: whichever is known of all nodes */
    double limit;                 /* of the whole run */
    double spent;                 /* of what has been started; what is over, as it was */
    enum run_currency { RUN_FLOPS, RUN_USD, RUN_CALLS } currency;
    double follow_s[GRAPH_NODES_MAX];     /* from a node's end to the output's; NAN: not known */
    double follow_nodes[GRAPH_NODES_MAX]; /* that come one after the other until then */
};

struct run {
    struct run_spec spec;
    const struct sink_ops *sink; /* NULL: over */
    void *sink_arg;
    struct arena *room;
    struct dag dag;
    struct run_node *nodes; /* one for each of the graph */
    struct arena votes;
    struct loop_timer late;
    struct loop_task begin;
    uint64_t seed;
    struct run_expect expect;
    struct failure failure; /* of the last node that failed; reason END_NONE: none has */
    const char *degraded;
    struct assemble *assemble; /* of a JSON client whose output streams */
    bool is_streaming;         /* the output is a call whose events are the client's */
    bool was_paused;           /* its client read more slowly than it came */
    bool has_content;          /* the client has got some of it */
    unsigned source;           /* the node whose text the client got or gets */
};

/* ---- run.c ---- */

static inline const struct graph_node *run_graph_node(const struct run *r, unsigned node)
{
    return &r->spec.graph->nodes[node];
}

static inline struct run_node *run_output(const struct run *r)
{
    return &r->nodes[r->spec.graph->output];
}

uint64_t run_now_us(const struct run *r);

/* ---- run_ask.c ---- */

/* Fills n->ask for a node all of whose predecessors are settled. `streams`: it is the output, and its
 * events are the client's. ERR_NOMEM. */
enum err run_ask(struct run_node *n, bool streams) MUST_CHECK;

/* ---- run_vote.c ---- */

/* The node among `set` that has most votes; GRAPH_NODES_MAX: none has an answer of the task's kind. */
unsigned run_vote(struct run *r, uint32_t set);
/* No answer still out of the vote's predecessors can change its winner. */
bool run_vote_is_decided(struct run *r, unsigned vote);
/* The best answer in `set`, which is not empty: what most agree on where two do, else that of the model with
 * the most parameters, of equals the first. */
unsigned run_best(struct run *r, uint32_t set);

/* ---- run_output.c ---- */

extern const struct upstream_events run_stream_events; /* of an output that streams */

/* The output has a text, or there is none: delivers it and ends. */
void run_deliver(struct run *r, unsigned source);
/* The output failed with nothing sent: delivers the best answer in hand, or ends with the failure. */
void run_rescue(struct run *r);

/* ---- run_expect.c ---- */

void run_expect_init(struct run *r);
/* False: the node would take the run past its limit. True: it is on the bill. */
bool run_expect_start(struct run *r, unsigned node);
/* A call is over: the bill is put right, and the ledger learns. */
void run_expect_end(struct run *r, unsigned node);
/* What a running node has at least before it is late: its model's 95th percentile, where it is known. */
uint64_t run_expect_patience_us(const struct run *r, unsigned node);

/* ---- what more than one of them ends with ---- */

/* The node is settled; goes on with what that makes possible. */
void run_settle(struct run *r, unsigned node, bool answered);

#endif
