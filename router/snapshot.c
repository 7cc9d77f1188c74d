#include "router/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "router/ledger_stats.h"

#define NO_ROOM "the configuration needs more memory than there is for it"

static void register_upstreams(struct catalog *catalog, struct ledger *ledger)
{
    size_t i;

    for (i = 0; i < catalog->upstream_count; i++) {
        struct upstream_def *up = &catalog->upstreams[i];

        up->ledger = ledger_upstream(ledger, up->name, up->max_in_flight, up->queue);
    }
}

static void register_models(struct snapshot *s, struct ledger *ledger)
{
    size_t count = s->catalog->model_count;
    size_t i, k;

    s->tokens = x_array(s->task_count * count, sizeof(struct ledger_tokens *));
    for (k = 0; k < count; k++) {
        s->catalog->models[k].ledger = ledger_model(ledger, s->catalog->models[k].name);
        for (i = 0; i < s->task_count; i++) {
            s->tokens[i * count + k] = ledger_tokens(ledger, s->tasks[i].name,
                                                     s->catalog->models[k].name);
        }
    }
}

/* ---- tasks ---- */

/* The upstreams that a graph's calls may reach, in the order of its nodes. */
static const struct upstream_def *const *reach(struct arena *arena, size_t upstream_count,
                                               const struct graph *g)
{
    const struct upstream_def **list = arena_array(arena, upstream_count + 1, sizeof(*list));
    const struct upstream_def *next;
    size_t n = 0;

    while (list != NULL && (next = task_stranger(list, g)) != NULL) {
        list[n++] = next;
    }
    return list;
}

static void complete_task(struct snapshot *s, struct task *task, uint64_t deadline_us)
{
    struct catalog *c = s->catalog;

    if (task->deadline_us == 0) {
        task->deadline_us = deadline_us;
    }
    if (task->arm_count == 0) {
        const struct model_def *best = task_best_model(c, &task->budget, task->data);

        if (best != NULL) {
            task->arms[0] = (struct arm) {s->graphs[best->index], 1.0};
            task->arm_count = 1;
        }
    }
    if (task->data == NULL && task->arm_count > 0) {
        task->data = reach(&c->arena, c->upstream_count, task->arms[0].graph);
    }
}

static bool has_rule(const struct task *task)
{
    return task->match.rules != 0 || (task->match.any != NULL && task->match.any[0] != NULL);
}

static bool is_default(const struct task *task)
{
    return strcmp(task->name, "default") == 0;
}

static struct task plain_default(void)
{
    return (struct task) {.name = "default",
                          .route_name = "auto/default",
                          .match = {.header = "default"},
                          .budget = {(double) NAN, (double) NAN, (double) NAN},
                          .node_tokens = TASK_NODE_TOKENS,
                          .answer = ANSWER_AUTO,
                          .prompts = prompt_defaults()};
}

/* `default` goes in front; what is looked at in order stays in that of the file. */
static void make_tasks(struct snapshot *s, uint64_t deadline_us)
{
    const struct catalog *c = s->catalog;
    size_t i;

    s->tasks = x_array(c->task_count + 1, sizeof(*s->tasks));
    s->by_rule = x_array(c->task_count + 1, sizeof(*s->by_rule));
    s->tasks[0] = plain_default();
    s->task_count = 1;
    for (i = 0; i < c->task_count; i++) {
        struct task *task = is_default(&c->tasks[i]) ? &s->tasks[0] : &s->tasks[s->task_count++];

        *task = c->tasks[i];
        if (has_rule(task)) {
            s->by_rule[s->by_rule_count++] = task;
            s->has_texts = s->has_texts || task->match.any != NULL;
        }
    }
    for (i = 0; i < s->task_count; i++) {
        complete_task(s, &s->tasks[i], deadline_us);
    }
}

/* ---- life ---- */

struct snapshot *snapshot_new(struct catalog *catalog, struct ledger *ledger, uint64_t deadline_us,
                              uint64_t number, struct errbuf *err)
{
    struct snapshot *s;
    size_t i;

    if (arena_is_sour(&catalog->arena)) {
        err_set(err, ERR_NOMEM, NO_ROOM);
        catalog_free(catalog);
        return NULL;
    }
    s = x_alloc(sizeof(*s));
    s->refs = 1;
    s->number = number;
    s->catalog = catalog;
    s->graphs = x_array(catalog->model_count, sizeof(*s->graphs));
    s->graph_count = catalog->model_count;
    for (i = 0; i < catalog->model_count; i++) {
        s->graphs[i] = graph_new_single(&catalog->models[i]);
    }
    make_tasks(s, deadline_us);
    if (arena_is_sour(&catalog->arena)) {
        err_set(err, ERR_NOMEM, NO_ROOM);
        snapshot_unref(s);
        return NULL;
    }
    register_upstreams(catalog, ledger);
    register_models(s, ledger);
    return s;
}

void snapshot_classify_by(struct snapshot *s, struct classify_model *model,
                          const char *const names[])
{
    unsigned k;

    s->classifier = classify_model_ref(model);
    for (k = 0; k < model->classes; k++) {
        const struct task *task = snapshot_task(s, slice_of(names[k]));

        s->task_of_class[k] = task != NULL ? (unsigned) (task - s->tasks) : 0;
    }
}

/* A new reference is made from one that is held, so nothing needs to be ordered by it. */
struct snapshot *snapshot_ref(struct snapshot *s)
{
    __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    size_t i;

    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (i = 0; i < s->graph_count; i++) {
        graph_free(s->graphs[i]);
    }
    free(s->graphs);
    free(s->tasks);
    free(s->by_rule);
    free(s->tokens);
    classify_model_unref(s->classifier);
    catalog_free(s->catalog);
    free(s);
}

const struct task *snapshot_task(const struct snapshot *s, struct slice name)
{
    size_t i;

    for (i = 0; i < s->task_count; i++) {
        if (slice_eq_text(name, s->tasks[i].name)) {
            return &s->tasks[i];
        }
    }
    return NULL;
}

const struct task *snapshot_task_of_header(const struct snapshot *s, struct slice value)
{
    size_t i;

    for (i = 0; i < s->task_count; i++) {
        if (slice_eq_text(value, s->tasks[i].match.header)) {
            return &s->tasks[i];
        }
    }
    return NULL;
}

const struct graph *snapshot_model_graph(const struct snapshot *s, const struct model_def *m)
{
    return s->graphs[m->index];
}

struct ledger_tokens *snapshot_tokens(const struct snapshot *s, const struct task *task,
                                      const struct model_def *m)
{
    return s->tokens[(size_t) (task - s->tasks) * s->catalog->model_count + m->index];
}
