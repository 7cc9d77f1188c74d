/* The head of an upstream's reply: its status, the five fields, what a wait is worth. */
#include "router/reply_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sun, 06 Nov 1994 08:49:37 GMT */
enum { NOW_S = 784111777 };

static int64_t wall(void *arg)
{
    (void) arg;
    return (int64_t) NOW_S * 1000000;
}

static const struct env env = {.wall_us = wall};

/* Lines up to and with `text`'s LFs; each in memory of its own size, so that reading past one is seen.
 * Returns how many lines came until the head was whole, 0 if it never was. */
static unsigned take(struct reply_head *h, const char *text)
{
    unsigned lines = 0;
    *h = (struct reply_head) {0};
    while (*text) {
        size_t n = (size_t) (strchr(text, '\n') - text) + 1;
        char *line = malloc(n);
        assert_non_null(line);
        memcpy(line, text, n);
        bool is_whole = reply_head_take(h, (struct slice) {line, n}, &env);
        free(line);
        lines++;
        if (is_whole) {
            return lines;
        }
        text += n;
    }
    return 0;
}

static void the_fields_are_kept_by_name_in_any_case(void **state)
{
    struct reply_head h;
    (void) state;
    assert_int_equal(take(&h, "HTTP/1.1 200 OK\r\n"
                              "CONTENT-type:text/event-stream; charset=utf-8 \r\n"
                              "content-encoding: \t gzip\r\n"
                              "X-Request-Id: req-1\r\n"
                              "content-type-options: nosniff\r\n"
                              "x-other: content-type: x\r\n"
                              "\r\n"),
                     7);
    assert_int_equal(h.status, 200);
    assert_string_equal(h.content_type, "text/event-stream; charset=utf-8");
    assert_string_equal(h.content_encoding, "gzip");
    assert_string_equal(h.request_id, "req-1");
    assert_true(h.retry_after_us == UINT64_MAX);
}

static void lines_may_end_in_lf_alone(void **state)
{
    struct reply_head h;
    (void) state;
    assert_int_equal(take(&h, "HTTP/1.1 404 Not Found\nx-request-id: a\n\n"), 3);
    assert_int_equal(h.status, 404);
    assert_string_equal(h.request_id, "a");
}

static void a_1xx_head_leaves_nothing_behind(void **state)
{
    struct reply_head h;
    (void) state;
    assert_int_equal(take(&h, "HTTP/1.1 103 Early Hints\r\nretry-after-ms: 5\r\n"
                              "content-type: text/html\r\n\r\n"
                              "HTTP/1.1 503 No\r\nretry-after: 2\r\n\r\n"),
                     7);
    assert_int_equal(h.status, 503);
    assert_string_equal(h.content_type, "");
    assert_true(h.retry_after_us == 2000000);
}

static void a_long_value_is_cut(void **state)
{
    struct reply_head h;
    char text[400];
    (void) state;
    memset(text, 'v', sizeof(text));
    memcpy(text, "HTTP/1.1 200 \r\nx-request-id: ", 29);
    memcpy(text + sizeof(text) - 5, "\r\n\r\n", 5);
    assert_int_equal(take(&h, text), 3);
    assert_int_equal(strlen(h.request_id), REPLY_HEAD_VALUE_BYTES - 1);
}

static void what_is_no_status_is_none(void **state)
{
    static const char *const lines[] = {
        "HTTP/1.1\r\n\r\n",     "HTTP/1.1 \r\n\r\n", "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2x0\r\n\r\n", "HTTP/\n\n",         "HTTP/1.1 -20\r\n\r\n",
    };
    struct reply_head h;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(take(&h, lines[i]), 2);
        assert_int_equal(h.status, 0);
    }
    assert_int_equal(take(&h, "HTTP/1.1 200\r\n\r\n"), 2); /* the reason may be absent */
    assert_int_equal(h.status, 200);
}

static void the_wait_is_read_in_all_its_forms(void **state)
{
    static const struct {
        const char *fields;
        uint64_t us;
    } rows[] = {
        {"retry-after: 3\r\n", 3000000},
        {"Retry-After: 0\r\n", 0},
        {"retry-after: 0.5\r\n", 500000},
        {"retry-after: 1.234567891\r\n", 1234567},
        {"retry-after: 7.\r\n", 7000000},
        {"retry-after: 999999\r\n", 999999000000},
        {"retry-after: 1000000\r\n", UINT64_MAX},
        {"retry-after: 99999999999999999999999\r\n", UINT64_MAX},
        {"retry-after: -4\r\n", UINT64_MAX},
        {"retry-after: .5\r\n", UINT64_MAX},
        {"retry-after: 5 s\r\n", UINT64_MAX},
        {"retry-after: nan\r\n", UINT64_MAX},
        {"retry-after: 0x10\r\n", UINT64_MAX},
        {"retry-after:\r\n", UINT64_MAX},
        {"retry-after-ms: 250\r\n", 250000},
        {"retry-after-ms: 1.5\r\n", 1500},
        {"retry-after-ms: 250\r\nretry-after: 9\r\n", 250000},
        {"retry-after: 9\r\nretry-after-ms: 250\r\n", 250000},
        {"retry-after: 9\r\nretry-after-ms: soon\r\n", 9000000},
        {"retry-after: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 10000000},
        {"retry-after: Sunday, 06-Nov-94 08:49:38 GMT\r\n", 1000000},
        {"retry-after: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 0},
        {"retry-after-ms: Sun, 06 Nov 1994 08:49:47 GMT\r\n", UINT64_MAX},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reply_head h;
        char text[256] = "HTTP/1.1 429 No\r\n";
        size_t n = strlen(text);
        memcpy(text + n, rows[i].fields, strlen(rows[i].fields));
        memcpy(text + n + strlen(rows[i].fields), "\r\n", 3);
        assert_true(take(&h, text) > 0);
        assert_true(h.retry_after_us == rows[i].us);
    }
}

/* Blanks that fold a field over two lines do not end the head. */
static void a_folded_line_is_not_the_last(void **state)
{
    struct reply_head h;
    (void) state;
    assert_int_equal(take(&h, "HTTP/1.1 200 OK\r\nx-a: b\r\n \r\nx-request-id: r\r\n\r\n"), 5);
    assert_string_equal(h.request_id, "r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields_are_kept_by_name_in_any_case),
        cmocka_unit_test(lines_may_end_in_lf_alone),
        cmocka_unit_test(a_1xx_head_leaves_nothing_behind),
        cmocka_unit_test(a_long_value_is_cut),
        cmocka_unit_test(what_is_no_status_is_none),
        cmocka_unit_test(the_wait_is_read_in_all_its_forms),
        cmocka_unit_test(a_folded_line_is_not_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
