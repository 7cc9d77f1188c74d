#include "router/task.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/catalog.h"

#define FREE                                                                                       \
    {                                                                                              \
        (double) NAN, (double) NAN, (double) NAN                                                   \
    }

/* near ─► far: the fallback of `near` is on another upstream. A unit is what `unit` costs. */
static struct upstream_def ups[] = {{.name = "local"}, {.name = "cloud"}};
static struct model_def models[] = {
    {.name = "embed", .upstream = &ups[0], .params = 9e9, .capabilities = CAPABILITY_EMBEDDINGS},
    {.name = "unit", .upstream = &ups[0], .params = 1e9, .layers = 16, .hidden = 2048},
    {.name = "near",
     .upstream = &ups[0],
     .params = 3e9,
     .layers = 28,
     .hidden = 3072,
     .fallback = &models[3]},
    {.name = "far",
     .upstream = &ups[1],
     .params = 8e9,
     .usd_per_mtok_input = 1,
     .usd_per_mtok_output = 3},
};
static const struct catalog catalog = {.models = models, .model_count = ARRAY_LEN(models)};

static const struct upstream_def *const local[] = {&ups[0], NULL};
static const struct upstream_def *const cloud[] = {&ups[1], NULL};
static const struct upstream_def *const both[] = {&ups[1], &ups[0], NULL};

static struct graph *panel(const struct model_def *a, const struct model_def *b)
{
    struct errbuf err = {""};
    struct graph_draft draft = {.count = 3, .output = 2};
    draft.nodes[0] = graph_assistant(a);
    draft.nodes[1] = graph_assistant(b);
    draft.nodes[2] = graph_fuser(FUSER_VOTE, NULL);
    draft.nodes[2].predecessors = 3;
    struct graph *g = graph_new(&draft, &err);
    if (!g) {
        fail_msg("%s", err.text);
    }
    return g;
}

static void strangers_are_found_behind_fallbacks(void **state)
{
    struct graph *g = panel(&models[1], &models[1]);
    (void) state;
    assert_null(task_stranger(local, g));
    assert_ptr_equal(task_stranger(cloud, g), &ups[0]);
    graph_free(g);
    g = panel(&models[1], &models[2]);
    assert_ptr_equal(task_stranger(local, g), &ups[1]);
    assert_null(task_stranger(both, g));
    graph_free(g);
}

static void budgets_are_passed_in_units_and_dollars(void **state)
{
    struct graph *two = panel(&models[1], &models[1]);
    struct graph *far = graph_new_single(&models[3]);
    struct task_budget budget = FREE;
    double cost;
    double limit;
    (void) state;
    assert_null(task_excess(&budget, two, &cost, &limit));
    budget.units = 2.0;
    assert_null(task_excess(&budget, two, &cost, &limit));
    budget.units = 1.9;
    assert_string_equal(task_excess(&budget, two, &cost, &limit), "flops");
    assert_true(fabs(cost - 2.0) < 1e-9 && fabs(limit - 1.9) < 1e-9);
    /* What `far` takes in flops is not known, so that only its price counts: 500 tokens each way. */
    assert_null(task_excess(&budget, far, &cost, &limit));
    budget.usd = 0.0019;
    assert_string_equal(task_excess(&budget, far, &cost, &limit), "usd");
    assert_true(fabs(cost - 0.002) < 1e-12);
    budget.usd = 0.0021;
    assert_null(task_excess(&budget, far, &cost, &limit));
    graph_free(two);
    graph_free(far);
}

static const char *best(struct task_budget budget, const struct upstream_def *const *data)
{
    const struct model_def *m = task_best_model(&catalog, &budget, data);
    return m ? m->name : "none";
}

static void the_best_model_is_within_budget_and_data(void **state)
{
    struct task_budget budget = FREE;
    (void) state;
    assert_string_equal(best(budget, NULL), "far");
    assert_string_equal(best(budget, both), "far");
    assert_string_equal(best(budget, cloud), "far");
    assert_string_equal(best(budget, local), "unit"); /* the fallback of `near` is not local */
    budget.usd = 0.001;
    assert_string_equal(best(budget, NULL), "near");
    budget.units = 1.0;
    assert_string_equal(best(budget, NULL), "unit");
    budget.units = 0.5;
    assert_string_equal(best(budget, NULL), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_found_behind_fallbacks),
        cmocka_unit_test(budgets_are_passed_in_units_and_dollars),
        cmocka_unit_test(the_best_model_is_within_budget_and_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
