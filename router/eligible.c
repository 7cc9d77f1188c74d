/* Needs are capabilities; what a model has is compared with what is asked of it. */
#include "router/eligible.h"

#include "router/catalog.h"

/* ---- needs ---- */

/* A set of capabilities in which `no_system`, which names a lack, stands for its opposite: the model takes
 * system messages. */
enum { TAKES_SYSTEM = CAPABILITY_NO_SYSTEM };

static unsigned abilities_of(const struct model_def *m)
{
    return m->capabilities ^ TAKES_SYSTEM;
}

/* Of every model that is sent the messages. */
static unsigned needs_of_messages(const struct request_facts *facts)
{
    return (facts->has_images ? CAPABILITY_VISION : 0u) |
           (facts->has_audio ? CAPABILITY_AUDIO : 0u) |
           (facts->first_system.type != SPAN_ABSENT ? TAKES_SYSTEM : 0u);
}

/* Of a model that is sent everything. */
static unsigned needs_of_request(const struct request_facts *facts)
{
    return needs_of_messages(facts) | (facts->has_json_schema ? CAPABILITY_JSON_SCHEMA : 0u) |
           (facts->wants_audio ? CAPABILITY_AUDIO : 0u) |
           (facts->has_logprobs ? CAPABILITY_LOGPROBS : 0u) |
           (facts->has_tools ? CAPABILITY_TOOLS : 0u);
}

static bool has_abilities(const struct model_def *m, unsigned needs)
{
    return (needs & ~abilities_of(m)) == 0;
}

/* ---- a graph ---- */

static bool chooses(const struct graph_node *n)
{
    return n->fuse == FUSER_VOTE || n->fuse == FUSER_SELECT;
}

static bool lacks_capability(const struct request_facts *facts, const struct graph *g)
{
    uint32_t deliverable = graph_deliverable(g);
    unsigned i;

    for (i = 0; i < g->count; i++) {
        const struct graph_node *n = &g->nodes[i];
        unsigned needs = needs_of_messages(facts);

        if (n->model == NULL) {
            continue;
        }
        if (i == g->output && !chooses(n)) {
            needs = needs_of_request(facts);
        } else if ((deliverable >> i & 1) != 0 && facts->has_json_schema) {
            needs |= CAPABILITY_JSON_SCHEMA;
        }
        if (!has_abilities(n->model, needs)) {
            return true;
        }
    }
    return false;
}

static uint64_t cap_of(const struct graph_node *n, const struct task *task)
{
    return n->max_tokens > 0 ? n->max_tokens : task->node_tokens;
}

/* The first model whose context is exceeded, or NULL. What chooses hands on one of the answers it got, else a
 * node its own. */
static const struct model_def *exceeded(const struct request *r, const struct task *task,
                                        const struct graph *g)
{
    uint64_t answers[GRAPH_NODES_MAX];
    unsigned i;

    for (i = 0; i < g->count; i++) {
        const struct graph_node *n = &g->nodes[i];
        bool is_whole = i == g->output && !chooses(n);
        uint64_t tokens = r->prompt_tokens + (is_whole ? r->tools_tokens : 0);
        uint64_t longest = 0;
        uint32_t from;

        for (from = n->predecessors; from != 0; from &= from - 1) {
            uint64_t answer = answers[__builtin_ctz(from)];

            tokens += answer;
            longest = answer > longest ? answer : longest;
        }
        tokens += is_whole ? r->answer_tokens : cap_of(n, task);
        answers[i] = chooses(n) ? longest : cap_of(n, task);
        if (n->model != NULL && n->model->context > 0 && tokens > n->model->context) {
            return n->model;
        }
    }
    return NULL;
}

const struct model_def *eligible_never(const struct task *task, const struct graph *graph)
{
    const struct request empty = {.prompt_tokens = 0};

    return graph_is_single(graph) ? NULL : exceeded(&empty, task, graph);
}

static bool can_hold_candidates(const struct span_value *content)
{
    return content->type == SPAN_STRING || content->type == SPAN_ARRAY;
}

const char *eligible_reason(const struct request *r, const struct request_facts *facts,
                            const struct task *task, const struct graph *graph)
{
    bool output_chooses = chooses(&graph->nodes[graph->output]);

    if (graph_is_single(graph)) {
        return NULL;
    }
    if (r->endpoint != ENDPOINT_CHAT) {
        return "completions";
    }
    if (facts->has_tools && (!task->tools_graph || output_chooses)) {
        return "tools";
    }
    if (facts->last_role != REQUEST_ROLE_USER || !can_hold_candidates(&facts->last_user)) {
        return "last_message";
    }
    if (r->choices > 1 && output_chooses) {
        return "choices";
    }
    if (facts->has_logprobs && output_chooses) {
        return "logprobs";
    }
    if (facts->wants_audio && output_chooses) {
        return "audio";
    }
    if (lacks_capability(facts, graph)) {
        return "capability";
    }
    return exceeded(r, task, graph) != NULL ? "context" : NULL;
}

/* ---- one model ---- */

/* A vote has no model: it stands for its predecessor with the most parameters. */
static const struct model_def *output_model(const struct graph *g)
{
    const struct model_def *models[GRAPH_NODES_MAX];
    unsigned i;

    for (i = 0; i < g->count; i++) {
        uint32_t from = g->nodes[i].predecessors;

        models[i] = g->nodes[i].model;
        for (; g->nodes[i].model == NULL && from != 0; from &= from - 1) {
            const struct model_def *m = models[__builtin_ctz(from)];

            if (models[i] == NULL || m->params > models[i]->params) {
                models[i] = m;
            }
        }
    }
    return models[g->output];
}

static bool can_answer(const struct model_def *m, const struct request *r, unsigned needs)
{
    uint64_t tokens = r->prompt_tokens + r->tools_tokens + r->answer_tokens;

    return has_abilities(m, needs) && (m->context == 0 || tokens <= m->context);
}

static bool is_reached(const struct graph *graph, const struct upstream_def *upstream)
{
    unsigned i;

    for (i = 0; i < graph->count; i++) {
        if (graph->nodes[i].model != NULL && graph->nodes[i].model->upstream == upstream) {
            return true;
        }
    }
    return false;
}

/* Where the texts of this request may go: no further than its graph, unless its task says so. */
static bool may_see(const struct model_def *m, const struct route *route)
{
    bool is_bound = route->kind == ROUTE_AUTO || route->task->data_is_written;
    const struct model_def *next = m;

    if (is_bound) {
        return task_allows(route->task->data, m);
    }
    for (; next != NULL && is_reached(route->graph, next->upstream); next = next->fallback) {
    }
    return next == NULL;
}

const struct model_def *eligible_model(const struct request *r, const struct request_facts *facts,
                                       const struct route *route, const struct catalog *catalog)
{
    const struct model_def *output = output_model(route->graph);
    const struct model_def *best = NULL;
    unsigned needs = needs_of_request(facts);
    size_t i;

    if (can_answer(output, r, needs)) {
        return output;
    }
    for (i = 0; i < catalog->model_count; i++) {
        const struct model_def *m = &catalog->models[i];

        if (model_can_chat(m) && can_answer(m, r, needs) && may_see(m, route) &&
            (best == NULL || model_is_better(m, best))) {
            best = m;
        }
    }
    return best != NULL ? best : output;
}
