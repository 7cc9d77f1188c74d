#include "gateway/front.h"

#include "gateway/routes.h"
#include "gateway/tls.h"
#include "router/upstream_curl.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAILBOX_CAP = 1024,
    LAG_PERIOD_US = 500 * 1000,
    LINGER_POLL_US = 10 * 1000,
    LINGER_MAX_US = 3 * 1000 * 1000, /* for last bytes to leave when drained */
};

struct front {
    struct front_spec spec;
    struct env env;
    struct event_base *base;
    struct loop *loop;
    struct mailbox *mailbox;
    struct event *mail_event;
    struct upstream_curl *curl;
    struct upstream_host host;
    struct server server;
    struct loop_timer lag;
    uint64_t lag_due_us;
    struct loop_timer linger;
    uint64_t linger_until_us;
    pthread_t thread;
    bool started;
};

/* ---- mail ---- */

enum front_order { FRONT_RENEW, FRONT_DRAIN, FRONT_ABORT, FRONT_STOP, FRONT_METRICS };

struct front_mail {
    struct mail mail;
    enum front_order order;
    struct front *front;
    struct settings *settings;
    struct tls_context *tls;
    struct front_question question;
    struct metrics metrics;
};

static void discard_mail(struct mail *mail)
{
    struct front_mail *m = CONTAINER_OF(mail, struct front_mail, mail);
    settings_unref(m->settings);
    tls_context_unref(m->tls);
    free(m);
}

static void on_answer(struct mail *mail, void *receiver)
{
    struct front_mail *m = CONTAINER_OF(mail, struct front_mail, mail);
    (void) receiver;
    m->question.answer(m->question.arg, &m->metrics);
    free(m);
}

static void on_drained_mail(struct mail *mail, void *receiver)
{
    struct front_mail *m = CONTAINER_OF(mail, struct front_mail, mail);
    (void) receiver;
    m->front->spec.on_drained(m->front->spec.main_arg);
    free(m);
}

static struct front_mail *new_mail(struct front *f, enum front_order order,
                                   void (*deliver)(struct mail *mail, void *receiver))
{
    struct front_mail *m = x_alloc(sizeof(*m));
    m->mail.deliver = deliver;
    m->mail.discard = discard_mail;
    m->order = order;
    m->front = f;
    return m;
}

/* ---- orders, in the front's thread ---- */

static void on_linger(void *arg)
{
    struct front *f = arg;
    if (f->server.conns.open > 0 && loop_now_us(f->loop) < f->linger_until_us) {
        loop_timer_set(f->loop, &f->linger, LINGER_POLL_US);
        return;
    }
    mailbox_post_must(f->spec.main_box, &new_mail(f, FRONT_DRAIN, on_drained_mail)->mail);
}

static void on_drained(void *arg)
{
    struct front *f = arg;
    f->linger_until_us = loop_now_us(f->loop) + LINGER_MAX_US;
    loop_timer_set(f->loop, &f->linger, 0);
}

static void copy_metrics(struct front *f, struct metrics *out)
{
    struct server *s = &f->server;
    s->metrics.connections_open = s->conns.open;
    s->metrics.connections_accepted = s->conns.accepted;
    s->metrics.connections_handshaking = s->conns.handshaking;
    memcpy(s->metrics.connections_closed, s->conns.closed, sizeof(s->conns.closed));
    s->metrics.streams_open = s->stream_count;
    s->metrics.requests_open = s->exchange_count;
    s->metrics.transfers_open = upstream_curl_open(f->curl);
    *out = s->metrics;
    s->metrics.loop_lag_seconds_max = 0;
}

static void on_order(struct mail *mail, void *receiver)
{
    struct front_mail *m = CONTAINER_OF(mail, struct front_mail, mail);
    struct front *f = receiver;
    switch (m->order) {
    case FRONT_RENEW:
        server_renew(&f->server, m->settings, m->tls);
        m->settings = NULL;
        m->tls = NULL;
        break;
    case FRONT_DRAIN:
        server_drain(&f->server, on_drained, f);
        break;
    case FRONT_ABORT:
        server_abort(&f->server);
        break;
    case FRONT_STOP:
        event_base_loopbreak(f->base);
        break;
    case FRONT_METRICS:
        copy_metrics(f, &m->metrics);
        m->mail.deliver = on_answer;
        mailbox_post_must(f->spec.main_box, &m->mail); /* the letter goes back with the answer */
        return;
    }
    discard_mail(mail);
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct front *f = arg;
    (void) fd;
    (void) what;
    mailbox_take(f->mailbox, f);
}

/* How late a timer comes says how long the loop was held up. */
static void on_lag(void *arg)
{
    struct front *f = arg;
    uint64_t now = loop_now_us(f->loop);
    double late = now > f->lag_due_us ? (double) (now - f->lag_due_us) / 1e6 : 0;
    metrics_observe_fine(&f->server.metrics.loop_lag, late);
    if (late > f->server.metrics.loop_lag_seconds_max) {
        f->server.metrics.loop_lag_seconds_max = late;
    }
    f->lag_due_us = now + LAG_PERIOD_US;
    loop_timer_set_at(f->loop, &f->lag, f->lag_due_us);
}

