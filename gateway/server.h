/* The HTTP server of one thread: a listener, its connections and sessions, what they serve by and what
 * they report to. A front has one for the public endpoint, main has one for the admin endpoint; they
 * differ in their routes. Everything here belongs to its thread; others talk to it by mail. */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "gateway/conn.h"
#include "gateway/ident.h"
#include "gateway/listener.h"
#include "gateway/log.h"
#include "gateway/metrics.h"
#include "gateway/settings.h"
#include "router/upstream.h"

struct event_base;
struct routes;
struct session;

struct server {
    struct event_base *base;
    struct loop *loop;
    const struct install_key *install_key;
    const struct routes *routes;
    struct upstream_host *upstreams; /* NULL where nothing is relayed (admin) */
    void *owner;                     /* what the admin's handlers work on */
    bool is_admin;                   /* another trust: no API keys, a bearer token on TCP */

    struct settings *settings;
    struct tls_context *tls; /* NULL: plain */
    struct conn_limits conn_limits;
    struct conn_host conns;
    struct listener *listener;
    struct log_tap *log;
    struct metrics metrics;
    struct ident_maker ident;

    struct session *sessions;
    unsigned session_count;
    unsigned exchange_count; /* requests under way */
    unsigned stream_count;   /* open event streams among them */
    bool draining;
    void (*on_drained)(void *arg); /* no session is left while draining */
    void *on_drained_arg;

    char date[32]; /* value of the Date header, made once a second */
    int64_t date_second;
};

/* Prepares `s` (zeroed, with the members of the first block set by the caller). */
void server_init(struct server *s, struct settings *settings, struct tls_context *tls);
enum err server_listen(struct server *s, const struct listener_address *address, bool reuse_port,
                       struct errbuf *err) MUST_CHECK;

/* New settings for exchanges that begin from now on; the references move to the server. */
void server_renew(struct server *s, struct settings *settings, struct tls_context *tls);

/* Stops accepting, closes idle sessions, lets the others finish their exchange; on_drained follows. */
void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg);
void server_session_over(struct server *s); /* a session has ended: room for another, or drained */
/* Ends what is left, streams by an error event. */
void server_abort(struct server *s);
void server_fini(
    struct server *s); /* after every session has ended and the loop has run once more */

const char *server_date(struct server *s);

#endif
