#include "router/ledger.h"

#include "tests/unit/ledger_fixture.h"

#include <string.h>

static void expect_breaker(struct fixture *f, enum ledger_breaker state, uint64_t openings)
{
    struct ledger_upstream_state s = state_of(f);
    assert_int_equal(s.breaker, state);
    assert_int_equal(s.openings, openings);
}

static void call(struct fixture *f, enum ledger_outcome outcome)
{
    assert_int_equal(ask(f, 0), LEDGER_GRANTED);
    release(f, outcome);
}

/* From closed to open by failures in a row; returns the time it stays so. */
static uint64_t open_it(struct fixture *f)
{
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES; i++) {
        call(f, LEDGER_FAILED);
    }
    assert_int_equal(ask(f, 0), LEDGER_BROKEN);
    return f->callers[0].retry_us;
}

static void pass(struct fixture *f, uint64_t time_us)
{
    f->clock.now_us += time_us;
}

static void expect_about(uint64_t time_us, uint64_t base_us)
{
    assert_in_range(time_us, base_us / 4 * 3, base_us / 4 * 5);
}

static struct fixture *wide(void **state)
{
    struct fixture *f = *state;
    (void) ledger_upstream(f->ledger, "local", 16, 16);
    return f;
}

/* ---- closed ---- */

static void test_failures_in_a_row_open_it(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
        call(f, LEDGER_FAILED);
        expect_breaker(f, BREAKER_CLOSED, 0);
    }
    call(f, LEDGER_FAILED);
    expect_breaker(f, BREAKER_OPEN, 1);
    assert_int_equal(ask(f, 1), LEDGER_BROKEN);
    assert_null(f->callers[1].ticket);
    expect_about(f->callers[1].retry_us, SECOND_US);
    expect_counts(f, 0, 0);
}

static void test_a_healthy_call_starts_the_count_again(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
            call(f, LEDGER_FAILED);
        }
        call(f, LEDGER_HEALTHY);
    }
    expect_breaker(f, BREAKER_CLOSED, 0);
}

static void test_a_neutral_call_is_not_counted(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
        call(f, LEDGER_FAILED);
        call(f, LEDGER_NEUTRAL);
    }
    expect_breaker(f, BREAKER_CLOSED, 0);
    call(f, LEDGER_FAILED);
    expect_breaker(f, BREAKER_OPEN, 1);
}

static void test_first_content_does_not_start_the_count_again(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES; i++) {
        assert_int_equal(ask(f, 0), LEDGER_GRANTED);
        ledger_alive(f->ledger, f->up);
        release(f, LEDGER_FAILED);
    }
    expect_breaker(f, BREAKER_OPEN, 1);
}

static void test_upstreams_have_breakers_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct ledger_upstream *local = f->up;
    struct ledger_upstream *other = ledger_upstream(f->ledger, "other", 2, 8);
    uint64_t first_us = open_it(f);
    f->up = other;
    call(f, LEDGER_HEALTHY);
    uint64_t second_us = open_it(f);
    assert_true(first_us != second_us); /* jitter */
    f->up = local;
}

/* ---- open ---- */

static void test_opening_turns_waiters_away(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
        call(f, LEDGER_FAILED);
    }
    assert_int_equal(ask(f, 0), LEDGER_GRANTED);
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
    for (size_t i = 2; i < 6; i++) {
        enum ledger_class class = i % 2 == 0 ? LEDGER_LIVE : LEDGER_LAB;
        assert_int_equal(ask_as(f, i, (uint32_t) i, class), LEDGER_QUEUED);
    }
    pass(f, 77);
    release(f, LEDGER_FAILED);
    expect_counts(f, 1, 0);
    withdraw(f, 5); /* with the refusal in the mail: no slot comes back */
    expect_counts(f, 1, 0);
    pass(f, 99);
    assert_int_equal(ask(f, 7), LEDGER_BROKEN);
    assert_int_equal(take_mail(f), 4);
    for (size_t i = 2; i < 5; i++) {
        assert_int_equal(f->callers[i].answer, LEDGER_BROKEN);
        assert_int_equal(f->callers[i].retry_us, f->callers[7].retry_us + 99);
    }
    assert_int_equal(f->callers[5].answer, NO_ANSWER);
    release(f, LEDGER_NEUTRAL);
    expect_counts(f, 0, 0);
}

