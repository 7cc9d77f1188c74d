#include "router/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/ledger.h"
#include "tests/unit/catalog_fixture.h"

enum { UNITS = 100000 };

struct ledger_upstream *ledger_upstream(struct ledger *l, const char *name, unsigned max_in_flight,
                                        unsigned queue)
{
    (void) l;
    (void) name;
    (void) max_in_flight;
    (void) queue;
    return NULL;
}

static const struct fixture_model models[] = {{.name = "small", .params = 1e9},
                                              {.name = "large", .params = 8e9},
                                              {.name = "medium", .params = 3e9}};
static const struct catalog_alias aliases[] = {
    {"gpt-4o", "auto"}, {"gpt-mini", "small"}, {"gpt-task", "auto/default"}, {"gpt-gone", "gone"}};

static struct snapshot *make(void)
{
    struct errbuf err;
    struct snapshot *s = snapshot_new(fixture_catalog(models, 3, aliases, 4), NULL, 1, 1, &err);

    assert_non_null(s);
    return s;
}

static struct route found(const struct snapshot *s, const char *name)
{
    struct errbuf err = {""};
    struct route route;

    if (route_find(s, slice_of(name), &route, &err) != ERR_NONE) {
        fail_msg("%s: %s", name, err.text);
    }
    return route;
}

static void assert_model(const struct snapshot *s, const char *name, const char *want)
{
    struct route route = found(s, name);

    assert_int_equal(route.kind, ROUTE_MODEL);
    assert_string_equal(route.name, want);
    assert_string_equal(route.graph->nodes[0].model->name, want);
    assert_ptr_equal(route.task, &s->tasks[0]);
    assert_true(route.propensity == 1.0);
    assert_int_equal(route.arm, 0);
}

static void assert_auto(const struct snapshot *s, const char *name, const char *want)
{
    struct route route = found(s, name);

    assert_int_equal(route.kind, ROUTE_AUTO);
    assert_string_equal(route.name, want);
    assert_string_equal(route.graph->nodes[0].model->name, "large");
    assert_ptr_equal(route.task, &s->tasks[0]);
    assert_true(route.propensity == 1.0);
}

static void test_names(void **state)
{
    struct snapshot *s = make();

    (void) state;
    assert_model(s, "small", "small");
    assert_model(s, "gpt-mini", "small");
    assert_auto(s, "auto", "auto");
    assert_auto(s, "gpt-4o", "auto");
    assert_auto(s, "auto/default", "auto/default");
    assert_auto(s, "gpt-task", "auto/default");
    snapshot_unref(s);
}

static void assert_unknown(const struct snapshot *s, struct slice name, const char *words)
{
    struct errbuf err = {""};
    struct route route;

    assert_int_equal(route_find(s, name, &route, &err), ERR_INPUT);
    if (strstr(err.text, words) == NULL || strstr(err.text, "GET /v1/models") == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", err.text, words);
    }
}

static void test_unknown_names(void **state)
{
    char name[256];
    struct snapshot *s = make();

    (void) state;
    assert_unknown(s, SLICE_LIT("nope"), "the model `nope` does not exist");
    assert_unknown(s, SLICE_LIT(""), "model ``");
    assert_unknown(s, SLICE_LIT("Auto"), "model `Auto`");
    assert_unknown(s, SLICE_LIT("auto/"), "task `auto/`");
    assert_unknown(s, SLICE_LIT("auto/math"), "task `auto/math`");
    assert_unknown(s, SLICE_LIT("graph/panel"), "model `graph/panel`");
    assert_unknown(s, SLICE_LIT("gpt-gone"), "model `gone`");
    /* Cut at 100 bytes, before a character that would be halved. */
    memset(name, 'n', sizeof(name));
    assert_unknown(s, (struct slice) {name, sizeof(name)}, "nnn…`");
    memcpy(name + 99, "\xC3\xA4", 2);
    assert_unknown(s, (struct slice) {name, sizeof(name)}, "nnn…`");
    snapshot_unref(s);
}

static void test_no_chat_model(void **state)
{
    static const struct fixture_model embeddings[] = {
        {.name = "embed", .capabilities = CAPABILITY_EMBEDDINGS}};
    struct errbuf err;
    struct snapshot *s = snapshot_new(fixture_catalog(embeddings, 1, NULL, 0), NULL, 1, 1, &err);

    (void) state;
    assert_non_null(s);
    assert_unknown(s, SLICE_LIT("auto"), "no model can answer `auto`");
    assert_unknown(s, SLICE_LIT("auto/default"), "no model can answer `auto/default`");
    assert_model(s, "embed", "embed");
    snapshot_unref(s);
}

