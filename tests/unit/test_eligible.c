/* One test a reason: a request that is fine but for it, and one that is fine. */
#include "router/eligible.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog_fixture.h"

enum { SMALL, MIDDLE, LARGE, EMBEDDER, MODEL_COUNT };

struct world {
    struct catalog *catalog;
    struct task task;
    enum route_kind kind;
    const struct upstream_def *data[2];
};

static void set_up(struct world *w)
{
    static const struct fixture_model models[MODEL_COUNT] = {
        [SMALL] = {.name = "small", .params = 1e9},
        [MIDDLE] = {.name = "middle", .params = 3e9},
        [LARGE] = {.name = "large", .params = 8e9},
        [EMBEDDER] = {.name = "embedder", .params = 9e9, .capabilities = CAPABILITY_EMBEDDINGS},
    };

    w->catalog = fixture_catalog(models, MODEL_COUNT, NULL, 0);
    w->data[0] = &w->catalog->upstreams[0];
    w->data[1] = NULL;
    w->kind = ROUTE_AUTO;
    w->task = (struct task) {.name = "t", .data = w->data, .node_tokens = 100};
}

static struct model_def *model(struct world *w, size_t i)
{
    return &w->catalog->models[i];
}

/* SMALL and MIDDLE feed an output of this kind, which LARGE makes unless it votes. */
static struct graph *graph_of(struct world *w, enum node_role role, enum fuser_kind fuse)
{
    struct graph_draft d = {.count = 3, .output = 2};
    struct errbuf err = {""};
    struct graph *g;

    d.nodes[0] = graph_assistant(model(w, SMALL));
    d.nodes[1] = graph_assistant(model(w, MIDDLE));
    d.nodes[2] = graph_assistant(fuse == FUSER_VOTE ? NULL : model(w, LARGE));
    d.nodes[2].role = role;
    d.nodes[2].fuse = fuse;
    d.nodes[2].predecessors = 3;
    g = graph_new(&d, &err);
    if (g == NULL) {
        fail_msg("%s", err.text);
    }
    return g;
}

struct asked {
    struct request r;
    struct request_facts f;
    struct arena room;
};