static void test_a_mailbox_freed_with_refusals_gives_no_slot_back(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
        call(f, LEDGER_FAILED);
    }
    assert_int_equal(ask(f, 0), LEDGER_GRANTED);
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
    assert_int_equal(ask(f, 2), LEDGER_QUEUED);
    release(f, LEDGER_FAILED);
    mailbox_free(f->box);
    f->box = mailbox_new(4, NULL);
    assert_non_null(f->box);
    expect_counts(f, 1, 0);
}

static void test_a_grant_from_before_is_still_good(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 2; i++) {
        call(f, LEDGER_FAILED);
    }
    assert_int_equal(ask(f, 0), LEDGER_GRANTED);
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
    assert_int_equal(ask(f, 2), LEDGER_QUEUED);
    release(f, LEDGER_FAILED); /* 2 is granted */
    release(f, LEDGER_FAILED); /* and now it opens */
    expect_breaker(f, BREAKER_OPEN, 1);
    assert_int_equal(take_mail(f), 1);
    assert_int_equal(f->callers[2].answer, LEDGER_GRANTED);
    expect_counts(f, 1, 0);
}

static void test_calls_from_before_say_nothing_while_it_is_open(void **state)
{
    struct fixture *f = wide(state);
    for (size_t i = 8; i < 14; i++) {
        assert_int_equal(ask(f, i), LEDGER_GRANTED);
    }
    uint64_t open_us = open_it(f);
    static const enum ledger_outcome outcomes[] = {LEDGER_HEALTHY, LEDGER_FAILED,  LEDGER_NEUTRAL,
                                                   LEDGER_FAILED,  LEDGER_HEALTHY, LEDGER_FAILED};
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        release(f, outcomes[i]);
        ledger_alive(f->ledger, f->up);
        expect_breaker(f, BREAKER_OPEN, 1);
    }
    assert_int_equal(ask(f, 0), LEDGER_BROKEN);
    assert_int_equal(f->callers[0].retry_us, open_us);
    expect_counts(f, 0, 0);
}

static void test_open_time_runs_out(void **state)
{
    struct fixture *f = *state;
    uint64_t open_us = open_it(f);
    pass(f, open_us - 1);
    assert_int_equal(ask(f, 1), LEDGER_BROKEN);
    assert_int_equal(f->callers[1].retry_us, 1);
    expect_breaker(f, BREAKER_OPEN, 1);
    pass(f, 1);
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
    expect_breaker(f, BREAKER_HALF_OPEN, 1);
}

static void test_no_probe_while_old_calls_hold_every_slot(void **state)
{
    struct fixture *f = wide(state);
    assert_int_equal(ask(f, 8), LEDGER_GRANTED);
    pass(f, open_it(f));
    (void) ledger_upstream(f->ledger, "local", 1, 8);
    assert_int_equal(ask(f, 1), LEDGER_BROKEN);
    assert_int_equal(f->callers[1].retry_us, LEDGER_BREAKER_MIN_MS * 1000);
    expect_breaker(f, BREAKER_OPEN, 1);
    expect_counts(f, 1, 0);
    release(f, LEDGER_FAILED);
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
    expect_breaker(f, BREAKER_HALF_OPEN, 1);
}

/* ---- half open ---- */

static struct fixture *half_open(void **state, size_t old_calls)
{
    struct fixture *f = wide(state);
    for (size_t i = 0; i < old_calls; i++) {
        assert_int_equal(ask(f, 8 + i), LEDGER_GRANTED);
    }
    pass(f, open_it(f));
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
    expect_breaker(f, BREAKER_HALF_OPEN, 1);
    return f;
}

