/* A generation request from the client's bytes to its answer: what is replaced and what is passed on,
 * the commit, heartbeats, failures before and after it, a slow client, one that leaves. */
#include "tests/unit/gateway_chat.h"

/* No retries, so that a failure is one at once. */
#define ONCE UPSTREAM("url: \"http://127.0.0.1:1/v1\", retries: 0")

enum { IDENT = IDENT_TEXT };

/* The body with each id of ours, which must be the one of the header, as $. */
static const char *masked(const struct reply *r, const char *prefix)
{
    static char out[4096];
    char id[128];
    size_t n = 0;
    snprintf(id, sizeof(id), "%s%.*s", prefix, IDENT, reply_value(r, "x-request-id"));
    for (const char *at = r->body; *at && n < sizeof(out) - 1;) {
        bool is_id = strncmp(at, id, strlen(id)) == 0;
        out[n++] = is_id ? '$' : *at;
        at += is_id ? strlen(id) : 1;
    }
    out[n] = '\0';
    return out;
}

/* The stream's body without its last comment, whose graph is checked by its form. */
static void expect_stream(const struct reply *r, const char *events)
{
    char text[4096];
    static const char from[] = ": sluice graph=";
    snprintf(text, sizeof(text), "%s", masked(r, "chatcmpl-"));
    char *comment = strstr(text, from);
    assert_non_null(comment);
    assert_int_equal(strspn(comment + sizeof(from) - 1, "0123456789abcdef"), 16);
    assert_string_equal(comment + sizeof(from) - 1 + 16, " calls=1 degraded=no\n\n" DONE);
    *comment = '\0';
    assert_string_equal(text, events);
}

static void expect_error(struct client *c, int status, const char *code, struct reply *r)
{
    char member[64];
    client_reply(c, r);
    assert_int_equal(r->status, status);
    assert_true(reply_says(r, "content-type", JSON));
    snprintf(member, sizeof(member), "\"code\":%s", code);
    assert_non_null(strstr(r->body, member));
}

/* ---- what is replaced, and what is not ---- */

#define ODD(id, model)                                                                             \
    "{ \"n\" : 1.0e+2, \"id\":" id ",\t\"seed\":9007199254740993,\"model\" :" model                \
    " , \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\\u0041b\","   \
    "\"id\":\"up-1\",\"model\":\"m-0613\"},\"finish_reason\":\"stop\"}],\"id2\":\"up-1\" }"

static void a_json_answer_is_the_upstreams_but_for_two_names(void **state)
{
    struct gate *g = gate_open(GOOD "aliases: {gpt-x: m}\n");
    struct client *c = client_open(g);
    struct ident ident;
    struct reply r;
    (void) state;
    client_chat(c, "{\"model\":\"gpt-x\"," MESSAGES "}");
    assert_string_equal(script_latest(&g->script)->path, "/chat/completions");
    upstream_answers(g, 200, ODD("\"up-1\"", "\"m-0613\""));
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(masked(&r, "chatcmpl-"), ODD("\"$\"", "\"gpt-x\""));
    assert_true(reply_says(&r, "x-sluice-upstream-id", "up-1"));
    assert_null(reply_value(&r, "x-sluice-task")); /* a model's name is no graph's */
    assert_null(reply_value(&r, "x-sluice-degraded"));
    struct slice id = {reply_value(&r, "x-request-id"), IDENT};
    assert_int_equal(ident_check(&g->install_key, id, &ident), ERR_NONE);
    client_close(c);
    gate_close(g);
}

static void other_endpoints_have_other_ids(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_post(c, "/v1/completions", "", "{\"model\":\"m\",\"prompt\":\"a\"}");
    assert_string_equal(script_latest(&g->script)->path, "/completions");
    upstream_answers(g, 200,
                     "{\"id\":\"up\",\"choices\":[{\"index\":0,\"text\":\"b\",\"finish_reason\":"
                     "\"stop\"}]}");
    client_reply(c, &r);
    assert_string_equal(masked(&r, "cmpl-"),
                        "{\"id\":\"$\",\"choices\":[{\"index\":0,\"text\":\"b\","
                        "\"finish_reason\":\"stop\"}]}");
    client_post(c, "/v1/embeddings", "", "{\"model\":\"m\",\"input\":\"a\"}");
    assert_string_equal(script_latest(&g->script)->path, "/embeddings");
    upstream_answers(g, 200, "{\"model\":\"up\",\"data\":[{\"index\":0,\"embedding\":[0.5]}]}");
    client_reply(c, &r);
    assert_string_equal(r.body, "{\"model\":\"m\",\"data\":[{\"index\":0,\"embedding\":[0.5]}]}");
    client_close(c);
    gate_close(g);
}

