#include "router/ledger.h"

#include "tests/unit/ledger_fixture.h"

#include <limits.h>
#include <string.h>

enum { MINUTE_US = 60 * SECOND_US };

static struct ledger_key *key_with(struct fixture *f, uint32_t tag, unsigned requests,
                                   unsigned tokens, unsigned in_flight)
{
    struct ledger_key_limits limits = {requests, tokens, in_flight};
    return ledger_key(f->ledger, tag, &limits);
}

static struct ledger_admission enter(struct fixture *f, struct ledger_key *key, uint64_t tokens)
{
    struct ledger_admission a;
    memset(&a, 0xa5, sizeof(a));
    ledger_key_enter(f->ledger, key, tokens, &a);
    return a;
}

static void expect_admitted(struct fixture *f, struct ledger_key *key, uint64_t tokens)
{
    struct ledger_admission a = enter(f, key, tokens);
    assert_int_equal(a.refused, LIMIT_NONE);
    assert_int_equal(a.retry_us, 0);
}

static void expect_refused(struct fixture *f, struct ledger_key *key, uint64_t tokens,
                           enum ledger_limit limit, uint64_t retry_us)
{
    struct ledger_admission a = enter(f, key, tokens);
    assert_int_equal(a.refused, limit);
    assert_int_equal(a.retry_us, retry_us);
}

static void leave(struct fixture *f, struct ledger_key *key, uint64_t estimated, uint64_t real)
{
    ledger_key_leave(f->ledger, key, estimated, real);
}

static void test_no_limits(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 0, 0, 0);
    for (unsigned i = 0; i < 10000; i++) {
        struct ledger_admission a = enter(f, key, UINT64_MAX);
        assert_int_equal(a.refused, LIMIT_NONE);
        assert_int_equal(a.limits.requests_per_minute, 0);
        assert_int_equal(a.requests_left, 0);
        assert_int_equal(a.tokens_left, 0);
        assert_int_equal(a.requests_reset_us, 0);
        assert_int_equal(a.tokens_reset_us, 0);
    }
}

static void test_requests_refill_evenly(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 6, 0, 0); /* one in 10 s */
    for (unsigned i = 0; i < 6; i++) {
        struct ledger_admission a = enter(f, key, 0);
        assert_int_equal(a.refused, LIMIT_NONE);
        assert_int_equal(a.limits.requests_per_minute, 6);
        assert_int_equal(a.requests_left, 5 - i);
        assert_int_equal(a.requests_reset_us, (i + 1) * 10 * SECOND_US);
    }
    expect_refused(f, key, 0, LIMIT_REQUESTS, 10 * SECOND_US);
    f->clock.now_us += 4 * SECOND_US;
    expect_refused(f, key, 0, LIMIT_REQUESTS, 6 * SECOND_US);
    f->clock.now_us += 6 * SECOND_US - 1;
    expect_refused(f, key, 0, LIMIT_REQUESTS, 1);
    f->clock.now_us += 1;
    expect_admitted(f, key, 0);
    expect_refused(f, key, 0, LIMIT_REQUESTS, 10 * SECOND_US);
}

static void test_retry_is_right_for_limits_that_do_not_divide_a_minute(void **state)
{
    struct fixture *f = *state;
    for (unsigned limit = 1; limit < 200; limit += 7) {
        struct ledger_key *key = key_with(f, limit, limit, 0, 0);
        for (unsigned i = 0; i < limit; i++) {
            expect_admitted(f, key, 0);
        }
        for (unsigned i = 0; i < 20; i++) {
            struct ledger_admission a = enter(f, key, 0);
            assert_int_equal(a.refused, LIMIT_REQUESTS);
            f->clock.now_us += a.retry_us - 1;
            expect_refused(f, key, 0, LIMIT_REQUESTS, 1);
            f->clock.now_us += 1;
            expect_admitted(f, key, 0);
        }
    }
}

static void test_times_are_rounded_up(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 7, 0, 0);
    assert_int_equal(enter(f, key, 0).requests_reset_us, 8571429); /* 60 s / 7 = 8571428.57 us */
    for (unsigned i = 1; i < 7; i++) {
        expect_admitted(f, key, 0);
    }
    expect_refused(f, key, 0, LIMIT_REQUESTS, 8571429);
}

/* However often it is asked, no more is admitted than the bucket and what flowed in. */
static void test_the_rate_holds_over_an_hour(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 7, 0, 0);
    unsigned admitted = 0;
    for (uint64_t t = 0; t < 60 * (uint64_t) MINUTE_US; t += 333333) {
        admitted += enter(f, key, 0).refused == LIMIT_NONE ? 1 : 0;
        f->clock.now_us += 333333;
    }
    assert_in_range(admitted, 7 * 60, 7 + 7 * 60);
}