static void test_one_probe_at_a_time(void **state)
{
    struct fixture *f = half_open(state, 0);
    for (unsigned i = 0; i < 3; i++) {
        pass(f, 9 * (uint64_t) SECOND_US);
        assert_int_equal(ask(f, 2), LEDGER_BROKEN);
        assert_int_equal(f->callers[2].retry_us, LEDGER_BREAKER_MIN_MS * 1000);
    }
    expect_counts(f, 1, 0);
}

static void test_a_probe_that_takes_long_is_not_the_only_one(void **state)
{
    struct fixture *f = half_open(state, 0);
    pass(f, LEDGER_BREAKER_MAX_MS * (uint64_t) 1000 - 1);
    assert_int_equal(ask(f, 2), LEDGER_BROKEN);
    pass(f, 1);
    assert_int_equal(ask(f, 2), LEDGER_GRANTED);
    assert_int_equal(ask(f, 3), LEDGER_BROKEN);
    pass(f, LEDGER_BREAKER_MAX_MS * (uint64_t) 1000 - 1);
    assert_int_equal(ask(f, 3), LEDGER_BROKEN);
    expect_counts(f, 2, 0);
    release(f, LEDGER_HEALTHY);
    expect_breaker(f, BREAKER_CLOSED, 1);
}

static void test_a_healthy_probe_closes_it(void **state)
{
    struct fixture *f = half_open(state, 0);
    release(f, LEDGER_HEALTHY);
    expect_breaker(f, BREAKER_CLOSED, 1);
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
        call(f, LEDGER_FAILED);
    }
    expect_breaker(f, BREAKER_CLOSED, 1);
}

static void test_a_failed_probe_opens_it_for_twice_as_long(void **state)
{
    struct fixture *f = half_open(state, 0);
    release(f, LEDGER_FAILED);
    expect_breaker(f, BREAKER_OPEN, 2);
    assert_int_equal(ask(f, 2), LEDGER_BROKEN);
    expect_about(f->callers[2].retry_us, 2 * SECOND_US);
}

static void test_after_a_neutral_probe_the_next_caller_probes(void **state)
{
    struct fixture *f = half_open(state, 0);
    release(f, LEDGER_NEUTRAL);
    expect_breaker(f, BREAKER_OPEN, 1);
    assert_int_equal(ask(f, 2), LEDGER_GRANTED);
    assert_int_equal(ask(f, 3), LEDGER_BROKEN);
    expect_breaker(f, BREAKER_HALF_OPEN, 1);
    release(f, LEDGER_HEALTHY);
    expect_breaker(f, BREAKER_CLOSED, 1);
}

static void test_first_content_closes_it(void **state)
{
    struct fixture *f = half_open(state, 0);
    ledger_alive(f->ledger, f->up);
    expect_breaker(f, BREAKER_CLOSED, 1);
    assert_int_equal(ask(f, 2), LEDGER_GRANTED);
    expect_counts(f, 2, 0);
}

static void test_an_old_call_that_fails_opens_it_and_the_probe_counts_no_more(void **state)
{
    struct fixture *f = half_open(state, 1);
    release(f, LEDGER_FAILED);
    expect_breaker(f, BREAKER_OPEN, 2);
    release(f, LEDGER_HEALTHY);
    ledger_alive(f->ledger, f->up);
    expect_breaker(f, BREAKER_OPEN, 2);
    assert_int_equal(ask(f, 2), LEDGER_BROKEN);
    pass(f, f->callers[2].retry_us);
    assert_int_equal(ask(f, 2), LEDGER_GRANTED);
    release(f, LEDGER_HEALTHY);
    expect_breaker(f, BREAKER_CLOSED, 2);
    expect_counts(f, 0, 0);
}

static void test_an_old_call_that_is_healthy_closes_it(void **state)
{
    struct fixture *f = half_open(state, 1);
    release(f, LEDGER_HEALTHY);
    expect_breaker(f, BREAKER_CLOSED, 1);
    release(f, LEDGER_FAILED); /* the probe is one failure like any other */
    expect_breaker(f, BREAKER_CLOSED, 1);
    expect_counts(f, 0, 0);
}

