#include "router/ledger.h"

#include "tests/unit/ledger_fixture.h"

#include <string.h>

static void fill(struct fixture *f)
{
    assert_int_equal(ask(f, 0), LEDGER_GRANTED);
    assert_int_equal(ask(f, 1), LEDGER_GRANTED);
}

static void queue_as(struct fixture *f, size_t caller, uint32_t key, enum ledger_class class)
{
    assert_int_equal(ask_as(f, caller, key, class), LEDGER_QUEUED);
    assert_non_null(f->callers[caller].ticket);
}

/* Ends calls until `count` waiters have been served, and gives back the last slots. */
static void serve(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        release(f, LEDGER_HEALTHY);
        assert_int_equal(take_mail(f), 1);
    }
    release(f, LEDGER_HEALTHY);
    release(f, LEDGER_HEALTHY);
    expect_counts(f, 0, 0);
}

/* The callers in the order they were served, by number. */
static void expect_order(struct fixture *f, const size_t *callers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(f->callers[callers[i]].answer, LEDGER_GRANTED);
        assert_int_equal(f->callers[callers[i]].place, i + 1);
    }
}

/* ---- slots and queue ---- */

static void test_slots_then_queue_then_full(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (size_t i = 2; i < 10; i++) {
        queue_as(f, i, 1, LEDGER_LIVE);
    }
    assert_int_equal(ask(f, 10), LEDGER_FULL);
    assert_null(f->callers[10].ticket);
    expect_counts(f, 2, 8);
    serve(f, 8);
    assert_int_equal(state_of(f).granted, 10);
    assert_int_equal(f->callers[10].answer, NO_ANSWER);
}

static void test_a_grant_comes_as_mail_only(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LIVE);
    release(f, LEDGER_HEALTHY);
    assert_int_equal(f->callers[2].answer, NO_ANSWER);
    expect_counts(f, 2, 0);
    assert_int_equal(take_mail(f), 1);
    assert_int_equal(f->callers[2].answer, LEDGER_GRANTED);
    assert_int_equal(f->callers[2].retry_us, 0);
    serve(f, 0);
}

static void test_a_mailbox_that_is_full_still_gets_grants(void **state)
{
    struct fixture *f = *state;
    (void) ledger_upstream(f->ledger, "local", 0, 16);
    for (size_t i = 0; i < 16; i++) {
        queue_as(f, i, 1, LEDGER_LIVE);
    }
    (void) ledger_upstream(f->ledger, "local", 16, 16);
    assert_int_equal(take_mail(f), 16);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(f->callers[i].place, i + 1);
        release(f, LEDGER_NEUTRAL);
    }
    expect_counts(f, 0, 0);
}

static void test_outcomes_all_give_the_slot_back(void **state)
{
    struct fixture *f = *state;
    static const enum ledger_outcome outcomes[] = {LEDGER_HEALTHY, LEDGER_FAILED, LEDGER_NEUTRAL};
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        assert_int_equal(ask(f, 0), LEDGER_GRANTED);
        expect_counts(f, 1, 0);
        release(f, outcomes[i]);
        expect_counts(f, 0, 0);
    }
}

/* ---- fairness ---- */

static void test_live_goes_before_lab(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LAB);
    queue_as(f, 3, 2, LEDGER_LAB);
    queue_as(f, 4, 3, LEDGER_LIVE);
    queue_as(f, 5, 3, LEDGER_LIVE);
    serve(f, 4);
    expect_order(f, (const size_t[]) {4, 5, 2, 3}, 4);
}

static void test_the_lab_does_not_fill_the_queue_of_live_callers(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (size_t i = 2; i < 10; i++) {
        queue_as(f, i, 1, LEDGER_LAB);
    }
    assert_int_equal(ask_as(f, 10, 1, LEDGER_LAB), LEDGER_FULL);
    queue_as(f, 10, 1, LEDGER_LIVE);
    serve(f, 9);
    assert_int_equal(f->callers[10].place, 1);
}

