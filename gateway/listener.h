/* Listening sockets: TCP (SO_REUSEPORT, one per front) and unix. Accepts at most 16 a turn; when
 * descriptors run out (EMFILE, ENFILE) accepting pauses and goes on as connections close or after a
 * second, instead of spinning. */
#ifndef GATEWAY_LISTENER_H
#define GATEWAY_LISTENER_H

#include "cache/loop.h"

#include <sys/socket.h>

struct event_base;
struct listener;

struct listener_owner {
    /* Takes the fd, which is nonblocking and close-on-exec. */
    void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len);
};

/* "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses), "localhost:0", "unix:/path". False with
 * words when it is none of these. */
struct listener_address {
    struct sockaddr_storage addr;
    socklen_t length;
    bool is_unix;
};
enum err listener_parse(const char *text, struct listener_address *out,
                        struct errbuf *err) MUST_CHECK;

/* Binds and listens. `reuse_port`: several listeners share the port (fronts). A unix socket is made with
 * mode 0600; a stale one is removed after a connect() has shown that nobody answers. The error says
 * which address and what to do (in use, no permission). NULL on failure. */
struct listener *listener_new(struct event_base *base, struct loop *loop,
                              const struct listener_address *address, bool reuse_port,
                              const struct listener_owner *owner, void *arg, struct errbuf *err);
void listener_free(struct listener *l); /* a unix socket's path is unlinked */

void listener_stop(struct listener *l); /* closes the socket now: the kernel refuses new callers */
/* The bound address as text, the real port included. */
void listener_text(const struct listener *l, char *out, size_t cap);

/* A descriptor has become free: tries now instead of after the second. */
void listener_resume(struct listener *l);
/* The owner has connections enough: while held, new callers wait in the kernel. */
void listener_hold(struct listener *l, bool hold);

#endif
