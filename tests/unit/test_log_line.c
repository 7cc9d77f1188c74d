#include "gateway/log_line.h"

#include "cache/record.h"
#include "tests/unit/log_pairs.h"

#include <stdio.h>

/* 2026-11-24T20:03:30.000042Z */
static const int64_t some_wall_us = INT64_C(1795550610000042);

static void expect_pair(const struct log_line *l, const char *key, struct slice want)
{
    struct pair pair;

    assert_true(find_value(l->text, l->length, key, &pair));
    assert_int_equal(pair.value_length, want.n);
    if (want.n > 0) {
        assert_memory_equal(pair.value, want.p, want.n);
    }
}

/* ---- lines ---- */

static void begin(struct log_line *l)
{
    struct log_clock clock;

    log_clock_init(&clock);
    log_line_begin(l, &clock, some_wall_us, "info", "test");
}

static void test_line_head(void **state)
{
    struct log_line l;

    (void) state;
    begin(&l);
    log_line_end(&l);
    l.text[l.length] = '\0';
    assert_string_equal(l.text, "time=2026-11-24T20:03:30.000042Z level=info event=test\n");
}

static void test_clock_moves(void **state)
{
    struct log_clock clock;
    struct log_line l;

    (void) state;
    log_clock_init(&clock);
    log_line_begin(&l, &clock, some_wall_us, "info", "test");
    log_line_begin(&l, &clock, some_wall_us + 30 * INT64_C(1000000), "info", "test");
    l.text[l.length] = '\0';
    assert_string_equal(l.text, "time=2026-11-24T20:04:00.000042Z level=info event=test");
    log_line_begin(&l, &clock, 0, "info", "test");
    l.text[l.length] = '\0';
    assert_string_equal(l.text, "time=1970-01-01T00:00:00.000000Z level=info event=test");
    log_line_begin(&l, &clock, -1, "info", "test");
    l.text[l.length] = '\0';
    assert_string_equal(l.text, "time=1969-12-31T23:59:59.999999Z level=info event=test");
}

static void test_plain_values_stand_bare(void **state)
{
    struct log_line l;

    (void) state;
    begin(&l);
    log_line_text(&l, "a", SLICE_LIT("gpt-4o:mini/x"));
    log_line_text(&l, "b", SLICE_LIT(""));
    log_line_text(&l, "c", SLICE_LIT("two words"));
    log_line_u64(&l, "d", 0);
    log_line_u64(&l, "e", UINT64_MAX);
    log_line_ms(&l, "f", 1234567);
    log_line_ms(&l, "g", 7);
    log_line_end(&l);
    l.text[l.length] = '\0';
    assert_non_null(strstr(l.text, " a=gpt-4o:mini/x b=\"\" c=\"two words\" d=0 "
                                   "e=18446744073709551615 f=1234.567 g=0.007\n"));
}

static void test_dollars(void **state)
{
    static const struct {
        double usd;
        const char *text;
    } rows[] = {
        {0.0, "0.000000000"},  {0.000000001, "0.000000001"},
        {1.5, "1.500000000"},  {0.0123456789, "0.012345679"},
        {-3.0, "0.000000000"}, {1e300, "1000000000.000000000"},
    };
    struct log_line l;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(&l);
        log_line_usd(&l, "usd", rows[i].usd);
        log_line_end(&l);
        expect_pair(&l, "usd", slice_of(rows[i].text));
    }
    begin(&l);
    log_line_usd(&l, "usd", 0.0 / (rows[0].usd + 0.0));
    log_line_end(&l);
    expect_pair(&l, "usd", SLICE_LIT("0.000000000"));
}

/* Every byte, alone and between others, comes back as it was and in its own pair. */
static void test_no_byte_can_forge(void **state)
{
    struct log_line l;

    (void) state;
    for (unsigned c = 0; c < 256; c++) {
        char value[3] = {'a', (char) c, 'b'};

        begin(&l);
        log_line_text(&l, "alone", (struct slice) {value + 1, 1});
        log_line_text(&l, "between", (struct slice) {value, 3});
        log_line_text(&l, "after", SLICE_LIT("ok"));
        log_line_end(&l);
        expect_pair(&l, "alone", (struct slice) {value + 1, 1});
        expect_pair(&l, "between", (struct slice) {value, 3});
        expect_pair(&l, "after", SLICE_LIT("ok"));
    }
}

