#include "gateway/session.h"

#include "gateway/body.h"
#include "gateway/exchange.h"
#include "gateway/reply.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINGER_US = 1000 * 1000,
    INPUT_CAP_BYTES = HTTP1_HEAD_MAX + CONN_SCRATCH_BYTES,
    PIPELINED_MAX_BYTES = 16 * 1024, /* more while busy is a flood */
    DISCARD_MAX_BYTES = 64 * 1024, /* a refused request's body is read up to here, else we close */
};

enum session_state { SESSION_HEAD, SESSION_BODY, SESSION_BUSY, SESSION_CLOSED };

struct session {
    struct server *server;
    struct session *next;
    struct session **link;
    struct conn *conn;
    struct exchange *exchange;
    enum session_state state;
    bool head_begun; /* the first byte of a head has come: its own deadline runs */
    size_t looked;   /* bytes of the head that held no complete line end when last looked at */
    struct body body;
    struct failure refusal; /* to be sent once the refused request's body has been read */
    struct loop_timer timer;
    struct loop_task free;
};

static void run(struct session *s);

/* ---- life ---- */

static void on_free(void *arg)
{
    free(arg);
}

static void session_close(struct session *s, enum conn_reason reason, bool abort)
{
    struct server *server = s->server;
    if (s->state == SESSION_CLOSED) {
        return;
    }
    s->state = SESSION_CLOSED;
    if (s->exchange) {
        struct exchange *x = s->exchange;
        s->exchange = NULL;
        exchange_gone(x, END_CLIENT_GONE);
    }
    loop_timer_clear(server->loop, &s->timer);
    body_fini(&s->body);
    if (abort) {
        conn_abort(s->conn, reason);
    } else {
        conn_close(s->conn, reason);
    }
    *s->link = s->next;
    if (s->next) {
        s->next->link = s->link;
    }
    server->session_count--;
    loop_post(server->loop, &s->free); /* run() may still be on the stack */
    server_session_over(server);
}

/* A client that leaves between requests is no news; one that could not even begin may need help. */
static void log_lost(const struct session *s)
{
    enum conn_reason reason = conn_reason(s->conn);
    if (reason == CONN_TLS_FAILED || reason == CONN_HANDSHAKE_TIMEOUT) {
        log_write(s->server->log, LOG_INFO, "connection_failed", "peer", conn_peer(s->conn),
                  "reason", conn_reason_text(reason), "detail", conn_detail(s->conn), NULL);
    }
}

static void on_event(void *arg, struct conn *c, enum conn_event event)
{
    struct session *s = arg;
    (void) c;
    switch (event) {
    case CONN_READY:
        break;
    case CONN_INPUT:
        run(s);
        break;
    case CONN_DRAINED:
        if (s->exchange) {
            exchange_drained(s->exchange);
        }
        break;
    case CONN_GONE:
        log_lost(s);
        session_close(s, conn_reason(s->conn), false);
        break;
    }
}

static void on_timer(void *arg);

void session_new(struct server *server, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    static const struct conn_owner owner = {on_event};
    struct session *s = x_alloc(sizeof(*s));
    s->server = server;
    s->conn = conn_new(&server->conns, fd, peer, peer_len, server->tls, &server->conn_limits,
                       &owner, s);
    if (!s->conn) {
        free(s);
        return;
    }
    loop_timer_init(&s->timer, on_timer, s);
    loop_task_init(&s->free, on_free, s);
    s->next = server->sessions;
    s->link = &server->sessions;
    if (s->next) {
        s->next->link = &s->next;
    }
    server->sessions = s;
    server->session_count++;
    conn_set_input_cap(s->conn, INPUT_CAP_BYTES);
    loop_timer_set(server->loop, &s->timer, server->settings->config->timeouts.keep_alive_us);
}

struct conn *session_conn(const struct session *s)
{
    return s->conn;
}

/* ---- refusing ---- */

/* A reply to bytes that are no request: there is no exchange to carry it. */
static void refuse_bytes(struct session *s, int status, const char *what)
{
    struct http1_head nothing = {.method = HTTP1_OTHER, .minor = 1};
    struct failure ignored;
    struct failure f = {.reason = END_BAD_REQUEST,
                        .status = status,
                        .type = "invalid_request_error",
                        .code = "bad_http",
                        .message = what};
    s->exchange = exchange_new(s->server, s, &nothing, &ignored);
    s->exchange->keep_alive = false;
    s->state = SESSION_BUSY;
    loop_timer_clear(s->server->loop, &s->timer);
    reply_failure(s->exchange, &f);
}

