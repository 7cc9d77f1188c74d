#include "gateway/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* Copies into the right type: a borrowed sockaddr need not be aligned for it. False: not that family. */
static bool as_inet4(const struct sockaddr *address, socklen_t length, struct sockaddr_in *out)
{
    if (length < sizeof(*out) || address->sa_family != AF_INET) {
        return false;
    }
    memcpy(out, address, sizeof(*out));
    return true;
}

static bool as_inet6(const struct sockaddr *address, socklen_t length, struct sockaddr_in6 *out)
{
    if (length < sizeof(*out) || address->sa_family != AF_INET6) {
        return false;
    }
    memcpy(out, address, sizeof(*out));
    return true;
}

static void unix_text(const struct sockaddr *address, socklen_t length, char *out, size_t cap)
{
    size_t before = offsetof(struct sockaddr_un, sun_path);
    const char *path = (const char *) address + before;
    size_t room = length > before ? length - before : 0;
    if (room == 0 || path[0] == '\0') {
        snprintf(out, cap, "unix");
        return;
    }
    snprintf(out, cap, "unix:%.*s", (int) strnlen(path, room), path);
}

void sockaddr_text(const struct sockaddr *address, socklen_t length, char *out, size_t cap)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    if (as_inet4(address, length, &in4)) {
        inet_ntop(AF_INET, &in4.sin_addr, text, sizeof(text));
        snprintf(out, cap, "%s:%u", text, (unsigned) ntohs(in4.sin_port));
    } else if (as_inet6(address, length, &in6)) {
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        const unsigned char *bytes = in6.sin6_addr.s6_addr;
        inet_ntop(is_mapped ? AF_INET : AF_INET6, is_mapped ? bytes + 12 : bytes, text,
                  sizeof(text));
        snprintf(out, cap, is_mapped ? "%s:%u" : "[%s]:%u", text, (unsigned) ntohs(in6.sin6_port));
    } else {
        unix_text(address, length, out, cap);
    }
}

bool sockaddr_is_loopback(const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    if (as_inet4(address, length, &in4)) {
        return ntohl(in4.sin_addr.s_addr) >> 24 == 127;
    }
    if (as_inet6(address, length, &in6)) {
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
    }
    return length >= sizeof(address->sa_family) && address->sa_family == AF_UNIX;
}
