/* What a failed attempt means: for the ledger, for what may follow, and in whose words. */
#include "cache/arena.h"
#include "router/attempt_failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) ((struct slice) {literal, sizeof(literal) - 1})

static void every_end_of_a_transfer_is_a_failure_with_words(void **state)
{
    static const struct {
        enum transfer_end end;
        enum end_reason reason;
        int status;
    } rows[] = {
        {TRANSFER_COMPLETE, END_CUT, 502}, /* it ended before the answer did */
        {TRANSFER_CONNECT, END_CONNECT, 502}, {TRANSFER_CONNECT_TIMEOUT, END_CONNECT_TIMEOUT, 504},
        {TRANSFER_CUT, END_CUT, 502},         {TRANSFER_MALFORMED, END_MALFORMED, 502},
        {TRANSFER_FAILED, END_INTERNAL, 500},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct failure f = attempt_failure_by_end(rows[i].end);
        assert_int_equal(f.reason, rows[i].reason);
        assert_int_equal(f.status, rows[i].status);
        assert_true(strlen(f.message) > 0);
        assert_string_equal(f.type, "server_error");
        assert_string_equal(f.code, end_reason_text(f.reason));
    }
}

static void what_may_follow_and_how_the_upstream_is(void **state)
{
    static const struct {
        enum end_reason reason;
        int status;
        enum attempt_advice advice;
        enum ledger_outcome outcome;
    } rows[] = {
        {END_COMPLETE, 0, ATTEMPT_GIVE_UP, LEDGER_HEALTHY},
        {END_CONNECT, 502, ATTEMPT_RETRY, LEDGER_FAILED},
        {END_CONNECT_TIMEOUT, 504, ATTEMPT_RETRY, LEDGER_FAILED},
        {END_CUT, 502, ATTEMPT_RETRY, LEDGER_FAILED},
        {END_MALFORMED, 502, ATTEMPT_RETRY, LEDGER_FAILED},
        {END_FIRST_TOKEN_TIMEOUT, 504, ATTEMPT_FALLBACK, LEDGER_FAILED},
        {END_IDLE_TIMEOUT, 504, ATTEMPT_FALLBACK, LEDGER_FAILED},
        {END_TOTAL_TIMEOUT, 504, ATTEMPT_FALLBACK, LEDGER_FAILED},
        {END_UPSTREAM_LIMIT, 502, ATTEMPT_FALLBACK, LEDGER_NEUTRAL},
        {END_DEADLINE, 504, ATTEMPT_GIVE_UP, LEDGER_NEUTRAL},
        {END_INTERNAL, 500, ATTEMPT_GIVE_UP, LEDGER_NEUTRAL},
        {END_UPSTREAM_STATUS, 400, ATTEMPT_GIVE_UP, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 401, ATTEMPT_FALLBACK, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 403, ATTEMPT_FALLBACK, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 404, ATTEMPT_FALLBACK, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 408, ATTEMPT_RETRY, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 409, ATTEMPT_RETRY, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 422, ATTEMPT_GIVE_UP, LEDGER_HEALTHY},
        {END_UPSTREAM_STATUS, 429, ATTEMPT_RETRY, LEDGER_NEUTRAL},
        {END_UPSTREAM_STATUS, 500, ATTEMPT_RETRY, LEDGER_FAILED},
        {END_UPSTREAM_STATUS, 503, ATTEMPT_RETRY, LEDGER_FAILED},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct failure f = attempt_failure_make(rows[i].reason, rows[i].status, "words");
        assert_int_equal(attempt_failure_advice(&f), rows[i].advice);
        assert_int_equal(attempt_failure_outcome(&f), rows[i].outcome);
    }
}

static void the_code_names_the_status_inside_a_200_only(void **state)
{
    static const struct {
        struct slice json;
        bool is_event;
        int status;
    } rows[] = {
        {TEXT("{\"error\":{\"message\":\"m\",\"code\":429}}"), true, 429},
        {TEXT("{\"error\":{\"message\":\"m\",\"code\":429}}"), false, 500},
        {TEXT("{\"error\":{\"message\":\"m\",\"code\":399}}"), true, 500},
        {TEXT("{\"error\":{\"message\":\"m\",\"code\":600}}"), true, 500},
        {TEXT("{\"error\":{\"message\":\"m\",\"code\":\"429\"}}"), true, 500},
        {TEXT("{\"error\":{\"message\":\"m\"}}"), true, 500},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena room;
        arena_init(&room, 256, 4096);
        struct failure f = attempt_failure_by_provider(rows[i].json, 500, rows[i].is_event, NULL,
                                                       &room);
        assert_int_equal(f.reason, END_UPSTREAM_STATUS);
        assert_int_equal(f.status, rows[i].status);
        assert_memory_equal(f.message_json.p, "\"m\"", 3);
        assert_null(f.message);
        arena_fini(&room);
    }
}

static void without_an_error_object_the_status_is_told(void **state)
{
    static const struct slice bodies[] = {TEXT(""), TEXT("<html>502</html>"), TEXT("{\"error\":"),
                                          TEXT("{\"error\":{\"code\":\"bad\"}}")};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct arena room;
        arena_init(&room, 256, 4096);
        struct failure f = attempt_failure_by_provider(bodies[i], 502, false, NULL, &room);
        assert_int_equal(f.message_json.n, 0);
        assert_string_equal(f.message, "the upstream answered with status 502 and no OpenAI error");
        arena_fini(&room);
    }
}

/* The key anywhere in the text, also with backslashes, costs the provider its words; a body that is
 * cut in the middle of the key is no JSON and is not passed on anyway. */
static void words_that_hold_the_key_are_dropped_at_every_place(void **state)
{
    static const char key[] = "sk-0123/abc";
    static const struct slice bodies[] = {
        TEXT("{\"error\":{\"message\":\"key sk-0123/abc is wrong\"}}"),
        TEXT("{\"error\":{\"message\":\"key sk-0123\\/abc\",\"code\":1}}"),
        TEXT("{\"error\":{\"message\":\"m\",\"param\":\"sk-sk-0123/abc\"}}"),
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (size_t n = 0; n <= bodies[i].n; n++) {
            struct arena room;
            arena_init(&room, 256, 4096);
            struct failure f = attempt_failure_by_provider((struct slice) {bodies[i].p, n}, 401,
                                                           false, key, &room);
            assert_int_equal(f.message_json.n + f.param_json.n + f.code_json.n, 0);
            assert_null(strstr(f.message, "0123"));
            arena_fini(&room);
        }
    }
}

static void a_short_key_is_a_placeholder_and_hides_nothing(void **state)
{
    struct arena room;
    (void) state;
    arena_init(&room, 256, 4096);
    struct failure f = attempt_failure_by_provider(
        TEXT("{\"error\":{\"message\":\"the list is EMPTY\"}}"), 400, false, "EMPTY", &room);
    assert_memory_equal(f.message_json.p, "\"the list is EMPTY\"", 19);
    arena_fini(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_of_a_transfer_is_a_failure_with_words),
        cmocka_unit_test(what_may_follow_and_how_the_upstream_is),
        cmocka_unit_test(the_code_names_the_status_inside_a_200_only),
        cmocka_unit_test(without_an_error_object_the_status_is_told),
        cmocka_unit_test(words_that_hold_the_key_are_dropped_at_every_place),
        cmocka_unit_test(a_short_key_is_a_placeholder_and_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
