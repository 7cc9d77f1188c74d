#include "gateway/listener.h"

#include "gateway/sockaddr.h"
#include "tests/unit/sockets.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { CLIENTS_MAX = 32 };

struct world {
    struct event_base *base;
    struct loop_virtual clock;
    struct env env;
    struct loop *loop;
    struct listener *listener;
    struct listener_address address;
    char directory[64];
    char path[96]; /* of a unix socket */
    int clients[CLIENTS_MAX];
    unsigned client_count;
    int accepted[CLIENTS_MAX];
    unsigned accepted_count;
    char peer[SOCKADDR_TEXT_BYTES]; /* of the last one accepted */
    bool stops;                     /* or holds, at the first caller */
    bool holds;
    unsigned descriptors_before;
};

static void on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    struct world *w = arg;
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    sockaddr_text(peer, peer_len, w->peer, sizeof(w->peer));
    w->accepted[w->accepted_count++] = fd;
    if (w->stops) {
        listener_stop(w->listener);
    }
    if (w->holds) {
        listener_hold(w->listener, true);
    }
}

static const struct listener_owner owner = {on_accept};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    const char *place = getenv("TMPDIR");
    w->descriptors_before = open_descriptors();
    w->base = event_base_new();
    w->env = loop_virtual_env(&w->clock, 1);
    w->loop = loop_new(&w->env);
    snprintf(w->directory, sizeof(w->directory), "%.40s/sluice-lis-XXXXXX",
             place != NULL ? place : "/tmp");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->path, sizeof(w->path), "%s/socket", w->directory);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < w->client_count; i++) {
        close(w->clients[i]);
    }
    for (unsigned i = 0; i < w->accepted_count; i++) {
        close(w->accepted[i]);
    }
    listener_free(w->listener);
    loop_free(w->loop);
    event_base_free(w->base);
    unlink(w->path);
    assert_int_equal(rmdir(w->directory), 0);
    assert_int_equal(open_descriptors(), w->descriptors_before);
    free(w);
    return 0;
}

