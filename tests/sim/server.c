#include "tests/sim/server.h"

#include <event2/buffer.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <event2/util.h>

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536U
#define PENDING_MAX 65536U

/*
 * OPEN: reading requests, answering. LINGER: the last reply is sent and our side is shut; what
 * still arrives is thrown away so that the reply is not lost to a reset. DEAD: closed, waiting
 * for the reaper.
 */
enum conn_state { CONN_OPEN = 0, CONN_LINGER, CONN_DEAD };

/*
 * Created by accept, owned by the server's list, freed by the reaper one loop turn after its
 * death, because an event queued in the same turn may still name it.
 */
struct conn {
    struct server *server;
    struct conn *prev;
    struct conn *next;
    evutil_socket_t fd;
    enum conn_state state;
    bool busy;        /* a request is being answered */
    bool finishing;   /* its reply is complete, the output is not yet sent */
    bool keep_alive;  /* what conn_finish() said */
    bool full;        /* output was above SERVER_OUT_HIGH */
    bool in_requests; /* serve_requests() is on the stack */
    void *job;
    struct event read_event;
    struct event write_event;
    struct evbuffer *out;
    struct buf pending; /* bytes received and not yet parsed */
    struct http_parser parser;
};

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    const struct server_ops *ops;
    void *arg;
    struct conn *conns;
    struct conn *dead;
    struct event *reaper;
    struct event *resume_accept;
    unsigned n_open;
    uint64_t n_total;
    unsigned port;
    char address[128];
    char scratch[READ_SIZE];
};

static void conn_unlink(struct conn *c)
{
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        c->server->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
}

static void conn_die(struct conn *c)
{
    struct server *s = c->server;

    if (c->state == CONN_DEAD) {
        return;
    }
    c->state = CONN_DEAD;
    c->job = NULL;
    event_del(&c->read_event);
    event_del(&c->write_event);
    evutil_closesocket(c->fd);
    conn_unlink(c);
    s->n_open--;
    c->next = s->dead;
    s->dead = c;
    event_active(s->reaper, EV_TIMEOUT, 0);
}

static void conn_free(struct conn *c)
{
    evbuffer_free(c->out);
    buf_fini(&c->pending);
    http_parser_fini(&c->parser);
    free(c);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void) fd;
    (void) what;
    while (s->dead != NULL) {
        struct conn *c = s->dead;

        s->dead = c->next;
        conn_free(c);
    }
}

/* The peer is gone or misbehaves: the job, if there is one, learns it before the connection dies.
 * */
static void conn_gone(struct conn *c)
{
    void *job = c->job;

    c->job = NULL;
    conn_die(c);
    if (job != NULL) {
        c->server->ops->on_gone(job);
    }
}

static void start_linger(struct conn *c)
{
    struct timeval limit = {1, 0};

    c->state = CONN_LINGER;
    (void) shutdown(c->fd, SHUT_WR);
    event_add(&c->read_event, &limit);
}

/* After the last byte of a reply: the next request, or the end of the connection. */
static void reply_sent(struct conn *c)
{
    void *job = c->job;

    c->job = NULL;
    c->busy = false;
    c->finishing = false;
    if (!c->keep_alive) {
        start_linger(c);
    } else if (c->pending.len > 0 && !c->in_requests) {
        event_active(&c->read_event, EV_READ, 0);
    }
    if (job != NULL) {
        c->server->ops->on_sent(job);
    }
}

/* A write error needs no handling here: the read event reports the same death and is the one
 * place that acts on it. */