static void refuse_exchange(struct session *s, const struct failure *f, bool keep)
{
    s->state = SESSION_BUSY;
    loop_timer_clear(s->server->loop, &s->timer);
    s->exchange->keep_alive = s->exchange->keep_alive && keep;
    reply_failure(s->exchange, f);
}

static void on_timer(void *arg)
{
    struct session *s = arg;
    if (s->state == SESSION_HEAD && !s->head_begun) {
        session_close(s, CONN_IDLE, false);
    } else if (s->state == SESSION_HEAD) {
        refuse_bytes(s, 408, "the head of the request did not come whole in time");
    } else if (s->state == SESSION_BODY) {
        struct failure f = {.reason = END_BAD_REQUEST,
                            .status = 408,
                            .type = "invalid_request_error",
                            .code = "request_timeout",
                            .message = "the body of the request did not come whole in time"};
        refuse_exchange(s, &f, false);
    }
}

/* ---- body ---- */

static void begin_exchange(struct session *s)
{
    struct exchange *x = s->exchange;
    s->state = SESSION_BUSY;
    loop_timer_clear(s->server->loop, &s->timer);
    if (s->refusal.status != 0) {
        reply_failure(x, &s->refusal);
    } else {
        exchange_start(x, body_release(&s->body));
    }
}

static void refuse_body(struct session *s, enum body_result rc, const char *what)
{
    struct failure f = {.reason = END_BAD_REQUEST,
                        .status = 400,
                        .type = "invalid_request_error",
                        .code = "bad_http",
                        .message = what};
    if (rc == BODY_TOO_LARGE) {
        f = (struct failure) {
            .reason = END_TOO_LARGE,
            .status = 413,
            .type = "invalid_request_error",
            .code = "request_too_large",
            .message = s->body.discard ? "the request has a long body where none is taken"
                                       : "the body of the request is longer than limits.body"};
    } else if (rc == BODY_NO_MEMORY) {
        f = (struct failure) {.reason = END_INTERNAL,
                              .status = 503,
                              .type = "server_error",
                              .code = "out_of_memory",
                              .message = "no memory for this request",
                              .retry_after_us = 1000000};
    }
    refuse_exchange(s, &f, false);
}

/* Each byte is waited for, but a body that dribbles gets no longer than the whole request may take. */
static void wait_for_body(struct session *s)
{
    const struct config_timeouts *t = &s->exchange->settings->config->timeouts;
    uint64_t next = loop_now_us(s->server->loop) + t->body_us;
    uint64_t last = s->exchange->record.head_us + t->request_us;
    loop_timer_set_at(s->server->loop, &s->timer, next < last ? next : last);
}

static bool take_body(struct session *s)
{
    const char *what = NULL;
    enum body_result rc = body_take(&s->body, conn_input(s->conn), &what);
    if (rc == BODY_DONE) {
        begin_exchange(s);
        return true;
    }
    if (rc == BODY_MORE) {
        wait_for_body(s);
        return false;
    }
    refuse_body(s, rc, what);
    return false;
}

/* ---- head ---- */

static void send_continue(struct session *s)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    evbuffer_add(conn_output(s->conn), text, sizeof(text) - 1);
    conn_flush(s->conn);
}

/* A refused request's body is read away when it is small and surely coming; otherwise the reply goes out
 * at once and the connection closes after it. */
static bool can_discard(const struct http1_head *head)
{
    return head->framing == HTTP1_NO_BODY ||
           (head->framing == HTTP1_LENGTH && head->content_length <= DISCARD_MAX_BYTES &&
            !head->expect_continue);
}

static void begin_body(struct session *s, const struct http1_head *head)
{
    struct exchange *x = s->exchange;
    bool keep = !s->refusal.status && x->handler && x->handler->takes_body;
    size_t cap = keep ? x->settings->config->limits.body_bytes : DISCARD_MAX_BYTES;
    body_init(&s->body, head, cap, !keep);
    s->state = SESSION_BODY;
    if (s->refusal.status != 0 && !can_discard(head)) {
        refuse_exchange(s, &s->refusal, false);
    } else if (head->framing == HTTP1_NO_BODY) {
        begin_exchange(s);
    } else if (head->framing == HTTP1_LENGTH && head->content_length > cap) {
        refuse_body(s, BODY_TOO_LARGE, NULL);
    } else if (head->expect_continue) {
        send_continue(s);
    }
}

