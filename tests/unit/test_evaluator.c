/* A graph measured over items: what counts as an answer, what as wrong, and what is run again. The upstreams
 * and the clock are the test's (run_fixture.h); the items ask for 5. */
#include "optimizer/evaluator.h"
#include "tests/unit/run_fixture.h"

#include "optimizer/tally.h"

enum { ITEMS_MAX = 200 };

#define EXACT SLICE_LIT("{\"type\":\"exact\"}")

struct bench {
    struct world *w;
    struct grader *grader;
    struct eval_item items[ITEMS_MAX];
    struct evaluator *evaluator;
    struct eval_outcome outcomes[ITEMS_MAX];
    unsigned ended;
    size_t last;
    bool is_over, is_complete;
};

static const struct slice five = SLICE_LIT("5");

static void on_outcome(void *arg, size_t item, const struct eval_outcome *o)
{
    struct bench *b = arg;
    b->outcomes[item] = *o;
    b->last = item;
    b->ended++;
}

static void on_over(void *arg, bool complete)
{
    struct bench *b = arg;
    assert_false(b->is_over);
    b->is_over = true;
    b->is_complete = complete;
}

static void evaluate(struct bench *b, size_t count, unsigned concurrency)
{
    struct evaluator_spec spec = {.host = &b->w->host,
                                  .snapshot = b->w->snapshot,
                                  .task = &b->w->snapshot->tasks[0],
                                  .graph = b->w->graph,
                                  .items = b->items,
                                  .count = count,
                                  .concurrency = concurrency,
                                  .grader = b->grader,
                                  .on_outcome = on_outcome,
                                  .on_end = on_over,
                                  .arg = b};
    b->evaluator = evaluator_start(&spec);
    pass_us(b->w, 0);
    pass_us(b->w, 1u * S);
}

/* Items `5` and a graph of these kinds of nodes, see world_make. */
static struct bench *bench_make(const char *kinds, const uint32_t preds[])
{
    struct bench *b = calloc(1, sizeof(*b));
    struct errbuf why;
    assert_non_null(b);
    b->w = world_make(kinds, preds, false);
    b->grader = grader_of_json(EXACT, &why);
    assert_non_null(b->grader);
    for (size_t i = 0; i < ITEMS_MAX; i++) {
        b->items[i] = (struct eval_item) {
            .hash = 1000 + i,
            .messages = SLICE_LIT("[{\"role\":\"user\",\"content\":\"2+3?\"}]"),
            .ideals = &five,
            .ideal_count = 1};
    }
    return b;
}

static void bench_free(struct bench *b)
{
    evaluator_free(b->evaluator);
    grader_free(b->grader);
    world_free(b->w);
    free(b);
}

static const uint32_t alone[] = {0};
static const uint32_t panel[] = {0, 0, 3};

/* The only item has this verdict. */
static void expect(struct bench *b, enum eval_verdict verdict)
{
    assert_int_equal(b->ended, 1);
    assert_string_equal(eval_verdict_text(b->outcomes[0].verdict), eval_verdict_text(verdict));
    assert_true(b->is_over);
    assert_int_equal(b->is_complete, verdict != EVAL_DROPPED);
}

/* The call to the model answers with this status. */
static void refuses(struct bench *b, const char *model, int status, const char *body)
{
    struct transfer *t = live(b->w, model);
    const struct transfer_events *events = t->events;
    struct transfer_head head = {.status = status,
                                 .content_type = SLICE_LIT("application/json"),
                                 .retry_after_us = UINT64_MAX};
    events->on_head(t->arg, &head);
    events->on_body(t->arg, slice_of(body));
    t->events = NULL;
    events->on_end(t->arg, TRANSFER_COMPLETE, "");
    pass_us(b->w, 0);
}

#define BUSY "{\"error\":{\"message\":\"busy\",\"type\":\"x\",\"code\":null}}"

/* ---- answers ---- */

static void test_an_answer_is_graded_and_reckoned(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 1, 2);
    pass_us(b->w, 2u * S);
    answers(b->w, "m0", "5");
    expect(b, EVAL_RIGHT);
    const struct eval_outcome *o = &b->outcomes[0];
    assert_float_equal(o->score, 1.0, 0);
    assert_int_equal(o->runs, 1);
    assert_int_equal(o->calls, 1);
    assert_int_equal(o->latency_us, 3 * S);
    assert_int_equal(o->usage.prompt, 10);
    assert_int_equal(o->usage.completion, 2);
    assert_float_equal(o->usd, 14e-6, 1e-12);
    assert_float_equal(o->flops, cost_flops(b->w->graph->nodes[0].model, 10, 2), 1e3);
    assert_false(o->is_repeated);
    bench_free(b);
}