void conn_flush(struct conn *c)
{
    while (c->state != CONN_DEAD && evbuffer_get_length(c->out) > 0) {
        int n = evbuffer_write(c->out, c->fd);

        if (n <= 0) {
            break;
        }
    }
    if (c->state == CONN_DEAD) {
        return;
    }
    if (evbuffer_get_length(c->out) > 0) {
        event_add(&c->write_event, NULL);
    }
    if (evbuffer_get_length(c->out) > SERVER_OUT_HIGH) {
        c->full = true;
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    size_t len;

    (void) fd;
    (void) what;
    conn_flush(c);
    len = evbuffer_get_length(c->out);
    if (c->state == CONN_OPEN && c->finishing && len == 0) {
        reply_sent(c);
    } else if (c->full && len < SERVER_OUT_LOW) {
        c->full = false;
        if (c->job != NULL && !c->finishing) {
            c->server->ops->on_drained(c->job);
        }
    }
}

static void refuse(struct conn *c, int status)
{
    struct buf b = {0};
    const char *text = "{\"error\":{\"message\":\"simulated upstream: malformed HTTP request\","
                       "\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}";

    buf_addf(&b, "HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n",
             status, strlen(text));
    buf_addf(&b, "Connection: close\r\n\r\n%s", text);
    c->busy = true;
    c->job = NULL;
    conn_write(c, b.data, b.len);
    buf_fini(&b);
    c->pending.len = 0;
    conn_finish(c, false);
}

static void head_done(struct conn *c)
{
    if (c->parser.req->expect_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

        conn_write(c, go_on, sizeof(go_on) - 1);
        conn_flush(c);
    }
}

/* Parses n bytes until a request starts to be answered; returns how many were used. */
static size_t feed(struct conn *c, const char *data, size_t n)
{
    size_t total = 0;

    while (total < n && !c->busy && c->state == CONN_OPEN) {
        size_t used = 0;
        int rc = http_feed(&c->parser, data + total, n - total, &used);

        total += used;
        if (rc == HTTP_HEAD_DONE) {
            head_done(c);
        } else if (rc == HTTP_DONE) {
            c->busy = true;
            c->server->ops->on_request(c, http_take(&c->parser), c->server->arg);
        } else if (rc >= 400) {
            refuse(c, rc);
        }
    }
    return total;
}

static void serve_requests(struct conn *c, const char *data, size_t n)
{
    size_t used;

    c->in_requests = true;
    if (c->pending.len == 0) {
        used = feed(c, data, n);
        data += used;
        n -= used;
    }
    if (c->state == CONN_OPEN) {
        buf_add(&c->pending, data, n);
        used = c->pending.len > 0 ? feed(c, c->pending.data, c->pending.len) : 0;
        buf_drain(&c->pending, used < c->pending.len ? used : c->pending.len);
    }
    c->in_requests = false;
    if (c->state == CONN_OPEN && c->pending.len > PENDING_MAX) {
        conn_gone(c);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct server *s = c->server;
    ssize_t n;

    if ((what & EV_TIMEOUT) != 0) {
        conn_die(c);
        return;
    }
    n = recv(fd, s->scratch, sizeof(s->scratch), 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        n = 0;
    } else if (n <= 0) {
        conn_gone(c);
        return;
    }
    if (c->state == CONN_OPEN) {
        serve_requests(c, s->scratch, (size_t) n);
    }
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    struct server *s = arg;
    struct conn *c = mem_zalloc(sizeof(*c));
    int one = 1;

    (void) l;
    (void) sa;
    (void) len;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->server = s;
    c->fd = fd;
    c->out = evbuffer_new();
    if (c->out == NULL ||
        event_assign(&c->read_event, s->base, fd, EV_READ | EV_PERSIST, on_readable, c) != 0 ||
        event_assign(&c->write_event, s->base, fd, EV_WRITE, on_writable, c) != 0) {
        fputs("sim: cannot create a connection\n", stderr);
        abort();
    }
    c->next = s->conns;
    if (s->conns != NULL) {
        s->conns->prev = c;
    }
    s->conns = c;
    s->n_open++;
    s->n_total++;
    event_add(&c->read_event, NULL);
}

static void on_resume_accept(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void) fd;
    (void) what;
    evconnlistener_enable(s->listener);
}

/* Out of descriptors: without the pause the loop would spin on the waiting connection. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
    struct server *s = arg;
    struct timeval pause = {0, 100000};

    evconnlistener_disable(l);
    event_add(s->resume_accept, &pause);
}

static int read_bound_address(struct server *s)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    char host[INET6_ADDRSTRLEN];

    if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *) &ss, &len) == -1) {
        return -1;
    }
    if (ss.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *) &ss;

        s->port = ntohs(in->sin_port);
        if (evutil_inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)) == NULL) {
            return -1;
        }
        (void) snprintf(s->address, sizeof(s->address), "%s:%u", host, s->port);
        return 0;
    }
    if (ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *) &ss;

        s->port = ntohs(in6->sin6_port);
        if (evutil_inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)) == NULL) {
            return -1;
        }
        (void) snprintf(s->address, sizeof(s->address), "[%s]:%u", host, s->port);
        return 0;
    }
    return -1;
}

/* libevent's parser refuses port 0, which is the one most wanted here: the port is read apart. */
static int parse_address(const char *text, struct sockaddr_storage *ss, int *len)
{
    const char *colon = strrchr(text, ':');
    char host[80];
    char *end;
    unsigned long port;

    if (colon == NULL || colon == text || (size_t) (colon - text) >= sizeof(host) ||
        colon[1] == '\0') {
        return -1;
    }
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535) {
        return -1;
    }
    (void) snprintf(host, sizeof(host), "%.*s", (int) (colon - text), text);
    if (evutil_parse_sockaddr_port(host, (struct sockaddr *) ss, len) != 0) {
        return -1;
    }
    if (ss->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *) ss)->sin6_port = htons((uint16_t) port);
    } else {
        ((struct sockaddr_in *) ss)->sin_port = htons((uint16_t) port);
    }
    return 0;
}

