#include "gateway/log.h"

#include "tests/unit/log_pairs.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 20000, THREADS = 4, THREAD_LINES = 1000 };

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
    struct record r = {.id = "first"};

    log_access(t, &r);
    log_set_access(l, false);
    (void) snprintf(r.id, sizeof(r.id), "silent");
    log_access(t, &r);
    log_set_access(l, true);
    (void) snprintf(r.id, sizeof(r.id), "heard");
    log_access(t, &r);
    log_tap_free(t);
    log_free(l);
    assert_true(file_has(at->path, "event=request id=first "));
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
        struct pair who = {0}; /* gcc does not see that assert_true does not return */
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