static void test_what_counts_as_wrong(void **state)
{
    static const struct {
        const char *delta;
        const char *finish;
        enum eval_verdict verdict;
    } rows[] = {
        {"{\"content\":\"6\"}", "\"stop\"", EVAL_WRONG},
        {"{\"content\":\"5\"}", "\"length\"", EVAL_LENGTH},
        {"{\"content\":\"<think>5</think>\"}", "\"stop\"", EVAL_EMPTY},
        {"{\"refusal\":\"no\"}", "\"stop\"", EVAL_REFUSAL},
        {"{\"content\":\"5\"}", "\"content_filter\"", EVAL_REFUSAL},
        {"{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]}", "\"tool_calls\"",
         EVAL_EMPTY},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_make("a", alone);
        evaluate(b, 1, 1);
        begins(b->w, "m0");
        says(b->w, "m0", rows[i].delta, "null");
        says(b->w, "m0", "{}", rows[i].finish);
        ends(b->w, "m0", 10, 2);
        expect(b, rows[i].verdict);
        assert_float_equal(b->outcomes[0].score, 0.0, 0);
        bench_free(b);
    }
}

static void test_an_answer_without_a_number_is_unparsable(void **state)
{
    struct bench *b = bench_make("a", alone);
    struct errbuf why;
    (void) state;
    grader_free(b->grader);
    b->grader = grader_of_json(SLICE_LIT("{\"type\":\"numeric\"}"), &why);
    assert_non_null(b->grader);
    evaluate(b, 1, 1);
    answers(b->w, "m0", "who knows");
    expect(b, EVAL_UNPARSABLE);
    bench_free(b);
}

static void test_an_item_without_an_ideal_to_read_is_no_answer(void **state)
{
    static const struct slice word = SLICE_LIT("five");
    struct bench *b = bench_make("a", alone);
    struct errbuf why;
    (void) state;
    grader_free(b->grader);
    b->grader = grader_of_json(SLICE_LIT("{\"type\":\"numeric\"}"), &why);
    assert_non_null(b->grader);
    b->items[0].ideals = &word;
    evaluate(b, 1, 1);
    answers(b->w, "m0", "5");
    expect(b, EVAL_UNFIT);
    assert_true(b->outcomes[0].is_graded);
    assert_int_equal(b->outcomes[0].grade, GRADE_NO_IDEAL);
    bench_free(b);
}

static void test_a_deadline_is_the_graph_s_own(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 1, 1);
    pass_us(b->w, 61u * S); /* the upstream's for the first token */
    expect(b, EVAL_DEADLINE);
    assert_int_equal(b->w->call_count, 1);
    bench_free(b);
}

/* ---- what is switched off ---- */

static void test_a_small_context_is_a_wrong_answer_without_a_call(void **state)
{
    struct bench *b = bench_make("aaf", panel);
    (void) state;
    b->w->snapshot->catalog->models[2].context = 100;
    evaluate(b, 1, 1);
    expect(b, EVAL_CONTEXT);
    assert_int_equal(b->w->call_count, 0);
    bench_free(b);
}

static void test_a_missing_capability_is_a_wrong_answer(void **state)
{
    struct bench *b = bench_make("aaf", panel);
    (void) state;
    b->items[0].messages = SLICE_LIT("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                                     "\"image_url\":{\"url\":\"data:\"}},{\"type\":\"text\","
                                     "\"text\":\"?\"}]}]");
    evaluate(b, 1, 1);
    expect(b, EVAL_CAPABILITY);
    bench_free(b);
}

static void test_an_item_that_no_graph_can_serve_is_no_answer(void **state)
{
    struct bench *b = bench_make("aaf", panel);
    (void) state;
    b->items[0].messages = SLICE_LIT("[{\"role\":\"assistant\",\"content\":\"so\"}]");
    evaluate(b, 1, 1);
    expect(b, EVAL_UNFIT);
    assert_false(eval_is_answer(EVAL_UNFIT));
    bench_free(b);
}

