#include "gateway/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct decoded {
    enum http1_result result;
    size_t used;
    char data[256];
    size_t length;
};

/* Feeds pieces of `step` bytes, each in memory of exactly its size. */
static struct decoded decode(struct slice bytes, size_t step)
{
    struct decoded out = {.result = HTTP1_MORE};
    struct http1_chunked d;
    http1_chunked_init(&d);
    while (out.used < bytes.n && out.result == HTTP1_MORE) {
        size_t n = bytes.n - out.used < step ? bytes.n - out.used : step;
        char *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, bytes.p + out.used, n);
        size_t at = 0;
        while (at < n && out.result == HTTP1_MORE) {
            size_t used;
            struct slice data;
            const char *what;
            out.result = http1_chunked_feed(&d, (struct slice) {copy + at, n - at}, &used, &data,
                                            &what);
            assert_true(used <= n - at);
            assert_true(out.result != HTTP1_MORE || used > 0);
            assert_int_equal(out.result == HTTP1_BAD || out.result == HTTP1_TOO_BIG, what != NULL);
            assert_true(data.n == 0 ||
                        (data.p >= copy + at && data.p + data.n <= copy + at + used));
            assert_true(out.length + data.n <= sizeof(out.data));
            memcpy(out.data + out.length, data.p != NULL ? data.p : "", data.n);
            out.length += data.n;
            at += used;
        }
        out.used += at;
        free(copy);
    }
    return out;
}

