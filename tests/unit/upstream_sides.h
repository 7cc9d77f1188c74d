/* A model call between its two sides: what the upstream sends, and what reaches the job. The set-up is in
 * upstream_fixture.h. */
#ifndef TESTS_UNIT_UPSTREAM_SIDES_H
#define TESTS_UNIT_UPSTREAM_SIDES_H

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

#endif
