/* A front: a thread that serves, takes orders by mail and reports to main. The test is main. */
#include "gateway/front.h"
#include "router/upstream_curl.h"
#include "tests/unit/config_text.h"
#include "tests/unit/front_fixture.h"

#include <poll.h>
#include <stdlib.h>

struct office {
    struct env env;
    struct install_key key;
    struct ledger *ledger;
    struct log *log;
    struct mailbox *box;
    struct settings *settings;
    struct front *front;
    char address[128];
    unsigned drained;
    unsigned answers;
    struct metrics metrics;
    unsigned descriptors_before;
};

static void on_drained(void *arg)
{
    ((struct office *) arg)->drained++;
}

static void on_metrics(void *arg, const struct metrics *copy)
{
    struct office *o = arg;
    o->metrics = *copy;
    o->answers++;
}

static struct settings *make_settings(struct office *o, const char *text)
{
    struct errbuf why;
    const struct settings_ground ground = {
        .ledger = o->ledger, .install_key = &o->key, .env = &o->env, .number = 1};
    struct settings *s = settings_new(good(text), &ground, &why);
    assert_non_null(s);
    return s;
}

static struct office *office_open(const char *text, bool start)
{
    struct office *o = calloc(1, sizeof(*o));
    struct listener_address address;
    struct errbuf why;
    assert_non_null(o);
    o->descriptors_before = open_descriptors();
    o->env = env_system();
    o->ledger = ledger_new(&o->env);
    o->log = log_new("/dev/null", LOG_INFO, &why);
    o->box = mailbox_new(64, &why);
    o->settings = make_settings(o, text);
    const struct front_spec spec = {.settings = o->settings,
                                    .ledger = o->ledger,
                                    .log = o->log,
                                    .install_key = &o->key,
                                    .main_box = o->box,
                                    .on_drained = on_drained,
                                    .main_arg = o};
    o->front = front_new(&spec, &why);
    assert_non_null(o->front);
    assert_int_equal(listener_parse("127.0.0.1:0", &address, &why), ERR_NONE);
    assert_int_equal(front_listen(o->front, &address, false, &why), ERR_NONE);
    front_address(o->front, o->address, sizeof(o->address));
    if (start) {
        assert_int_equal(front_start(o->front, &why), ERR_NONE);
    }
    return o;
}

static void office_close(struct office *o)
{
    front_stop_and_free(o->front);
    mailbox_take(o->box, o);
    settings_unref(o->settings);
    mailbox_free(o->box);
    log_free(o->log);
    ledger_free(o->ledger);
    assert_int_equal(open_descriptors(), o->descriptors_before);
    free(o);
}

/* Takes main's mail until *count has reached `wanted`. */
static void take_mail_until(struct office *o, const unsigned *count, unsigned wanted)
{
    while (*count < wanted) {
        struct pollfd p = {.fd = mailbox_fd(o->box), .events = POLLIN};
        assert_int_equal(poll(&p, 1, HANG_SECONDS * 1000), 1);
        mailbox_take(o->box, o);
    }
    assert_int_equal(*count, wanted);
}

/* The front has done all that it was told before this. */
static void ask_metrics(struct office *o)
{
    const struct front_question question = {on_metrics, o};
    front_ask_metrics(o->front, &question);
    take_mail_until(o, &o->answers, o->answers + 1);
}

static void it_serves_until_it_is_stopped(void **state)
{
    struct office *o = office_open(GOOD, true);
    char text[1024];
    (void) state;
    assert_true(ask_once(o->address, "GET /healthz", text, sizeof(text)));
    assert_non_null(strstr(text, "\r\n\r\nok\n"));
    office_close(o);
}

static void one_that_never_began_is_freed(void **state)
{
    (void) state;
    office_close(office_open(GOOD, false));
    front_stop_and_free(NULL);
}

