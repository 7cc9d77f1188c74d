#include "gateway/config.h"

#include "gateway/config_keys.h"
#include "tests/unit/config_text.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what loads ---- */

static void defaults(void **state)
{
    struct config *c = good(GOOD);
    (void) state;
    assert_string_equal(c->file, "t.yaml");
    assert_string_equal(c->listen_text, "127.0.0.1:8080");
    assert_false(c->listen.is_unix);
    assert_true(c->listen.length > 0);
    assert_null(c->admin_text);
    assert_null(c->admin_token);
    assert_int_equal(c->workers, 1);
    assert_null(c->data);
    assert_null(c->tls_cert);
    assert_null(c->tls_key);
    assert_int_equal(c->auth.count, 0);
    assert_int_equal(c->limits.body_bytes, 32 << 20);
    assert_int_equal(c->limits.answer_bytes, 1 << 20);
    assert_int_equal(c->limits.stream_buffer_bytes, 64 << 10);
    assert_int_equal(c->limits.connections, 10000);
    assert_int_equal(c->timeouts.handshake_us, 10000000);
    assert_int_equal(c->timeouts.head_us, 10000000);
    assert_int_equal(c->timeouts.body_us, 30000000);
    assert_int_equal(c->timeouts.keep_alive_us, 75000000);
    assert_int_equal(c->timeouts.send_us, 60000000);
    assert_int_equal(c->timeouts.request_us, 600000000);
    assert_int_equal(c->heartbeat_first_us, 15000000);
    assert_int_equal(c->heartbeat_every_us, 15000000);
    assert_int_equal(c->drain_us, 30000000);
    assert_non_null(c->cors);
    assert_null(c->cors[0]);
    assert_false(c->compress_streams);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_null(c->log_file);
    assert_true(c->log_access);
    config_free(c);
}

static void defaults_of_upstreams_and_models(void **state)
{
    struct config *c = good(GOOD);
    const struct upstream_def *u = &c->catalog->upstreams[0];
    const struct model_def *m = &c->catalog->models[0];
    (void) state;
    assert_int_equal(c->catalog->upstream_count, 1);
    assert_string_equal(u->name, "u");
    assert_string_equal(u->url, "http://127.0.0.1:1/v1");
    assert_null(u->key);
    assert_null(u->ca);
    assert_int_equal(u->max_in_flight, 64);
    assert_int_equal(u->queue, 256);
    assert_int_equal(u->timeouts.connect_us, 5000000);
    assert_int_equal(u->timeouts.first_token_us, 60000000);
    assert_int_equal(u->timeouts.idle_us, 30000000);
    assert_int_equal(u->timeouts.total_us, 600000000);
    assert_int_equal(u->retries, 2);
    assert_int_equal(u->on_abandon, ON_ABANDON_ABORT);
    assert_int_equal(c->catalog->model_count, 1);
    assert_string_equal(m->name, "m");
    assert_string_equal(m->id, "m");
    assert_ptr_equal(m->upstream, u);
    assert_null(m->fallback);
    assert_true(m->params <= 0);
    assert_int_equal(m->context, 0);
    assert_int_equal(m->capabilities, 0);
    assert_int_equal(c->catalog->alias_count, 0);
    config_free(c);
}

