/* What is expected of a graph's nodes, and what follows from it: deadlines, patience, the bill. */
#include "tests/unit/run_fixture.h"

#include "router/ledger_stats.h"

static struct model_def *model_at(struct world *w, unsigned i)
{
    return &w->snapshot->catalog->models[i];
}

/* As many calls as quantiles need, each of this time; quantiles are right within 9 %. */
static void has_taken(struct world *w, unsigned i, uint64_t us)
{
    for (unsigned k = 0; k < LEDGER_LATENCY_LEAST; k++) {
        ledger_note_latency(w->ledger, model_at(w, i)->ledger, us / 2, us, 10);
    }
}

/* ---- deadlines ---- */

static void what_follows_keeps_the_time_that_it_usually_takes(void **state)
{
    struct world *w = world_make("aa", (uint32_t[]) {0, 1}, false);
    (void) state;
    has_taken(w, 1, 2u * S);
    asks_for(w, STREAM, 10u * S);
    pass_us(w, 7700 * MS);
    assert_false(call_of(w, "m0")->cancelled);
    pass_us(w, 600 * MS);
    assert_true(call_of(w, "m0")->cancelled);
    answers(w, "m1", "alone");
    world_free(w);
}

static void what_follows_never_takes_more_than_half(void **state)
{
    struct world *w = world_make("aa", (uint32_t[]) {0, 1}, false);
    (void) state;
    has_taken(w, 1, 30u * S);
    asks_for(w, STREAM, 10u * S);
    pass_us(w, 4999 * MS);
    assert_false(call_of(w, "m0")->cancelled);
    pass_us(w, 1 * MS);
    assert_true(call_of(w, "m0")->cancelled);
    answers(w, "m1", "alone");
    world_free(w);
}

/* The configured speed speaks where nothing was measured: a second and 256 tokens of 10 ms. */
static void the_configured_speed_is_believed_before_any_call(void **state)
{
    struct world *w = world_make("aa", (uint32_t[]) {0, 1}, false);
    (void) state;
    model_at(w, 1)->first_token_us = 1 * S;
    model_at(w, 1)->token_us = 10 * MS;
    asks_for(w, STREAM, 10u * S);
    pass_us(w, 6439 * MS);
    assert_false(call_of(w, "m0")->cancelled);
    pass_us(w, 1 * MS);
    assert_true(call_of(w, "m0")->cancelled);
    answers(w, "m1", "alone");
    world_free(w);
}

/* ---- patience ---- */

#define PANEL "aaaf", (uint32_t[]) {0, 0, 0, 7}, false

static void a_model_known_to_be_slow_is_waited_for(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    has_taken(w, 2, 3u * S);
    asks_for(w, STREAM, 600u * S);
    pass_us(w, 300 * MS);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    pass_us(w, 2400 * MS); /* far more than twice as long as the others */
    assert_false(call_of(w, "m2")->cancelled);
    pass_us(w, 700 * MS);
    assert_true(call_of(w, "m2")->cancelled);
    answers(w, "m3", "fused");
    world_free(w);
}

static void less_than_a_fifth_of_a_second_is_nothing(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    asks_for(w, STREAM, 600u * S);
    pass_us(w, 10 * MS);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    pass_us(w, 189 * MS);
    assert_false(call_of(w, "m2")->cancelled);
    pass_us(w, 1 * MS);
    assert_true(call_of(w, "m2")->cancelled);
    answers(w, "m3", "fused");
    world_free(w);
}

/* ---- the bill ---- */

/* 0 -> 1 -> 2 and 0 -> 2, whose first answer has so many tokens: does node 1 start? */
static bool goes_on(bool has_params, double usd_per_mtok, unsigned answer_tokens)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 1, 3}, false);
    bool started;
    for (unsigned i = 0; i < 3; i++) {
        struct model_def *m = model_at(w, i);
        m->params = has_params ? m->params : 0.0;
        m->usd_per_mtok_input = usd_per_mtok;
        m->usd_per_mtok_output = usd_per_mtok;
    }
    asks(w, STREAM);
    begins(w, "m0");
    says(w, "m0", "{\"content\":\"dear\"}", "\"stop\"");
    ends(w, "m0", 10, answer_tokens);
    started = call_of(w, "m1") != NULL;
    if (started) {
        answers(w, "m1", "more");
    }
    answers(w, "m2", "fused");
    assert_string_equal(w->text, "fused");
    world_free(w);
    return started;
}

static void the_bill_is_in_flops_else_in_dollars_else_in_calls(void **state)
{
    (void) state;
    assert_true(goes_on(true, 0.0, 300));
    assert_false(goes_on(true, 0.0, 100000));
    assert_true(goes_on(false, 1.0, 300));
    assert_false(goes_on(false, 1.0, 100000));
    assert_true(goes_on(false, 0.0, 100000));
}

/* Of nothing seen yet nothing can be said but what may come at most: a chain of thinking models runs whole. */
static void before_any_call_an_answer_may_be_as_long_as_its_cap(void **state)
{
    struct world *w = world_make("aaa", (uint32_t[]) {0, 1, 2}, false);
    (void) state;
    for (unsigned i = 0; i < 3; i++) {
        model_at(w, i)->params = 1e9;
    }
    asks(w, STREAM);
    for (unsigned i = 0; i < 3; i++) {
        const char *model = model_at(w, i)->name;
        answers_in(w, model, "long", "\"stop\"", i > 0 ? 2010 : 10, 2000);
    }
    assert_string_equal(w->text, "long");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_keeps_the_time_that_it_usually_takes),
        cmocka_unit_test(what_follows_never_takes_more_than_half),
        cmocka_unit_test(the_configured_speed_is_believed_before_any_call),
        cmocka_unit_test(a_model_known_to_be_slow_is_waited_for),
        cmocka_unit_test(less_than_a_fifth_of_a_second_is_nothing),
        cmocka_unit_test(before_any_call_an_answer_may_be_as_long_as_its_cap),
        cmocka_unit_test(the_bill_is_in_flops_else_in_dollars_else_in_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
