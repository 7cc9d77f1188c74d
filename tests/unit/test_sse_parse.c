#include "router/sse_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { CAP = 64, LOG_BYTES = 4096 };

/* Events as text, "type|data;" each. */
struct log {
    char text[LOG_BYTES];
    size_t length;
    size_t stop_after; /* events, 0: never */
    size_t count;
    const char *low; /* data must point into [low, high) when low is set: no copy */
    const char *high;
};

static void put(struct log *log, struct slice s)
{
    assert_true(log->length + s.n < LOG_BYTES);
    memcpy(log->text + log->length, s.n > 0 ? s.p : "", s.n);
    log->length += s.n;
    log->text[log->length] = '\0';
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct log *log = arg;

    if (log->low != NULL) {
        assert_true(event->data.p >= log->low && event->data.p + event->data.n <= log->high);
    }
    put(log, event->type);
    put(log, SLICE_LIT("|"));
    put(log, event->data);
    put(log, SLICE_LIT(";"));
    log->count++;
    return log->count != log->stop_after;
}

/* A copy of exactly these bytes, so that a read past them is seen by the sanitizer. */
static enum err feed_exact(struct sse_parser *p, const char *bytes, size_t n, struct log *log)
{
    char *copy = malloc(n > 0 ? n : 1);
    enum err rc;

    assert_non_null(copy);
    memcpy(copy, bytes, n);
    rc = sse_parse_feed(p, (struct slice) {copy, n}, on_event, log);
    free(copy);
    return rc;
}

/* No half event is pending. */
static bool is_clean(const struct sse_parser *p)
{
    return p->line_length == 0 && !p->has_data && p->type_length == 0;
}

static void expect_cut(struct slice text, size_t a, size_t b, enum err want_rc, const char *want,
                       bool want_clean)
{
    struct sse_parser p;
    struct log log = {.length = 0};
    enum err rc;

    sse_parse_init(&p, CAP);
    rc = feed_exact(&p, text.p, a, &log);
    if (rc == ERR_NONE) {
        rc = feed_exact(&p, text.p + a, b - a, &log);
    }
    if (rc == ERR_NONE) {
        rc = feed_exact(&p, text.p + b, text.n - b, &log);
    }
    assert_string_equal(log.text, want);
    assert_int_equal(rc, want_rc);
    if (rc == ERR_NONE) {
        assert_int_equal(is_clean(&p), want_clean);
    } else {
        assert_int_equal(feed_exact(&p, "data: late\n\n", 12, &log), ERR_GONE);
        assert_string_equal(log.text, want);
    }
    sse_parse_fini(&p);
}

/* Whole, cut at every pair of places, and byte by byte. */
static void expect(const char *bytes, size_t n, enum err rc, const char *want, bool clean)
{
    struct slice text = {bytes, n};
    struct sse_parser p;
    struct log log = {.length = 0};
    enum err last = ERR_NONE;
    size_t a;
    size_t b;

    for (a = 0; a <= n; a++) {
        for (b = a; b <= n; b++) {
            expect_cut(text, a, b, rc, want, clean);
        }
    }
    sse_parse_init(&p, CAP);
    for (a = 0; a < n && last == ERR_NONE; a++) {
        last = feed_exact(&p, bytes + a, 1, &log);
    }
    assert_int_equal(last, rc);
    assert_string_equal(log.text, want);
    sse_parse_fini(&p);
}

#define EXPECT(literal, rc, want, clean)                                                           \
    expect((literal), sizeof(literal) - 1, (rc), (want), (clean))

static void test_line_ends(void **state)
{
    (void) state;
    EXPECT("data: a\n\ndata: b\n\n", ERR_NONE, "|a;|b;", true);
    EXPECT("data: a\r\n\r\ndata: b\r\n\r\n", ERR_NONE, "|a;|b;", true);
    EXPECT("data: a\r\rdata: b\r\r", ERR_NONE, "|a;|b;", true);
    EXPECT("data: a\r\n\rdata: b\n\r", ERR_NONE, "|a;|b;", true);
    EXPECT("\n\r\n\r\r\n\n", ERR_NONE, "", true);
}

