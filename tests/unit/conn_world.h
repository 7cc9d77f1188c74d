/* What the tests of connections share: a loop with a virtual clock, a host, one connection of ours and
 * the other end of its socket. */
#ifndef TESTS_UNIT_CONN_WORLD_H
#define TESTS_UNIT_CONN_WORLD_H

#include "gateway/conn.h"
#include "tests/unit/sockets.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORLD_LOG_MAX = 64 };

struct world {
    struct event_base *base;
    struct loop_virtual clock;
    struct env env;
    struct loop *loop;
    struct conn_host host;
    struct conn_limits limits;
    struct conn *conn;
    int peer;
    enum conn_event log[WORLD_LOG_MAX]; /* CONN_INPUT only when the one before was another */
    unsigned logged;
    unsigned inputs;
    bool in_call;           /* set by a test around a call that must not call back */
    bool ignores_gone;      /* else the owner closes, as it must */
    enum conn_event act_at; /* calls `act` at this event, once, when that is set */
    void (*act)(struct world *w);
};

static void world_on_event(void *arg, struct conn *c, enum conn_event event)
{
    struct world *w = arg;
    assert_ptr_equal(c, w->conn);
    assert_false(w->in_call);
    if (event == CONN_INPUT) {
        w->inputs++;
    }
    if (event != CONN_INPUT || w->logged == 0 || w->log[w->logged - 1] != CONN_INPUT) {
        assert_true(w->logged < WORLD_LOG_MAX);
        w->log[w->logged++] = event;
    }
    if (w->act != NULL && event == w->act_at) {
        void (*act)(struct world *) = w->act;
        w->act = NULL;
        act(w);
    }
    if (event == CONN_GONE && !w->ignores_gone && w->conn != NULL) {
        conn_close(w->conn, CONN_CLOSED_BY_US);
        w->conn = NULL;
    }
}

static const struct conn_owner world_owner = {world_on_event};

static inline void turn(struct world *w)
{
    event_base_loop(w->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    loop_run(w->loop);
}

/* One more try of something that needs the kernel, which may deliver over loopback a moment later: this
 * waits no longer than it must, and not forever. False: given up. */
static inline bool try_again(struct world *w, unsigned *tries)
{
    turn(w);
    if (*tries > 200) {
        poll(NULL, 0, 1);
    }
    return (*tries)++ < 5000;
}

#define UNTIL(w, condition)                                                                        \
    do {                                                                                           \
        unsigned until_tries = 0;                                                                  \
        while (!(condition) && try_again(w, &until_tries)) {                                       \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static inline void advance(struct world *w, uint64_t us)
{
    loop_advance(w->loop, &w->clock, w->clock.now_us + us);
}

static inline unsigned count_of(const struct world *w, enum conn_event event)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->logged; i++) {
        n += w->log[i] == event;
    }
    return n;
}

static inline void world_connect(struct world *w, int fd, struct tls_context *tls)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    memset(&address, 0, sizeof(address));
    assert_int_equal(getpeername(fd, (struct sockaddr *) &address, &length), 0);
    set_nonblocking(fd);
    set_nonblocking(w->peer);
    w->conn = conn_new(&w->host, fd, (struct sockaddr *) &address, length, tls, &w->limits,
                       &world_owner, w);
    assert_non_null(w->conn);
}

static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->base = event_base_new();
    w->env = loop_virtual_env(&w->clock, 1);
    w->loop = loop_new(&w->env);
    w->limits = (struct conn_limits) {
        .high_bytes = 64 * 1024,
        .low_bytes = 16 * 1024,
        .handshake_timeout_us = 10 * 1000000,
        .send_timeout_us = 30 * 1000000,
    };
    w->peer = -1;
    conn_host_init(&w->host, w->base, w->loop);
    return w;
}

static inline void world_free(struct world *w)
{
    conn_host_fini(&w->host);
    loop_free(w->loop);
    event_base_free(w->base);
    if (w->peer != -1) {
        close(w->peer);
    }
    free(w);
}

/* Reads what is there; *at_end tells of FIN, errno of an error (-1). */
static inline ssize_t peer_read(struct world *w, char *to, size_t cap, bool *at_end)
{
    ssize_t n = recv(w->peer, to, cap, MSG_DONTWAIT);
    *at_end = n == 0;
    return n;
}

static inline void add_output(struct world *w, size_t n)
{
    char *bytes = malloc(n);
    assert_non_null(bytes);
    fill_pattern(bytes, n, 0);
    assert_int_equal(evbuffer_add(conn_output(w->conn), bytes, n), 0);
    free(bytes);
}

#endif
