#include "router/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/ledger_stats.h"
#include "router/request.h"
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

struct ledger_model *ledger_model(struct ledger *l, const char *model)
{
    (void) l;
    (void) model;
    return NULL;
}

struct ledger_tokens *ledger_tokens(struct ledger *l, const char *task, const char *model)
{
    (void) l;
    (void) task;
    (void) model;
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

    if (route_find(s, &(struct route_ask) {.name = slice_of(name)}, &route, &err) != ROUTE_OK) {
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

    assert_int_equal(route_find(s, &(struct route_ask) {.name = name}, &route, &err),
                     ROUTE_UNKNOWN_NAME);
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
    assert_unknown(s, SLICE_LIT("graph/panel"), "graph `graph/panel`");
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

/* ---- tasks: math has texts, code a rule, prose examples; edge is another upstream ---- */

static const char *const math_texts[] = {"\\boxed", "solve for", NULL};

static struct task task_named(const char *name, const char *route_name, const char *header)
{
    return (struct task) {.name = name,
                          .route_name = route_name,
                          .match = {.header = header},
                          .budget = {(double) NAN, (double) NAN, (double) NAN}};
}

static struct snapshot *make_tasks(void)
{
    struct catalog *c = fixture_catalog(models, 3, aliases, 4);
    struct upstream_def *ups = arena_array(&c->arena, 2, sizeof(*ups));
    const struct upstream_def **data = arena_array(&c->arena, 2, sizeof(*data));
    struct errbuf err;
    struct snapshot *s;

    ups[0] = c->upstreams[0];
    ups[1] = ups[0];
    ups[1].name = "edge";
    c->upstreams = ups;
    c->upstream_count = 2;
    c->models[0].upstream = &ups[1]; /* small */
    c->models[1].upstream = &ups[0];
    c->models[2].upstream = &ups[0];
    c->tasks = arena_array(&c->arena, 3, sizeof(*c->tasks));
    c->task_count = 3;
    c->tasks[0] = task_named("math", "auto/math", "maths");
    c->tasks[0].match.any = math_texts;
    c->tasks[1] = task_named("code", "auto/code", "code");
    c->tasks[1].match.rules = TASK_RULE_CODE | TASK_RULE_TOOLS;
    data[0] = &ups[1];
    c->tasks[1].data = data;
    c->tasks[1].data_is_written = true;
    c->tasks[2] = task_named("prose", "auto/prose", "prose");
    c->graphs = arena_array(&c->arena, 1, sizeof(*c->graphs));
    c->graph_count = 1;
    c->graphs[0] = (struct catalog_graph) {.name = "panel",
                                           .route_name = "graph/panel",
                                           .file = "panel.json",
                                           .graph = graph_new_single(&c->models[2])};
    s = snapshot_new(c, NULL, 1, 1, &err);
    assert_non_null(s);
    return s;
}

/* What was routed, with the request that it looked into. */
struct routed {
    struct request request;
    struct arena room;
    struct route route;
    struct errbuf err;
    enum route_answer answer;
};

static void ask(struct routed *r, const struct snapshot *s, const char *name, const char *header,
                const char *members)
{
    const char *param;
    char *json = x_printf("{\"model\":\"m\",%s}", members);
    struct reqbody *body = reqbody_new(strlen(json));
    struct route_ask a = {slice_of(name), slice_of(header), &r->request};

    memcpy(body->bytes, json, strlen(json));
    free(json);
    memset(&r->request, 0, sizeof(r->request));
    arena_init(&r->room, 1024, 1 << 20);
    if (request_parse(&r->request, ENDPOINT_CHAT, body, &r->room, &param, &r->err) != ERR_NONE) {
        fail_msg("%s", r->err.text);
    }
    r->answer = route_find(s, &a, &r->route, &r->err);
    request_fini(&r->request);
    arena_fini(&r->room);
}

#define USER(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

static void assert_task(const struct snapshot *s, const char *name, const char *header,
                        const char *members, const char *task, enum task_by by)
{
    struct routed r;

    ask(&r, s, name, header, members);
    if (r.answer != ROUTE_OK) {
        fail_msg("%s: %s", name, r.err.text);
    }
    assert_string_equal(r.route.task->name, task);
    assert_string_equal(task_by_text(r.route.task_by), task_by_text(by));
}

static void test_rules_and_texts(void **state)
{
    struct snapshot *s = make_tasks();

    (void) state;
    assert_task(s, "auto", NULL, USER("hello"), "default", TASK_BY_DEFAULT);
    assert_task(s, "auto", NULL, USER("Put it in \\\\BOXED{}."), "math", TASK_BY_RULE);
    assert_task(s, "auto", NULL, USER("sOLVE\\u0020For x"), "math", TASK_BY_RULE);
    assert_task(s, "gpt-4o", NULL, USER("solve for x"), "math", TASK_BY_RULE);
    assert_task(s, "auto", NULL, USER("```c\\nint x;```"), "code", TASK_BY_RULE);
    /* The first in the file. */
    assert_task(s, "auto", NULL, USER("```solve for x```"), "math", TASK_BY_RULE);
    assert_task(s, "auto", NULL, USER("hello") ",\"tools\":[{}]", "code", TASK_BY_RULE);
    assert_task(s, "auto", NULL, USER("hello") ",\"tools\":[]", "default", TASK_BY_DEFAULT);
    /* The last user message counts. */
    assert_task(s, "auto", NULL,
                "\"messages\":[{\"role\":\"user\",\"content\":\"solve for\"},"
                "{\"role\":\"user\",\"content\":\"thanks\"}]",
                "default", TASK_BY_DEFAULT);
    snapshot_unref(s);
}

/* Of a long message 32 KiB at each end are searched. */
static void test_long_messages(void **state)
{
    enum { LONG = 200000, WORDS = 9 };
    static const struct {
        size_t at;
        const char *task;
    } places[] = {
        {0, "math"},           {32 * 1024 - WORDS, "math"}, {32 * 1024 - WORDS + 1, "default"},
        {LONG / 2, "default"}, {LONG - 32 * 1024, "math"},  {LONG - WORDS, "math"}};
    struct snapshot *s = make_tasks();
    char *text = x_alloc(LONG + 1);
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(places); i++) {
        struct routed r;
        char *members;

        memset(text, '.', LONG);
        memcpy(text + places[i].at, "solve for", WORDS);
        members = x_printf("\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]", text);
        ask(&r, s, "auto", NULL, members);
        assert_int_equal(r.answer, ROUTE_OK);
        assert_string_equal(r.route.task->name, places[i].task);
        free(members);
    }
    free(text);
    snapshot_unref(s);
}

static void test_names_and_headers_go_first(void **state)
{
    struct snapshot *s = make_tasks();

    (void) state;
    assert_task(s, "auto/prose", NULL, USER("solve for x"), "prose", TASK_BY_NAME);
    assert_task(s, "auto/prose", "maths", USER("hello"), "prose", TASK_BY_NAME);
    assert_task(s, "auto", "prose", USER("solve for x"), "prose", TASK_BY_HEADER);
    assert_task(s, "auto", "maths", USER("hello"), "math", TASK_BY_HEADER);
    assert_task(s, "auto", "default", USER("solve for x"), "default", TASK_BY_HEADER);
    /* Rules are for auto: what names a model or a graph is under the header's task, else default. */
    assert_task(s, "large", NULL, USER("solve for x"), "default", TASK_BY_DEFAULT);
    assert_task(s, "large", "maths", USER("hello"), "math", TASK_BY_HEADER);
    assert_task(s, "graph/panel", NULL, USER("solve for x"), "default", TASK_BY_DEFAULT);
    assert_task(s, "graph/panel", "prose", USER("hello"), "prose", TASK_BY_HEADER);
    snapshot_unref(s);
}

/* A request that cannot be read without a crash: most requests name what they want, and are not looked
 * into. */
static void test_requests_are_read_only_for_auto(void **state)
{
    static const struct {
        const char *name;
        const char *header;
    } asks[] = {{"auto/math", NULL}, {"auto", "prose"}, {"large", NULL}, {"graph/panel", "maths"}};
    const struct request *unreadable = (const struct request *) (uintptr_t) 8;
    struct snapshot *with_rules = make_tasks();
    struct snapshot *without = make();
    struct errbuf err;
    struct route route;
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(asks); i++) {
        const struct route_ask a = {slice_of(asks[i].name), slice_of(asks[i].header), unreadable};

        assert_int_equal(route_find(with_rules, &a, &route, &err), ROUTE_OK);
    }
    assert_int_equal(route_find(without,
                                &(struct route_ask) {SLICE_LIT("auto"), SLICE_NONE, unreadable},
                                &route, &err),
                     ROUTE_OK);
    snapshot_unref(with_rules);
    snapshot_unref(without);
}

