/* A session: heads and bodies as they come, one reply after the other, deadlines, and how it ends. */
#include "tests/unit/gateway_chat.h"

static const char health[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";

static void expect_reply(struct client *c, int status)
{
    struct reply r;
    client_reply(c, &r);
    assert_int_equal(r.status, status);
}

/* The only reply that comes, an error with this code, then the close. */
static void expect_last(struct client *c, int status, const char *code)
{
    struct reply r;
    char member[64];
    client_reply(c, &r);
    assert_int_equal(r.status, status);
    snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
    assert_non_null(strstr(r.body, member));
    assert_true(reply_says(&r, "connection", "close"));
    client_expect_silence(c, false);
}

/* ---- one after the other ---- */

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    char text[1024];
    (void) state;
    snprintf(text, sizeof(text),
             "POST " CHAT " HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n" ASK_JSON "%s%s",
             strlen(ASK_JSON), health, "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n");
    client_say(c, text);
    client_expect_silence(c, true); /* the quick ones wait for the first */
    upstream_answers(g, 200, ANSWER);
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "Hello"));
    client_reply(c, &r);
    assert_string_equal(r.body, "ok\n");
    expect_reply(c, 404);
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    char text[512];
    (void) state;
    int n = snprintf(text, sizeof(text),
                     "POST /v1/embeddings HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}%s",
                     health);
    for (int i = 0; i < n; i++) {
        client_say_bytes(c, text + i, 1);
    }
    expect_reply(c, 400); /* no model */
    expect_reply(c, 200);
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

