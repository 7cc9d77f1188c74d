#include "cache/record.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* They become values of logs and labels of metrics: lower case, no spaces, none twice. */
static void expect_label(const char *text)
{
    assert_non_null(text);
    assert_true(text[0] != '\0');
    for (const char *p = text; *p != '\0'; p++) {
        assert_true(islower((unsigned char) *p) || *p == '_');
    }
}

static void test_every_reason_has_its_own_text(void **state)
{
    (void) state;
    for (unsigned i = 0; i < END_REASON_COUNT; i++) {
        const char *text = end_reason_text((enum end_reason) i);
        expect_label(text);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(text, end_reason_text((enum end_reason) k));
        }
    }
    assert_string_equal(end_reason_text(END_NONE), "none");
    assert_string_equal(end_reason_text(END_CLIENT_GONE), "client_gone");
    assert_string_equal(end_reason_text(END_INTERNAL), "internal");
    assert_string_equal(end_reason_text(END_REASON_COUNT), "?");
}

static void test_every_endpoint_has_its_own_text(void **state)
{
    (void) state;
    for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
        const char *text = endpoint_text((enum endpoint) i);
        expect_label(text);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(text, endpoint_text((enum endpoint) k));
        }
    }
    assert_string_equal(endpoint_text(ENDPOINT_CHAT), "chat");
    assert_string_equal(endpoint_text(ENDPOINT_COUNT), "?");
}

static void test_everything_that_makes_a_task_has_its_own_text(void **state)
{
    (void) state;
    for (unsigned i = 0; i < TASK_BY_COUNT; i++) {
        const char *text = task_by_text((enum task_by) i);
        expect_label(text);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(text, task_by_text((enum task_by) k));
        }
    }
    assert_string_equal(task_by_text(TASK_BY_HEADER), "header");
    assert_string_equal(task_by_text(TASK_BY_COUNT), "?");
}

/* A record that has only been zeroed claims nothing. */
static void test_zero_means_nothing_happened(void **state)
{
    const struct record r = {0};
    (void) state;
    assert_int_equal(r.reason, END_NONE);
    assert_int_equal(r.endpoint, ENDPOINT_OTHER);
    assert_int_equal(r.task_by, TASK_BY_NONE);
    assert_false(r.usage.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reason_has_its_own_text),
        cmocka_unit_test(test_every_endpoint_has_its_own_text),
        cmocka_unit_test(test_everything_that_makes_a_task_has_its_own_text),
        cmocka_unit_test(test_zero_means_nothing_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