static void test_fields(void **state)
{
    (void) state;
    EXPECT("data:a\n\n", ERR_NONE, "|a;", true);
    EXPECT("data:  a \n\n", ERR_NONE, "| a ;", true);
    EXPECT("event: ping\ndata: x\nid: 7\nretry: 10\nother: y\n\n", ERR_NONE, "ping|x;", true);
    EXPECT("data: x\nevent:one\nevent:two\n\n", ERR_NONE, "two|x;", true);
    EXPECT("event: gone\n\ndata: x\n\n", ERR_NONE, "|x;", true);
    EXPECT("event: t\ndata: x\n\ndata: y\n\n", ERR_NONE, "t|x;|y;", true);
    EXPECT("Data: x\ndatax: y\n data: z\n\n", ERR_NONE, "", true);
    EXPECT("data: a:b: c\n\n", ERR_NONE, "|a:b: c;", true);
}

static void test_data_lines(void **state)
{
    (void) state;
    EXPECT("data: a\ndata: b\ndata: c\n\n", ERR_NONE, "|a\nb\nc;", true);
    EXPECT("data: a\r\ndata: b\r\n\r\n", ERR_NONE, "|a\nb;", true);
    EXPECT("data: a\rdata: b\r\r", ERR_NONE, "|a\nb;", true);
    EXPECT("data: a\ndata\ndata:\n\n", ERR_NONE, "|a\n\n;", true);
    EXPECT("data\n\n", ERR_NONE, "|;", true);
    EXPECT("data:\n\ndata: \n\n", ERR_NONE, "|;|;", true);
    EXPECT("data:\ndata: a\n\ndata: b\n\n", ERR_NONE, "|\na;|b;", true);
}

static void test_comments(void **state)
{
    (void) state;
    EXPECT(": ping\n\n:\ndata: a\n: in\n\n", ERR_NONE, "|a;", true);
    EXPECT("data: a\n:data: b\n\n", ERR_NONE, "|a;", true);
}

static void test_byte_order_mark(void **state)
{
    (void) state;
    EXPECT("\xEF\xBB\xBF"
           "data: a\n\n",
           ERR_NONE, "|a;", true);
    EXPECT("\xEF\xBB\xBF\n"
           "\xEF\xBB\xBF"
           "data: not at the start\n\n",
           ERR_NONE, "", true);
    EXPECT("\xEF\xBB"
           "data: a\n\ndata: \xEF\xBB\xBF\n\n",
           ERR_NONE, "|\xEF\xBB\xBF;", true);
}

static void test_utf8_and_nul(void **state)
{
    (void) state;
    EXPECT("data: \xE2\x82\xAC\xF0\x9F\x98\x80\n\n", ERR_NONE, "|\xE2\x82\xAC\xF0\x9F\x98\x80;",
           true);
    EXPECT("da\0ta: x\n\ndata: y\n\n", ERR_NONE, "|y;", true);
}

static void test_unfinished_is_not_delivered(void **state)
{
    (void) state;
    EXPECT("data: a\n\ndata: b\n", ERR_NONE, "|a;", false);
    EXPECT("data: a\n\ndata: b", ERR_NONE, "|a;", false);
    EXPECT("data: a\n\nevent: b\n", ERR_NONE, "|a;", false);
    EXPECT("data: a\n\nd", ERR_NONE, "|a;", false);
    EXPECT("data: a\n\n: c\n", ERR_NONE, "|a;", true);
}

#define S16 "0123456789abcdef"
#define S58 S16 S16 S16 "0123456789"

