/* Socket addresses as text for people, and the one question that is asked of them. */
#ifndef GATEWAY_SOCKADDR_H
#define GATEWAY_SOCKADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { SOCKADDR_TEXT_BYTES = 128 }; /* enough for a unix socket's path too */

/* "127.0.0.1:4711", "[::1]:4711", "unix:/run/x.sock", "unix" for a nameless peer. An IPv4 address that
 * came through an IPv6 socket is written as IPv4. */
void sockaddr_text(const struct sockaddr *address, socklen_t length, char *out, size_t cap);

bool sockaddr_is_loopback(const struct sockaddr *address, socklen_t length); /* unix sockets too */

#endif