static void test_unknown_headers(void **state)
{
    static const char *const names[] = {"auto", "large", "graph/panel"};
    struct snapshot *s = make_tasks();
    struct routed r;
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(names); i++) {
        ask(&r, s, names[i], "math", USER("hello")); /* the name, not the header's value */
        assert_int_equal(r.answer, ROUTE_UNKNOWN_TASK);
        assert_non_null(strstr(r.err.text, "`math`"));
        assert_non_null(strstr(r.err.text, "default, maths, code, prose"));
    }
    snapshot_unref(s);
}

static void test_graphs(void **state)
{
    struct snapshot *s = make_tasks();
    struct routed r;

    (void) state;
    ask(&r, s, "graph/panel", NULL, USER("hello"));
    assert_int_equal(r.answer, ROUTE_OK);
    assert_int_equal(r.route.kind, ROUTE_GRAPH);
    assert_string_equal(r.route.name, "graph/panel");
    assert_ptr_equal(r.route.graph, s->catalog->graphs[0].graph);
    assert_true(r.route.propensity == 1.0 && !route_has_choice(&r.route));
    ask(&r, s, "graph/none", NULL, USER("hello"));
    assert_int_equal(r.answer, ROUTE_UNKNOWN_NAME);
    assert_non_null(strstr(r.err.text, "the graph `graph/none` does not exist"));
    snapshot_unref(s);
}

