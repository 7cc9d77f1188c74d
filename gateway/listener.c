#include "gateway/listener.h"

#include "gateway/sockaddr.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 16, BACKLOG = 4096, PAUSE_US = 1000 * 1000 };

struct listener {
    struct loop *loop;
    const struct listener_owner *owner;
    void *arg;
    struct event *event;
    struct loop_timer timer; /* runs while descriptors are short */
    struct listener_address bound;
    int fd; /* -1 after listener_stop */
    bool is_held;
    dev_t path_dev; /* which file we made, so that another's is not unlinked */
    ino_t path_ino;
};

/* ---- addresses ---- */

static enum err parse_unix(const char *path, struct listener_address *out, struct errbuf *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0) {
        return err_set(err, ERR_INPUT, "\"unix:\" without a path");
    }
    if (n >= sizeof(un.sun_path)) {
        return err_set(err, ERR_INPUT, "the path of a unix socket is at most %zu bytes long",
                       sizeof(un.sun_path) - 1);
    }
    memcpy(un.sun_path, path, n + 1);
    memcpy(&out->addr, &un, sizeof(un));
    out->length = sizeof(un);
    out->is_unix = true;
    return ERR_NONE;
}

static void set_inet4(struct listener_address *out, struct in_addr address, in_port_t port)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr = address, .sin_port = port};
    memcpy(&out->addr, &in4, sizeof(in4));
    out->length = sizeof(in4);
}

static void set_inet6(struct listener_address *out, struct in6_addr address, in_port_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = address, .sin6_port = port};
    memcpy(&out->addr, &in6, sizeof(in6));
    out->length = sizeof(in6);
}

/* `host` without port. False when it is no address. */
static bool parse_host(struct slice host, in_port_t port, struct listener_address *out)
{
    char text[INET6_ADDRSTRLEN + 2];
    struct in_addr in4 = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct in6_addr in6 = in6addr_any;
    if (host.n == 0) {
        set_inet6(out, in6, port);
        return true;
    }
    if (slice_eq_text(host, "localhost")) {
        set_inet4(out, in4, port);
        return true;
    }
    if (host.n >= sizeof(text)) {
        return false;
    }
    bool has_brackets = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    size_t cut = has_brackets ? 1 : 0;
    memcpy(text, host.p + cut, host.n - 2 * cut);
    text[host.n - 2 * cut] = '\0';
    if (has_brackets && inet_pton(AF_INET6, text, &in6) == 1) {
        set_inet6(out, in6, port);
        return true;
    }
    if (!has_brackets && inet_pton(AF_INET, text, &in4) == 1) {
        set_inet4(out, in4, port);
        return true;
    }
    return false;
}

enum err listener_parse(const char *text, struct listener_address *out, struct errbuf *err)
{
    memset(out, 0, sizeof(*out));
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, out, err);
    }
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || !slice_to_u64(slice_of(colon + 1), &port) || port > 65535) {
        return err_set(err, ERR_INPUT, "\"%s\" does not end in \":\" and a port from 0 to 65535",
                       text);
    }
    struct slice host = {text, (size_t) (colon - text)};
    if (!parse_host(host, htons((uint16_t) port), out)) {
        return err_set(err, ERR_INPUT,
                       "\"%s\" is not an address such as 127.0.0.1:8080, [::1]:8080, :8080 or "
                       "unix:/run/sluice.sock",
                       text);
    }
    return ERR_NONE;
}

/* ---- accepting ---- */

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Errors of one connection that has died already: the next one may be fine. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
           error == EOPNOTSUPP || error == ENETUNREACH || error == EPERM;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    (void) what;
    for (int i = 0; i < ACCEPTS_PER_TURN && l->fd != -1 && !l->is_held; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        memset(&peer, 0, sizeof(peer));
        int client = accept4(fd, (struct sockaddr *) &peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client != -1) {
            l->owner->on_accept(l->arg, client, (struct sockaddr *) &peer, length);
        } else if (is_shortage(errno)) {
            /* The waiting caller keeps the socket readable: without a pause we would spin. */
            event_del(l->event);
            loop_timer_set(l->loop, &l->timer, PAUSE_US);
            return;
        } else if (!is_passing(errno)) {
            return; /* EAGAIN: nobody is left */
        }
    }
}

static void update_accepting(struct listener *l)
{
    if (l->fd == -1) {
        return;
    }
    if (l->is_held || loop_timer_is_set(&l->timer)) {
        event_del(l->event);
    } else {
        event_add(l->event, NULL);
    }
}

static void on_timer(void *arg)
{
    update_accepting(arg);
}

void listener_resume(struct listener *l)
{
    if (loop_timer_is_set(&l->timer)) {
        loop_timer_clear(l->loop, &l->timer);
        update_accepting(l);
    }
}

void listener_hold(struct listener *l, bool hold)
{
    if (l->is_held != hold) {
        l->is_held = hold;
        update_accepting(l);
    }
}

/* ---- binding ---- */