static int status_of(enum http1_result rc)
{
    switch (rc) {
    case HTTP1_TOO_BIG:
        return 431;
    case HTTP1_VERSION:
        return 505;
    case HTTP1_CODING:
        return 501;
    case HTTP1_EXPECT:
        return 417;
    case HTTP1_DONE:
    case HTTP1_MORE:
    case HTTP1_BAD:
        break;
    }
    return 400;
}

/* A head that dribbles in is parsed again only when another line has ended: otherwise 16 KiB byte by
 * byte would cost 128 MiB of parsing. */
static bool worth_parsing(struct session *s, const char *bytes, size_t length)
{
    bool worth = length > HTTP1_HEAD_MAX || s->looked == 0 ||
                 memchr(bytes + s->looked, '\n', length - s->looked) != NULL;
    s->looked = length;
    return worth;
}

static bool take_head(struct session *s)
{
    struct evbuffer *input = conn_input(s->conn);
    size_t length = evbuffer_get_length(input);
    if (length == 0) {
        return false;
    }
    if (!s->head_begun) {
        s->head_begun = true;
        loop_timer_set(s->server->loop, &s->timer, s->server->settings->config->timeouts.head_us);
    }
    size_t reach = length <= HTTP1_HEAD_MAX + 1 ? length : HTTP1_HEAD_MAX + 1;
    const char *bytes = (const char *) evbuffer_pullup(input, (ev_ssize_t) reach);
    if (!bytes || !worth_parsing(s, bytes, reach)) {
        return false;
    }
    struct http1_head head;
    size_t used;
    const char *what;
    enum http1_result rc = http1_parse_head((struct slice) {bytes, reach}, &head, &used, &what);
    if (rc == HTTP1_MORE) {
        return false;
    }
    s->looked = 0;
    s->head_begun = false;
    if (rc != HTTP1_DONE) {
        refuse_bytes(s, status_of(rc), what);
        return false;
    }
    s->refusal = (struct failure) {0};
    s->exchange = exchange_new(s->server, s, &head, &s->refusal);
    begin_body(s, &head); /* before the drain: `head` points into the input */
    if (s->state != SESSION_CLOSED) {
        evbuffer_drain(input, used);
    }
    return true;
}

static void run(struct session *s)
{
    bool again = true;
    while (again) {
        switch (s->state) {
        case SESSION_HEAD:
            again = take_head(s);
            break;
        case SESSION_BODY:
            again = take_body(s);
            break;
        case SESSION_BUSY:
            if (evbuffer_get_length(conn_input(s->conn)) > PIPELINED_MAX_BYTES && s->exchange &&
                !s->exchange->reply.over) {
                session_close(s, CONN_FLOOD, true);
            }
            return;
        case SESSION_CLOSED:
            return;
        }
    }
    if (s->state != SESSION_CLOSED) {
        conn_resume_input(s->conn);
    }
}

/* ---- between exchanges ---- */

void session_exchange_over(struct session *s, enum session_next next)
{
    s->exchange = NULL;
    body_fini(&s->body);
    if (next == SESSION_ABORT) {
        session_close(s, CONN_CLOSED_BY_US, false);
    } else if (next == SESSION_CLOSE || s->server->draining) {
        session_close(s, s->server->draining ? CONN_SHUTDOWN : CONN_CLOSED_BY_US, false);
    } else {
        uint64_t patience = s->server->settings->config->timeouts.keep_alive_us;
        if (next == SESSION_LINGER && patience > LINGER_US) {
            patience = LINGER_US;
        }
        s->state = SESSION_HEAD;
        loop_timer_set(s->server->loop, &s->timer, patience);
        run(s);
    }
}

void session_drain_all(struct server *server)
{
    for (struct session *s = server->sessions, *next; s; s = next) {
        next = s->next;
        if (!s->exchange) {
            session_close(s, CONN_SHUTDOWN, false);
        }
    }
}

void session_abort_all(struct server *server)
{
    for (struct session *s = server->sessions, *next; s; s = next) {
        next = s->next;
        if (s->exchange) {
            exchange_shutdown(s->exchange);
        } else {
            session_close(s, CONN_SHUTDOWN, false);
        }
    }
}
