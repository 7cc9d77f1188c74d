#include "tests/unit/conn_world.h"

#include <stdio.h>

static unsigned descriptors_before;

static int set_up_tcp(void **state)
{
    descriptors_before = open_descriptors();
    struct world *w = world_new();
    int fd = tcp_pair(&w->peer);
    world_connect(w, fd, NULL);
    *state = w;
    return 0;
}

/* Socket buffers of a few KiB, so that output piles up. */
static int set_up_narrow(void **state)
{
    int ends[2];
    descriptors_before = open_descriptors();
    struct world *w = world_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    shrink_buffers(ends[0]);
    shrink_buffers(ends[1]);
    w->peer = ends[1];
    world_connect(w, ends[0], NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world_free(*state);
    assert_int_equal(open_descriptors(), descriptors_before);
    return 0;
}

static void expect_log(const struct world *w, unsigned count, const enum conn_event *log)
{
    assert_int_equal(w->logged, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(w->log[i], log[i]);
    }
}

#define EXPECT_LOG(w, ...)                                                                         \
    do {                                                                                           \
        static const enum conn_event expected[] = {__VA_ARGS__};                                   \
        expect_log(w, ARRAY_LEN(expected), expected);                                              \
    } while (0)

/* Reads until FIN and checks the pattern. Returns the count of bytes. */
static size_t read_to_the_end(struct world *w)
{
    char got[4096];
    char wanted[4096];
    size_t total = 0;
    bool at_end = false;
    for (unsigned i = 0; !at_end && i < 100000; i++) {
        ssize_t n = peer_read(w, got, sizeof(got), &at_end);
        if (n == -1) {
            assert_int_equal(errno, EAGAIN);
            turn(w);
            continue;
        }
        fill_pattern(wanted, (size_t) n, total);
        assert_memory_equal(got, wanted, (size_t) n);
        total += (size_t) n;
    }
    assert_true(at_end);
    return total;
}

/* ---- beginning ---- */

static void test_ready_is_posted(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->logged, 0);
    assert_int_equal(w->host.open, 1);
    assert_int_equal(w->host.accepted, 1);
    turn(w);
    EXPECT_LOG(w, CONN_READY);
    turn(w);
    assert_int_equal(w->logged, 1);
}

static void test_input_comes_after_ready(void **state)
{
    struct world *w = *state;
    assert_int_equal(write(w->peer, "hello", 5), 5);
    UNTIL(w, w->inputs == 1);
    EXPECT_LOG(w, CONN_READY, CONN_INPUT);
    assert_int_equal(evbuffer_get_length(conn_input(w->conn)), 5);
    assert_int_equal(w->host.received_bytes, 5);
    assert_memory_equal(evbuffer_pullup(conn_input(w->conn), 5), "hello", 5);
}

static void test_output_before_ready(void **state)
{
    struct world *w = *state;
    char got[8];
    bool at_end;
    evbuffer_add(conn_output(w->conn), "early", 5);
    conn_flush(w->conn);
    assert_int_equal(conn_output_bytes(w->conn), 5);
    turn(w);
    assert_int_equal(conn_output_bytes(w->conn), 0);
    assert_int_equal(peer_read(w, got, sizeof(got), &at_end), 5);
}

static void test_what_is_known_of_the_peer(void **state)
{
    struct world *w = *state;
    char text[64];
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    assert_int_equal(getsockname(w->peer, (struct sockaddr *) &address, &length), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned) ntohs(address.sin_port));
    assert_string_equal(conn_peer(w->conn), text);
    assert_true(conn_is_loopback(w->conn));
    assert_int_equal(conn_reason(w->conn), CONN_OPEN);
}

/* ---- the peer leaves ---- */

static void test_fin_is_seen_while_silent(void **state)
{
    struct world *w = *state;
    w->ignores_gone = true;
    turn(w);
    close(w->peer);
    w->peer = -1;
    UNTIL(w, w->logged == 2);
    EXPECT_LOG(w, CONN_READY, CONN_GONE);
    assert_int_equal(conn_reason(w->conn), CONN_PEER_CLOSED);
    /* Nothing is watched any more, so nothing can spin. */
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    conn_close(w->conn, CONN_CLOSED_BY_US);
    assert_int_equal(w->host.open, 0);
    assert_int_equal(w->host.closed[CONN_PEER_CLOSED], 1);
    assert_int_equal(w->host.closed[CONN_CLOSED_BY_US], 0);
}

