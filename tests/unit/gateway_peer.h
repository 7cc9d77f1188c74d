/* The client's end of a connection to the gateway under test: opening, saying, hearing, closing. */
#ifndef TESTS_UNIT_GATEWAY_PEER_H
#define TESTS_UNIT_GATEWAY_PEER_H

#include "tests/unit/gateway_fixture.h"

enum { CLIENT_BYTES = 256 * 1024, REPLY_BYTES = 128 * 1024 };

struct client {
    struct gate *gate;
    int fd;
    char got[CLIENT_BYTES]; /* not taken yet; NUL-terminated */
    size_t n;
    bool ended; /* the server has closed */
};

struct reply {
    int status;
    char head[2048]; /* without the empty line; each header begins with "\n" and ends before a CR */
    char body[REPLY_BYTES]; /* without its framing, NUL-terminated */
    size_t length;
};

/* A client that the server believes to call from `address` (IPv4; NULL: by a unix socket). `narrow`:
 * what it does not read piles up on the server's side soon. */
static inline struct client *client_from(struct gate *g, const char *address, bool narrow)
{
    int ends[2];
    struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    socklen_t length = sizeof(sa_family_t);
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    if (address) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4711)};
        assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
        memcpy(&peer, &in, sizeof(in));
        length = sizeof(in);
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    if (narrow) {
        shrink_buffers(ends[0]);
    }
    c->gate = g;
    c->fd = ends[1];
    session_new(&g->server, ends[0], (struct sockaddr *) &peer, length);
    gate_settle(g);
    return c;
}

static inline struct client *client_open(struct gate *g)
{
    return client_from(g, "127.0.0.1", false);
}

static inline void client_close(struct client *c)
{
    struct gate *g = c->gate;
    close(c->fd);
    free(c);
    gate_settle(g);
}

/* Takes what has come so far. */
static inline void client_hear(struct client *c)
{
    while (!c->ended) {
        ssize_t n = recv(c->fd, c->got + c->n, sizeof(c->got) - 1 - c->n, MSG_DONTWAIT);
        if (n == -1) {
            break; /* nothing there, or reset */
        }
        c->ended = n == 0;
        c->n += (size_t) n;
        assert_true(c->n < sizeof(c->got) - 1);
    }
    c->got[c->n] = '\0';
}

static inline void client_say_bytes(struct client *c, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(c->fd, bytes + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            at += (size_t) sent;
        }
        gate_turn(c->gate);
        if (sent < 0 && c->gate->server.session_count == 0) {
            break; /* the server no longer listens */
        }
    }
    gate_settle(c->gate);
    client_hear(c);
}

static inline void client_say(struct client *c, const char *text)
{
    client_say_bytes(c, text, strlen(text));
}

#define HOST "Host: gate\r\n"

static inline void client_get(struct client *c, const char *path)
{
    char text[512];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
    client_say(c, text);
}

/* `headers`: whole lines, or "". */
static inline void client_post(struct client *c, const char *path, const char *headers,
                               const char *body)
{
    char text[8192];
    int n = snprintf(text, sizeof(text),
                     "POST %s HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n%s", path, headers,
                     strlen(body), body);
    assert_true(n > 0 && (size_t) n < sizeof(text));
    client_say(c, text);
}

#endif
