/*
 * The HTTP/1.1 server of the simulator: listening, connections, keep-alive, and noticing at once
 * that a client left. It knows nothing about models. Reads stay on while a reply is in flight, so
 * an end of file or a reset is seen also while the simulated model is silent; what a client sends
 * meanwhile is kept up to 64 KiB, more ends it.
 *
 * One request is in flight per connection. The owner of the reply is called a job: an opaque
 * pointer that the server hands back in its callbacks.
 */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "tests/sim/http.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A job stops producing above HIGH bytes of unsent output; on_drained is called below LOW. */
#define SERVER_OUT_HIGH 65536U
#define SERVER_OUT_LOW 16384U

struct server;
struct conn;

struct server_ops {
    /* A complete request; the callee owns req. It must call conn_begin() before it writes. */
    void (*on_request)(struct conn *c, struct http_request *req, void *arg);
    /* The client left (end of file, error, flood) before the reply was sent. The job must not
     * touch the connection any more. */
    void (*on_gone)(void *job);
    /* Output fell below SERVER_OUT_LOW after it had been above SERVER_OUT_HIGH. */
    void (*on_drained)(void *job);
    /* conn_finish() was called and its last byte is in the kernel's hands. The job is over. */
    void (*on_sent)(void *job);
};

/*
 * Listens on "ADDRESS:PORT" (port 0: any). Returns NULL with a message in err. ops must outlive
 * the server.
 */
struct server *server_new(struct event_base *base, const char *listen, const struct server_ops *ops,
                          void *arg, char *err, size_t err_len);

/* Closes everything; on_gone is called for the jobs that still run. */
void server_free(struct server *s);

/* "ADDRESS:PORT" as bound. */
const char *server_address(const struct server *s);
unsigned server_port(const struct server *s);
unsigned server_open_connections(const struct server *s);
uint64_t server_total_connections(const struct server *s);

/* Binds the job that answers the current request. */
void conn_begin(struct conn *c, void *job);

/* Queues bytes; nothing is sent before conn_flush(), conn_finish() or the next writable event. */
void conn_write(struct conn *c, const void *p, size_t n);
size_t conn_out_len(const struct conn *c);

/* Sends what the socket takes now. Never calls back. */
void conn_flush(struct conn *c);

/* The reply is complete: sends it, calls on_sent (possibly before it returns), then reads the
 * next request, or closes when keep_alive is false. */
void conn_finish(struct conn *c, bool keep_alive);

/* Closes now, with an end of file or with a reset, and forgets the job without a callback. Unsent
 * output is lost. */
void conn_close(struct conn *c);
void conn_reset(struct conn *c);

/* True when the kernel still holds bytes that the peer has not acknowledged, or output is queued
 * here. */
bool conn_has_unsent(const struct conn *c);

#endif
