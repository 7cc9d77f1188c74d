/* A model call made to succeed where that is honest: slots, retries, fallback, deadlines, cancel. */
#include "upstream_fixture.h"

static void answer_well(struct fixture *f)
{
    head(f, 200, STREAM);
    body(f, ROLE WORD("a") LAST DONE);
    ends(f, TRANSFER_COMPLETE);
}

static void a_refused_connection_is_tried_again_after_a_pause(void **state)
{
    struct fixture *f = fixture_make(2, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    ends(f, TRANSFER_CONNECT);
    assert_int_equal(f->script.count, 1);
    wait_us(f, 90u * MS); /* the first backoff is 100 to 200 ms */
    assert_int_equal(f->script.count, 1);
    wait_us(f, 120u * MS);
    assert_int_equal(f->script.count, 2);
    answer_well(f);
    assert_string_equal(f->log, "commit chunk chunk chunk end:complete");
    assert_int_equal(f->record.attempts, 2);
    assert_int_equal(f->record.fallbacks, 0);
    fixture_free(f);
}

static void a_failed_attempt_leaves_no_trace(void **state)
{
    struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, ROLE); /* held back */
    ends(f, TRANSFER_CUT);
    wait_us(f, 1u * S);
    answer_well(f);
    assert_string_equal(f->log, "commit chunk chunk chunk end:complete");
    assert_ptr_equal(strstr(strstr(f->text, "assistant") + 1, "assistant"), NULL);
    fixture_free(f);
}

static void the_record_speaks_of_the_attempt_that_answered(void **state)
{
    struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, "data: {\"id\":\"up-0\",\"choices\":[{\"index\":0,\"delta\":{}}],"
            "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9}}\n\n");
    ends(f, TRANSFER_CUT);
    wait_us(f, 1u * S);
    answer_well(f);
    assert_string_equal(f->record.upstream_id, "up-1");
    assert_string_equal(f->record.detail, "");
    assert_false(f->record.usage.known);
    fixture_free(f);
}

static void the_record_says_how_the_last_attempt_failed(void **state)
{
    struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 500, JSON);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "");
    wait_us(f, 1u * S);
    ends(f, TRANSFER_CONNECT);
    assert_string_equal(f->log, "end:upstream_connect");
    assert_string_equal(f->record.detail, "so it ended");
    assert_string_equal(f->record.upstream_id, "");
    fixture_free(f);
}

static void retries_end_and_say_so(void **state)
{
    struct fixture *f = fixture_make(2, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    for (int i = 0; i < 3; i++) {
        head(f, 503, JSON);
        body(f, "{\"error\":{\"message\":\"busy\",\"type\":\"server_error\"}}");
        ends(f, TRANSFER_COMPLETE);
        wait_us(f, 5u * S);
    }
    assert_string_equal(f->log, "end:upstream_status");
    assert_int_equal(f->failure.status, 503);
    assert_true(f->failure.no_retry);
    assert_int_equal(f->record.attempts, 3);
    fixture_free(f);
}

static void retry_after_is_honoured(void **state)
{
    struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head_with(f, 429, JSON, 3u * S);
    body(f, "{\"error\":{\"message\":\"slow down\"}}");
    ends(f, TRANSFER_COMPLETE);
    wait_us(f, 2900u * MS);
    assert_int_equal(f->script.count, 1);
    wait_us(f, 200u * MS);
    assert_int_equal(f->script.count, 2);
    assert_string_equal(latest(f)->upstream->name, "up1");
    answer_well(f);
    fixture_free(f);
}

static void a_long_retry_after_goes_to_the_fallback_at_once(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head_with(f, 429, JSON, 30u * S);
    ends(f, TRANSFER_COMPLETE);
    wait_us(f, 0);
    assert_int_equal(f->script.count, 2);
    assert_string_equal(latest(f)->upstream->name, "up2");
    assert_non_null(strstr(latest(f)->body, "second-id"));
    answer_well(f);
    assert_string_equal(f->record.model, "second");
    assert_int_equal(f->record.fallbacks, 1);
    fixture_free(f);
}

static void a_silent_model_is_left_for_its_fallback(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    wait_us(f, 59u * S);
    assert_int_equal(f->script.count, 1);
    wait_us(f, 2u * S);
    assert_int_equal(f->script.count, 2);
    assert_true(f->script.transfers[0].cancelled);
    answer_well(f);
    assert_string_equal(f->log, "commit chunk chunk chunk end:complete");
    fixture_free(f);
}

static void a_silent_model_without_fallback_is_not_asked_twice(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    wait_us(f, 61u * S);
    assert_string_equal(f->log, "end:upstream_first_token_timeout");
    assert_int_equal(f->script.count, 1);
    fixture_free(f);
}

static void the_budget_of_the_job_bounds_retries(void **state)
{
    struct fixture *f = fixture_make(9, ON_ABANDON_ABORT, false);
    (void) state;
    f->budget.left = 1;
    start(f, STREAM_REQUEST);
    ends(f, TRANSFER_CONNECT);
    wait_us(f, 1u * S);
    ends(f, TRANSFER_CONNECT);
    assert_string_equal(f->log, "end:upstream_connect");
    assert_int_equal(f->record.attempts, 2);
    fixture_free(f);
}

static void retries_that_used_up_the_budget_leave_the_fallback(void **state)
{
    struct fixture *f = fixture_make(9, ON_ABANDON_ABORT, true);
    (void) state;
    f->budget.left = 2;
    start(f, STREAM_REQUEST);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(latest(f)->upstream->name, "up1");
        ends(f, TRANSFER_CONNECT);
        wait_us(f, 1u * S);
    }
    assert_int_equal(f->script.count, 4);
    assert_string_equal(latest(f)->upstream->name, "up2");
    answer_well(f);
    assert_string_equal(f->log, "commit chunk chunk chunk end:complete");
    assert_int_equal(f->record.fallbacks, 1);
    fixture_free(f);
}

