/* Taps collect lines in blocks; the writer thread alone touches the file.
 *
 *      log_write ─► line ─► tap's block ──mailbox──► writer ──poll, write──► file
 *                              │ mailbox full, no memory, write failed
 *                              ▼
 *                           dropped (counted in lines)
 *
 * The writer waits for the descriptor with poll() and writes at most PIPE_BUF at a time, because a pipe
 * that is ready takes so much without blocking, and O_NONBLOCK is no choice: standard error is often
 * shared with other programs. So the thread can always be ended, even when nobody reads the pipe. */
#include "gateway/log.h"

#include "cache/mailbox.h"
#include "gateway/log_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 16 * 1024,
    WAITING_BLOCKS = 64, /* 1 MiB behind the writer at most */
    FLUSH_US = 50 * 1000,
    POLL_MS = 50,              /* how soon a stuck writer sees that it shall end */
    END_WITHOUT_PROGRESS = 20, /* polls in vain before waiting lines are given up at the end */
    WRITER_STACK_BYTES = 256 * 1024,
};

struct log_block {
    struct mail mail; /* first */
    uint64_t lines;
    size_t length;
    char text[BLOCK_BYTES];
};

struct log {
    atomic_int level; /* of enum log_level */
    char *file;       /* NULL: standard error */
    struct mailbox *box;
    pthread_t writer;
    atomic_bool access;
    atomic_bool ending;
    pthread_mutex_t lock; /* guards the two below */
    uint64_t dropped;
    bool reopening; /* its mail waits in the box */
    struct mail reopen;
    struct mail end;
    /* The writer's own. */
    int fd;
    bool torn;     /* the file ends within a line, because a write failed there */
    bool hopeless; /* nobody takes the bytes and the end has come: the rest is dropped unwritten */
    bool over;
    uint64_t dropped_told;
    struct env env;
    struct log_clock clock;
};

struct log_tap {
    struct log *log;
    struct loop *loop;
    struct log_block *block; /* NULL while nothing waits */
    struct loop_timer timer;
    struct loop_task task;
    struct log_clock clock;
};

static const char *level_text(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return "debug";
    case LOG_INFO:
        return "info";
    case LOG_WARN:
        return "warn";
    case LOG_ERROR:
        return "error";
    }
    return "error";
}

static void count_dropped(struct log *l, uint64_t lines)
{
    (void) pthread_mutex_lock(&l->lock);
    l->dropped += lines;
    (void) pthread_mutex_unlock(&l->lock);
}

uint64_t log_dropped(const struct log *l)
{
    /* Locking changes nothing that a caller could see. */
    struct log *self = (struct log *) (uintptr_t) l;
    uint64_t dropped;

    (void) pthread_mutex_lock(&self->lock);
    dropped = self->dropped;
    (void) pthread_mutex_unlock(&self->lock);
    return dropped;
}

/* ---- the writer ---- */

static bool wait_writable(struct log *l)
{
    unsigned in_vain = 0;

    while (!l->hopeless) {
        struct pollfd p = {.fd = l->fd, .events = POLLOUT};
        int rc = poll(&p, 1, POLL_MS);

        if (rc > 0 || (rc == -1 && errno != EINTR)) {
            return rc > 0;
        }
        l->hopeless = atomic_load(&l->ending) && ++in_vain >= END_WITHOUT_PROGRESS;
    }
    return false;
}

