#include "gateway/metrics.h"

#include "router/ledger.h"

#include <event2/buffer.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the upstreams that the page shall tell of ---- */

static const struct ledger_upstream_state upstreams[] = {
    {.name = "local",
     .max_in_flight = 8,
     .in_flight = 3,
     .waiting = 2,
     .breaker = BREAKER_OPEN,
     .openings = 4,
     .granted = 1000},
    {.name = "a \"b\" \\ c\nd", .max_in_flight = 1, .breaker = BREAKER_CLOSED},
};

size_t ledger_upstreams(struct ledger *l, struct ledger_upstream_state *out, size_t cap)
{
    (void) l;
    for (size_t i = 0; i < cap && i < ARRAY_LEN(upstreams); i++) {
        out[i] = upstreams[i];
    }
    return ARRAY_LEN(upstreams);
}

/* ---- a strict reader of the exposition format 0.0.4 ---- */

enum { SAMPLES_MAX = 2000, NAME_MAX_BYTES = 128, LABELS_MAX_BYTES = 512 };

struct sample {
    char name[NAME_MAX_BYTES];
    char labels[LABELS_MAX_BYTES]; /* as written, between the braces */
    double value;
};

struct page {
    char *text;
    size_t count;
    struct sample samples[SAMPLES_MAX];
    char family[NAME_MAX_BYTES];
    char type[16];
    char families[SAMPLES_MAX][NAME_MAX_BYTES];
    size_t family_count;
};

static const char *read_name(const char *p, char *out)
{
    size_t n = 0;

    while ((*p >= 'a' && *p <= 'z') || *p == '_' || (n > 0 && *p >= '0' && *p <= '9')) {
        assert_true(n + 1 < NAME_MAX_BYTES);
        out[n++] = *p++;
    }
    assert_true(n > 0);
    out[n] = '\0';
    return p;
}