static void the_deadline_of_the_request_goes_before_all(void **state)
{
    struct fixture *f = fixture_make(9, ON_ABANDON_ABORT, true);
    (void) state;
    start_with_deadline(f, STREAM_REQUEST, 2u * S);
    head(f, 200, STREAM);
    wait_us(f, 1900u * MS);
    assert_string_equal(f->log, "");
    wait_us(f, 200u * MS);
    assert_string_equal(f->log, "end:deadline");
    assert_int_equal(f->failure.status, 504);
    fixture_free(f);
}

static void a_full_upstream_is_waited_for(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    struct ledger_upstream *up = f->snapshot->catalog->upstreams[0].ledger;
    struct ledger_asker other = {.class = LEDGER_LIVE, .mailbox = f->box};
    struct ledger_ticket *ticket;
    uint64_t retry;
    (void) state;
    assert_int_equal(ledger_ask(f->ledger, up, &other, &ticket, &retry), LEDGER_GRANTED);
    assert_int_equal(ledger_ask(f->ledger, up, &other, &ticket, &retry), LEDGER_GRANTED);
    start(f, STREAM_REQUEST);
    assert_int_equal(f->script.count, 0);
    wait_us(f, 10u * S);
    ledger_release(f->ledger, up, LEDGER_HEALTHY);
    wait_us(f, 0);
    assert_int_equal(f->script.count, 1);
    answer_well(f);
    assert_true(f->record.slot_us - f->record.start_us >= 10u * S);
    ledger_release(f->ledger, up, LEDGER_HEALTHY);
    fixture_free(f);
}

static void no_slot_in_time_is_an_overload(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    struct ledger_upstream *up = f->snapshot->catalog->upstreams[0].ledger;
    struct ledger_asker other = {.class = LEDGER_LIVE, .mailbox = f->box};
    struct ledger_ticket *ticket;
    uint64_t retry;
    (void) state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ledger_ask(f->ledger, up, &other, &ticket, &retry), LEDGER_GRANTED);
    }
    start(f, STREAM_REQUEST);
    wait_us(f, 61u * S);
    assert_string_equal(f->log, "end:overloaded");
    assert_int_equal(f->failure.status, 503);
    assert_true(f->failure.retry_after_us > 0);
    assert_false(f->failure.no_retry); /* that would contradict it */
    for (int i = 0; i < 2; i++) {
        ledger_release(f->ledger, up, LEDGER_HEALTHY);
    }
    fixture_free(f);
}

static void the_deadline_ends_the_wait_for_a_slot(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, true);
    struct ledger_upstream *up = f->snapshot->catalog->upstreams[0].ledger;
    struct ledger_asker other = {.class = LEDGER_LIVE, .mailbox = f->box};
    struct ledger_ticket *ticket;
    uint64_t retry;
    (void) state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ledger_ask(f->ledger, up, &other, &ticket, &retry), LEDGER_GRANTED);
    }
    start_with_deadline(f, STREAM_REQUEST,
                        10u * S); /* a slot is waited for as long as a token: 60 s */
    wait_us(f, 9900u * MS);
    assert_string_equal(f->log, "");
    wait_us(f, 200u * MS);
    assert_string_equal(f->log, "end:deadline");
    for (int i = 0; i < 2; i++) {
        ledger_release(f->ledger, up, LEDGER_HEALTHY);
    }
    fixture_free(f);
}

static void an_open_breaker_goes_to_the_fallback(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, true);
    struct ledger_upstream *up = f->snapshot->catalog->upstreams[0].ledger;
    struct ledger_asker other = {.class = LEDGER_LIVE, .mailbox = f->box};
    struct ledger_ticket *ticket;
    uint64_t retry;
    (void) state;
    for (int i = 0; i < LEDGER_BREAKER_FAILURES; i++) {
        assert_int_equal(ledger_ask(f->ledger, up, &other, &ticket, &retry), LEDGER_GRANTED);
        ledger_release(f->ledger, up, LEDGER_FAILED);
    }
    start(f, STREAM_REQUEST);
    wait_us(f, 0);
    assert_int_equal(f->script.count, 1);
    assert_string_equal(latest(f)->upstream->name, "up2");
    answer_well(f);
    fixture_free(f);
}

