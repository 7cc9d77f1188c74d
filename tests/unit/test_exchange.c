/* An exchange: who may come in, what of the head is kept, the body unpacked, and the life of one. */
#include "gateway/gzip.h"
#include "gateway/reply.h"
#include "tests/unit/gateway_stage.h"

#include <event2/buffer.h>

#define KEYED GOOD "keys: [{name: app, sha256: " SECRET_SHA256 "}]\n"
#define OK_TEXT "text/plain"

static void expect_error(struct client *c, int status, const char *code, struct reply *r)
{
    char member[64];
    client_reply(c, r);
    assert_int_equal(r->status, status);
    snprintf(member, sizeof(member), "\"code\":%s", code);
    assert_non_null(strstr(r->body, member));
}

static void answer(struct stage *s, struct reply *r)
{
    assert_non_null(s->x);
    reply_whole(s->x, 200, OK_TEXT, SLICE_LIT("done"));
    stage_reply(s, r);
    assert_int_equal(r->status, 200);
}

/* ---- who may come in ---- */

static void a_key_is_needed_where_keys_are_configured(void **state)
{
    static const struct {
        const char *header, *words;
    } rows[] = {
        {"", "no API key"},
        {"Authorization: Basic YTpi\r\n", "not of the form"},
        {"Authorization: Bearer sk-other\r\n", "not one of this gateway's"},
    };
    struct stage *s = stage_open(KEYED);
    struct reply r;
    char log[4096];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        client_post(s->client, "/keyed", rows[i].header, "{}");
        expect_error(s->client, 401, "\"invalid_api_key\"", &r);
        assert_non_null(strstr(r.body, rows[i].words));
    }
    assert_int_equal(s->started, 0);
    client_post(s->client, "/keyed", "Authorization: bearer " SECRET "\r\n", "{}");
    assert_string_equal(s->x->record.key, "app");
    answer(s, &r);
    client_post(s->client, "/body", "", "{}"); /* which needs none */
    answer(s, &r);
    gate_read_log(s->gate, log, sizeof(log));
    assert_non_null(strstr(log, "key=app"));
    assert_null(strstr(log, SECRET));
    stage_close(s);
}

static void without_keys_this_machine_is_served_and_no_page(void **state)
{
    static const struct {
        const char *from, *header;
        bool served;
    } rows[] = {
        {"127.0.0.1", "", true},
        {"127.9.9.9", "", true},
        {NULL, "", true}, /* a unix socket */
        {"10.0.0.1", "", false},
        {"127.0.0.1", "Origin: http://127.0.0.1\r\n", false},
        {"127.0.0.1", "Origin: null\r\n", false},
    };
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        client_close(s->client);
        s->client = client_from(s->gate, rows[i].from, false);
        client_post(s->client, "/keyed", rows[i].header, "{}");
        if (rows[i].served) {
            answer(s, &r);
        } else {
            expect_error(s->client, 403, "\"no_keys_configured\"", &r);
            assert_null(s->x);
        }
    }
    stage_close(s);
}

static void paths_and_methods_that_are_not_served_say_which_are(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    client_get(s->client, "/nowhere");
    expect_error(s->client, 404, "\"unknown_url\"", &r);
    assert_non_null(strstr(r.body, "no such path: /nowhere. Served are what the stage"));
    client_get(s->client, "/body");
    expect_error(s->client, 405, "\"method_not_allowed\"", &r);
    assert_true(reply_says(&r, "allow", "POST, OPTIONS"));
    client_expect_silence(s->client, true);
    stage_close(s);
}

static void the_rest_of_a_path_is_the_handlers(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct reply r;
    (void) state;
    client_get(s->client, "/v1/free/a/b%2f");
    assert_true(slice_eq_text(s->x->rest, "a/b%2f"));
    answer(s, &r);
    stage_close(s);
}

/* ---- pages ---- */

