#include "gateway/log.h"

#include "gateway/log_line.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000, THREADS = 4, THREAD_LINES = 1000 };

/* 2026-11-24T20:03:30.000042Z */
static const int64_t some_wall_us = INT64_C(1795550610000042);

/* ---- a strict reader of key=value lines ---- */

struct pair {
    char key[32];
    char value[2 * LOG_VALUE_MAX];
    size_t value_length;
};

static unsigned hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, c);

    assert_true(c != '\0' && at != NULL);
    return (unsigned) (at - digits);
}

static const char *read_escape(const char *p, char *out)
{
    static const char from[] = "nrt\"\\";
    static const char to[] = "\n\r\t\"\\";
    const char *at = strchr(from, *p);

    if (*p == 'x') {
        *out = (char) (hex_digit(p[1]) << 4 | hex_digit(p[2]));
        return p + 3;
    }
    assert_true(*p != '\0' && at != NULL);
    *out = to[at - from];
    return p + 1;
}

/* Reads one pair at p, returns what follows it; `end` is where the newline stands. */
static const char *read_pair(const char *p, const char *end, struct pair *out)
{
    size_t n = 0;

    while (p < end && *p != '=') {
        assert_true((*p >= 'a' && *p <= 'z') || *p == '_');
        assert_true(n + 1 < sizeof(out->key));
        out->key[n++] = *p++;
    }
    assert_true(p < end && n > 0);
    out->key[n] = '\0';
    n = 0;
    p++;
    if (*p == '"') {
        p++;
        while (*p != '"') {
            assert_true(p < end && *p >= ' ' && *p < 0x7f);
            if (*p == '\\') {
                p = read_escape(p + 1, &out->value[n++]);
            } else {
                out->value[n++] = *p++;
            }
        }
        p++;
    } else {
        while (p < end && *p != ' ') {
            assert_true(*p > ' ' && *p < 0x7f && *p != '"' && *p != '\\' && *p != '=');
            out->value[n++] = *p++;
        }
        assert_true(n > 0);
    }
    out->value_length = n;
    out->value[n] = '\0';
    if (p < end) {
        assert_int_equal(*p, ' ');
        p++;
        assert_true(p < end);
    }
    return p;
}

/* The value of `key` in one whole line, which must be well formed; false when it is not there. */
static bool find_value(const char *line, size_t length, const char *key, struct pair *out)
{
    const char *p = line;
    const char *end = line + length - 1;
    struct pair pair;
    bool found = false;

    assert_int_equal(*end, '\n');
    assert_null(memchr(line, '\n', length - 1));
    while (p < end) {
        p = read_pair(p, end, &pair);
        if (strcmp(pair.key, key) == 0) {
            assert_false(found);
            found = true;
            *out = pair;
        }
    }
    return found;
}

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
    r->endpoint = ENDPOINT_CHAT;
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
    r->call.usd = 0.00125;
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
        "key=\"app 1\" endpoint=chat model=auto task=default graph=0000000000abcdef status=200 "
        "stream=true reason=complete degraded=tools upstream=local upstream_model=llama "
        "upstream_status=200 upstream_id=up-1 attempts=3 fallbacks=1 calls=3 "
        "prompt_tokens=10 completion_tokens=60 usd=0.001250000 body_ms=0.100 route_ms=0.200 "
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

/* ---- the writer ---- */

struct place {
    char dir[64];
    char path[96];
    struct loop_virtual clock;
    struct env env;
    struct loop *loop;
};

static int setup(void **state)
{
    struct place *at = x_alloc(sizeof(*at));

    (void) snprintf(at->dir, sizeof(at->dir), "/tmp/test_log.XXXXXX");
    assert_non_null(mkdtemp(at->dir));
    (void) snprintf(at->path, sizeof(at->path), "%s/log", at->dir);
    at->env = loop_virtual_env(&at->clock, 1);
    at->loop = loop_new(&at->env);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct place *at = *state;

    loop_free(at->loop);
    (void) unlink(at->path);
    (void) rmdir(at->dir);
    free(at);
    return 0;
}

static char *read_file(const char *path, size_t *length)
{
    FILE *f = fopen(path, "re");
    char *text = malloc(4 * 1024 * 1024);

    assert_non_null(f);
    assert_non_null(text);
    *length = fread(text, 1, 4 * 1024 * 1024 - 1, f);
    text[*length] = '\0';
    assert_int_equal(fclose(f), 0);
    return text;
}

/* Waits until the file has `text`. */
static void wait_for(const char *path, const char *text)
{
    for (int ms = 0; ms < WAIT_MS; ms++) {
        size_t length;
        char *all = read_file(path, &length);
        bool found = strstr(all, text) != NULL;

        free(all);
        if (found) {
            return;
        }
        (void) poll(NULL, 0, 1);
    }
    fail_msg("the log never said: %s", text);
}

static bool file_has(const char *path, const char *text)
{
    size_t length;
    char *all = read_file(path, &length);
    bool found = strstr(all, text) != NULL;

    free(all);
    return found;
}

