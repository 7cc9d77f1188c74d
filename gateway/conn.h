/* A client connection: a socket, plain or TLS, with capped buffers on a libevent loop.
 *
 *        socket ──recv──► input ──► owner            owner ──► output ──send──► socket
 *
 * Reads stay on all the time, also while a reply is in flight, so a client that leaves is seen at once;
 * input is capped (conn_set_input_cap) and reading stops at the cap without spinning. EV_CLOSED is not
 * used: alone it spins on libevent 2.1.12. Output over the high mark makes conn_is_full() true; when it
 * drains under the low mark the owner gets CONN_DRAINED.
 *
 * Ends one way only: conn_close(). The first reason wins. Memory is kept until the end of the turn
 * (loop_post), because an event queued earlier in the turn may still name the connection. */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include "cache/loop.h"

#include <sys/socket.h>
#include <sys/time.h>

struct conn;
struct evbuffer;
struct event;
struct event_base;
struct tls_context;

enum conn_event {
    CONN_READY,   /* handshake done; at once (posted) on plain connections */
    CONN_INPUT,   /* more bytes in conn_input() */
    CONN_DRAINED, /* output fell under the low mark after it was over the high one */
    CONN_GONE,    /* the peer left, broke TLS or a deadline ran out: the owner must conn_close */
};

enum conn_reason {
    CONN_OPEN = 0,
    CONN_CLOSED_BY_US,
    CONN_PEER_CLOSED,
    CONN_PEER_RESET,
    CONN_TLS_FAILED,
    CONN_HANDSHAKE_TIMEOUT,
    CONN_SEND_TIMEOUT, /* no byte accepted by the peer for conn_limits.send_timeout_us */
    CONN_FLOOD,        /* sent too much while busy */
    CONN_IDLE,
    CONN_SHUTDOWN,
    CONN_REASON_COUNT
};
const char *conn_reason_text(enum conn_reason reason);

struct conn_owner {
    /* May call any conn_ function, conn_close too. */
    void (*on_event)(void *arg, struct conn *c, enum conn_event event);
};

struct conn_limits {
    size_t high_bytes; /* limits.stream_buffer */
    size_t low_bytes;
    uint64_t handshake_timeout_us;
    uint64_t send_timeout_us;
};

/* The connections of one front: shared scratch buffer, counters, limits. */
struct conn_host {
    struct event_base *base;
    struct loop *loop;
    char *scratch; /* CONN_SCRATCH_BYTES; an idle connection holds no buffer */
    unsigned open; /* those that say goodbye after conn_close included */
    unsigned handshaking;
    uint64_t accepted;
    uint64_t closed[CONN_REASON_COUNT];
    uint64_t received_bytes;
    uint64_t sent_bytes;

    /* Only for conn.c. */
    struct conn *conns;
    struct conn *again_first; /* hold bytes that no event will announce: read next turn */
    struct conn **again_end;
    unsigned again_count;
    struct event *again_event;
    struct timeval handshake_turn; /* the turn of the loop that the next figure belongs to */
    uint64_t handshake_spent_us;
};
enum {
    CONN_SCRATCH_BYTES = 64 * 1024,
    CONN_TURN_BYTES = 64 * 1024,
    /* Sent in a turn: a record of TLS, whose encryption all others wait for. */
    CONN_SEND_BYTES = 16 * 1024,
    CONN_TURN_HANDSHAKE_US = 1000, /* no handshake step begins in a turn that has spent so much */
};

void conn_host_init(struct conn_host *h, struct event_base *base, struct loop *loop);
/* Aborts the connections that are left: their owners must be gone. */
void conn_host_fini(struct conn_host *h);

/* Takes the fd (nonblocking, close-on-exec; also on failure) and sets TCP_NODELAY. `tls` NULL: plain;
 * else the connection takes a reference. The owner's `arg` must outlive conn_close. NULL: no memory. */
struct conn *conn_new(struct conn_host *host, int fd, const struct sockaddr *peer,
                      socklen_t peer_len, struct tls_context *tls, const struct conn_limits *limits,
                      const struct conn_owner *owner, void *arg);

struct evbuffer *conn_input(struct conn *c); /* the owner drains it */
/* Add bytes here, then call conn_flush: it sends what the socket takes now (at most CONN_SEND_BYTES a
 * turn, so that a fast reader cannot hold the loop) and waits for writability with the rest. Never calls
 * the owner before it returns: a failure that it finds is posted as CONN_GONE. */
struct evbuffer *conn_output(struct conn *c);
void conn_flush(struct conn *c);
size_t conn_output_bytes(const struct conn *c);
bool conn_is_full(const struct conn *c); /* output at or over the high mark */

/* Reading stops once input holds this much and goes on when the owner has drained below it and called
 * conn_resume_input(). While it is stopped, and with 0, the client's leaving is not seen. At first the
 * cap is CONN_TURN_BYTES. */
void conn_set_input_cap(struct conn *c, size_t bytes);
void conn_resume_input(struct conn *c);

/* Polite: sends what is in output, close_notify, shutdown(SHUT_WR), reads and drops up to a bound for
 * two seconds at most (so that the peer gets the reply rather than a reset), closes. The owner gets no
 * further event. Tolerates being called twice. */
void conn_close(struct conn *c, enum conn_reason reason);
/* At once: output is dropped and the peer gets a reset. */
void conn_abort(struct conn *c, enum conn_reason reason);

bool conn_is_loopback(const struct conn *c); /* the peer is on this machine; unix sockets too */
enum conn_reason conn_reason(const struct conn *c);
const char *conn_detail(const struct conn *c); /* why TLS failed, for the log; else "" */
const char *conn_peer(const struct conn *c);   /* "127.0.0.1:4711", for the log */

#endif