static void its_counters_are_copied(void **state)
{
    struct office *o = office_open(GOOD, true);
    char text[1024];
    (void) state;
    assert_true(ask_once(o->address, "GET /healthz", text, sizeof(text)));
    assert_true(ask_once(o->address, "GET /nothing", text, sizeof(text)));
    int fd = call_address(o->address);
    assert_true(say_to(fd, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(recv(fd, text, sizeof(text), 0) > 0); /* it has taken this caller */
    ask_metrics(o);
    assert_int_equal(o->metrics.connections_accepted, 3);
    assert_true(o->metrics.connections_open >= 1);
    assert_int_equal(o->metrics.requests[ENDPOINT_OTHER][2], 2);
    assert_int_equal(o->metrics.requests[ENDPOINT_OTHER][4], 1);
    assert_int_equal(o->metrics.requests_open, 0);
    assert_int_equal(o->metrics.transfers_open, 0);
    close(fd);
    office_close(o);
}

static void new_settings_come_by_mail(void **state)
{
    struct office *o = office_open(GOOD, true);
    char text[1024];
    (void) state;
    assert_true(ask_once(o->address, "GET /v1/models", text, sizeof(text)));
    assert_null(strstr(text, "\"gpt-x\""));
    front_renew(o->front, make_settings(o, GOOD "aliases: {gpt-x: m}\n"), NULL);
    ask_metrics(o);
    assert_true(ask_once(o->address, "GET /v1/models", text, sizeof(text)));
    assert_non_null(strstr(text, "\"gpt-x\""));
    office_close(o);
}

static void mail_that_nobody_read_is_freed(void **state)
{
    struct office *o = office_open(GOOD, false);
    const struct front_question question = {on_metrics, o};
    (void) state;
    front_renew(o->front, make_settings(o, GOOD), NULL);
    front_ask_metrics(o->front, &question);
    front_drain(o->front);
    office_close(o);
}

static void a_drain_closes_the_idle_and_tells_main_once(void **state)
{
    struct office *o = office_open(GOOD, true);
    char text[1024];
    (void) state;
    int fd = call_address(o->address);
    assert_true(say_to(fd, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(recv(fd, text, sizeof(text), 0) > 0);
    front_drain(o->front);
    assert_true(hear_all(fd, text, sizeof(text)));
    close(fd);
    take_mail_until(o, &o->drained, 1);
    assert_int_equal(call_address(o->address), -1); /* nobody listens any more */
    ask_metrics(o);
    assert_int_equal(o->drained, 1);
    assert_int_equal(o->metrics.connections_open, 0);
    office_close(o);
}

/* Listens and never answers. */
static int silent_upstream(char *url, size_t cap)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(door, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(door, 4), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *) &address, &length), 0);
    snprintf(url, cap, "http://127.0.0.1:%u/v1", ntohs(address.sin_port));
    return door;
}

#define BODY "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static void an_abort_ends_what_a_drain_waits_for(void **state)
{
    char url[64], config[256], text[1024];
    int door = silent_upstream(url, sizeof(url));
    (void) state;
    snprintf(config, sizeof(config), UPSTREAM("url: \"%s\""), url);
    struct office *o = office_open(config, true);
    int fd = call_address(o->address);
    snprintf(text, sizeof(text),
             "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n" BODY,
             sizeof(BODY) - 1);
    assert_true(say_to(fd, text));
    int upstream = accept(door, NULL, NULL); /* the request is under way */
    assert_int_not_equal(upstream, -1);
    front_drain(o->front);
    ask_metrics(o);
    assert_int_equal(o->metrics.requests_open, 1);
    assert_int_equal(o->metrics.transfers_open, 1);
    assert_int_equal(o->drained, 0);
    front_abort(o->front);
    assert_true(hear_all(fd, text, sizeof(text)));
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "shutting_down"));
    close(fd);
    take_mail_until(o, &o->drained, 1);
    close(upstream);
    office_close(o);
    close(door);
}

static void a_stop_without_a_drain_leaves_nothing(void **state)
{
    char url[64], config[256], text[1024];
    int door = silent_upstream(url, sizeof(url));
    (void) state;
    snprintf(config, sizeof(config), UPSTREAM("url: \"%s\""), url);
    struct office *o = office_open(config, true);
    int idle = call_address(o->address);
    int busy = call_address(o->address);
    assert_true(say_to(idle, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(recv(idle, text, sizeof(text), 0) > 0);
    snprintf(text, sizeof(text),
             "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n" BODY,
             sizeof(BODY) - 1);
    assert_true(say_to(busy, text));
    int upstream = accept(door, NULL, NULL);
    close(idle); /* which the front need not have seen */
    front_stop_and_free(o->front);
    o->front = NULL;
    hear_all(busy, text, sizeof(text)); /* it ends, if by a reset */
    while (recv(upstream, text, sizeof(text), 0) > 0) {
    }
    close(busy);
    close(upstream);
    office_close(o);
    close(door);
}

static int set_up(void **state)
{
    struct errbuf why;
    (void) state;
    return upstream_curl_global_init(&why) == ERR_NONE ? 0 : -1;
}

static int tear_down(void **state)
{
    (void) state;
    upstream_curl_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_until_it_is_stopped),
        cmocka_unit_test(one_that_never_began_is_freed),
        cmocka_unit_test(its_counters_are_copied),
        cmocka_unit_test(new_settings_come_by_mail),
        cmocka_unit_test(mail_that_nobody_read_is_freed),
        cmocka_unit_test(a_drain_closes_the_idle_and_tells_main_once),
        cmocka_unit_test(a_stop_without_a_drain_leaves_nothing),
        cmocka_unit_test(an_abort_ends_what_a_drain_waits_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
