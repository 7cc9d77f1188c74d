#include "router/snapshot.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/ledger_stats.h"
#include "tests/unit/catalog_fixture.h"

/* What the snapshot told the ledger. */
struct ledger {
    unsigned calls;
    const char *name;
    unsigned max_in_flight;
    unsigned queue;
    unsigned models;
    unsigned tokens;
};

struct ledger_upstream *ledger_upstream(struct ledger *l, const char *name, unsigned max_in_flight,
                                        unsigned queue)
{
    l->calls++;
    l->name = name;
    l->max_in_flight = max_in_flight;
    l->queue = queue;
    return (struct ledger_upstream *) (void *) l;
}

struct ledger_model *ledger_model(struct ledger *l, const char *model)
{
    assert_non_null(model);
    return (struct ledger_model *) (void *) ((char *) l + ++l->models);
}

struct ledger_tokens *ledger_tokens(struct ledger *l, const char *task, const char *model)
{
    assert_non_null(task);
    assert_non_null(model);
    return (struct ledger_tokens *) (void *) ((char *) l + ++l->tokens);
}

static const struct fixture_model two[] = {{.name = "small", .params = 1e9},
                                           {.name = "large", .params = 8e9}};

static struct snapshot *make(const struct fixture_model *models, size_t count)
{
    static struct ledger ledger;
    struct errbuf err;
    struct snapshot *s = snapshot_new(fixture_catalog(models, count, NULL, 0), &ledger, 5000000, 3,
                                      &err);

    assert_non_null(s);
    return s;
}

static void assert_champion(const struct fixture_model *models, size_t count, const char *want)
{
    struct snapshot *s = make(models, count);
    const struct task *task = &s->tasks[0];

    assert_int_equal(task->arm_count, 1);
    assert_true(task->arms[0].probability == 1.0);
    assert_string_equal(task->arms[0].graph->nodes[0].model->name, want);
    snapshot_unref(s);
}

static void test_contents(void **state)
{
    struct snapshot *s = make(two, 2);
    const struct task *task;
    size_t i;

    (void) state;
    assert_int_equal(s->number, 3);
    assert_int_equal(s->graph_count, 2);
    for (i = 0; i < 2; i++) {
        const struct model_def *m = &s->catalog->models[i];

        assert_ptr_equal(snapshot_model_graph(s, m)->nodes[0].model, m);
    }
    task = snapshot_task(s, SLICE_LIT("default"));
    assert_ptr_equal(task, &s->tasks[0]);
    assert_string_equal(task->route_name, "auto/default");
    assert_int_equal(task->deadline_us, 5000000);
    assert_null(snapshot_task(s, SLICE_LIT("defaul")));
    assert_null(snapshot_task(s, SLICE_NONE));
    snapshot_unref(s);
}

static void test_upstreams_are_registered(void **state)
{
    struct ledger ledger = {0};
    struct errbuf err;
    struct snapshot *s = snapshot_new(fixture_catalog(two, 2, NULL, 0), &ledger, 1, 1, &err);

    (void) state;
    assert_non_null(s);
    assert_int_equal(ledger.calls, 1);
    assert_string_equal(ledger.name, "up");
    assert_int_equal(ledger.max_in_flight, 3);
    assert_int_equal(ledger.queue, 7);
    assert_ptr_equal(s->catalog->models[0].upstream->ledger, &ledger);
    assert_int_equal(ledger.models, 2);
    assert_ptr_equal(s->catalog->models[1].ledger, (char *) &ledger + 2);
    assert_int_equal(ledger.tokens, 2);
    assert_ptr_equal(snapshot_tokens(s, &s->tasks[0], &s->catalog->models[1]),
                     (char *) &ledger + 2);
    snapshot_unref(s);
}

static void test_first_champion(void **state)
{
    static const struct fixture_model price[] = {
        {.name = "dear", .params = 1e9, .usd_input = 1.0, .usd_output = 2.0},
        {.name = "cheap", .params = 1e9, .usd_input = 1.5, .usd_output = 0.5},
    };
    static const struct fixture_model order[] = {{.name = "first"}, {.name = "second"}};
    static const struct fixture_model embeddings[] = {
        {.name = "embed", .params = 9e9, .capabilities = CAPABILITY_EMBEDDINGS},
        {.name = "both", .params = 2e9, .capabilities = CAPABILITY_EMBEDDINGS | CAPABILITY_VISION},
        {.name = "chat", .params = 1e9},
    };

    (void) state;
    assert_champion(two, 2, "large");
    assert_champion(price, 2, "cheap");
    assert_champion(order, 2, "first");
    assert_champion(embeddings, 3, "both");
}

static void test_nothing_that_chats(void **state)
{
    static const struct fixture_model embeddings[] = {
        {.name = "embed", .capabilities = CAPABILITY_EMBEDDINGS}};
    struct snapshot *s = make(embeddings, 1);

    (void) state;
    assert_int_equal(s->task_count, 1);
    assert_int_equal(s->tasks[0].arm_count, 0);
    snapshot_unref(s);
    s = make(NULL, 0);
    assert_int_equal(s->tasks[0].arm_count, 0);
    snapshot_unref(s);
}