static void test_keys_take_turns_and_a_key_goes_in_order(void **state)
{
    struct fixture *f = *state;
    fill(f);
    static const uint32_t keys[] = {7, 7, 7, 7, 8, 8, 9};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        queue_as(f, 2 + i, keys[i], LEDGER_LIVE);
    }
    serve(f, 7);
    expect_order(f, (const size_t[]) {2, 6, 8, 3, 7, 4, 5}, 7);
}

/* ---- leaving ---- */

static void test_withdraw_while_waiting(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (size_t i = 2; i < 10; i++) {
        queue_as(f, i, 1, LEDGER_LIVE);
    }
    withdraw(f, 2);
    withdraw(f, 5);
    withdraw(f, 9);
    expect_counts(f, 2, 5);
    queue_as(f, 10, 1, LEDGER_LIVE);
    serve(f, 6);
    expect_order(f, (const size_t[]) {3, 4, 6, 7, 8, 10}, 6);
    assert_int_equal(f->callers[2].answer, NO_ANSWER);
    assert_int_equal(f->callers[5].answer, NO_ANSWER);
    assert_int_equal(f->callers[9].answer, NO_ANSWER);
}

static void test_withdraw_with_the_grant_in_the_mail(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LIVE);
    release(f, LEDGER_HEALTHY);
    expect_counts(f, 2, 0);
    withdraw(f, 2);
    expect_counts(f, 1, 0);
    assert_int_equal(take_mail(f), 1);
    expect_counts(f, 1, 0);
    assert_int_equal(f->callers[2].answer, NO_ANSWER);
}

static void test_a_slot_that_comes_back_goes_to_the_next(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LIVE);
    queue_as(f, 3, 1, LEDGER_LIVE);
    queue_as(f, 4, 1, LEDGER_LIVE);
    release(f, LEDGER_HEALTHY);
    withdraw(f, 2); /* the slot goes on to 3, also in the mail */
    withdraw(f, 3); /* and to 4 */
    expect_counts(f, 2, 0);
    assert_int_equal(take_mail(f), 3);
    assert_int_equal(f->callers[2].answer, NO_ANSWER);
    assert_int_equal(f->callers[3].answer, NO_ANSWER);
    assert_int_equal(f->callers[4].answer, LEDGER_GRANTED);
    serve(f, 0);
}

static void test_a_mailbox_freed_with_grants_gives_them_back(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LIVE);
    queue_as(f, 3, 1, LEDGER_LIVE);
    release(f, LEDGER_HEALTHY);
    release(f, LEDGER_HEALTHY);
    withdraw(f, 2);
    expect_counts(f, 1, 0);
    mailbox_free(f->box);
    expect_counts(f, 0, 0);
    f->box = mailbox_new(4, NULL);
    assert_non_null(f->box);
    assert_int_equal(f->callers[3].answer, NO_ANSWER);
}

/* The slot that lay in a freed mailbox serves a waiter of another thread. */
static void test_a_grant_given_back_goes_to_another_mailbox(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LIVE);
    release(f, LEDGER_HEALTHY);
    struct mailbox *old = f->box;
    f->box = mailbox_new(4, NULL);
    assert_non_null(f->box);
    queue_as(f, 3, 1, LEDGER_LIVE);
    mailbox_free(old);
    assert_int_equal(take_mail(f), 1);
    assert_int_equal(f->callers[3].answer, LEDGER_GRANTED);
    serve(f, 0);
}

struct again {
    struct fixture *f;
    unsigned calls;
};

static void on_answer_again(void *arg, enum ledger_answer answer, uint64_t retry_us)
{
    struct again *a = arg;
    assert_int_equal(answer, LEDGER_GRANTED);
    assert_int_equal(retry_us, 0);
    a->calls++;
    release(a->f, LEDGER_HEALTHY);
    assert_int_equal(ask(a->f, 3), LEDGER_GRANTED);
}

