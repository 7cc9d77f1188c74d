/* What a handler says to the client: heads, framing, failures, compression, streams. */
#include "gateway/gzip.h"
#include "gateway/reply.h"
#include "tests/unit/gateway_stage.h"

#include <event2/buffer.h>

#define OK_TEXT "text/plain"

static void add_stream(struct exchange *x, const char *text)
{
    assert_int_equal(evbuffer_add(reply_stream(x), text, strlen(text)), 0);
}

/* ---- whole replies ---- */

static void a_reply_says_what_every_reply_says(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_get(s, "X-Client-Request-Id: mine-1\r\n");
    struct reply r;
    char id[64];
    (void) state;
    snprintf(id, sizeof(id), "%s", exchange_id(x));
    assert_false(reply_is_committed(x));
    reply_whole(x, 200, OK_TEXT, SLICE_LIT("hello"));
    assert_true(reply_is_committed(x));
    stage_reply(s, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    assert_true(reply_says(&r, "content-type", OK_TEXT));
    assert_true(reply_says(&r, "content-length", "5"));
    assert_true(reply_says(&r, "date", "Thu, 01 Jan 1970 00:00:01 GMT"));
    assert_true(reply_says(&r, "x-request-id", id));
    assert_true(reply_says(&r, "x-client-request-id", "mine-1"));
    assert_null(reply_value(&r, "connection"));
    assert_null(reply_value(&r, "access-control-allow-origin"));
    stage_close(s);
}

static void headers_are_copied_and_keep_their_order(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_get(s, "");
    struct reply r;
    char value[] = "one";
    (void) state;
    reply_header(x, "x-first", value);
    value[0] = '?';
    reply_header_u64(x, "x-second", UINT64_MAX);
    reply_whole(x, 200, OK_TEXT, SLICE_NONE);
    stage_reply(s, &r);
    assert_non_null(strstr(r.head, "\nx-first: one\r\nx-second: 18446744073709551615\r\n"));
    assert_true(reply_says(&r, "content-length", "0"));
    stage_close(s);
}

static void pieces_are_one_body(void **state)
{
    const struct slice pieces[] = {SLICE_LIT("a"), SLICE_NONE, SLICE_LIT("bc"), SLICE_LIT("d")};
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    reply_pieces(stage_get(s, ""), 201, OK_TEXT, pieces, ARRAY_LEN(pieces));
    stage_reply(s, &r);
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "abcd");
    stage_close(s);
}

static void no_content_has_no_length(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    reply_whole(stage_get(s, ""), 204, NULL, SLICE_NONE);
    stage_reply(s, &r);
    assert_int_equal(r.status, 204);
    assert_null(reply_value(&r, "content-length"));
    assert_null(reply_value(&r, "content-type"));
    client_expect_silence(s->client, true);
    stage_close(s);
}

static void there_is_one_reply(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_get(s, "");
    const struct failure f = {.reason = END_INTERNAL, .status = 500, .message = "late"};
    struct reply r;
    (void) state;
    reply_whole(x, 200, OK_TEXT, SLICE_LIT("first"));
    reply_whole(x, 200, OK_TEXT, SLICE_LIT("second"));
    reply_failure(x, &f);
    reply_stream_begin(x);
    reply_stream_end(x);
    stage_reply(s, &r);
    assert_string_equal(r.body, "first");
    client_expect_silence(s->client, true);
    stage_close(s);
}

static void pages_of_allowed_origins_may_read_it(void **state)
{
    struct stage *s = stage_open("cors: [\"https://app.example\"]\n"
                                 "keys: [{name: a, sha256: " SECRET_SHA256 "}]\n" GOOD);
    struct reply r;
    (void) state;
    reply_whole(stage_get(s, "Origin: https://app.example\r\n"), 200, OK_TEXT, SLICE_NONE);
    stage_reply(s, &r);
    assert_true(reply_says(&r, "access-control-allow-origin", "https://app.example"));
    assert_true(reply_says(&r, "vary", "origin"));
    assert_non_null(strstr(reply_value(&r, "access-control-expose-headers"), "x-request-id"));
    reply_whole(stage_get(s, "Origin: https://app.example.org\r\n"), 200, OK_TEXT, SLICE_NONE);
    stage_reply(s, &r);
    assert_null(reply_value(&r, "access-control-allow-origin"));
    stage_close(s);
}