static const struct {
    const char *name;
    struct slice bytes;
    enum http1_result result;
    const char *data;
} bodies[] = {
    {"one chunk", SLICE_LIT("5\r\nhello\r\n0\r\n\r\n"), HTTP1_DONE, "hello"},
    {"two chunks", SLICE_LIT("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), HTTP1_DONE, "hello"},
    {"empty", SLICE_LIT("0\r\n\r\n"), HTTP1_DONE, ""},
    {"hex in both cases", SLICE_LIT("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), HTTP1_DONE,
     "01234567890123456789a"},
    {"leading zeros", SLICE_LIT("0005\r\nhello\r\n000\r\n\r\n"), HTTP1_DONE, "hello"},
    {"extension", SLICE_LIT("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n"), HTTP1_DONE, "hello"},
    {"trailer", SLICE_LIT("1\r\nx\r\n0\r\nA: b\r\nExpires:\r\n\r\n"), HTTP1_DONE, "x"},
    {"data that looks like an end", SLICE_LIT("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), HTTP1_DONE,
     "0\r\n\r\n"},
    {"15 digits", SLICE_LIT("000000000000001\r\nx\r\n0\r\n\r\n"), HTTP1_DONE, "x"},
    {"unfinished", SLICE_LIT("5\r\nhel"), HTTP1_MORE, "hel"},
    {"no end", SLICE_LIT("5\r\nhello\r\n0\r\n"), HTTP1_MORE, "hello"},
    {"16 digits", SLICE_LIT("0000000000000001\r\nx\r\n0\r\n\r\n"), HTTP1_BAD, ""},
    {"no digits", SLICE_LIT("\r\nx"), HTTP1_BAD, ""},
    {"extension without size", SLICE_LIT(";a\r\n"), HTTP1_BAD, ""},
    {"0x", SLICE_LIT("0x5\r\nhello\r\n"), HTTP1_BAD, ""},
    {"sign", SLICE_LIT("+5\r\nhello\r\n"), HTTP1_BAD, ""},
    {"minus", SLICE_LIT("-1\r\n"), HTTP1_BAD, ""},
    {"space before the size", SLICE_LIT(" 5\r\nhello\r\n"), HTTP1_BAD, ""},
    {"space after the size", SLICE_LIT("5 \r\nhello\r\n"), HTTP1_BAD, ""},
    {"underscore", SLICE_LIT("1_0\r\n"), HTTP1_BAD, ""},
    {"bare LF after the size", SLICE_LIT("5\nhello\r\n"), HTTP1_BAD, ""},
    {"bare CR after the size", SLICE_LIT("5\rhello\r\n"), HTTP1_BAD, ""},
    {"bare LF in the extension", SLICE_LIT("5;a\nhello\r\n"), HTTP1_BAD, ""},
    {"NUL in the extension", SLICE_LIT("5;\0\r\nhello\r\n"), HTTP1_BAD, ""},
    {"chunk too long", SLICE_LIT("5\r\nhello!\r\n"), HTTP1_BAD, "hello"},
    {"chunk too short", SLICE_LIT("5\r\nhell\r\n0\r\n\r\n"), HTTP1_BAD, "hell\r"},
    {"bare LF after the data", SLICE_LIT("5\r\nhello\n0\r\n\r\n"), HTTP1_BAD, "hello"},
    {"CR without LF after the data", SLICE_LIT("5\r\nhello\rX"), HTTP1_BAD, "hello"},
    {"bare LF at the end", SLICE_LIT("0\r\n\n"), HTTP1_BAD, ""},
    {"CR without LF at the end", SLICE_LIT("0\r\n\rX"), HTTP1_BAD, ""},
    {"folded trailer", SLICE_LIT("0\r\nA: b\r\n c\r\n\r\n"), HTTP1_BAD, ""},
    {"trailer without colon", SLICE_LIT("0\r\nA\r\n\r\n"), HTTP1_BAD, ""},
    {"trailer with a space before the colon", SLICE_LIT("0\r\nA : b\r\n\r\n"), HTTP1_BAD, ""},
    {"trailer without name", SLICE_LIT("0\r\n: b\r\n\r\n"), HTTP1_BAD, ""},
    {"a request where the trailer should be", SLICE_LIT("0\r\nGET / HTTP/1.1\r\n\r\n"), HTTP1_BAD,
     ""},
};

static void test_bodies(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct slice bytes = bodies[i].bytes;
        for (size_t step = bytes.n; step > 0; step--) {
            struct decoded d = decode(bytes, step);
            if (d.result != bodies[i].result || d.length != strlen(bodies[i].data) ||
                memcmp(d.data, bodies[i].data, d.length) != 0) {
                fail_msg("%s in steps of %zu: %d \"%.*s\"", bodies[i].name, step, (int) d.result,
                         (int) d.length, d.data);
            }
            if (d.result == HTTP1_DONE) {
                assert_int_equal(d.used, bytes.n);
            }
        }
    }
}

/* Two pieces, cut at every byte, which steps of equal size do not cover. */
static void test_bodies_in_two_pieces(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct slice bytes = bodies[i].bytes;
        for (size_t cut = 0; cut <= bytes.n; cut++) {
            struct http1_chunked d;
            http1_chunked_init(&d);
            enum http1_result rc = HTTP1_MORE;
            size_t at = 0;
            while (rc == HTTP1_MORE && at < bytes.n) {
                size_t end = at < cut ? cut : bytes.n;
                size_t used;
                struct slice data;
                const char *what;
                rc = http1_chunked_feed(&d, (struct slice) {bytes.p + at, end - at}, &used, &data,
                                        &what);
                at += used;
            }
            assert_int_equal(rc, bodies[i].result);
        }
    }
}

static void test_bytes_behind_the_body(void **state)
{
    (void) state;
    struct decoded d = decode((struct slice) SLICE_LIT("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1"), 1000);
    assert_int_equal(d.result, HTTP1_DONE);
    assert_int_equal(d.used, 11);
    struct http1_chunked over = {.state = HTTP1_CHUNK_OVER};
    size_t used = 1;
    struct slice data;
    const char *what;
    assert_int_equal(http1_chunked_feed(&over, slice_of("x"), &used, &data, &what), HTTP1_DONE);
    assert_int_equal(used, 0);
}

static void test_a_chunk_over_32_bits(void **state)
{
    (void) state;
    struct http1_chunked d;
    http1_chunked_init(&d);
    size_t used;
    struct slice data;
    const char *what;
    struct slice bytes = SLICE_LIT("fffffffffffffff\r\nabc");
    assert_int_equal(http1_chunked_feed(&d, bytes, &used, &data, &what), HTTP1_MORE);
    assert_true(slice_eq_text(data, "abc"));
    assert_true(d.left == UINT64_C(0xfffffffffffffff) - 3);
}

/* Feeds `count` times `bytes` after `first`. */
static enum http1_result repeat(const char *first, const char *bytes, unsigned count)
{
    struct http1_chunked d;
    http1_chunked_init(&d);
    enum http1_result rc = HTTP1_MORE;
    for (unsigned i = 0; i <= count && rc == HTTP1_MORE; i++) {
        struct slice rest = slice_of(i == 0 ? first : bytes);
        while (rest.n > 0 && rc == HTTP1_MORE) {
            size_t used;
            struct slice data;
            const char *what;
            rc = http1_chunked_feed(&d, rest, &used, &data, &what);
            rest = (struct slice) {rest.p + used, rest.n - used};
        }
    }
    return rc;
}

static void test_bounds_of_what_is_skipped(void **state)
{
    (void) state;
    assert_int_equal(repeat("1;", "x", 16 * 1024), HTTP1_MORE);
    assert_int_equal(repeat("1;", "x", 16 * 1024 + 1), HTTP1_TOO_BIG);
    assert_int_equal(repeat("", "1;12345678\r\nx\r\n", 2 * 1024), HTTP1_MORE);
    assert_int_equal(repeat("", "1;12345678\r\nx\r\n", 2 * 1024 + 1), HTTP1_TOO_BIG);
    assert_int_equal(repeat("0\r\n", "a", 16 * 1024), HTTP1_MORE);
    assert_int_equal(repeat("0\r\n", "a", 16 * 1024 + 1), HTTP1_TOO_BIG);
    assert_int_equal(repeat("0\r\n", "abc:1234\r\n", 16 * 1024 / 7 + 1), HTTP1_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bodies_in_two_pieces),
        cmocka_unit_test(test_bytes_behind_the_body),
        cmocka_unit_test(test_a_chunk_over_32_bits),
        cmocka_unit_test(test_bounds_of_what_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