static void reset_peer(struct world *w)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(w->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(w->peer);
    w->peer = -1;
}

static void test_reset_is_seen_while_silent(void **state)
{
    struct world *w = *state;
    turn(w);
    reset_peer(w);
    UNTIL(w, w->logged == 2);
    EXPECT_LOG(w, CONN_READY, CONN_GONE);
    assert_int_equal(w->host.closed[CONN_PEER_RESET], 1);
}

static void test_last_bytes_come_before_gone(void **state)
{
    struct world *w = *state;
    assert_int_equal(write(w->peer, "bye", 3), 3);
    close(w->peer);
    w->peer = -1;
    w->ignores_gone = true;
    UNTIL(w, count_of(w, CONN_GONE) == 1);
    EXPECT_LOG(w, CONN_READY, CONN_INPUT, CONN_GONE);
    assert_int_equal(evbuffer_get_length(conn_input(w->conn)), 3);
}

static void test_fin_is_seen_while_output_waits(void **state)
{
    struct world *w = *state;
    turn(w);
    add_output(w, 200000);
    conn_flush(w->conn);
    assert_true(conn_output_bytes(w->conn) > 0);
    shutdown(w->peer, SHUT_WR);
    UNTIL(w, count_of(w, CONN_GONE) == 1);
    assert_int_equal(w->host.closed[CONN_PEER_CLOSED], 1);
}

static void test_failed_send_is_posted(void **state)
{
    struct world *w = *state;
    turn(w);
    reset_peer(w);
    poll(&(struct pollfd) {.fd = -1}, 0, 0);
    /* The first send may still be taken by the kernel; a later one fails, without any turn between. */
    w->in_call = true;
    for (int i = 0; i < 100 && conn_reason(w->conn) == CONN_OPEN; i++) {
        evbuffer_add(conn_output(w->conn), "x", 1);
        conn_flush(w->conn);
    }
    assert_int_equal(conn_reason(w->conn), CONN_PEER_RESET);
    w->in_call = false;
    turn(w);
    EXPECT_LOG(w, CONN_READY, CONN_GONE);
}

/* ---- input ---- */

static void send_all(int fd, size_t n)
{
    char *bytes = calloc(1, n);
    assert_non_null(bytes);
    assert_int_equal(send(fd, bytes, n, MSG_DONTWAIT), n);
    free(bytes);
}

static void test_input_is_capped_without_spinning(void **state)
{
    struct world *w = *state;
    conn_set_input_cap(w->conn, 1000);
    turn(w);
    send_all(w->peer, 5000);
    UNTIL(w, evbuffer_get_length(conn_input(w->conn)) == 1000);
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    unsigned inputs = w->inputs;
    turn(w);
    assert_int_equal(w->inputs, inputs);

    evbuffer_drain(conn_input(w->conn), 400);
    turn(w);
    assert_int_equal(evbuffer_get_length(conn_input(w->conn)), 600); /* until it is asked for */
    conn_resume_input(w->conn);
    UNTIL(w, evbuffer_get_length(conn_input(w->conn)) == 1000);
    conn_set_input_cap(w->conn, 100000);
    UNTIL(w, evbuffer_get_length(conn_input(w->conn)) == 4600);
    assert_int_equal(w->host.received_bytes, 5000);
}

static void test_no_input_with_cap_zero(void **state)
{
    struct world *w = *state;
    turn(w);
    conn_set_input_cap(w->conn, 0);
    send_all(w->peer, 10);
    for (int i = 0; i < 10; i++) {
        turn(w);
    }
    assert_int_equal(w->inputs, 0);
    conn_set_input_cap(w->conn, 10);
    UNTIL(w, w->inputs == 1);
}