/* ---- compression ---- */

static void expect_packing(struct stage *s, const char *headers, size_t length, bool packed)
{
    static const char pattern[] = "0123456789 ";
    char *text = malloc(length);
    char *unpacked = NULL;
    size_t n = 0;
    struct reply r;
    assert_non_null(text);
    for (size_t i = 0; i < length; i++) {
        text[i] = pattern[i % 11];
    }
    reply_whole(stage_get(s, headers), 200, JSON, (struct slice) {text, length});
    stage_reply(s, &r);
    assert_int_equal(reply_says(&r, "content-encoding", "gzip"), packed);
    assert_int_equal(reply_says(&r, "vary", "accept-encoding"), packed);
    if (packed) {
        assert_true(r.length < length);
        assert_int_equal(gzip_unpack((struct slice) {r.body, r.length}, 1 << 20, &unpacked, &n),
                         ERR_NONE);
        assert_int_equal(n, length);
        assert_memory_equal(unpacked, text, length);
        free(unpacked);
    } else {
        assert_int_equal(r.length, length);
        assert_memory_equal(r.body, text, length);
    }
    free(text);
}

#define TAKES_GZIP "Accept-Encoding: br, gzip\r\n"

static void whole_replies_are_packed_where_it_pays(void **state)
{
    struct stage *s = stage_open(GOOD);
    (void) state;
    expect_packing(s, TAKES_GZIP, 1023, false);
    expect_packing(s, TAKES_GZIP, 1024, true);
    expect_packing(s, TAKES_GZIP, 100 * 1024, true);
    expect_packing(s, "", 2048, false);
    expect_packing(s, "Accept-Encoding: gzip;q=0\r\n", 2048, false);
    stage_close(s);
}

/* Packing would hold up every other client. */
static void very_long_replies_are_not_packed(void **state)
{
    enum { LONG = 512 * 1024 + 1 };
    struct stage *s = stage_open(GOOD);
    char *text = calloc(1, LONG);
    struct reply r;
    (void) state;
    assert_non_null(text);
    struct exchange *x = stage_request(s, "HEAD /free HTTP/1.1\r\n" HOST TAKES_GZIP "\r\n");
    reply_whole(x, 200, JSON, (struct slice) {text, LONG});
    gate_settle(s->gate);
    client_reply_to(s->client, &r, true);
    assert_true(reply_says(&r, "content-length", "524289"));
    assert_null(reply_value(&r, "content-encoding"));
    client_expect_silence(s->client, true);
    free(text);
    stage_close(s);
}

static void head_tells_the_packed_length(void **state)
{
    static const char text[2048];
    struct stage *s = stage_open(GOOD);
    struct reply of_get, of_head;
    (void) state;
    reply_whole(stage_get(s, TAKES_GZIP), 200, JSON, (struct slice) {text, sizeof(text)});
    stage_reply(s, &of_get);
    struct exchange *x = stage_request(s, "HEAD /free HTTP/1.1\r\n" HOST TAKES_GZIP "\r\n");
    reply_whole(x, 200, JSON, (struct slice) {text, sizeof(text)});
    gate_settle(s->gate);
    client_reply_to(s->client, &of_head, true);
    assert_true(reply_says(&of_head, "content-encoding", "gzip"));
    assert_int_equal(strtoul(reply_value(&of_head, "content-length"), NULL, 10), of_get.length);
    client_expect_silence(s->client, true);
    stage_close(s);
}

/* ---- failures ---- */

static void expect_error(struct stage *s, const struct failure *f, struct reply *r,
                         const char *json)
{
    reply_failure(stage_get(s, ""), f);
    stage_reply(s, r);
    assert_int_equal(r->status, f->status);
    assert_true(reply_says(r, "content-type", "application/json"));
    assert_string_equal(r->body, json);
}

