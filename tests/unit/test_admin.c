/* The admin endpoint: who may call it, its pages, reload. The process behind it has no fronts. */
#include "gateway/admin.h"
#include "gateway/app_private.h"
#include "tests/unit/gateway_client.h"

#include <jansson.h>

#define TCP                                                                                        \
    "listen: 127.0.0.1:8080\n"                                                                     \
    "admin: 127.0.0.1:9090\n"
#define WITH_TOKEN TCP "admin_token_env: SECRET\n" GOOD
#define UNIX "admin: \"unix:/tmp/test_admin.sock\"\n" GOOD
#define BEARER "Authorization: Bearer " SECRET "\r\n"

struct office {
    struct gate *gate;
    struct client *client;
    struct app app;
    char file[40]; /* the configuration file; "": none */
};

static struct office *office_open(const char *text)
{
    struct office *o = calloc(1, sizeof(*o));
    assert_non_null(o);
    o->gate = gate_ground();
    struct gate *g = o->gate;
    g->server.upstreams = NULL;
    g->server.is_admin = true;
    g->server.routes = routes_admin();
    g->server.owner = &o->app;
    server_init(&g->server, gate_settings(g, text), NULL);
    o->app = (struct app) {.env = g->env,
                           .loop = g->loop,
                           .install_key = g->install_key,
                           .ledger = g->ledger,
                           .log = g->log,
                           .tap = g->server.log,
                           .settings = settings_ref(g->server.settings),
                           .snapshot_number = 1};
    o->client = client_open(g);
    return o;
}

static void office_close(struct office *o)
{
    client_close(o->client);
    app_end_rounds(&o->app);
    settings_unref(o->app.settings);
    if (o->file[0]) {
        unlink(o->file);
    }
    gate_close(o->gate);
    free(o);
}

static void ask(struct office *o, const char *line, const char *headers, struct reply *r)
{
    char text[512];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s\r\n", line, headers);
    client_say(o->client, text);
    client_reply(o->client, r);
}

static void expect_code(const struct reply *r, int status, const char *code)
{
    char member[64];
    assert_int_equal(r->status, status);
    snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
    assert_non_null(strstr(r->body, member));
}

/* ---- who may ---- */

static void a_page_that_points_its_name_here_is_refused(void **state)
{
    static const struct {
        const char *from, *host;
        bool ok;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1:9090", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "[::1]:9090", true},
        {"10.0.0.1", "192.168.1.1:9090", true}, /* an address is no name */
        {"127.0.0.1", "localhost:9090", true},
        {"127.0.0.1", "LocalHost", true},
        {"10.0.0.1", "localhost:9090", false},
        {"127.0.0.1", "evil.example", false},
        {"127.0.0.1", "evil.example:9090", false},
        {"127.0.0.1", "127.0.0.1.evil.example", false},
        {"127.0.0.1", "localhost.evil.example", false},
    };
    struct office *o = office_open(WITH_TOKEN);
    char headers[128];
    struct reply r;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        client_close(o->client);
        o->client = client_from(o->gate, rows[i].from, false);
        snprintf(headers, sizeof(headers), "Host: %s\r\n", rows[i].host);
        ask(o, "GET /healthz", headers, &r);
        if (rows[i].ok) {
            assert_int_equal(r.status, 200);
        } else {
            expect_code(&r, 403, "wrong_host");
        }
    }
    office_close(o);
}

static void changes_over_tcp_need_the_token(void **state)
{
    static const struct {
        const char *header, *words;
    } rows[] = {
        {"", "changes over TCP need"},
        {"Authorization: Bearer sk-other\r\n", "not the one"},
        {"Authorization: Bearer " SECRET "x\r\n", "not the one"},
        {"Authorization: Basic " SECRET "\r\n", "not the one"},
        {"Authorization: Bearer \r\n", "not the one"},
    };
    struct office *o = office_open(WITH_TOKEN);
    char headers[256];
    struct reply r;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(headers, sizeof(headers), "Host: 127.0.0.1\r\n%s", rows[i].header);
        ask(o, "POST /admin/reload", headers, &r);
        expect_code(&r, 401, "admin_token_needed");
        assert_non_null(strstr(r.body, rows[i].words));
    }
    assert_int_equal(o->app.reloads_failed, 0); /* not even tried */
    ask(o, "POST /admin/reload", "Host: 127.0.0.1\r\n" BEARER, &r);
    assert_int_equal(r.status, 422); /* tried, and there is no such file */
    assert_int_equal(o->app.reloads_failed, 1);
    office_close(o);
}