static void test_caps(void **state)
{
    (void) state;
    /* 64 bytes of line pass, 65 do not, ended or not, whatever the field. */
    EXPECT("data: " S58 "\n\n", ERR_NONE, "|" S58 ";", true);
    EXPECT("data: " S58 "\r\n\r\n", ERR_NONE, "|" S58 ";", true);
    EXPECT("data: a\n\ndata: " S58 "x\n\n", ERR_LIMIT, "|a;", false);
    EXPECT("data: a\n\ndata: " S58 "x", ERR_LIMIT, "|a;", false);
    EXPECT(":" S58 "123456\n", ERR_LIMIT, "", false);
    /* 64 bytes of joined data pass, 65 do not. */
    EXPECT("data: " S58 "\ndata:12345\n\n", ERR_NONE, "|" S58 "\n12345;", true);
    EXPECT("data: " S58 "\ndata:123456\n\n", ERR_LIMIT, "", false);
    EXPECT("data: " S58 "\ndata:12345\ndata\n\n", ERR_LIMIT, "", false);
}

static void test_stop(void **state)
{
    static const char text[] = "data: a\n\ndata: b\n\ndata: c\n\n";
    struct log log = {.stop_after = 2};
    struct sse_parser p;

    (void) state;
    sse_parse_init(&p, CAP);
    assert_int_equal(sse_parse_feed(&p, slice_of(text), on_event, &log), ERR_GONE);
    assert_int_equal(sse_parse_feed(&p, slice_of(text), on_event, &log), ERR_GONE);
    assert_string_equal(log.text, "|a;|b;");
    sse_parse_fini(&p);
}

/* The usual events are slices of the bytes given and nothing is allocated for them. */
static void test_no_copy(void **state)
{
    static const char text[] =
        ": hi\n\ndata: {\"a\":1}\n\nevent: e\r\n: c\r\ndata:{\"b\":2}\r\n\r\n";
    struct log log = {.low = text, .high = text + sizeof(text)};
    struct sse_parser p;

    (void) state;
    sse_parse_init(&p, CAP);
    assert_int_equal(sse_parse_feed(&p, slice_of(text), on_event, &log), ERR_NONE);
    assert_string_equal(log.text, "|{\"a\":1};e|{\"b\":2};");
    assert_null(p.line);
    assert_null(p.data);
    sse_parse_fini(&p);
}

static void test_kept_bytes_stay_under_cap(void **state)
{
    struct log log = {.length = 0};
    struct sse_parser p;
    size_t i;

    (void) state;
    sse_parse_init(&p, CAP);
    assert_int_equal(sse_parse_feed(&p, SLICE_LIT("data: a"), on_event, &log), ERR_NONE);
    for (i = 0; i < CAP - 7; i++) {
        assert_int_equal(sse_parse_feed(&p, SLICE_LIT("x"), on_event, &log), ERR_NONE);
        assert_true(p.line_room <= CAP);
    }
    assert_int_equal(sse_parse_feed(&p, SLICE_LIT("x"), on_event, &log), ERR_LIMIT);
    sse_parse_fini(&p);
}

static double seconds_for_lines(char kind, size_t count)
{
    char *bytes = malloc(count);
    struct log log = {.length = 0};
    struct sse_parser p;
    clock_t begin;
    clock_t end;

    assert_non_null(bytes);
    memset(bytes, kind, count);
    sse_parse_init(&p, CAP);
    begin = clock();
    assert_int_equal(sse_parse_feed(&p, (struct slice) {bytes, count}, on_event, &log), ERR_NONE);
    end = clock();
    sse_parse_fini(&p);
    free(bytes);
    return (double) (end - begin) / CLOCKS_PER_SEC;
}

/* Four times the lines of one kind cost four times as much. A parser that looks for the other kind anew
 * at each line needs sixteen times as long, here tens of seconds. */
static void test_cost_is_linear(void **state)
{
    static const char kinds[] = {'\r', '\n'};
    size_t i;

    (void) state;
    for (i = 0; i < sizeof(kinds); i++) {
        double few = seconds_for_lines(kinds[i], 1u << 19);
        double many = seconds_for_lines(kinds[i], 1u << 21);

        assert_true(many < 10.0 * few + 0.5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_data_lines),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_utf8_and_nul),
        cmocka_unit_test(test_unfinished_is_not_delivered),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_no_copy),
        cmocka_unit_test(test_kept_bytes_stay_under_cap),
        cmocka_unit_test(test_cost_is_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