static const char *read_labels(const char *p, char *out)
{
    const char *start = p;
    char name[NAME_MAX_BYTES];

    for (;;) {
        p = read_name(p, name);
        assert_memory_equal(p, "=\"", 2);
        for (p += 2; *p != '"'; p++) {
            assert_true(*p != '\0' && *p != '\n');
            if (*p == '\\') {
                p++;
                assert_true(*p == '\\' || *p == '"' || *p == 'n');
            }
        }
        p++;
        if (*p == '}') {
            break;
        }
        assert_int_equal(*p, ',');
        p++;
    }
    assert_true(p - start < LABELS_MAX_BYTES);
    memcpy(out, start, (size_t) (p - start));
    out[p - start] = '\0';
    return p + 1;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A sample belongs to the family whose HELP and TYPE came last. */
static void check_sample_name(const struct page *page, const char *name)
{
    size_t n = strlen(page->family);

    if (strcmp(page->type, "histogram") != 0) {
        assert_string_equal(name, page->family);
        return;
    }
    assert_memory_equal(name, page->family, n);
    assert_true(strcmp(name + n, "_bucket") == 0 || strcmp(name + n, "_sum") == 0 ||
                strcmp(name + n, "_count") == 0);
}

static const char *read_sample(struct page *page, const char *p)
{
    struct sample *s = &page->samples[page->count];
    char *end;

    assert_true(page->count < SAMPLES_MAX);
    memset(s, 0, sizeof(*s));
    p = read_name(p, s->name);
    check_sample_name(page, s->name);
    if (*p == '{') {
        p = read_labels(p + 1, s->labels);
    }
    assert_int_equal(*p, ' ');
    s->value = strtod(p + 1, &end);
    assert_true(end > p + 1 && *end == '\n' && isfinite(s->value));
    for (size_t i = 0; i < page->count; i++) {
        assert_false(strcmp(page->samples[i].name, s->name) == 0 &&
                     strcmp(page->samples[i].labels, s->labels) == 0);
    }
    page->count++;
    return end + 1;
}

static const char *read_family(struct page *page, const char *p)
{
    char again[NAME_MAX_BYTES];
    size_t n = 0;

    assert_memory_equal(p, "# HELP ", 7);
    p = read_name(p + 7, page->family);
    assert_true(*p == ' ' && p[1] != '\n');
    p = strchr(p, '\n') + 1;
    assert_memory_equal(p, "# TYPE ", 7);
    p = read_name(p + 7, again);
    assert_string_equal(again, page->family);
    assert_int_equal(*p++, ' ');
    while (*p != '\n') {
        page->type[n++] = *p++;
        assert_true(n < sizeof(page->type));
    }
    page->type[n] = '\0';
    assert_true(strcmp(page->type, "counter") == 0 || strcmp(page->type, "gauge") == 0 ||
                strcmp(page->type, "histogram") == 0);
    assert_int_equal(strcmp(page->type, "counter") == 0, ends_in(page->family, "_total"));
    for (size_t i = 0; i < page->family_count; i++) {
        assert_string_not_equal(page->families[i], page->family);
    }
    memcpy(page->families[page->family_count++], page->family, NAME_MAX_BYTES);
    return p + 1;
}

static const struct metrics_process some_process = {
    .version = "1.2.3",
    .start_time_seconds = 1795550610.25,
    .fronts = 4,
    .snapshot_number = 7,
    .reloads_ok = 6,
    .reloads_failed = 1,
};

static struct page *page_of(const struct metrics *m, const struct metrics_process *p)
{
    struct page *page = x_alloc(sizeof(*page));
    struct evbuffer *out = evbuffer_new();
    size_t n;
    const char *at;

    metrics_write(out, m, p, NULL);
    n = evbuffer_get_length(out);
    page->text = x_dup_slice((struct slice) {(const char *) evbuffer_pullup(out, -1), n});
    evbuffer_free(out);
    assert_int_equal(page->text[n - 1], '\n');
    for (at = page->text; *at != '\0';) {
        at = *at == '#' ? read_family(page, at) : read_sample(page, at);
    }
    return page;
}

static void page_free(struct page *page)
{
    free(page->text);
    free(page);
}

static double value_of(const struct page *page, const char *name, const char *labels)
{
    for (size_t i = 0; i < page->count; i++) {
        if (strcmp(page->samples[i].name, name) == 0 &&
            strcmp(page->samples[i].labels, labels) == 0) {
            return page->samples[i].value;
        }
    }
    fail_msg("no sample %s{%s}", name, labels);
    return 0;
}

static void expect(const struct page *page, const char *name, const char *labels, double want)
{
    double got = value_of(page, name, labels);

    if (fabs(got - want) > 1e-9 * fabs(want)) {
        fail_msg("%s{%s} is %.15g, wanted %.15g", name, labels, got, want);
    }
}

/* ---- tests ---- */

static void test_bounds_belong_to_their_bucket(void **state)
{
    static const struct {
        double seconds;
        unsigned bucket;
    } rows[] = {{0, 0},      {0.01, 0},   {0.0100001, 1}, {0.02, 1}, {1.28, 7},
                {81.92, 13}, {81.93, 14}, {1e9, 14},      {-1.0, 0}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct metrics_histogram h = {.sum_seconds = 0};

        metrics_observe(&h, rows[i].seconds);
        for (unsigned b = 0; b <= METRICS_BUCKETS; b++) {
            assert_int_equal(h.count[b], b == rows[i].bucket);
        }
        assert_true(h.sum_seconds >= 0);
    }
}

static struct record some_record(void)
{
    struct record r;

    memset(&r, 0, sizeof(r));
    r.endpoint = ENDPOINT_CHAT;
    r.status = 200;
    r.stream = true;
    r.reason = END_COMPLETE;
    r.head_us = 10 * 1000000;
    r.content_us = r.head_us + 300000;
    r.end_us = r.head_us + 2000000;
    r.call.start_us = r.head_us + 1000;
    r.call.slot_us = r.head_us + 1500;
    r.call.end_us = r.end_us - 2000;
    r.call.attempts = 4;
    r.call.fallbacks = 1;
    r.call.reason = END_COMPLETE;
    r.usd = 0.25;
    r.calls = 4;
    r.usage = (struct token_usage) {.known = true, .prompt = 10, .cached = 4, .completion = 60};
    r.request_bytes = 100;
    r.reply_bytes = 2000;
    r.heartbeats = 3;
    r.pauses = 2;
    return r;
}

static void test_a_finished_request(void **state)
{
    struct metrics m = {.usd = 0};
    struct record r = some_record();
    struct page *page;

    (void) state;
    metrics_record(&m, &r);
    metrics_record_node(&m, &(struct call_record) {.reason = END_STRAGGLER});
    page = page_of(&m, &some_process);
    expect(page, "sluice_node_calls_ended_total", "reason=\"straggler\"", 1);
    expect(page, "sluice_node_calls_ended_total", "reason=\"complete\"", 0);
    expect(page, "sluice_requests_total", "endpoint=\"chat\",code=\"2xx\"", 1);
    expect(page, "sluice_requests_total", "endpoint=\"chat\",code=\"5xx\"", 0);
    expect(page, "sluice_requests_ended_total", "endpoint=\"chat\",reason=\"complete\"", 1);
    expect(page, "sluice_requests_ended_total", "endpoint=\"chat\",reason=\"client_gone\"", 0);
    expect(page, "sluice_request_duration_seconds_sum", "endpoint=\"chat\"", 2.0);
    expect(page, "sluice_time_to_first_content_seconds_sum", "endpoint=\"chat\"", 0.3);
    expect(page, "sluice_overhead_seconds_sum", "", 0.003);
    expect(page, "sluice_upstream_attempts_total", "", 4);
    expect(page, "sluice_upstream_retries_total", "", 2);
    expect(page, "sluice_upstream_fallbacks_total", "", 1);
    expect(page, "sluice_upstream_cancelled_total", "", 0);
    expect(page, "sluice_prompt_tokens_total", "", 10);
    expect(page, "sluice_cached_prompt_tokens_total", "", 4);
    expect(page, "sluice_completion_tokens_total", "", 60);
    expect(page, "sluice_cost_usd_total", "", 0.25);
    expect(page, "sluice_heartbeats_total", "", 3);
    expect(page, "sluice_stream_pauses_total", "", 2);
    expect(page, "sluice_request_bytes_total", "", 100);
    expect(page, "sluice_reply_bytes_total", "", 2000);
    page_free(page);
}

static void test_how_requests_end(void **state)
{
    struct metrics m = {.usd = 0};
    struct record r = some_record();
    struct page *page;

    (void) state;
    r.reason = END_CLIENT_GONE;
    r.call.reason = END_NONE;
    metrics_record(&m, &r); /* during the stream */
    r.content_us = 0;
    r.status = 0;
    metrics_record(&m, &r); /* before it */
    r.call.slot_us = 0;
    metrics_record(&m, &r); /* while it waited for a slot: nothing to cancel */
    r = some_record();
    r.reason = END_CUT;
    r.call.reason = END_CUT;
    metrics_record(&m, &r);
    memset(&r, 0, sizeof(r)); /* a request without a head that could be read */
    r.status = 400;
    r.reason = END_BAD_REQUEST;
    r.end_us = 77000000;
    metrics_record(&m, &r);
    page = page_of(&m, &some_process);
    expect(page, "sluice_client_disconnects_total", "phase=\"during_stream\"", 1);
    expect(page, "sluice_client_disconnects_total", "phase=\"before_content\"", 2);
    expect(page, "sluice_upstream_cancelled_total", "", 2);
    expect(page, "sluice_upstream_truncated_total", "", 1);
    expect(page, "sluice_requests_total", "endpoint=\"chat\",code=\"none\"", 2);
    expect(page, "sluice_requests_ended_total", "endpoint=\"other\",reason=\"bad_request\"", 1);
    expect(page, "sluice_request_duration_seconds_count", "endpoint=\"other\"", 0);
    expect(page, "sluice_request_duration_seconds_count", "endpoint=\"chat\"", 4);
    page_free(page);
}

/* Buckets are cumulative and their last is the count. */
static void test_histogram_lines(void **state)
{
    static const struct {
        const char *le;
        double want;
    } rows[] = {{"0.0001", 2}, {"0.0002", 3}, {"0.0004", 3},
                {"0.1024", 4}, {"0.8192", 4}, {"+Inf", 5}};
    struct metrics m = {.usd = 0};
    struct page *page;
    char labels[64];

    (void) state;
    metrics_observe_fine(&m.loop_lag, 0.00001);
    metrics_observe_fine(&m.loop_lag, 0.0001);
    metrics_observe_fine(&m.loop_lag, 0.00015);
    metrics_observe_fine(&m.loop_lag, 0.1);
    metrics_observe_fine(&m.loop_lag, 1);
    page = page_of(&m, &some_process);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void) snprintf(labels, sizeof(labels), "le=\"%s\"", rows[i].le);
        expect(page, "sluice_event_loop_lag_seconds_bucket", labels, rows[i].want);
    }
    expect(page, "sluice_event_loop_lag_seconds_count", "", 5);
    expect(page, "sluice_event_loop_lag_seconds_sum", "", 1.10026);
    page_free(page);
}

