/* An exchange: one request and its reply. Owns what the request brought, the reply's state and the
 * record; lives on after its client has left until the handler has let go. */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "cache/arena.h"
#include "gateway/auth.h"
#include "gateway/http1.h"
#include "gateway/routes.h"
#include "gateway/server.h"
#include "gateway/session.h"
#include "router/failure.h"
#include "router/request.h"

struct gzip_stream;
struct evbuffer;

struct exchange_header {
    struct exchange_header *next;
    const char *name;
    const char *value;
};

struct exchange {
    struct server *server;
    struct session *session; /* NULL once the client has left */
    struct settings *settings;
    struct arena room;
    struct record record;

    const struct handler *handler;
    enum http1_method method;
    struct slice rest; /* of the path, where the route ends in '*' */
    unsigned minor;    /* HTTP/1.minor */
    bool keep_alive;
    bool accepts_gzip;
    bool gzip_body;             /* the request's body is packed */
    const char *origin;         /* to be allowed in the reply; NULL: no CORS */
    const char *wanted_headers; /* of a preflight: what the page's request will carry; NULL: none */
    const char *host;
    const char *client_request_id;
    const char *session_name;        /* x-sluice-session */
    const char *task_header;         /* x-sluice-task */
    const char *const *pass_headers; /* "Name: value" for the upstream, NULL-terminated */
    const struct auth_key *key;      /* NULL: anonymous */
    bool has_token;                  /* admin: the bearer token was right */
    struct reqbody *body;            /* whole, unpacked; NULL where there is none */

    void *state; /* the handler's */

    struct {
        struct exchange_header *headers; /* in order */
        struct exchange_header **last;
        struct evbuffer *staging; /* of a stream: bytes of the next chunk */
        struct gzip_stream *gzip;
        struct loop_task flush;
        uint64_t sent_us; /* the last time that a stream's bytes went out */
        bool committed;
        bool stream;
        bool full; /* SINK_FULL was said and `drained` not yet */
        bool over;
    } reply;
    enum session_next next;
    struct loop_task end;
};

/* The head is known: finds the handler, checks key, origin and content coding. When the request is
 * refused `*refusal` is set (status != 0) and the caller decides what becomes of the body. */
struct exchange *exchange_new(struct server *server, struct session *session,
                              const struct http1_head *head, struct failure *refusal);

/* The body is whole (NULL: none): unpacks it and starts the handler. Takes the body. */
void exchange_start(struct exchange *x, struct reqbody *body);
void exchange_drained(struct exchange *x);
/* The connection is gone or the server shuts down. The session forgets the exchange. */
void exchange_gone(struct exchange *x, enum end_reason reason);
/* Ends a stream at shutdown with an error event, an unanswered request with a 503. */
void exchange_shutdown(struct exchange *x);

/* 48 characters, made when first asked for, after exchange_set_task where there is a task. */
const char *exchange_id(struct exchange *x);
void exchange_set_task(struct exchange *x, const struct task *task);

uint64_t exchange_now_us(const struct exchange *x);

/* The reply is whole, or has failed: everything ends after this turn. For reply.c. */
void exchange_over(struct exchange *x, enum session_next next);

#endif
