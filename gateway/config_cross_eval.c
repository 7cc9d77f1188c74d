#include "gateway/config_cross.h"

#include "gateway/config_files.h"

#include <stdlib.h>
#include <string.h>

static const struct draft_pair *pair_at(const struct draft_task *t, size_t i)
{
    return (const struct draft_pair *) t->grader.items + i;
}

/* "type numeric, absolute 0.01" */
static const char *text_of(const struct draft_task *t, struct arena *arena)
{
    const char *all = NULL;
    for (size_t i = 0; i < t->grader.count; i++) {
        const struct draft_pair *p = pair_at(t, i);
        all = arena_printf(arena, "%s%s%s %s", all ? all : "", all ? ", " : "", p->name, p->value);
    }
    return all;
}

static struct grader *grader_of(const struct draft_task *t, struct errbuf *why)
{
    struct grader_pair *pairs = x_array(t->grader.count + 1, sizeof(*pairs));
    struct grader *g = NULL;
    bool is_whole = true;
    for (size_t i = 0; i < t->grader.count; i++) {
        const struct draft_pair *p = pair_at(t, i);
        pairs[i] = (struct grader_pair) {slice_of(p->name), slice_of(p->value)};
        is_whole = is_whole && p->name && p->value;
    }
    why->text[0] = '\0'; /* what was refused has been said */
    if (is_whole) {
        g = grader_new(pairs, t->grader.count, why);
    }
    free(pairs);
    return g;
}

static void cross_task(struct config *config, const struct draft_task *t, size_t i,
                       struct config_faults *faults)
{
    struct config_eval *e = &config->evals[config->eval_count];
    struct errbuf why;
    if (!t->def.name || (!t->eval && t->grader.count == 0)) {
        return;
    }
    if (!t->eval && !config_node_member(t->node, "eval")) {
        config_cross_fault(faults, t->node, "tasks", i, "grader",
                           "grades the items of `eval`, which is missing");
    } else if (t->eval && config_file_readable(t->eval, &why) != ERR_NONE) {
        config_cross_fault(faults, t->node, "tasks", i, "eval", "%s", why.text);
    }
    *e = (struct config_eval) {.task = arena_dup(&config->arena, t->def.name),
                               .file = t->eval ? arena_dup(&config->arena, t->eval) : NULL};
    config->eval_count++;
    if (t->grader.count == 0) {
        return;
    }
    e->grader = grader_of(t, &why);
    if (e->grader) {
        e->grader_text = text_of(t, &config->arena);
    } else if (why.text[0] != '\0') {
        config_cross_fault(faults, t->node, "tasks", i, "grader", "%s", why.text);
    }
}

void config_cross_eval(struct config *config, const struct draft *draft,
                       struct config_faults *faults)
{
    config->evals = arena_array(&config->arena, draft->tasks.count, sizeof(*config->evals));
    for (size_t i = 0; i < draft->tasks.count && config->evals; i++) {
        cross_task(config, (const struct draft_task *) draft->tasks.items + i, i, faults);
    }
}

const struct config_eval *config_eval_of(const struct config *c, const char *task)
{
    for (size_t i = 0; i < c->eval_count; i++) {
        if (strcmp(c->evals[i].task, task) == 0) {
            return &c->evals[i];
        }
    }
    return NULL;
}