/* A catalog with tasks; of each only what is set here. */
static struct snapshot *make_tasks(const struct task *tasks, size_t count)
{
    static struct ledger ledger;
    struct catalog *c = fixture_catalog(two, 2, NULL, 0);
    struct errbuf err;
    struct snapshot *s;

    c->tasks = arena_array(&c->arena, count, sizeof(*c->tasks));
    memcpy(c->tasks, tasks, count * sizeof(*tasks));
    c->task_count = count;
    s = snapshot_new(c, &ledger, 5000000, 1, &err);
    assert_non_null(s);
    return s;
}

#define NO_LIMIT                                                                                   \
    {                                                                                              \
        (double) NAN, (double) NAN, (double) NAN                                                   \
    }

static void test_tasks_of_the_configuration(void **state)
{
    static const char *const any[] = {"x", NULL};
    const struct task tasks[] = {
        {.name = "a", .match = {.header = "ha", .rules = TASK_RULE_CODE}, .budget = NO_LIMIT},
        {.name = "default",
         .match = {.header = "hd", .any = any},
         .budget = NO_LIMIT,
         .deadline_us = 7},
        {.name = "b", .match = {.header = "b"}, .budget = NO_LIMIT},
    };
    struct snapshot *s = make_tasks(tasks, 3);

    (void) state;
    assert_int_equal(s->task_count, 3);
    assert_string_equal(s->tasks[0].name, "default");
    assert_int_equal(s->tasks[0].deadline_us, 7);
    assert_string_equal(s->tasks[1].name, "a");
    assert_int_equal(s->tasks[1].deadline_us, 5000000);
    /* What is looked at stays in the order of the file. */
    assert_int_equal(s->by_rule_count, 2);
    assert_ptr_equal(s->by_rule[0], &s->tasks[1]);
    assert_ptr_equal(s->by_rule[1], &s->tasks[0]);
    assert_true(s->has_texts && snapshot_looks_inside(s));
    assert_ptr_equal(snapshot_task_of_header(s, SLICE_LIT("hd")), &s->tasks[0]);
    assert_ptr_equal(snapshot_task_of_header(s, SLICE_LIT("ha")), &s->tasks[1]);
    assert_null(snapshot_task_of_header(s, SLICE_LIT("a")));
    /* Without `data` it is where the champion goes. */
    assert_ptr_equal(s->tasks[1].data[0], &s->catalog->upstreams[0]);
    assert_null(s->tasks[1].data[1]);
    assert_false(s->tasks[1].data_is_written);
    snapshot_unref(s);
}

static void test_nothing_to_look_at(void **state)
{
    struct snapshot *s = make(two, 2);

    (void) state;
    assert_false(snapshot_looks_inside(s));
    snapshot_unref(s);
}

static void test_classes_are_tasks(void **state)
{
    static const char *const names[] = {"b", "default", "a"};
    const struct task tasks[] = {
        {.name = "a", .match = {.header = "a"}, .budget = NO_LIMIT},
        {.name = "b", .match = {.header = "b"}, .budget = NO_LIMIT},
    };
    struct snapshot *s = make_tasks(tasks, 2);
    struct classify_model *model = classify_model_new(3, 0.6f);

    (void) state;
    assert_non_null(model);
    snapshot_classify_by(s, model, names);
    assert_true(snapshot_looks_inside(s));
    classify_model_unref(model); /* the snapshot has its own reference */
    assert_int_equal(s->classifier->classes, 3);
    assert_int_equal(s->task_of_class[0], 2);
    assert_int_equal(s->task_of_class[1], 0);
    assert_int_equal(s->task_of_class[2], 1);
    snapshot_unref(s);
}

/* A catalog that ran out of its room must not be served half. */
static void test_sour_catalog(void **state)
{
    struct catalog *c = catalog_new();
    struct ledger ledger = {0};
    struct errbuf err = {""};

    (void) state;
    assert_null(arena_alloc(&c->arena, (size_t) 1 << 30));
    assert_null(snapshot_new(c, &ledger, 1, 1, &err));
    assert_non_null(strstr(err.text, "memory"));
    assert_int_equal(ledger.calls, 0);
}

static void *ref_and_unref(void *arg)
{
    struct snapshot *s = arg;
    int i;

    for (i = 0; i < 20000; i++) {
        snapshot_unref(snapshot_ref(s));
    }
    snapshot_unref(s);
    return NULL;
}

/* Each thread brings its own reference; whichever lets go last frees. Under the thread sanitizer this
 * shows a missing order, under the address sanitizer a wrong count. */
static void test_references_of_threads(void **state)
{
    struct snapshot *s = make(two, 2);
    pthread_t threads[4];
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, snapshot_ref(s)), 0);
    }
    snapshot_unref(s);
    for (i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    snapshot_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_upstreams_are_registered),
        cmocka_unit_test(test_first_champion),
        cmocka_unit_test(test_nothing_that_chats),
        cmocka_unit_test(test_tasks_of_the_configuration),
        cmocka_unit_test(test_nothing_to_look_at),
        cmocka_unit_test(test_classes_are_tasks),
        cmocka_unit_test(test_sour_catalog),
        cmocka_unit_test(test_references_of_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
