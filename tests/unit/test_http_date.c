/* Dates of HTTP in their three forms, against a calendar that is walked day by day. */
#include "router/http_date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_three_forms_of_one_instant(void **state)
{
    static const char *const texts[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t s = 0;
        assert_true(http_date_parse(slice_of(texts[i]), &s));
        assert_true(s == 784111777);
    }
}

static void every_day_from_1970_to_2399(void **state)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = 0;
    (void) state;
    for (unsigned year = 1970; year < 2400; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (unsigned m = 0; m < 12; m++) {
            unsigned last = days[m] + (m == 1 && leap ? 1u : 0u);
            for (unsigned d = 1; d <= last + 1; d++) {
                char text[64];
                int64_t s = 0;
                snprintf(text, sizeof(text), "Mon, %02u %s %u 23:59:58 GMT", d, months[m], year);
                bool is_date = http_date_parse(slice_of(text), &s);
                assert_int_equal(is_date, d <= last);
                if (is_date) {
                    assert_true(s == day * 86400 + 86398);
                    day++;
                }
            }
        }
    }
}

static void two_digits_mean_1970_to_2069(void **state)
{
    int64_t s;
    (void) state;
    assert_true(http_date_parse(slice_of("Thursday, 01-Jan-70 00:00:00 GMT"), &s));
    assert_true(s == 0);
    assert_true(http_date_parse(slice_of("Tuesday, 01-Jan-69 00:00:00 GMT"), &s));
    assert_true(s == 3124224000);
}

static void what_is_no_date(void **state)
{
    static const char *const texts[] = {
        "",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "06 Nov 1994 08:49:37 GMT",
    };
    int64_t s;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_false(http_date_parse(slice_of(texts[i]), &s));
    }
}

/* No front of a date is one, and none is read past its end. */
static void every_cut(void **state)
{
    static const char *const texts[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t n = 0; n < strlen(texts[i]); n++) {
            int64_t s;
            assert_false(http_date_parse((struct slice) {texts[i], n}, &s));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_of_one_instant),
        cmocka_unit_test(every_day_from_1970_to_2399),
        cmocka_unit_test(two_digits_mean_1970_to_2069),
        cmocka_unit_test(what_is_no_date),
        cmocka_unit_test(every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