static void a_chunked_body_ends_where_its_framing_ends(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    (void) state;
    client_say(c, "POST " CHAT " HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                  "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    client_say(c, health);
    expect_reply(c, 400);
    expect_reply(c, 200);
    client_say(c, "POST " CHAT " HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n");
    client_say(c, health);
    expect_last(c, 400, "bad_http");
    client_close(c);
    gate_close(g);
}

static void a_client_that_floods_is_cut_off(void **state)
{
    static char zeroes[16 * 1024 + 1];
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    (void) state;
    client_chat(c, ASK_JSON);
    client_say_bytes(c, zeroes, sizeof(zeroes) - 1);
    assert_false(script_latest(&g->script)->cancelled);
    client_say_bytes(c, zeroes, 1);
    assert_true(script_latest(&g->script)->cancelled);
    assert_int_equal(g->server.session_count, 0);
    assert_int_equal(g->server.conns.closed[CONN_FLOOD], 1);
    client_close(c);
    gate_close(g);
}

/* ---- persistence ---- */

static void an_idle_connection_ends_after_keep_alive(void **state)
{
    struct gate *g = gate_open(GOOD "timeouts: {keep_alive: 75s}\n");
    struct client *c = client_open(g);
    struct client *mute = client_open(g);
    (void) state;
    gate_wait_us(g, 70u * S);
    client_say(c, health);
    expect_reply(c, 200);
    gate_wait_us(g, 5u * S);
    client_expect_silence(mute, false); /* it never said a word */
    gate_wait_us(g, 70u * S - 1);
    client_expect_silence(c, true); /* counted anew from its reply */
    gate_wait_us(g, 1);
    client_expect_silence(c, false);
    client_close(c);
    client_close(mute);
    assert_int_equal(g->server.conns.closed[CONN_IDLE], 2);
    gate_close(g);
}

static void who_wants_a_close_gets_one(void **state)
{
    static const struct {
        const char *request, *connection;
        bool stays;
    } rows[] = {
        {"GET /healthz HTTP/1.1\r\n" HOST "\r\n", NULL, true},
        {"GET /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "close", false},
        {"GET /healthz HTTP/1.0\r\n\r\n", "close", false},
        {"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", true},
    };
    struct gate *g = gate_open(GOOD);
    struct reply r;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client *c = client_open(g);
        client_say(c, rows[i].request);
        client_reply(c, &r);
        assert_int_equal(r.status, 200);
        assert_int_equal(reply_value(&r, "connection") != NULL, rows[i].connection != NULL);
        assert_true(!rows[i].connection || reply_says(&r, "connection", rows[i].connection));
        client_expect_silence(c, rows[i].stays);
        client_close(c);
    }
    gate_close(g);
}

static void head_gets_the_length_and_no_body(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_say(c, "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n");
    client_reply_to(c, &r, true);
    assert_true(reply_says(&r, "content-length", "3"));
    client_expect_silence(c, true);
    client_say(c, "HEAD /v1/nothing HTTP/1.1\r\n" HOST "\r\n");
    client_reply_to(c, &r, true);
    assert_int_equal(r.status, 404);
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

/* ---- deadlines ---- */

static void a_head_must_come_whole_in_time(void **state)
{
    struct gate *g = gate_open(GOOD "timeouts: {head: 10s}\n");
    struct client *c = client_open(g);
    (void) state;
    gate_wait_us(g, 30u * S);
    client_say(c, "GET /healthz");
    gate_wait_us(g, 9u * S);
    client_say(c, " HTTP/1.1\r\nHost"); /* a dribble gets no more time */
    gate_wait_us(g, 1u * S - 1);
    client_expect_silence(c, true);
    gate_wait_us(g, 1);
    expect_last(c, 408, "bad_http");
    client_close(c);
    gate_close(g);
}

#define BEGUN_BODY "POST " CHAT " HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n{"

static void each_byte_of_a_body_is_waited_for(void **state)
{
    struct gate *g = gate_open(GOOD "timeouts: {body: 30s}\n");
    struct client *c = client_open(g);
    (void) state;
    client_say(c, BEGUN_BODY);
    for (unsigned i = 0; i < 5; i++) {
        gate_wait_us(g, 30u * S - 1);
        client_say(c, " ");
    }
    client_expect_silence(c, true);
    gate_wait_us(g, 30u * S);
    expect_last(c, 408, "request_timeout");
    client_close(c);
    gate_close(g);
}

static void a_body_gets_no_longer_than_its_request(void **state)
{
    struct gate *g = gate_open(GOOD "timeouts: {body: 30s, request: 50s}\n");
    struct client *c = client_open(g);
    (void) state;
    client_say(c, BEGUN_BODY);
    gate_wait_us(g, 25u * S);
    client_say(c, " ");
    gate_wait_us(g, 25u * S - 1);
    client_expect_silence(c, true);
    gate_wait_us(g, 1);
    expect_last(c, 408, "request_timeout");
    client_close(c);
    gate_close(g);
}

static void a_busy_session_has_no_deadline_of_its_own(void **state)
{
    struct gate *g = gate_open(GOOD "timeouts: {head: 1s, body: 1s, keep_alive: 1s}\n");
    struct client *c = client_open(g);
    (void) state;
    client_chat(c, ASK_JSON);
    gate_wait_us(g, 20u * S);
    client_expect_silence(c, true);
    upstream_answers(g, 200, ANSWER);
    expect_reply(c, 200);
    client_close(c);
    gate_close(g);
}

/* ---- bodies that are announced, refused, or not for us ---- */

static void say_expecting(struct client *c, const char *path, const char *length)
{
    char text[256];
    snprintf(text, sizeof(text),
             "POST %s HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: %s\r\n\r\n", path,
             length);
    client_say(c, text);
}

static void a_body_that_is_wanted_is_asked_for(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    say_expecting(c, CHAT, "2");
    assert_string_equal(c->got, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(client_take_head(c, &r));
    client_say(c, "{}");
    expect_reply(c, 400);
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

static void a_body_that_is_refused_is_not_asked_for(void **state)
{
    struct gate *g = gate_open("limits: {body: 1KiB}\n" GOOD);
    (void) state;
    struct client *c = client_open(g);
    say_expecting(c, "/v1/nothing", "2");
    expect_last(c, 404, "unknown_url");
    client_close(c);
    c = client_open(g);
    say_expecting(c, CHAT, "1025");
    expect_last(c, 413, "request_too_large");
    client_close(c);
    gate_close(g);
}

static void a_small_refused_body_is_read_away(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    (void) state;
    client_say(c, "POST /v1/nothing HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n");
    client_expect_silence(c, true); /* answered once the body is there */
    char *body = calloc(1, 65536);
    assert_non_null(body);
    client_say_bytes(c, body, 65536);
    free(body);
    client_say(c, health);
    expect_reply(c, 404);
    expect_reply(c, 200); /* not taken for a part of the body, nor the body for a request */
    client_expect_silence(c, true);
    client_close(c);
    gate_close(g);
}

static void other_refused_bodies_end_the_connection(void **state)
{
    static const char *const framing[] = {"Content-Length: 65537", "Transfer-Encoding: chunked"};
    struct gate *g = gate_open(GOOD);
    char text[256];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(framing); i++) {
        struct client *c = client_open(g);
        snprintf(text, sizeof(text), "POST /v1/nothing HTTP/1.1\r\n" HOST "%s\r\n\r\n%s",
                 framing[i], health);
        client_say(c, text);
        expect_last(c, 404, "unknown_url");
        client_close(c);
    }
    gate_close(g);
}

static void a_body_where_none_is_taken_is_bounded(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    (void) state;
    client_say(c, "GET /healthz HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd");
    expect_reply(c, 200);
    client_say(c, "GET /healthz HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n");
    expect_last(c, 413, "request_too_large");
    client_close(c);
    gate_close(g);
}

static void bytes_that_are_no_request_are_refused_and_end_it(void **state)
{
    static const struct {
        const char *bytes;
        int status;
    } rows[] = {
        {"\x16\x03\x01 no http\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: br\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: tea\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
    };
    struct gate *g = gate_open(GOOD);
    char text[256];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client *c = client_open(g);
        snprintf(text, sizeof(text), "%s%s", rows[i].bytes, health);
        client_say(c, text);
        expect_last(c, rows[i].status, "bad_http");
        client_close(c);
    }
    gate_close(g);
}

static void an_endless_head_is_refused(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    char *head = malloc(HTTP1_HEAD_MAX);
    (void) state;
    assert_non_null(head);
    memset(head, 'a', HTTP1_HEAD_MAX);
    memcpy(head, "GET /", 5);
    client_say_bytes(c, head, HTTP1_HEAD_MAX - 1);
    client_expect_silence(c, true);
    client_say_bytes(c, head, 2);
    expect_last(c, 431, "bad_http");
    free(head);
    client_close(c);
    gate_close(g);
}

/* ---- ends ---- */

static void a_client_that_leaves_in_its_body_leaves_nothing(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    char log[2048];
    (void) state;
    client_say(c, BEGUN_BODY);
    client_close(c);
    assert_int_equal(g->server.session_count, 0);
    gate_read_log(g, log, sizeof(log));
    assert_non_null(strstr(log, "client_gone"));
    gate_close(g);
}

static void draining_closes_the_idle_and_lets_others_finish(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *idle = client_open(g);
    struct client *half = client_open(g);
    struct client *busy = client_open(g);
    struct reply r;
    (void) state;
    client_say(half, "GET /hea");
    client_chat(busy, ASK_JSON);
    server_drain(&g->server, gate_on_drained, g);
    gate_settle(g);
    client_expect_silence(idle, false);
    client_expect_silence(half, false);
    client_expect_silence(busy, true);
    assert_int_equal(g->drained, 0);
    upstream_answers(g, 200, ANSWER);
    client_reply(busy, &r);
    assert_int_equal(r.status, 200);
    assert_true(reply_says(&r, "connection", "close")); /* nobody may ask here again */
    client_expect_silence(busy, false);
    assert_int_equal(g->drained, 1);
    client_close(idle);
    client_close(half);
    client_close(busy);
    gate_close(g);
}

static void time_that_is_up_ends_what_is_under_way(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *idle = client_open(g);
    struct client *whole = client_open(g);
    struct client *stream = client_open(g);
    struct reply r;
    (void) state;
    client_chat_to_word(stream, &r);
    client_chat(whole, ASK_JSON);
    server_abort(&g->server);
    gate_settle(g);
    assert_true(g->script.transfers[0].cancelled);
    assert_true(g->script.transfers[1].cancelled);
    client_expect_silence(idle, false);
    expect_last(whole, 503, "shutting_down");
    assert_true(client_chunks(stream, &r));
    assert_non_null(strstr(r.body, "\"code\":\"shutting_down\""));
    assert_null(strstr(r.body, "[DONE]"));
    client_expect_silence(stream, false);
    client_close(idle);
    client_close(whole);
    client_close(stream);
    gate_close(g);
}

/* A client may have sent its next request before it saw the error. */
static void after_a_failed_stream_one_second_is_left(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *asks = client_open(g);
    struct client *waits = client_open(g);
    struct reply r;
    (void) state;
    struct client *const both[] = {asks, waits};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        client_chat_to_word(both[i], &r);
        upstream_ends(g, TRANSFER_CUT);
        assert_true(client_chunks(both[i], &r));
    }
    client_say(asks, health);
    expect_reply(asks, 200);
    gate_wait_us(g, 1u * S - 1);
    client_expect_silence(waits, true);
    gate_wait_us(g, 1);
    client_expect_silence(waits, false);
    client_expect_silence(asks, true);
    client_close(asks);
    client_close(waits);
    gate_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_request_may_come_byte_by_byte),
        cmocka_unit_test(a_chunked_body_ends_where_its_framing_ends),
        cmocka_unit_test(a_client_that_floods_is_cut_off),
        cmocka_unit_test(an_idle_connection_ends_after_keep_alive),
        cmocka_unit_test(who_wants_a_close_gets_one),
        cmocka_unit_test(head_gets_the_length_and_no_body),
        cmocka_unit_test(a_head_must_come_whole_in_time),
        cmocka_unit_test(each_byte_of_a_body_is_waited_for),
        cmocka_unit_test(a_body_gets_no_longer_than_its_request),
        cmocka_unit_test(a_busy_session_has_no_deadline_of_its_own),
        cmocka_unit_test(a_body_that_is_wanted_is_asked_for),
        cmocka_unit_test(a_body_that_is_refused_is_not_asked_for),
        cmocka_unit_test(a_small_refused_body_is_read_away),
        cmocka_unit_test(other_refused_bodies_end_the_connection),
        cmocka_unit_test(a_body_where_none_is_taken_is_bounded),
        cmocka_unit_test(bytes_that_are_no_request_are_refused_and_end_it),
        cmocka_unit_test(an_endless_head_is_refused),
        cmocka_unit_test(a_client_that_leaves_in_its_body_leaves_nothing),
        cmocka_unit_test(draining_closes_the_idle_and_lets_others_finish),
        cmocka_unit_test(time_that_is_up_ends_what_is_under_way),
        cmocka_unit_test(after_a_failed_stream_one_second_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
