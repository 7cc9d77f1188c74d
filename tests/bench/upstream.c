/* The simulated upstream of the benchmark: as little work as an HTTP server can do, so that what is
 * measured is the proxy before it. One thread, raw epoll. No model is behind it.
 *
 * Any POST with a Content-Length is answered, by what its body contains:
 *   no "stream":true   a JSON document of 981 bytes
 *   bench-burst        200 events of 167 bytes and [DONE], one write each, as fast as the reader
 *                      takes them; open streams take turns
 *   bench-paced        the same, an event every 10 ms; streams are out of step
 *   bench-held         21 paced events, then silence until the client leaves
 *   bench-node-N       N events with content of 79 bytes, for the nodes of a graph; short answers
 *   bench-step-N       the same, an event every 10 ms from the request on; when it has ended, a line on
 *                      standard output says how long it took: `served N MICROSECONDS`
 * Events carry CLOCK_MONOTONIC in nanoseconds as 14 hex digits, so that a reader on this machine knows
 * how long they were under way. A usage event comes when it was asked for, as from real servers.
 * Any GET is answered with the JSON document. A request must come alone: no pipelining.
 *
 * usage: upstream FILE    listens on a free port of 127.0.0.1 and writes its number to FILE */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

enum { CONTENT_EVENTS = 198, HELD_EVENTS = 21, EVENT_BYTES = 167, NODE_EVENT_BYTES = 231 };
enum { JSON_BYTES = 981, PACE_NS = 10000000, TURN = 256, REQUEST_MAX = 16384, OUT_MAX = 1024 };

enum pace { PACE_NONE, PACE_BURST, PACE_PACED, PACE_HELD };

/* `next_event` after the last write of a stream. */
static const unsigned all_sent = UINT_MAX;

struct peer {
    int fd;
    enum pace pace; /* of the stream that is being sent */
    bool wants_usage;
    bool is_blocked; /* the socket is watched for room */
    unsigned next_event;
    unsigned content_events; /* after that with the role; then comes that with the finish_reason */
    bool is_node;            /* its events are longer */
    bool is_timed;           /* it is said when it was served */
    uint64_t asked_ns, due_ns;
    size_t in_len;
    size_t out_at, out_len; /* what the socket did not take yet */
    char in[REQUEST_MAX];
    char out[OUT_MAX];
    struct peer **list; /* that it is in, or NULL */
    struct peer *prev, *next;
};

struct upstream {
    int epoll, listener, timer;
    uint64_t armed_ns;  /* what the timer is set to; 0: off */
    unsigned streams;   /* started so far */
    struct peer *burst; /* take turns */
    struct peer *paced; /* the next due first, as all wait for the same time */
    size_t json_len;
    char json[2 * JSON_BYTES];
};

static void die(const char *what)
{
    fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

/* ---- what is said ---- */

static void make_json(struct upstream *up)
{
    static const char start[] =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"";
    static const char end[] =
        "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,"
        "\"completion_tokens\":160,\"total_tokens\":410}}";
    const size_t words = JSON_BYTES - (sizeof(start) - 1) - (sizeof(end) - 1);
    int n = snprintf(up->json, sizeof(up->json),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     (int) JSON_BYTES, start);
    char *at = up->json + n;
    for (size_t i = 0; i < words; i++) {
        *at++ = i % 6 == 5 ? ' ' : 'w';
    }
    memcpy(at, end, sizeof(end) - 1);
    up->json_len = (size_t) (at - up->json) + sizeof(end) - 1;
}

/* Appends one event, padded by white space of JSON, in a chunk of its own. */
static void put_event(struct peer *p, const char *delta, const char *finish)
{
    const int bytes = p->is_node ? NODE_EVENT_BYTES : EVENT_BYTES;
    int n = snprintf(p->out + p->out_len, sizeof(p->out) - p->out_len,
                     "%x\r\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\","
                     "\"created\":1700000000,\"model\":\"b\",\"choices\":[{\"index\":0,"
                     "\"delta\":%s,\"finish_reason\":%s}]",
                     (unsigned) bytes, delta, finish);
    p->out_len += (size_t) n;
    int pad = bytes - (n - 4) - 3;
    n = snprintf(p->out + p->out_len, sizeof(p->out) - p->out_len, "%*s}\n\n\r\n",
                 pad > 0 ? pad : 0, "");
    p->out_len += (size_t) n;
}

static void put_usage(struct peer *p)
{
    char event[256];
    int n = snprintf(event, sizeof(event),
                     "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\","
                     "\"created\":1700000000,\"model\":\"b\",\"choices\":[],\"usage\":{"
                     "\"prompt_tokens\":250,\"completion_tokens\":%u,\"total_tokens\":%u}}\n\n",
                     p->content_events, 250 + p->content_events);
    p->out_len += (size_t) snprintf(p->out + p->out_len, sizeof(p->out) - p->out_len,
                                    "%x\r\n%s\r\n", (unsigned) n, event);
}

static void put_next(struct peer *p)
{
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    static const char words[] = " www wwwwww wwwwwwww www wwww wwwwwwwwww wwwww www wwwwwww wwwww";
    char delta[128];
    unsigned n = p->next_event++;
    if (n == 0) {
        put_event(p, "{\"role\":\"assistant\"}", "null");
    } else if (n <= p->content_events) {
        snprintf(delta, sizeof(delta), "{\"content\":\"t%014" PRIx64 "%s\"}", now_ns(),
                 p->is_node ? words : "");
        put_event(p, delta, "null");
    } else if (n == p->content_events + 1) {
        put_event(p, "{}", "\"stop\"");
    } else if (n == p->content_events + 2 && p->wants_usage) {
        put_usage(p);
    } else {
        memcpy(p->out + p->out_len, done, sizeof(done) - 1);
        p->out_len += sizeof(done) - 1;
        p->next_event = all_sent;
    }
}

/* ---- connections ---- */

static void enter(struct peer **list, struct peer *p)
{
    DL_APPEND(*list, p);
    p->list = list;
}

static void leave(struct peer *p)
{
    if (p->list) {
        DL_DELETE(*p->list, p);
        p->list = NULL;
    }
}

static void drop(struct peer *p)
{
    leave(p);
    close(p->fd);
    free(p);
}

static void watch(struct upstream *up, int operation, int fd, void *what, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = what};
    if (epoll_ctl(up->epoll, operation, fd, &e) == -1) {
        die("epoll_ctl");
    }
}