static struct log *open_log(const char *path, enum log_level level)
{
    struct errbuf err;
    struct log *l = log_new(path, level, &err);

    if (l == NULL) {
        fail_msg("%s", err.text);
    }
    return l;
}

static void test_bad_file_says_why(void **state)
{
    struct errbuf err;

    (void) state;
    assert_null(log_new("/nowhere/at/all/log", LOG_INFO, &err));
    assert_non_null(strstr(err.text, "/nowhere/at/all/log"));
    assert_non_null(strstr(err.text, "No such file"));
}

static void test_info_waits_warning_does_not(void **state)
{
    struct place *at = *state;
    struct log *l = open_log(at->path, LOG_INFO);
    struct log_tap *t = log_tap_new(l, at->loop);

    log_write(t, LOG_DEBUG, "hidden", NULL);
    log_write(t, LOG_INFO, "listening", "address", "127.0.0.1:80", "workers", "4", NULL);
    (void) loop_run(at->loop);
    loop_advance(at->loop, &at->clock, at->clock.now_us + 49 * 1000);
    assert_false(file_has(at->path, "listening"));
    loop_advance(at->loop, &at->clock, at->clock.now_us + 1000);
    wait_for(at->path, "level=info event=listening address=127.0.0.1:80 workers=4\n");
    log_write(t, LOG_WARN, "odd", "what", "two words", "raw!", "a=\"b\"", NULL);
    (void) loop_run(at->loop);
    wait_for(at->path, "level=warn event=odd what=\"two words\" raw=a=\"b\"\n");
    log_write(t, LOG_ERROR, "bad", NULL);
    (void) loop_run(at->loop);
    wait_for(at->path, "level=error event=bad\n");
    assert_false(file_has(at->path, "hidden"));
    log_tap_free(t);
    log_free(l);
}

static void test_access_can_be_switched(void **state)
{
    struct place *at = *state;
    struct log *l = open_log(at->path, LOG_INFO);
    struct log_tap *t = log_tap_new(l, at->loop);
    struct record r;

    fill(&r);
    log_access(t, &r);
    log_set_access(l, false);
    (void) snprintf(r.id, sizeof(r.id), "silent");
    log_access(t, &r);
    log_set_access(l, true);
    (void) snprintf(r.id, sizeof(r.id), "heard");
    log_access(t, &r);
    log_tap_free(t);
    log_free(l);
    assert_true(file_has(at->path, "event=request id=chatcmpl-abc "));
    assert_false(file_has(at->path, "silent"));
    assert_true(file_has(at->path, "event=request id=heard "));
}

static void test_reopen_after_rotation(void **state)
{
    struct place *at = *state;
    struct log *l = open_log(at->path, LOG_INFO);
    struct log_tap *t = log_tap_new(l, at->loop);
    char old[128];

    (void) snprintf(old, sizeof(old), "%s/log.1", at->dir);
    log_write(t, LOG_WARN, "first", NULL);
    (void) loop_run(at->loop);
    wait_for(at->path, "first");
    assert_int_equal(rename(at->path, old), 0);
    log_reopen(l);
    log_write(t, LOG_WARN, "second", NULL);
    (void) loop_run(at->loop);
    log_tap_free(t);
    log_free(l);
    assert_true(file_has(old, "event=first"));
    assert_false(file_has(old, "event=second"));
    assert_true(file_has(at->path, "event=second"));
    assert_int_equal(unlink(old), 0);
}

static void test_failed_reopen_keeps_the_old_file(void **state)
{
    struct place *at = *state;
    struct log *l = open_log(at->path, LOG_INFO);
    struct log_tap *t = log_tap_new(l, at->loop);
    char moved[128];
    char path[160];

    (void) snprintf(moved, sizeof(moved), "%s.moved", at->dir);
    (void) snprintf(path, sizeof(path), "%s/log", moved);
    assert_int_equal(rename(at->dir, moved), 0);
    log_reopen(l);
    log_write(t, LOG_WARN, "after", NULL);
    log_tap_free(t);
    log_free(l);
    assert_true(file_has(path, "event=log_reopen_failed error=\"No such file or directory\"\n"));
    assert_true(file_has(path, "event=after"));
    assert_int_equal(rename(moved, at->dir), 0);
}

struct writer {
    pthread_t thread;
    struct log *log;
    char who[2];
    unsigned next; /* the number of its line that comes next in the file */
};

static void *write_many(void *arg)
{
    const struct writer *w = arg;
    struct env env = env_system();
    struct loop *loop = loop_new(&env);
    struct log_tap *t = log_tap_new(w->log, loop);
    char number[32];

    for (unsigned i = 0; i < THREAD_LINES; i++) {
        (void) snprintf(number, sizeof(number), "%u", i);
        log_write(t, i % 100 == 99 ? LOG_WARN : LOG_INFO, "many", "who", w->who, "number", number,
                  NULL);
        (void) loop_run(loop);
    }
    log_tap_free(t);
    loop_free(loop);
    return NULL;
}

