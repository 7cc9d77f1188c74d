#include "gateway/config_cross.h"

#include "gateway/config_value.h"
#include "router/graph_file.h"
#include "router/nodecall.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the functions here share. */
struct crossing {
    struct config *config;
    struct catalog *catalog;
    const struct draft *draft;
    struct config_faults *faults;
    bool reads_graphs; /* models are whole, so that graphs can name them */
};

/* A fault of tasks[i].leaf. */
#define TASK_FAULT(x, i, leaf, ...)                                                                \
    config_cross_fault((x)->faults, task_at((x), (i))->node, "tasks", (i), (leaf), __VA_ARGS__)

static const struct draft_task *task_at(const struct crossing *x, size_t i)
{
    return (const struct draft_task *) x->draft->tasks.items + i;
}

/* Every model has a name of its own and an upstream. */
static bool models_are_whole(const struct catalog *c)
{
    for (size_t i = 0; i < c->model_count; i++) {
        const struct model_def *m = &c->models[i];
        if (!m->name || !m->upstream) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(c->models[j].name, m->name) == 0) {
                return false;
            }
        }
    }
    return c->model_count > 0;
}

/* ---- graphs ---- */

/* NULL with words. The catalog owns it. */
static const struct graph *read_graph(const struct crossing *x, const char *name, const char *file,
                                      struct errbuf *why)
{
    struct catalog *c = x->catalog;
    struct graph *g = graph_file_load(file, c, why);
    if (!g) {
        return NULL;
    }
    c->graphs[c->graph_count++] = (struct catalog_graph) {
        .name = name,
        .route_name = name ? arena_printf(&c->arena, "graph/%s", name) : NULL,
        .file = file,
        .graph = g};
    for (unsigned i = 0; i < g->count; i++) {
        const struct model_def *m = g->nodes[i].model;
        if (m && !model_can_chat(m)) {
            err_set(why, ERR_INPUT,
                    "%s: the node %s: the model %s makes embeddings and does not chat", file,
                    g->nodes[i].name, m->name);
            return NULL;
        }
    }
    return g;
}

static void cross_graphs(const struct crossing *x)
{
    const struct draft_pair *list = x->draft->graphs.items;
    struct catalog *c = x->catalog;
    struct errbuf why;
    size_t room = x->draft->graphs.count + x->draft->tasks.count;
    c->graphs = arena_array(&c->arena, room, sizeof(*c->graphs));
    for (size_t i = 0; i < x->draft->graphs.count && c->graphs && x->reads_graphs; i++) {
        if (list[i].name && list[i].value && !read_graph(x, list[i].name, list[i].value, &why)) {
            char place[CONFIG_NAME_MAX + 16];
            snprintf(place, sizeof(place), "graphs.%s", list[i].name);
            config_fault(x->faults, list[i].node, place, "%s", why.text);
        }
    }
}