static void *front_main(void *arg)
{
    struct front *f = arg;
    on_lag(f);
    event_base_loop(f->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

/* ---- life, in main ---- */

static enum err make_loop(struct front *f, struct errbuf *err)
{
    struct event_config *config = event_config_new();
    if (config) {
        /* A base belongs to one thread here, so its locks would be for nothing. */
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        f->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!f->base) {
        return err_set(err, ERR_IO, "libevent gives no event base");
    }
    f->loop = loop_new(&f->env);
    if (loop_drive_event(f->loop, f->base) != ERR_NONE) {
        return err_set(err, ERR_NOMEM, "no memory for an event loop");
    }
    f->mailbox = mailbox_new(MAILBOX_CAP, err);
    if (!f->mailbox) {
        return ERR_IO;
    }
    f->mail_event = event_new(f->base, mailbox_fd(f->mailbox), EV_READ | EV_PERSIST, on_mail, f);
    if (!f->mail_event || event_add(f->mail_event, NULL) != 0) {
        return err_set(err, ERR_NOMEM, "no memory for an event");
    }
    f->curl = upstream_curl_new(f->base, f->loop, "sluice/" SLUICE_VERSION, err);
    return f->curl ? ERR_NONE : ERR_NOMEM;
}

static void front_free(struct front *f)
{
    if (f->loop) {
        loop_timer_clear(f->loop, &f->lag);
        loop_timer_clear(f->loop, &f->linger);
    }
    if (f->server.settings) {
        f->server.on_drained = NULL;
        server_abort(&f->server); /* sessions that no drain has ended */
        loop_run(f->loop);
        server_fini(&f->server);
        log_tap_free(f->server.log);
    }
    upstream_curl_free(f->curl);
    if (f->mail_event) {
        event_free(f->mail_event);
    }
    if (f->loop) {
        loop_run(f->loop); /* what is freed at the end of a turn */
    }
    mailbox_free(f->mailbox);
    loop_free(f->loop);
    if (f->base) {
        event_base_free(f->base);
    }
    free(f);
}

struct front *front_new(const struct front_spec *spec, struct errbuf *err)
{
    struct front *f = x_alloc(sizeof(*f));
    f->spec = *spec;
    f->env = env_system();
    if (make_loop(f, err) != ERR_NONE) {
        tls_context_unref(spec->tls);
        front_free(f);
        return NULL;
    }
    loop_timer_init(&f->lag, on_lag, f);
    loop_timer_init(&f->linger, on_linger, f);
    f->lag_due_us = UINT64_MAX;
    f->host = (struct upstream_host) {.loop = f->loop,
                                      .ledger = spec->ledger,
                                      .mailbox = f->mailbox,
                                      .transfers = upstream_curl_transfers(f->curl)};
    f->server = (struct server) {.base = f->base,
                                 .loop = f->loop,
                                 .install_key = spec->install_key,
                                 .routes = routes_public(),
                                 .upstreams = &f->host};
    f->server.log = log_tap_new(spec->log, f->loop);
    ident_maker_init(&f->server.ident, spec->install_key, spec->boot, spec->number);
    server_init(&f->server, settings_ref(spec->settings), spec->tls);
    return f;
}

enum err front_listen(struct front *f, const struct listener_address *address, bool reuse_port,
                      struct errbuf *err)
{
    return server_listen(&f->server, address, reuse_port, err);
}

void front_address(const struct front *f, char *out, size_t cap)
{
    listener_text(f->server.listener, out, cap);
}

enum err front_start(struct front *f, struct errbuf *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are main's */
    int rc = pthread_create(&f->thread, NULL, front_main, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return err_set(err, ERR_IO, "no thread for a front: %s", strerror(rc));
    }
    f->started = true;
    return ERR_NONE;
}

void front_renew(struct front *f, struct settings *settings, struct tls_context *tls)
{
    struct front_mail *m = new_mail(f, FRONT_RENEW, on_order);
    m->settings = settings;
    m->tls = tls;
    mailbox_post_must(f->mailbox, &m->mail);
}

void front_drain(struct front *f)
{
    mailbox_post_must(f->mailbox, &new_mail(f, FRONT_DRAIN, on_order)->mail);
}

void front_abort(struct front *f)
{
    mailbox_post_must(f->mailbox, &new_mail(f, FRONT_ABORT, on_order)->mail);
}

void front_ask_metrics(struct front *f, const struct front_question *question)
{
    struct front_mail *m = new_mail(f, FRONT_METRICS, on_order);
    m->question = *question;
    mailbox_post_must(f->mailbox, &m->mail);
}

void front_stop_and_free(struct front *f)
{
    if (!f) {
        return;
    }
    if (f->started) {
        mailbox_post_must(f->mailbox, &new_mail(f, FRONT_STOP, on_order)->mail);
        pthread_join(f->thread, NULL);
    }
    front_free(f);
}
