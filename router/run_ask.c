#include "router/run_private.h"

#include "cache/crypt.h"
#include "cache/mix.h"

#include <math.h>

/* Among equal replicas answers are to differ; else a node is to be near its best. */
static const double TEMPERATURE_OF_REPLICAS = 0.7, TEMPERATURE = 0.2;

enum { MARK_BYTES = 10, MARK_TEXT_BYTES = MARK_BYTES * 8 / 5 + 1, MARK_TRIES = 4 };

/* What each use of the run's seed is mixed with, so that none repeats another's draws. */
enum { DRAW_SEED = 1, DRAW_ORDER = 2 };

/* Non-negative in 32 bits, which every server takes. */
static uint32_t seed_of(const struct run_node *n)
{
    unsigned replica = run_graph_node(n->run, n->index)->replica;
    return (uint32_t) (mix64_pair(mix64_pair(n->run->seed, DRAW_SEED), replica) >> 33);
}

/* Fisher and Yates: no place is favoured by the canonical order. */
static void shuffle(struct run_node *n, uint32_t set)
{
    uint64_t state = mix64_pair(mix64_pair(n->run->seed, DRAW_ORDER), n->index);
    n->order_count = 0;
    for (unsigned i = 0; i < n->run->spec.graph->count; i++) {
        if ((set & dag_bit(i)) != 0) {
            n->order[n->order_count++] = (uint8_t) i;
        }
    }
    for (unsigned i = n->order_count; i > 1; i--) {
        unsigned j = (unsigned) (mix64_next(&state) % i);
        uint8_t other = n->order[j];
        n->order[j] = n->order[i - 1];
        n->order[i - 1] = other;
    }
}

static enum prompt_template template_of(const struct graph_node *g)
{
    if (g->role == ROLE_ASSISTANT) {
        return PROMPT_IMPROVE;
    }
    return g->fuse == FUSER_SELECT ? PROMPT_SELECT : PROMPT_FUSE;
}

/* A mark that no candidate contains: random, so that a candidate cannot be written to contain it. */
static enum err render(struct run_node *n, const struct prompt_candidate candidates[])
{
    const struct run *r = n->run;
    const struct env *env = loop_env(r->spec.host->loop);
    const struct graph_node *g = run_graph_node(r, n->index);
    enum err rc = ERR_AGAIN;
    for (unsigned i = 0; rc == ERR_AGAIN && i < MARK_TRIES; i++) {
        unsigned char random[MARK_BYTES];
        char mark[MARK_TEXT_BYTES];
        env->random(env->arg, random, sizeof(random));
        crypt_base32(random, sizeof(random), mark);
        rc = prompt_render(r->spec.task->prompts, template_of(g), candidates, n->order_count, mark,
                           &n->room, &n->ask.instruction, &n->ask.frame);
    }
    return rc;
}

static enum err ask_with_candidates(struct run_node *n, uint32_t set)
{
    struct prompt_candidate candidates[GRAPH_NODES_MAX];
    shuffle(n, set);
    for (unsigned i = 0; i < n->order_count; i++) {
        const struct run_node *p = &n->run->nodes[n->order[i]];
        candidates[i] = (struct prompt_candidate) {p->text, p->is_cut};
    }
    return render(n, candidates);
}

enum err run_ask(struct run_node *n, bool streams)
{
    const struct run *r = n->run;
    const struct graph *graph = r->spec.graph;
    const struct graph_node *g = run_graph_node(r, n->index);
    uint32_t set = dag_candidates(&r->dag, n->index);
    n->ask = (struct node_ask) {
        .is_output = streams,
        .is_deliverable = !streams && (graph_deliverable(graph) & dag_bit(n->index)) != 0,
        .temperature = g->temperature,
        .top_p = g->top_p,
        .max_tokens = g->max_tokens ? g->max_tokens : r->spec.task->node_tokens,
        .seed = seed_of(n),
        .pass = r->spec.task->pass,
    };
    if (!streams && isnan(g->temperature)) {
        n->ask.temperature = g->is_replicated ? TEMPERATURE_OF_REPLICAS : TEMPERATURE;
    }
    return set ? ask_with_candidates(n, set) : ERR_NONE;
}