struct server *server_new(struct event_base *base, const char *listen, const struct server_ops *ops,
                          void *arg, char *err, size_t err_len)
{
    struct sockaddr_storage ss = {0};
    int len = (int) sizeof(ss);
    struct server *s = mem_zalloc(sizeof(*s));

    s->base = base;
    s->ops = ops;
    s->arg = arg;
    if (parse_address(listen, &ss, &len) != 0) {
        (void) snprintf(err, err_len, "--listen: '%s' is not ADDRESS:PORT", listen);
        goto fail;
    }
    s->reaper = event_new(base, -1, 0, on_reap, s);
    s->resume_accept = event_new(base, -1, 0, on_resume_accept, s);
    s->listener = evconnlistener_new_bind(
        base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 4096,
        (struct sockaddr *) &ss, len);
    if (s->reaper == NULL || s->resume_accept == NULL || s->listener == NULL ||
        read_bound_address(s) != 0) {
        (void) snprintf(err, err_len, "cannot listen on %s: %s", listen, strerror(errno));
        goto fail;
    }
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    return s;

fail:
    server_free(s);
    return NULL;
}

void server_free(struct server *s)
{
    if (s == NULL) {
        return;
    }
    while (s->conns != NULL) {
        conn_gone(s->conns);
    }
    if (s->listener != NULL) {
        evconnlistener_free(s->listener);
    }
    on_reap(-1, 0, s);
    if (s->reaper != NULL) {
        event_free(s->reaper);
    }
    if (s->resume_accept != NULL) {
        event_free(s->resume_accept);
    }
    free(s);
}

const char *server_address(const struct server *s)
{
    return s->address;
}

unsigned server_port(const struct server *s)
{
    return s->port;
}

unsigned server_open_connections(const struct server *s)
{
    return s->n_open;
}

uint64_t server_total_connections(const struct server *s)
{
    return s->n_total;
}

void conn_begin(struct conn *c, void *job)
{
    c->job = job;
}

void conn_write(struct conn *c, const void *p, size_t n)
{
    if (c->state == CONN_OPEN && evbuffer_add(c->out, p, n) != 0) {
        fputs("sim: out of memory\n", stderr);
        abort();
    }
}

size_t conn_out_len(const struct conn *c)
{
    return evbuffer_get_length(c->out);
}

void conn_finish(struct conn *c, bool keep_alive)
{
    c->finishing = true;
    c->keep_alive = keep_alive;
    conn_flush(c);
    if (c->state == CONN_OPEN && evbuffer_get_length(c->out) == 0) {
        reply_sent(c);
    }
}

void conn_close(struct conn *c)
{
    conn_die(c);
}

void conn_reset(struct conn *c)
{
    struct linger hard = {1, 0};

    (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    conn_die(c);
}

/* TIOCOUTQ is SIOCOUTQ under a name that needs no header of the kernel. */
bool conn_has_unsent(const struct conn *c)
{
    int waiting = 0;

    if (evbuffer_get_length(c->out) > 0) {
        return true;
    }
    return ioctl(c->fd, TIOCOUTQ, &waiting) == 0 && waiting > 0;
}
