#include "router/ledger_stats.h"

#include "cache/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000, SAMPLES = 1000 };

static int set_up(void **state)
{
    struct env env = env_system();
    *state = ledger_new(&env);
    return 0;
}

static int tear_down(void **state)
{
    ledger_free(*state);
    return 0;
}

static void near(double got, double want, double share)
{
    if (!(fabs(got - want) <= share * fabs(want))) {
        fail_msg("%.17g is not within %g of %.17g", got, share, want);
    }
}

static struct ledger_latency latency(struct ledger *l, struct ledger_model *m)
{
    struct ledger_latency out;
    memset(&out, 0xa5, sizeof(out));
    ledger_latency(l, m, &out);
    return out;
}

static struct ledger_token_means means(struct ledger *l, struct ledger_tokens *t,
                                       unsigned in_degree)
{
    struct ledger_token_means out;
    memset(&out, 0xa5, sizeof(out));
    ledger_token_means(l, t, in_degree, &out);
    return out;
}

static void note_total(struct ledger *l, struct ledger_model *m, uint64_t total_us, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        ledger_note_latency(l, m, total_us, total_us, 0);
    }
}

/* ---- entries ---- */

static void test_entries_are_kept(void **state)
{
    struct ledger *l = *state;
    char name[] = "model-1";
    struct ledger_model *m = ledger_model(l, name);
    struct ledger_tokens *t = ledger_tokens(l, "math", name);
    note_total(l, m, 5 * MS, 3);
    ledger_note_tokens(l, t, 0, 10, 0, 20);
    name[6] = '2'; /* names are copied */
    for (unsigned i = 0; i < 100; i++) {
        char other[32];
        snprintf(other, sizeof(other), "model-%u", i + 2);
        assert_ptr_not_equal(ledger_model(l, other), m);
        assert_ptr_not_equal(ledger_tokens(l, "math", other), t);
        assert_ptr_not_equal(ledger_tokens(l, other, "model-1"), t);
    }
    assert_ptr_equal(ledger_model(l, "model-1"), m);
    assert_ptr_equal(ledger_tokens(l, "math", "model-1"), t);
    assert_int_equal(latency(l, m).count, 3);
    assert_int_equal(means(l, t, 0).count, 1);
    assert_int_equal(latency(l, ledger_model(l, "model-2")).count, 0);
}

static void test_task_and_model_are_told_apart(void **state)
{
    struct ledger *l = *state;
    assert_ptr_not_equal(ledger_tokens(l, "ab", "c"), ledger_tokens(l, "a", "bc"));
    assert_ptr_not_equal(ledger_tokens(l, "", "ab"), ledger_tokens(l, "ab", ""));
    assert_ptr_not_equal(ledger_tokens(l, "a", "b"), ledger_tokens(l, "b", "a"));
}

/* ---- tokens ---- */

static void test_token_means_of_each_in_degree(void **state)
{
    struct ledger *l = *state;
    struct ledger_tokens *t = ledger_tokens(l, "math", "m");
    assert_int_equal(means(l, t, 0).count, 0);
    assert_true(means(l, t, 0).prompt == 0.0);
    ledger_note_tokens(l, t, 0, 100, 40, 10);
    ledger_note_tokens(l, t, 0, 200, 20, 20);
    ledger_note_tokens(l, t, 0, 600, 0, 60);
    ledger_note_tokens(l, t, LEDGER_IN_DEGREE_MAX, 5000, 1, 7);
    struct ledger_token_means got = means(l, t, 0);
    assert_int_equal(got.count, 3);
    near(got.prompt, 300, 1e-12);
    near(got.cached, 20, 1e-12);
    near(got.answer, 30, 1e-12);
    got = means(l, t, LEDGER_IN_DEGREE_MAX);
    assert_int_equal(got.count, 1);
    near(got.prompt, 5000, 1e-12);
    near(got.cached, 1, 1e-12);
    near(got.answer, 7, 1e-12);
    assert_int_equal(means(l, t, 1).count, 0);
}