/* Puts the peer where its next event will be sent from. */
static void queue(struct upstream *up, struct peer *p)
{
    if (p->next_event == all_sent) {
        p->pace = PACE_NONE;
        if (p->is_timed) {
            printf("served %u %.1f\n", p->content_events, (double) (now_ns() - p->asked_ns) / 1e3);
        }
    } else if (p->pace == PACE_BURST) {
        enter(&up->burst, p);
    } else if (p->pace == PACE_PACED || p->next_event < HELD_EVENTS) {
        enter(&up->paced, p);
    }
}

/* Sends what is in p->out. A socket without room is watched until it has some. The peer may be gone
 * afterwards. */
static void flush(struct upstream *up, struct peer *p)
{
    ssize_t n = send(p->fd, p->out + p->out_at, p->out_len - p->out_at, MSG_NOSIGNAL);
    if (n == -1 && errno != EAGAIN) {
        drop(p);
        return;
    }
    p->out_at += n > 0 ? (size_t) n : 0;
    bool is_blocked = p->out_at < p->out_len;
    if (is_blocked != p->is_blocked) {
        watch(up, EPOLL_CTL_MOD, p->fd, p, is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
        p->is_blocked = is_blocked;
    }
    if (!is_blocked) {
        p->out_at = p->out_len = 0;
        queue(up, p);
    }
}

static void send_event(struct upstream *up, struct peer *p)
{
    leave(p);
    p->due_ns += PACE_NS;
    put_next(p);
    flush(up, p);
}

static bool has(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what)) != NULL;
}

/* The number behind `what` in the body; 0: not there. */
static unsigned number_behind(const char *body, size_t len, const char *what)
{
    const char *at = memmem(body, len, what, strlen(what));
    return at ? (unsigned) strtoul(at + strlen(what), NULL, 10) : 0;
}

static void start_stream(struct upstream *up, struct peer *p, const char *body, size_t len)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    unsigned node = number_behind(body, len, "bench-node-");
    unsigned step = number_behind(body, len, "bench-step-");
    p->pace = step > 0 || has(body, len, "bench-paced") ? PACE_PACED
              : has(body, len, "bench-held")            ? PACE_HELD
                                                        : PACE_BURST;
    p->is_node = node + step > 0;
    p->is_timed = step > 0;
    p->content_events = p->is_node ? node + step : CONTENT_EVENTS;
    p->wants_usage = has(body, len, "include_usage");
    p->next_event = 0;
    p->asked_ns = now_ns();
    /* The golden section spreads the streams evenly over the interval. */
    p->due_ns = p->asked_ns +
                (p->is_timed ? PACE_NS : (uint64_t) up->streams++ * 6180340u % PACE_NS);
    memcpy(p->out, head, sizeof(head) - 1);
    p->out_len = sizeof(head) - 1;
    put_next(p); /* the role, and with it the first content, as from real servers */
    put_next(p);
    flush(up, p);
}

static void answer(struct upstream *up, struct peer *p, const char *body, size_t len)
{
    if (has(body, len, "\"stream\":true")) {
        start_stream(up, p, body, len);
        return;
    }
    /* Fits into the empty socket of a client that reads before it asks again. */
    if (send(p->fd, up->json, up->json_len, MSG_NOSIGNAL) != (ssize_t) up->json_len) {
        drop(p);
    }
}