static void server_values(void **state)
{
    struct config *c = good(
        GOOD "listen: \"[::1]:80\"\n"
             "admin: 127.0.0.1:0\n"
             "admin_token_env: SECRET\n"
             "workers: 7\n"
             "data: .\n"
             "limits: {body: 1MB, answer: 65536, stream_buffer: 4KiB, connections: 5}\n"
             "timeouts: {handshake: 1ms, head: 2s, body: 3m, keep_alive: 1h,\n"
             "           send: 5s, request: \"6s\"}\n"
             "heartbeat: {first: 7s, every: 8s}\n"
             "drain: 0s\n"
             "keys: [{name: web, token_env: SECRET}]\n"
             "cors: [\"https://a.example\", \"http://b:1\"]\n"
             "compress: streams\n"
             "log: {level: warn, file: t.log, access: false}\n");
    (void) state;
    assert_string_equal(c->listen_text, "[::1]:80");
    assert_string_equal(c->admin_text, "127.0.0.1:0");
    assert_string_equal(c->admin_token, SECRET);
    assert_int_equal(c->workers, 7);
    assert_string_equal(c->data, ".");
    assert_int_equal(c->limits.body_bytes, 1000000);
    assert_int_equal(c->limits.answer_bytes, 65536);
    assert_int_equal(c->limits.stream_buffer_bytes, 4096);
    assert_int_equal(c->limits.connections, 5);
    assert_int_equal(c->timeouts.handshake_us, 1000);
    assert_int_equal(c->timeouts.head_us, 2000000);
    assert_int_equal(c->timeouts.body_us, 180000000);
    assert_int_equal(c->timeouts.keep_alive_us, 3600000000u);
    assert_int_equal(c->timeouts.send_us, 5000000);
    assert_int_equal(c->timeouts.request_us, 6000000);
    assert_int_equal(c->heartbeat_first_us, 7000000);
    assert_int_equal(c->heartbeat_every_us, 8000000);
    assert_int_equal(c->drain_us, 0);
    assert_string_equal(c->cors[0], "https://a.example");
    assert_string_equal(c->cors[1], "http://b:1");
    assert_null(c->cors[2]);
    assert_true(c->compress_streams);
    assert_int_equal(c->log_level, LOG_WARN);
    assert_string_equal(c->log_file, "t.log");
    assert_false(c->log_access);
    config_free(c);
}

static void heartbeat_off(void **state)
{
    struct config *c = good(GOOD "heartbeat: off\n");
    (void) state;
    assert_int_equal(c->heartbeat_first_us, 0);
    assert_int_equal(c->heartbeat_every_us, 0);
    config_free(c);
}

static void one_worker_per_cpu(void **state)
{
    struct config *c = good(GOOD "workers: 0\n");
    (void) state;
    assert_true(c->workers >= 1 && c->workers <= 64);
    config_free(c);
}

static void addresses_without_keys(void **state)
{
    static const char *const texts[] = {"127.0.0.1:0", "127.9.9.9:1", "\"[::1]:1\"", "localhost:1",
                                        "unix:t.sock"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char text[256];
        snprintf(text, sizeof(text), GOOD "listen: %s\n", texts[i]);
        config_free(good(text));
    }
    /* Each gets a port of its own. */
    config_free(good(GOOD "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n"));
}

static void key_values(void **state)
{
    static const char hex[] = SECRET_SHA256;
    struct config *c = good(GOOD "listen: :8080\n"
                                 "aliases: {a: auto}\n"
                                 "keys:\n"
                                 "  - {name: k1, token_env: SECRET, requests_per_minute: 1,\n"
                                 "     tokens_per_minute: 2, max_in_flight: 3,\n"
                                 "     allow: [auto, auto/default, m, a]}\n"
                                 "  - {name: k2, sha256: " ONES "}\n");
    const struct auth_key *k = c->auth.keys;
    unsigned char digest[SHA256_BYTES];
    (void) state;
    assert_int_equal(c->auth.count, 2);
    assert_string_equal(k[0].name, "k1");
    assert_true(crypt_unhex(slice_of(hex), digest, sizeof(digest)));
    assert_memory_equal(k[0].sha256, digest, sizeof(digest));
    assert_int_equal(k[0].limits.requests_per_minute, 1);
    assert_int_equal(k[0].limits.tokens_per_minute, 2);
    assert_int_equal(k[0].limits.max_in_flight, 3);
    assert_string_equal(k[0].allow[0], "auto");
    assert_string_equal(k[0].allow[3], "a");
    assert_null(k[0].allow[4]);
    assert_string_equal(k[1].name, "k2");
    assert_int_equal(k[1].sha256[0], 0x11);
    assert_int_equal(k[1].limits.requests_per_minute, 0);
    assert_null(k[1].allow);
    config_free(c);
}

