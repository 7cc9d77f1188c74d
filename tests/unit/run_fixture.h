/* Graphs run under a virtual clock, with upstreams that say what the test says. Each node has a model of its
 * own, m0, m1, … in the order of the draft, so that a test finds the call of a node by its model.
 *
 * The client's side is in `w->log`, e.g. "chunk chunk end:complete", and `w->text`: what the events said. */
#ifndef TESTS_UNIT_RUN_FIXTURE_H
#define TESTS_UNIT_RUN_FIXTURE_H

#include "tests/unit/run_upstreams.h"

/* ---- the client's side ---- */

static inline void take_content(struct world *w, const struct chunk *c)
{
    const char *at;
    snprintf(w->last, sizeof(w->last), "%.*s", (int) c->json.n, c->json.p);
    at = strstr(w->last, "\"content\":\"");
    if (at) {
        size_t n = strlen(w->text);
        snprintf(w->text + n, sizeof(w->text) - n, "%.*s", (int) strcspn(at + 11, "\""), at + 11);
    }
}

static inline enum sink_flow world_chunk(void *arg, const struct chunk *c)
{
    struct world *w = arg;
    note(w, c->has_content ? "content" : c->has_choices ? "chunk" : "usage");
    take_content(w, c);
    if (!c->has_choices) {
        snprintf(w->usage, sizeof(w->usage), "%.*s", (int) c->usage.text.n, c->usage.text.p);
    }
    return w->is_gone ? SINK_GONE : w->is_full ? SINK_FULL : SINK_OK;
}

static inline enum sink_flow world_reply(void *arg, const struct chunk *c)
{
    struct world *w = arg;
    note(w, "reply");
    snprintf(w->text, sizeof(w->text), "%.*s", (int) c->json.n, c->json.p);
    return SINK_OK;
}

static inline void world_end(void *arg, const struct failure *failure)
{
    struct world *w = arg;
    char word[64];
    if (failure) {
        w->failure = *failure;
    }
    snprintf(word, sizeof(word), "end:%s",
             end_reason_text(failure ? failure->reason : END_COMPLETE));
    note(w, word);
}

static const struct sink_ops world_sink = {world_chunk, world_reply, world_end};

#define ASK "\"messages\":[{\"role\":\"user\",\"content\":\"what?\"}]"
#define STREAM "{\"model\":\"auto\",\"stream\":true," ASK "}"
#define STREAM_USAGE                                                                               \
    "{\"model\":\"auto\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," ASK "}"
#define WHOLE "{\"model\":\"auto\"," ASK "}"

static inline void asks_for(struct world *w, const char *json, uint64_t deadline_us)
{
    struct errbuf why;
    const char *param;
    struct reqbody *body = reqbody_new(strlen(json));
    memcpy(body->bytes, json, strlen(json));
    w->job = job_new(&w->host, w->snapshot, &world_sink, w);
    if (request_parse(job_request(w->job), ENDPOINT_CHAT, body, job_room(w->job), &param, &why) !=
        ERR_NONE) {
        fail_msg("%s", why.text);
    }
    struct job_plan plan = {
        .route = {.task = &w->snapshot->tasks[0], .graph = w->graph, .propensity = 1.0},
        .deadline_us = w->clock.now_us + deadline_us,
        .seed = 11,
        .usage_sum = w->usage_sum};
    job_start(w->job, &plan);
    assert_string_equal(w->log, "");
    pass_us(w, 0);
}

/* And a second passes: what answers then is no straggler for another. */
static inline void asks(struct world *w, const char *json)
{
    asks_for(w, json, 600u * S);
    pass_us(w, 1u * S);
}

static inline const struct record *report(struct world *w)
{
    job_report(w->job, &w->record);
    return &w->record;
}

/* ---- set up ---- */

static inline struct catalog *models_for(unsigned count)
{
    static const char *const names[MODELS_MAX] = {"m0", "m1", "m2", "m3", "m4",  "m5",
                                                  "m6", "m7", "m8", "m9", "m10", "m11"};
    struct catalog *c = catalog_new();
    c->upstreams = arena_array(&c->arena, 1, sizeof(*c->upstreams));
    c->upstream_count = 1;
    c->models = arena_array(&c->arena, count, sizeof(*c->models));
    c->model_count = count;
    c->upstreams[0] = (struct upstream_def) {.name = "up",
                                             .url = "http://127.0.0.1:1/v1",
                                             .max_in_flight = 40,
                                             .queue = 40,
                                             .timeouts = {5u * S, 60u * S, 30u * S, 500u * S},
                                             .retries = 1};
    for (unsigned i = 0; i < count; i++) {
        c->models[i] = (struct model_def) {.name = names[i],
                                           .id = names[i],
                                           .upstream = &c->upstreams[0],
                                           .params = 1e9 * (i + 1),
                                           .layers = 16,
                                           .hidden = 2048,
                                           .usd_per_mtok_input = 1,
                                           .usd_per_mtok_output = 2};
    }
    catalog_index(c);
    return c;
}

/* kinds: a assistant, f llm fuser, v vote, s select, in topological order, the last the output; preds[i] are
 * bits. Node i has the model mI, or, where `same`, all assistants have m0. */
static inline struct world *world_make(const char *kinds, const uint32_t preds[], bool same)
{
    static const struct transfer_ops ops = {world_start, world_resume, world_cancel};
    struct world *w = calloc(1, sizeof(*w));
    struct graph_draft d = {.count = (unsigned) strlen(kinds)};
    struct errbuf why = {""};
    assert_non_null(w);
    w->env = loop_virtual_env(&w->clock, 7);
    w->loop = loop_new(&w->env);
    w->ledger = ledger_new(&w->env);
    w->box = mailbox_new(64, NULL);
    w->snapshot = snapshot_new(models_for(d.count), w->ledger, 600u * S, 1, &why);
    assert_non_null(w->snapshot);
    d.output = d.count - 1;
    for (unsigned i = 0; i < d.count; i++) {
        const struct model_def *m = &w->snapshot->catalog->models[same && kinds[i] == 'a' ? 0 : i];
        d.nodes[i] = kinds[i] == 'a'   ? graph_assistant(m)
                     : kinds[i] == 'f' ? graph_fuser(FUSER_LLM, m)
                     : kinds[i] == 's' ? graph_fuser(FUSER_SELECT, m)
                                       : graph_fuser(FUSER_VOTE, NULL);
        d.nodes[i].predecessors = preds[i];
    }
    w->graph = graph_new(&d, &why);
    if (!w->graph) {
        fail_msg("%s", why.text);
    }
    w->host = (struct upstream_host) {.loop = w->loop,
                                      .ledger = w->ledger,
                                      .mailbox = w->box,
                                      .transfers = {&ops, w},
                                      .reply_cap_bytes = 16384,
                                      .event_cap_bytes = 2048};
    return w;
}

/* Everything ended, so every slot is back. */
static inline void world_free(struct world *w)
{
    struct ledger_upstream_state state;
    job_free(w->job);
    pass_us(w, 0);
    assert_int_equal(ledger_upstreams(w->ledger, &state, 1), 1);
    assert_int_equal(state.in_flight + state.waiting, 0);
    for (size_t i = 0; i < w->call_count; i++) {
        assert_null(w->calls[i].events);
    }
    graph_free(w->graph);
    snapshot_unref(w->snapshot);
    mailbox_free(w->box);
    ledger_free(w->ledger);
    loop_free(w->loop);
    free(w);
}

#endif
