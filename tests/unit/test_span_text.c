#include "cache/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A copy without a terminator in memory of exactly its size, so that a step beyond is seen. */
static struct slice exact(struct slice s)
{
    char *copy = malloc(s.n > 0 ? s.n : 1);
    assert_non_null(copy);
    memcpy(copy, s.p, s.n);
    return (struct slice) {copy, s.n};
}

static void drop(struct slice s)
{
    char *copy;
    memcpy(&copy, &s.p, sizeof(copy)); /* slices borrow; this one is ours */
    free(copy);
}

/* ---- decoding ---- */

/* Decodes with every cap: the length is always the whole, and no byte beyond the cap is written. */
static void expect_decoded(struct slice string, struct slice expected)
{
    struct slice s = exact(string);
    char out[256];
    assert_true(expected.n + 1 < sizeof(out));
    for (size_t cap = 0; cap <= expected.n + 1; cap++) {
        size_t written = cap < expected.n ? cap : expected.n;
        memset(out, '#', sizeof(out));
        assert_int_equal(span_decode(s, out, cap), expected.n);
        assert_memory_equal(out, expected.p, written);
        for (size_t i = written; i < sizeof(out); i++) {
            assert_int_equal(out[i], '#');
        }
    }
    assert_int_equal(span_decode(s, NULL, 0), expected.n);
    drop(s);
}

static void test_decoding(void **state)
{
    (void) state;
    expect_decoded(SLICE_LIT("\"\""), SLICE_LIT(""));
    expect_decoded(SLICE_LIT("\"plain\""), SLICE_LIT("plain"));
    expect_decoded(SLICE_LIT("\"caf\xc3\xa9\""), SLICE_LIT("caf\xc3\xa9"));
    expect_decoded(SLICE_LIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SLICE_LIT("\"\\/\b\f\n\r\t"));
    expect_decoded(SLICE_LIT("\"a\\nb\\\\n\\\\\""), SLICE_LIT("a\nb\\n\\"));
    expect_decoded(SLICE_LIT("\"\\u0000\\u0041\\u004a\\u004A\""), SLICE_LIT("\0AJJ"));
}

/* The first and the last code point of each length, and both spellings of hex digits. */
static void test_decoding_code_points(void **state)
{
    (void) state;
    expect_decoded(SLICE_LIT("\"\\u0001\\u007f\""), SLICE_LIT("\x01\x7f"));
    expect_decoded(SLICE_LIT("\"\\u0080\\u07ff\\u07FF\""), SLICE_LIT("\xc2\x80\xdf\xbf\xdf\xbf"));
    expect_decoded(SLICE_LIT("\"\\u0800\\ud7ff\""), SLICE_LIT("\xe0\xa0\x80\xed\x9f\xbf"));
    expect_decoded(SLICE_LIT("\"\\ue000\\uffff\""), SLICE_LIT("\xee\x80\x80\xef\xbf\xbf"));
    expect_decoded(SLICE_LIT("\"\\ud800\\udc00\""), SLICE_LIT("\xf0\x90\x80\x80"));
    expect_decoded(SLICE_LIT("\"\\uDBFF\\uDFFF\""), SLICE_LIT("\xf4\x8f\xbf\xbf"));
    expect_decoded(SLICE_LIT("\"\\ud83D\\uDe00!\""), SLICE_LIT("\xf0\x9f\x98\x80!"));
    expect_decoded(SLICE_LIT("\"\\u20ac\\u0039\\u20AC\""), SLICE_LIT("\xe2\x82\xac"
                                                                     "9\xe2\x82\xac"));
}