static void ask(struct asked *a, enum endpoint endpoint, const char *json)
{
    struct reqbody *body = reqbody_new(strlen(json));
    struct errbuf err = {""};
    const char *param;

    assert_non_null(body);
    memcpy(body->bytes, json, body->length);
    arena_init(&a->room, 256, 65536);
    if (request_parse(&a->r, endpoint, body, &a->room, &param, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    request_facts(&a->r, &a->f);
}

static void done(struct asked *a)
{
    request_fini(&a->r);
    arena_fini(&a->room);
}

#define CHAT(members, messages) "{\"model\":\"auto\"," members "\"messages\":[" messages "]}"
#define HI "{\"role\":\"user\",\"content\":\"hi\"}"
#define PICTURE                                                                                    \
    "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}"
#define SOUND "{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}"
#define SYSTEM "{\"role\":\"system\",\"content\":\"s\"}"
#define TOOLS "\"tools\":[{\"type\":\"function\"}],"
#define FORMAT "\"response_format\":{\"type\":\"json_object\"},"

static void reason_of(struct world *w, const struct graph *g, enum endpoint endpoint,
                      const char *json, const char *want)
{
    struct asked a;
    const char *reason;

    ask(&a, endpoint, json);
    reason = eligible_reason(&a.r, &a.f, &w->task, g);
    if (want == NULL ? reason != NULL : reason == NULL || strcmp(reason, want) != 0) {
        fail_msg("%s: \"%s\", not \"%s\"", json, reason != NULL ? reason : "runs",
                 want != NULL ? want : "runs");
    }
    done(&a);
}

/* With an output that merges. */
static void merged(struct world *w, const char *json, const char *want)
{
    struct graph *g = graph_of(w, ROLE_FUSER, FUSER_LLM);

    reason_of(w, g, ENDPOINT_CHAT, json, want);
    graph_free(g);
}

static void voted(struct world *w, const char *json, const char *want)
{
    struct graph *g = graph_of(w, ROLE_FUSER, FUSER_VOTE);

    reason_of(w, g, ENDPOINT_CHAT, json, want);
    graph_free(g);
}

static void selected(struct world *w, const char *json, const char *want)
{
    struct graph *g = graph_of(w, ROLE_FUSER, FUSER_SELECT);

    reason_of(w, g, ENDPOINT_CHAT, json, want);
    graph_free(g);
}

/* ---- reasons ---- */

static void test_plain(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    merged(&w, CHAT("", HI), NULL);
    merged(&w, CHAT("", SYSTEM "," HI), NULL);
    voted(&w, CHAT("", HI), NULL);
    selected(&w, CHAT("", HI), NULL);
    catalog_free(w.catalog);
}

static void test_single_always_runs(void **state)
{
    struct world w;
    struct graph *g;

    (void) state;
    set_up(&w);
    model(&w, SMALL)->context = 1;
    g = graph_new_single(model(&w, SMALL));
    reason_of(&w, g, ENDPOINT_CHAT,
              CHAT(TOOLS FORMAT "\"n\":2,\"logprobs\":true,", PICTURE ",{\"role\":\"tool\"}"),
              NULL);
    reason_of(&w, g, ENDPOINT_COMPLETIONS, "{\"model\":\"auto\",\"prompt\":\"Once\"}", NULL);
    graph_free(g);
    catalog_free(w.catalog);
}

static void test_completions(void **state)
{
    struct world w;
    struct graph *g;

    (void) state;
    set_up(&w);
    g = graph_of(&w, ROLE_FUSER, FUSER_LLM);
    reason_of(&w, g, ENDPOINT_COMPLETIONS, "{\"model\":\"auto\",\"prompt\":\"Once\"}",
              "completions");
    graph_free(g);
    catalog_free(w.catalog);
}

static void test_tools(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    model(&w, LARGE)->capabilities = CAPABILITY_TOOLS;
    merged(&w, CHAT(TOOLS, HI), "tools");
    merged(&w, CHAT("\"functions\":[{}],", HI), "tools");
    merged(&w, CHAT("\"tools\":[],", HI), NULL);
    w.task.tools_graph = true;
    merged(&w, CHAT(TOOLS, HI), NULL);
    voted(&w, CHAT(TOOLS, HI), "tools");
    selected(&w, CHAT(TOOLS, HI), "tools");
    catalog_free(w.catalog);
}

static void test_last_message(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    merged(&w, CHAT("", HI ",{\"role\":\"assistant\",\"content\":\"Once\"}"), "last_message");
    merged(&w, CHAT("", HI ",{\"role\":\"tool\",\"content\":\"4\"}"), "last_message");
    merged(&w, CHAT("", HI "," SYSTEM), "last_message");
    merged(&w, CHAT("", "{}"), "last_message");
    merged(&w, CHAT("", HI ",{\"role\":\"user\",\"content\":null}"), "last_message");
    merged(&w, CHAT("", HI ",{\"role\":\"user\",\"content\":[]}"), NULL);
    catalog_free(w.catalog);
}

static void test_choices(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    voted(&w, CHAT("\"n\":2,", HI), "choices");
    selected(&w, CHAT("\"n\":2,", HI), "choices");
    voted(&w, CHAT("\"n\":1,", HI), NULL);
    merged(&w, CHAT("\"n\":2,", HI), NULL);
    catalog_free(w.catalog);
}

static void test_logprobs(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    model(&w, LARGE)->capabilities = CAPABILITY_LOGPROBS;
    voted(&w, CHAT("\"logprobs\":true,", HI), "logprobs");
    selected(&w, CHAT("\"logprobs\":true,", HI), "logprobs");
    selected(&w, CHAT("\"logprobs\":false,", HI), NULL);
    merged(&w, CHAT("\"logprobs\":true,", HI), NULL);
    catalog_free(w.catalog);
}

#define SPEAK "\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"v\"},"

static void test_audio(void **state)
{
    struct world w;
    size_t i;

    (void) state;
    set_up(&w);
    model(&w, LARGE)->capabilities = CAPABILITY_AUDIO;
    voted(&w, CHAT(SPEAK, HI), "audio");
    selected(&w, CHAT(SPEAK, HI), "audio");
    /* Others need no voice to write a candidate. */
    merged(&w, CHAT(SPEAK, HI), NULL);
    /* What is heard may be voted on. */
    for (i = SMALL; i <= LARGE; i++) {
        model(&w, i)->capabilities = CAPABILITY_AUDIO;
    }
    voted(&w, CHAT("", SOUND), NULL);
    catalog_free(w.catalog);
}

/* Fine once all of the models have the capability; with `only_output` once the output's has it. */
static void needs(const char *json, enum capability capability, bool only_output)
{
    struct world w;
    size_t i;

    set_up(&w);
    w.task.tools_graph = true;
    merged(&w, json, "capability");
    model(&w, LARGE)->capabilities = capability;
    merged(&w, json, only_output ? NULL : "capability");
    for (i = SMALL; i <= LARGE; i++) {
        model(&w, i)->capabilities = capability;
    }
    merged(&w, json, NULL);
    if (!only_output) {
        model(&w, SMALL)->capabilities = 0;
        merged(&w, json, "capability");
    }
    catalog_free(w.catalog);
}

static void test_capability(void **state)
{
    (void) state;
    needs(CHAT("", PICTURE), CAPABILITY_VISION, false);
    needs(CHAT("", PICTURE "," HI), CAPABILITY_VISION, false);
    needs(CHAT("", SOUND), CAPABILITY_AUDIO, false);
    needs(CHAT(SPEAK, HI), CAPABILITY_AUDIO, true);
    needs(CHAT(TOOLS, HI), CAPABILITY_TOOLS, true);
    needs(CHAT("\"logprobs\":true,", HI), CAPABILITY_LOGPROBS, true);
    /* What feeds the output may be delivered in its place. */
    needs(CHAT(FORMAT, HI), CAPABILITY_JSON_SCHEMA, false);
}

static void test_capability_of_formats(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    voted(&w, CHAT(FORMAT, HI), "capability");
    model(&w, SMALL)->capabilities = CAPABILITY_JSON_SCHEMA;
    voted(&w, CHAT(FORMAT, HI), "capability");
    model(&w, MIDDLE)->capabilities = CAPABILITY_JSON_SCHEMA;
    voted(&w, CHAT(FORMAT, HI), NULL);
    /* What selects writes a number. */
    selected(&w, CHAT(FORMAT, HI), NULL);
    merged(&w, CHAT(FORMAT, HI), "capability");
    catalog_free(w.catalog);
}

/* Of a chain only the text that feeds the output can stand in for it. */
static void test_capability_of_formats_within(void **state)
{
    struct graph_draft d = {.count = 3, .output = 2};
    struct errbuf err = {""};
    struct world w;
    struct graph *g;
    unsigned i;

    (void) state;
    set_up(&w);
    for (i = 0; i < 3; i++) {
        d.nodes[i] = graph_assistant(model(&w, i));
        d.nodes[i].predecessors = i > 0 ? 1u << (i - 1) : 0;
    }
    g = graph_new(&d, &err);
    assert_non_null(g);
    model(&w, LARGE)->capabilities = CAPABILITY_JSON_SCHEMA;
    reason_of(&w, g, ENDPOINT_CHAT, CHAT(FORMAT, HI), "capability");
    model(&w, MIDDLE)->capabilities = CAPABILITY_JSON_SCHEMA;
    reason_of(&w, g, ENDPOINT_CHAT, CHAT(FORMAT, HI), NULL);
    graph_free(g);
    catalog_free(w.catalog);
}

static void test_capability_of_system_messages(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    model(&w, SMALL)->capabilities = CAPABILITY_NO_SYSTEM;
    merged(&w, CHAT("", SYSTEM "," HI), "capability");
    merged(&w, CHAT("", "{\"role\":\"developer\",\"content\":\"s\"}," HI), "capability");
    merged(&w, CHAT("", HI), NULL);
    catalog_free(w.catalog);
}

/* ---- context ---- */

/* What CHAT("", HI) is estimated at. */
enum { PROMPT = (sizeof("[" HI "]") - 1) / 4 + 1 };

static void fits(struct world *w, size_t i, const char *json, uint64_t tokens,
                 void (*graph)(struct world *w, const char *json, const char *want))
{
    model(w, i)->context = tokens;
    graph(w, json, NULL);
    model(w, i)->context = tokens - 1;
    graph(w, json, "context");
    model(w, i)->context = 0;
    graph(w, json, NULL);
}

static void test_context(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    /* An inner node: the prompt and its own cap. */
    fits(&w, SMALL, CHAT("", HI), PROMPT + 100, merged);
    fits(&w, SMALL, CHAT("\"max_tokens\":7,", HI), PROMPT + 100, merged);
    /* The output: two candidates too, and the client's cap, or what is assumed. */
    fits(&w, LARGE, CHAT("", HI), PROMPT + 2 * 100 + REQUEST_ANSWER_TOKENS, merged);
    fits(&w, LARGE, CHAT("\"max_tokens\":7,\"n\":3,", HI), PROMPT + 2 * 100 + 7, merged);
    /* One that selects has a cap as inner nodes have. */
    fits(&w, LARGE, CHAT("\"max_tokens\":7,", HI), PROMPT + 2 * 100 + 100, selected);
    catalog_free(w.catalog);
}

static void test_context_of_tools(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    w.task.tools_graph = true;
    model(&w, LARGE)->capabilities = CAPABILITY_TOOLS;
    fits(&w, SMALL, CHAT(TOOLS, HI), PROMPT + 100, merged);
    fits(&w, LARGE, CHAT(TOOLS "\"max_tokens\":7,", HI),
         PROMPT + (sizeof("[{\"type\":\"function\"}]") - 1) / 4 + 2 * 100 + 7, merged);
    catalog_free(w.catalog);
}

/* A vote inside hands on one of the two answers that it got; a graph's caps go before the task's. */
static void test_context_behind_a_vote(void **state)
{
    struct graph_draft d = {.count = 4, .output = 3};
    struct errbuf err = {""};
    struct world w;
    struct graph *g;

    (void) state;
    set_up(&w);
    d.nodes[0] = graph_assistant(model(&w, SMALL));
    d.nodes[1] = graph_assistant(model(&w, MIDDLE));
    d.nodes[1].max_tokens = 300;
    d.nodes[2] = graph_fuser(FUSER_VOTE, NULL);
    d.nodes[2].predecessors = 3;
    d.nodes[3] = graph_assistant(model(&w, LARGE));
    d.nodes[3].predecessors = 4;
    g = graph_new(&d, &err);
    assert_non_null(g);
    model(&w, MIDDLE)->context = PROMPT + 300;
    model(&w, LARGE)->context = PROMPT + 300 + 7;
    reason_of(&w, g, ENDPOINT_CHAT, CHAT("\"max_tokens\":7,", HI), NULL);
    reason_of(&w, g, ENDPOINT_CHAT, CHAT("\"max_tokens\":8,", HI), "context");
    model(&w, MIDDLE)->context = PROMPT + 299;
    reason_of(&w, g, ENDPOINT_CHAT, CHAT("\"max_tokens\":7,", HI), "context");
    graph_free(g);
    catalog_free(w.catalog);
}

static void test_first_reason_wins(void **state)
{
    static const char *const json[] = {
        CHAT(TOOLS FORMAT SPEAK "\"n\":2,\"logprobs\":true,", HI ",{}"),
        CHAT(FORMAT SPEAK "\"n\":2,\"logprobs\":true,", HI ",{}"),
        CHAT(FORMAT SPEAK "\"n\":2,\"logprobs\":true,", HI),
        CHAT(FORMAT SPEAK "\"logprobs\":true,", HI),
        CHAT(FORMAT SPEAK, HI),
        CHAT(FORMAT, HI),
        CHAT("", HI),
    };
    static const char *const want[] = {"tools", "last_message", "choices", "logprobs",
                                       "audio", "capability",   "context"};
    struct world w;
    size_t i;

    (void) state;
    set_up(&w);
    model(&w, SMALL)->context = 1;
    for (i = 0; i < ARRAY_LEN(json); i++) {
        voted(&w, json[i], want[i]);
    }
    catalog_free(w.catalog);
}

/* ---- the model that answers alone ---- */

static void answers(struct world *w, enum fuser_kind fuse, enum endpoint endpoint, const char *json,
                    size_t want)
{
    struct graph *g = graph_of(w, ROLE_FUSER, fuse);
    struct asked a;

    const struct route route = {.kind = w->kind, .task = &w->task, .graph = g};

    ask(&a, endpoint, json);
    assert_string_equal(eligible_model(&a.r, &a.f, &route, w->catalog)->name, model(w, want)->name);
    done(&a);
    graph_free(g);
}

static void test_output_model_answers(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", HI), LARGE);
    answers(&w, FUSER_SELECT, ENDPOINT_CHAT, CHAT("", HI), LARGE);
    answers(&w, FUSER_VOTE, ENDPOINT_CHAT, CHAT("", HI), MIDDLE);
    answers(&w, FUSER_LLM, ENDPOINT_COMPLETIONS, "{\"model\":\"auto\",\"prompt\":\"Once\"}", LARGE);
    /* It is not for us to refuse. */
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT(TOOLS, PICTURE), LARGE);
    answers(&w, FUSER_VOTE, ENDPOINT_CHAT, CHAT(TOOLS, PICTURE), MIDDLE);
    catalog_free(w.catalog);
}

static void test_capable_model_answers(void **state)
{
    static const struct {
        const char *json;
        unsigned capabilities;
    } cases[] = {
        {CHAT("", PICTURE), CAPABILITY_VISION},
        {CHAT("", SOUND), CAPABILITY_AUDIO},
        {CHAT(SPEAK, HI), CAPABILITY_AUDIO},
        {CHAT(FORMAT, HI), CAPABILITY_JSON_SCHEMA},
        {CHAT("\"logprobs\":true,", HI), CAPABILITY_LOGPROBS},
        {CHAT(TOOLS, HI), CAPABILITY_TOOLS},
        {CHAT(TOOLS, PICTURE), CAPABILITY_TOOLS | CAPABILITY_VISION},
    };
    struct world w;
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(cases); i++) {
        set_up(&w);
        model(&w, SMALL)->capabilities = cases[i].capabilities;
        answers(&w, FUSER_LLM, ENDPOINT_CHAT, cases[i].json, SMALL);
        model(&w, MIDDLE)->capabilities = cases[i].capabilities;
        answers(&w, FUSER_LLM, ENDPOINT_CHAT, cases[i].json, MIDDLE);
        /* However many more it has: what makes nothing but embeddings does not chat. */
        model(&w, LARGE)->capabilities = cases[i].capabilities;
        answers(&w, FUSER_LLM, ENDPOINT_CHAT, cases[i].json, LARGE);
        catalog_free(w.catalog);
    }
}