/* False when the rest was given up. */
static bool write_all(struct log *l, const char *p, size_t n)
{
    size_t whole = n;

    while (n > 0) {
        size_t piece = n < PIPE_BUF ? n : PIPE_BUF;
        ssize_t put;

        if (!wait_writable(l)) {
            break;
        }
        put = write(l->fd, p, piece);
        if (put == -1 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (put <= 0) {
            break;
        }
        p += put;
        n -= (size_t) put;
    }
    if (n < whole) {
        l->torn = p[-1] != '\n';
    }
    return n == 0;
}

static bool write_lines(struct log *l, const char *p, size_t n)
{
    return (!l->torn || write_all(l, "\n", 1)) && write_all(l, p, n);
}

/* The log's own word. */
static bool tell(struct log *l, const char *event, const char *key, struct slice value)
{
    struct log_line line;

    log_line_begin(&line, &l->clock, env_wall_us(&l->env), level_text(LOG_WARN), event);
    log_line_text(&line, key, value);
    log_line_end(&line);
    return write_lines(l, line.text, line.length);
}

static void tell_dropped(struct log *l)
{
    uint64_t dropped = log_dropped(l);
    char text[24];

    if (dropped == l->dropped_told) {
        return;
    }
    (void) snprintf(text, sizeof(text), "%" PRIu64, dropped - l->dropped_told);
    if (tell(l, "log_lines_dropped", "lines", slice_of(text))) {
        l->dropped_told = dropped;
    }
}

static void deliver_block(struct mail *mail, void *receiver)
{
    struct log_block *block = CONTAINER_OF(mail, struct log_block, mail);
    struct log *l = receiver;

    if (!write_lines(l, block->text, block->length)) {
        count_dropped(l, block->lines);
    }
    free(block);
}

static void discard_block(struct mail *mail)
{
    free(CONTAINER_OF(mail, struct log_block, mail));
}

static void deliver_reopen(struct mail *mail, void *receiver)
{
    struct log *l = receiver;
    int fd = open(l->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    (void) mail;
    (void) pthread_mutex_lock(&l->lock);
    l->reopening = false;
    (void) pthread_mutex_unlock(&l->lock);
    if (fd == -1) {
        /* The old file is better than none. */
        (void) tell(l, "log_reopen_failed", "error", slice_of(strerror(errno)));
        return;
    }
    (void) close(l->fd);
    l->fd = fd;
    l->torn = false;
}

static void deliver_end(struct mail *mail, void *receiver)
{
    struct log *l = receiver;

    (void) mail;
    l->over = true;
}

static void discard_nothing(struct mail *mail)
{
    (void) mail;
}

static void *writer_main(void *arg)
{
    struct log *l = arg;

    while (!l->over) {
        struct pollfd p = {.fd = mailbox_fd(l->box), .events = POLLIN};

        if (poll(&p, 1, -1) == 1) {
            (void) mailbox_take(l->box, l);
            tell_dropped(l);
        }
    }
    return NULL;
}

/* ---- the log ---- */

/* Signals belong to the main thread; SIGPIPE must not reach the writer's write(). */
static int start_writer(struct log *l)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    int rc;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    (void) pthread_attr_init(&attr);
    (void) pthread_attr_setstacksize(&attr, WRITER_STACK_BYTES);
    rc = pthread_create(&l->writer, &attr, writer_main, l);
    (void) pthread_attr_destroy(&attr);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void log_release(struct log *l)
{
    if (l->file != NULL && l->fd != -1) {
        (void) close(l->fd);
    }
    if (l->box != NULL) {
        mailbox_free(l->box);
    }
    (void) pthread_mutex_destroy(&l->lock);
    free(l->file);
    free(l);
}

struct log *log_new(const char *file, enum log_level level, struct errbuf *err)
{
    struct log *l = x_alloc(sizeof(*l));
    int rc;

    atomic_init(&l->level, (int) level);
    l->env = env_system();
    l->reopen = (struct mail) {.deliver = deliver_reopen, .discard = discard_nothing};
    l->end = (struct mail) {.deliver = deliver_end, .discard = discard_nothing};
    l->fd = STDERR_FILENO;
    atomic_init(&l->access, true);
    atomic_init(&l->ending, false);
    log_clock_init(&l->clock);
    (void) pthread_mutex_init(&l->lock, NULL);
    if (file != NULL) {
        l->file = x_dup(file);
        l->fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (l->fd == -1) {
            (void) err_set(err, ERR_IO, "cannot open the log file %s: %s", file, strerror(errno));
            goto fail;
        }
    }
    l->box = mailbox_new(WAITING_BLOCKS, err);
    if (l->box == NULL) {
        goto fail;
    }
    rc = start_writer(l);
    if (rc != 0) {
        (void) err_set(err, ERR_IO, "cannot start the log's thread: %s", strerror(rc));
        goto fail;
    }
    return l;
fail:
    log_release(l);
    return NULL;
}

void log_free(struct log *l)
{
    if (l == NULL) {
        return;
    }
    atomic_store(&l->ending, true);
    mailbox_post_must(l->box, &l->end);
    (void) pthread_join(l->writer, NULL);
    log_release(l);
}

void log_reopen(struct log *l)
{
    bool post = false;

    if (l->file == NULL) {
        return;
    }
    (void) pthread_mutex_lock(&l->lock);
    if (!l->reopening) {
        l->reopening = true;
        post = true;
    }
    (void) pthread_mutex_unlock(&l->lock);
    if (post) {
        mailbox_post_must(l->box, &l->reopen);
    }
}

void log_set_access(struct log *l, bool on)
{
    atomic_store_explicit(&l->access, on, memory_order_relaxed);
}

void log_set_level(struct log *l, enum log_level level)
{
    atomic_store_explicit(&l->level, (int) level, memory_order_relaxed);
}

/* ---- a thread's tap ---- */

static void tap_flush(void *arg)
{
    struct log_tap *t = arg;
    struct log_block *block = t->block;

    loop_timer_clear(t->loop, &t->timer);
    loop_unpost(t->loop, &t->task);
    if (block == NULL) {
        return;
    }
    t->block = NULL;
    if (mailbox_post(t->log->box, &block->mail) != ERR_NONE) {
        count_dropped(t->log, block->lines);
        free(block);
    }
}

struct log_tap *log_tap_new(struct log *l, struct loop *loop)
{
    struct log_tap *t = x_alloc(sizeof(*t));

    t->log = l;
    t->loop = loop;
    log_clock_init(&t->clock);
    loop_timer_init(&t->timer, tap_flush, t);
    loop_task_init(&t->task, tap_flush, t);
    return t;
}

void log_tap_free(struct log_tap *t)
{
    if (t == NULL) {
        return;
    }
    tap_flush(t);
    free(t);
}

static void tap_put(struct log_tap *t, enum log_level level, const struct log_line *line)
{
    if (t->block != NULL && line->length > BLOCK_BYTES - t->block->length) {
        tap_flush(t);
    }
    if (t->block == NULL) {
        t->block = malloc(sizeof(*t->block));
        if (t->block == NULL) {
            count_dropped(t->log, 1);
            return;
        }
        t->block->mail = (struct mail) {.deliver = deliver_block, .discard = discard_block};
        t->block->lines = 0;
        t->block->length = 0;
    }
    memcpy(t->block->text + t->block->length, line->text, line->length);
    t->block->length += line->length;
    t->block->lines++;
    if (level >= LOG_WARN) {
        loop_post(t->loop, &t->task);
    } else if (!loop_timer_is_set(&t->timer)) {
        loop_timer_set(t->loop, &t->timer, FLUSH_US);
    }
}

static void put_pair(struct log_line *line, const char *key, const char *value)
{
    char safe[64];
    size_t n = strlen(key);

    if (n == 0 || key[n - 1] != '!' || n > sizeof(safe)) {
        log_line_text(line, key, slice_of(value));
        return;
    }
    memcpy(safe, key, n - 1);
    safe[n - 1] = '\0';
    log_line_safe(line, safe, slice_of(value));
}

void log_write(struct log_tap *t, enum log_level level, const char *event, ...)
{
    struct log_line line;
    const char *key;
    va_list args;

    if ((int) level < atomic_load_explicit(&t->log->level, memory_order_relaxed)) {
        return;
    }
    log_line_begin(&line, &t->clock, env_wall_us(loop_env(t->loop)), level_text(level), event);
    va_start(args, event);
    while ((key = va_arg(args, const char *)) != NULL) {
        put_pair(&line, key, va_arg(args, const char *));
    }
    va_end(args);
    log_line_end(&line);
    tap_put(t, level, &line);
}

static void put_info(struct log_tap *t, struct log_line *line)
{
    log_line_end(line);
    tap_put(t, LOG_INFO, line);
}

/* False: no line is wanted. */
static bool begin_info(struct log_tap *t, struct log_line *line, const char *event)
{
    if (!atomic_load_explicit(&t->log->access, memory_order_relaxed)) {
        return false;
    }
    log_line_begin(line, &t->clock, env_wall_us(loop_env(t->loop)), level_text(LOG_INFO), event);
    return true;
}

void log_access(struct log_tap *t, const struct record *r)
{
    struct log_line line;

    if (begin_info(t, &line, "request")) {
        log_line_record(&line, r);
        put_info(t, &line);
    }
}

void log_node_call(struct log_tap *t, const char *id, const char *name, const struct call_record *c)
{
    struct log_line line;

    if (begin_info(t, &line, "call")) {
        log_line_call(&line, id, name, c);
        put_info(t, &line);
    }
}