/* What was noted before n notes weighs (1 - 1/512)^n. */
static void test_means_forget(void **state)
{
    struct ledger *l = *state;
    struct ledger_tokens *t = ledger_tokens(l, "math", "m");
    for (unsigned i = 0; i < 512; i++) {
        ledger_note_tokens(l, t, 2, 100, 0, 1000);
    }
    for (unsigned n = 1; n <= 2000; n++) {
        ledger_note_tokens(l, t, 2, 300, 0, 200);
        double weight = pow(1.0 - 1.0 / 512, n);
        near(means(l, t, 2).prompt, 300 - 200 * weight, 1e-9);
        near(means(l, t, 2).answer, 200 + 800 * weight, 1e-9);
    }
    assert_int_equal(means(l, t, 2).count, 2512);
}

/* ---- latency ---- */

static void test_means_of_latency(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *m = ledger_model(l, "m");
    assert_true(latency(l, m).first_s == 0.0);
    assert_true(latency(l, m).per_token_s == 0.0);
    ledger_note_latency(l, m, 200 * MS, 900 * MS, 0); /* no usage: says nothing of tokens */
    ledger_note_latency(l, m, 400 * MS, 900 * MS, 1);
    near(latency(l, m).first_s, 0.3, 1e-12);
    assert_true(latency(l, m).per_token_s == 0.0);
    ledger_note_latency(l, m, 600 * MS, 1600 * MS, 101); /* 100 tokens in 1 s */
    ledger_note_latency(l, m, 800 * MS, 1600 * MS, 21);  /* 20 tokens in 0.8 s */
    near(latency(l, m).first_s, 0.5, 1e-12);
    near(latency(l, m).per_token_s, 1.8 / 120, 1e-12);
    assert_int_equal(latency(l, m).count, 4);
    ledger_note_latency(l, m, 500 * MS, 100 * MS, 2); /* clocks read in another order */
    near(latency(l, m).per_token_s, 1.8 / 121, 1e-12);
}

static void test_first_token_forgets(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *m = ledger_model(l, "m");
    for (unsigned i = 0; i < 600; i++) {
        ledger_note_latency(l, m, 1000 * MS, 2000 * MS, 11);
    }
    for (unsigned i = 0; i < 512; i++) {
        ledger_note_latency(l, m, 3000 * MS, 8000 * MS, 11);
    }
    double weight = pow(1.0 - 1.0 / 512, 512);
    near(latency(l, m).first_s, 3 - 2 * weight, 1e-9);
    near(latency(l, m).per_token_s, (5 - 4 * weight) / 10, 1e-9);
}

static void test_quantiles_only_of_enough_calls(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *m = ledger_model(l, "m");
    note_total(l, m, 700 * MS, LEDGER_LATENCY_LEAST - 1);
    assert_int_equal(latency(l, m).p50_us, 0);
    assert_int_equal(latency(l, m).p95_us, 0);
    note_total(l, m, 700 * MS, 1);
    near((double) latency(l, m).p50_us, 700 * MS, 0.09);
    near((double) latency(l, m).p95_us, 700 * MS, 0.09);
}

/* Every time of the range alone: 20 equal calls. */
static void test_every_time_within_nine_percent(void **state)
{
    struct ledger *l = *state;
    for (double ms = 1.0; ms < 35.0 * 60 * 1000 / 1.05; ms *= 1.013) {
        char name[32];
        snprintf(name, sizeof(name), "%.6f", ms);
        struct ledger_model *m = ledger_model(l, name);
        note_total(l, m, (uint64_t) (ms * MS), LEDGER_LATENCY_LEAST);
        near((double) latency(l, m).p50_us, ms * MS, 0.05);
        near((double) latency(l, m).p95_us, ms * MS, 0.05);
    }
}

static void test_times_beyond_the_buckets(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *fast = ledger_model(l, "fast");
    struct ledger_model *slow = ledger_model(l, "slow");
    note_total(l, fast, 0, LEDGER_LATENCY_LEAST);
    note_total(l, slow, UINT64_MAX, LEDGER_LATENCY_LEAST);
    assert_in_range(latency(l, fast).p95_us, 1, 1100);
    assert_in_range(latency(l, slow).p50_us, UINT64_C(33) * 60 * 1000 * MS,
                    UINT64_C(36) * 60 * 1000 * MS);
}

/* The samples are f(1/1000), f(2/1000) ... f(1) in an order of no order: the quantile q is f(q). */
static void check_quantiles(struct ledger *l, const char *name, double (*f)(double share))
{
    struct ledger_model *m = ledger_model(l, name);
    for (unsigned i = 0; i < SAMPLES; i++) {
        unsigned rank = i * 617 % SAMPLES + 1;
        note_total(l, m, (uint64_t) f((double) rank / SAMPLES), 1);
    }
    near((double) latency(l, m).p50_us, f(0.5), 0.09);
    near((double) latency(l, m).p95_us, f(0.95), 0.09);
}

