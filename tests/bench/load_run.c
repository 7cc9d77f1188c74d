#include "tests/bench/load_run.h"

#include "tests/bench/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TURN = 256, READ_MAX = 65536, ERRORS_MAX = 1000 };

struct asker {
    int fd;
    bool wants_room; /* the request is not sent whole */
    size_t sent;
    uint64_t asked_ns;
    bool has_first;
    struct answer answer;
};

struct run {
    const struct load_options *o;
    struct load_result *r;
    int epoll;
    bool is_open; /* the window */
    uint64_t now_ns;
    uint64_t answers; /* since the start */
    unsigned begun;   /* connections */
    struct asker *askers;
    char buffer[READ_MAX];
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

/* ---- CPU time of others ---- */

/* Field 14 and 15 of /proc/PID/stat, counted after the name, which may hold anything. */
static void split(pid_t pid, struct load_cpu *cpu)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd != -1) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(text, ')');
    for (unsigned field = 2; at && field < 14; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at) {
        char *next;
        uint64_t tick_ns = 1000000000u / (uint64_t) sysconf(_SC_CLK_TCK);
        cpu->user_ns = strtoull(at, &next, 10) * tick_ns;
        cpu->system_ns = strtoull(next, NULL, 10) * tick_ns;
    }
}

static bool read_cpu(const struct load_options *o, struct load_cpu *cpu)
{
    for (size_t i = 0; i < o->watched; i++) {
        clockid_t clock;
        int rc = clock_getcpuclockid(o->watch[i], &clock);
        if (rc != 0) {
            errno = rc;
            return false;
        }
        cpu[i].cpu_ns = clock_ns(clock);
        split(o->watch[i], &cpu[i]);
    }
    return true;
}

static bool open_window(struct run *run)
{
    struct load_result *r = run->r;
    run->is_open = true;
    r->self_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    r->window_ns = clock_ns(CLOCK_MONOTONIC);
    return read_cpu(run->o, r->cpu);
}

static bool close_window(struct run *run)
{
    struct load_result *r = run->r;
    struct load_cpu end[LOAD_WATCH_MAX] = {{0}};
    r->window_ns = clock_ns(CLOCK_MONOTONIC) - r->window_ns;
    r->self_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - r->self_ns;
    if (!read_cpu(run->o, end)) {
        return false;
    }
    for (size_t i = 0; i < run->o->watched; i++) {
        r->cpu[i].cpu_ns = end[i].cpu_ns - r->cpu[i].cpu_ns;
        r->cpu[i].user_ns = end[i].user_ns - r->cpu[i].user_ns;
        r->cpu[i].system_ns = end[i].system_ns - r->cpu[i].system_ns;
    }
    return true;
}

/* ---- asking ---- */

static bool watch(struct run *run, int operation, struct asker *a, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = a};
    return epoll_ctl(run->epoll, operation, a->fd, &e) == 0;
}

