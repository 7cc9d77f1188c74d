#include "cache/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Walking trusts its text, so every text here is checked first. */
static struct slice valid(const char *text)
{
    struct span_error error;
    if (span_check(slice_of(text), &error) != ERR_NONE) {
        fail_msg("%s: refused at %zu: %s", text, error.offset, error.what);
    }
    return slice_of(text);
}

static void expect_text(struct slice got, const char *want)
{
    if (!slice_eq_text(got, want)) {
        fail_msg("'%.*s' is not '%s'", (int) got.n, got.p, want);
    }
}

/* One line an entry: key, type, value. */
static void expect_walk(const char *text, const char *want)
{
    static const char types[] = "?0ft#sao";
    struct slice container = valid(text), key = SLICE_NONE;
    struct span_cursor cursor = {0};
    struct span_value v;
    char got[2048] = "";
    size_t n = 0;
    while (span_next(container, &cursor, &key, &v)) {
        n += (size_t) snprintf(got + n, sizeof(got) - n, "%.*s %c %.*s\n", (int) key.n, key.p,
                               types[v.type], (int) v.text.n, v.text.p);
        assert_ptr_equal(v.member.p, key.n > 0 ? key.p : v.text.p);
        assert_ptr_equal(v.member.p + v.member.n, v.text.p + v.text.n);
    }
    assert_string_equal(got, want);
    assert_false(span_next(container, &cursor, &key, &v)); /* stays at its end */
}

/* ---- walking ---- */

static void test_arrays(void **state)
{
    (void) state;
    expect_walk("[]", "");
    expect_walk("[ \n ]", "");
    expect_walk("[1]", " # 1\n");
    expect_walk("[null,true,false,-1.5e+3,\"s\",[],{}]",
                " 0 null\n t true\n f false\n # -1.5e+3\n s \"s\"\n a []\n o {}\n");
    expect_walk("[ 1 , \"a\" ,\t[ 2 ] ,\r\n{ \"b\" : 3 } ]",
                " # 1\n s \"a\"\n a [ 2 ]\n o { \"b\" : 3 }\n");
    expect_walk("[0,-0,1E5\n,2]", " # 0\n # -0\n # 1E5\n # 2\n");
}

static void test_objects(void **state)
{
    (void) state;
    expect_walk("{}", "");
    expect_walk("{ }", "");
    expect_walk("{\"a\":1}", "\"a\" # 1\n");
    expect_walk("{ \"a\" : 1 , \"b\"\n:\n[ ] ,\"\":null}", "\"a\" # 1\n\"b\" a [ ]\n\"\" 0 null\n");
    expect_walk("{\"a\":1,\"a\":2}", "\"a\" # 1\n\"a\" # 2\n");
    expect_walk("{\"a\\\"b\":\"c\\\"d\",\"e\\\\\":\"f\\\\\"}",
                "\"a\\\"b\" s \"c\\\"d\"\n\"e\\\\\" s \"f\\\\\"\n");
}

static void test_brackets_in_strings_are_text(void **state)
{
    (void) state;
    expect_walk("[[\"]\",\"}\\\"]\"],{\"}\":\"{\",\"[\\\\\":1},3]",
                " a [\"]\",\"}\\\"]\"]\n o {\"}\":\"{\",\"[\\\\\":1}\n # 3\n");
}

static void test_deep_values_are_skipped_whole(void **state)
{
    char text[2 * SPAN_DEPTH_MAX + 8], want[2 * SPAN_DEPTH_MAX + 16];
    size_t depth = SPAN_DEPTH_MAX - 1;
    (void) state;
    memset(text, '[', depth + 1);
    memset(text + depth + 1, ']', depth);
    memcpy(text + 2 * depth + 1, ",7]", 4);
    snprintf(want, sizeof(want), " a %.*s\n # 7\n", (int) (2 * depth), text + 1);
    expect_walk(text, want);
}

/* Strings are skipped in words of eight and then otherwise: the end must be found wherever it stands,
 * behind any number of backslashes. */
static void test_strings_of_every_length(void **state)
{
    (void) state;
    for (size_t length = 0; length < 80; length++) {
        for (size_t pairs = 0; pairs < 4; pairs++) {
            for (unsigned quoted = 0; quoted < 2; quoted++) {
                char text[128], want[128];
                size_t n = length;
                memset(text, 'x', sizeof(text));
                memcpy(text, "[\"", 2);
                memset(text + 2 + n, '\\', 2 * pairs);
                n += 2 * pairs;
                if (quoted == 1) {
                    memcpy(text + 2 + n, "\\\",1", 4);
                    n += 4;
                }
                memcpy(text + 2 + n, "\",7]", 5);
                snprintf(want, sizeof(want), " s %.*s\n # 7\n", (int) n + 2, text + 1);
                expect_walk(text, want);
            }
        }
    }
}

/* ---- finding ---- */

static void test_find(void **state)
{
    static const char *const names[] = {"a", "none", "role", ""};
    struct span_value out[4];
    (void) state;
    span_find(valid("{ \"x\":{\"a\":0}, \"r\\u006fle\" : \"user\" ,\"\":[],\"a\":-5 }"), names, 4,
              out);
    assert_int_equal(out[0].type, SPAN_NUMBER);
    expect_text(out[0].text, "-5");
    expect_text(out[0].member, "\"a\":-5");
    assert_int_equal(out[1].type, SPAN_ABSENT);
    assert_int_equal(out[1].text.n, 0);
    assert_int_equal(out[2].type, SPAN_STRING);
    expect_text(out[2].text, "\"user\"");
    expect_text(out[2].member, "\"r\\u006fle\" : \"user\"");
    assert_int_equal(out[3].type, SPAN_ARRAY);
}

static void test_find_takes_the_first_of_a_name(void **state)
{
    static const char *const names[] = {"a"};
    struct span_value out[1];
    (void) state;
    span_find(valid("{\"b\":0,\"a\":1,\"\\u0061\":2,\"a\":3}"), names, 1, out);
    expect_text(out[0].text, "1");
}

static void test_find_in_nothing(void **state)
{
    static const char *const names[] = {"a"};
    struct span_value out[1];
    (void) state;
    memset(out, 0xFF, sizeof(out));
    span_find(valid("{}"), names, 1, out);
    assert_int_equal(out[0].type, SPAN_ABSENT);
    span_find(valid("{\"a\":1}"), NULL, 0, NULL);
}

/* A value ends where its span does, also when more of the text follows. */
static void test_find_in_a_span_of_a_text(void **state)
{
    static const char *const names[] = {"b"}, *const inner[] = {"c", "b"};
    struct span_value out[1], in[2];
    (void) state;
    span_find(valid("{\"a\":{\"b\":1},\"b\":{\"c\":2},\"c\":3,\"d\":{\"b\":4}}"), names, 1, out);
    expect_text(out[0].text, "{\"c\":2}");
    span_find(out[0].text, inner, 2, in);
    expect_text(in[0].text, "2");
    assert_int_equal(in[1].type, SPAN_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_brackets_in_strings_are_text),
        cmocka_unit_test(test_deep_values_are_skipped_whole),
        cmocka_unit_test(test_strings_of_every_length),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_takes_the_first_of_a_name),
        cmocka_unit_test(test_find_in_nothing),
        cmocka_unit_test(test_find_in_a_span_of_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
