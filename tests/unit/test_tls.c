#include "gateway/tls.h"

#include "tests/unit/conn_world.h"
#include "tests/unit/tls_client.h"

static struct tls_files files;
static unsigned descriptors_before;

struct scene {
    struct world *world;
    struct tls_context *context;
    struct tls_client client;
};

static struct scene *set_scene(bool narrow)
{
    int ends[2];
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->world = world_new();
    if (narrow) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        shrink_buffers(ends[0]);
        shrink_buffers(ends[1]);
        s->world->peer = ends[1];
    } else {
        ends[0] = tcp_pair(&s->world->peer);
    }
    s->context = tls_context_new(files.cert, files.key, NULL);
    assert_non_null(s->context);
    world_connect(s->world, ends[0], s->context);
    client_init(&s->client, s->world->peer, files.cert);
    return s;
}

static int set_up_tcp(void **state)
{
    descriptors_before = open_descriptors();
    *state = set_scene(false);
    return 0;
}

static int set_up_narrow(void **state)
{
    descriptors_before = open_descriptors();
    *state = set_scene(true);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    client_free(&s->client);
    world_free(s->world);
    tls_context_unref(s->context);
    free(s);
    assert_int_equal(open_descriptors(), descriptors_before);
    return 0;
}

/* A step of the client, then one of ours, until the client is done or fails. Returns its result. */
static int shake_hands(struct scene *s)
{
    int rc = MBEDTLS_ERR_SSL_WANT_READ;
    client_start(&s->client);
    unsigned tries = 0;
    while (is_wait(rc) && try_again(s->world, &tries)) {
        rc = mbedtls_ssl_handshake(&s->client.ssl);
    }
    return rc;
}

static void open_up(struct scene *s)
{
    assert_int_equal(shake_hands(s), 0);
    UNTIL(s->world, s->world->logged == 1);
    assert_int_equal(s->world->log[0], CONN_READY);
}

static void client_write(struct scene *s, const char *bytes, size_t n)
{
    size_t at = 0;
    unsigned tries = 0;
    while (at < n && try_again(s->world, &tries)) {
        int rc = mbedtls_ssl_write(&s->client.ssl, (const unsigned char *) bytes + at, n - at);
        assert_true(rc > 0 || is_wait(rc));
        at += rc > 0 ? (size_t) rc : 0;
        tries = rc > 0 ? 0 : tries;
    }
    assert_int_equal(at, n);
}

/* Reads and checks the pattern, until there are `most` bytes or close_notify. Returns the count. */
static size_t client_read(struct scene *s, size_t most)
{
    static char got[5000];
    static char wanted[5000];
    size_t total = 0;
    unsigned tries = 0;
    while (total < most && try_again(s->world, &tries)) {
        int rc = mbedtls_ssl_read(&s->client.ssl, (unsigned char *) got, sizeof(got));
        if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            return total;
        }
        assert_true(rc > 0 || is_wait(rc));
        if (rc > 0) {
            fill_pattern(wanted, (size_t) rc, total);
            assert_memory_equal(got, wanted, (size_t) rc);
            total += (size_t) rc;
            tries = 0;
        }
    }
    assert_int_equal(total, most);
    return total;
}

static size_t client_read_to_the_end(struct scene *s)
{
    return client_read(s, SIZE_MAX);
}

/* ---- handshake ---- */

static void test_handshake(void **state)
{
    struct scene *s = *state;
    static const char *protocols[] = {"h2", "http/1.1", NULL};
    assert_int_equal(mbedtls_ssl_conf_alpn_protocols(&s->client.config, protocols), 0);
    assert_int_equal(s->world->host.handshaking, 1);
    open_up(s);
    assert_int_equal(s->world->host.handshaking, 0);
    assert_string_equal(mbedtls_ssl_get_alpn_protocol(&s->client.ssl), "http/1.1");
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    assert_string_equal(mbedtls_ssl_get_version(&s->client.ssl), "TLSv1.2");
#endif
    assert_int_equal(s->client.certificates, 1);
    client_write(s, "ping", 4);
    UNTIL(s->world, s->world->inputs == 1);
    assert_memory_equal(evbuffer_pullup(conn_input(s->world->conn), 4), "ping", 4);
    assert_int_equal(s->world->host.received_bytes, 4);
    add_output(s->world, 1000);
    conn_close(s->world->conn, CONN_CLOSED_BY_US);
    assert_int_equal(client_read_to_the_end(s), 1000);
}

