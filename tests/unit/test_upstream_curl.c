/* Transfers by libcurl against a real socket: a server in the same loop that says what the test says. */
#include "router/upstream_curl.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_US = 5 * 1000 * 1000, PEERS_MAX = 8 };

struct world {
    struct event_base *base;
    struct env env;
    struct loop *loop;
    struct upstream_curl *curl;
    struct transfers via;
    struct evconnlistener *listener;
    char url[64];
    struct upstream_def upstream;

    /* The server's side. */
    struct bufferevent *peers[PEERS_MAX];
    size_t accepted;
    size_t closed;
    struct evbuffer *request; /* of the latest connection */

    /* The owner's side. */
    struct transfer *transfer;
    bool cancel_at_head;
    bool cancel_at_body;
    bool pause_once;
    enum transfer_flow flow;
    unsigned heads;
    unsigned ends;
    unsigned drops;
    enum transfer_end end;
    int status;
    uint64_t retry_after_us;
    char content_type[64];
    char request_id[64];
    size_t received;
    char text[256];
};

/* ---- the server ---- */

static void on_request(struct bufferevent *peer, void *arg)
{
    struct world *w = arg;
    evbuffer_add_buffer(w->request, bufferevent_get_input(peer));
}

static void on_peer_event(struct bufferevent *peer, short what, void *arg)
{
    struct world *w = arg;
    (void) peer;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        w->closed++;
    }
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from,
                      int length, void *arg)
{
    struct world *w = arg;
    (void) l;
    (void) from;
    (void) length;
    assert_true(w->accepted < PEERS_MAX);
    struct bufferevent *peer = bufferevent_socket_new(w->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(peer, on_request, NULL, on_peer_event, w);
    bufferevent_enable(peer, EV_READ | EV_WRITE);
    w->peers[w->accepted++] = peer;
}

static void server_says(struct world *w, const char *bytes)
{
    bufferevent_write(w->peers[w->accepted - 1], bytes, strlen(bytes));
}

static void server_closes(struct world *w)
{
    bufferevent_free(w->peers[w->accepted - 1]);
    w->peers[w->accepted - 1] = NULL;
}

/* ---- the owner ---- */

static void on_drop(void *arg)
{
    struct world *w = arg;
    w->drops++;
}

static void cancel(struct world *w, bool drain)
{
    struct transfer *t = w->transfer;
    w->transfer = NULL;
    w->via.ops->cancel(t, drain, on_drop, w);
    assert_int_equal(w->drops, 0); /* never before it has returned */
}

static void on_head(void *arg, const struct transfer_head *head)
{
    struct world *w = arg;
    w->heads++;
    w->status = head->status;
    w->retry_after_us = head->retry_after_us;
    snprintf(w->content_type, sizeof(w->content_type), "%.*s", (int) head->content_type.n,
             head->content_type.p);
    snprintf(w->request_id, sizeof(w->request_id), "%.*s", (int) head->request_id.n,
             head->request_id.p);
    if (w->cancel_at_head) {
        cancel(w, false);
    }
}

static enum transfer_flow on_body(void *arg, struct slice bytes)
{
    struct world *w = arg;
    assert_non_null(w->transfer); /* nothing comes after a cancel */
    if (w->pause_once) {
        return TRANSFER_PAUSE;
    }
    size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof(w->text) - n, "%.*s", (int) bytes.n, bytes.p);
    w->received += bytes.n;
    if (w->cancel_at_body) {
        cancel(w, false);
    }
    return w->flow;
}

static void on_end(void *arg, enum transfer_end end, const char *detail)
{
    struct world *w = arg;
    assert_non_null(detail);
    assert_non_null(w->transfer);
    w->transfer = NULL;
    w->ends++;
    w->end = end;
}

static const struct transfer_events events = {on_head, on_body, on_end};

/* ---- set up ---- */

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    struct errbuf why;
    if (!w) {
        return -1;
    }
    w->base = event_base_new();
    w->env = env_system();
    w->loop = loop_new(&w->env);
    w->request = evbuffer_new();
    if (loop_drive_event(w->loop, w->base) != ERR_NONE) {
        return -1;
    }
    w->curl = upstream_curl_new(w->base, w->loop, "sluice/test", &why);
    w->via = upstream_curl_transfers(w->curl);
    w->listener = evconnlistener_new_bind(w->base, on_accept, w, LEV_OPT_CLOSE_ON_FREE, 16,
                                          (struct sockaddr *) &address, sizeof(address));
    getsockname(evconnlistener_get_fd(w->listener), (struct sockaddr *) &address, &length);
    snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%d/v1", ntohs(address.sin_port));
    w->upstream = (struct upstream_def) {
        .name = "up", .url = w->url, .key = "secret", .timeouts = {.total_us = 2000000}};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    upstream_curl_free(w->curl);
    loop_run(w->loop);
    for (size_t i = 0; i < w->accepted; i++) {
        if (w->peers[i]) {
            bufferevent_free(w->peers[i]);
        }
    }
    evconnlistener_free(w->listener);
    evbuffer_free(w->request);
    loop_free(w->loop);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void start_pieces(struct world *w, const struct slice *pieces, size_t count)
{
    static const char *const headers[] = {"traceparent: 00-1-2-01", NULL};
    struct transfer_spec spec = {.upstream = &w->upstream,
                                 .path = "/chat/completions",
                                 .pieces = pieces,
                                 .piece_count = count,
                                 .headers = headers,
                                 .connect_timeout_us = 1000000,
                                 .stream = true};
    w->transfer = transfer_start(&w->via, &spec, &events, w);
    assert_non_null(w->transfer);
}