static void test_one_read_a_turn(void **state)
{
    struct world *w = *state;
    turn(w);
    conn_set_input_cap(w->conn, 10 * CONN_TURN_BYTES);
    int bytes = 1024 * 1024;
    setsockopt(w->peer, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    send_all(w->peer, CONN_TURN_BYTES + 1000);
    size_t before = 0;
    while (before < CONN_TURN_BYTES + 1000) {
        turn(w);
        size_t now = evbuffer_get_length(conn_input(w->conn));
        assert_true(now - before <= CONN_TURN_BYTES);
        before = now;
    }
}

/* ---- output ---- */

static void test_marks_of_output(void **state)
{
    struct world *w = *state;
    char got[1000];
    bool at_end;
    turn(w);
    add_output(w, 200 * 1000);
    assert_true(conn_is_full(w->conn));
    conn_flush(w->conn);
    for (int i = 0; conn_output_bytes(w->conn) >= w->limits.low_bytes; i++) {
        assert_true(i < 10000);
        assert_int_equal(count_of(w, CONN_DRAINED), 0);
        (void) !peer_read(w, got, sizeof(got), &at_end);
        turn(w);
    }
    assert_int_equal(count_of(w, CONN_DRAINED), 1);
    assert_false(conn_is_full(w->conn));
    assert_true(conn_output_bytes(w->conn) > 0);
    while (conn_output_bytes(w->conn) > 0) {
        (void) !peer_read(w, got, sizeof(got), &at_end);
        turn(w);
    }
    assert_int_equal(count_of(w, CONN_DRAINED), 1);
    /* The write event is on only while output waits: what is left is reading. */
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 1);
    /* Nor does the time for sending run on. */
    advance(w, UINT64_C(3600) * 1000000);
    assert_int_equal(count_of(w, CONN_GONE), 0);
}