static void catalog_values(void **state)
{
    struct config *c = good("upstreams:\n"
                            "  - name: u\n"
                            "    url: https://h.example/v1\n"
                            "    key_env: SECRET\n"
                            "    ca: /etc/passwd\n"
                            "    max_in_flight: 2\n"
                            "    queue: 0\n"
                            "    timeouts: {connect: 1s, first_token: 2s, idle: 3s, total: 4s}\n"
                            "    retries: 0\n"
                            "    on_abandon: drain\n"
                            "  - {name: v, url: \"http://h\", max_in_flight: 3}\n"
                            "models:\n"
                            "  - {name: \"x/y:1b@z+\", upstream: v, id: \"any thing\",\n"
                            "     params: 8.03e9, layers: 4, hidden: 5, context: 131072,\n"
                            "     price: {input: 0.5, output: 1.5},\n"
                            "     capabilities: [tools, no_system], fallback: n}\n"
                            "  - {name: n, upstream: u, capabilities: [],\n"
                            "     price: {input: 2, cached: 0.25}}\n"
                            "aliases: {gpt-4o: auto, a: \"x/y:1b@z+\", b: auto/default}\n");
    const struct catalog *l = c->catalog;
    const struct upstream_def *u = l->upstreams;
    const struct model_def *m = l->models;
    (void) state;
    assert_string_equal(u[0].key, SECRET);
    assert_non_null(u[0].ca);
    assert_int_equal(u[0].max_in_flight, 2);
    assert_int_equal(u[0].queue, 0);
    assert_int_equal(u[0].timeouts.connect_us, 1000000);
    assert_int_equal(u[0].timeouts.first_token_us, 2000000);
    assert_int_equal(u[0].timeouts.idle_us, 3000000);
    assert_int_equal(u[0].timeouts.total_us, 4000000);
    assert_int_equal(u[0].retries, 0);
    assert_int_equal(u[0].on_abandon, ON_ABANDON_DRAIN);
    assert_int_equal(u[1].queue, 12);
    assert_ptr_equal(m[0].upstream, &u[1]);
    assert_string_equal(m[0].id, "any thing");
    assert_true(fabs(m[0].params - 8.03e9) < 1);
    assert_int_equal(m[0].layers, 4);
    assert_int_equal(m[0].hidden, 5);
    assert_int_equal(m[0].context, 131072);
    assert_int_equal(m[0].capabilities, CAPABILITY_TOOLS | CAPABILITY_NO_SYSTEM);
    assert_true(fabs(m[0].usd_per_mtok_input - 0.5) < 1e-9);
    assert_true(fabs(m[0].usd_per_mtok_cached - 0.5) < 1e-9);
    assert_true(fabs(m[0].usd_per_mtok_output - 1.5) < 1e-9);
    assert_true(fabs(m[1].usd_per_mtok_cached - 0.25) < 1e-9);
    assert_ptr_equal(m[0].fallback, &m[1]);
    assert_ptr_equal(catalog_model(l, SLICE_LIT("x/y:1b@z+")), &m[0]);
    assert_string_equal(catalog_alias(l, SLICE_LIT("gpt-4o")), "auto");
    assert_string_equal(catalog_alias(l, SLICE_LIT("a")), "x/y:1b@z+");
    config_free(c);
}

/* A default means the same whether it is written or left out; also proves that every text of the table
 * is a value that its key takes. */
