#include "router/task.h"

#include "router/catalog.h"

enum { PROMPT_TOKENS = 500, ANSWER_TOKENS = 500 };

struct cost_tokens task_tokens(void)
{
    return (struct cost_tokens) {.prompt = PROMPT_TOKENS, .answer = ANSWER_TOKENS};
}

static bool is_in(const struct upstream_def *const *list, const struct upstream_def *up)
{
    while (*list && *list != up) {
        list++;
    }
    return *list != NULL;
}

/* A vote has no model and reaches nobody. */
static const struct upstream_def *stranger_of_model(const struct upstream_def *const *data,
                                                    const struct model_def *m)
{
    while (m && is_in(data, m->upstream)) {
        m = m->fallback;
    }
    return m ? m->upstream : NULL;
}

bool task_allows(const struct upstream_def *const *data, const struct model_def *m)
{
    return !data || !stranger_of_model(data, m);
}

const struct upstream_def *task_stranger(const struct upstream_def *const *data,
                                         const struct graph *g)
{
    const struct upstream_def *stranger = NULL;
    for (unsigned i = 0; i < g->count && !stranger; i++) {
        stranger = stranger_of_model(data, g->nodes[i].model);
    }
    return stranger;
}

/* Comparisons with NAN, an unknown cost or no limit, are false. */
const char *task_excess(const struct task_budget *budget, const struct graph *g, double *cost,
                        double *limit)
{
    struct cost_tokens tokens = task_tokens();
    *cost = cost_graph_units(g, &tokens);
    *limit = budget->units;
    if (*cost > *limit) {
        return "flops";
    }
    *cost = cost_graph_usd(g, &tokens);
    *limit = budget->usd;
    return *cost > *limit ? "usd" : NULL;
}

static bool is_affordable(const struct task_budget *budget, const struct model_def *m)
{
    double cost;
    double limit;
    struct graph *alone = graph_new_single(m);
    bool ok = task_excess(budget, alone, &cost, &limit) == NULL;
    graph_free(alone);
    return ok;
}

const struct model_def *task_best_model(const struct catalog *catalog,
                                        const struct task_budget *budget,
                                        const struct upstream_def *const *data)
{
    const struct model_def *best = NULL;
    for (size_t i = 0; i < catalog->model_count; i++) {
        const struct model_def *m = &catalog->models[i];
        if (model_can_chat(m) && (!best || model_is_better(m, best)) && task_allows(data, m) &&
            is_affordable(budget, m)) {
            best = m;
        }
    }
    return best;
}