/* In every histogram of the page, whatever it is called. */
static void test_all_histograms_are_cumulative(void **state)
{
    struct metrics m = {.usd = 0};
    struct record r = some_record();
    struct page *page;
    size_t histograms = 0;
    double below = 0;
    double bound = 0;

    (void) state;
    for (unsigned i = 0; i < 50; i++) {
        r.end_us = r.head_us + (UINT64_C(1) << (i % 30));
        r.content_us = r.head_us + (UINT64_C(1) << (i % 20));
        r.endpoint = i % ENDPOINT_COUNT;
        metrics_record(&m, &r);
    }
    page = page_of(&m, &some_process);
    for (size_t i = 0; i < page->count; i++) {
        const struct sample *s = &page->samples[i];
        const char *le = strstr(s->labels, "le=\"");

        if (le == NULL) {
            continue;
        }
        if (strncmp(le, "le=\"0.01\"", 9) == 0 || strncmp(le, "le=\"0.0001\"", 11) == 0) {
            below = 0;
            bound = 0;
        }
        assert_true(s->value >= below);
        assert_true(strtod(le + 4, NULL) > bound);
        below = s->value;
        bound = strtod(le + 4, NULL);
        if (isinf(bound)) {
            assert_true(ends_in(page->samples[i + 1].name, "_sum"));
            assert_true(ends_in(page->samples[i + 2].name, "_count"));
            assert_true(page->samples[i + 2].value <= below && page->samples[i + 2].value >= below);
            histograms++;
        }
    }
    assert_int_equal(histograms, 2 * ENDPOINT_COUNT + 2);
    page_free(page);
}

