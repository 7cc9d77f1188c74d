/* The limits of an API key around a request: what the reply says of them, what is refused, what the
 * end of a request gives back. */
#include "tests/unit/gateway_chat.h"

#define KEY(limits) GOOD "keys: [{name: a, sha256: " SECRET_SHA256 ", " limits "}]\n"
#define BEARER "Authorization: Bearer " SECRET "\r\n"

static void ask(struct client *c)
{
    client_post(c, CHAT, BEARER, ASK_JSON);
}

static void ask_and_get(struct client *c, struct reply *r)
{
    ask(c);
    upstream_answers(c->gate, 200, ANSWER);
    client_reply(c, r);
    assert_int_equal(r->status, 200);
}

static uint64_t number_of(const struct reply *r, const char *name)
{
    assert_non_null(reply_value(r, name));
    return strtoul(reply_value(r, name), NULL, 10);
}

static void expect_refusal(struct client *c, const char *type, struct reply *r)
{
    char member[64];
    client_reply(c, r);
    assert_int_equal(r->status, 429);
    snprintf(member, sizeof(member), "\"type\":\"%s\"", type);
    assert_non_null(strstr(r->body, member));
    assert_non_null(strstr(r->body, "\"code\":\"rate_limit_exceeded\""));
    assert_true(number_of(r, "retry-after") >= 1);
}

static void requests_are_counted_and_come_back(void **state)
{
    struct gate *g = gate_open(KEY("requests_per_minute: 2"));
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    ask_and_get(c, &r);
    assert_int_equal(number_of(&r, "x-ratelimit-limit-requests"), 2);
    assert_int_equal(number_of(&r, "x-ratelimit-remaining-requests"), 1);
    assert_non_null(strstr(reply_value(&r, "x-ratelimit-reset-requests"), "ms\r"));
    assert_null(reply_value(&r, "x-ratelimit-limit-tokens")); /* which has no limit */
    ask_and_get(c, &r);
    assert_int_equal(number_of(&r, "x-ratelimit-remaining-requests"), 0);
    ask(c);
    expect_refusal(c, "requests", &r);
    assert_int_equal(number_of(&r, "x-ratelimit-remaining-requests"), 0);
    assert_int_equal(g->script.count, 2);
    gate_wait_us(g, number_of(&r, "retry-after-ms") * MS);
    ask_and_get(c, &r);
    client_close(c);
    gate_close(g);
}

static void what_is_under_way_counts_until_it_ends(void **state)
{
    struct gate *g = gate_open(KEY("max_in_flight: 1"));
    struct client *first = client_open(g);
    struct client *second = client_open(g);
    struct reply r;
    (void) state;
    ask(first);
    ask(second);
    expect_refusal(second, "requests", &r);
    upstream_answers(g, 200, ANSWER);
    client_reply(first, &r);
    ask_and_get(second, &r);
    ask(first);
    client_close(first); /* one that leaves makes room too */
    ask_and_get(second, &r);
    client_post(second, CHAT, BEARER,
                "{\"model\":\"x\"," MESSAGES "}"); /* one that never ran too */
    client_reply(second, &r);
    assert_int_equal(r.status, 404);
    ask_and_get(second, &r);
    client_close(second);
    gate_close(g);
}

/* The estimate of ASK_JSON is larger than the 5 tokens that ANSWER reports. */
static void tokens_are_corrected_at_the_end(void **state)
{
    struct gate *g = gate_open(KEY("tokens_per_minute: 100000"));
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    ask_and_get(c, &r);
    assert_int_equal(number_of(&r, "x-ratelimit-limit-tokens"), 100000);
    uint64_t estimate = 100000 - number_of(&r, "x-ratelimit-remaining-tokens");
    assert_true(estimate > 5);
    ask_and_get(c, &r);
    assert_int_equal(number_of(&r, "x-ratelimit-remaining-tokens"), 100000 - 5 - estimate);
    client_close(c);
    gate_close(g);
}

static void what_reached_no_model_costs_no_tokens(void **state)
{
    struct gate *g = gate_open(UPSTREAM("url: \"http://127.0.0.1:1/v1\", retries: 0") //
                               "keys: [{name: a, sha256: " SECRET_SHA256
                               ", tokens_per_minute: 100000}]\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    ask(c);
    upstream_ends(g, TRANSFER_CONNECT);
    client_reply(c, &r);
    uint64_t left = number_of(&r, "x-ratelimit-remaining-tokens"); /* its own are taken from it */
    ask_and_get(c, &r);
    assert_int_equal(number_of(&r, "x-ratelimit-remaining-tokens"), left);
    client_close(c);
    gate_close(g);
}

static void an_answer_without_usage_costs_the_estimate(void **state)
{
    struct gate *g = gate_open(KEY("tokens_per_minute: 100000"));
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    ask(c);
    upstream_answers(g, 200,
                     "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                     "\"Hello\"},\"finish_reason\":\"stop\"}]}");
    client_reply(c, &r);
    uint64_t estimate = 100000 - number_of(&r, "x-ratelimit-remaining-tokens");
    ask_and_get(c, &r);
    assert_int_equal(number_of(&r, "x-ratelimit-remaining-tokens"), 100000 - 2 * estimate);
    client_close(c);
    gate_close(g);
}

static void too_many_tokens_are_refused(void **state)
{
    struct gate *g = gate_open(KEY("tokens_per_minute: 6"));
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    for (unsigned i = 0; i < 20; i++) {
        ask(c);
        if (g->script.count == i) {
            break;
        }
        upstream_answers(g, 200, ANSWER);
        client_reply(c, &r);
    }
    expect_refusal(c, "tokens", &r);
    client_close(c);
    gate_close(g);
}

static void without_a_key_there_is_no_limit(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    ask_and_get(c, &r);
    assert_null(strstr(r.head, "x-ratelimit"));
    client_close(c);
    gate_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_and_come_back),
        cmocka_unit_test(what_is_under_way_counts_until_it_ends),
        cmocka_unit_test(tokens_are_corrected_at_the_end),
        cmocka_unit_test(what_reached_no_model_costs_no_tokens),
        cmocka_unit_test(an_answer_without_usage_costs_the_estimate),
        cmocka_unit_test(too_many_tokens_are_refused),
        cmocka_unit_test(without_a_key_there_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