/* Bytes of head and body when p->in is a whole request, else 0. */
static size_t whole_request(const struct peer *p, size_t *head_len)
{
    const char *end = strstr(p->in, "\r\n\r\n");
    size_t body = 0;
    if (!end) {
        return 0;
    }
    *head_len = (size_t) (end - p->in) + 4;
    for (const char *line = p->in; line < end; line = strchr(line, '\n') + 1) {
        if (strncasecmp(line, "content-length:", 15) == 0) {
            body = strtoul(line + 15, NULL, 10);
        }
    }
    return p->in_len >= *head_len + body ? *head_len + body : 0;
}

static void on_readable(struct upstream *up, struct peer *p)
{
    ssize_t n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len, 0);
    if (n == -1 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        drop(p);
        return;
    }
    p->in_len += (size_t) n;
    p->in[p->in_len] = '\0';
    size_t head = 0;
    size_t all = whole_request(p, &head);
    bool is_full = p->in_len == sizeof(p->in) - 1;
    if (p->pace != PACE_NONE || (all == 0 ? is_full : all != p->in_len)) {
        fprintf(stderr, "upstream: a request that is too long, or came before its time\n");
        drop(p);
    } else if (all != 0) {
        p->in_len = 0;
        answer(up, p, p->in + head, all - head);
    }
}

static void on_accept(struct upstream *up)
{
    static const int on = 1;
    int fd;
    while ((fd = accept4(up->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
        struct peer *p = calloc(1, sizeof(*p));
        if (!p) {
            die("calloc");
        }
        p->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        watch(up, EPOLL_CTL_ADD, fd, p, EPOLLIN);
    }
    if (errno != EAGAIN && errno != ECONNABORTED) {
        die("accept");
    }
}

/* ---- loop ---- */

static void arm(struct upstream *up)
{
    uint64_t due_ns = up->paced ? up->paced->due_ns : 0;
    if (due_ns == up->armed_ns) {
        return;
    }
    struct itimerspec at = {.it_value = {.tv_sec = (time_t) (due_ns / 1000000000u),
                                         .tv_nsec = (long) (due_ns % 1000000000u)}};
    if (timerfd_settime(up->timer, TFD_TIMER_ABSTIME, &at, NULL) == -1) {
        die("timerfd_settime");
    }
    up->armed_ns = due_ns;
}

/* Each stream that was waiting sends one event; the lists change meanwhile. */
static void send_due(struct upstream *up)
{
    struct peer *last = up->burst ? up->burst->prev : NULL;
    for (bool more = last; more;) {
        struct peer *p = up->burst;
        more = p != last;
        send_event(up, p);
    }
    uint64_t now = up->paced ? now_ns() : 0;
    while (up->paced && up->paced->due_ns <= now) {
        send_event(up, up->paced);
    }
}

static void turn(struct upstream *up)
{
    struct epoll_event events[TURN];
    int n = epoll_wait(up->epoll, events, TURN, up->burst ? 0 : -1);
    if (n == -1 && errno != EINTR) {
        die("epoll_wait");
    }
    for (int i = 0; i < n; i++) {
        struct peer *p = events[i].data.ptr;
        if (p == NULL) {
            on_accept(up);
        } else if (events[i].data.ptr == up) {
            up->armed_ns = 1; /* fired long ago: arm() sets it anew, which makes it unreadable */
        } else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            on_readable(up, p);
        } else {
            flush(up, p);
        }
    }
    send_due(up);
    arm(up);
}

static void start(struct upstream *up, const char *port_file)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(addr);
    up->epoll = epoll_create1(EPOLL_CLOEXEC);
    up->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    up->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (up->epoll == -1 || up->listener == -1 || up->timer == -1 ||
        bind(up->listener, (struct sockaddr *) &addr, len) == -1 ||
        listen(up->listener, SOMAXCONN) == -1 ||
        getsockname(up->listener, (struct sockaddr *) &addr, &len) == -1) {
        die("listen");
    }
    watch(up, EPOLL_CTL_ADD, up->listener, NULL, EPOLLIN);
    watch(up, EPOLL_CTL_ADD, up->timer, up, EPOLLIN);
    FILE *f = fopen(port_file, "w");
    if (!f || fprintf(f, "%u\n", (unsigned) ntohs(addr.sin_port)) < 0 || fclose(f) != 0) {
        die(port_file);
    }
}

int main(int argc, char **argv)
{
    static struct upstream up;
    if (argc != 2) {
        fprintf(stderr, "usage: upstream PORT-FILE\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_json(&up);
    start(&up, argv[1]);
    for (;;) {
        turn(&up);
    }
}
