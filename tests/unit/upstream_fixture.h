/* Model calls under a virtual clock, with upstreams that say what the test says.
 *
 * Two models on two upstreams: `first` falls back to `second`. The test starts a call, plays the
 * upstream's side by head(), body() and ends(), and reads what reached the job in `f->log`, e.g.
 * "commit chunk chunk end:complete". */
#ifndef TESTS_UNIT_UPSTREAM_FIXTURE_H
#define TESTS_UNIT_UPSTREAM_FIXTURE_H

#include "tests/unit/upstream_sides.h"

static inline struct catalog *two_models(unsigned retries, enum on_abandon on_abandon,
                                         bool fallback)
{
    struct catalog *c = catalog_new();
    c->upstreams = arena_array(&c->arena, 2, sizeof(*c->upstreams));
    c->upstream_count = 2;
    c->models = arena_array(&c->arena, 2, sizeof(*c->models));
    c->model_count = 2;
    for (size_t i = 0; i < 2; i++) {
        c->upstreams[i] = (struct upstream_def) {
            .name = i == 0 ? "up1" : "up2",
            .url = "http://127.0.0.1:1/v1",
            .key = "sk-a/b+secret",
            .max_in_flight = 2,
            .queue = 1,
            .timeouts = {5u * S, 60u * S, 30u * S, 500u * S},
            .retries = retries,
            .on_abandon = on_abandon,
        };
        c->models[i] = (struct model_def) {
            .name = i == 0 ? "first" : "second",
            .id = i == 0 ? "first-id" : "second-id",
            .upstream = &c->upstreams[i],
            .usd_per_mtok_input = 1,
            .usd_per_mtok_output = 2,
        };
    }
    c->models[0].fallback = fallback ? &c->models[1] : NULL;
    catalog_index(c);
    return c;
}

static inline struct fixture *fixture_make(unsigned retries, enum on_abandon on_abandon,
                                           bool fallback)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->env = loop_virtual_env(&f->clock, 7);
    f->loop = loop_new(&f->env);
    f->script.loop = f->loop;
    f->ledger = ledger_new(&f->env);
    f->box = mailbox_new(16, NULL);
    f->snapshot = snapshot_new(two_models(retries, on_abandon, fallback), f->ledger, 600u * S, 1,
                               NULL);
    assert_non_null(f->snapshot);
    arena_init(&f->room, 1024, 1024 * 1024);
    f->budget.left = 100;
    f->host = (struct upstream_host) {.loop = f->loop,
                                      .ledger = f->ledger,
                                      .mailbox = f->box,
                                      .transfers = script_transfers(&f->script),
                                      .reply_cap_bytes = 4096,
                                      .event_cap_bytes = 2048};
    return f;
}

/* Everything ended, so every slot is back: what the ledger says is checked each time. */
static inline void fixture_free(struct fixture *f)
{
    struct ledger_upstream_state states[2];
    if (f->call) {
        upstream_cancel(f->call, NULL);
    }
    wait_us(f, 0);
    assert_int_equal(ledger_upstreams(f->ledger, states, 2), 2);
    assert_int_equal(states[0].in_flight + states[0].waiting, 0);
    assert_int_equal(states[1].in_flight + states[1].waiting, 0);
    request_fini(&f->request);
    arena_fini(&f->room);
    snapshot_unref(f->snapshot);
    mailbox_free(f->box);
    ledger_free(f->ledger);
    loop_free(f->loop);
    free(f);
}

#endif
