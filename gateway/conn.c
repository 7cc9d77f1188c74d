#include "gateway/conn.h"

#include "gateway/conn_ops.h"
#include "gateway/tls.h"

#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

void conn_host_init(struct conn_host *h, struct event_base *base, struct loop *loop)
{
    *h = (struct conn_host) {.base = base, .loop = loop};
    h->scratch = x_alloc(CONN_SCRATCH_BYTES);
    h->again_end = &h->again_first;
    h->again_event = evtimer_new(base, conn_on_again, h);
    if (h->again_event == NULL) {
        abort(); /* a small fixed struct, see base.h */
    }
}

void conn_host_fini(struct conn_host *h)
{
    while (h->conns != NULL) {
        struct conn *c = h->conns;
        conn_abort(c, CONN_SHUTDOWN);
        conn_free(c);
    }
    event_free(h->again_event);
    free(h->scratch);
    h->scratch = NULL;
}

void conn_free(struct conn *c)
{
    loop_unpost(c->host->loop, &c->task);
    if (c->link != NULL) {
        *c->link = c->next;
        if (c->next != NULL) {
            c->next->link = c->link;
        }
    }
    tls_session_free(c->tls);
    if (c->input != NULL) {
        evbuffer_free(c->input);
    }
    if (c->output != NULL) {
        evbuffer_free(c->output);
    }
    free(c);
}

static bool set_up(struct conn *c, struct tls_context *tls)
{
    c->input = evbuffer_new();
    c->output = evbuffer_new();
    if (c->input == NULL || c->output == NULL) {
        return false;
    }
    c->ops = &conn_plain_ops;
    if (tls != NULL) {
        c->ops = &conn_tls_ops;
        c->tls = tls_session_new(tls, c->fd);
        return c->tls != NULL && conn_set_reading(c, true);
    }
    return true;
}

static void join_host(struct conn *c)
{
    struct conn_host *host = c->host;
    c->next = host->conns;
    c->link = &host->conns;
    if (c->next != NULL) {
        c->next->link = &c->next;
    }
    host->conns = c;
    host->open++;
    host->accepted++;
}

struct conn *conn_new(struct conn_host *host, int fd, const struct sockaddr *peer,
                      socklen_t peer_len, struct tls_context *tls, const struct conn_limits *limits,
                      const struct conn_owner *owner, void *arg)
{
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->host = host;
    c->fd = fd;
    c->limits = *limits;
    c->owner = owner;
    c->arg = arg;
    c->input_cap = CONN_TURN_BYTES;
    c->is_loopback = sockaddr_is_loopback(peer, peer_len);
    sockaddr_text(peer, peer_len, c->peer, sizeof(c->peer));
    conn_init_events(c);
    if (!set_up(c, tls)) {
        conn_free(c);
        close(fd);
        return NULL;
    }
    if (peer->sa_family != AF_UNIX) {
        /* Without it handshakes and streams stall for tens of milliseconds. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
        /* Else the kernel takes megabytes for a client that does not read, and nobody is paused. */
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int) {(int) limits->high_bytes},
                   sizeof(int));
    }
    join_host(c);
    if (tls != NULL) {
        host->handshaking++;
        loop_timer_set(host->loop, &c->timer, limits->handshake_timeout_us);
    } else {
        loop_post(host->loop, &c->task);
    }
    return c;
}

/* ---- what the owner asks for ---- */

struct evbuffer *conn_input(struct conn *c)
{
    return c->input;
}

struct evbuffer *conn_output(struct conn *c)
{
    return c->output;
}

size_t conn_output_bytes(const struct conn *c)
{
    return evbuffer_get_length(c->output);
}

bool conn_is_full(const struct conn *c)
{
    return evbuffer_get_length(c->output) >= c->limits.high_bytes;
}

void conn_set_input_cap(struct conn *c, size_t bytes)
{
    c->input_cap = bytes;
    conn_update_reading(c);
}

void conn_resume_input(struct conn *c)
{
    conn_update_reading(c);
}

bool conn_is_loopback(const struct conn *c)
{
    return c->is_loopback;
}

enum conn_reason conn_reason(const struct conn *c)
{
    return c->reason;
}

const char *conn_detail(const struct conn *c)
{
    return c->tls != NULL ? tls_what(c->tls) : "";
}

const char *conn_peer(const struct conn *c)
{
    return c->peer;
}