static void a_written_default_changes_nothing(void **state)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    size_t tried = 0;
    (void) state;
    for (size_t i = 0; i < count; i++) {
        char text[512];
        const char *dot = strchr(keys[i].path, '.');
        if (!keys[i].value || strchr(keys[i].path, '[')) {
            continue;
        }
        if (dot) {
            snprintf(text, sizeof(text), GOOD "%.*s: {%s: \"%s\"}\n", (int) (dot - keys[i].path),
                     keys[i].path, dot + 1, keys[i].value);
        } else {
            snprintf(text, sizeof(text), GOOD "%s: \"%s\"\n", keys[i].path, keys[i].value);
        }
        /* Numbers and truth do without quotes. */
        for (char *p = text + strlen(GOOD);
             keys[i].type == KEY_COUNT || keys[i].type == KEY_BOOL;) {
            p = strchr(p, '"');
            if (!p) {
                break;
            }
            *p = ' ';
        }
        struct config *c = good(text);
        struct config *bare = good(GOOD);
        assert_memory_equal(&c->limits, &bare->limits, sizeof(c->limits));
        assert_memory_equal(&c->timeouts, &bare->timeouts, sizeof(c->timeouts));
        assert_int_equal(c->workers, bare->workers);
        assert_int_equal(c->log_level, bare->log_level);
        assert_int_equal(c->log_access, bare->log_access);
        assert_int_equal(c->compress_streams, bare->compress_streams);
        assert_int_equal(c->heartbeat_first_us, bare->heartbeat_first_us);
        assert_int_equal(c->heartbeat_every_us, bare->heartbeat_every_us);
        assert_int_equal(c->drain_us, bare->drain_us);
        assert_string_equal(c->listen_text, bare->listen_text);
        config_free(c);
        config_free(bare);
        tried++;
    }
    assert_true(tried > 15);
}

/* ---- files ---- */

struct directory {
    char path[64];
};

static int make_directory(void **state)
{
    struct directory *d = calloc(1, sizeof(*d));
    if (!d) {
        return -1;
    }
    snprintf(d->path, sizeof(d->path), "/tmp/test-config-XXXXXX");
    *state = d;
    return mkdtemp(d->path) ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"t.yaml", "a.key", "t.log", "data"};
    struct directory *d = *state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s/%s", d->path, names[i]);
        remove(path);
    }
    rmdir(d->path);
    free(d);
    return 0;
}

static void write_file(const struct directory *d, const char *name, const char *text, size_t n)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static struct config *load_file(const struct directory *d, struct config_report *report)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/t.yaml", d->path);
    return config_load(path, fake_getenv, report);
}

static void expect_file_fault(const struct directory *d, const char *end)
{
    struct config_report report;
    char expected[256];
    assert_null(load_file(d, &report));
    assert_int_equal(report.count, 1);
    snprintf(expected, sizeof(expected), "%s/t.yaml: %s", d->path, end);
    assert_string_equal(report.messages[0], expected);
    config_report_fini(&report);
}

static void paths_begin_where_the_file_is(void **state)
{
    static const char text[] = UPSTREAM(
        "url: \"http://h\", key_file: a.key") "data: data\nlog: {file: t.log}\nadmin: "
                                              "unix:a.sock\n";
    const struct directory *d = *state;
    struct config_report report;
    char expected[96];
    write_file(d, "t.yaml", text, sizeof(text) - 1);
    write_file(d, "a.key", SECRET "\r\nsecond line\n", strlen(SECRET "\r\nsecond line\n"));
    struct config *c = load_file(d, &report);
    config_report_fini(&report);
    assert_non_null(c);
    assert_string_equal(c->catalog->upstreams[0].key, SECRET);
    snprintf(expected, sizeof(expected), "%s/data", d->path);
    assert_string_equal(c->data, expected);
    snprintf(expected, sizeof(expected), "%s/t.log", d->path);
    assert_string_equal(c->log_file, expected);
    snprintf(expected, sizeof(expected), "unix:%s/a.sock", d->path);
    assert_string_equal(c->admin_text, expected);
    config_free(c);
}

static void loading_changes_nothing_outside(void **state)
{
    static const char text[] = GOOD "data: data\nlog: {file: t.log}\n";
    const struct directory *d = *state;
    struct config_report report;
    char path[96];
    struct stat st;
    write_file(d, "t.yaml", text, sizeof(text) - 1);
    config_free(load_file(d, &report));
    config_report_fini(&report);
    snprintf(path, sizeof(path), "%s/data", d->path);
    assert_int_equal(stat(path, &st), -1);
    snprintf(path, sizeof(path), "%s/t.log", d->path);
    assert_int_equal(stat(path, &st), -1);
}

