/* A whole HTTP server of the gateway in one thread: its connections are socket pairs, its clock is
 * virtual, its upstreams are a script, its settings come from a configuration text.
 *
 * A test says bytes as a client (client_say), plays the upstream's side by gate->script, moves the clock
 * (gate_wait_us) and takes what the client got, reply by reply (client_reply). Nothing happens but in
 * those calls. gate_close checks that nothing is left over: exchanges, streams, slots, descriptors. */
#ifndef TESTS_UNIT_GATEWAY_FIXTURE_H
#define TESTS_UNIT_GATEWAY_FIXTURE_H

#include "gateway/exchange.h"
#include "tests/unit/config_text.h"
#include "tests/unit/scripted_transfers.h"
#include "tests/unit/sockets.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>

enum { MS = 1000, S = 1000 * 1000 };

struct gate {
    struct event_base *base;
    struct loop_virtual clock;
    struct env env;
    struct loop *loop;
    struct install_key install_key;
    struct ledger *ledger;
    struct mailbox *box;
    struct log *log;
    int log_fd; /* what was logged, readable once the log is freed */
    struct upstream_host host;
    struct script script;
    struct server server;
    unsigned drained; /* calls of on_drained */
    unsigned descriptors_before;
};

static inline struct settings *gate_settings(struct gate *g, const char *text)
{
    struct errbuf why;
    const struct settings_ground ground = {
        .ledger = g->ledger, .install_key = &g->install_key, .env = &g->env, .number = 1};
    struct settings *s = settings_new(good(text), &ground, &why);
    assert_non_null(s);
    return s;
}

static inline struct log *gate_log(struct gate *g)
{
    struct errbuf why;
    char path[64];
    g->log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_int_not_equal(g->log_fd, -1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", g->log_fd);
    struct log *log = log_new(path, LOG_INFO, &why);
    assert_non_null(log);
    log_set_access(log, true);
    return log;
}

/* What every thread of the gateway has. The server is not begun yet. */
static inline struct gate *gate_ground(void)
{
    struct gate *g = calloc(1, sizeof(*g));
    assert_non_null(g);
    g->descriptors_before = open_descriptors();
    g->base = event_base_new();
    g->env = loop_virtual_env(&g->clock, 1);
    g->loop = loop_new(&g->env);
    g->env.random(g->env.arg, &g->install_key, sizeof(g->install_key));
    g->ledger = ledger_new(&g->env);
    g->box = mailbox_new(64, NULL);
    g->log = gate_log(g);
    g->script.loop = g->loop;
    g->host = (struct upstream_host) {.loop = g->loop,
                                      .ledger = g->ledger,
                                      .mailbox = g->box,
                                      .transfers = script_transfers(&g->script)};
    g->server = (struct server) {
        .base = g->base, .loop = g->loop, .install_key = &g->install_key, .upstreams = &g->host};
    g->server.log = log_tap_new(g->log, g->loop);
    ident_maker_init(&g->server.ident, &g->install_key, 7, 0);
    return g;
}

static inline struct gate *gate_open_with(const char *text, const struct routes *routes)
{
    struct gate *g = gate_ground();
    g->server.routes = routes;
    server_init(&g->server, gate_settings(g, text), NULL);
    return g;
}

/* The public endpoint under this configuration. */
static inline struct gate *gate_open(const char *text)
{
    return gate_open_with(text, routes_public());
}

/* Everything that can happen without time passing. Data is in the kernel's hands as soon as it is sent,
 * so that a fixed number of turns is enough. */
static inline void gate_turn(struct gate *g)
{
    event_base_loop(g->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    mailbox_take(g->box, g);
    loop_run(g->loop);
}

static inline void gate_settle(struct gate *g)
{
    for (unsigned i = 0; i < 6; i++) {
        gate_turn(g);
    }
}

static inline void gate_wait_us(struct gate *g, uint64_t us)
{
    loop_advance(g->loop, &g->clock, g->clock.now_us + us);
    gate_settle(g);
}

static inline void gate_on_drained(void *arg)
{
    ((struct gate *) arg)->drained++;
}

/* Reads the log, which ends with it. What was logged is in `to`, NUL-terminated. */
static inline void gate_read_log(struct gate *g, char *to, size_t cap)
{
    log_tap_free(g->server.log);
    log_free(g->log);
    g->server.log = NULL;
    g->log = NULL;
    ssize_t n = pread(g->log_fd, to, cap - 1, 0);
    assert_true(n >= 0);
    to[n] = '\0';
}

/* Every client has left by now. */
static inline void gate_close(struct gate *g)
{
    struct ledger_upstream_state states[4];
    gate_settle(g);
    gate_wait_us(g, 3u * S); /* connections that linger */
    assert_int_equal(g->server.session_count, 0);
    assert_int_equal(g->server.exchange_count, 0);
    assert_int_equal(g->server.stream_count, 0);
    assert_int_equal(g->server.conns.open, 0);
    size_t count = ledger_upstreams(g->ledger, states, ARRAY_LEN(states));
    for (size_t i = 0; i < count && i < ARRAY_LEN(states); i++) {
        assert_int_equal(states[i].in_flight + states[i].waiting, 0);
    }
    server_fini(&g->server);
    if (g->log) {
        log_tap_free(g->server.log);
        log_free(g->log);
    }
    loop_run(g->loop);
    close(g->log_fd);
    mailbox_free(g->box);
    ledger_free(g->ledger);
    loop_free(g->loop);
    event_base_free(g->base);
    assert_int_equal(open_descriptors(), g->descriptors_before);
    free(g);
}

#endif