static void without_a_token_nothing_is_changed_over_tcp(void **state)
{
    struct office *o = office_open(TCP GOOD);
    struct reply r;
    (void) state;
    ask(o, "POST /admin/reload", "Host: 127.0.0.1\r\n" BEARER, &r);
    expect_code(&r, 401, "admin_token_needed");
    ask(o, "GET /healthz", "Host: 127.0.0.1\r\n", &r); /* reading goes */
    assert_int_equal(r.status, 200);
    office_close(o);
}

static void the_unix_socket_is_guarded_by_its_file(void **state)
{
    struct office *o = office_open(UNIX);
    struct reply r;
    (void) state;
    ask(o, "POST /admin/reload", "Host: any.example\r\n", &r);
    assert_int_equal(r.status, 422);
    office_close(o);
}

static void no_page_may_read_it(void **state)
{
    struct office *o = office_open(TCP GOOD "cors: [\"*\"]\nkeys: [{name: a, sha256: " ONES "}]\n");
    struct reply r;
    (void) state;
    ask(o, "GET /healthz", "Host: 127.0.0.1\r\nOrigin: https://app.example\r\n", &r);
    assert_int_equal(r.status, 200); /* API keys are not asked for here */
    assert_null(strstr(r.head, "access-control"));
    office_close(o);
}

/* ---- pages ---- */

#define GET_HEADERS "Host: 127.0.0.1\r\n"

static void status_shows_tasks_and_upstreams(void **state)
{
    struct office *o = office_open(TCP GOOD "tasks: [{name: math}]\n");
    struct reply r;
    (void) state;
    o->app.draining = true;
    ask(o, "GET /admin/status", GET_HEADERS, &r);
    json_t *j = json_loads(r.body, 0, NULL);
    assert_non_null(j);
    assert_true(json_is_true(json_object_get(j, "draining")));
    assert_true(json_is_string(json_object_get(j, "version")));
    assert_int_equal(json_integer_value(json_object_get(j, "snapshot")), 1);
    json_t *tasks = json_object_get(j, "tasks");
    assert_int_equal(json_array_size(tasks), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(tasks, 1), "name")),
                        "math");
    json_t *arm = json_array_get(json_object_get(json_array_get(tasks, 1), "arms"), 0);
    assert_int_equal(json_integer_value(json_object_get(arm, "nodes")), 1);
    assert_true(json_number_value(json_object_get(arm, "share")) == 1.0);
    json_t *upstream = json_array_get(json_object_get(j, "upstreams"), 0);
    assert_string_equal(json_string_value(json_object_get(upstream, "name")), "u");
    assert_string_equal(json_string_value(json_object_get(upstream, "breaker")), "closed");
    assert_int_equal(json_integer_value(json_object_get(upstream, "in_flight")), 0);
    json_decref(j);
    office_close(o);
}

/* No front answers: there is none. */
static void metrics_wait_a_second_for_fronts(void **state)
{
    struct office *o = office_open(TCP GOOD);
    struct reply r;
    (void) state;
    client_say(o->client, "GET /metrics HTTP/1.1\r\n" GET_HEADERS "\r\n");
    gate_wait_us(o->gate, 1u * S - 1);
    client_expect_silence(o->client, true);
    gate_wait_us(o->gate, 1);
    client_reply(o->client, &r);
    assert_int_equal(r.status, 200);
    assert_true(reply_says(&r, "content-type", "text/plain; version=0.0.4; charset=utf-8"));
    assert_non_null(strstr(r.body, "# TYPE sluice_"));
    office_close(o);
}

static void who_leaves_is_not_answered(void **state)
{
    struct office *o = office_open(TCP GOOD);
    (void) state;
    client_say(o->client, "GET /metrics HTTP/1.1\r\n" GET_HEADERS "\r\n");
    shutdown(o->client->fd, SHUT_RDWR);
    gate_settle(o->gate);
    assert_int_equal(o->gate->server.exchange_count, 0);
    gate_wait_us(o->gate, 2u * S); /* the limit comes, to nobody */
    office_close(o);
}