/* Over the high mark, and gone in the same call: the owner, who has seen FULL, still waits. */
static void test_drained_by_the_flush_itself(void **state)
{
    struct world *w = *state;
    int bytes = 1024 * 1024;
    setsockopt(w->peer, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    turn(w);
    w->in_call = true;
    add_output(w, w->limits.high_bytes);
    assert_true(conn_is_full(w->conn));
    conn_flush(w->conn);
    w->in_call = false;
    UNTIL(w, count_of(w, CONN_DRAINED) == 1);
}

static void test_a_flush_sends_one_turns_share(void **state)
{
    struct world *w = *state;
    turn(w);
    add_output(w, 4 * CONN_TURN_BYTES);
    conn_flush(w->conn);
    conn_flush(w->conn);
    conn_flush(w->conn);
    assert_true(conn_output_bytes(w->conn) >= 3 * CONN_TURN_BYTES);
    assert_true(w->host.sent_bytes > 0);
}

/* ---- send timeout ---- */

static void test_send_timeout(void **state)
{
    struct world *w = *state;
    char got[8192];
    bool at_end;
    turn(w);
    add_output(w, 100 * 1000);
    conn_flush(w->conn);
    advance(w, 29 * 1000000);
    assert_int_equal(count_of(w, CONN_GONE), 0);
    size_t before = conn_output_bytes(w->conn);
    assert_true(peer_read(w, got, sizeof(got), &at_end) > 0);
    UNTIL(w, conn_output_bytes(w->conn) < before); /* progress: the time starts again */
    advance(w, 29 * 1000000);
    assert_int_equal(count_of(w, CONN_GONE), 0);
    advance(w, 2 * 1000000);
    assert_int_equal(count_of(w, CONN_GONE), 1);
    assert_int_equal(w->host.closed[CONN_SEND_TIMEOUT], 1);
}

static void test_no_send_timeout_without_output(void **state)
{
    struct world *w = *state;
    turn(w);
    add_output(w, 100);
    conn_flush(w->conn);
    assert_int_equal(conn_output_bytes(w->conn), 0);
    advance(w, UINT64_C(3600) * 1000000);
    EXPECT_LOG(w, CONN_READY);
}

/* ---- closing ---- */

static void test_close_delivers_the_last_byte(void **state)
{
    struct world *w = *state;
    turn(w);
    add_output(w, 300 * 1000);
    conn_flush(w->conn);
    conn_close(w->conn, CONN_CLOSED_BY_US);
    assert_int_equal(w->host.open, 1);
    assert_int_equal(read_to_the_end(w), 300 * 1000);
    close(w->peer);
    w->peer = -1;
    UNTIL(w, w->host.open == 0);
    EXPECT_LOG(w, CONN_READY); /* no event after conn_close */
}

/* A plain close() would reset the connection here, and the client might lose the reply. */
static void test_close_while_the_peer_is_sending(void **state)
{
    struct world *w = *state;
    char junk[10000] = {0};
    turn(w);
    assert_true(send(w->peer, junk, sizeof(junk), 0) > 0);
    UNTIL(w, evbuffer_get_length(conn_input(w->conn)) > 0);
    add_output(w, 5000);
    conn_close(w->conn, CONN_CLOSED_BY_US);
    for (int i = 0; i < 10; i++) {
        (void) !send(w->peer, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
        turn(w);
    }
    assert_int_equal(read_to_the_end(w), 5000);
    assert_int_equal(w->host.open, 1);
    assert_int_equal(evbuffer_get_length(conn_input(w->conn)), 0);
    shutdown(w->peer, SHUT_WR);
    UNTIL(w, w->host.open == 0);
}

static void test_close_with_output_to_a_half_closed_peer(void **state)
{
    struct world *w = *state;
    turn(w);
    add_output(w, 300 * 1000);
    conn_close(w->conn, CONN_CLOSED_BY_US);
    shutdown(w->peer, SHUT_WR);
    for (int i = 0; i < 5; i++) {
        turn(w);
    }
    /* Its FIN is read once: what is watched is writing. */
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 1);
    assert_int_equal(read_to_the_end(w), 300 * 1000);
    UNTIL(w, w->host.open == 0);
}

static void test_lingering_ends(void **state)
{
    struct world *w = *state;
    turn(w);
    conn_close(w->conn, CONN_CLOSED_BY_US);
    advance(w, 1900 * 1000);
    assert_int_equal(w->host.open, 1);
    advance(w, 200 * 1000);
    assert_int_equal(w->host.open, 0);
    assert_int_equal(w->host.closed[CONN_CLOSED_BY_US], 1);
}

static void test_lingering_has_a_bound_in_bytes(void **state)
{
    struct world *w = *state;
    char junk[10000] = {0};
    turn(w);
    conn_close(w->conn, CONN_CLOSED_BY_US);
    size_t sent = 0;
    for (int i = 0; w->host.open > 0 && i < 100000; i++) {
        ssize_t n = send(w->peer, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t) n : 0;
        turn(w);
    }
    assert_int_equal(w->host.open, 0);
    assert_true(sent < 8 * 1024 * 1024);
}

static void test_close_with_a_peer_that_does_not_read(void **state)
{
    struct world *w = *state;
    turn(w);
    add_output(w, 100 * 1000);
    conn_close(w->conn, CONN_IDLE);
    turn(w);
    advance(w, 29 * 1000000);
    assert_int_equal(w->host.open, 1);
    advance(w, 2 * 1000000);
    assert_int_equal(w->host.open, 0);
    assert_int_equal(w->host.closed[CONN_IDLE], 1);
}

static void test_close_before_ready(void **state)
{
    struct world *w = *state;
    add_output(w, 1000);
    conn_close(w->conn, CONN_SHUTDOWN);
    assert_int_equal(read_to_the_end(w), 1000);
    assert_int_equal(w->logged, 0);
}

static void test_close_twice(void **state)
{
    struct world *w = *state;
    turn(w);
    conn_close(w->conn, CONN_IDLE);
    conn_close(w->conn, CONN_FLOOD);
    conn_abort(w->conn, CONN_FLOOD);
    conn_abort(w->conn, CONN_FLOOD);
    conn_close(w->conn, CONN_FLOOD);
    conn_flush(w->conn); /* in the same turn the memory is still there, and nothing happens */
    turn(w);
    assert_int_equal(w->host.open, 0);
    assert_int_equal(w->host.closed[CONN_IDLE], 1);
    assert_int_equal(w->host.closed[CONN_FLOOD], 0);
}

static void test_abort_resets(void **state)
{
    struct world *w = *state;
    char got[100];
    turn(w);
    add_output(w, 10);
    conn_abort(w->conn, CONN_FLOOD);
    assert_int_equal(w->host.open, 0);
    assert_int_equal(recv(w->peer, got, sizeof(got), 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(w->host.closed[CONN_FLOOD], 1);
}

static void close_here(struct world *w)
{
    conn_close(w->conn, CONN_CLOSED_BY_US);
    w->conn = NULL;
}

static void abort_here(struct world *w)
{
    conn_abort(w->conn, CONN_CLOSED_BY_US);
    w->conn = NULL;
}

/* Makes every event happen. The owner ends the connection at `event`; nothing may follow. */
static void end_at(struct world *w, enum conn_event event, void (*act)(struct world *))
{
    char got[8192];
    bool at_end;
    w->act_at = event;
    w->act = act;
    turn(w);
    if (w->conn != NULL) {
        send_all(w->peer, 10);
        UNTIL(w, w->conn == NULL || w->inputs > 0);
    }
    if (w->conn != NULL) {
        add_output(w, 200 * 1000);
        conn_flush(w->conn);
    }
    for (int i = 0; w->conn != NULL && conn_output_bytes(w->conn) > 0 && i < 10000; i++) {
        (void) !peer_read(w, got, sizeof(got), &at_end);
        turn(w);
    }
    shutdown(w->peer, SHUT_RDWR);
    close(w->peer);
    w->peer = -1;
    UNTIL(w, w->conn == NULL && w->host.open == 0);
    turn(w);
    assert_null(w->act);
    assert_int_equal(w->log[w->logged - 1], event);
    assert_null(w->host.conns);
}

static void test_ending_inside_each_event(void **state)
{
    static const enum conn_event events[] = {CONN_READY, CONN_INPUT, CONN_DRAINED, CONN_GONE};
    for (size_t i = 0; i < 2 * ARRAY_LEN(events); i++) {
        assert_int_equal(set_up_narrow(state), 0);
        end_at(*state, events[i / 2], i % 2 == 0 ? close_here : abort_here);
        assert_int_equal(tear_down(state), 0);
    }
}

static void test_host_ends_with_connections_in_every_state(void **state)
{
    struct world *w = *state;
    struct conn *conns[4];
    int peers[4];
    turn(w);
    for (size_t i = 0; i < ARRAY_LEN(conns); i++) {
        int fd = tcp_pair(&peers[i]);
        set_nonblocking(fd);
        struct sockaddr_in address = {.sin_family = AF_INET};
        conns[i] = conn_new(&w->host, fd, (struct sockaddr *) &address, sizeof(address), NULL,
                            &w->limits, &world_owner, w);
        assert_non_null(conns[i]);
        w->conn = conns[i]; /* the owner checks who speaks */
        turn(w);
        w->conn = NULL;
    }
    assert_int_equal(w->host.open, 5);
    conn_close(conns[0], CONN_CLOSED_BY_US); /* lingers */
    conn_abort(conns[1], CONN_CLOSED_BY_US); /* dead, not yet freed */
    evbuffer_add(conn_output(conns[2]), "x", 1);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        close(peers[i]);
    }
}

static void test_every_reason_has_a_text(void **state)
{
    (void) state;
    for (int i = 0; i < CONN_REASON_COUNT; i++) {
        assert_string_not_equal(conn_reason_text((enum conn_reason) i), "unknown");
    }
}

#define TCP(f) cmocka_unit_test_setup_teardown(f, set_up_tcp, tear_down)
#define NARROW(f) cmocka_unit_test_setup_teardown(f, set_up_narrow, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(test_ready_is_posted),
        TCP(test_input_comes_after_ready),
        TCP(test_output_before_ready),
        TCP(test_what_is_known_of_the_peer),
        TCP(test_fin_is_seen_while_silent),
        TCP(test_reset_is_seen_while_silent),
        TCP(test_last_bytes_come_before_gone),
        NARROW(test_fin_is_seen_while_output_waits),
        TCP(test_failed_send_is_posted),
        TCP(test_input_is_capped_without_spinning),
        TCP(test_no_input_with_cap_zero),
        TCP(test_one_read_a_turn),
        NARROW(test_marks_of_output),
        TCP(test_drained_by_the_flush_itself),
        TCP(test_a_flush_sends_one_turns_share),
        NARROW(test_send_timeout),
        NARROW(test_no_send_timeout_without_output),
        NARROW(test_close_delivers_the_last_byte),
        TCP(test_close_while_the_peer_is_sending),
        NARROW(test_close_with_output_to_a_half_closed_peer),
        NARROW(test_lingering_ends),
        TCP(test_lingering_has_a_bound_in_bytes),
        NARROW(test_close_with_a_peer_that_does_not_read),
        TCP(test_close_before_ready),
        TCP(test_close_twice),
        TCP(test_abort_resets),
        cmocka_unit_test(test_ending_inside_each_event),
        TCP(test_host_ends_with_connections_in_every_state),
        cmocka_unit_test(test_every_reason_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