static void test_forged_line_is_one_value(void **state)
{
    static const char evil[] = "x\" status=200\nlevel=error event=\"root\r\n\\";
    struct log_line l;

    (void) state;
    begin(&l);
    log_line_text(&l, "model", slice_of(evil));
    log_line_end(&l);
    expect_pair(&l, "model", slice_of(evil));
    expect_pair(&l, "level", SLICE_LIT("info"));
    assert_false(find_value(l.text, l.length, "status", &(struct pair) {.value_length = 0}));
}

static void test_long_value_is_shortened(void **state)
{
    char value[3 * LOG_VALUE_MAX];
    struct log_line l;
    struct pair pair;

    (void) state;
    memset(value, 'v', sizeof(value));
    begin(&l);
    log_line_text(&l, "plain", (struct slice) {value, sizeof(value)});
    memset(value, '\n', sizeof(value));
    log_line_text(&l, "wide", (struct slice) {value, sizeof(value)});
    log_line_end(&l);
    assert_true(find_value(l.text, l.length, "plain", &pair));
    assert_int_equal(pair.value_length, LOG_VALUE_MAX + 3);
    assert_string_equal(pair.value + LOG_VALUE_MAX - 1, "v...");
    assert_true(find_value(l.text, l.length, "wide", &pair));
    assert_int_equal(pair.value_length, LOG_VALUE_MAX / 2 + 3);
}

/* At every fill of the line: whole pairs only, and the reader is told. */
static void test_full_line_keeps_whole_pairs(void **state)
{
    char value[LOG_VALUE_MAX];
    struct log_line l;
    struct pair pair;

    (void) state;
    memset(value, '"', sizeof(value));
    for (size_t n = 0; n <= LOG_VALUE_MAX / 2; n++) {
        begin(&l);
        for (unsigned i = 0; i < 5; i++) {
            log_line_text(&l, "value", (struct slice) {value, n});
            log_line_u64(&l, "number", 12345678);
            log_line_ms(&l, "phase", 12345678);
        }
        log_line_end(&l);
        assert_true(l.length <= LOG_LINE_MAX);
        assert_int_equal(l.text[l.length - 1], '\n');
        assert_int_equal(l.cut, memmem(l.text, l.length, " cut=true\n", 10) != NULL);
        for (const char *p = l.text; p < l.text + l.length - 1;) {
            p = read_pair(p, l.text + l.length - 1, &pair);
        }
    }
    assert_true(l.cut);
}

static void fill(struct record *r)
{
    memset(r, 0, sizeof(*r));
    (void) snprintf(r->id, sizeof(r->id), "chatcmpl-abc");
    (void) snprintf(r->key, sizeof(r->key), "app 1");
    (void) snprintf(r->model, sizeof(r->model), "auto");
    (void) snprintf(r->task, sizeof(r->task), "default");
    (void) snprintf(r->degraded, sizeof(r->degraded), "tools");
    (void) snprintf(r->call.model, sizeof(r->call.model), "llama");
    (void) snprintf(r->call.upstream, sizeof(r->call.upstream), "local");
    (void) snprintf(r->call.upstream_id, sizeof(r->call.upstream_id), "up-1");
    (void) snprintf(r->call.detail, sizeof(r->call.detail), "no route");
    r->endpoint = ENDPOINT_CHAT;
    r->task_by = TASK_BY_CLASSIFIER;
    r->task_p = 0.8126f;
    r->status = 200;
    r->stream = true;
    r->reason = END_COMPLETE;
    r->graph_id = 0xabcdef;
    r->head_us = 1000000;
    r->body_us = 1000100;
    r->route_us = 1000200;
    r->content_us = 1500000;
    r->end_us = 3000000;
    r->request_bytes = 100;
    r->reply_bytes = 2000;
    r->heartbeats = 1;
    r->pauses = 2;
    r->calls = 3;
    r->call.attempts = 3;
    r->call.fallbacks = 1;
    r->call.status = 200;
    r->call.slot_us = 1000300;
    r->call.first_byte_us = 1400000;
    r->usd = 0.00125;
    r->usage = (struct token_usage) {.known = true, .prompt = 10, .completion = 60};
}

