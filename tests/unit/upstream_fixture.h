/* Model calls under a virtual clock, with upstreams that say what the test says.
 *
 * Two models on two upstreams: `first` falls back to `second`. The test starts a call, plays the
 * upstream's side by head(), body() and ends(), and reads what reached the job in `f->log`, e.g.
 * "commit chunk chunk end:complete". */
#ifndef TESTS_UNIT_UPSTREAM_FIXTURE_H
#define TESTS_UNIT_UPSTREAM_FIXTURE_H

#include "cache/loop.h"
#include "router/ledger.h"
#include "router/snapshot.h"
#include "router/upstream.h"
#include "tests/unit/scripted_transfers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000, S = 1000 * 1000 };

struct fixture {
    struct loop_virtual clock;
    struct env env;
    struct loop *loop;
    struct ledger *ledger;
    struct mailbox *box;
    struct snapshot *snapshot;
    struct upstream_host host;
    struct arena room;
    struct request request;
    struct upstream_call *call;
    struct retry_budget budget;
    struct script script;
    char log[1024];
    char text[4096]; /* of all chunks, joined by '|' */
    struct failure failure;
    char message[256];
    struct call_record record;
    bool pause_at_chunk;
};

static inline void say(struct fixture *f, const char *word)
{
    size_t n = strlen(f->log);
    snprintf(f->log + n, sizeof(f->log) - n, "%s%s", n > 0 ? " " : "", word);
}

/* ---- the upstream's side, of the latest transfer ---- */

static inline struct transfer *latest(struct fixture *f)
{
    return script_latest(&f->script);
}

static inline void head_with(struct fixture *f, int status, const char *type,
                             uint64_t retry_after_us)
{
    script_head(&f->script, status, type, retry_after_us);
}

static inline void head(struct fixture *f, int status, const char *type)
{
    script_head(&f->script, status, type, UINT64_MAX);
}

static inline enum transfer_flow body(struct fixture *f, const char *bytes)
{
    return script_body(&f->script, bytes);
}

static inline void ends(struct fixture *f, enum transfer_end how)
{
    script_ends(&f->script, how);
}

static inline void wait_us(struct fixture *f, uint64_t us)
{
    loop_advance(f->loop, &f->clock, f->clock.now_us + us);
    mailbox_take(f->box, NULL);
    loop_advance(f->loop, &f->clock, f->clock.now_us);
}

/* ---- the job's side ---- */

static inline void fixture_on_commit(void *arg, const struct model_def *model)
{
    struct fixture *f = arg;
    say(f, "commit");
    assert_non_null(model);
}

static inline void fixture_on_chunk(void *arg, const struct chunk *c)
{
    struct fixture *f = arg;
    size_t n = strlen(f->text);
    say(f, "chunk");
    snprintf(f->text + n, sizeof(f->text) - n, "%.*s|", (int) c->json.n, c->json.p);
    if (f->pause_at_chunk) {
        upstream_pause(f->call);
    }
}

static inline void fixture_on_reply(void *arg, const struct chunk *c)
{
    struct fixture *f = arg;
    say(f, "reply");
    snprintf(f->text, sizeof(f->text), "%.*s", (int) c->json.n, c->json.p);
}

static inline void fixture_on_end(void *arg, const struct failure *failure,
                                  const struct call_record *record)
{
    struct fixture *f = arg;
    char word[64];
    f->record = *record;
    if (failure) {
        f->failure = *failure;
        snprintf(f->message, sizeof(f->message), "%s", failure->message ? failure->message : "");
    }
    snprintf(word, sizeof(word), "end:%s", end_reason_text(record->reason));
    say(f, word);
    f->call = NULL;
}

static const struct upstream_events fixture_events = {fixture_on_commit, fixture_on_chunk,
                                                      fixture_on_reply, fixture_on_end, NULL};

static inline void start_with_deadline(struct fixture *f, const char *json, uint64_t deadline_us)
{
    struct errbuf why;
    const char *param;
    struct reqbody *bytes = reqbody_new(strlen(json));
    memcpy(bytes->bytes, json, strlen(json));
    if (request_parse(&f->request, ENDPOINT_CHAT, bytes, &f->room, &param, &why) != ERR_NONE) {
        fail_msg("%s", why.text);
    }
    struct upstream_spec spec = {
        .snapshot = f->snapshot,
        .model = catalog_model(f->snapshot->catalog, SLICE_LIT("first")),
        .request = &f->request,
        .budget = &f->budget,
        .deadline_us = f->clock.now_us + deadline_us,
    };
    f->call = upstream_start(&f->host, &spec, &f->room, &fixture_events, f);
    assert_non_null(f->call);
    assert_string_equal(f->log, ""); /* never calls back before it has returned */
    wait_us(f, 0);
}

#define STREAM_REQUEST                                                                             \
    "{\"model\":\"first\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true}"
#define JSON_REQUEST "{\"model\":\"first\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static inline void start(struct fixture *f, const char *json)
{
    start_with_deadline(f, json, 600u * S);
}

/* ---- set up ---- */

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