static void options_are_answered_by_themselves(void **state)
{
    struct stage *s = stage_open("cors: [\"https://app.example\"]\n" KEYED);
    struct reply r;
    (void) state;
    client_say(s->client, "OPTIONS /body HTTP/1.1\r\n" HOST "\r\n");
    client_reply(s->client, &r);
    assert_int_equal(r.status, 204);
    assert_true(reply_says(&r, "allow", "POST, OPTIONS"));
    assert_null(strstr(r.head, "access-control"));
    client_say(s->client, "OPTIONS /keyed HTTP/1.1\r\n" HOST "Origin: https://app.example\r\n"
                          "Access-Control-Request-Headers: authorization, x-stainless-os\r\n\r\n");
    client_reply(s->client, &r);
    assert_true(reply_says(&r, "access-control-allow-origin", "https://app.example"));
    assert_true(reply_says(&r, "access-control-allow-headers", "authorization, x-stainless-os"));
    assert_true(reply_says(&r, "access-control-max-age", "86400"));
    client_say(s->client, "OPTIONS /keyed HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n"
                          "Access-Control-Request-Headers: authorization\r\n\r\n");
    client_reply(s->client, &r);
    assert_null(strstr(r.head, "access-control"));
    client_say(s->client, "OPTIONS /keyed HTTP/1.1\r\n" HOST "Origin: https://app.example\r\n"
                          "Access-Control-Request-Headers: a; b\r\n\r\n");
    client_reply(s->client, &r);
    assert_null(reply_value(&r, "access-control-allow-headers")); /* no list of names */
    assert_int_equal(s->started, 0);
    stage_close(s);
}

static void a_star_allows_any_page(void **state)
{
    struct stage *s = stage_open("cors: [\"*\"]\n" KEYED);
    struct reply r;
    (void) state;
    stage_get(s, "Origin: https://any.example\r\n");
    answer(s, &r);
    assert_true(reply_says(&r, "access-control-allow-origin", "https://any.example"));
    stage_close(s);
}

/* ---- the body ---- */

