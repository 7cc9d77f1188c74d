/* What the tests of fronts and of the whole process share: blocking clients of what runs in another
 * thread. Nothing is waited for longer than it takes, and a bound only ends what would hang. */
#ifndef TESTS_UNIT_FRONT_FIXTURE_H
#define TESTS_UNIT_FRONT_FIXTURE_H

#include "gateway/listener.h"
#include "tests/unit/sockets.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>

enum { HANG_SECONDS = 120 };

/* A caller of "127.0.0.1:PORT" or "unix:PATH"; -1: nobody listens. */
static inline int call_address(const char *text)
{
    struct listener_address a;
    struct errbuf why;
    const struct timeval bound = {.tv_sec = HANG_SECONDS};
    if (listener_parse(text, &a, &why) != ERR_NONE) {
        return -1;
    }
    int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    if (connect(fd, (struct sockaddr *) &a.addr, a.length) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static inline bool say_to(int fd, const char *text)
{
    size_t n = strlen(text);
    return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t) n;
}

/* Reads to the server's close. False: it never came, or was a reset. */
static inline bool hear_all(int fd, char *to, size_t cap)
{
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n < cap - 1) {
        got = recv(fd, to + n, cap - 1 - n, 0);
        n += got > 0 ? (size_t) got : 0;
    }
    to[n] = '\0';
    return got == 0;
}

/* One request on a connection of its own. `request` has no Connection header yet. False: no reply. */
static inline bool ask_once(const char *address, const char *line, char *to, size_t cap)
{
    char text[512];
    int fd = call_address(address);
    if (fd == -1) {
        to[0] = '\0';
        return false;
    }
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
             line);
    bool ok = say_to(fd, text) && hear_all(fd, to, cap);
    close(fd);
    return ok;
}

#endif
