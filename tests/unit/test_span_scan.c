#include "cache/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Checks memory of exactly these bytes, so that a sanitizer sees a read past them. */
static enum err check(const void *bytes, size_t n, struct span_error *error)
{
    char *copy = malloc(n > 0 ? n : 1);
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    *error = (struct span_error) {SIZE_MAX, NULL};
    enum err rc = span_check((struct slice) {copy, n}, error);
    free(copy);
    return rc;
}

static void expect_good(struct slice text)
{
    struct span_error error;
    if (check(text.p, text.n, &error) != ERR_NONE) {
        fail_msg("%.*s: refused at %zu: %s", (int) text.n, text.p, error.offset, error.what);
    }
}

static void expect_bad(struct slice text, size_t offset, const char *what)
{
    struct span_error error;
    if (check(text.p, text.n, &error) != ERR_INPUT) {
        fail_msg("%.*s: accepted", (int) text.n, text.p);
    }
    if (error.offset != offset || strcmp(error.what, what) != 0) {
        fail_msg("%.*s: '%s' at %zu, expected '%s' at %zu", (int) text.n, text.p, error.what,
                 error.offset, what, offset);
    }
}

/* ---- tables ---- */

static void test_good_texts(void **state)
{
    static const struct slice texts[] = {
        SLICE_LIT("null"),
        SLICE_LIT("true"),
        SLICE_LIT("false"),
        SLICE_LIT("0"),
        SLICE_LIT("-0"),
        SLICE_LIT("7"),
        SLICE_LIT("-12"),
        SLICE_LIT("9007199254740993"),
        SLICE_LIT("123456789012345678901234567890"),
        SLICE_LIT("0.5"),
        SLICE_LIT("-0.0"),
        SLICE_LIT("10.25"),
        SLICE_LIT("1e5"),
        SLICE_LIT("1E5"),
        SLICE_LIT("1e+5"),
        SLICE_LIT("1e-5"),
        SLICE_LIT("0e0"),
        SLICE_LIT("0.0e00"),
        SLICE_LIT("1e999"),
        SLICE_LIT("\"\""),
        SLICE_LIT("\"a\""),
        SLICE_LIT("\"\x7f\""),
        SLICE_LIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        SLICE_LIT("\"\\u0041\\u00e9\\u20AC\\uabCD\""),
        SLICE_LIT("\"\\u0000\""),
        SLICE_LIT("\"\\ud83d\\ude00\""),
        SLICE_LIT("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""),
        SLICE_LIT("\"\\ud7ff\\ue000\""),
        SLICE_LIT("\"\xc2\x80\xdf\xbf\""),
        SLICE_LIT("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
        SLICE_LIT("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
        SLICE_LIT("\"\xef\xbb\xbf\""),
        SLICE_LIT("[]"),
        SLICE_LIT("{}"),
        SLICE_LIT("[ ]"),
        SLICE_LIT("{ }"),
        SLICE_LIT("[[],{}]"),
        SLICE_LIT("[1,2,3]"),
        SLICE_LIT("{\"a\":1}"),
        SLICE_LIT("{\"\":1}"),
        SLICE_LIT("{\"a\":{\"a\":{\"a\":[{}]}}}"),
        SLICE_LIT("{\"a\":1,\"a\":2}"),
        SLICE_LIT(
            "\t\r\n {\t\r\n \"a\"\t\r\n :\t\r\n [\t\r\n 1\t\r\n ,\t\r\n 2\t\r\n ]\t\r\n }\t\r\n "),
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        expect_good(texts[i]);
    }
}

struct bad_text {
    struct slice text;
    size_t offset;
    const char *what;
};

static void expect_all_bad(const struct bad_text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_bad(texts[i].text, texts[i].offset, texts[i].what);
    }
}

static void test_bad_structure(void **state)
{
    static const char value[] = "expected a value", name[] = "expected a member's name";
    static const char colon[] = "expected ':'", comma[] = "expected ',' or ']'";
    static const char object_comma[] = "expected ',' or '}'";
    static const char open[] = "unfinished array or object";
    static const char after[] = "unexpected bytes after the value";
    static const struct bad_text texts[] = {
        {SLICE_LIT(""), 0, value},
        {SLICE_LIT("  "), 2, value},
        {SLICE_LIT("nul"), 0, value},
        {SLICE_LIT("nulL"), 0, value},
        {SLICE_LIT("True"), 0, value},
        {SLICE_LIT("nan"), 0, value},
        {SLICE_LIT("NaN"), 0, value},
        {SLICE_LIT("Infinity"), 0, value},
        {SLICE_LIT("'a'"), 0, value},
        {SLICE_LIT("a"), 0, value},
        {SLICE_LIT("]"), 0, value},
        {SLICE_LIT("}"), 0, value},
        {SLICE_LIT(","), 0, value},
        {SLICE_LIT("\xef\xbb\xbf{}"), 0, value}, /* a byte order mark is no white space */
        {SLICE_LIT("\0"), 0, value},
        {SLICE_LIT("\v1"), 0, value},
        {SLICE_LIT("\f1"), 0, value},
        {SLICE_LIT("\xc2\xa0"
                   "1"),
         0, value},
        {SLICE_LIT("/* */1"), 0, value},
        {SLICE_LIT("nullx"), 4, after},
        {SLICE_LIT("null null"), 5, after},
        {SLICE_LIT("{}{}"), 2, after},
        {SLICE_LIT("[]]"), 2, after},
        {SLICE_LIT("{},"), 2, after},
        {SLICE_LIT("1 2"), 2, after},
        {SLICE_LIT("{}\0"), 2, after},
        {SLICE_LIT("\"a\"b"), 3, after},
        {SLICE_LIT("["), 1, value},
        {SLICE_LIT("[1"), 2, open},
        {SLICE_LIT("[1,"), 3, value},
        {SLICE_LIT("[1,]"), 3, value},
        {SLICE_LIT("[,1]"), 1, value},
        {SLICE_LIT("[1,,2]"), 3, value},
        {SLICE_LIT("[1 2]"), 3, comma},
        {SLICE_LIT("[1}"), 2, comma},
        {SLICE_LIT("[\"a\":1]"), 4, comma},
        {SLICE_LIT("[1;2]"), 2, comma},
        {SLICE_LIT("{"), 1, name},
        {SLICE_LIT("{]"), 1, name},
        {SLICE_LIT("{,}"), 1, name},
        {SLICE_LIT("{a:1}"), 1, name},
        {SLICE_LIT("{1:1}"), 1, name},
        {SLICE_LIT("{'a':1}"), 1, name},
        {SLICE_LIT("{\"a\":1,}"), 7, name},
        {SLICE_LIT("{\"a\":1,"), 7, name},
        {SLICE_LIT("{\"a\""), 4, colon},
        {SLICE_LIT("{\"a\"}"), 4, colon},
        {SLICE_LIT("{\"a\",1}"), 4, colon},
        {SLICE_LIT("{\"a\"1}"), 4, colon},
        {SLICE_LIT("{\"a\":"), 5, value},
        {SLICE_LIT("{\"a\":}"), 5, value},
        {SLICE_LIT("{\"a\"::1}"), 5, value},
        {SLICE_LIT("{\"a\":1"), 6, open},
        {SLICE_LIT("{\"a\":1]"), 6, object_comma},
        {SLICE_LIT("{\"a\":1 \"b\":2}"), 7, object_comma},
        {SLICE_LIT("[{\"a\":[1}]"), 8, comma},
        {SLICE_LIT("[{\"a\":[1]]"), 9, object_comma},
    };
    (void) state;
    expect_all_bad(texts, ARRAY_LEN(texts));
}

static void test_bad_numbers(void **state)
{
    static const char digit[] = "expected a digit";
    static const char after[] = "unexpected bytes after the value";
    static const struct bad_text texts[] = {
        {SLICE_LIT("+1"), 0, "expected a value"},
        {SLICE_LIT(".5"), 0, "expected a value"},
        {SLICE_LIT("-"), 1, digit},
        {SLICE_LIT("-x"), 1, digit},
        {SLICE_LIT("--1"), 1, digit},
        {SLICE_LIT("-.5"), 1, digit},
        {SLICE_LIT("1."), 2, digit},
        {SLICE_LIT("1.x"), 2, digit},
        {SLICE_LIT("1.e5"), 2, digit},
        {SLICE_LIT("1e"), 2, digit},
        {SLICE_LIT("1e+"), 3, digit},
        {SLICE_LIT("1e+-1"), 3, digit},
        {SLICE_LIT("1ex"), 2, digit},
        {SLICE_LIT("01"), 1, after},
        {SLICE_LIT("00"), 1, after},
        {SLICE_LIT("-01"), 2, after},
        {SLICE_LIT("0x10"), 1, after},
        {SLICE_LIT("1.5.5"), 3, after},
        {SLICE_LIT("1e5e5"), 3, after},
        {SLICE_LIT("1e5.5"), 3, after},
        {SLICE_LIT("1_000"), 1, after},
        {SLICE_LIT("[01]"), 2, "expected ',' or ']'"},
    };
    (void) state;
    expect_all_bad(texts, ARRAY_LEN(texts));
}

static void test_bad_strings(void **state)
{
    static const char open[] = "unfinished string", utf8[] = "invalid UTF-8";
    static const char control[] = "control byte in a string", escape[] = "unknown escape";
    static const char hex[] = "expected four hex digits after \\u";
    static const char high[] = "lone high surrogate", low[] = "lone low surrogate";
    static const struct bad_text texts[] = {
        {SLICE_LIT("\""), 1, open},
        {SLICE_LIT("\"abcdefghijk"), 12, open},
        {SLICE_LIT("\"a\\"), 3, open},
        {SLICE_LIT("\"a\\\""), 4, open},
        {SLICE_LIT("\"a\nb\""), 2, control},
        {SLICE_LIT("\"\t\""), 1, control},
        {SLICE_LIT("\"\0\""), 1, control},
        {SLICE_LIT("\"\x1f\""), 1, control},
        {SLICE_LIT("\"\\x41\""), 2, escape},
        {SLICE_LIT("\"\\a\""), 2, escape},
        {SLICE_LIT("\"\\U0041\""), 2, escape},
        {SLICE_LIT("\"\\'\""), 2, escape},
        {SLICE_LIT("\"\\\n\""), 2, escape},
        {SLICE_LIT("\"\\0\""), 2, escape},
        {SLICE_LIT("\"\\u\""), 3, hex},
        {SLICE_LIT("\"\\u00\""), 5, hex},
        {SLICE_LIT("\"\\u004"), 6, hex},
        {SLICE_LIT("\"\\u004g\""), 6, hex},
        {SLICE_LIT("\"\\u+041\""), 3, hex},
        {SLICE_LIT("\"\\u 041\""), 3, hex},
        {SLICE_LIT("\"\\u00@0\""), 5, hex},
        {SLICE_LIT("\"\\u00`0\""), 5, hex},
        {SLICE_LIT("\"\\u00G0\""), 5, hex},
        {SLICE_LIT("\"\\ud800\""), 7, high},
        {SLICE_LIT("\"\\udbff!\""), 7, high},
        {SLICE_LIT("\"\\ud83d\\n\""), 7, high},
        {SLICE_LIT("\"\\ud83d\\u0041\""), 13, high},
        {SLICE_LIT("\"\\ud83d\\ud83d\""), 13, high},
        {SLICE_LIT("\"\\ud83d\\udbff\""), 13, high},
        {SLICE_LIT("\"\\ud83d\\ue000\""), 13, high},
        {SLICE_LIT("\"\\ud83d\\"), 7, high},
        {SLICE_LIT("\"\\ud83d\\ude0\""), 12, hex},
        {SLICE_LIT("\"\\udc00\""), 7, low},
        {SLICE_LIT("\"\\udfff\\ud83d\""), 7, low},
        {SLICE_LIT("\"\\ude00\\ud83d\""), 7, low},
        {SLICE_LIT("\"\x80\""), 1, utf8},
        {SLICE_LIT("\"\xbf\""), 1, utf8},
        {SLICE_LIT("\"\xc0\x80\""), 1, utf8}, /* overlong */
        {SLICE_LIT("\"\xc1\xbf\""), 1, utf8},
        {SLICE_LIT("\"\xe0\x9f\xbf\""), 1, utf8},
        {SLICE_LIT("\"\xf0\x8f\xbf\xbf\""), 1, utf8},
        {SLICE_LIT("\"\xed\xa0\x80\""), 1, utf8}, /* surrogates */
        {SLICE_LIT("\"\xed\xbf\xbf\""), 1, utf8},
        {SLICE_LIT("\"\xf4\x90\x80\x80\""), 1, utf8}, /* above U+10FFFF */
        {SLICE_LIT("\"\xf5\x80\x80\x80\""), 1, utf8},
        {SLICE_LIT("\"\xff\""), 1, utf8},
        {SLICE_LIT("\"ab\xc3\""), 3, utf8}, /* cut short, by the quote and by the end */
        {SLICE_LIT("\"ab\xc3"), 3, utf8},
        {SLICE_LIT("\"\xe2\x82\""), 1, utf8},
        {SLICE_LIT("\"\xe2\x82"), 1, utf8},
        {SLICE_LIT("\"\xf0\x9f\x98\""), 1, utf8},
        {SLICE_LIT("\"\xf0\x9f\x98"), 1, utf8},
        {SLICE_LIT("{\"\xff\":1}"), 2, utf8},
        {SLICE_LIT("{\"a\nb\":1}"), 3, control},
    };
    (void) state;
    expect_all_bad(texts, ARRAY_LEN(texts));
}

/* ---- every byte everywhere ---- */

enum { STRING_LENGTH = 27 };

/* Strings are scanned in words of eight: what is special must be seen at every place in a word and in
 * the rest behind the last whole one. Blanks around it are the bytes next to the control ones. */
static void test_every_byte_at_every_place(void **state)
{
    (void) state;
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 1; at <= STRING_LENGTH; at++) {
            char text[STRING_LENGTH + 2];
            struct span_error error;
            memset(text, ' ', sizeof(text));
            text[0] = text[sizeof(text) - 1] = '"';
            text[at] = (char) c;
            bool is_plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            enum err rc = check(text, sizeof(text), &error);
            if (c == '\\' && at == STRING_LENGTH) { /* escapes the last quote */
                assert_int_equal(rc, ERR_INPUT);
                assert_int_equal(error.offset, sizeof(text));
            } else if (c == '"') { /* ends it; white space and one more quote follow */
                assert_int_equal(rc, ERR_INPUT);
                assert_int_equal(error.offset, sizeof(text) - 1);
            } else {
                assert_int_equal(rc, is_plain ? ERR_NONE : ERR_INPUT);
                assert_true(is_plain || error.offset == at + (c == '\\'));
            }
        }
    }
}

