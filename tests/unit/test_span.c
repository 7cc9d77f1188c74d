#include "cache/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MODEL, STREAM, MESSAGES, NAME_COUNT };

static const char *const names[NAME_COUNT] = {"model", "stream", "messages"};

static void expect_span(const struct span_value *v, enum span_type type, const char *text,
                        const char *member)
{
    assert_int_equal(v->type, type);
    assert_int_equal(v->text.n, strlen(text));
    assert_memory_equal(v->text.p, text, v->text.n);
    assert_int_equal(v->member.n, strlen(member));
    assert_memory_equal(v->member.p, member, v->member.n);
    /* One ends where the other does, in the same bytes. */
    assert_ptr_equal(v->member.p + v->member.n, v->text.p + v->text.n);
}

static void expect_model(const char *text, enum span_type type, const char *value,
                         const char *member)
{
    struct span_value out[NAME_COUNT];
    struct span_error error;
    if (span_object(slice_of(text), names, NAME_COUNT, out, &error) != ERR_NONE) {
        fail_msg("%s: refused at %zu: %s", text, error.offset, error.what);
    }
    expect_span(&out[MODEL], type, value, member);
    assert_in_range(out[MODEL].text.p - text, 1, strlen(text));
}

static void expect_bad(const char *text, size_t offset, const char *what)
{
    struct span_value out[NAME_COUNT];
    struct span_error error = {SIZE_MAX, NULL};
    if (span_object(slice_of(text), names, NAME_COUNT, out, &error) != ERR_INPUT) {
        fail_msg("%s: accepted", text);
    }
    if (error.offset != offset || strcmp(error.what, what) != 0) {
        fail_msg("%s: '%s' at %zu, expected '%s' at %zu", text, error.what, error.offset, what,
                 offset);
    }
}

/* ---- objects ---- */

static void test_members_are_found_in_any_order(void **state)
{
    const char
        *text = " {\"x\":[{\"model\":1}] , \"messages\" : [ {\"stream\":2} ],\"stream\":true,"
                "\"y\":{\"model\":3},\"model\"\t:\n\"gpt\\u002d4\" } ";
    struct span_value out[NAME_COUNT];
    struct span_error error;
    (void) state;
    assert_int_equal(span_object(slice_of(text), names, NAME_COUNT, out, &error), ERR_NONE);
    expect_span(&out[MODEL], SPAN_STRING, "\"gpt\\u002d4\"", "\"model\"\t:\n\"gpt\\u002d4\"");
    expect_span(&out[STREAM], SPAN_TRUE, "true", "\"stream\":true");
    expect_span(&out[MESSAGES], SPAN_ARRAY, "[ {\"stream\":2} ]",
                "\"messages\" : [ {\"stream\":2} ]");
}

static void test_values_of_every_type(void **state)
{
    (void) state;
    expect_model("{\"model\":null}", SPAN_NULL, "null", "\"model\":null");
    expect_model("{\"model\":true}", SPAN_TRUE, "true", "\"model\":true");
    expect_model("{\"model\":false}", SPAN_FALSE, "false", "\"model\":false");
    expect_model("{\"model\":-1.50E+2}", SPAN_NUMBER, "-1.50E+2", "\"model\":-1.50E+2");
    expect_model("{\"model\":9007199254740993 }", SPAN_NUMBER, "9007199254740993",
                 "\"model\":9007199254740993");
    expect_model("{\"model\":\"\"}", SPAN_STRING, "\"\"", "\"model\":\"\"");
    expect_model("{\"model\":[]}", SPAN_ARRAY, "[]", "\"model\":[]");
    expect_model("{\"model\":[1,[2,{}]]}", SPAN_ARRAY, "[1,[2,{}]]", "\"model\":[1,[2,{}]]");
    expect_model("{\"model\":{}}", SPAN_OBJECT, "{}", "\"model\":{}");
    expect_model("{\"model\":{\"a\":[]}}", SPAN_OBJECT, "{\"a\":[]}", "\"model\":{\"a\":[]}");
}

static void test_what_is_not_there_is_absent(void **state)
{
    static const char *const texts[] = {
        "{}",
        " { } ",
        "{\"mode\":1}",
        "{\"models\":1}",
        "{\"Model\":1}",
        "{\"\":1}",
        "{\"model \":1}",
        "{\"model\\u0000\":1}",
        "{\"\\u006dodels\":1}",
        "{\"m\\\\odel\":1}",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct span_value out[NAME_COUNT];
        struct span_error error;
        memset(out, 0xFF, sizeof(out));
        assert_int_equal(span_object(slice_of(texts[i]), names, NAME_COUNT, out, &error), ERR_NONE);
        for (size_t k = 0; k < NAME_COUNT; k++) {
            assert_int_equal(out[k].type, SPAN_ABSENT);
            assert_int_equal(out[k].text.n + out[k].member.n, 0);
        }
    }
}