static void secrets_of_files(void **state)
{
    static const char *const bad[] = {"", "\n", "a b\n", "\xc3\xa4\n"};
    static const char text[] = UPSTREAM("url: \"http://h\", key_file: a.key");
    const struct directory *d = *state;
    write_file(d, "t.yaml", text, sizeof(text) - 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct config_report report;
        write_file(d, "a.key", bad[i], strlen(bad[i]));
        assert_null(load_file(d, &report));
        assert_int_equal(report.count, 1);
        assert_non_null(
            strstr(report.messages[0],
                   "the first line of the file is empty, or holds what cannot be sent"));
        assert_null(strstr(report.messages[0], "a b"));
        config_report_fini(&report);
    }
}

/* A key file need not end in a line feed, and no descriptor stays open, whatever becomes of a load. */
static void files_are_closed(void **state)
{
    static const char *const keys[] = {SECRET, SECRET "\n", SECRET "\r\n", "a b"};
    static const char text[] =
        "upstreams:\n"
        "  - {name: u, url: \"https://h\", key_file: a.key, ca: /etc/passwd}\n" MODELS
        "tls: {cert: t.yaml, key: t.yaml}\n";
    const struct directory *d = *state;
    int before = dup(0);
    assert_int_equal(close(before), 0);
    write_file(d, "t.yaml", text, sizeof(text) - 1);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct config_report report;
        write_file(d, "a.key", keys[i], strlen(keys[i]));
        struct config *c = load_file(d, &report);
        assert_int_equal(c != NULL, i < 3);
        if (c) {
            assert_string_equal(c->catalog->upstreams[0].key, SECRET);
        }
        config_free(c);
        config_report_fini(&report);
    }
    int after = dup(0);
    assert_int_equal(close(after), 0);
    assert_int_equal(after, before);
}

static void unreadable_files(void **state)
{
    const struct directory *d = *state;
    enum { BYTES = (1 << 20) + 1 };
    char *text = malloc(BYTES);
    assert_non_null(text);
    expect_file_fault(d, "cannot be read: No such file or directory");
    memset(text, ' ', BYTES);
    write_file(d, "t.yaml", text, BYTES);
    expect_file_fault(d, "is larger than 1 MiB");
    memcpy(text, GOOD, sizeof(GOOD) - 1);
    write_file(d, "t.yaml", text, BYTES - 1);
    struct config_report report;
    struct config *c = load_file(d, &report);
    assert_non_null(c);
    config_free(c);
    config_report_fini(&report);
    free(text);
}

/* Every beginning of a good text loads or has faults; sanitizers watch. */
static void cut_at_every_byte(void **state)
{
    static const char text[] = GOOD "listen: :80\n"
                                    "keys: [{name: k, token_env: SECRET, allow: [m, a]}]\n"
                                    "aliases: {a: m}\n"
                                    "limits: {body: 1MiB}\n"
                                    "heartbeat: off\n"
                                    "cors: [\"*\"]\n";
    (void) state;
    for (size_t n = 0; n < sizeof(text); n++) {
        struct config_report report;
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        struct config *c = config_load_text("t.yaml", (struct slice) {copy, n}, fake_getenv,
                                            &report);
        assert_true((c == NULL) == (report.count > 0));
        for (size_t i = 0; i < report.count; i++) {
            assert_null(strstr(report.messages[i], SECRET));
        }
        config_free(c);
        config_report_fini(&report);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(defaults_of_upstreams_and_models),
        cmocka_unit_test(server_values),
        cmocka_unit_test(heartbeat_off),
        cmocka_unit_test(one_worker_per_cpu),
        cmocka_unit_test(addresses_without_keys),
        cmocka_unit_test(key_values),
        cmocka_unit_test(catalog_values),
        cmocka_unit_test(a_written_default_changes_nothing),
        cmocka_unit_test_setup_teardown(paths_begin_where_the_file_is, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(loading_changes_nothing_outside, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(secrets_of_files, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(files_are_closed, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(unreadable_files, make_directory, remove_directory),
        cmocka_unit_test(cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