/* A POST of what `text` packs to, cut by `cut` bytes. */
static void post_packed(struct stage *s, struct slice text, size_t cut)
{
    struct evbuffer *packed = evbuffer_new();
    char head[256];
    assert_int_equal(gzip_whole(text, packed), ERR_NONE);
    size_t n = evbuffer_get_length(packed) - cut;
    snprintf(head, sizeof(head),
             "POST /body HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             n);
    client_say(s->client, head);
    client_say_bytes(s->client, (const char *) evbuffer_pullup(packed, -1), n);
    evbuffer_free(packed);
}

static void a_packed_body_is_unpacked(void **state)
{
    static const char zeroes[4096];
    struct stage *s = stage_open("limits: {body: 1KiB}\n" GOOD);
    struct reply r;
    (void) state;
    post_packed(s, SLICE_LIT("{\"a\":1}"), 0);
    assert_int_equal(s->x->body->length, 7);
    assert_memory_equal(s->x->body->bytes, "{\"a\":1}", 7);
    answer(s, &r);
    post_packed(s, SLICE_LIT("{\"a\":1}"), 1);
    expect_error(s->client, 400, "\"bad_gzip\"", &r);
    post_packed(s, (struct slice) {zeroes, sizeof(zeroes)}, 0); /* a bomb */
    expect_error(s->client, 413, "\"request_too_large\"", &r);
    client_post(s->client, "/body", "Content-Encoding: br\r\n", "{}");
    expect_error(s->client, 415, "\"unsupported_encoding\"", &r);
    client_post(s->client, "/body", "Content-Encoding: identity\r\n", "{}");
    answer(s, &r);
    assert_int_equal(s->started, 2);
    stage_close(s);
}

/* ---- ids ---- */

static void each_exchange_has_its_own_id(void **state)
{
    struct stage *s = stage_open(KEYED);
    struct ident first, second;
    struct reply r;
    (void) state;
    client_post(s->client, "/keyed", "Authorization: Bearer " SECRET "\r\n", "{}");
    const char *id = exchange_id(s->x);
    assert_ptr_equal(id, exchange_id(s->x));
    assert_int_equal(ident_check(&s->gate->install_key, slice_of(id), &first), ERR_NONE);
    assert_int_equal(first.key_tag, crypt_tag(&s->gate->install_key, "key", SLICE_LIT("app")));
    assert_int_equal(first.wall_ms, 1000);
    answer(s, &r);
    stage_get(s, "");
    assert_int_equal(ident_check(&s->gate->install_key, slice_of(exchange_id(s->x)), &second),
                     ERR_NONE);
    assert_int_not_equal(second.sequence, first.sequence);
    assert_int_equal(second.key_tag, 0);
    answer(s, &r);
    stage_close(s);
}

static void a_clients_own_id_is_bounded(void **state)
{
    struct stage *s = stage_open(GOOD);
    char header[256];
    struct reply r;
    (void) state;
    snprintf(header, sizeof(header), "X-Client-Request-Id: %0128d\r\n", 7);
    stage_get(s, header);
    answer(s, &r);
    assert_non_null(reply_value(&r, "x-client-request-id"));
    snprintf(header, sizeof(header), "X-Client-Request-Id: %0129d\r\n", 7);
    stage_get(s, header);
    answer(s, &r);
    assert_null(reply_value(&r, "x-client-request-id"));
    stage_close(s);
}

/* ---- life ---- */

static void a_finished_exchange_is_recorded_once(void **state)
{
    struct stage *s = stage_open(GOOD);
    struct reply r;
    char log[2048], id[96];
    (void) state;
    stage_get(s, "");
    gate_wait_us(s->gate, 2u * S);
    assert_int_equal(s->gate->server.exchange_count, 1);
    answer(s, &r);
    snprintf(id, sizeof(id), "%.*s", IDENT_TEXT, reply_value(&r, "x-request-id"));
    assert_int_equal(s->stopped, 0);
    assert_int_equal(s->released, 1);
    assert_int_equal(s->gate->server.exchange_count, 0);
    const struct metrics *m = &s->gate->server.metrics;
    assert_int_equal(m->requests[ENDPOINT_OTHER][2], 1);
    assert_int_equal(m->ended[ENDPOINT_OTHER][END_COMPLETE], 1);
    assert_true(m->duration[ENDPOINT_OTHER].sum_seconds == 2.0);
    assert_int_equal(m->reply_bytes, 4);
    gate_read_log(s->gate, log, sizeof(log));
    char *line = strstr(log, id);
    assert_non_null(line);
    assert_null(strstr(line + 1, id));
    assert_non_null(strstr(log, "GET /free"));
    stage_close(s);
}

static void a_client_that_leaves_stops_the_handler_once(void **state)
{
    struct stage *s = stage_open(GOOD);
    (void) state;
    stage_get(s, "");
    shutdown(s->client->fd, SHUT_RDWR);
    gate_settle(s->gate);
    assert_int_equal(s->stopped, 1);
    assert_int_equal(s->stop_reason, END_CLIENT_GONE);
    assert_int_equal(s->released, 1);
    assert_int_equal(s->gate->server.metrics.ended[ENDPOINT_OTHER][END_CLIENT_GONE], 1);
    stage_close(s);
}

static void after_its_reply_a_handler_is_not_stopped(void **state)
{
    struct stage *s = stage_open(GOOD);
    (void) state;
    struct exchange *x = stage_get(s, "");
    reply_whole(x, 200, OK_TEXT, SLICE_NONE);
    exchange_shutdown(x); /* in the same turn */
    gate_settle(s->gate);
    assert_int_equal(s->stopped, 0);
    assert_int_equal(s->released, 1);
    assert_int_equal(s->gate->server.metrics.ended[ENDPOINT_OTHER][END_COMPLETE], 1);
    stage_close(s);
}

static void settings_last_as_long_as_an_exchange_uses_them(void **state)
{
    struct stage *s = stage_open("cors: [\"https://old.example\"]\n" KEYED);
    struct reply r;
    (void) state;
    struct exchange *x = stage_get(s, "Origin: https://old.example\r\n");
    const struct settings *old = x->settings;
    server_renew(&s->gate->server,
                 gate_settings(s->gate, "cors: [\"https://new.example\"]\n" KEYED), NULL);
    gate_settle(s->gate);
    assert_ptr_equal(x->settings, old);
    assert_string_equal(x->settings->config->cors[0], "https://old.example");
    answer(s, &r);
    x = stage_get(s, "Origin: https://new.example\r\n");
    assert_ptr_equal(x->settings, s->gate->server.settings);
    answer(s, &r);
    assert_true(reply_says(&r, "access-control-allow-origin", "https://new.example"));
    stage_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_needed_where_keys_are_configured),
        cmocka_unit_test(without_keys_this_machine_is_served_and_no_page),
        cmocka_unit_test(paths_and_methods_that_are_not_served_say_which_are),
        cmocka_unit_test(the_rest_of_a_path_is_the_handlers),
        cmocka_unit_test(options_are_answered_by_themselves),
        cmocka_unit_test(a_star_allows_any_page),
        cmocka_unit_test(a_packed_body_is_unpacked),
        cmocka_unit_test(each_exchange_has_its_own_id),
        cmocka_unit_test(a_clients_own_id_is_bounded),
        cmocka_unit_test(a_finished_exchange_is_recorded_once),
        cmocka_unit_test(a_client_that_leaves_stops_the_handler_once),
        cmocka_unit_test(after_its_reply_a_handler_is_not_stopped),
        cmocka_unit_test(settings_last_as_long_as_an_exchange_uses_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