static void test_a_model_s_fallback_does_not_stand_in(void **state)
{
    struct bench *b = bench_make("aaf", panel);
    (void) state;
    b->w->snapshot->catalog->models[2].fallback = &b->w->snapshot->catalog->models[0];
    evaluate(b, 1, 1);
    answers(b->w, "m0", "5");
    answers(b->w, "m1", "5");
    size_t before = b->w->call_count;
    pass_us(b->w, 61u * S); /* its first token is too late, for which a client would get m0's */
    assert_int_equal(b->w->call_count, before);
    /* The client would have got the best answer in hand. */
    expect(b, EVAL_RIGHT);
    assert_true(b->outcomes[0].is_rescued);
    bench_free(b);
}

/* ---- what the upstream breaks ---- */

static void test_what_breaks_is_run_again_after_a_while(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 1, 1);
    breaks(b->w, "m0"); /* and the call's own second try */
    assert_int_equal(b->ended, 0);
    for (unsigned i = 0; i < 100 && !call_of(b->w, "m0")->events; i++) {
        pass_us(b->w, 100 * MS);
    }
    answers(b->w, "m0", "5");
    expect(b, EVAL_RIGHT);
    assert_true(b->outcomes[0].runs > 1);
    bench_free(b);
}

static void test_a_429_of_an_inner_node_is_not_the_graph_s(void **state)
{
    struct bench *b = bench_make("aaf", panel);
    (void) state;
    b->w->snapshot->catalog->upstreams[0].retries = 0;
    evaluate(b, 1, 1);
    answers(b->w, "m0", "5");
    refuses(b, "m1", 429, BUSY);
    answers(b->w, "m2", "5"); /* the graph goes on, but that is not what it is worth */
    assert_int_equal(b->ended, 0);
    pass_us(b->w, 1u * S);
    answers(b->w, "m0", "5");
    answers(b->w, "m1", "5");
    answers(b->w, "m2", "5");
    expect(b, EVAL_RIGHT);
    assert_int_equal(b->outcomes[0].runs, 2);
    bench_free(b);
}

static void test_the_same_draws_are_made_again(void **state)
{
    struct bench *b = bench_make("a", alone);
    char first[sizeof(b->w->calls[0].body)];
    (void) state;
    b->w->snapshot->catalog->upstreams[0].retries = 0;
    evaluate(b, 2, 1);
    snprintf(first, sizeof(first), "%s", call_of(b->w, "m0")->body);
    refuses(b, "m0", 503, BUSY);
    pass_us(b->w, 1u * S);
    assert_string_equal(call_of(b->w, "m0")->body, first);
    assert_non_null(strstr(first, "\"seed\":"));
    answers(b->w, "m0", "5");
    assert_int_not_equal(strcmp(call_of(b->w, "m0")->body, first), 0); /* another item's */
    answers(b->w, "m0", "5");
    assert_true(b->is_complete);
    bench_free(b);
}

static void test_an_item_that_keeps_breaking_is_dropped(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    b->w->snapshot->catalog->upstreams[0].retries = 0;
    evaluate(b, 1, 1);
    for (unsigned i = 0; i < EVALUATOR_RUNS; i++) {
        assert_int_equal(b->ended, 0);
        refuses(b, "m0", 429, BUSY);
        pass_us(b->w, 17u * S);
    }
    expect(b, EVAL_DROPPED);
    assert_int_equal(b->outcomes[0].runs, EVALUATOR_RUNS);
    assert_int_equal(b->outcomes[0].status, 429);
    bench_free(b);
}

static void test_over_two_per_cent_dropped_stop_it(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 100, 1);
    for (unsigned i = 0; i < 50 && !b->is_over; i++) {
        if (i < 10 || i > 12) {
            answers(b->w, "m0", "5");
        } else {
            refuses(b, "m0", 401, BUSY); /* which no waiting helps */
        }
    }
    assert_true(b->is_over);
    assert_false(b->is_complete);
    assert_int_equal(b->ended, 13);
    bench_free(b);
}

static void test_two_per_cent_are_borne(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 50, 1);
    refuses(b, "m0", 401, BUSY);
    for (unsigned i = 1; i < 50; i++) {
        answers(b->w, "m0", "5");
    }
    assert_true(b->is_complete);
    assert_int_equal(b->ended, 50);
    bench_free(b);
}

/* ---- life ---- */