static void turn(struct world *w)
{
    event_base_loop(w->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    loop_run(w->loop);
}

static struct listener *try_listen(struct world *w, const char *text, bool reuse_port,
                                   struct errbuf *err)
{
    assert_int_equal(listener_parse(text, &w->address, err), ERR_NONE);
    return listener_new(w->base, w->loop, &w->address, reuse_port, &owner, w, err);
}

static void listen_on(struct world *w, const char *text)
{
    struct errbuf err = {""};
    w->listener = try_listen(w, text, false, &err);
    if (w->listener == NULL) {
        fail_msg("%s", err.text);
    }
}

static void listen_on_path(struct world *w)
{
    char text[128];
    snprintf(text, sizeof(text), "unix:%s", w->path);
    listen_on(w, text);
}

/* Connects to the listener's bound address. Returns errno. */
static int call(struct world *w)
{
    char text[SOCKADDR_TEXT_BYTES];
    struct listener_address to;
    listener_text(w->listener, text, sizeof(text));
    assert_int_equal(listener_parse(text, &to, NULL), ERR_NONE);
    int fd = socket(to.addr.ss_family, SOCK_STREAM, 0);
    assert_int_not_equal(fd, -1);
    w->clients[w->client_count++] = fd;
    return connect(fd, (struct sockaddr *) &to.addr, to.length) == 0 ? 0 : errno;
}

static void wait_accepted(struct world *w, unsigned count)
{
    for (unsigned i = 0; w->accepted_count < count && i < 2000; i++) {
        turn(w);
        if (i > 50) {
            poll(NULL, 0, 1);
        }
    }
    assert_int_equal(w->accepted_count, count);
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        const char *again; /* NULL: refused */
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080"},
        {"0.0.0.0:1", "0.0.0.0:1"},
        {"[::1]:8080", "[::1]:8080"},
        {"[fe80::1]:65535", "[fe80::1]:65535"},
        {":8080", "[::]:8080"},
        {"localhost:0", "127.0.0.1:0"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:x:1", "unix:x:1"},
        {"", NULL},
        {":", NULL},
        {"8080", NULL},
        {"127.0.0.1", NULL},
        {"127.0.0.1:", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:-1", NULL},
        {"127.0.0.1:+1", NULL},
        {"127.0.0.1: 1", NULL},
        {"127.0.0.1:80x", NULL},
        {"127.0.0.1:18446744073709551617", NULL},
        {"127.0.0:80", NULL},
        {"127.0.0.256:80", NULL},
        {" 127.0.0.1:80", NULL},
        {"::1:8080", NULL},
        {"[::1]8080", NULL},
        {"[::1:8080", NULL},
        {"[]:8080", NULL},
        {"[127.0.0.1]:8080", NULL},
        {"[::1]x:8080", NULL},
        {"example.com:80", NULL},
        {"http://127.0.0.1:80", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:8080", NULL},
        {"unix:", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct listener_address address;
        struct errbuf err = {""};
        char text[SOCKADDR_TEXT_BYTES];
        enum err rc = listener_parse(cases[i].text, &address, &err);
        if (rc != (cases[i].again != NULL ? ERR_NONE : ERR_INPUT)) {
            fail_msg("\"%s\": %d %s", cases[i].text, (int) rc, err.text);
        }
        if (cases[i].again == NULL) {
            assert_string_not_equal(err.text, "");
            continue;
        }
        assert_int_equal(address.is_unix, strncmp(cases[i].again, "unix:", 5) == 0);
        sockaddr_text((struct sockaddr *) &address.addr, address.length, text, sizeof(text));
        assert_string_equal(text, cases[i].again);
    }
}

static void test_length_of_a_path(void **state)
{
    (void) state;
    struct listener_address address;
    char text[5 + sizeof(((struct sockaddr_un *) NULL)->sun_path) + 1] = "unix:";
    memset(text + 5, 'x', sizeof(text) - 6);
    assert_int_equal(listener_parse(text, &address, NULL), ERR_INPUT);
    text[sizeof(text) - 2] = '\0';
    assert_int_equal(listener_parse(text, &address, NULL), ERR_NONE);
}

static void test_loopback(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        bool is_loopback;
    } cases[] = {
        {"127.0.0.1:1", true},
        {"127.9.9.9:1", true},
        {"128.0.0.1:1", false},
        {"0.0.0.0:1", false},
        {"[::1]:1", true},
        {"[::2]:1", false},
        {"[::]:1", false},
        {"[::ffff:127.0.0.1]:1", true},
        {"unix:/x", true},
        {"192.168.0.1:1", false},
        {"[::ffff:10.0.0.1]:1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct listener_address a;
        assert_int_equal(listener_parse(cases[i].text, &a, NULL), ERR_NONE);
        if (sockaddr_is_loopback((struct sockaddr *) &a.addr, a.length) != cases[i].is_loopback) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static void test_mapped_addresses_are_written_as_ipv4(void **state)
{
    (void) state;
    struct listener_address a;
    char text[SOCKADDR_TEXT_BYTES];
    assert_int_equal(listener_parse("[::ffff:10.1.2.3]:4", &a, NULL), ERR_NONE);
    sockaddr_text((struct sockaddr *) &a.addr, a.length, text, sizeof(text));
    assert_string_equal(text, "10.1.2.3:4");
}

/* ---- accepting ---- */

static void test_accepting(void **state)
{
    struct world *w = *state;
    char text[SOCKADDR_TEXT_BYTES];
    listen_on(w, "127.0.0.1:0");
    listener_text(w->listener, text, sizeof(text));
    assert_int_equal(strncmp(text, "127.0.0.1:", 10), 0);
    assert_string_not_equal(text, "127.0.0.1:0");
    assert_int_equal(call(w), 0);
    wait_accepted(w, 1);
    struct sockaddr_in mine;
    socklen_t length = sizeof(mine);
    assert_int_equal(getsockname(w->clients[0], (struct sockaddr *) &mine, &length), 0);
    sockaddr_text((struct sockaddr *) &mine, length, text, sizeof(text));
    assert_string_equal(w->peer, text);
}

static void test_all_addresses(void **state)
{
    struct world *w = *state;
    char text[SOCKADDR_TEXT_BYTES];
    listen_on(w, ":0");
    listener_text(w->listener, text, sizeof(text));
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t) strtoul(strrchr(text, ':') + 1, NULL, 10));
    w->clients[w->client_count++] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(w->clients[0], (struct sockaddr *) &to, sizeof(to)), 0);
    wait_accepted(w, 1);
    assert_int_equal(strncmp(w->peer, "127.0.0.1:", 10), 0);
}

static void test_sixteen_a_turn(void **state)
{
    struct world *w = *state;
    listen_on_path(w); /* connect() on a unix socket puts the caller into the queue at once */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(call(w), 0);
    }
    turn(w);
    assert_int_equal(w->accepted_count, 16);
    turn(w);
    assert_int_equal(w->accepted_count, 20);
    assert_string_equal(w->peer, "unix");
}

/* It is all that the base could watch; the timers are the virtual loop's. */
static bool is_paused(const struct world *w)
{
    return event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED) == 0;
}

static void test_no_descriptors_pauses(void **state)
{
    struct world *w = *state;
    struct rlimit before;
    listen_on_path(w);
    assert_int_equal(call(w), 0);
    assert_int_equal(call(w), 0); /* valgrind loses a caller with each failure */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(0);
    assert_int_not_equal(next, -1);
    close(next);
    struct rlimit none = {.rlim_cur = (rlim_t) next, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn(w);
    bool was_paused = is_paused(w);
    loop_advance(w->loop, &w->clock, w->clock.now_us + 1000 * 1000); /* tries again */
    bool tries_again = !is_paused(w);
    turn(w);
    bool is_paused_again = is_paused(w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(was_paused && tries_again && is_paused_again);
    assert_int_equal(w->accepted_count, 0);

    assert_int_equal(call(w), 0);
    turn(w);
    assert_int_equal(w->accepted_count, 0);
    listener_resume(w->listener);
    assert_false(is_paused(w));
    turn(w);
    assert_true(w->accepted_count > 0);
}

static void test_hold(void **state)
{
    struct world *w = *state;
    listen_on_path(w);
    listener_hold(w->listener, true);
    assert_true(is_paused(w));
    assert_int_equal(call(w), 0);
    turn(w);
    listener_resume(w->listener); /* is for descriptors, not for this */
    turn(w);
    assert_int_equal(w->accepted_count, 0);
    listener_hold(w->listener, false);
    turn(w);
    assert_int_equal(w->accepted_count, 1);
}

static void test_stop(void **state)
{
    struct world *w = *state;
    listen_on(w, "127.0.0.1:0");
    assert_int_equal(call(w), 0);
    listener_stop(w->listener);
    assert_int_equal(call(w), ECONNREFUSED);
    listener_stop(w->listener);
    listener_hold(w->listener, true);
    listener_hold(w->listener, false);
    turn(w);
    assert_int_equal(w->accepted_count, 0);
}

static void test_stop_inside_accept(void **state)
{
    struct world *w = *state;
    listen_on_path(w);
    w->stops = true;
    assert_int_equal(call(w), 0);
    assert_int_equal(call(w), 0);
    turn(w);
    assert_int_equal(w->accepted_count, 1);
}

static void test_hold_inside_accept(void **state)
{
    struct world *w = *state;
    listen_on_path(w);
    w->holds = true;
    assert_int_equal(call(w), 0);
    assert_int_equal(call(w), 0);
    turn(w);
    turn(w);
    assert_int_equal(w->accepted_count, 1);
}

/* ---- binding ---- */

static void expect_refusal(struct world *w, const char *text, const char *first, const char *second)
{
    struct errbuf err = {""};
    assert_null(try_listen(w, text, false, &err));
    if (strstr(err.text, first) == NULL || strstr(err.text, second) == NULL) {
        fail_msg("\"%s\" has not both \"%s\" and \"%s\"", err.text, first, second);
    }
}

static void test_address_in_use(void **state)
{
    struct world *w = *state;
    char text[SOCKADDR_TEXT_BYTES];
    listen_on(w, "127.0.0.1:0");
    listener_text(w->listener, text, sizeof(text));
    expect_refusal(w, text, text, "another program listens there");
    expect_refusal(w, "192.0.2.1:0", "192.0.2.1:0", "no network interface");
}

static void test_fronts_share_a_port(void **state)
{
    struct world *w = *state;
    struct errbuf err;
    char text[SOCKADDR_TEXT_BYTES];
    w->listener = try_listen(w, "127.0.0.1:0", true, &err);
    assert_non_null(w->listener);
    listener_text(w->listener, text, sizeof(text));
    struct listener *other = try_listen(w, text, true, &err);
    assert_non_null(other);
    listener_free(other);
}

static void test_mode_and_end_of_a_path(void **state)
{
    struct world *w = *state;
    struct stat st;
    listen_on_path(w);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    listener_free(w->listener);
    w->listener = NULL;
    assert_int_equal(stat(w->path, &st), -1);
}

static void make_stale(const struct world *w)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, w->path, strlen(w->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &un, sizeof(un)), 0);
    close(fd);
}

static void test_stale_path(void **state)
{
    struct world *w = *state;
    make_stale(w);
    listen_on_path(w);
    assert_int_equal(call(w), 0);
    wait_accepted(w, 1);
}

static void test_path_in_use(void **state)
{
    struct world *w = *state;
    char text[128];
    listen_on_path(w);
    snprintf(text, sizeof(text), "unix:%s", w->path);
    expect_refusal(w, text, w->path, "another program listens there");
    assert_int_equal(call(w), 0); /* the first one is unharmed; the attempt counts as a caller */
    wait_accepted(w, 2);
}

static void test_path_of_another_file(void **state)
{
    struct world *w = *state;
    char text[128];
    struct stat st;
    int fd = open(w->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    close(fd);
    snprintf(text, sizeof(text), "unix:%s", w->path);
    expect_refusal(w, text, w->path, "is no socket");
    assert_int_equal(stat(w->path, &st), 0);
    snprintf(text, sizeof(text), "unix:%s/no/socket", w->directory);
    expect_refusal(w, text, "/no/socket", "create the directory first");
}

static void test_path_that_now_belongs_to_another(void **state)
{
    struct world *w = *state;
    struct stat st;
    listen_on_path(w);
    unlink(w->path);
    make_stale(w);
    listener_free(w->listener);
    w->listener = NULL;
    assert_int_equal(stat(w->path, &st), 0);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_length_of_a_path),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_mapped_addresses_are_written_as_ipv4),
        WORLD(test_accepting),
        WORLD(test_all_addresses),
        WORLD(test_sixteen_a_turn),
        WORLD(test_no_descriptors_pauses),
        WORLD(test_hold),
        WORLD(test_stop),
        WORLD(test_stop_inside_accept),
        WORLD(test_hold_inside_accept),
        WORLD(test_address_in_use),
        WORLD(test_fronts_share_a_port),
        WORLD(test_mode_and_end_of_a_path),
        WORLD(test_stale_path),
        WORLD(test_path_in_use),
        WORLD(test_path_of_another_file),
        WORLD(test_path_that_now_belongs_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