static void test_a_bucket_never_holds_more_than_a_minute(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 3, 100, 0);
    f->clock.now_us += 1000000 * (uint64_t) MINUTE_US;
    struct ledger_admission a = enter(f, key, 10);
    assert_int_equal(a.requests_left, 2);
    assert_int_equal(a.tokens_left, 90);
    leave(f, key, 10, 0);
    expect_admitted(f, key, 0);
    leave(f, key, 1000, 0);
    assert_int_equal(enter(f, key, 0).tokens_left, 100);
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 0, 600, 0); /* ten a second */
    struct ledger_admission a = enter(f, key, 450);
    assert_int_equal(a.refused, LIMIT_NONE);
    assert_int_equal(a.limits.tokens_per_minute, 600);
    assert_int_equal(a.tokens_left, 150);
    assert_int_equal(a.tokens_reset_us, 45 * SECOND_US);
    a = enter(f, key, 200);
    assert_int_equal(a.refused, LIMIT_TOKENS);
    assert_int_equal(a.retry_us, 5 * SECOND_US);
    assert_int_equal(a.tokens_left, 150); /* nothing was taken */
    expect_admitted(f, key, 150);
    expect_admitted(f, key, 0);
    expect_refused(f, key, 1, LIMIT_TOKENS, SECOND_US / 10);
}

static void test_the_estimate_is_corrected(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 0, 600, 0);
    expect_admitted(f, key, 500);
    leave(f, key, 500, 100);
    struct ledger_admission a = enter(f, key, 0);
    assert_int_equal(a.tokens_left, 500);
    leave(f, key, 0, 800); /* 300 of debt */
    a = enter(f, key, 10);
    assert_int_equal(a.refused, LIMIT_TOKENS);
    assert_int_equal(a.tokens_left, 0);
    assert_int_equal(a.retry_us, 31 * SECOND_US);
    assert_int_equal(a.tokens_reset_us, 90 * SECOND_US);
    f->clock.now_us += 31 * SECOND_US;
    expect_admitted(f, key, 10);
}

/* A correction downwards arrives when the bucket has refilled meanwhile: it stays at a minute's worth. */
static void test_correction_counts_the_refill_first(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 0, 600, 0);
    expect_admitted(f, key, 600);
    f->clock.now_us += 30 * SECOND_US; /* 300 */
    leave(f, key, 600, 500);           /* 400 */
    assert_int_equal(enter(f, key, 0).tokens_left, 400);
    f->clock.now_us += MINUTE_US; /* full */
    leave(f, key, 0, 100);
    assert_int_equal(enter(f, key, 0).tokens_left, 500);
}

static void test_a_request_larger_than_the_bucket(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 0, 600, 0);
    expect_admitted(f, key, 1);
    expect_refused(f, key, 1800, LIMIT_TOKENS, SECOND_US / 10);
    f->clock.now_us += SECOND_US / 10;
    struct ledger_admission a = enter(f, key, 1800);
    assert_int_equal(a.refused, LIMIT_NONE);
    assert_int_equal(a.tokens_left, 0);
    assert_int_equal(a.tokens_reset_us, 180 * (uint64_t) SECOND_US);
    expect_refused(f, key, 1, LIMIT_TOKENS, 120 * (uint64_t) SECOND_US + SECOND_US / 10);
}

static void test_absurd_numbers_do_not_run_over(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, UINT_MAX, UINT_MAX, UINT_MAX);
    struct ledger_admission a = enter(f, key, 0);
    assert_int_equal(a.requests_left, UINT_MAX - 1);
    assert_int_equal(a.tokens_left, UINT_MAX);
    for (unsigned i = 0; i < 200; i++) {
        expect_admitted(f, key, 0);
        leave(f, key, 0, UINT64_MAX);
        f->clock.now_us += 3600 * (uint64_t) SECOND_US;
    }
    struct ledger_key *small = key_with(f, 2, 1, 1, 0);
    for (unsigned i = 0; i < 200; i++) {
        f->clock.now_us = UINT64_MAX / 2 + i * (UINT64_MAX / 1000);
        a = enter(f, small, UINT64_MAX);
        if (a.refused == LIMIT_NONE) {
            leave(f, small, UINT64_MAX, UINT64_MAX);
        }
        assert_int_equal(a.tokens_left, 0);
        assert_true(a.tokens_reset_us > 0);
    }
}

static void test_in_flight(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 5, 0, 2);
    expect_admitted(f, key, 0);
    expect_admitted(f, key, 0);
    struct ledger_admission a = enter(f, key, 0);
    assert_int_equal(a.refused, LIMIT_IN_FLIGHT);
    assert_int_equal(a.retry_us, LEDGER_IN_FLIGHT_RETRY_MS * 1000);
    assert_int_equal(a.requests_left, 3);
    assert_int_equal(a.limits.max_in_flight, 2);
    leave(f, key, 0, 0);
    expect_admitted(f, key, 0);
    leave(f, key, 0, 0);
    leave(f, key, 0, 0);
}