static void test_handshake_in_single_bytes(void **state)
{
    struct scene *s = *state;
    s->client.send_at_most = 1;
    open_up(s);
    client_write(s, "ping", 4);
    UNTIL(s->world, s->world->inputs == 1);
    assert_int_equal(evbuffer_get_length(conn_input(s->world->conn)), 4);
}

static void test_handshake_over_a_narrow_socket(void **state)
{
    open_up(*state);
}

static void test_output_before_ready(void **state)
{
    struct scene *s = *state;
    add_output(s->world, 100);
    conn_flush(s->world->conn);
    open_up(s);
    conn_close(s->world->conn, CONN_CLOSED_BY_US);
    assert_int_equal(client_read_to_the_end(s), 100);
}

static void test_old_version_is_refused(void **state)
{
    struct scene *s = *state;
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    mbedtls_ssl_conf_max_version(&s->client.config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_2);
    /* The alert arrives: the connection is not reset under it. */
    assert_int_equal(shake_hands(s), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    UNTIL(s->world, s->world->conn == NULL);
    assert_int_equal(count_of(s->world, CONN_READY), 0);
    advance(s->world, 3 * 1000000);
    assert_int_equal(s->world->host.closed[CONN_TLS_FAILED], 1);
    assert_int_equal(s->world->host.handshaking, 0);
#else
    (void) s; /* such a client cannot be made */
#endif
}

static void refuse_suite(struct scene *s, int suite)
{
    int suites[] = {suite, 0};
    mbedtls_ssl_conf_ciphersuites(&s->client.config, suites);
    assert_int_equal(shake_hands(s), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    UNTIL(s->world, s->world->conn == NULL);
}

static void test_suites_without_aead_are_refused(void **state)
{
    refuse_suite(*state, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256);
}

static void test_suites_without_forward_secrecy_are_refused(void **state)
{
    refuse_suite(*state, MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256);
}

static void test_other_protocols_only_are_refused(void **state)
{
    struct scene *s = *state;
    static const char *protocols[] = {"h2", NULL};
    assert_int_equal(mbedtls_ssl_conf_alpn_protocols(&s->client.config, protocols), 0);
    assert_int_equal(shake_hands(s), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    UNTIL(s->world, s->world->conn == NULL);
}

static void test_plain_http_is_told(void **state)
{
    struct scene *s = *state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    s->world->ignores_gone = true;
    assert_true(send(s->world->peer, request, sizeof(request) - 1, 0) > 0);
    UNTIL(s->world, count_of(s->world, CONN_GONE) == 1);
    assert_int_equal(conn_reason(s->world->conn), CONN_TLS_FAILED);
    assert_non_null(strstr(conn_detail(s->world->conn), "SSL"));
    conn_close(s->world->conn, CONN_CLOSED_BY_US);
    /* A FIN, and no reset although most of the request was never read: an alert would arrive. */
    unsigned char alert[32];
    ssize_t n = -1;
    errno = EAGAIN;
    while (n > 0 || (n == -1 && errno == EAGAIN)) {
        n = recv(s->world->peer, alert, sizeof(alert), MSG_DONTWAIT);
    }
    assert_int_equal(n, 0);
}

static void test_handshake_deadline(void **state)
{
    struct scene *s = *state;
    turn(s->world);
    advance(s->world, 9900 * 1000);
    assert_int_equal(s->world->logged, 0);
    advance(s->world, 200 * 1000);
    assert_int_equal(count_of(s->world, CONN_GONE), 1);
    assert_int_equal(s->world->host.closed[CONN_HANDSHAKE_TIMEOUT], 1);
    assert_int_equal(s->world->host.handshaking, 0);
    assert_int_equal(s->world->host.open, 0);
}

static void test_peer_leaves_during_the_handshake(void **state)
{
    struct scene *s = *state;
    turn(s->world);
    close(s->world->peer);
    s->world->peer = -1;
    UNTIL(s->world, s->world->host.open == 0);
    assert_int_equal(s->world->host.closed[CONN_PEER_CLOSED], 1);
    assert_int_equal(s->world->host.handshaking, 0);
}

static void test_tickets_resume(void **state)
{
    struct scene *s = *state;
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    open_up(s);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    unsigned char byte; /* TLS 1.3 sends the ticket after the handshake */
    int got = MBEDTLS_ERR_SSL_WANT_READ;
    unsigned waits = 0;
    while (got == MBEDTLS_ERR_SSL_WANT_READ && try_again(s->world, &waits)) {
        got = mbedtls_ssl_read(&s->client.ssl, &byte, 1);
    }
    assert_int_equal(got, MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
#endif
    assert_int_equal(mbedtls_ssl_get_session(&s->client.ssl, &session), 0);
    assert_int_equal(s->client.certificates, 1);

    struct world *w = world_new();
    int fd = tcp_pair(&w->peer);
    world_connect(w, fd, s->context);
    struct scene again = {.world = w, .context = s->context};
    client_init(&again.client, w->peer, files.cert);
    client_start(&again.client);
    assert_int_equal(mbedtls_ssl_set_session(&again.client.ssl, &session), 0);
    int rc = MBEDTLS_ERR_SSL_WANT_READ;
    unsigned tries = 0;
    while (is_wait(rc) && try_again(w, &tries)) {
        rc = mbedtls_ssl_handshake(&again.client.ssl);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(again.client.certificates, 0); /* no certificate was sent */
    client_free(&again.client);
    world_free(w);
    mbedtls_ssl_session_free(&session);
}

/* A clock that moves by the share of a turn whenever it is read. */
static uint64_t slow_mono_us(void *arg)
{
    uint64_t *now_us = arg;
    *now_us += CONN_TURN_HANDSHAKE_US;
    return *now_us;
}

static void test_handshakes_share_the_turns(void **state)
{
    struct scene *s = *state;
    enum { CALLERS = 4 };
    struct tls_client clients[CALLERS];
    uint64_t now_us = 0;
    struct env env = {.mono_us = slow_mono_us, .arg = &now_us};
    struct loop *loop = loop_new(&env);
    struct conn_host host;
    conn_host_init(&host, s->world->base, loop);
    for (size_t i = 0; i < CALLERS; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        int peer;
        int fd = tcp_pair(&peer);
        set_nonblocking(fd);
        client_init(&clients[i], peer, files.cert);
        client_start(&clients[i]);
        assert_true(is_wait(mbedtls_ssl_handshake(&clients[i].ssl))); /* its hello is out */
        assert_non_null(conn_new(&host, fd, (struct sockaddr *) &address, sizeof(address),
                                 s->context, &s->world->limits, &world_owner, s->world));
    }
    unsigned working_turns = 0;
    unsigned tries = 0;
    for (uint64_t before_us = now_us; working_turns < CALLERS && try_again(s->world, &tries);) {
        uint64_t reads = (now_us - before_us) / CONN_TURN_HANDSHAKE_US;
        assert_true(reads <= 2); /* before and after one step */
        working_turns += reads > 0;
        before_us = now_us;
    }
    assert_int_equal(working_turns, CALLERS);
    for (size_t i = 0; i < CALLERS; i++) {
        close(clients[i].fd);
        client_free(&clients[i]);
    }
    conn_host_fini(&host);
    loop_free(loop);
}

/* ---- output ---- */

static void test_a_long_answer_to_a_slow_reader(void **state)
{
    struct scene *s = *state;
    open_up(s);
    add_output(s->world, 700 * 1000);
    conn_flush(s->world->conn);
    assert_true(conn_output_bytes(s->world->conn) > 600 * 1000);
    assert_int_equal(client_read(s, 700 * 1000), 700 * 1000);
    UNTIL(s->world, conn_output_bytes(s->world->conn) == 0);
    assert_int_equal(count_of(s->world, CONN_DRAINED), 1);
    assert_int_equal(s->world->host.sent_bytes, 700 * 1000);
}

static void test_close_delivers_the_last_byte(void **state)
{
    struct scene *s = *state;
    open_up(s);
    add_output(s->world, 300 * 1000);
    conn_flush(s->world->conn);
    conn_close(s->world->conn, CONN_CLOSED_BY_US);
    assert_int_equal(client_read_to_the_end(s), 300 * 1000);
    shutdown(s->world->peer, SHUT_WR);
    UNTIL(s->world, s->world->host.open == 0);
}

static void test_small_pieces_travel_in_one_record(void **state)
{
    struct scene *s = *state;
    char piece[100] = {0};
    static char got[16384];
    open_up(s);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(
            evbuffer_add_reference(conn_output(s->world->conn), piece, sizeof(piece), NULL, NULL),
            0);
    }
    conn_flush(s->world->conn);
    int rc = MBEDTLS_ERR_SSL_WANT_READ;
    unsigned tries = 0;
    while (is_wait(rc) && try_again(s->world, &tries)) {
        rc = mbedtls_ssl_read(&s->client.ssl, (unsigned char *) got, sizeof(got));
    }
    assert_int_equal(rc, 10000);
}

static void test_send_timeout(void **state)
{
    struct scene *s = *state;
    open_up(s);
    add_output(s->world, 100 * 1000);
    conn_flush(s->world->conn);
    turn(s->world);
    advance(s->world, 31 * 1000000);
    assert_int_equal(s->world->host.closed[CONN_SEND_TIMEOUT], 1);
}

#if defined(MBEDTLS_SSL_RENEGOTIATION) && MBEDTLS_VERSION_NUMBER < 0x03000000
/* Refusing it makes mbedTLS send an alert in the middle of our half-sent record: nothing may be lost or
 * sent twice. */
static void test_renegotiation_is_refused_without_damage(void **state)
{
    struct scene *s = *state;
    mbedtls_ssl_conf_renegotiation(&s->client.config, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
    mbedtls_ssl_conf_renegotiation_enforced(&s->client.config,
                                            MBEDTLS_SSL_RENEGOTIATION_NOT_ENFORCED);
    open_up(s);
    add_output(s->world, 300 * 1000);
    conn_flush(s->world->conn);
    int rc = mbedtls_ssl_renegotiate(&s->client.ssl);
    assert_true(is_wait(rc) || rc == MBEDTLS_ERR_SSL_WAITING_SERVER_HELLO_RENEGO);
    turn(s->world);
    assert_int_equal(client_read(s, 300 * 1000), 300 * 1000);
    assert_int_equal(conn_output_bytes(s->world->conn), 0);
}
#endif

/* ---- input ---- */

/* The socket is empty, but mbedTLS holds most of a record: no event will tell. */
static void test_bytes_inside_mbedtls_are_not_forgotten(void **state)
{
    struct scene *s = *state;
    char bytes[16000];
    open_up(s);
    conn_set_input_cap(s->world->conn, 1000);
    fill_pattern(bytes, sizeof(bytes), 0);
    client_write(s, bytes, sizeof(bytes));
    size_t total = 0;
    while (total < sizeof(bytes)) {
        struct evbuffer *input = conn_input(s->world->conn);
        UNTIL(s->world, evbuffer_get_length(input) > 0);
        size_t n = evbuffer_get_length(input);
        assert_true(n <= 1000);
        assert_memory_equal(evbuffer_pullup(input, -1), bytes + total, n);
        evbuffer_drain(input, n);
        total += n;
        conn_resume_input(s->world->conn);
    }
}

static void test_many_records(void **state)
{
    struct scene *s = *state;
    static char bytes[300 * 1000];
    open_up(s);
    conn_set_input_cap(s->world->conn, sizeof(bytes));
    fill_pattern(bytes, sizeof(bytes), 0);
    client_write(s, bytes, sizeof(bytes));
    struct evbuffer *input = conn_input(s->world->conn);
    UNTIL(s->world, evbuffer_get_length(input) == sizeof(bytes));
    assert_memory_equal(evbuffer_pullup(input, -1), bytes, sizeof(bytes));
}

static void test_close_notify_means_gone(void **state)
{
    struct scene *s = *state;
    open_up(s);
    assert_int_equal(mbedtls_ssl_close_notify(&s->client.ssl), 0);
    UNTIL(s->world, count_of(s->world, CONN_GONE) == 1);
    assert_int_equal(s->world->host.closed[CONN_PEER_CLOSED], 1);
}

static void test_last_bytes_come_before_gone(void **state)
{
    struct scene *s = *state;
    open_up(s);
    assert_int_equal(mbedtls_ssl_write(&s->client.ssl, (const unsigned char *) "bye", 3), 3);
    assert_int_equal(mbedtls_ssl_close_notify(&s->client.ssl), 0);
    UNTIL(s->world, count_of(s->world, CONN_GONE) == 1);
    assert_int_equal(s->world->log[1], CONN_INPUT);
}

static void test_fin_without_close_notify(void **state)
{
    struct scene *s = *state;
    open_up(s);
    shutdown(s->world->peer, SHUT_WR);
    UNTIL(s->world, count_of(s->world, CONN_GONE) == 1);
    assert_int_equal(s->world->host.closed[CONN_PEER_CLOSED], 1);
}

static void test_reset(void **state)
{
    struct scene *s = *state;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    open_up(s);
    setsockopt(s->world->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(s->world->peer);
    s->world->peer = -1;
    UNTIL(s->world, count_of(s->world, CONN_GONE) == 1);
    assert_int_equal(s->world->host.closed[CONN_PEER_RESET], 1);
}

static void test_a_forged_record(void **state)
{
    struct scene *s = *state;
    static const unsigned char record[] = {23, 3,  3,  0,  24, 0,  1,  2,  3,  4,  5,  6,  7,  8, 9,
                                           10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
    open_up(s);
    assert_true(send(s->world->peer, record, sizeof(record), 0) > 0);
    UNTIL(s->world, count_of(s->world, CONN_GONE) == 1);
    assert_int_equal(count_of(s->world, CONN_INPUT), 0);
    advance(s->world, 3 * 1000000);
    assert_int_equal(s->world->host.closed[CONN_TLS_FAILED], 1);
}

/* ---- context ---- */

static void test_connections_outlive_a_reload(void **state)
{
    struct scene *s = *state;
    tls_context_unref(s->context); /* what a reload does */
    s->context = NULL;
    open_up(s);
    conn_close(s->world->conn, CONN_CLOSED_BY_US);
    assert_int_equal(client_read_to_the_end(s), 0);
}

static void expect_refusal(const char *cert, const char *key, const char *first, const char *second)
{
    struct errbuf err = {""};
    assert_null(tls_context_new(cert, key, &err));
    if (strstr(err.text, first) == NULL || strstr(err.text, second) == NULL) {
        fail_msg("\"%s\" has not both \"%s\" and \"%s\"", err.text, first, second);
    }
}

static void test_bad_files_are_named(void **state)
{
    (void) state;
    expect_refusal("/nowhere/cert.pem", files.key, "/nowhere/cert.pem", "No such file");
    expect_refusal(files.cert, "/nowhere/key.pem", "/nowhere/key.pem", "No such file");
    expect_refusal(files.garbage, files.key, files.garbage, "PEM");
    expect_refusal(files.cert, files.garbage, files.garbage, "PEM");
    expect_refusal(files.key, files.key, files.key, "PEM");
    expect_refusal(files.cert, files.other_key, files.other_key, "does not belong");
}

static void test_expiry(void **state)
{
    (void) state;
    struct tls_context *t = tls_context_new(files.cert, files.key, NULL);
    assert_non_null(t);
    assert_true(tls_context_expiry_s(t) == INT64_C(2117246706)); /* 2037-02-03 04:05:06 UTC */
    tls_context_unref(t);
    tls_context_unref(NULL);
}

static int make_files(void **state)
{
    (void) state;
    tls_files_make(&files);
    return 0;
}

static int remove_files(void **state)
{
    (void) state;
    tls_files_remove(&files);
    return 0;
}

#define TCP(f) cmocka_unit_test_setup_teardown(f, set_up_tcp, tear_down)
#define NARROW(f) cmocka_unit_test_setup_teardown(f, set_up_narrow, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(test_handshake),
        TCP(test_handshake_in_single_bytes),
        NARROW(test_handshake_over_a_narrow_socket),
        TCP(test_output_before_ready),
        TCP(test_old_version_is_refused),
        TCP(test_suites_without_aead_are_refused),
        TCP(test_suites_without_forward_secrecy_are_refused),
        TCP(test_other_protocols_only_are_refused),
        TCP(test_plain_http_is_told),
        TCP(test_handshake_deadline),
        TCP(test_peer_leaves_during_the_handshake),
        TCP(test_tickets_resume),
        TCP(test_handshakes_share_the_turns),
        NARROW(test_a_long_answer_to_a_slow_reader),
        NARROW(test_close_delivers_the_last_byte),
        TCP(test_small_pieces_travel_in_one_record),
        NARROW(test_send_timeout),
#if defined(MBEDTLS_SSL_RENEGOTIATION) && MBEDTLS_VERSION_NUMBER < 0x03000000
        NARROW(test_renegotiation_is_refused_without_damage),
#endif
        TCP(test_bytes_inside_mbedtls_are_not_forgotten),
        TCP(test_many_records),
        TCP(test_close_notify_means_gone),
        TCP(test_last_bytes_come_before_gone),
        TCP(test_fin_without_close_notify),
        TCP(test_reset),
        TCP(test_a_forged_record),
        TCP(test_connections_outlive_a_reload),
        cmocka_unit_test(test_bad_files_are_named),
        cmocka_unit_test(test_expiry),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