static uint64_t unit_at(uint64_t i)
{
    return i * 0x9e3779b97f4a7c15u + 12345;
}

/* Uniform: 100,000 draws in 10 bins; chi-squared with 9 degrees of freedom passes 33.7 once in 10,000
 * times. Also for units in a row, and for the same unit over experiments in a row. */
static void assert_uniform(uint64_t experiment_step, uint64_t unit_step)
{
    unsigned bins[10] = {0};
    double chi = 0.0;
    uint64_t i;

    for (i = 0; i < UNITS; i++) {
        double draw = route_draw(i * experiment_step, i * unit_step);

        assert_true(draw >= 0.0 && draw < 1.0);
        bins[(size_t) (draw * 10.0)]++;
    }
    for (i = 0; i < 10; i++) {
        double off = (double) bins[i] - UNITS / 10.0;

        chi += off * off / (UNITS / 10.0);
    }
    assert_true(chi < 33.7);
}

static void test_draw_is_uniform(void **state)
{
    (void) state;
    assert_uniform(0, 1);
    assert_uniform(0, 0x9e3779b97f4a7c15u);
    assert_uniform(1, 0);
    assert_uniform(1, 1);
}

/* Whom one experiment tried says nothing about the next: of the units below 0.1 in the first, a tenth
 * is below 0.1 in the second (within 5 standard deviations). */
static void test_experiments_are_independent(void **state)
{
    unsigned first = 0;
    unsigned both = 0;
    uint64_t i;

    (void) state;
    for (i = 0; i < UNITS; i++) {
        if (route_draw(1, i) < 0.1) {
            first++;
            both += route_draw(2, i) < 0.1;
        }
    }
    assert_true(first > 9500 && first < 10500);
    assert_true(both > first / 10 - 150 && both < first / 10 + 150);
}

static void set_share(struct snapshot *s, double p)
{
    struct task *task = &s->tasks[0];

    task->experiment = 99;
    task->arm_count = 2;
    task->arms[0].probability = 1.0 - p;
    task->arms[1] = (struct arm) {s->graphs[0], p};
}

/* While the candidate's share grows, a unit moves at most once, and to the candidate. */
static void test_growing_share_moves_units_once(void **state)
{
    static const double shares[] = {0.0, 0.01, 0.05, 0.25, 1.0};
    struct snapshot *s = make();
    unsigned drawn[ARRAY_LEN(shares)] = {0};
    uint64_t i;
    size_t k;

    (void) state;
    for (i = 0; i < UNITS; i++) {
        unsigned before = 0;

        for (k = 0; k < ARRAY_LEN(shares); k++) {
            struct route route;

            set_share(s, shares[k]);
            assert_int_equal(route_find(s, SLICE_LIT("auto"), &route, NULL), ERR_NONE);
            assert_true(route_has_choice(&route));
            route_choose(&route, unit_at(i));
            assert_true(route.arm >= before);
            assert_int_equal(route.arm, route_draw(99, unit_at(i)) < shares[k]);
            assert_ptr_equal(route.graph, s->tasks[0].arms[route.arm].graph);
            assert_true(route.propensity == s->tasks[0].arms[route.arm].probability);
            before = route.arm;
            drawn[k] += route.arm;
        }
    }
    for (k = 0; k < ARRAY_LEN(shares); k++) {
        double off = (double) drawn[k] / UNITS - shares[k];

        assert_true(off > -0.007 && off < 0.007); /* 5 standard deviations of 0.25 */
    }
    snapshot_unref(s);
}

static void test_several_candidates(void **state)
{
    struct snapshot *s = make();
    struct task *task = &s->tasks[0];
    unsigned drawn[3] = {0};
    uint64_t i;

    (void) state;
    task->arm_count = 3;
    task->arms[0].probability = 0.5;
    task->arms[1] = (struct arm) {s->graphs[0], 0.3};
    task->arms[2] = (struct arm) {s->graphs[2], 0.2};
    for (i = 0; i < UNITS; i++) {
        struct route route;

        assert_int_equal(route_find(s, SLICE_LIT("auto"), &route, NULL), ERR_NONE);
        assert_true(route_has_choice(&route));
        route_choose(&route, unit_at(i));
        drawn[route.arm]++;
    }
    assert_true(drawn[0] > 49200 && drawn[0] < 50800);
    assert_true(drawn[1] > 29200 && drawn[1] < 30800);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_no_chat_model),
        cmocka_unit_test(test_draw_is_uniform),
        cmocka_unit_test(test_experiments_are_independent),
        cmocka_unit_test(test_growing_share_moves_units_once),
        cmocka_unit_test(test_several_candidates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
