/* A server: its own socket, how many it lets in, new settings, the date, drain and abort. */
#include "tests/unit/gateway_chat.h"

#include <poll.h>

static void listen_at_loopback(struct gate *g, struct sockaddr_in *address)
{
    struct listener_address a;
    struct errbuf why;
    char text[64];
    assert_int_equal(listener_parse("127.0.0.1:0", &a, &why), ERR_NONE);
    assert_int_equal(server_listen(&g->server, &a, false, &why), ERR_NONE);
    listener_text(g->server.listener, text, sizeof(text));
    assert_int_equal(listener_parse(text, &a, &why), ERR_NONE);
    memcpy(address, &a.addr, sizeof(*address));
}

/* A caller over TCP. The kernel may deliver a moment later, so what depends on it is waited for. */
static struct client *call(struct gate *g, const struct sockaddr_in *address)
{
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->gate = g;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c->fd, (const struct sockaddr *) address, sizeof(*address)), 0);
    set_nonblocking(c->fd);
    return c;
}

#define UNTIL(g, condition)                                                                        \
    do {                                                                                           \
        for (unsigned until = 0; !(condition) && until < 5000; until++) {                          \
            gate_turn(g);                                                                          \
            if (until > 200) {                                                                     \
                poll(NULL, 0, 1);                                                                  \
            }                                                                                      \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static bool has_heard(struct client *c, const char *text)
{
    client_hear(c);
    return strstr(c->got, text) != NULL;
}

static bool has_ended(struct client *c)
{
    client_hear(c);
    return c->ended;
}

static const char health[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";

static void callers_beyond_the_limit_wait(void **state)
{
    struct gate *g = gate_open("limits: {connections: 2}\n" GOOD);
    struct client *c[3];
    struct sockaddr_in address;
    (void) state;
    listen_at_loopback(g, &address);
    for (size_t i = 0; i < 3; i++) {
        c[i] = call(g, &address);
    }
    UNTIL(g, g->server.session_count == 2);
    assert_int_equal(send(c[2]->fd, health, sizeof(health) - 1, MSG_NOSIGNAL), sizeof(health) - 1);
    gate_settle(g);
    assert_int_equal(g->server.session_count, 2);
    client_expect_silence(c[2], true);
    client_close(c[0]);
    UNTIL(g, has_heard(c[2], "ok\n"));
    client_close(c[1]);
    client_close(c[2]);
    UNTIL(g, g->server.conns.open == 0);
    gate_close(g);
}

static void draining_refuses_new_callers(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct sockaddr_in address;
    (void) state;
    listen_at_loopback(g, &address);
    struct client *idle = call(g, &address);
    UNTIL(g, g->server.session_count == 1);
    server_drain(&g->server, gate_on_drained, g);
    assert_int_equal(g->drained, 1); /* nobody was busy */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    close(fd);
    UNTIL(g, has_ended(idle));
    client_close(idle);
    UNTIL(g, g->server.conns.open == 0);
    assert_int_equal(g->drained, 1); /* once */
    gate_close(g);
}

static void without_sessions_draining_is_done_at_once(void **state)
{
    struct gate *g = gate_open(GOOD);
    (void) state;
    server_drain(&g->server, gate_on_drained, g);
    assert_int_equal(g->drained, 1);
    gate_close(g);
}

static void a_stream_may_finish_while_draining(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat_to_word(c, &r);
    server_drain(&g->server, gate_on_drained, g);
    gate_wait_us(g, 5u * S);
    upstream_says(g, WORD("two") LAST DONE);
    upstream_ends(g, TRANSFER_COMPLETE);
    assert_true(client_chunks(c, &r));
    assert_non_null(strstr(r.body, DONE));
    client_expect_silence(c, false);
    assert_int_equal(g->drained, 1);
    client_close(c);
    gate_close(g);
}

static void an_abort_ends_a_drain(void **state)
{
    struct gate *g = gate_open(GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_chat_to_word(c, &r);
    server_drain(&g->server, gate_on_drained, g);
    gate_settle(g);
    assert_int_equal(g->drained, 0);
    server_abort(&g->server);
    server_abort(&g->server); /* asked twice */
    gate_settle(g);
    assert_true(script_latest(&g->script)->cancelled);
    assert_int_equal(g->drained, 1);
    client_close(c);
    gate_close(g);
}

static void new_settings_hold_for_what_begins_now(void **state)
{
    struct gate *g = gate_open("limits: {body: 1KiB, answer: 4KiB, stream_buffer: 8KiB}\n" GOOD);
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    assert_int_equal(g->host.reply_cap_bytes, 1024);
    assert_int_equal(g->host.event_cap_bytes, 4096);
    assert_int_equal(g->server.conn_limits.high_bytes, 8192);
    assert_true(g->server.conn_limits.low_bytes < 8192);
    client_chat(c, ASK_JSON);
    server_renew(
        &g->server,
        gate_settings(g, "limits: {body: 2KiB}\n" UPSTREAMS "models: [{name: new, upstream: u}]\n"),
        NULL);
    assert_int_equal(g->host.reply_cap_bytes, 2048);
    upstream_answers(g, 200, ANSWER); /* by the settings that it began with */
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    client_chat(c, ASK_JSON);
    client_reply(c, &r);
    assert_int_equal(r.status, 404);
    client_close(c);
    gate_close(g);
}

static void the_date_follows_the_clock(void **state)
{
    struct gate *g = gate_open(GOOD);
    (void) state;
    assert_string_equal(server_date(&g->server), "Thu, 01 Jan 1970 00:00:01 GMT");
    gate_wait_us(g, 1u * S - 1);
    assert_string_equal(server_date(&g->server), "Thu, 01 Jan 1970 00:00:01 GMT");
    gate_wait_us(g, 1);
    assert_string_equal(server_date(&g->server), "Thu, 01 Jan 1970 00:00:02 GMT");
    g->clock.now_us = (uint64_t) 951827696 * S; /* a leap day */
    assert_string_equal(server_date(&g->server), "Tue, 29 Feb 2000 12:34:56 GMT");
    gate_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_beyond_the_limit_wait),
        cmocka_unit_test(draining_refuses_new_callers),
        cmocka_unit_test(without_sessions_draining_is_done_at_once),
        cmocka_unit_test(a_stream_may_finish_while_draining),
        cmocka_unit_test(an_abort_ends_a_drain),
        cmocka_unit_test(new_settings_hold_for_what_begins_now),
        cmocka_unit_test(the_date_follows_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