static void start(struct world *w)
{
    static const struct slice pieces[] = {{"{\"a\":", 5}, {"1}", 2}};
    start_pieces(w, pieces, ARRAY_LEN(pieces));
}

/* Runs the loop until `cond` holds; the patience is for a machine in trouble only. */
#define UNTIL(w, cond)                                                                             \
    do {                                                                                           \
        uint64_t limit = env_mono_us(&(w)->env) + PATIENCE_US;                                     \
        while (!(cond)) {                                                                          \
            assert_true(env_mono_us(&(w)->env) < limit);                                           \
            struct timeval tick = {0, 1000};                                                       \
            event_base_loopexit((w)->base, &tick);                                                 \
            event_base_dispatch((w)->base);                                                        \
        }                                                                                          \
    } while (0)

static bool has_request(struct world *w, const char *text)
{
    return evbuffer_search(w->request, text, strlen(text), NULL).pos != -1;
}

/* ---- the tests ---- */

static void the_request_says_what_it_must(void **state)
{
    struct world *w = *state;
    start(w);
    UNTIL(w, has_request(w, "{\"a\":1}"));
    assert_true(has_request(w, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_true(has_request(w, "authorization: Bearer secret\r\n"));
    assert_true(has_request(w, "content-type: application/json\r\n"));
    assert_true(has_request(w, "accept: text/event-stream\r\n"));
    assert_true(has_request(w, "traceparent: 00-1-2-01\r\n"));
    assert_true(has_request(w, "Content-Length: 7\r\n"));
    assert_false(has_request(w, "Expect"));
    cancel(w, false);
    UNTIL(w, w->drops == 1);
}

static void a_reply_is_delivered_and_the_connection_used_again(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 2; i++) {
        w->text[0] = '\0';
        evbuffer_drain(w->request, evbuffer_get_length(w->request));
        start(w);
        UNTIL(w, has_request(w, "{\"a\":1}"));
        server_says(w, "HTTP/1.1 100 Continue\r\n\r\n");
        server_says(w, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Request-Id: r-1\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n");
        UNTIL(w, w->ends == (unsigned) i + 1);
        assert_int_equal(w->end, TRANSFER_COMPLETE);
        assert_int_equal(w->heads, i + 1); /* neither the 100 nor the trailer is a head */
        assert_int_equal(w->status, 200);
        assert_string_equal(w->content_type, "text/plain");
        assert_string_equal(w->request_id, "r-1");
        assert_string_equal(w->text, "abc");
    }
    assert_int_equal(w->accepted, 1);
    assert_int_equal(upstream_curl_open(w->curl), 0);
}

static void retry_after_is_read_in_all_its_forms(void **state)
{
    static const struct {
        const char *line;
        uint64_t us;
    } cases[] = {
        {"Retry-After: 3", 3000000},
        {"Retry-After: 0.5", 500000},
        {"retry-after-ms: 250", 250000},
        {"retry-after-ms: 250\r\nRetry-After: 9", 250000},
        {"Retry-After: 9\r\nretry-after-ms: 250", 250000},
        {"Retry-After: Thu, 01 Jan 1970 00:00:10 GMT", 0},
        {"Retry-After: soon", UINT64_MAX},
        {"Retry-After: -4", UINT64_MAX},
        {"X-Other: 1", UINT64_MAX},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char reply[256];
        evbuffer_drain(w->request, evbuffer_get_length(w->request));
        start(w);
        UNTIL(w, has_request(w, "{\"a\":1}"));
        snprintf(reply, sizeof(reply), "HTTP/1.1 429 No\r\n%s\r\nContent-Length: 0\r\n\r\n",
                 cases[i].line);
        server_says(w, reply);
        UNTIL(w, w->ends == i + 1);
        assert_int_equal(w->status, 429);
        assert_true(w->retry_after_us == cases[i].us);
    }
}

static void a_big_body_is_sent_from_its_pieces(void **state)
{
    struct world *w = *state;
    enum { BIG = 300000 };
    char *big = malloc(BIG);
    assert_non_null(big);
    memset(big, 'b', BIG);
    struct slice pieces[] = {{"<", 1}, {big, BIG}, {"|", 1}, {big, 7}, {">", 1}};
    start_pieces(w, pieces, ARRAY_LEN(pieces));
    UNTIL(w, has_request(w, "|bbbbbbb>"));
    assert_true(has_request(w, "Content-Length: 300010\r\n"));
    server_says(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    UNTIL(w, w->ends == 1);
    assert_string_equal(w->text, "ok");
    free(big);
}

static void a_pause_keeps_the_bytes_for_later(void **state)
{
    struct world *w = *state;
    w->pause_once = true;
    start(w);
    UNTIL(w, has_request(w, "{\"a\":1}"));
    server_says(w, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    UNTIL(w, w->heads == 1);
    server_closes(w); /* the server's end while we are paused loses nothing */
    for (int i = 0; i < 20; i++) {
        struct timeval tick = {0, 1000};
        event_base_loopexit(w->base, &tick);
        event_base_dispatch(w->base);
    }
    assert_int_equal(w->received, 0);
    assert_int_equal(w->ends, 0);
    w->pause_once = false;
    w->via.ops->resume(w->transfer);
    UNTIL(w, w->ends == 1);
    assert_int_equal(w->end, TRANSFER_COMPLETE);
    assert_string_equal(w->text, "hello");
}

static void a_cancel_closes_the_connection_wherever_it_comes_from(void **state)
{
    struct world *w = *state;
    for (int where = 0; where < 3; where++) {
        w->drops = 0;
        w->cancel_at_head = where == 1;
        w->cancel_at_body = where == 2;
        evbuffer_drain(w->request, evbuffer_get_length(w->request));
        start(w);
        UNTIL(w, has_request(w, "{\"a\":1}"));
        if (where == 0) {
            cancel(w, false);
        } else {
            server_says(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        }
        UNTIL(w, w->drops == 1);
        UNTIL(w, w->closed == (size_t) where + 1);
        assert_int_equal(w->ends, 0);
        assert_int_equal(upstream_curl_open(w->curl), 0);
    }
}

static void a_drained_transfer_reads_the_rest_and_then_drops(void **state)
{
    struct world *w = *state;
    start(w);
    UNTIL(w, has_request(w, "{\"a\":1}"));
    server_says(w, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    UNTIL(w, w->received == 3);
    cancel(w, true);
    for (int i = 0; i < 5; i++) {
        struct timeval tick = {0, 1000};
        event_base_loopexit(w->base, &tick);
        event_base_dispatch(w->base);
    }
    assert_int_equal(w->drops, 0);
    assert_int_equal(w->closed, 0);
    server_says(w, "def");
    UNTIL(w, w->drops == 1);
    assert_int_equal(w->received, 3);
    assert_int_equal(w->closed, 0); /* and the connection is kept */
}

static void a_drain_that_does_not_end_is_cut_at_the_total_limit(void **state)
{
    struct world *w = *state;
    w->upstream.timeouts.total_us = 50000;
    start(w);
    UNTIL(w, has_request(w, "{\"a\":1}"));
    server_says(w, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    UNTIL(w, w->received == 3);
    cancel(w, true);
    UNTIL(w, w->drops == 1);
    UNTIL(w, w->closed == 1);
}

static void what_goes_wrong_has_its_own_name(void **state)
{
    static const struct {
        const char *bytes;
        enum transfer_end end;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", TRANSFER_CUT},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", TRANSFER_CUT},
        {"", TRANSFER_CUT},
        {"this is no HTTP at all\r\n\r\n", TRANSFER_MALFORMED},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        evbuffer_drain(w->request, evbuffer_get_length(w->request));
        start(w);
        UNTIL(w, has_request(w, "{\"a\":1}"));
        bufferevent_write(w->peers[w->accepted - 1], cases[i].bytes, strlen(cases[i].bytes));
        UNTIL(w, evbuffer_get_length(bufferevent_get_output(w->peers[w->accepted - 1])) == 0);
        server_closes(w);
        UNTIL(w, w->ends == i + 1);
        assert_int_equal(w->end, cases[i].end);
    }
}

static void a_refused_connection_is_a_connect_failure(void **state)
{
    struct world *w = *state;
    evconnlistener_free(w->listener);
    w->listener = NULL;
    start(w);
    UNTIL(w, w->ends == 1);
    assert_int_equal(w->end, TRANSFER_CONNECT);
    assert_int_equal(w->heads, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    w->listener = evconnlistener_new_bind(w->base, on_accept, w, LEV_OPT_CLOSE_ON_FREE, 16,
                                          (struct sockaddr *) &address, sizeof(address));
}

static void what_still_runs_ends_with_the_pool(void **state)
{
    struct world *w = *state;
    start(w);
    UNTIL(w, has_request(w, "{\"a\":1}"));
    cancel(w, true); /* drains for ever */
    upstream_curl_free(w->curl);
    w->curl = NULL;
    assert_int_equal(w->drops, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_request_says_what_it_must, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reply_is_delivered_and_the_connection_used_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(retry_after_is_read_in_all_its_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_big_body_is_sent_from_its_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_keeps_the_bytes_for_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancel_closes_the_connection_wherever_it_comes_from,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drained_transfer_reads_the_rest_and_then_drops, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_drain_that_does_not_end_is_cut_at_the_total_limit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_goes_wrong_has_its_own_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_connection_is_a_connect_failure, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_still_runs_ends_with_the_pool, set_up, tear_down),
    };
    struct errbuf why;
    if (upstream_curl_global_init(&why) != ERR_NONE) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    upstream_curl_global_fini();
    return failed;
}