static void test_no_more_at_once_than_wanted(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 10, 3);
    assert_int_equal(b->w->call_count, 3);
    answers(b->w, "m0", "5");
    assert_int_equal(b->w->call_count, 4);
    evaluator_free(b->evaluator); /* in the midst of it */
    b->evaluator = NULL;
    pass_us(b->w, 1u * S);
    assert_int_equal(b->ended, 1);
    assert_false(b->is_over);
    bench_free(b);
}

static void test_no_items_are_over_at_once(void **state)
{
    struct bench *b = bench_make("a", alone);
    (void) state;
    evaluate(b, 0, 2);
    assert_true(b->is_over && b->is_complete);
    bench_free(b);
}

/* ---- sums ---- */

static struct eval_outcome outcome(enum eval_verdict verdict, double score, uint64_t latency_us)
{
    return (struct eval_outcome) {.verdict = verdict,
                                  .score = score,
                                  .runs = 1,
                                  .latency_us = latency_us,
                                  .calls = 2,
                                  .usd = 0.5,
                                  .flops = 1e9};
}

/* 15 of 20: R's prop.test(15, 20, correct = FALSE). */
static void test_the_interval_is_wilson_s(void **state)
{
    struct tally t;
    (void) state;
    tally_init(&t);
    assert_true(isnan(tally_accuracy(&t).mean));
    for (unsigned i = 0; i < 20; i++) {
        struct eval_outcome o = outcome(i < 15 ? EVAL_RIGHT : EVAL_DEADLINE, i < 15 ? 1 : 0, i + 1);
        tally_add(&t, &o);
    }
    struct tally_accuracy a = tally_accuracy(&t);
    assert_float_equal(a.mean, 0.75, 1e-12);
    assert_float_equal(a.low, 0.531299, 1e-5);
    assert_float_equal(a.high, 0.888138, 1e-5);
    assert_float_equal(tally_latency_us(&t, 0.5), 10, 0);
    assert_float_equal(tally_latency_us(&t, 0.95), 19, 0);
    assert_float_equal(tally_latency_us(&t, 1.0), 20, 0);
    assert_float_equal(tally_latency_mean_us(&t), 10.5, 1e-9);
    tally_fini(&t);
}

static void test_what_is_no_answer_is_in_no_figure(void **state)
{
    struct tally t;
    struct eval_outcome right = outcome(EVAL_RIGHT, 1, 7);
    struct eval_outcome dropped = outcome(EVAL_DROPPED, 0, 9);
    (void) state;
    tally_init(&t);
    dropped.runs = 6;
    tally_add(&t, &right);
    tally_add(&t, &dropped);
    right.is_repeated = true;
    tally_add(&t, &right);
    assert_int_equal(t.items, 3);
    assert_int_equal(t.answers, 2);
    assert_int_equal(t.repeats, 5);
    assert_int_equal(t.latency_count, 1);
    assert_int_equal(t.calls, 4);
    assert_float_equal(t.usd, 1.0, 1e-12);
    assert_float_equal(tally_accuracy(&t).mean, 1.0, 0);
    assert_float_equal(tally_accuracy(&t).high, 1.0, 1e-12);
    tally_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_graded_and_reckoned),
        cmocka_unit_test(test_what_counts_as_wrong),
        cmocka_unit_test(test_an_answer_without_a_number_is_unparsable),
        cmocka_unit_test(test_an_item_without_an_ideal_to_read_is_no_answer),
        cmocka_unit_test(test_a_deadline_is_the_graph_s_own),
        cmocka_unit_test(test_a_small_context_is_a_wrong_answer_without_a_call),
        cmocka_unit_test(test_a_missing_capability_is_a_wrong_answer),
        cmocka_unit_test(test_an_item_that_no_graph_can_serve_is_no_answer),
        cmocka_unit_test(test_a_model_s_fallback_does_not_stand_in),
        cmocka_unit_test(test_what_breaks_is_run_again_after_a_while),
        cmocka_unit_test(test_a_429_of_an_inner_node_is_not_the_graph_s),
        cmocka_unit_test(test_the_same_draws_are_made_again),
        cmocka_unit_test(test_an_item_that_keeps_breaking_is_dropped),
        cmocka_unit_test(test_over_two_per_cent_dropped_stop_it),
        cmocka_unit_test(test_two_per_cent_are_borne),
        cmocka_unit_test(test_no_more_at_once_than_wanted),
        cmocka_unit_test(test_no_items_are_over_at_once),
        cmocka_unit_test(test_the_interval_is_wilson_s),
        cmocka_unit_test(test_what_is_no_answer_is_in_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