/* The first limit in order is named; the wait is until none refuses. */
static void test_several_refuse(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 1, 600, 1);
    expect_admitted(f, key, 600);
    expect_refused(f, key, 1, LIMIT_REQUESTS, MINUTE_US);
    struct ledger_key *other = key_with(f, 2, 60, 1, 1);
    expect_admitted(f, other, 1);
    expect_refused(f, other, 1, LIMIT_TOKENS, MINUTE_US);
    expect_refused(f, other, 0, LIMIT_IN_FLIGHT, LEDGER_IN_FLIGHT_RETRY_MS * 1000);
}

static void test_new_limits(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 60, 0, 0);
    for (unsigned i = 0; i < 40; i++) {
        expect_admitted(f, key, 0);
    }
    assert_ptr_equal(key_with(f, 1, 60, 100, 0), key); /* same limit: the level stays */
    struct ledger_admission a = enter(f, key, 10);
    assert_int_equal(a.requests_left, 19);
    assert_int_equal(a.tokens_left, 90); /* a limit that is new begins full */
    key_with(f, 1, 120, 100, 0);
    a = enter(f, key, 0);
    assert_int_equal(a.requests_left, 18); /* a larger one is not filled up */
    assert_int_equal(a.requests_reset_us, 51 * SECOND_US);
    key_with(f, 1, 10, 100, 0);
    assert_int_equal(enter(f, key, 0).requests_left, 9); /* a smaller one holds less */
    key_with(f, 1, 0, 0, 0);
    for (unsigned i = 0; i < 100; i++) {
        expect_admitted(f, key, 1000);
    }
}

static void test_time_before_a_change_counts_by_the_old_limit(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 60, 0, 0);
    for (unsigned i = 0; i < 60; i++) {
        expect_admitted(f, key, 0);
    }
    f->clock.now_us += 30 * SECOND_US;
    key_with(f, 1, 600, 0, 0);
    assert_int_equal(enter(f, key, 0).requests_left, 29);
}

static void test_limits_change_with_calls_in_flight(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 0, 0, 3);
    expect_admitted(f, key, 0);
    expect_admitted(f, key, 0);
    key_with(f, 1, 0, 0, 1);
    leave(f, key, 0, 0);
    expect_refused(f, key, 0, LIMIT_IN_FLIGHT, LEDGER_IN_FLIGHT_RETRY_MS * 1000);
    leave(f, key, 0, 0);
    expect_admitted(f, key, 0);
}

static void test_keys_are_apart(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *a = key_with(f, 0, 1, 0, 0);
    struct ledger_key *b = key_with(f, UINT32_MAX, 1, 0, 0);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(key_with(f, 0, 1, 0, 0), a);
    expect_admitted(f, a, 0);
    expect_refused(f, a, 0, LIMIT_REQUESTS, MINUTE_US);
    expect_admitted(f, b, 0);
}

/* Threads read the clock before they take the lock. */
static void test_a_clock_read_late_takes_nothing_back(void **state)
{
    struct fixture *f = *state;
    struct ledger_key *key = key_with(f, 1, 6, 0, 0);
    for (unsigned i = 0; i < 6; i++) {
        expect_admitted(f, key, 0);
    }
    f->clock.now_us += 10 * SECOND_US;
    expect_admitted(f, key, 0);
    f->clock.now_us -= 5;
    expect_refused(f, key, 0, LIMIT_REQUESTS, 10 * SECOND_US);
    f->clock.now_us += 5;
    expect_refused(f, key, 0, LIMIT_REQUESTS, 10 * SECOND_US);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_limits),
        TEST(test_requests_refill_evenly),
        TEST(test_retry_is_right_for_limits_that_do_not_divide_a_minute),
        TEST(test_times_are_rounded_up),
        TEST(test_the_rate_holds_over_an_hour),
        TEST(test_a_bucket_never_holds_more_than_a_minute),
        TEST(test_tokens),
        TEST(test_the_estimate_is_corrected),
        TEST(test_correction_counts_the_refill_first),
        TEST(test_a_request_larger_than_the_bucket),
        TEST(test_absurd_numbers_do_not_run_over),
        TEST(test_in_flight),
        TEST(test_several_refuse),
        TEST(test_new_limits),
        TEST(test_time_before_a_change_counts_by_the_old_limit),
        TEST(test_limits_change_with_calls_in_flight),
        TEST(test_keys_are_apart),
        TEST(test_a_clock_read_late_takes_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
