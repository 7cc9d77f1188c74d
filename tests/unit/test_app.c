/* The process as a whole, in this one: what ends a start, reload and metrics over the admin socket, and
 * the end by a signal. */
#include "gateway/app_private.h"
#include "tests/unit/config_text.h"
#include "tests/unit/front_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

static char directory[] = "/tmp/test_app.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[64];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

/* Writes a configuration that listens at `listen`, logs into the directory and says `more`. */
static void write_config(const char *listen, const char *more)
{
    FILE *f = fopen(path_of("sluice.yaml"), "w");
    assert_non_null(f);
    fprintf(
        f, "listen: %s\nadmin: \"unix:%s/admin.sock\"\nlog: {file: %s/log}\n" UPSTREAMS MODELS "%s",
        listen, directory, directory, more);
    assert_int_equal(fclose(f), 0);
}

static struct app *start(const char *listen, const char *more, struct errbuf *why)
{
    struct config_report report = {.count = 0};
    write_config(listen, more);
    struct config *config = config_load(path_of("sluice.yaml"), config_getenv, &report);
    for (size_t i = 0; i < report.count; i++) {
        print_error("%s\n", report.messages[i]);
    }
    assert_non_null(config);
    config_report_fini(&report);
    return app_new(config, why);
}

/* What was logged, when the process has ended. */
static void read_log(char *to, size_t cap)
{
    FILE *f = fopen(path_of("log"), "r");
    assert_non_null(f);
    to[fread(to, 1, cap - 1, f)] = '\0';
    fclose(f);
}

/* ---- what ends a start ---- */

static void a_port_that_is_taken_ends_the_start(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    struct errbuf why;
    char listen_text[32];
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void) state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(door, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(door, 1), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *) &address, &length), 0);
    snprintf(listen_text, sizeof(listen_text), "127.0.0.1:%u", ntohs(address.sin_port));
    unsigned before = open_descriptors();
    assert_null(start(listen_text, "", &why));
    assert_non_null(strstr(why.text, listen_text));
    assert_null(start(listen_text, "workers: 2\n", &why)); /* which would share it */
    assert_non_null(strstr(why.text, listen_text));
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(access(path_of("admin.sock"), F_OK), -1);
    close(door);
}

static void the_installations_key_is_for_nobody_else(void **state)
{
    struct errbuf why;
    struct stat st;
    char more[64];
    struct install_key first;
    (void) state;
    snprintf(more, sizeof(more), "data: %s/data\n", directory);
    struct app *app = start("127.0.0.1:0", more, &why);
    assert_non_null(app);
    first = app->install_key;
    app_free(app); /* one that never ran */
    assert_int_equal(stat(path_of("data"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of("data/key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    app = start("127.0.0.1:0", more, &why);
    assert_non_null(app);
    assert_memory_equal(&app->install_key, &first, sizeof(first)); /* ids stay good */
    app_free(app);
}

/* Another key in its place would disown every id that was given out. */
static void a_damaged_key_ends_the_start(void **state)
{
    struct errbuf why;
    char more[64];
    unsigned before = open_descriptors();
    (void) state;
    snprintf(more, sizeof(more), "data: %s/data\n", directory);
    assert_int_equal(truncate(path_of("data/key"), 7), 0);
    assert_null(start("127.0.0.1:0", more, &why));
    assert_non_null(strstr(why.text, "data/key"));
    assert_int_equal(open_descriptors(), before);
}

/* ---- a life ---- */

/* What a person does to the process, from a thread of its own, and what it answered. */
struct visit {
    char listen[128];
    char admin[128];
    char health[1024];
    char metrics[64 * 1024];
    char reloaded[1024];
    char refused[1024];
    char models[1024];
    bool hung_up; /* the stream of requests was closed by the drain */
    bool all_answered;
};

static void *visit(void *arg)
{
    struct visit *v = arg;
    char rest[1024];
    int idle = call_address(v->listen);
    bool ok = idle != -1 && say_to(idle, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    ok = ok && recv(idle, rest, sizeof(rest), 0) > 0;
    ok = ok && ask_once(v->listen, "GET /healthz", v->health, sizeof(v->health));
    ok = ok && ask_once(v->admin, "GET /metrics", v->metrics, sizeof(v->metrics));
    write_config("127.0.0.1:0", "workers: 2\naliases: {gpt-x: m}\n");
    ok = ok && ask_once(v->admin, "POST /admin/reload", v->reloaded, sizeof(v->reloaded));
    write_config("127.0.0.1:0", "workers: two\n");
    ok = ok && ask_once(v->admin, "POST /admin/reload", v->refused, sizeof(v->refused));
    /* The fronts have it by mail: their answer to this question comes after. */
    ok = ok && ask_once(v->admin, "GET /metrics", v->metrics, sizeof(v->metrics));
    ok = ok && ask_once(v->listen, "GET /v1/models", v->models, sizeof(v->models));
    v->all_answered = ok;
    kill(getpid(), SIGTERM);
    v->hung_up = idle != -1 && hear_all(idle, rest, sizeof(rest));
    close(idle);
    return NULL;
}

static void it_serves_reloads_and_ends_by_a_signal(void **state)
{
    struct visit *v = calloc(1, sizeof(*v));
    struct errbuf why;
    pthread_t visitor;
    char log[8192];
    unsigned before = open_descriptors();
    (void) state;
    assert_non_null(v);
    struct app *app = start("127.0.0.1:0", "workers: 2\n", &why);
    assert_non_null(app);
    assert_int_equal(app->front_count, 2);
    front_address(app->fronts[0], v->listen, sizeof(v->listen));
    snprintf(v->admin, sizeof(v->admin), "unix:%s/admin.sock", directory);
    assert_int_equal(pthread_create(&visitor, NULL, visit, v), 0);
    assert_int_equal(app_run(app, &why), ERR_NONE);
    pthread_join(visitor, NULL);
    assert_true(app_is_draining(app));
    assert_int_equal(app->reloads_ok, 1);
    assert_int_equal(app->reloads_failed, 1);
    app_free(app);
    assert_true(v->all_answered);
    assert_true(v->hung_up);
    assert_non_null(strstr(v->health, "\r\n\r\nok\n"));
    assert_non_null(strstr(v->reloaded, "{\"reloaded\":true,\"faults\":[]}"));
    assert_non_null(strstr(v->refused, "HTTP/1.1 422 "));
    assert_non_null(
        strstr(v->models, "\"gpt-x\"")); /* by the good file, not the bad one after it */
    assert_non_null(strstr(v->metrics, "sluice_reloads_total{result=\"ok\"} 1\n"));
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(access(path_of("admin.sock"), F_OK), -1);
    read_log(log, sizeof(log));
    static const char *const events[] = {"listening", "reloaded", "reload_refused", "draining",
                                         "stopped"};
    const char *at = log;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        at = strstr(at, events[i]);
        assert_non_null(at);
    }
    free(v);
}

static int set_up(void **state)
{
    (void) state;
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"sluice.yaml", "log", "data/key"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        unlink(path_of(names[i]));
    }
    rmdir(path_of("data"));
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_that_is_taken_ends_the_start),
        cmocka_unit_test(the_installations_key_is_for_nobody_else),
        cmocka_unit_test(a_damaged_key_ends_the_start),
        cmocka_unit_test(it_serves_reloads_and_ends_by_a_signal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