static void test_names_are_compared_after_unescaping(void **state)
{
    (void) state;
    expect_model("{\"mod\\u0065l\":1}", SPAN_NUMBER, "1", "\"mod\\u0065l\":1");
    expect_model("{\"\\u006d\\u006f\\u0064\\u0065\\u006C\":1}", SPAN_NUMBER, "1",
                 "\"\\u006d\\u006f\\u0064\\u0065\\u006C\":1");
}

static void test_odd_names(void **state)
{
    static const char *const odd[] = {"", "a\"b", "caf\xc3\xa9", "\xf0\x9f\x98\x80"};
    const char *text = "{\"\":1,\"a\\\"b\":2,\"caf\\u00e9\":3,\"\\uD83D\\uDE00\":4}";
    struct span_value out[4];
    struct span_error error;
    (void) state;
    assert_int_equal(span_object(slice_of(text), odd, 4, out, &error), ERR_NONE);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(out[i].text.p[0], '1' + (int) i);
    }
}

/* A name has no length that a fixed buffer would bound. */
static void test_long_names(void **state)
{
    enum { LENGTH = 300 };
    char text[LENGTH + 32], name[LENGTH + 1];
    const char *const long_names[] = {name};
    struct span_value out[1];
    struct span_error error;
    (void) state;
    memset(name, 'n', LENGTH);
    name[LENGTH] = '\0';
    memcpy(text, "{\"\\u006e", 8);
    memcpy(text + 8, name, LENGTH - 1);
    memcpy(text + 8 + LENGTH - 1, "\":7}", 5);
    assert_int_equal(span_object(slice_of(text), long_names, 1, out, &error), ERR_NONE);
    assert_int_equal(out[0].type, SPAN_NUMBER);
}

static void test_a_wanted_member_that_stands_twice(void **state)
{
    (void) state;
    expect_bad("{\"model\":1,\"model\":2}", 11, "duplicate member");
    expect_bad("{\"model\":1,\"x\":1,\"mod\\u0065l\":2}", 17, "duplicate member");
    expect_bad("{\"model\":null,\"model\":null}", 14, "duplicate member");
    expect_model("{\"x\":1,\"model\":1,\"x\":2,\"y\":{\"model\":1,\"model\":2}}", SPAN_NUMBER, "1",
                 "\"model\":1");
}

static void test_only_objects(void **state)
{
    static const char what[] = "expected an object";
    (void) state;
    expect_bad("", 0, what);
    expect_bad("  ", 2, what);
    expect_bad("[]", 0, what);
    expect_bad(" \"model\"", 1, what);
    expect_bad("null", 0, what);
    expect_bad("\xef\xbb\xbf{}", 0, what);
    struct span_error error;
    assert_int_equal(span_object(SLICE_NONE, names, 0, NULL, &error), ERR_INPUT);
    assert_int_equal(error.offset, 0);
}

static void test_bad_objects(void **state)
{
    (void) state;
    expect_bad("{", 1, "expected a member's name");
    expect_bad("{\"model\":1,}", 11, "expected a member's name");
    expect_bad("{model:1}", 1, "expected a member's name");
    expect_bad("{\"model\" 1}", 9, "expected ':'");
    expect_bad("{\"model\":}", 9, "expected a value");
    expect_bad("{\"model\":1", 10, "unfinished array or object");
    expect_bad("{\"model\":1 \"x\":2}", 11, "expected ',' or '}'");
    expect_bad("{\"model\":1]", 10, "expected ',' or '}'");
    expect_bad("{\"model\":[1}", 11, "expected ',' or ']'");
    expect_bad("{\"model\":1}}", 11, "unexpected bytes after the value");
    expect_bad("{\"model\":1}{}", 11, "unexpected bytes after the value");
    expect_bad("{\"x\":\"\\ud800\"}", 12, "lone high surrogate");
    expect_bad("{\"x\":[\"\xff\"]}", 7, "invalid UTF-8");
}

static void test_no_names_only_checks(void **state)
{
    struct span_error error;
    (void) state;
    assert_int_equal(span_object(SLICE_LIT("{\"a\":1,\"a\":2}"), NULL, 0, NULL, &error), ERR_NONE);
    assert_int_equal(span_object(SLICE_LIT("{\"a\":1,\"a\"}"), NULL, 0, NULL, &error), ERR_INPUT);
}

