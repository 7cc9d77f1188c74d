#include "gateway/server.h"

#include "gateway/session.h"
#include "gateway/tls.h"

#include <time.h>

static void set_limits(struct server *s)
{
    const struct config *c = s->settings->config;
    s->conn_limits = (struct conn_limits) {
        .high_bytes = c->limits.stream_buffer_bytes,
        /* Near the high mark: a slow reader is refilled by a quarter at a time, so that one of a
         * thousand holds the loop for a fraction of a millisecond. */
        .low_bytes = c->limits.stream_buffer_bytes / 4 * 3,
        .handshake_timeout_us = c->timeouts.handshake_us,
        .send_timeout_us = c->timeouts.send_us,
    };
    if (s->upstreams) {
        s->upstreams->reply_cap_bytes = c->limits.body_bytes;
        s->upstreams->event_cap_bytes = c->limits.answer_bytes;
    }
}

void server_init(struct server *s, struct settings *settings, struct tls_context *tls)
{
    s->settings = settings;
    s->tls = tls;
    s->date_second = -1;
    conn_host_init(&s->conns, s->base, s->loop);
    set_limits(s);
}

static bool is_crowded(const struct server *s)
{
    return s->session_count >= s->settings->config->limits.connections;
}

static void on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    struct server *s = arg;
    session_new(s, fd, peer, peer_len);
    listener_hold(s->listener, is_crowded(s));
}

enum err server_listen(struct server *s, const struct listener_address *address, bool reuse_port,
                       struct errbuf *err)
{
    static const struct listener_owner owner = {on_accept};
    s->listener = listener_new(s->base, s->loop, address, reuse_port, &owner, s, err);
    return s->listener ? ERR_NONE : ERR_IO;
}

void server_renew(struct server *s, struct settings *settings, struct tls_context *tls)
{
    settings_unref(s->settings);
    tls_context_unref(s->tls);
    s->settings = settings;
    s->tls = tls;
    set_limits(s);
}

void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg)
{
    s->draining = true;
    s->on_drained = on_drained;
    s->on_drained_arg = arg;
    if (s->listener) {
        listener_stop(s->listener);
    }
    session_drain_all(s);
    server_session_over(s);
}

void server_session_over(struct server *s)
{
    if (s->listener && !s->draining) {
        listener_hold(s->listener, is_crowded(s));
        listener_resume(s->listener);
    }
    if (s->draining && s->session_count == 0 && s->on_drained) {
        void (*on_drained)(void *arg) = s->on_drained;
        s->on_drained = NULL; /* once */
        on_drained(s->on_drained_arg);
    }
}

void server_abort(struct server *s)
{
    session_abort_all(s);
}

void server_fini(struct server *s)
{
    listener_free(s->listener);
    conn_host_fini(&s->conns);
    tls_context_unref(s->tls);
    settings_unref(s->settings);
}

const char *server_date(struct server *s)
{
    int64_t second = env_wall_us(loop_env(s->loop)) / 1000000;
    if (second != s->date_second) {
        time_t t = (time_t) second;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        s->date_second = second;
    }
    return s->date;
}