static void test_the_ledger_may_be_used_inside_an_answer(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct again again = {.f = f};
    struct ledger_asker asker = {
        .key_tag = 1, .mailbox = f->box, .on_answer = on_answer_again, .arg = &again};
    struct ledger_ticket *ticket = NULL;
    uint64_t retry_us = 0;
    assert_int_equal(ledger_ask(f->ledger, f->up, &asker, &ticket, &retry_us), LEDGER_QUEUED);
    release(f, LEDGER_HEALTHY);
    assert_int_equal(take_mail(f), 1);
    assert_int_equal(again.calls, 1);
    serve(f, 0);
}

/* ---- publishing ---- */

static void test_a_larger_limit_wakes_waiters(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (size_t i = 2; i < 6; i++) {
        queue_as(f, i, 1, LEDGER_LIVE);
    }
    assert_ptr_equal(ledger_upstream(f->ledger, "local", 5, 8), f->up);
    expect_counts(f, 5, 1);
    assert_int_equal(take_mail(f), 3);
    expect_order(f, (const size_t[]) {2, 3, 4}, 3);
    withdraw(f, 5);
}

static void test_a_smaller_limit_waits_for_calls_to_end(void **state)
{
    struct fixture *f = *state;
    fill(f);
    queue_as(f, 2, 1, LEDGER_LIVE);
    (void) ledger_upstream(f->ledger, "local", 1, 1);
    assert_int_equal(ask(f, 3), LEDGER_FULL);
    release(f, LEDGER_HEALTHY);
    expect_counts(f, 1, 1);
    assert_int_equal(take_mail(f), 0);
    release(f, LEDGER_HEALTHY);
    expect_counts(f, 1, 0);
    assert_int_equal(take_mail(f), 1);
    assert_int_equal(f->callers[2].answer, LEDGER_GRANTED);
}

static void test_entries_are_kept_by_name(void **state)
{
    struct fixture *f = *state;
    char name[] = "remote";
    struct ledger_upstream *remote = ledger_upstream(f->ledger, name, 3, 1);
    memset(name, 'x', 3);
    assert_ptr_not_equal(remote, f->up);
    assert_ptr_equal(ledger_upstream(f->ledger, "remote", 4, 1), remote);
    fill(f);
    struct ledger_upstream_state s[4];
    assert_int_equal(ledger_upstreams(f->ledger, s, ARRAY_LEN(s)), 2);
    assert_string_equal(s[0].name, "local");
    assert_int_equal(s[0].max_in_flight, 2);
    assert_int_equal(s[0].in_flight, 2);
    assert_int_equal(s[0].granted, 2);
    assert_int_equal(s[0].breaker, BREAKER_CLOSED);
    assert_string_equal(s[1].name, "remote");
    assert_int_equal(s[1].max_in_flight, 4);
    assert_int_equal(s[1].in_flight, 0);
    assert_int_equal(s[1].openings, 0);
    s[1].name = NULL;
    assert_int_equal(ledger_upstreams(f->ledger, s, 1), 2);
    assert_null(s[1].name);
    assert_int_equal(ledger_upstreams(f->ledger, NULL, 0), 2);
}

static void test_an_empty_ledger(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = ledger_new(&f->env);
    assert_int_equal(ledger_upstreams(l, NULL, 0), 0);
    ledger_free(l);
    ledger_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_slots_then_queue_then_full),
        TEST(test_a_grant_comes_as_mail_only),
        TEST(test_a_mailbox_that_is_full_still_gets_grants),
        TEST(test_outcomes_all_give_the_slot_back),
        TEST(test_live_goes_before_lab),
        TEST(test_the_lab_does_not_fill_the_queue_of_live_callers),
        TEST(test_keys_take_turns_and_a_key_goes_in_order),
        TEST(test_withdraw_while_waiting),
        TEST(test_withdraw_with_the_grant_in_the_mail),
        TEST(test_a_slot_that_comes_back_goes_to_the_next),
        TEST(test_a_mailbox_freed_with_grants_gives_them_back),
        TEST(test_a_grant_given_back_goes_to_another_mailbox),
        TEST(test_the_ledger_may_be_used_inside_an_answer),
        TEST(test_a_larger_limit_wakes_waiters),
        TEST(test_a_smaller_limit_waits_for_calls_to_end),
        TEST(test_entries_are_kept_by_name),
        TEST(test_an_empty_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