/* The data of `code` is written: edge, where small is and nothing else. */
static void test_written_data_binds_names(void **state)
{
    struct snapshot *s = make_tasks();
    struct routed r;

    (void) state;
    ask(&r, s, "auto/code", NULL, USER("hello"));
    assert_string_equal(r.route.graph->nodes[0].model->name, "small");
    assert_task(s, "small", "code", USER("hello"), "code", TASK_BY_HEADER);
    ask(&r, s, "large", "code", USER("hello"));
    assert_int_equal(r.answer, ROUTE_OUTSIDE_DATA);
    assert_non_null(strstr(r.err.text, "`large` may reach the upstream up"));
    ask(&r, s, "graph/panel", "code", USER("hello"));
    assert_int_equal(r.answer, ROUTE_OUTSIDE_DATA);
    assert_non_null(strstr(r.err.text, "data` of the task code"));
    /* What is only its champion's does not bind. */
    assert_task(s, "small", "maths", USER("hello"), "math", TASK_BY_HEADER);
    snapshot_unref(s);
}

/* One class for each of two words, and nothing else is known. */
static struct classify_model *two_words(const char *first, const char *second)
{
    const char *const words[] = {first, second};
    struct classify_model *m = classify_model_new(2, 0.6f);
    struct classify_features f;
    unsigned k;
    size_t i;

    assert_non_null(m);
    for (k = 0; k < 2; k++) {
        classify_extract(slice_of(words[k]), SLICE_NONE, &f);
        for (i = 0; i < f.count; i++) {
            classify_model_see(m, f.at[i].bucket);
            m->weights[f.at[i].bucket * m->stride + k] = 10.0f * f.at[i].value;
        }
    }
    return m;
}

static void test_classifier(void **state)
{
    static const char *const names[] = {"prose", "default"};
    struct snapshot *s = make_tasks();
    struct classify_model *m = two_words("poem", "weather");
    struct routed r;

    (void) state;
    snapshot_classify_by(s, m, names);
    classify_model_unref(m);
    assert_task(s, "auto", NULL, USER("poem"), "prose", TASK_BY_CLASSIFIER);
    assert_task(s, "auto", NULL, USER("weather"), "default", TASK_BY_CLASSIFIER);
    assert_task(s, "auto", NULL, USER("poem: solve for x"), "math", TASK_BY_RULE);
    ask(&r, s, "auto", NULL, USER("poem"));
    assert_true(r.route.task_probability > 0.9f);
    /* Not sure: default, and the probability that was too low. */
    ask(&r, s, "auto", NULL, USER("poem of the harvest and its tractors"));
    assert_int_equal(r.route.task_by, TASK_BY_DEFAULT);
    assert_true(r.route.task_probability > 0.0f && r.route.task_probability < 0.6f);
    ask(&r, s, "auto", "maths", USER("poem"));
    assert_true(r.route.task_probability == 0.0f);
    ask(&r, s, "small", NULL, USER("poem"));
    assert_true(r.route.task_probability == 0.0f);
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
            route = found(s, "auto");
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

        route = found(s, "auto");
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
        cmocka_unit_test(test_rules_and_texts),
        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_names_and_headers_go_first),
        cmocka_unit_test(test_requests_are_read_only_for_auto),
        cmocka_unit_test(test_unknown_headers),
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_written_data_binds_names),
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_draw_is_uniform),
        cmocka_unit_test(test_experiments_are_independent),
        cmocka_unit_test(test_growing_share_moves_units_once),
        cmocka_unit_test(test_several_candidates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