#define OUR(delta, finish)                                                                         \
    "data: {\"id\":\"$\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" delta               \
    ",\"finish_reason\":" finish "}]}\n\n"

static void a_stream_is_passed_event_by_event(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_STREAM);
    upstream_begins(g);
    upstream_says(g, ROLE);
    client_expect_silence(c, true); /* a role is no content: nothing is committed */
    upstream_says(g, WORD("one"));
    assert_true(client_take_head(c, &r));
    assert_false(client_chunks(c, &r));
    assert_non_null(strstr(r.body, "one"));
    upstream_says(g, WORD("two") LAST USAGE_EVENT DONE);
    upstream_ends(g, TRANSFER_COMPLETE);
    assert_true(client_chunks(c, &r));
    expect_stream(&r, OUR("{\"role\":\"assistant\",\"content\":\"\"}", "null")
                          OUR("{\"content\":\"one\"}", "null") OUR("{\"content\":\"two\"}", "null")
                              OUR("{}", "\"stop\""));
    assert_true(reply_says(&r, "x-sluice-upstream-id", "up-1"));
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

static void answer_usage(struct gate *g)
{
    upstream_begins(g);
    upstream_says(g, "data: {\"id\":\"a\",\"usage\":null,\"choices\":[{\"index\":0,\"delta\":"
                     "{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n" USAGE_EVENT DONE);
    upstream_ends(g, TRANSFER_COMPLETE);
}

#define CHOICE                                                                                     \
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]"

static void usage_is_for_those_who_asked(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_STREAM);
    assert_non_null(strstr(script_latest(&g->script)->body, "\"include_usage\":true"));
    answer_usage(g);
    client_reply(c, &r);
    expect_stream(&r, "data: {\"id\":\"$\"," CHOICE "}\n\n");
    client_chat(
        c, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," MESSAGES
           "}");
    answer_usage(g);
    client_reply(c, &r);
    expect_stream(&r, "data: {\"id\":\"$\",\"usage\":null," CHOICE "}\n\n"
                      "data: {\"id\":\"$\",\"model\":\"m\",\"choices\":[],\"usage\":{"
                      "\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n");
    client_close(c);
    gate_close(g);
}

static void an_upstreams_id_that_is_no_header_stays_out(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_JSON);
    upstream_answers(g, 200, ODD("\"a\\r\\nset-cookie: b\"", "\"m\""));
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    assert_null(strstr(r.head, "set-cookie"));
    assert_null(reply_value(&r, "x-sluice-upstream-id"));
    client_close(c);
    gate_close(g);
}

static void a_task_is_named_in_the_head(void **state)
{
    struct gate *g = gate_open(GOOD "tasks: [{name: math}]\n");
    struct client *c = client_open(g);
    struct ident ident;
    struct reply r;
    (void) state;
    client_chat(c, "{\"model\":\"auto/math\"," MESSAGES "}");
    upstream_answers(g, 200, ANSWER);
    client_reply(c, &r);
    assert_true(reply_says(&r, "x-sluice-task", "math"));
    assert_int_equal(strspn(reply_value(&r, "x-sluice-graph"), "0123456789abcdef"), 16);
    assert_non_null(strstr(r.body, "\"model\":\"auto/math\"")); /* as the client named it */
    struct slice id = {reply_value(&r, "x-request-id"), IDENT};
    assert_int_equal(ident_check(&g->install_key, id, &ident), ERR_NONE);
    assert_int_equal(ident.task_tag, crypt_tag(&g->install_key, "task", SLICE_LIT("math")));
    client_close(c);
    gate_close(g);
}

