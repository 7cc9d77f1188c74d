/* The tables are those of the cost theorem's reference numbers, for its constants. */
#include "router/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct cost_tokens math = {.prompt = 202, .answer = 275};
static const struct cost_tokens mmlu = {.prompt = 213, .answer = 215};
static const struct cost_tokens humaneval = {.prompt = 180, .answer = 115};

static const struct model_def b1 = {.name = "1B", .params = 1e9, .layers = 16, .hidden = 2048};
static const struct model_def b3 = {.name = "3B", .params = 3e9, .layers = 28, .hidden = 3072};
static const struct model_def b8 = {.name = "8B", .params = 8e9, .layers = 32, .hidden = 4096};
static const struct model_def b70 = {.name = "70B", .params = 70e9, .layers = 80, .hidden = 8192};

static void near(double got, double want, double within)
{
    if (!(fabs(got - want) <= within)) {
        fail_msg("%.17g is not within %g of %.17g", got, within, want);
    }
}

/* `inputs` assistants of the 1B model feed an output of `model`. */
static struct graph *star(const struct model_def *model, unsigned inputs)
{
    struct graph_draft d = {.count = inputs + 1, .output = inputs};
    struct errbuf err = {""};
    struct graph *g;
    unsigned i;

    for (i = 0; i < inputs; i++) {
        d.nodes[i] = graph_assistant(&b1);
    }
    d.nodes[inputs] = graph_assistant(model);
    d.nodes[inputs].predecessors = (1u << inputs) - 1;
    g = graph_new(&d, &err);
    assert_non_null(g);
    return g;
}

static void test_by_hand(void **state)
{
    static const struct model_def small = {.name = "s", .params = 100, .layers = 2, .hidden = 10};

    (void) state;
    /* Two predecessors, 4 tokens of prompt and 3 of each answer: 2000 + 4400 + 600 + 2880. */
    near(cost_flops(&small, 4 + 2 * 3, 3), 9880, 1e-9);
    near(cost_flops(&small, 4, 3), 3640, 1e-9);
    near(cost_flops(&small, 0, 0), 0, 1e-9);
}

static void test_unit(void **state)
{
    (void) state;
    near(cost_unit_flops(&math), 9.689e11, 0.0005e11);
    near(cost_unit_flops(&mmlu), 8.680e11, 0.0005e11);
    near(cost_unit_flops(&humaneval), 5.957e11, 0.0005e11);
}

struct row {
    const struct model_def *model;
    double within;
    unsigned count;
    double units[6]; /* by in-degree */
};

static void check_rows(const struct cost_tokens *t, const struct row rows[], size_t count)
{
    size_t i;
    unsigned d;

    for (i = 0; i < count; i++) {
        for (d = 0; d < rows[i].count; d++) {
            struct graph *g = star(rows[i].model, d);
            double leaves = d; /* one unit each */

            near(cost_node_units(g, d, t), rows[i].units[d], rows[i].within);
            near(cost_graph_units(g, t), leaves + rows[i].units[d], rows[i].within);
            graph_free(g);
        }
    }
}

static void test_units_by_degree(void **state)
{
    static const struct row of_math[] = {
        {&b1, 0.0051, 6, {1.00, 1.59, 2.19, 2.80, 3.42, 4.05}},
        {&b3, 0.0051, 6, {2.99, 4.76, 6.55, 8.36, 10.21, 12.08}},
        {&b8, 0.0051, 6, {7.94, 12.57, 17.24, 21.96, 26.71, 31.51}},
        {&b70, 0.051, 3, {69.2, 109.4, 149.8}},
    };
    static const struct row of_mmlu[] = {
        {&b1, 0.0051, 6, {1.00, 1.51, 2.03, 2.56, 3.09, 3.63}},
        {&b3, 0.0051, 6, {2.99, 4.53, 6.08, 7.65, 9.23, 10.84}},
        {&b8, 0.0051, 6, {7.94, 11.98, 16.04, 20.13, 24.24, 28.39}},
        {&b70, 0.051, 3, {69.3, 104.3, 139.5}},
    };
    static const struct row of_humaneval[] = {
        {&b1, 0.0051, 6, {1.00, 1.40, 1.79, 2.19, 2.60, 3.00}},
        {&b3, 0.0051, 6, {3.00, 4.18, 5.37, 6.56, 7.77, 8.98}},
        {&b8, 0.0051, 6, {7.96, 11.09, 14.22, 17.37, 20.53, 23.70}},
        {&b70, 0.051, 3, {69.5, 96.7, 124.0}},
    };

    (void) state;
    check_rows(&math, of_math, ARRAY_LEN(of_math));
    check_rows(&mmlu, of_mmlu, ARRAY_LEN(of_mmlu));
    check_rows(&humaneval, of_humaneval, ARRAY_LEN(of_humaneval));
}

