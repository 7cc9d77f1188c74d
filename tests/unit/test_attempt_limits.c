/* When an attempt has taken too long, phase by phase, and what is said then. */
#include "router/attempt_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    START = 1000,
    CONNECT = 10,
    FIRST_TOKEN = 200,
    IDLE = 50,
    TOTAL = 5000,
    DEADLINE = 9000, /* absolute */
};

static const struct upstream_def upstream = {
    .timeouts = {.connect_us = CONNECT,
                 .first_token_us = FIRST_TOKEN,
                 .idle_us = IDLE,
                 .total_us = TOTAL},
};

static struct attempt attempt_in(enum attempt_mode mode, bool stream)
{
    return (struct attempt) {
        .upstream = &upstream,
        .mode = mode,
        .nodecall = {.stream = stream},
        .start_us = START,
        .deadline_us = DEADLINE,
    };
}

static void runs_out(const struct attempt *a, uint64_t at, enum end_reason reason)
{
    assert_int_equal(attempt_limits_due(a), at);
    struct failure f = attempt_limits_failure(a, at);
    assert_int_equal(f.reason, reason);
    assert_int_equal(f.status, 504);
}

static void a_stream_has_the_first_token_limit_until_content(void **state)
{
    struct attempt a = attempt_in(MODE_HEAD, true);
    (void) state;
    runs_out(&a, START + FIRST_TOKEN, END_FIRST_TOKEN_TIMEOUT);
    a.mode = MODE_STREAM;
    a.last_byte_us = START + 100; /* bytes without content gain no time */
    runs_out(&a, START + FIRST_TOKEN, END_FIRST_TOKEN_TIMEOUT);
}

static void after_content_each_byte_gains_the_idle_limit(void **state)
{
    struct attempt a = attempt_in(MODE_STREAM, true);
    (void) state;
    a.committed = true;
    a.last_byte_us = START + 1000;
    runs_out(&a, START + 1000 + IDLE, END_IDLE_TIMEOUT);
}

static void while_it_is_paused_only_the_whole_is_limited(void **state)
{
    struct attempt a = attempt_in(MODE_STREAM, true);
    (void) state;
    a.committed = true;
    a.paused = true;
    a.last_byte_us = START + 1000;
    runs_out(&a, START + TOTAL, END_TOTAL_TIMEOUT);
}

static void a_json_reply_thinks_as_long_as_the_total_and_then_must_flow(void **state)
{
    struct attempt a = attempt_in(MODE_HEAD, false);
    (void) state;
    runs_out(&a, START + TOTAL, END_TOTAL_TIMEOUT);
    a.mode = MODE_REPLY;
    runs_out(&a, START + TOTAL, END_TOTAL_TIMEOUT);
    a.last_byte_us = START + 3000;
    runs_out(&a, START + 3000 + IDLE, END_IDLE_TIMEOUT);
}

static void the_framing_has_a_second_after_done(void **state)
{
    struct attempt a = attempt_in(MODE_STREAM, true);
    (void) state;
    a.committed = true;
    a.said_done = true;
    a.done_us = START + 300;
    a.deadline_us = UINT64_MAX;
    assert_int_equal(attempt_limits_due(&a), START + TOTAL); /* here the total is shorter still */
    a.start_us = 2000 * 1000;
    a.done_us = a.start_us - 999 * 1000;
    assert_int_equal(attempt_limits_due(&a), a.done_us + 1000 * 1000);
}

static void the_requests_deadline_goes_before_all(void **state)
{
    struct attempt a = attempt_in(MODE_HEAD, true);
    (void) state;
    a.deadline_us = START + 20;
    runs_out(&a, START + 20, END_DEADLINE);
    a.deadline_us = START + FIRST_TOKEN; /* both at once */
    runs_out(&a, START + FIRST_TOKEN, END_DEADLINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_has_the_first_token_limit_until_content),
        cmocka_unit_test(after_content_each_byte_gains_the_idle_limit),
        cmocka_unit_test(while_it_is_paused_only_the_whole_is_limited),
        cmocka_unit_test(a_json_reply_thinks_as_long_as_the_total_and_then_must_flow),
        cmocka_unit_test(the_framing_has_a_second_after_done),
        cmocka_unit_test(the_requests_deadline_goes_before_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