/* ---- how long ---- */

static void test_open_time_doubles_up_to_the_most(void **state)
{
    struct fixture *f = *state;
    static const uint64_t seconds[] = {1, 2, 4, 8, 16, 30, 30, 30};
    uint64_t open_us = open_it(f);
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        expect_about(open_us, seconds[i] * SECOND_US);
        pass(f, open_us);
        assert_int_equal(ask(f, 0), LEDGER_GRANTED);
        release(f, LEDGER_FAILED);
        assert_int_equal(ask(f, 0), LEDGER_BROKEN);
        open_us = f->callers[0].retry_us;
    }
    for (unsigned i = 0; i < 100; i++) { /* no shift runs over */
        pass(f, open_us);
        call(f, LEDGER_FAILED);
        assert_int_equal(ask(f, 0), LEDGER_BROKEN);
        open_us = f->callers[0].retry_us;
        expect_about(open_us, 30 * SECOND_US);
    }
}

static void test_only_a_healthy_end_starts_the_time_again(void **state)
{
    struct fixture *f = half_open(state, 0);
    ledger_alive(f->ledger, f->up);
    release(f, LEDGER_FAILED); /* cut after its first content */
    for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES - 1; i++) {
        call(f, LEDGER_FAILED);
    }
    assert_int_equal(ask(f, 0), LEDGER_BROKEN);
    expect_about(f->callers[0].retry_us, 2 * SECOND_US);
    pass(f, f->callers[0].retry_us);
    call(f, LEDGER_HEALTHY);
    expect_about(open_it(f), SECOND_US);
}

/* 200 draws of [3/4, 5/4): each tenth of it is hit, the mean is in the middle. */
static void test_jitter_is_even(void **state)
{
    struct fixture *f = *state;
    unsigned tenths[10] = {0};
    uint64_t sum_us = 0;
    for (unsigned i = 0; i < 200; i++) {
        uint64_t open_us = open_it(f);
        expect_about(open_us, SECOND_US);
        assert_true(open_us < SECOND_US / 4 * 5);
        tenths[(open_us - SECOND_US / 4 * 3) / (SECOND_US / 20)]++;
        sum_us += open_us;
        pass(f, open_us);
        call(f, LEDGER_HEALTHY);
    }
    for (size_t i = 0; i < ARRAY_LEN(tenths); i++) {
        assert_in_range(tenths[i], 5, 40); /* 20 expected, deviation 4.2 */
    }
    assert_in_range(sum_us / 200, SECOND_US * 96 / 100, SECOND_US * 104 / 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_failures_in_a_row_open_it),
        TEST(test_a_healthy_call_starts_the_count_again),
        TEST(test_a_neutral_call_is_not_counted),
        TEST(test_first_content_does_not_start_the_count_again),
        TEST(test_upstreams_have_breakers_of_their_own),
        TEST(test_opening_turns_waiters_away),
        TEST(test_a_mailbox_freed_with_refusals_gives_no_slot_back),
        TEST(test_a_grant_from_before_is_still_good),
        TEST(test_calls_from_before_say_nothing_while_it_is_open),
        TEST(test_open_time_runs_out),
        TEST(test_no_probe_while_old_calls_hold_every_slot),
        TEST(test_one_probe_at_a_time),
        TEST(test_a_probe_that_takes_long_is_not_the_only_one),
        TEST(test_a_healthy_probe_closes_it),
        TEST(test_a_failed_probe_opens_it_for_twice_as_long),
        TEST(test_after_a_neutral_probe_the_next_caller_probes),
        TEST(test_first_content_closes_it),
        TEST(test_an_old_call_that_fails_opens_it_and_the_probe_counts_no_more),
        TEST(test_an_old_call_that_is_healthy_closes_it),
        TEST(test_open_time_doubles_up_to_the_most),
        TEST(test_only_a_healthy_end_starts_the_time_again),
        TEST(test_jitter_is_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