/* Published for MATH in units of 9.710e11 FLOPs, 0.2 % more than the formula gives. */
static void test_budgets(void **state)
{
    double unit_of_math = 9.710e11 / cost_unit_flops(&math);

    (void) state;
    near(cost_complete_dag_units(4, &math) / unit_of_math, 17.8, 0.05);
    near(cost_complete_dag_units(8, &math) / unit_of_math, 42.9, 0.05);
    near(cost_complete_dag_units(12, &math) / unit_of_math, 79.0, 0.05);
    near(cost_complete_dag_units(4, &mmlu), 16.3, 0.05);
    near(cost_complete_dag_units(8, &mmlu), 38.5, 0.05);
    near(cost_complete_dag_units(12, &mmlu), 70.0, 0.05);
    near(cost_complete_dag_units(4, &humaneval), 14.2, 0.05);
    near(cost_complete_dag_units(8, &humaneval), 31.9, 0.05);
    near(cost_complete_dag_units(12, &humaneval), 56.4, 0.05);
}

/* The budget is what the graph it speaks of costs. */
static void test_budget_is_of_its_graph(void **state)
{
    struct graph_draft d = {.count = 9, .output = 8};
    struct errbuf err = {""};
    struct graph *g;
    unsigned i;

    (void) state;
    for (i = 0; i < 9; i++) {
        d.nodes[i] = graph_assistant(i == 8 ? &b3 : &b1);
        d.nodes[i].predecessors = (1u << i) - 1;
    }
    g = graph_new(&d, &err);
    assert_non_null(g);
    near(cost_graph_units(g, &math), cost_complete_dag_units(8, &math), 1e-9);
    graph_free(g);
}

/* Each model lacks one of what the formula needs. */
static void test_unknown(void **state)
{
    static const struct model_def lacking[] = {
        {.name = "m", .layers = 16, .hidden = 2048},
        {.name = "m", .params = 1e9, .hidden = 2048},
        {.name = "m", .params = 1e9, .layers = 16},
    };
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(lacking); i++) {
        struct graph *g = star(&lacking[i], 2);

        assert_true(isnan(cost_flops(&lacking[i], 1, 1)));
        assert_true(isnan(cost_graph_units(g, &math)));
        near(cost_node_units(g, 0, &math), 1, 1e-12);
        near(cost_graph_usd(g, &math), 0, 0);
        graph_free(g);
    }
}

/* Two priced assistants, a vote, and what reads the vote. */
static struct graph *voting(const struct model_def *m)
{
    struct graph_draft d = {.count = 4, .output = 3};
    struct errbuf err = {""};
    struct graph *g;

    d.nodes[0] = graph_assistant(m);
    d.nodes[1] = graph_assistant(m);
    d.nodes[2] = graph_fuser(FUSER_VOTE, NULL);
    d.nodes[2].predecessors = 0x3;
    d.nodes[3] = graph_fuser(FUSER_LLM, m);
    d.nodes[3].predecessors = 0x7;
    g = graph_new(&d, &err);
    assert_non_null(g);
    return g;
}

static void test_usd(void **state)
{
    static const struct model_def m = {.name = "m",
                                       .usd_per_mtok_input = 2.0,
                                       .usd_per_mtok_cached = 0.5,
                                       .usd_per_mtok_output = 8.0};
    struct cost_tokens t = {.prompt = 1000, .cached = 600, .answer = 100};
    struct graph *g = voting(&m);

    (void) state;
    near(cost_node_usd(g, 0, &t), (400 * 2.0 + 600 * 0.5 + 100 * 8.0) / 1e6, 1e-15);
    near(cost_node_usd(g, 2, &t), 0, 0);
    near(cost_node_usd(g, 3, &t), (700 * 2.0 + 600 * 0.5 + 100 * 8.0) / 1e6, 1e-15);
    near(cost_graph_usd(g, &t), (3 * 1900 + 600) / 1e6, 1e-15);
    t.cached = 5000; /* more than there is */
    near(cost_node_usd(g, 0, &t), (1000 * 0.5 + 100 * 8.0) / 1e6, 1e-15);
    t.cached = 0;
    near(cost_node_usd(g, 0, &t), (1000 * 2.0 + 100 * 8.0) / 1e6, 1e-15);
    near(cost_node_units(g, 2, &math), 0, 0);
    graph_free(g);
}

static void test_critical_path(void **state)
{
    static const struct cost_latency latency[] = {
        {1.0, 0.01}, {0.5, 0.02}, {100, 100}, {0.25, 0.1}};
    struct graph *g = voting(&b1);

    (void) state;
    /* The second of the two is faster at the start and slower for more than 50 tokens. */
    near(cost_critical_path_s(g, latency, 10), 1.1 + 1.25, 1e-12);
    near(cost_critical_path_s(g, latency, 100), 2.5 + 10.25, 1e-12);
    graph_free(g);
    g = graph_new_single(&b1);
    near(cost_critical_path_s(g, latency, 100), 2.0, 1e-12);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_unit),
        cmocka_unit_test(test_units_by_degree),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_budget_is_of_its_graph),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_usd),
        cmocka_unit_test(test_critical_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