static void an_error_has_all_four_members(void **state)
{
    const struct failure full = {.reason = END_BAD_REQUEST,
                                 .status = 400,
                                 .message = "say \"please\"\n",
                                 .type = "invalid_request_error",
                                 .param = "model",
                                 .code = "rude"};
    const struct failure bare = {.reason = END_INTERNAL, .status = 500};
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    expect_error(s, &full, &r,
                 "{\"error\":{\"message\":\"say \\\"please\\\"\\n\",\"type\":"
                 "\"invalid_request_error\",\"param\":\"model\",\"code\":\"rude\"}}");
    assert_null(reply_value(&r, "retry-after"));
    assert_null(reply_value(&r, "x-should-retry"));
    expect_error(s, &bare, &r,
                 "{\"error\":{\"message\":\"\",\"type\":null,\"param\":null,\"code\":null}}");
    stage_close(s);
}

static void a_provider_keeps_its_words(void **state)
{
    const struct failure f = {.reason = END_UPSTREAM_STATUS,
                              .status = 429,
                              .message = "ours",
                              .type = "our_type",
                              .param = "ours",
                              .code = "ours",
                              .message_json = SLICE_LIT("\"theirs \\u00e9\""),
                              .code_json = SLICE_LIT("1305")};
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    expect_error(s, &f, &r,
                 "{\"error\":{\"message\":\"theirs \\u00e9\",\"type\":null,\"param\":null,"
                 "\"code\":1305}}");
    stage_close(s);
}

static void what_a_provider_left_out_is_null(void **state)
{
    const struct failure f = {.reason = END_UPSTREAM_STATUS,
                              .status = 400,
                              .param = "ours",
                              .code = "ours",
                              .message_json = SLICE_LIT("\"theirs\""),
                              .type_json = SLICE_LIT("\"their_type\"")};
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    expect_error(s, &f, &r,
                 "{\"error\":{\"message\":\"theirs\",\"type\":\"their_type\",\"param\":null,"
                 "\"code\":null}}");
    stage_close(s);
}

static void a_failure_says_when_to_come_back(void **state)
{
    const struct failure f = {.reason = END_OVERLOADED,
                              .status = 503,
                              .message = "busy",
                              .retry_after_us = 1500001,
                              .no_retry = true};
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    reply_failure(stage_get(s, ""), &f);
    stage_reply(s, &r);
    assert_true(reply_says(&r, "retry-after", "2"));
    assert_true(reply_says(&r, "retry-after-ms", "1501"));
    assert_true(reply_says(&r, "x-should-retry", "false"));
    stage_close(s);
}

/* ---- streams ---- */