/* What the socket takes of the request; false when the connection is broken. */
static bool push(struct run *run, struct asker *a)
{
    const struct load_options *o = run->o;
    ssize_t n = send(a->fd, o->request + a->sent, o->request_len - a->sent, MSG_NOSIGNAL);
    if (n == -1 && errno != EAGAIN) {
        return false;
    }
    a->sent += n > 0 ? (size_t) n : 0;
    bool wants_room = a->sent < o->request_len;
    if (wants_room != a->wants_room) {
        a->wants_room = wants_room;
        return watch(run, EPOLL_CTL_MOD, a, wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    return true;
}

static bool ask(struct run *run, struct asker *a)
{
    memset(&a->answer, 0, offsetof(struct answer, framing));
    a->answer.wants_status = run->o->status;
    a->answer.framing.len = a->answer.stream.len = 0;
    a->has_first = false;
    a->sent = 0;
    a->asked_ns = clock_ns(CLOCK_MONOTONIC);
    return push(run, a);
}

/* A connection on loopback is there at once, so there is nothing to wait for. */
static bool connect_and_ask(struct run *run, struct asker *a)
{
    static const int on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(run->o->port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    a->wants_room = false;
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return a->fd != -1 && connect(a->fd, (struct sockaddr *) &addr, sizeof(addr)) == 0 &&
           fcntl(a->fd, F_SETFL, O_NONBLOCK) == 0 &&
           setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           watch(run, EPOLL_CTL_ADD, a, EPOLLIN) && ask(run, a);
}

static bool again(struct run *run, struct asker *a)
{
    close(a->fd);
    run->r->reconnects++;
    return connect_and_ask(run, a);
}

static bool fail(struct run *run, struct asker *a, const char *why)
{
    run->r->errors++;
    run->r->why = why;
    if (run->r->errors > ERRORS_MAX) {
        errno = EPROTO;
        return false;
    }
    return again(run, a);
}

/* ---- answers ---- */

static void on_event(void *arg, uint64_t sent_ns)
{
    struct run *run = arg;
    if (run->is_open) {
        run->r->events++;
        if (sent_ns != 0 && sent_ns < run->now_ns) {
            stats_add(&run->r->delay, run->now_ns - sent_ns);
        }
    }
}

static bool on_whole(struct run *run, struct asker *a)
{
    run->answers++;
    if (run->is_open) {
        run->r->answers++;
        stats_add(&run->r->latency, run->now_ns - a->asked_ns);
    }
    if (a->answer.is_stream != run->o->is_stream) {
        return fail(run, a, "a document for a stream, or the reverse");
    }
    return a->answer.closes ? again(run, a) : ask(run, a);
}

static bool on_readable(struct run *run, struct asker *a)
{
    ssize_t n = recv(a->fd, run->buffer, sizeof(run->buffer), 0);
    if (n == -1 && errno == EAGAIN) {
        return true;
    }
    if (n <= 0) {
        return fail(run, a, n == 0 ? "closed before the end" : "reset");
    }
    run->now_ns = clock_ns(CLOCK_MONOTONIC);
    run->r->reads += run->is_open;
    size_t used = answer_read(&a->answer, run->buffer, (size_t) n, on_event, run);
    if (a->answer.state == ANSWER_BAD) {
        return fail(run, a, a->answer.why);
    }
    if (used < (size_t) n) {
        return fail(run, a, "bytes after the answer");
    }
    if (!a->has_first && a->answer.has_content) {
        a->has_first = true;
        if (run->is_open) {
            stats_add(&run->r->first, run->now_ns - a->asked_ns);
        }
    }
    return a->answer.state != ANSWER_WHOLE || on_whole(run, a);
}

static bool turn(struct run *run)
{
    struct epoll_event events[TURN];
    int n = epoll_wait(run->epoll, events, TURN, run->begun < run->o->connections ? 1 : 10);
    if (n == -1 && errno != EINTR) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        struct asker *a = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) && a->wants_room) {
            if (!push(run, a) && !fail(run, a, "reset")) {
                return false;
            }
        } else if (!on_readable(run, a)) {
            return false;
        }
    }
    return true;
}

/* Begins with those connections whose time has come. */
static bool begin(struct run *run, uint64_t since_ns)
{
    const struct load_options *o = run->o;
    while (run->begun < o->connections && since_ns >= o->ramp_ns * run->begun / o->connections) {
        if (!connect_and_ask(run, &run->askers[run->begun++])) {
            return false;
        }
    }
    return true;
}

static bool is_over(const struct run *run, uint64_t since_ns)
{
    const struct load_options *o = run->o;
    return o->requests > 0 ? run->answers >= o->requests : since_ns >= o->warmup_ns + o->window_ns;
}

static bool measure(struct run *run)
{
    uint64_t warmup_ns = run->o->requests > 0 ? 0 : run->o->warmup_ns;
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (;;) {
        uint64_t since_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
        if (is_over(run, since_ns)) {
            return close_window(run);
        }
        if (!run->is_open && since_ns >= warmup_ns && !open_window(run)) {
            return false;
        }
        if (!begin(run, since_ns) || !turn(run)) {
            return false;
        }
    }
}

struct load_result *load_run(const struct load_options *options)
{
    struct run *run = calloc(1, sizeof(*run));
    struct load_result *result = calloc(1, sizeof(*result));
    struct asker *askers = calloc(options->connections, sizeof(*askers));
    bool ok = false;
    if (run && result && askers) {
        run->o = options;
        run->r = result;
        run->askers = askers;
        run->epoll = epoll_create1(EPOLL_CLOEXEC);
        ok = run->epoll != -1 && measure(run);
        close(run->epoll);
    }
    /* The connections are closed by the end of the program, all at once. */
    free(askers);
    free(run);
    if (!ok) {
        free(result);
        return NULL;
    }
    return result;
}
