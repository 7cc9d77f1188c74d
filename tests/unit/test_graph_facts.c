#include "gateway/graph_facts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/ledger_stats.h"
#include "tests/unit/catalog_fixture.h"

static const struct fixture_model models[] = {
    {.name = "small", .capabilities = CAPABILITY_TOOLS | CAPABILITY_MAX_COMPLETION_TOKENS},
    {.name = "large", .capabilities = CAPABILITY_TOOLS | CAPABILITY_VISION},
    {.name = "old", .usd_input = 1, .usd_output = 3, .capabilities = CAPABILITY_NO_SYSTEM},
};

struct world {
    struct env env;
    struct ledger *ledger;
    struct snapshot *s;
    struct graph *vote;  /* of small and large */
    struct graph *chain; /* small, then large */
};

static struct graph *pair(const struct catalog *c, bool is_chain)
{
    struct errbuf err = {""};
    struct graph_draft draft = {.count = is_chain ? 2 : 3, .output = is_chain ? 1 : 2};
    draft.nodes[0] = graph_assistant(&c->models[0]);
    draft.nodes[1] = graph_assistant(&c->models[1]);
    if (is_chain) {
        draft.nodes[1].predecessors = 1;
    } else {
        draft.nodes[2] = graph_fuser(FUSER_VOTE, NULL);
        draft.nodes[2].predecessors = 3;
    }
    struct graph *g = graph_new(&draft, &err);
    if (!g) {
        fail_msg("%s", err.text);
    }
    return g;
}

static void begin(struct world *w)
{
    struct catalog *c = fixture_catalog(models, ARRAY_LEN(models), NULL, 0);
    struct errbuf err;
    c->models[0].context = 8192;
    c->models[1].context = 4096;
    c->graphs = arena_array(&c->arena, 2, sizeof(*c->graphs));
    w->vote = pair(c, false);
    w->chain = pair(c, true);
    c->graphs[c->graph_count++] = (struct catalog_graph) {"vote", "graph/vote", "v.json", w->vote};
    c->graphs[c->graph_count++] = (struct catalog_graph) {NULL, NULL, "c.json", w->chain};
    w->env = env_system();
    w->ledger = ledger_new(&w->env);
    w->s = snapshot_new(c, w->ledger, 1, 1, &err);
    assert_non_null(w->s);
}

static void finish(struct world *w)
{
    snapshot_unref(w->s);
    ledger_free(w->ledger);
}

static void what_is_known_beforehand(void **state)
{
    struct world w;
    struct graph_facts f;
    (void) state;
    begin(&w);
    graph_facts(w.s, w.vote, &f);
    assert_string_equal(f.name, "graph/vote");
    assert_int_equal(f.calls, 2);
    assert_int_equal(f.context, 4096);
    assert_int_equal(f.capabilities, CAPABILITY_TOOLS);
    assert_true(isnan(f.units) && f.usd == 0.0);
    graph_facts(w.s, w.chain, &f);
    assert_string_equal(f.name, "c.json");
    /* A model alone. */
    graph_facts(w.s, w.s->graphs[2], &f);
    assert_string_equal(f.name, "old");
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.context, 0);
    assert_int_equal(f.capabilities, CAPABILITY_NO_SYSTEM);
    assert_true(fabs(f.usd - 0.002) < 1e-12);
    finish(&w);
}

static double latency(const struct world *w, const struct graph *g)
{
    return graph_facts_latency_s(w->s, &w->s->tasks[0], g, w->ledger);
}

/* small: 1 s to its first token, then 0.01 s a token; large: 2 s and 0.02 s. */
static void latency_is_known_once_all_were_called(void **state)
{
    struct world w;
    const struct model_def *m;
    (void) state;
    begin(&w);
    m = w.s->catalog->models;
    assert_true(isnan(latency(&w, w.vote)));
    ledger_note_latency(w.ledger, m[0].ledger, 1000000, 2000000, 101);
    assert_true(isnan(latency(&w, w.vote)));
    assert_true(fabs(latency(&w, w.s->graphs[0]) - 6.0) < 0.02); /* 500 tokens */
    ledger_note_latency(w.ledger, m[1].ledger, 2000000, 4000000, 101);
    /* The longer of both, or one after the other. */
    assert_true(fabs(latency(&w, w.vote) - 12.0) < 0.03);
    assert_true(fabs(latency(&w, w.chain) - 18.0) < 0.05);
    /* The answers of the last node that calls are 100 tokens long. */
    ledger_note_tokens(w.ledger, snapshot_tokens(w.s, &w.s->tasks[0], &m[1]), 1, 10, 0, 100);
    assert_true(fabs(latency(&w, w.chain) - 6.0) < 0.05);
    assert_true(fabs(latency(&w, w.vote) - 12.0) < 0.03);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_beforehand),
        cmocka_unit_test(latency_is_known_once_all_were_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