static void a_stream_goes_out_turn_by_turn(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_get(s, TAKES_GZIP);
    struct reply r;
    (void) state;
    reply_stream_begin(x);
    add_stream(x, "a");
    assert_int_equal(reply_stream_flush(x), SINK_OK);
    add_stream(x, "b");
    assert_int_equal(reply_stream_flush(x), SINK_OK);
    client_expect_silence(s->client, true);
    gate_settle(s->gate);
    assert_true(client_take_head(s->client, &r));
    assert_int_equal(r.status, 200);
    assert_true(reply_says(&r, "content-type", STREAM));
    assert_true(reply_says(&r, "cache-control", "no-cache"));
    assert_true(reply_says(&r, "transfer-encoding", "chunked"));
    assert_null(reply_value(&r, "content-encoding"));   /* only with `compress: streams` */
    assert_string_equal(s->client->got, "2\r\nab\r\n"); /* one chunk a turn */
    assert_int_equal(s->gate->server.stream_count, 1);
    add_stream(x, "c");
    reply_stream_end(x);
    gate_settle(s->gate);
    client_hear(s->client);
    assert_string_equal(s->client->got, "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    assert_true(client_chunks(s->client, &r));
    assert_int_equal(s->gate->server.stream_count, 0);
    reply_whole(stage_get(s, ""), 200, OK_TEXT, SLICE_LIT("next"));
    stage_reply(s, &r);
    assert_string_equal(r.body, "next");
    stage_close(s);
}

static const struct failure broken = {.reason = END_CUT,
                                      .status = 502,
                                      .type = "server_error",
                                      .code = "upstream_cut",
                                      .message = "it broke off"};

#define BROKEN_EVENT                                                                               \
    "data: {\"error\":{\"message\":\"it broke off\",\"type\":\"server_error\",\"param\":null,"     \
    "\"code\":\"upstream_cut\"}}\n\n"

static void an_aborted_stream_ends_with_the_error(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_get(s, "");
    struct reply r;
    char log[1024];
    (void) state;
    reply_stream_begin(x);
    add_stream(x, "data: 1\n\n");
    reply_stream_abort(x, &broken);
    stage_reply(s, &r); /* the framing is whole */
    assert_string_equal(r.body, "data: 1\n\n" BROKEN_EVENT);
    gate_wait_us(s->gate, 1u * S);
    client_expect_silence(s->client, false);
    gate_read_log(s->gate, log, sizeof(log));
    assert_non_null(strstr(log, "upstream_cut"));
    stage_close(s);
}

static void http_1_0_gets_a_stream_without_chunks(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_request(s, "GET /free HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct reply r;
    (void) state;
    reply_stream_begin(x);
    add_stream(x, "data: 1\n\n");
    assert_int_equal(reply_stream_flush(x), SINK_OK);
    gate_settle(s->gate);
    add_stream(x, "data: 2\n\n");
    reply_stream_abort(x, &broken);
    stage_reply(s, &r); /* to the close, which is its end */
    assert_null(reply_value(&r, "transfer-encoding"));
    assert_true(reply_says(&r, "connection", "close"));
    assert_string_equal(r.body, "data: 1\n\ndata: 2\n\n" BROKEN_EVENT);
    stage_close(s);
}

static void streams_are_packed_where_it_is_wanted(void **state)
{
    struct stage *s = stage_open("compress: streams\n" GOOD);
    struct exchange *x = stage_get(s, TAKES_GZIP);
    char *text = NULL;
    size_t n = 0;
    struct reply r;
    (void) state;
    reply_stream_begin(x);
    add_stream(x, "data: 1\n\n");
    assert_int_equal(reply_stream_flush(x), SINK_OK);
    gate_settle(s->gate);
    assert_true(client_take_head(s->client, &r));
    assert_true(reply_says(&r, "content-encoding", "gzip"));
    assert_false(client_chunks(s->client, &r));
    assert_true(r.length > 0); /* an event does not wait for the next */
    add_stream(x, "data: 2\n\n");
    reply_stream_end(x);
    gate_settle(s->gate);
    assert_true(client_chunks(s->client, &r));
    assert_int_equal(gzip_unpack((struct slice) {r.body, r.length}, 1024, &text, &n), ERR_NONE);
    assert_int_equal(n, 18);
    assert_memory_equal(text, "data: 1\n\ndata: 2\n\n", 18);
    free(text);
    stage_close(s);
}

/* ---- a client that is behind, or gone ---- */

static void full_by_one_big_event_that_leaves_at_once(void **state)
{
    static char big[5000];
    struct stage *s = stage_open("limits: {stream_buffer: 4KiB}\n" GOOD);
    struct exchange *x = stage_get(s, "");
    struct reply r;
    (void) state;
    memset(big, 'x', sizeof(big) - 1);
    reply_stream_begin(x);
    add_stream(x, big);
    assert_int_equal(reply_stream_flush(x), SINK_FULL);
    assert_int_equal(s->drained, 0); /* never before the handler has returned */
    gate_settle(s->gate);
    assert_true(s->drained > 0);
    reply_stream_end(x);
    stage_reply(s, &r);
    assert_string_equal(r.body, big);
    stage_close(s);
}

/* Packed it never fills the connection, which would say so when it drains. */
static void full_by_what_packs_to_little(void **state)
{
    static char big[5000];
    struct stage *s = stage_open("compress: streams\nlimits: {stream_buffer: 4KiB}\n" GOOD);
    struct exchange *x = stage_get(s, TAKES_GZIP);
    struct reply r;
    (void) state;
    memset(big, 'x', sizeof(big) - 1);
    reply_stream_begin(x);
    add_stream(x, big);
    assert_int_equal(reply_stream_flush(x), SINK_FULL);
    gate_settle(s->gate);
    assert_int_equal(s->drained, 1);
    reply_stream_end(x);
    stage_reply(s, &r);
    assert_true(r.length < 1000);
    stage_close(s);
}

static void full_until_the_client_has_read(void **state)
{
    static char part[1000];
    struct stage *s = stage_open("limits: {stream_buffer: 4KiB}\n" GOOD);
    struct reply r;
    unsigned parts = 0;
    enum sink_flow flow = SINK_OK;
    (void) state;
    client_close(s->client);
    s->client = client_from(s->gate, "127.0.0.1", true);
    struct exchange *x = stage_get(s, "");
    memset(part, 'x', sizeof(part) - 1);
    reply_stream_begin(x);
    for (; flow == SINK_OK && parts < 1000; parts++) {
        add_stream(x, part);
        flow = reply_stream_flush(x);
        gate_settle(s->gate);
    }
    assert_int_equal(flow, SINK_FULL);
    gate_settle(s->gate);
    assert_int_equal(s->drained, 0);
    for (unsigned i = 0; i < 100 && s->drained == 0; i++) {
        client_hear(s->client);
        gate_settle(s->gate);
    }
    assert_int_equal(s->drained, 1);
    add_stream(x, part);
    assert_int_equal(reply_stream_flush(x), SINK_OK);
    reply_stream_end(x);
    for (unsigned i = 0; i < 100 && s->x; i++) {
        client_hear(s->client);
        gate_settle(s->gate);
    }
    stage_reply(s, &r);
    assert_int_equal(r.length, (parts + 1) * (sizeof(part) - 1));
    stage_close(s);
}

static void speak_to_nobody(struct exchange *x)
{
    reply_whole(x, 200, OK_TEXT, SLICE_LIT("late"));
    reply_failure(x, &broken);
    reply_stream_begin(x);
    reply_stream_end(x);
    reply_stream_abort(x, &broken);
    assert_int_equal(reply_stream_flush(x), SINK_GONE);
}

static void nothing_is_said_to_a_client_that_is_gone(void **state)
{
    struct stage *s = stage_open(GOOD);
    (void) state;
    s->in_stop = speak_to_nobody;
    stage_get(s, "");
    shutdown(s->client->fd, SHUT_RDWR);
    gate_settle(s->gate);
    assert_int_equal(s->stopped, 1);
    assert_null(s->x);
    client_expect_silence(s->client, false);
    stage_close(s);
}

static void a_stream_to_a_client_that_left_is_freed(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct exchange *x = stage_get(s, "");
    (void) state;
    reply_stream_begin(x);
    add_stream(x, "data: 1\n\n");
    assert_int_equal(reply_stream_flush(x), SINK_OK); /* and is never sent */
    shutdown(s->client->fd, SHUT_RDWR);
    gate_settle(s->gate);
    assert_null(s->x);
    assert_int_equal(s->gate->server.stream_count, 0);
    stage_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_says_what_every_reply_says),
        cmocka_unit_test(headers_are_copied_and_keep_their_order),
        cmocka_unit_test(pieces_are_one_body),
        cmocka_unit_test(no_content_has_no_length),
        cmocka_unit_test(there_is_one_reply),
        cmocka_unit_test(pages_of_allowed_origins_may_read_it),
        cmocka_unit_test(whole_replies_are_packed_where_it_pays),
        cmocka_unit_test(very_long_replies_are_not_packed),
        cmocka_unit_test(head_tells_the_packed_length),
        cmocka_unit_test(an_error_has_all_four_members),
        cmocka_unit_test(a_provider_keeps_its_words),
        cmocka_unit_test(what_a_provider_left_out_is_null),
        cmocka_unit_test(a_failure_says_when_to_come_back),
        cmocka_unit_test(a_stream_goes_out_turn_by_turn),
        cmocka_unit_test(an_aborted_stream_ends_with_the_error),
        cmocka_unit_test(http_1_0_gets_a_stream_without_chunks),
        cmocka_unit_test(streams_are_packed_where_it_is_wanted),
        cmocka_unit_test(full_by_one_big_event_that_leaves_at_once),
        cmocka_unit_test(full_by_what_packs_to_little),
        cmocka_unit_test(full_until_the_client_has_read),
        cmocka_unit_test(nothing_is_said_to_a_client_that_is_gone),
        cmocka_unit_test(a_stream_to_a_client_that_left_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