static void test_upstreams(void **state)
{
    static const char odd[] = "upstream=\"a \\\"b\\\" \\\\ c\\nd\"";
    struct metrics m = {.usd = 0};
    struct page *page = page_of(&m, &some_process);

    (void) state;
    expect(page, "sluice_upstream_in_flight", "upstream=\"local\"", 3);
    expect(page, "sluice_upstream_max_in_flight", "upstream=\"local\"", 8);
    expect(page, "sluice_upstream_waiting", "upstream=\"local\"", 2);
    expect(page, "sluice_upstream_breaker_openings_total", "upstream=\"local\"", 4);
    expect(page, "sluice_upstream_slots_granted_total", "upstream=\"local\"", 1000);
    expect(page, "sluice_upstream_breaker", "upstream=\"local\",state=\"open\"", 1);
    expect(page, "sluice_upstream_breaker", "upstream=\"local\",state=\"closed\"", 0);
    expect(page, "sluice_upstream_max_in_flight", odd, 1);
    page_free(page);
}

static void test_process(void **state)
{
    struct metrics m = {.usd = 0};
    struct metrics_process p = some_process;
    struct page *page = page_of(&m, &p);

    (void) state;
    expect(page, "sluice_build_info", "version=\"1.2.3\"", 1);
    expect(page, "sluice_fronts", "", 4);
    expect(page, "sluice_snapshot_number", "", 7);
    expect(page, "sluice_reloads_total", "result=\"ok\"", 6);
    expect(page, "sluice_reloads_total", "result=\"failed\"", 1);
    expect(page, "process_start_time_seconds", "", 1795550610.25);
    assert_true(value_of(page, "process_resident_memory_bytes", "") > 100000);
    assert_true(value_of(page, "process_open_fds", "") >= 3);
    assert_true(value_of(page, "process_max_fds", "") >= 64);
    assert_true(value_of(page, "process_cpu_seconds_total", "") >= 0);
    assert_null(strstr(page->text, "certificate"));
    page_free(page);
    p.certificate_expiry_seconds = 1900000000;
    page = page_of(&m, &p);
    expect(page, "sluice_certificate_expiry_timestamp_seconds", "", 1900000000);
    page_free(page);
}

/* Sets every number of the struct: all are 64 bits wide, and the doubles are told by their place. */
static void fill_all(struct metrics *m, unsigned step)
{
    uint64_t words[sizeof(*m) / sizeof(uint64_t)];
    double doubles = 0;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        words[i] = step * (i + 1);
    }
    memcpy(m, words, sizeof(*m));
    for (unsigned e = 0; e < ENDPOINT_COUNT; e++) {
        m->duration[e].sum_seconds = step * ++doubles;
        m->first_content[e].sum_seconds = step * ++doubles;
    }
    m->overhead.sum_seconds = step * ++doubles;
    m->loop_lag.sum_seconds = step * ++doubles;
    m->loop_lag_seconds_max = step * ++doubles;
    m->usd = step * ++doubles;
}

/* 1x + 2x = 3x in every member, but for the maximum. */
static void test_sums_miss_nothing(void **state)
{
    struct metrics a;
    struct metrics b;
    struct metrics want;

    (void) state;
    fill_all(&a, 1);
    fill_all(&b, 2);
    fill_all(&want, 3);
    want.loop_lag_seconds_max = b.loop_lag_seconds_max;
    metrics_add(&a, &b);
    assert_memory_equal(&a, &want, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_belong_to_their_bucket),
        cmocka_unit_test(test_a_finished_request),
        cmocka_unit_test(test_how_requests_end),
        cmocka_unit_test(test_histogram_lines),
        cmocka_unit_test(test_all_histograms_are_cumulative),
        cmocka_unit_test(test_upstreams),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_sums_miss_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
