/* What a request costs its API key in tokens, whatever way it ended. */
#include "gateway/relay_limits.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct relay_limits limits = {
    .entered = true, .estimated_tokens = 700, .prompt_tokens = 200, .delivered_events = 3};

static const struct token_usage none = {.known = false};
static const struct token_usage answer = {.known = true, .prompt = 210, .completion = 40};
static const struct token_usage others = {.known = true, .prompt = 900, .completion = 90};
static const struct token_usage all = {.known = true, .prompt = 1110, .completion = 130};

static void the_ways_it_can_end(void **state)
{
    const struct {
        enum end_reason reason;
        bool has_begun; /* the call that answers */
        struct token_usage call;
        struct token_usage sum;
        uint64_t used;
        uint32_t unreported;
    } rows[] = {
        /* One node. */
        {END_COMPLETE, true, answer, answer, 250, 0},
        {END_COMPLETE, true, none, none, 700, 0},
        {END_CLIENT_GONE, true, none, none, 203, 0},
        {END_CUT, true, none, none, 203, 0},
        {END_CLIENT_GONE, true, answer, answer, 250, 0}, /* it left behind the usage */
        {END_OVERLOADED, false, none, none, 0, 0},
        {END_CLIENT_GONE, false, none, none, 0, 0},
        /* Several. */
        {END_COMPLETE, true, answer, all, 1240, 0},
        {END_COMPLETE, true, none, others, 990, 0},
        {END_CLIENT_GONE, true, none, others, 1193, 0},
        {END_CLIENT_GONE, false, none, others, 990, 0},
        {END_COMPLETE, false, none, others, 990, 0}, /* a vote */
        /* Others of the graph, cancelled before they said what they took. */
        {END_CLIENT_GONE, false, none, none, 600, 3}, /* it left before the output began */
        {END_CLIENT_GONE, true, none, others, 1393, 1},
        {END_COMPLETE, true, answer, all, 1440, 1}, /* a straggler */
        {END_COMPLETE, true, none, none, 1100, 2},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct relay_limits l = limits;
        const struct record record = {
            .reason = rows[i].reason,
            .usage = rows[i].sum,
            .call = {.first_byte_us = rows[i].has_begun ? 5 : 0, .usage = rows[i].call}};
        l.unreported = rows[i].unreported;
        assert_int_equal(relay_limits_used(&l, &record), rows[i].used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ways_it_can_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
