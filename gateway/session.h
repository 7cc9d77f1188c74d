/* A session: what happens on one connection. Reads a request's head and body, hands the exchange to its
 * handler, and goes on with the next one when the reply is whole.
 *
 *     HEAD ──head──► BODY ──whole──► BUSY ──reply whole──► HEAD …
 *       └── deadline, bad bytes, client gone ──► closed
 *
 * Pipelined bytes wait while an exchange is BUSY, 16 KiB at most: more ends the connection, because a
 * client that floods could no longer be seen leaving. */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "gateway/server.h"

struct exchange;

/* Takes the fd, also when memory is gone. */
void session_new(struct server *server, int fd, const struct sockaddr *peer, socklen_t peer_len);

void session_drain_all(
    struct server *server); /* closes idle ones; others close after their reply */
void session_abort_all(struct server *server);

/* ---- for exchange and reply ---- */

struct conn *session_conn(const struct session *s);

/* The exchange is over. SESSION_CLOSE: its reply is whole and the last; SESSION_ABORT: it is not even
 * whole; SESSION_LINGER: its framing is whole though its stream failed: the connection closes unless the
 * client asks again within a second. Called from the loop's level. */
enum session_next { SESSION_KEEP, SESSION_LINGER, SESSION_CLOSE, SESSION_ABORT };
void session_exchange_over(struct session *s, enum session_next next);

#endif