static enum err bind_failed(const struct listener_address *address, int error, struct errbuf *err)
{
    char text[SOCKADDR_TEXT_BYTES];
    sockaddr_text((const struct sockaddr *) &address->addr, address->length, text, sizeof(text));
    const char *advice = "";
    switch (error) {
    case EADDRINUSE:
        advice = "; another program listens there: stop it or choose another address";
        break;
    case EEXIST:
        advice = "; that file is no socket: remove it or choose another path";
        break;
    case EACCES:
    case EPERM:
        advice = address->is_unix
                     ? "; this user may not create that file"
                     : "; ports under 1024 need root or the capability CAP_NET_BIND_SERVICE";
        break;
    case EADDRNOTAVAIL:
        advice = "; no network interface of this machine has that address";
        break;
    case ENOENT:
        advice = "; create the directory first";
        break;
    default:
        break;
    }
    return err_set(err, ERR_IO, "cannot listen on %s: %s%s", text, strerror(error), advice);
}

/* The path exists already. 0 when it was left over from a program that has died, and is removed now;
 * else the error that says what it is. */
static int remove_stale(const struct listener_address *address, const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return errno;
    }
    int rc = connect(fd, (const struct sockaddr *) &address->addr, address->length);
    bool is_refused = rc == -1 && errno == ECONNREFUSED;
    close(fd);
    if (!is_refused) {
        return EADDRINUSE;
    }
    return unlink(path) == -1 ? errno : 0;
}

static int bind_unix(struct listener *l, const struct listener_address *address)
{
    const struct sockaddr *addr = (const struct sockaddr *) &address->addr;
    struct sockaddr_un un;
    struct stat st;
    memcpy(&un, &address->addr, sizeof(un));
    /* The file takes its mode from the socket, so that nobody can connect before a chmod. */
    fchmod(l->fd, S_IRUSR | S_IWUSR);
    int rc = bind(l->fd, addr, address->length);
    if (rc == -1 && errno == EADDRINUSE) {
        errno = remove_stale(address, un.sun_path);
        rc = errno == 0 ? bind(l->fd, addr, address->length) : -1;
    }
    if (rc == 0 && lstat(un.sun_path, &st) == 0) {
        l->path_dev = st.st_dev;
        l->path_ino = st.st_ino;
    }
    return rc;
}

static int bind_inet(struct listener *l, const struct listener_address *address, bool reuse_port)
{
    const int on = 1;
    const int off = 0;
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuse_port && setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1) {
        return -1;
    }
    if (address->addr.ss_family == AF_INET6) {
        /* ":8080" means IPv4 too, whatever the machine's default is. */
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    return bind(l->fd, (const struct sockaddr *) &address->addr, address->length);
}

/* A machine without IPv6 has IPv4 alone behind ":8080". */
static bool as_inet4_any(const struct listener_address *address, struct listener_address *out)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, &address->addr, sizeof(in6));
    if (in6.sin6_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    set_inet4(out, (struct in_addr) {.s_addr = htonl(INADDR_ANY)}, in6.sin6_port);
    return true;
}

static enum err open_socket(struct listener *l, struct listener_address address, bool reuse_port,
                            struct errbuf *err)
{
    const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    struct listener_address inet4;
    l->fd = socket(address.addr.ss_family, type, 0);
    if (l->fd == -1 && errno == EAFNOSUPPORT && as_inet4_any(&address, &inet4)) {
        address = inet4;
        l->fd = socket(AF_INET, type, 0);
    }
    if (l->fd == -1) {
        return bind_failed(&address, errno, err);
    }
    int rc = address.is_unix ? bind_unix(l, &address) : bind_inet(l, &address, reuse_port);
    if (rc == -1 || listen(l->fd, BACKLOG) == -1) {
        return bind_failed(&address, errno, err);
    }
    l->bound = address;
    socklen_t length = sizeof(l->bound.addr);
    if (!address.is_unix && getsockname(l->fd, (struct sockaddr *) &l->bound.addr, &length) == -1) {
        return bind_failed(&address, errno, err);
    }
    return ERR_NONE;
}

struct listener *listener_new(struct event_base *base, struct loop *loop,
                              const struct listener_address *address, bool reuse_port,
                              const struct listener_owner *owner, void *arg, struct errbuf *err)
{
    struct listener *l = x_alloc(sizeof(*l));
    l->loop = loop;
    l->owner = owner;
    l->arg = arg;
    l->fd = -1;
    loop_timer_init(&l->timer, on_timer, l);
    if (open_socket(l, *address, reuse_port, err) != ERR_NONE) {
        listener_free(l);
        return NULL;
    }
    l->event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_connection, l);
    if (l->event == NULL || event_add(l->event, NULL) == -1) {
        (void) err_set(err, ERR_NOMEM, "no memory for a listening socket");
        listener_free(l);
        return NULL;
    }
    return l;
}

void listener_stop(struct listener *l)
{
    if (l->event != NULL) {
        event_free(l->event);
        l->event = NULL;
    }
    loop_timer_clear(l->loop, &l->timer);
    if (l->fd != -1) {
        close(l->fd);
        l->fd = -1;
    }
}

void listener_free(struct listener *l)
{
    struct sockaddr_un un;
    struct stat st;
    if (l == NULL) {
        return;
    }
    listener_stop(l);
    memcpy(&un, &l->bound.addr, sizeof(un));
    if (l->path_ino != 0 && lstat(un.sun_path, &st) == 0 && st.st_dev == l->path_dev &&
        st.st_ino == l->path_ino) {
        unlink(un.sun_path);
    }
    free(l);
}

void listener_text(const struct listener *l, char *out, size_t cap)
{
    sockaddr_text((const struct sockaddr *) &l->bound.addr, l->bound.length, out, cap);
}