/* Lines of several threads: none lost, none torn, each thread's own in order. */
static void test_nothing_is_lost_at_the_end(void **state)
{
    struct place *at = *state;
    struct writer writers[THREADS];
    struct log *l = open_log(at->path, LOG_INFO);
    size_t length;
    char *all;

    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer) {.log = l, .who = {(char) ('0' + i), '\0'}};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    }
    assert_int_equal(log_dropped(l), 0);
    log_free(l);
    all = read_file(at->path, &length);
    for (char *p = all; p < all + length;) {
        size_t n = (size_t) (strchr(p, '\n') - p) + 1;
        struct pair who;
        struct pair number;

        assert_true(find_value(p, n, "who", &who));
        assert_true(find_value(p, n, "number", &number));
        assert_true(who.value[0] >= '0' && who.value[0] < '0' + THREADS);
        assert_int_equal(strtoul(number.value, NULL, 10), writers[who.value[0] - '0'].next++);
        p += n;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(writers[i].next, THREAD_LINES);
    }
    free(all);
}

/* ---- a reader that does not read ---- */

struct reader {
    int fd;
    unsigned lines;
    unsigned told;
    size_t length;
    char text[4 * 1024 * 1024];
};

static void *read_to_the_end(void *arg)
{
    struct reader *r = arg;
    ssize_t got;

    while ((got = read(r->fd, r->text + r->length, sizeof(r->text) - r->length)) > 0) {
        r->length += (size_t) got;
    }
    return NULL;
}

static void count_lines(struct reader *r)
{
    const char *end = r->text + r->length;

    assert_true(r->length < sizeof(r->text));
    for (const char *p = r->text; p < end;) {
        const char *newline = memchr(p, '\n', (size_t) (end - p));
        struct pair pair;
        size_t length;

        assert_non_null(newline);
        length = (size_t) (newline - p) + 1;

        assert_true(find_value(p, length, "event", &pair));
        if (strcmp(pair.value, "log_lines_dropped") == 0) {
            assert_true(find_value(p, length, "lines", &pair));
            r->told += (unsigned) strtoul(pair.value, NULL, 10);
        } else {
            r->lines++;
        }
        p += length;
    }
}

/* A pipe that nobody reads; the writer's end is opened by log_new. */
static int open_fifo(const char *path)
{
    int fd;

    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static unsigned write_until_dropped(struct log *l, struct log_tap *t)
{
    char filler[600];
    unsigned written = 0;

    memset(filler, 'f', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    while (log_dropped(l) == 0) {
        assert_true(written < 100000);
        log_write(t, LOG_INFO, "flood", "filler", filler, NULL);
        written++;
    }
    return written;
}

static void test_stuck_writer_drops_and_counts(void **state)
{
    struct place *at = *state;
    struct reader *r = x_alloc(sizeof(*r));
    struct log_tap *t;
    struct log *l;
    unsigned written;
    pthread_t thread;
    uint64_t dropped;

    r->fd = open_fifo(at->path);
    l = open_log(at->path, LOG_INFO);
    t = log_tap_new(l, at->loop);
    written = write_until_dropped(l, t);
    log_tap_free(t);
    dropped = log_dropped(l);
    assert_int_equal(fcntl(r->fd, F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, read_to_the_end, r), 0);
    log_free(l);
    assert_int_equal(pthread_join(thread, NULL), 0);
    count_lines(r);
    assert_true(dropped > 0);
    assert_int_equal(r->told, dropped);
    assert_int_equal(r->lines + dropped, written);
    (void) close(r->fd);
    free(r);
}

/* The end comes although nobody ever reads. */
static void test_stuck_writer_can_be_ended(void **state)
{
    struct place *at = *state;
    int fd = open_fifo(at->path);
    struct log *l = open_log(at->path, LOG_INFO);
    struct log_tap *t = log_tap_new(l, at->loop);

    (void) write_until_dropped(l, t);
    log_tap_free(t);
    log_free(l);
    (void) close(fd);
}

static void test_lost_reader_is_counted(void **state)
{
    struct place *at = *state;
    int fd = open_fifo(at->path);
    struct log *l = open_log(at->path, LOG_INFO);
    struct log_tap *t = log_tap_new(l, at->loop);

    (void) close(fd);
    log_write(t, LOG_WARN, "into the void", NULL);
    (void) loop_run(at->loop);
    for (int ms = 0; ms < WAIT_MS && log_dropped(l) == 0; ms++) {
        (void) poll(NULL, 0, 1);
    }
    assert_int_equal(log_dropped(l), 1);
    log_tap_free(t);
    log_free(l);
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
        cmocka_unit_test(test_bad_file_says_why),
        cmocka_unit_test_setup_teardown(test_info_waits_warning_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_access_can_be_switched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen_after_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_reopen_keeps_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_lost_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck_writer_drops_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck_writer_can_be_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_reader_is_counted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