static void test_model_that_takes_it_answers(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    model(&w, LARGE)->capabilities = CAPABILITY_NO_SYSTEM;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", SYSTEM "," HI), MIDDLE);
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", HI), LARGE);
    model(&w, LARGE)->context = PROMPT + 9;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("\"max_tokens\":10,", HI), MIDDLE);
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("\"max_tokens\":9,", HI), LARGE);
    catalog_free(w.catalog);
}

static void test_best_model_answers(void **state)
{
    struct world w;

    (void) state;
    set_up(&w);
    model(&w, SMALL)->capabilities = model(&w, MIDDLE)->capabilities = CAPABILITY_VISION;
    model(&w, SMALL)->params = model(&w, MIDDLE)->params;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), SMALL);
    model(&w, SMALL)->usd_per_mtok_output = 1;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), MIDDLE);
    catalog_free(w.catalog);
}

static void test_data_binds(void **state)
{
    struct upstream_def abroad = {.name = "abroad"};
    struct world w;

    (void) state;
    set_up(&w);
    model(&w, SMALL)->capabilities = model(&w, MIDDLE)->capabilities = CAPABILITY_VISION;
    model(&w, MIDDLE)->upstream = &abroad;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), SMALL);
    /* Nor may a fallback lead out of it. */
    model(&w, SMALL)->fallback = model(&w, MIDDLE);
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), LARGE);
    w.task.data = NULL;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), MIDDLE);
    catalog_free(w.catalog);
}