/* The object itself counts. */
static void test_depth(void **state)
{
    char text[2 * SPAN_DEPTH_MAX + 16] = "{\"model\":";
    struct span_value out[NAME_COUNT];
    struct span_error error;
    (void) state;
    memset(text + 9, '[', SPAN_DEPTH_MAX - 1);
    memset(text + 9 + SPAN_DEPTH_MAX - 1, ']', SPAN_DEPTH_MAX - 1);
    text[9 + 2 * (SPAN_DEPTH_MAX - 1)] = '}';
    assert_int_equal(span_object(slice_of(text), names, NAME_COUNT, out, &error), ERR_NONE);
    assert_int_equal(out[MODEL].text.n, 2 * (SPAN_DEPTH_MAX - 1));
    memset(text + 9, '[', SPAN_DEPTH_MAX);
    assert_int_equal(span_object(slice_of(text), names, NAME_COUNT, out, &error), ERR_INPUT);
    assert_string_equal(error.what, "nested too deep");
    assert_int_equal(error.offset, 9 + SPAN_DEPTH_MAX - 1);
}

static void test_cut_at_every_byte(void **state)
{
    static const char text[] =
        "{\"model\" : \"gpt-4o\\n\" ,\"messages\":[{\"content\":\"caf\xc3\xa9\"}],"
        "\"stream\":true,\"seed\":9007199254740993}";
    (void) state;
    for (size_t n = 0; n < sizeof(text); n++) {
        char *copy = malloc(n > 0 ? n : 1);
        struct span_value out[NAME_COUNT];
        struct span_error error;
        memcpy(copy, text, n);
        enum err rc = span_object((struct slice) {copy, n}, names, NAME_COUNT, out, &error);
        assert_int_equal(rc, n == sizeof(text) - 1 ? ERR_NONE : ERR_INPUT);
        assert_true(rc == ERR_NONE || error.offset <= n);
        free(copy);
    }
}

/* ---- numbers ---- */

static struct span_value number(const char *text)
{
    return (struct span_value) {.type = SPAN_NUMBER, .text = slice_of(text)};
}

static void test_natural_numbers(void **state)
{
    static const char *const wrong[] = {"-1", "-0", "1.0", "1e3", "18446744073709551616", "0.5"};
    struct span_value v = number("18446744073709551615");
    uint64_t n = 5;
    (void) state;
    assert_true(span_to_u64(&v, &n));
    assert_true(n == UINT64_MAX);
    v = number("0");
    assert_true(span_to_u64(&v, &n));
    assert_true(n == 0);
    n = 5;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        v = number(wrong[i]);
        assert_false(span_to_u64(&v, &n));
    }
    v = (struct span_value) {.type = SPAN_STRING, .text = SLICE_LIT("12")};
    assert_false(span_to_u64(&v, &n));
    v = (struct span_value) {.type = SPAN_ABSENT};
    assert_false(span_to_u64(&v, &n));
    assert_true(n == 5);
}

static void expect_double(const char *text, double want)
{
    struct span_value v = number(text);
    double got = -1;
    assert_true(span_to_double(&v, &got));
    assert_memory_equal(&got, &want, sizeof(got)); /* the sign of zero too */
}

static void test_doubles(void **state)
{
    (void) state;
    expect_double("0", 0.0);
    expect_double("-0", -0.0);
    expect_double("0.7", 0.7);
    expect_double("-1.5e3", -1500.0);
    expect_double("9007199254740993", 9007199254740992.0);
    expect_double("1.7976931348623157e308", 1.7976931348623157e308);
    expect_double("1e-400", 0.0); /* as good as zero */
    expect_double("0.1000000000000000055511151231257827021181583404541015625"
                  "0000000000000000000000000000",
                  0.1);
}

static void test_what_is_no_double(void **state)
{
    char digits[SPAN_NUMBER_MAX + 2];
    double n = 5;
    (void) state;
    struct span_value v = number("1e309");
    assert_false(span_to_double(&v, &n));
    v = number("-1e309");
    assert_false(span_to_double(&v, &n));
    v = (struct span_value) {.type = SPAN_STRING, .text = SLICE_LIT("12")};
    assert_false(span_to_double(&v, &n));
    memset(digits, '0', sizeof(digits));
    v = (struct span_value) {.type = SPAN_NUMBER, .text = {digits, SPAN_NUMBER_MAX + 1}};
    assert_false(span_to_double(&v, &n));
    assert_true(n == 5);
    v.text.n = SPAN_NUMBER_MAX;
    assert_true(span_to_double(&v, &n));
    assert_true(n == 0);
}

/* Nothing behind the span may be read as part of the number. */
static void test_a_number_ends_with_its_span(void **state)
{
    struct span_value v = {.type = SPAN_NUMBER, .text = {"12345", 2}};
    double n;
    (void) state;
    assert_true(span_to_double(&v, &n));
    assert_true(n == 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_are_found_in_any_order),
        cmocka_unit_test(test_values_of_every_type),
        cmocka_unit_test(test_what_is_not_there_is_absent),
        cmocka_unit_test(test_names_are_compared_after_unescaping),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_a_wanted_member_that_stands_twice),
        cmocka_unit_test(test_only_objects),
        cmocka_unit_test(test_bad_objects),
        cmocka_unit_test(test_no_names_only_checks),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_natural_numbers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_what_is_no_double),
        cmocka_unit_test(test_a_number_ends_with_its_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