static void a_fallback_says_that_it_is_one(void **state)
{
    struct gate *g = gate_open(
        "upstreams: [{name: u, url: \"http://127.0.0.1:1/v1\", retries: 0}]\n"
        "models: [{name: m, upstream: u, fallback: n}, {name: n, upstream: u}]\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_JSON);
    upstream_ends(g, TRANSFER_CONNECT);
    gate_wait_us(g, 1u * S);
    assert_int_equal(g->script.count, 2);
    upstream_answers(g, 200, ANSWER);
    client_reply(c, &r);
    assert_true(reply_says(&r, "x-sluice-degraded", "fallback"));
    client_close(c);
    gate_close(g);
}

/* ---- heartbeats ---- */

#define BEAT ": heartbeat\n\n"

static void a_silent_stream_has_a_heartbeat(void **state)
{
    struct gate *g = gate_open(ONCE "heartbeat: {first: 15s, every: 10s}\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_STREAM);
    gate_wait_us(g, 15u * S - 1);
    client_expect_silence(c, true);
    gate_wait_us(g, 1);
    assert_true(client_take_head(c, &r));
    assert_int_equal(r.status, 200);
    assert_false(client_chunks(c, &r));
    assert_string_equal(r.body, BEAT);
    gate_wait_us(g, 10u * S - 1);
    client_chunks(c, &r);
    assert_string_equal(r.body, BEAT);
    gate_wait_us(g, 1);
    client_chunks(c, &r);
    assert_string_equal(r.body, BEAT BEAT);
    upstream_begins(g);
    upstream_says(g, WORD("one") LAST DONE);
    upstream_ends(g, TRANSFER_COMPLETE);
    assert_true(client_chunks(c, &r));
    gate_wait_us(g, 60u * S);
    client_expect_silence(c, true); /* what is over beats no more */
    client_close(c);
    gate_close(g);
}

static void content_puts_the_heartbeat_off(void **state)
{
    struct gate *g = gate_open(ONCE "heartbeat: {first: 15s, every: 10s}\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_STREAM);
    gate_wait_us(g, 14u * S);
    upstream_begins(g);
    upstream_says(g, WORD("one"));
    assert_true(client_take_head(c, &r));
    gate_wait_us(g, 9u * S);
    upstream_says(g, WORD("two"));
    gate_wait_us(g, 10u * S - 1);
    client_chunks(c, &r);
    assert_null(strstr(r.body, BEAT));
    gate_wait_us(g, 1);
    client_chunks(c, &r);
    assert_non_null(strstr(r.body, BEAT));
    client_close(c);
    gate_close(g);
}

static void heartbeats_are_for_streams_and_may_be_off(void **state)
{
    static const struct {
        const char *settings, *ask;
    } rows[] = {{ONCE "heartbeat: off\n", ASK_STREAM},
                {ONCE "heartbeat: {first: 1s, every: 1s}\n", ASK_JSON}};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gate *g = gate_open(rows[i].settings);
        struct client *c = client_open(g);
        client_chat(c, rows[i].ask);
        gate_wait_us(g, 50u * S);
        client_expect_silence(c, true);
        client_close(c);
        gate_close(g);
    }
}

/* ---- failures ---- */

static void before_the_commit_a_failure_is_an_http_error(void **state)
{
    struct gate *g = gate_open(ONCE);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_STREAM);
    script_head(&g->script, 422, JSON, UINT64_MAX);
    upstream_says(g, "{\"error\":{\"message\":\"no \\u00e9\",\"type\":\"t\",\"code\":77}}");
    upstream_ends(g, TRANSFER_COMPLETE);
    expect_error(c, 422, "77", &r);
    assert_non_null(strstr(r.body, "\"message\":\"no \\u00e9\",\"type\":\"t\",\"param\":null"));
    assert_true(reply_says(&r, "x-sluice-upstream-id", "req-7"));
    client_chat(c, ASK_STREAM);
    upstream_begins(g);
    upstream_says(g, ROLE); /* held back */
    upstream_ends(g, TRANSFER_CUT);
    client_reply(c, &r);
    assert_int_equal(r.status, 502);
    assert_true(reply_says(&r, "x-should-retry", "false"));
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

static void expect_broken_stream(struct client *c, struct reply *r)
{
    assert_true(client_chunks(c, r)); /* the framing is whole */
    assert_non_null(strstr(r->body, "data: {\"error\":{\"message\":"));
    assert_null(strstr(r->body, "[DONE]"));
    assert_null(strstr(r->body, "\"finish_reason\":\"stop\""));
}

static void after_content_a_failure_is_an_event(void **state)
{
    struct gate *g = gate_open(ONCE);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat_to_word(c, &r);
    upstream_ends(g, TRANSFER_CUT);
    expect_broken_stream(c, &r);
    assert_non_null(strstr(r.body, "one"));
    client_chat_to_word(c, &r);
    upstream_ends(g, TRANSFER_COMPLETE); /* but for finish_reason and [DONE] */
    expect_broken_stream(c, &r);
    client_close(c);
    gate_close(g);
}

static void after_a_heartbeat_a_failure_is_an_event(void **state)
{
    struct gate *g = gate_open(ONCE "heartbeat: {first: 15s, every: 15s}\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_STREAM);
    gate_wait_us(g, 15u * S);
    assert_true(client_take_head(c, &r));
    assert_int_equal(r.status, 200);
    upstream_ends(g, TRANSFER_CONNECT);
    expect_broken_stream(c, &r);
    client_close(c);
    gate_close(g);
}

static void the_deadline_of_the_request_ends_it(void **state)
{
    struct gate *g = gate_open(ONCE "timeouts: {request: 20s}\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat(c, ASK_JSON);
    gate_wait_us(g, 20u * S - 1);
    client_expect_silence(c, true);
    gate_wait_us(g, 1);
    client_reply(c, &r);
    assert_int_equal(r.status, 504);
    assert_true(script_latest(&g->script)->cancelled);
    client_close(c);
    gate_close(g);
}

/* ---- who may not ---- */

#define KEYS "keys: [{name: all, sha256: " SECRET_SHA256 "}]\n"
#define KEYS_OF_M "keys: [{name: few, sha256: " SECRET_SHA256 ", allow: [m]}]\n"
#define BEARER "Authorization: Bearer " SECRET "\r\n"

static void requests_that_cannot_be_served_reach_no_upstream(void **state)
{
    static const struct {
        const char *headers, *body;
        int status;
        const char *code;
    } rows[] = {
        {"", "", 400, "\"invalid_json\""},
        {"", "{\"model\":", 400, "\"invalid_json\""},
        {"", "{\"model\":7," MESSAGES "}", 400, "\"invalid_value\""},
        {"", "{\"model\":\"x\"," MESSAGES "}", 404, "\"model_not_found\""},
        {"", "{\"model\":\"graph/x\"," MESSAGES "}", 404, "\"model_not_found\""},
        {"X-Sluice-Task: nothing\r\n", ASK_JSON, 400, "\"unknown_task\""},
    };
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        client_post(c, CHAT, rows[i].headers, rows[i].body);
        expect_error(c, rows[i].status, rows[i].code, &r);
    }
    client_say(c, "POST " CHAT " HTTP/1.1\r\n" HOST "\r\n"); /* not even an empty body */
    expect_error(c, 400, "\"invalid_json\"", &r);
    assert_int_equal(g->script.count, 0);
    client_close(c);
    gate_close(g);
}

static void a_key_reaches_the_models_of_its_list(void **state)
{
    struct gate *g = gate_open(UPSTREAMS "models: [{name: m, upstream: u}, {name: n, upstream: "
                                         "u}]\n" KEYS_OF_M);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_post(c, CHAT, BEARER, "{\"model\":\"n\"," MESSAGES "}");
    expect_error(c, 403, "\"model_not_allowed\"", &r);
    client_post(c, CHAT, BEARER, "{\"model\":\"x\"," MESSAGES "}"); /* nor learns which exist */
    expect_error(c, 403, "\"model_not_allowed\"", &r);
    client_post(c, CHAT, BEARER, "{\"model\":\"m\",\"models\":[\"n\"]," MESSAGES "}");
    expect_error(c, 403, "\"model_not_allowed\"", &r);
    assert_int_equal(g->script.count, 0);
    client_post(c, CHAT, BEARER, ASK_JSON);
    upstream_answers(g, 200, ANSWER);
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    client_close(c);
    gate_close(g);
}

static void what_goes_upstream_is_chosen(void **state)
{
    struct gate *g = gate_open(GOOD KEYS);
    struct client *c = client_open(g);
    (void) state;
    client_post(c, CHAT, BEARER "OpenAI-Beta: a=1\r\nCookie: b\r\nTraceParent: 00-1\r\n", ASK_JSON);
    assert_string_equal(script_latest(&g->script)->headers,
                        "OpenAI-Beta: a=1\nTraceParent: 00-1\n");
    assert_null(strstr(script_latest(&g->script)->body, SECRET));
    client_close(c);
    gate_close(g);
}

/* ---- a client that is slow, or leaves ---- */

static void a_slow_client_pauses_its_upstream(void **state)
{
    enum { ROUNDS = 400 };
    struct gate *g = gate_open("limits: {stream_buffer: 4KiB}\n" GOOD);
    struct client *c = client_from(g, "127.0.0.1", true);
    struct transfer *t;
    unsigned said = 0;
    (void) state;
    client_chat(c, ASK_STREAM);
    t = script_latest(&g->script);
    upstream_begins(g);
    while (said < ROUNDS && script_body(&g->script, WORD("0123456789")) == TRANSFER_OK) {
        said++;
        gate_settle(g);
    }
    assert_true(said > 10 && said < ROUNDS);
    gate_settle(g);
    assert_false(t->resumed);
    assert_int_equal(upstream_says(g, WORD("not taken")), TRANSFER_PAUSE);
    for (unsigned i = 0; i < 100 && !t->resumed; i++) {
        client_hear(c);
        gate_settle(g);
    }
    assert_true(t->resumed);
    assert_int_equal(upstream_says(g, WORD("taken")), TRANSFER_OK);
    client_hear(c);
    assert_null(strstr(c->got, "not taken"));
    assert_non_null(strstr(c->got, "\"taken\""));
    client_close(c);
    gate_close(g);
}

static void who_leaves_cancels_in_the_same_turn(void **state)
{
    static const char *const asks[] = {ASK_JSON, ASK_STREAM};
    struct gate *g = gate_open(GOOD);
    char log[2048];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        struct client *c = client_open(g);
        client_chat(c, asks[i]); /* and the upstream is silent */
        assert_false(script_latest(&g->script)->cancelled);
        shutdown(c->fd, SHUT_RDWR);
        gate_turn(g);
        assert_true(script_latest(&g->script)->cancelled);
        assert_false(script_latest(&g->script)->drained);
        client_close(c);
    }
    struct client *c = client_open(g);
    struct reply r;
    client_chat_to_word(c, &r);
    shutdown(c->fd, SHUT_RDWR);
    gate_turn(g);
    assert_true(script_latest(&g->script)->cancelled);
    client_close(c);
    gate_read_log(g, log, sizeof(log));
    const char *at = log;
    for (unsigned i = 0; i < 3; i++) {
        at = strstr(at, "client_gone");
        assert_non_null(at++);
    }
    assert_null(strstr(at, "client_gone"));
    gate_close(g);
}

static void an_upstream_that_crashes_on_a_cut_is_drained(void **state)
{
    struct gate *g = gate_open(UPSTREAM("url: \"http://127.0.0.1:1/v1\", on_abandon: drain"));
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat_to_word(c, &r);
    client_close(c);
    assert_true(script_latest(&g->script)->drained);
    gate_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_answer_is_the_upstreams_but_for_two_names),
        cmocka_unit_test(other_endpoints_have_other_ids),
        cmocka_unit_test(a_stream_is_passed_event_by_event),
        cmocka_unit_test(usage_is_for_those_who_asked),
        cmocka_unit_test(an_upstreams_id_that_is_no_header_stays_out),
        cmocka_unit_test(a_task_is_named_in_the_head),
        cmocka_unit_test(a_fallback_says_that_it_is_one),
        cmocka_unit_test(a_silent_stream_has_a_heartbeat),
        cmocka_unit_test(content_puts_the_heartbeat_off),
        cmocka_unit_test(heartbeats_are_for_streams_and_may_be_off),
        cmocka_unit_test(before_the_commit_a_failure_is_an_http_error),
        cmocka_unit_test(after_content_a_failure_is_an_event),
        cmocka_unit_test(after_a_heartbeat_a_failure_is_an_event),
        cmocka_unit_test(the_deadline_of_the_request_ends_it),
        cmocka_unit_test(requests_that_cannot_be_served_reach_no_upstream),
        cmocka_unit_test(a_key_reaches_the_models_of_its_list),
        cmocka_unit_test(what_goes_upstream_is_chosen),
        cmocka_unit_test(a_slow_client_pauses_its_upstream),
        cmocka_unit_test(who_leaves_cancels_in_the_same_turn),
        cmocka_unit_test(an_upstream_that_crashes_on_a_cut_is_drained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