static bool is_listed(const struct draft *draft, const char *name)
{
    const struct draft_pair *list = draft->graphs.items;
    for (size_t i = 0; i < draft->graphs.count; i++) {
        if (list[i].name && strcmp(list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The graph that a task writes; NULL after a fault, or where that of its name has one. */
static const struct graph *written_graph(const struct crossing *x, size_t i)
{
    static const char prefix[] = "graph/";
    const struct draft_task *t = task_at(x, i);
    const struct config_node *node = config_node_member(t->node, "graph");
    struct errbuf why;
    if (slice_starts(node->text, prefix)) {
        const char *name = t->graph + sizeof(prefix) - 1;
        const struct catalog_graph *named = catalog_graph(x->catalog, slice_of(name));
        if (!named && !is_listed(x->draft, name)) {
            TASK_FAULT(x, i, "graph",
                       "`graphs` has none named \"%s\"; a file in a directory is "
                       "written ./%s",
                       name, t->graph);
        }
        return named ? named->graph : NULL;
    }
    const struct graph *g = read_graph(x, NULL, t->graph, &why);
    if (!g && is_listed(x->draft, t->graph)) {
        TASK_FAULT(x, i, "graph", "%s; the one of `graphs` is written graph/%s", why.text,
                   t->graph);
    } else if (!g) {
        TASK_FAULT(x, i, "graph", "%s", why.text);
    }
    return g;
}

/* ---- a task's champion, budget and data ---- */

/* Model and upstream of the first call of the graph that leaves the task's data. */
static void fault_of_stranger(const struct crossing *x, size_t i, const struct upstream_def *up)
{
    TASK_FAULT(x, i, "graph",
               "its models or their fallbacks may reach the upstream %s, which is not in `data`",
               up->name);
}

/* A limit that cannot be looked at would be none. */
static void check_flops(const struct crossing *x, size_t i, const struct task *task,
                        const struct model_def *m)
{
    if (!isnan(task->budget.units) && isnan(cost_flops(m, 1.0, 1.0))) {
        TASK_FAULT(x, i, "budget",
                   "flops cannot be counted: the model %s has not all of params, layers and hidden",
                   m->name);
    }
}

static void check_cost(const struct crossing *x, size_t i, const struct task *task,
                       const struct graph *g)
{
    double cost;
    double limit;
    const char *currency = task_excess(&task->budget, g, &cost, &limit);
    if (currency) {
        struct cost_tokens tokens = task_tokens();
        TASK_FAULT(
            x, i, "graph",
            "costs %.3g %s, more than budget.%s allows, %.3g (with %.0f tokens of prompt and "
            "%.0f of each answer)",
            cost, strcmp(currency, "usd") == 0 ? "dollars" : "units of flops", currency, limit,
            tokens.prompt, tokens.answer);
    }
    for (unsigned k = 0; k < g->count; k++) {
        if (g->nodes[k].model && isnan(cost_flops(g->nodes[k].model, 1.0, 1.0))) {
            check_flops(x, i, task, g->nodes[k].model);
            break;
        }
    }
}

static void check_champion(const struct crossing *x, size_t i, const struct task *task)
{
    const struct graph *g = task->arm_count > 0 ? task->arms[0].graph : NULL;
    if (!g) {
        const struct model_def *best = task_best_model(x->catalog, &task->budget, task->data);
        if (best) {
            check_flops(x, i, task, best);
        } else {
            TASK_FAULT(
                x, i, "name",
                "no model that chats is within the task's budget and, its fallbacks included, "
                "its data: widen them, or name a graph");
        }
        return;
    }
    const struct upstream_def *stranger = task->data ? task_stranger(task->data, g) : NULL;
    if (stranger) {
        fault_of_stranger(x, i, stranger);
    }
    check_cost(x, i, task, g);
}

static const struct upstream_def *find_upstream(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->upstream_count; i++) {
        if (c->upstreams[i].name && strcmp(c->upstreams[i].name, name) == 0) {
            return &c->upstreams[i];
        }
    }
    return NULL;
}

/* False after a fault. */
static bool cross_data(const struct crossing *x, size_t i, struct task *task)
{
    const struct draft_task *t = task_at(x, i);
    const struct config_node *list = config_node_member(t->node, "data");
    size_t before = x->faults->count;
    size_t n = 0;
    size_t j = 0;
    if (!t->data) {
        return !list; /* else what stands there was refused */
    }
    const struct upstream_def **data = arena_array(&x->catalog->arena, list->count + 1,
                                                   sizeof(*data));
    for (const struct config_node *item = list->first; item && data; item = item->next, j++) {
        const struct upstream_def *up = t->data[j] ? find_upstream(x->catalog, t->data[j]) : NULL;
        if (t->data[j] && !up) {
            char place[64];
            snprintf(place, sizeof(place), "tasks[%zu].data[%zu]", i, j);
            config_fault(x->faults, item, place, "there is no upstream named \"%s\"", t->data[j]);
        }
        if (up) {
            data[n++] = up;
        }
    }
    task->data = data;
    task->data_is_written = true;
    return n == list->count && x->faults->count == before;
}

static double limit(double written)
{
    return written > 0 ? written : (double) NAN;
}

static void cross_limits(const struct crossing *x, size_t i, struct task *task)
{
    bool data_is_known = cross_data(x, i, task);
    bool has_graph = config_node_member(task_at(x, i)->node, "graph") != NULL;
    task->budget = (struct task_budget) {limit(task->budget.units), limit(task->budget.usd),
                                         limit(task->budget.seconds)};
    if (!x->reads_graphs || !x->catalog->graphs) {
        return;
    }
    if (task_at(x, i)->graph) {
        const struct graph *g = written_graph(x, i);
        task->arms[0] = (struct arm) {g, 1.0};
        task->arm_count = g ? 1 : 0;
    }
    if (data_is_known && has_graph == (task->arm_count > 0)) {
        check_champion(x, i, task);
    }
}

/* ---- names ---- */

static void check_twins(const struct crossing *x, size_t i, const struct task *task)
{
    const struct task *list = x->catalog->tasks;
    bool has_default = strcmp(task->name, "default") == 0;
    for (size_t j = 0; j < i; j++) {
        if (list[j].name && strcmp(list[j].name, task->name) == 0) {
            TASK_FAULT(x, i, "name", "\"%s\" is the name of tasks[%zu] already", task->name, j);
            return;
        }
        if (list[j].match.header && strcmp(list[j].match.header, task->match.header) == 0) {
            TASK_FAULT(x, i, "match.header", "\"%s\" is the header of tasks[%zu] already",
                       task->match.header, j);
        }
    }
    for (size_t j = 0; j < x->draft->tasks.count && !has_default; j++) {
        const char *name = task_at(x, j)->def.name;
        has_default = name && strcmp(name, "default") == 0;
    }
    if (!has_default && strcmp(task->match.header, "default") == 0) {
        TASK_FAULT(x, i, "match.header", "\"default\" is the header of the task default");
    }
}

static const char *const *lower_texts(struct arena *arena, const char *const *texts)
{
    size_t n = 0;
    while (texts && texts[n]) {
        n++;
    }
    const char **lowered = n > 0 ? arena_array(arena, n + 1, sizeof(*lowered)) : NULL;
    for (size_t i = 0; lowered && i < n; i++) {
        char *copy = arena_dup(arena, texts[i]);
        for (char *c = copy; c && *c; c++) {
            *c = *c >= 'A' && *c <= 'Z' ? (char) (*c + ('a' - 'A')) : *c;
        }
        lowered[i] = copy;
    }
    return lowered;
}

/* ---- files of a task ---- */

static void cross_prompts(const struct crossing *x, size_t i, struct task *task)
{
    const char *directory = task_at(x, i)->prompts;
    struct errbuf why;
    task->prompts = prompt_defaults();
    if (!directory) {
        return;
    }
    struct prompt_set *set = arena_alloc(&x->catalog->arena, sizeof(*set));
    if (set && prompt_load(directory, &x->catalog->arena, set, &why) != ERR_NONE) {
        TASK_FAULT(x, i, "prompts", "%s", why.text);
    }
    task->prompts = set;
}

static void cross_examples(const struct crossing *x, size_t i, const struct task *task)
{
    const char *path = task_at(x, i)->examples;
    struct errbuf why;
    if (!path) {
        return;
    }
    if (!x->config->examples) {
        x->config->examples = config_examples_new();
    }
    if (config_examples_add(x->config->examples, task->name, path, &why) != ERR_NONE) {
        TASK_FAULT(x, i, "match.examples", "%s", why.text);
    }
}

static void check_classes(const struct crossing *x)
{
    const struct config_examples *e = x->config->examples;
    if (!e || e->classes != 1 || e->count == 0) {
        return;
    }
    for (size_t i = 0; i < x->draft->tasks.count; i++) {
        if (task_at(x, i)->examples) {
            TASK_FAULT(x, i, "match.examples",
                       "examples of one task alone tell nothing apart: give another task some too, "
                       "`default` for instance");
        }
    }
}

/* ---- all ---- */

/* Nothing is accepted and ignored. */
static void check_pass(const struct crossing *x, size_t i, const struct task *task)
{
    for (size_t j = 0; task->pass && task->pass[j]; j++) {
        if (!nodecall_may_pass(task->pass[j])) {
            TASK_FAULT(x, i, "pass", "\"%s\" has a rule of its own and cannot be passed",
                       task->pass[j]);
        }
    }
}

static void cross_task(const struct crossing *x, size_t i, struct task *task)
{
    *task = task_at(x, i)->def;
    if (!task->name) {
        return; /* refused */
    }
    task->route_name = arena_printf(&x->catalog->arena, "auto/%s", task->name);
    if (!task->match.header) {
        task->match.header = task->name;
    }
    task->match.any = lower_texts(&x->catalog->arena, task->match.any);
    task->tools_graph = task_at(x, i)->tools == DRAFT_TOOLS_GRAPH;
    check_twins(x, i, task);
    check_pass(x, i, task);
    cross_limits(x, i, task);
    cross_prompts(x, i, task);
    cross_examples(x, i, task);
}

void config_cross_tasks(struct config *config, const struct draft *draft,
                        struct config_faults *faults)
{
    struct catalog *c = config->catalog;
    struct crossing x = {config, c, draft, faults, false};
    x.reads_graphs = !arena_is_sour(&c->arena) && models_are_whole(c);
    if (x.reads_graphs) {
        catalog_index(c); /* what is not whole is not indexed, and does not load */
    }
    cross_graphs(&x);
    c->tasks = arena_array(&c->arena, draft->tasks.count, sizeof(*c->tasks));
    for (size_t i = 0; i < draft->tasks.count && c->tasks; i++) {
        cross_task(&x, i, &c->tasks[c->task_count++]);
    }
    check_classes(&x);
}