/* ---- UTF-8 ---- */

/* Another way than the scanner's: decodes by the bits and then looks at the number. */
static bool is_utf8(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned mask[] = {0, 0, 0xE0, 0xF0, 0xF8}, lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    uint32_t code = p[0] & ~mask[n] & 0xFF;
    if ((p[0] & mask[n]) != lead[n]) {
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) {
            return false;
        }
        code = code << 6 | (p[i] & 0x3F);
    }
    return code >= least[n] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static void test_all_leads_and_seconds(void **state)
{
    static const unsigned char thirds[] = {0x00, 0x22, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    (void) state;
    for (unsigned lead = 0xC0; lead < 0x100; lead++) {
        size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        for (unsigned second = 0; second < 0x100; second++) {
            for (size_t k = 0; k < ARRAY_LEN(thirds); k++) {
                unsigned char text[8] = {'"', (unsigned char) lead, (unsigned char) second,
                                         thirds[k], thirds[ARRAY_LEN(thirds) - 1 - k]};
                struct span_error error;
                text[1 + n] = '"';
                bool expected = is_utf8(text + 1, n);
                assert_int_equal(check(text, n + 2, &error) == ERR_NONE, expected);
            }
        }
    }
}

static size_t encode(uint32_t code, char *out)
{
    if (code < 0x800) {
        out[0] = (char) (0xC0 | code >> 6);
        out[1] = (char) (0x80 | (code & 63));
        return 2;
    }
    size_t n = code < 0x10000 ? 3 : 4;
    out[0] = (char) (n == 3 ? 0xE0 | code >> 12 : 0xF0 | code >> 18);
    for (size_t i = 1; i < n; i++) {
        out[i] = (char) (0x80 | (code >> (6 * (n - 1 - i)) & 63));
    }
    return n;
}

/* In one string, so that they also stand at every place in the words of eight. */
static void test_all_code_points(void **state)
{
    char *text = malloc(5000000);
    size_t n = 1;
    (void) state;
    text[0] = '"';
    for (uint32_t code = 0x80; code <= 0x10FFFF; code++) {
        if (code < 0xD800 || code > 0xDFFF) {
            n += encode(code, text + n);
        }
        if (code % 3 == 0) {
            text[n++] = 'a';
        }
    }
    text[n++] = '"';
    expect_good((struct slice) {text, n});
    free(text);
}

/* ---- depth ---- */

static size_t nest(char *out, size_t depth, const char *open, const char *close)
{
    size_t n = 0;
    for (size_t i = 0; i < depth; i++) {
        n += (size_t) snprintf(out + n, 8, "%s", open);
    }
    out[n++] = '1';
    for (size_t i = 0; i < depth; i++) {
        n += (size_t) snprintf(out + n, 8, "%s", close);
    }
    return n;
}

static void test_depth_has_a_limit(void **state)
{
    char text[8 * 100 * SPAN_DEPTH_MAX];
    struct span_error error;
    (void) state;
    expect_good((struct slice) {text, nest(text, SPAN_DEPTH_MAX, "[", "]")});
    expect_good((struct slice) {text, nest(text, SPAN_DEPTH_MAX, "{\"a\":", "}")});
    expect_good((struct slice) {text, nest(text, SPAN_DEPTH_MAX / 2, "[{\"\":", "}]")});
    expect_bad((struct slice) {text, nest(text, SPAN_DEPTH_MAX + 1, "[", "]")}, SPAN_DEPTH_MAX,
               "nested too deep");
    expect_bad((struct slice) {text, nest(text, SPAN_DEPTH_MAX + 1, "{\"a\":", "}")},
               SPAN_DEPTH_MAX * 5, "nested too deep");
    size_t n = nest(text, 90 * SPAN_DEPTH_MAX, "[", "]");
    assert_int_equal(check(text, n, &error), ERR_INPUT);
    assert_int_equal(error.offset, SPAN_DEPTH_MAX);
}

/* An empty container is as deep as a full one, and what has closed does not count. */
static void test_depth_counts_what_is_open(void **state)
{
    char text[4 * SPAN_DEPTH_MAX];
    (void) state;
    size_t n = nest(text, SPAN_DEPTH_MAX, "[", "]");
    text[SPAN_DEPTH_MAX] = '[';
    memmove(text + SPAN_DEPTH_MAX + 2, text + SPAN_DEPTH_MAX + 1, n - SPAN_DEPTH_MAX - 1);
    text[SPAN_DEPTH_MAX + 1] = ']';
    expect_bad((struct slice) {text, n + 1}, SPAN_DEPTH_MAX, "nested too deep");
    n = 0;
    text[n++] = '[';
    for (size_t i = 0; i < SPAN_DEPTH_MAX; i++) {
        memcpy(text + n, "[],", 3);
        n += 3;
    }
    text[n - 1] = ']';
    expect_good((struct slice) {text, n});
}

/* ---- cut at every byte ---- */

static void test_no_beginning_of_an_object_is_whole(void **state)
{
    static const char text[] =
        "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"caf\xc3\xa9 "
        "\\\"x\\\" "
        "\\u00e9\\ud83d\\ude00 \xf0\x9f\x98\x80 and a longer "
        "piece\"},{}],\"temperature\":-0.75e+10,"
        "\"stream\":true,\"stop\":null,\"n\":[],\"x\":[false,[1,[2]],{\"y\":{\"z\":\"\"}}]}";
    struct span_error error;
    (void) state;
    expect_good((struct slice) {text, sizeof(text) - 1});
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        assert_int_equal(check(text, n, &error), ERR_INPUT);
        assert_true(error.offset <= n);
        assert_non_null(error.what);
    }
    for (size_t n = 0; n < sizeof(text) - 1; n++) { /* nor an end */
        assert_int_equal(check(text + 1 + n, sizeof(text) - 2 - n, &error), ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_texts),
        cmocka_unit_test(test_bad_structure),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bad_strings),
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_all_leads_and_seconds),
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_depth_counts_what_is_open),
        cmocka_unit_test(test_no_beginning_of_an_object_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
