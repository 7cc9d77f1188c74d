/* TLS of the listening side by mbedTLS (2.28 and 3.6, public accessors only), with its BIO straight on
 * the socket. TLS 1.2 or newer, ECDHE with AES-GCM or ChaCha20-Poly1305 only, ALPN http/1.1, session
 * tickets, no renegotiation. */
#ifndef GATEWAY_TLS_H
#define GATEWAY_TLS_H

#include "cache/base.h"

/* Certificate, key, tickets, settings: immutable but for tickets and random state, which are per
 * context; a context is used by one front's thread only. Counted by reference: connections keep the
 * one they started with across a reload. */
struct tls_context;
struct tls_session;

/* Reads PEM files (chain; key RSA or EC). Errors name the file and mbedTLS' words, and a key that does
 * not belong to the certificate is found here. */
struct tls_context *tls_context_new(const char *cert_file, const char *key_file,
                                    struct errbuf *err);
void tls_context_unref(struct tls_context *t); /* NULL allowed */
/* When the first certificate of the chain ends, in seconds since 1970-01-01 UTC. */
int64_t tls_context_expiry_s(const struct tls_context *t);

struct tls_session *tls_session_new(struct tls_context *t, int fd); /* NULL: no memory */
void tls_session_free(struct tls_session *s);

enum tls_result {
    TLS_DONE,
    TLS_WANT_READ,
    TLS_WANT_WRITE,
    TLS_CLOSED, /* by close_notify, or by FIN without one */
    TLS_RESET,
    TLS_FAILED, /* tls_what() says why */
};

/* Goes on until it is done or the socket is to be waited for: one flight of messages. The first one costs
 * a signature and the second a key agreement, a few milliseconds in all. */
enum tls_result tls_handshake(struct tls_session *s) MUST_CHECK;
/* TLS_DONE: *got bytes (> 0). mbedTLS may hold decrypted bytes that epoll will never announce: see
 * tls_has_pending. */
enum tls_result tls_read(struct tls_session *s, void *to, size_t cap, size_t *got) MUST_CHECK;
bool tls_has_pending(const struct tls_session *s);
/* TLS_DONE: *put bytes (> 0) are with the kernel. At most TLS_RECORD_BYTES a call. After TLS_WANT_* call
 * again with the same bytes, and more behind them if there are: those that mbedTLS has taken already are
 * not sent twice. */
enum tls_result tls_write(struct tls_session *s, const void *from, size_t n,
                          size_t *put) MUST_CHECK;
enum { TLS_RECORD_BYTES = 16 * 1024 };
/* After the last tls_write is done. */
enum tls_result tls_close_notify(struct tls_session *s) MUST_CHECK;

/* mbedTLS' words for the last failure, "" before any. Lives as long as the session. */
const char *tls_what(const struct tls_session *s);

#endif