static void an_open_breaker_without_fallback_is_waited_for_only_briefly(void **state)
{
    (void) state;
    for (unsigned openings = 1; openings <= 3; openings++) {
        struct fixture *f = fixture_make(2, ON_ABANDON_ABORT, false);
        struct ledger_upstream *up = f->snapshot->catalog->upstreams[0].ledger;
        struct ledger_asker other = {.class = LEDGER_LIVE, .mailbox = f->box};
        struct ledger_ticket *ticket;
        uint64_t retry;
        for (unsigned i = 0; i < LEDGER_BREAKER_FAILURES + openings - 1; i++) {
            if (i >= LEDGER_BREAKER_FAILURES) {
                wait_us(f, 40u * S); /* open no longer: this one is the probe */
            }
            assert_int_equal(ledger_ask(f->ledger, up, &other, &ticket, &retry), LEDGER_GRANTED);
            ledger_release(f->ledger, up, LEDGER_FAILED);
        }
        start(f, STREAM_REQUEST);
        wait_us(f, 0);
        if (openings == 1) { /* a second or so: waited for */
            assert_string_equal(f->log, "");
            wait_us(f, 2u * S);
            assert_int_equal(f->script.count, 1);
            answer_well(f);
        } else if (openings == 3) { /* four seconds or so: told at once */
            assert_string_equal(f->log, "end:breaker_open");
            assert_int_equal(f->failure.status, 503);
            assert_true(f->failure.retry_after_us >= 3u * S);
        }
        fixture_free(f);
    }
}

static void a_cancel_stops_everything_and_gives_the_slot_back(void **state)
{
    (void) state;
    for (int moment = 0; moment < 4; moment++) {
        struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, true);
        start(f, STREAM_REQUEST);
        if (moment >= 1) {
            head(f, 200, STREAM);
        }
        if (moment >= 2) {
            body(f, WORD("a"));
        }
        if (moment == 3) {
            f->log[0] = '\0';
        }
        size_t before = strlen(f->log);
        struct call_record record;
        upstream_cancel(f->call, &record);
        upstream_cancel(f->call, &record); /* twice is fine */
        f->call = NULL;
        assert_true(latest(f)->cancelled);
        assert_false(latest(f)->drained);
        assert_int_equal(record.attempts, 1);
        wait_us(f, 700u * S);
        assert_int_equal(strlen(f->log), before); /* no callback comes any more */
        fixture_free(f);
    }
}

static void what_a_cancelled_call_took_has_its_price(void **state)
{
    struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, true);
    struct call_record record;
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a"));
    body(f, "data: {\"id\":\"up-1\",\"choices\":[],"
            "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n");
    upstream_cancel(f->call, &record);
    f->call = NULL;
    assert_int_equal(record.usd * 1e9 + 0.5, 3000 + 2 * 2000);
    fixture_free(f);
}

static void a_cancel_during_the_backoff_stops_it(void **state)
{
    struct fixture *f = fixture_make(5, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    ends(f, TRANSFER_CONNECT);
    upstream_cancel(f->call, NULL);
    f->call = NULL;
    wait_us(f, 700u * S);
    assert_int_equal(f->script.count, 1);
    fixture_free(f);
}

static void on_abandon_drain_lets_the_upstream_finish(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_DRAIN, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a"));
    upstream_cancel(f->call, NULL);
    f->call = NULL;
    assert_true(latest(f)->drained);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_is_tried_again_after_a_pause),
        cmocka_unit_test(a_failed_attempt_leaves_no_trace),
        cmocka_unit_test(the_record_speaks_of_the_attempt_that_answered),
        cmocka_unit_test(the_record_says_how_the_last_attempt_failed),
        cmocka_unit_test(retries_end_and_say_so),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(a_long_retry_after_goes_to_the_fallback_at_once),
        cmocka_unit_test(a_silent_model_is_left_for_its_fallback),
        cmocka_unit_test(a_silent_model_without_fallback_is_not_asked_twice),
        cmocka_unit_test(the_budget_of_the_job_bounds_retries),
        cmocka_unit_test(retries_that_used_up_the_budget_leave_the_fallback),
        cmocka_unit_test(the_deadline_of_the_request_goes_before_all),
        cmocka_unit_test(a_full_upstream_is_waited_for),
        cmocka_unit_test(no_slot_in_time_is_an_overload),
        cmocka_unit_test(the_deadline_ends_the_wait_for_a_slot),
        cmocka_unit_test(an_open_breaker_goes_to_the_fallback),
        cmocka_unit_test(an_open_breaker_without_fallback_is_waited_for_only_briefly),
        cmocka_unit_test(a_cancel_stops_everything_and_gives_the_slot_back),
        cmocka_unit_test(what_a_cancelled_call_took_has_its_price),
        cmocka_unit_test(a_cancel_during_the_backoff_stops_it),
        cmocka_unit_test(on_abandon_drain_lets_the_upstream_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