/* The graph's models are on the first upstream; the task's data, which nobody wrote, is another one. */
static void test_a_graph_by_name_goes_no_further_than_its_models(void **state)
{
    struct upstream_def abroad = {.name = "abroad"};
    struct world w;

    (void) state;
    set_up(&w);
    w.kind = ROUTE_GRAPH;
    w.data[0] = &abroad;
    model(&w, SMALL)->capabilities = CAPABILITY_VISION;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), SMALL);
    model(&w, EMBEDDER)->capabilities |= CAPABILITY_VISION;
    model(&w, EMBEDDER)->upstream = &abroad; /* it chats, and is the largest */
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), SMALL);
    model(&w, SMALL)->fallback = model(&w, EMBEDDER);
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), LARGE);
    w.task.data_is_written = true;
    answers(&w, FUSER_LLM, ENDPOINT_CHAT, CHAT("", PICTURE), EMBEDDER);
    catalog_free(w.catalog);
}

static void test_caps_that_never_fit(void **state)
{
    struct world w;
    struct graph *g;

    (void) state;
    set_up(&w); /* caps of 100: two candidates and the output's own answer */
    g = graph_of(&w, ROLE_FUSER, FUSER_LLM);
    model(&w, LARGE)->context = 200;
    assert_null(eligible_never(&w.task, g));
    model(&w, LARGE)->context = 199;
    assert_ptr_equal(eligible_never(&w.task, g), model(&w, LARGE));
    graph_free(g);
    g = graph_new_single(model(&w, LARGE));
    assert_null(eligible_never(&w.task, g));
    graph_free(g);
    catalog_free(w.catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_single_always_runs),
        cmocka_unit_test(test_completions),
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_last_message),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_audio),
        cmocka_unit_test(test_capability),
        cmocka_unit_test(test_capability_of_formats),
        cmocka_unit_test(test_capability_of_formats_within),
        cmocka_unit_test(test_capability_of_system_messages),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_context_of_tools),
        cmocka_unit_test(test_context_behind_a_vote),
        cmocka_unit_test(test_first_reason_wins),
        cmocka_unit_test(test_output_model_answers),
        cmocka_unit_test(test_capable_model_answers),
        cmocka_unit_test(test_model_that_takes_it_answers),
        cmocka_unit_test(test_best_model_answers),
        cmocka_unit_test(test_caps_that_never_fit),
        cmocka_unit_test(test_data_binds),
        cmocka_unit_test(test_a_graph_by_name_goes_no_further_than_its_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