static void test_access_line(void **state)
{
    struct record r;
    struct log_line l;

    (void) state;
    fill(&r);
    begin(&l);
    log_line_record(&l, &r);
    log_line_end(&l);
    l.text[l.length] = '\0';
    assert_string_equal(
        l.text,
        "time=2026-11-24T20:03:30.000042Z level=info event=test id=chatcmpl-abc "
        "key=\"app 1\" endpoint=chat model=auto task=default task_by=classifier task_p=0.813 "
        "graph=0000000000abcdef status=200 "
        "stream=true reason=complete degraded=tools upstream=local upstream_model=llama "
        "upstream_status=200 upstream_id=up-1 upstream_detail=\"no route\" attempts=3 fallbacks=1 "
        "calls=3 prompt_tokens=10 completion_tokens=60 usd=0.001250000 body_ms=0.100 "
        "route_ms=0.200 "
        "slot_ms=0.300 first_byte_ms=400.000 first_content_ms=500.000 total_ms=2000.000 "
        "bytes_in=100 bytes_out=2000 heartbeats=1 pauses=2\n");
}

static void test_access_line_of_nothing(void **state)
{
    struct record r;
    struct log_line l;

    (void) state;
    memset(&r, 0, sizeof(r));
    r.status = 400;
    r.reason = END_BAD_REQUEST;
    r.end_us = 77;
    begin(&l);
    log_line_record(&l, &r);
    log_line_end(&l);
    l.text[l.length] = '\0';
    assert_string_equal(l.text, "time=2026-11-24T20:03:30.000042Z level=info event=test "
                                "endpoint=other status=400 stream=false reason=bad_request "
                                "bytes_in=0 bytes_out=0 heartbeats=0 pauses=0\n");
}

static void test_a_node_s_call(void **state)
{
    struct call_record c = {.node = 3,
                            .model = "small",
                            .upstream = "local",
                            .upstream_id = "chatcmpl-7",
                            .reason = END_STRAGGLER,
                            .status = 200,
                            .attempts = 2,
                            .fallbacks = 1,
                            .start_us = 1000,
                            .slot_us = 1500,
                            .first_byte_us = 2000,
                            .end_us = 4250,
                            .usage = {true, 10, 0, 4},
                            .usd = 0.5};
    static const char want[] =
        "id=abc node=3 name=f1 reason=straggler upstream=local upstream_model=small "
        "upstream_status=200 "
        "upstream_id=chatcmpl-7 attempts=2 fallbacks=1 prompt_tokens=10 completion_tokens=4 "
        "usd=0.500000000 slot_ms=0.500 first_byte_ms=1.000 total_ms=3.250\n";
    struct log_line l;

    (void) state;
    begin(&l);
    size_t head = l.length;
    log_line_call(&l, "abc", "f1", &c);
    log_line_end(&l);
    l.text[l.length] = '\0';
    assert_string_equal(l.text + head + 1, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_head),
        cmocka_unit_test(test_clock_moves),
        cmocka_unit_test(test_plain_values_stand_bare),
        cmocka_unit_test(test_dollars),
        cmocka_unit_test(test_no_byte_can_forge),
        cmocka_unit_test(test_forged_line_is_one_value),
        cmocka_unit_test(test_long_value_is_shortened),
        cmocka_unit_test(test_full_line_keeps_whole_pairs),
        cmocka_unit_test(test_access_line),
        cmocka_unit_test(test_access_line_of_nothing),
        cmocka_unit_test(test_a_node_s_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