/* ---- reload ---- */

static void write_file(struct office *o, const char *text)
{
    if (!o->file[0]) {
        snprintf(o->file, sizeof(o->file), "/tmp/test_admin.XXXXXX");
        int fd = mkstemp(o->file);
        assert_int_not_equal(fd, -1);
        close(fd);
        o->app.settings->config->file = o->file;
    }
    FILE *f = fopen(o->file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void a_good_file_takes_effect(void **state)
{
    struct office *o = office_open(UNIX);
    struct reply r;
    (void) state;
    write_file(o, UNIX "drain: 7s\n");
    ask(o, "POST /admin/reload", GET_HEADERS, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"reloaded\":true,\"faults\":[]}");
    assert_int_equal(o->app.settings->config->drain_us, 7u * S);
    assert_int_equal(o->app.settings->snapshot->number, 2);
    assert_int_equal(o->app.reloads_ok, 1);
    office_close(o);
}

static void a_bad_file_changes_nothing(void **state)
{
    struct office *o = office_open(UNIX);
    const struct settings *before = o->app.settings;
    struct reply r;
    char log[4096], fault[64];
    (void) state;
    write_file(o, UNIX "drain: soon\nworkers: many\n");
    ask(o, "POST /admin/reload", GET_HEADERS, &r);
    assert_int_equal(r.status, 422);
    json_t *j = json_loads(r.body, 0, NULL);
    assert_non_null(j);
    assert_true(json_is_false(json_object_get(j, "reloaded")));
    json_t *faults = json_object_get(j, "faults");
    assert_int_equal(json_array_size(faults), 2);
    snprintf(fault, sizeof(fault), "%s:6:8: drain: ", o->file);
    assert_non_null(strstr(json_string_value(json_array_get(faults, 0)), fault));
    json_decref(j);
    assert_ptr_equal(o->app.settings, before);
    assert_int_equal(o->app.snapshot_number, 1);
    assert_int_equal(o->app.reloads_failed, 1);
    gate_read_log(o->gate, log, sizeof(log));
    assert_non_null(strstr(log, "reload_refused"));
    office_close(o);
}

static void what_needs_a_restart_is_kept_and_said(void **state)
{
    struct office *o = office_open(TCP "workers: 2\n" GOOD);
    struct config_report report = {.count = 0};
    char log[4096];
    (void) state;
    write_file(o, "listen: 127.0.0.1:8081\nadmin: 127.0.0.1:9091\nworkers: 3\n"
                  "data: /tmp/elsewhere\nlog: {level: warn}\ndrain: 7s\n" GOOD);
    assert_true(app_reload(&o->app, &report));
    config_report_fini(&report);
    const struct config *c = o->app.settings->config;
    assert_string_equal(c->listen_text, "127.0.0.1:8080");
    assert_string_equal(c->admin_text, "127.0.0.1:9090");
    assert_int_equal(ntohs(((const struct sockaddr_in *) &c->admin.addr)->sin_port), 9090);
    assert_int_equal(c->workers, 2);
    assert_null(c->data);
    assert_int_equal(c->drain_us, 7u * S); /* and the rest is new */
    gate_read_log(o->gate, log, sizeof(log));
    static const char *const keys[] = {"key=listen", "key=admin", "key=workers", "key=data"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_non_null(strstr(log, keys[i]));
    }
    assert_null(strstr(log, "key=log"));
    office_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_points_its_name_here_is_refused),
        cmocka_unit_test(changes_over_tcp_need_the_token),
        cmocka_unit_test(without_a_token_nothing_is_changed_over_tcp),
        cmocka_unit_test(the_unix_socket_is_guarded_by_its_file),
        cmocka_unit_test(no_page_may_read_it),
        cmocka_unit_test(status_shows_tasks_and_upstreams),
        cmocka_unit_test(metrics_wait_a_second_for_fronts),
        cmocka_unit_test(who_leaves_is_not_answered),
        cmocka_unit_test(a_good_file_takes_effect),
        cmocka_unit_test(a_bad_file_changes_nothing),
        cmocka_unit_test(what_needs_a_restart_is_kept_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