static double uniform(double share)
{
    return share * 20e6;
}

static double exponential(double share)
{
    return -log(1.0005 - share) * 3e6;
}

static double power_law(double share)
{
    return 50e3 * pow(1.0005 - share, -0.8);
}

static void test_quantiles_of_known_samples(void **state)
{
    check_quantiles(*state, "uniform", uniform);
    check_quantiles(*state, "exponential", exponential);
    check_quantiles(*state, "power law", power_law);
}

static void test_quantiles_follow_a_change(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *m = ledger_model(l, "m");
    note_total(l, m, 100 * MS, 40000);
    near((double) latency(l, m).p95_us, 100 * MS, 0.09);
    note_total(l, m, 900 * MS, 1000);
    near((double) latency(l, m).p50_us, 100 * MS, 0.09);
    near((double) latency(l, m).p95_us, 900 * MS, 0.09);
    note_total(l, m, 900 * MS, 4096);
    near((double) latency(l, m).p50_us, 900 * MS, 0.09);
    note_total(l, m, 900 * MS, 12 * 4096);
    note_total(l, m, 20 * MS, 1);
    near((double) latency(l, m).p95_us, 900 * MS, 0.09);
    assert_int_equal(latency(l, m).count, 40000 + 1000 + 13 * 4096 + 1);
}

/* One call in eighteen is late, each by another time: the 95th percentile is theirs, also right after
 * counts were halved. */
static void test_halving_keeps_a_thin_tail(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *m = ledger_model(l, "m");
    for (unsigned i = 0; i < 15000; i++) {
        double late_us = 10e6 * exp2(i / 18 * 37 % 97 / 14.0);
        note_total(l, m, i % 18 == 0 ? (uint64_t) late_us : 1000 * MS, 1);
        if (i >= LEDGER_LATENCY_LEAST) {
            near((double) latency(l, m).p50_us, 1000 * MS, 0.09);
            assert_true(latency(l, m).p95_us > 9000 * MS);
        }
    }
}

/* ---- calls ---- */

static void test_what_a_call_says(void **state)
{
    struct ledger *l = *state;
    struct ledger_model *m = ledger_model(l, "m");
    struct ledger_tokens *t = ledger_tokens(l, "math", "m");
    struct call_record c = {.reason = END_COMPLETE,
                            .start_us = 400 * MS,
                            .slot_us = 1000 * MS, /* the queue is not the model's */
                            .first_content_us = 1200 * MS,
                            .end_us = 1600 * MS,
                            .usage = {.known = true, .prompt = 30, .cached = 10, .completion = 5}};
    ledger_note_call(l, m, t, 2, true, &c);
    assert_int_equal(latency(l, m).count, 1);
    near(latency(l, m).first_s, 0.2, 1e-6);
    near(latency(l, m).per_token_s, 0.1, 1e-6);
    near(means(l, t, 2).prompt, 30, 1e-6);
    near(means(l, t, 2).answer, 5, 1e-6);
    ledger_note_call(l, m, t, 2, false, &c); /* a whole reply has tokens, and no first one */
    assert_int_equal(latency(l, m).count, 1);
    assert_int_equal(means(l, t, 2).count, 2);
    c.fallbacks = 1; /* another model answered */
    ledger_note_call(l, m, t, 2, true, &c);
    c.fallbacks = 0;
    c.reason = END_CUT;
    ledger_note_call(l, m, t, 2, true, &c);
    assert_int_equal(latency(l, m).count, 1);
    assert_int_equal(means(l, t, 2).count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_entries_are_kept),
        TEST(test_task_and_model_are_told_apart),
        TEST(test_token_means_of_each_in_degree),
        TEST(test_means_forget),
        TEST(test_means_of_latency),
        TEST(test_first_token_forgets),
        TEST(test_quantiles_only_of_enough_calls),
        TEST(test_every_time_within_nine_percent),
        TEST(test_times_beyond_the_buckets),
        TEST(test_quantiles_of_known_samples),
        TEST(test_quantiles_follow_a_change),
        TEST(test_halving_keeps_a_thin_tail),
        TEST(test_what_a_call_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