static void test_every_code_point_survives(void **state)
{
    (void) state;
    for (unsigned code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 251) {
        char escape[16], bytes[4], again[4], string[32];
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        unsigned rest = code - 0x10000;
        int n = code < 0x10000 ? snprintf(escape, sizeof(escape), "\"\\u%04x\"", code)
                               : snprintf(escape, sizeof(escape), "\"\\u%04x\\u%04X\"",
                                          0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
        size_t length = span_decode((struct slice) {escape, (size_t) n}, bytes, sizeof(bytes));
        assert_int_equal(length, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        string[0] = '"';
        size_t escaped = span_escape((struct slice) {bytes, length}, string + 1, 30);
        string[escaped + 1] = '"';
        assert_int_equal(span_decode((struct slice) {string, escaped + 2}, again, sizeof(again)),
                         length);
        assert_memory_equal(again, bytes, length);
        if (code >= 0x80) { /* no escape is needed for these */
            assert_int_equal(escaped, length);
        }
    }
}

static void test_plain_strings_need_no_copy(void **state)
{
    (void) state;
    struct slice inside, empty = SLICE_LIT("\"\""), plain = SLICE_LIT("\"caf\xc3\xa9\"");
    assert_true(span_plain(empty, &inside));
    assert_ptr_equal(inside.p, empty.p + 1);
    assert_int_equal(inside.n, 0);
    assert_true(span_plain(plain, &inside));
    assert_ptr_equal(inside.p, plain.p + 1);
    assert_int_equal(inside.n, plain.n - 2);
    assert_false(span_plain(SLICE_LIT("\"\\n\""), &inside));
    assert_false(span_plain(SLICE_LIT("\"0123456789abcdef\\\"\""), &inside));
}

/* ---- comparing ---- */

static void test_comparing(void **state)
{
    (void) state;
    static const char *const spellings[] = {
        "\"model\"",
        "\"mod\\u0065l\"",
        "\"\\u006dodel\"",
        "\"mode\\u006C\"",
        "\"\\u006d\\u006f\\u0064\\u0065\\u006c\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        struct slice s = exact(slice_of(spellings[i]));
        assert_true(span_string_eq(s, "model"));
        static const char *const others[] = {"", "mode", "models", "Model", "modem", "mod\\u0065l"};
        for (size_t k = 0; k < ARRAY_LEN(others); k++) {
            assert_false(span_string_eq(s, others[k]));
        }
        drop(s);
    }
}

static void test_comparing_special_characters(void **state)
{
    (void) state;
    assert_true(span_string_eq(SLICE_LIT("\"\""), ""));
    assert_false(span_string_eq(SLICE_LIT("\"\""), "a"));
    assert_true(span_string_eq(SLICE_LIT("\"a\\/b\""), "a/b"));
    assert_true(span_string_eq(SLICE_LIT("\"\\\\\\\"\""), "\\\""));
    assert_true(span_string_eq(SLICE_LIT("\"caf\\u00e9\""), "caf\xc3\xa9"));
    assert_true(span_string_eq(SLICE_LIT("\"caf\xc3\xa9\""), "caf\xc3\xa9"));
    assert_true(span_string_eq(SLICE_LIT("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x80"));
    assert_false(span_string_eq(SLICE_LIT("\"\\ud83d\\ude00\""), "\xf0\x9f\x98"));
    assert_false(span_string_eq(SLICE_LIT("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x81"));
    /* A zero in the string is not the end of the text. */
    assert_false(span_string_eq(SLICE_LIT("\"\\u0000\""), ""));
    assert_false(span_string_eq(SLICE_LIT("\"a\\u0000\""), "a"));
    assert_false(span_string_eq(SLICE_LIT("\"a\\u0000b\""), "a"));
}

static void test_comparing_long_strings(void **state)
{
    (void) state;
    enum { LONGEST = 300 };
    char text[LONGEST + 1], string[LONGEST + 16];
    for (size_t n = 1; n <= LONGEST; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        int length = snprintf(string, sizeof(string), "\"\\u0078%s\"", text + 1);
        struct slice s = {string, (size_t) length};
        assert_true(span_string_eq(s, text));
        text[n - 1] = 'y';
        assert_false(span_string_eq(s, text));
        text[n - 1] = '\0';
        assert_false(span_string_eq(s, text));
    }
}

/* ---- escaping ---- */

/* Escapes with every cap, as decoding is tested. */
static void expect_escaped(struct slice text, struct slice expected)
{
    struct slice s = exact(text);
    char out[512];
    assert_int_equal(span_escaped_length(s), expected.n);
    assert_true(expected.n + 1 < sizeof(out));
    for (size_t cap = 0; cap <= expected.n + 1; cap++) {
        size_t written = cap < expected.n ? cap : expected.n;
        memset(out, '#', sizeof(out));
        assert_int_equal(span_escape(s, out, cap), expected.n);
        assert_memory_equal(out, expected.p, written);
        for (size_t i = written; i < sizeof(out); i++) {
            assert_int_equal(out[i], '#');
        }
    }
    drop(s);
}

static void test_escaping(void **state)
{
    (void) state;
    expect_escaped(SLICE_LIT(""), SLICE_LIT(""));
    expect_escaped(SLICE_LIT("plain text, longer than eight bytes /"),
                   SLICE_LIT("plain text, longer than eight bytes /"));
    expect_escaped(SLICE_LIT("\"a\\b\""), SLICE_LIT("\\\"a\\\\b\\\""));
    expect_escaped(SLICE_LIT("\b\t\n\f\r"), SLICE_LIT("\\b\\t\\n\\f\\r"));
    expect_escaped(SLICE_LIT("\0\x01\x07\x0b\x0e\x1f"),
                   SLICE_LIT("\\u0000\\u0001\\u0007\\u000b\\u000e\\u001f"));
    expect_escaped(SLICE_LIT(" ~\x7f"), SLICE_LIT(" ~\x7f"));
    /* The neighbours of what is escaped, eight bytes and more. */
    expect_escaped(SLICE_LIT(" !#[]~\x7f ! # [ ] ~ \x7f"), SLICE_LIT(" !#[]~\x7f ! # [ ] ~ \x7f"));
    expect_escaped(SLICE_LIT("\n !#[]~\x7f\x1f !#[]~"), SLICE_LIT("\\n !#[]~\x7f\\u001f !#[]~"));
    expect_escaped(SLICE_LIT("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                   SLICE_LIT("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
    assert_int_equal(span_escaped_length(SLICE_NONE), 0);
}

#define BAD "\xef\xbf\xbd"

static void test_what_is_not_utf8_is_replaced(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        {"\x80", BAD},
        {"\xbf", BAD},
        {"\xff", BAD},
        {"\xc0\x80", BAD BAD}, /* overlong */
        {"\xc1\xbf", BAD BAD},
        {"\xe0\x9f\xbf", BAD BAD BAD},
        {"\xf0\x8f\xbf\xbf", BAD BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD}, /* surrogates */
        {"\xed\xbf\xbf", BAD BAD BAD},
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", BAD BAD BAD BAD},
        {"\xc3", BAD}, /* cut */
        {"\xe2\x82", BAD BAD},
        {"\xf0\x9f\x98", BAD BAD BAD},
        {"\xc3(", BAD "("},
        {"\xe2\x82(", BAD BAD "("},
        {"\xf0\x9f\x98(", BAD BAD BAD "("},
        {"\xe2(\xac", BAD "(" BAD},
        {"\xc3\xc3\xa9", BAD "\xc3\xa9"},
        {"abc\x80"
         "def\"",
         "abc" BAD "def\\\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_escaped(slice_of(rows[i][0]), slice_of(rows[i][1]));
    }
}

/* Plain bytes are copied in runs: what is special is found wherever it stands in them. */
static void test_a_special_byte_at_every_place(void **state)
{
    (void) state;
    static const char *const specials[][2] = {
        {"\"", "\\\""}, {"\\", "\\\\"}, {"\n", "\\n"},           {"\x1f", "\\u001f"},
        {"\x80", BAD},  {"\xff", BAD},  {"\xc3\xa9", "\xc3\xa9"}};
    for (size_t k = 0; k < ARRAY_LEN(specials); k++) {
        for (size_t before = 0; before < 20; before++) {
            for (size_t after = 0; after < 20; after++) {
                char text[64], expected[64];
                int n = snprintf(text, sizeof(text), "%.*s%s%.*s", (int) before,
                                 "abcdefghijklmnopqrst", specials[k][0], (int) after,
                                 "ABCDEFGHIJKLMNOPQRST");
                int m = snprintf(expected, sizeof(expected), "%.*s%s%.*s", (int) before,
                                 "abcdefghijklmnopqrst", specials[k][1], (int) after,
                                 "ABCDEFGHIJKLMNOPQRST");
                expect_escaped((struct slice) {text, (size_t) n},
                               (struct slice) {expected, (size_t) m});
            }
        }
    }
}

/* All pairs of bytes: what is written is a JSON string, and decodes to them if they were UTF-8. */
static void test_pairs_of_bytes_become_valid_strings(void **state)
{
    (void) state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char text[2] = {(char) (pair >> 8), (char) (pair & 255)};
        char string[16], back[8];
        struct span_error error;
        size_t n = span_escape((struct slice) {text, 2}, string + 1, sizeof(string) - 2);
        string[0] = string[n + 1] = '"';
        assert_int_equal(span_check((struct slice) {string, n + 2}, &error), ERR_NONE);
        size_t length = span_decode((struct slice) {string, n + 2}, back, sizeof(back));
        bool is_ascii = (pair & 0x8080) == 0;
        bool is_character = pair >= 0xc280 && pair <= 0xdfbf && (pair & 0xc0) == 0x80;
        if (is_ascii || is_character) {
            assert_int_equal(length, 2);
            assert_memory_equal(back, text, 2);
        } else {
            assert_true(length == 4 || length == 6); /* one or both replaced */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_decoding_code_points),
        cmocka_unit_test(test_every_code_point_survives),
        cmocka_unit_test(test_plain_strings_need_no_copy),
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_comparing_special_characters),
        cmocka_unit_test(test_comparing_long_strings),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_what_is_not_utf8_is_replaced),
        cmocka_unit_test(test_a_special_byte_at_every_place),
        cmocka_unit_test(test_pairs_of_bytes_become_valid_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
