#include "gateway/config.h"

#include "gateway/config_keys.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Four lines: what is added stands in line 5. */
#define UPSTREAMS "upstreams:\n  - {name: u, url: \"http://127.0.0.1:1/v1\"}\n"
#define MODELS "models:\n  - {name: m, upstream: u}\n"
#define GOOD UPSTREAMS MODELS

#define SECRET "sk-never-to-be-seen"
/* printf %s sk-never-to-be-seen | sha256sum */
#define SECRET_SHA256 "f92c372778d90766654870e85fe004ea4a446d9d1e2873cad582610bcc70b1d1"
#define ZEROES "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const char *fake_getenv(const char *name)
{
    static const char *const values[][2] = {
        {"SECRET", SECRET},     {"OTHER", SECRET "-2"},         {"EMPTY", ""},
        {"SPACED", "sk never"}, {"INJECTED", "sk\r\nx: never"},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (strcmp(values[i][0], name) == 0) {
            return values[i][1];
        }
    }
    return NULL;
}

static struct config *load(const char *text, struct config_report *report)
{
    return config_load_text("t.yaml", slice_of(text), fake_getenv, report);
}

/* The configuration of a text that must load. */
static struct config *good(const char *text)
{
    struct config_report report;
    struct config *c = load(text, &report);
    for (size_t i = 0; i < report.count; i++) {
        print_error("%s\n", report.messages[i]);
    }
    assert_non_null(c);
    assert_int_equal(report.count, 0);
    config_report_fini(&report);
    return c;
}

/* All messages of a text that must not load, each ended by a line feed. */
static void expect_faults(const char *text, const char *expected)
{
    struct config_report report;
    char all[16384] = "";
    assert_null(load(text, &report));
    for (size_t i = 0; i < report.count; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof(all) - n, "%s\n", report.messages[i]);
    }
    config_report_fini(&report);
    assert_string_equal(all, expected);
}

struct fault {
    const char *text;
    const char *expected;
};

static void expect_table(const struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_faults(faults[i].text, faults[i].expected);
    }
}

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
    assert_null(m->family);
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
                            "  - {name: \"x/y:1b@z+\", upstream: v, id: \"any thing\", family: f,\n"
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
    assert_string_equal(m[0].family, "f");
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

/* ---- what does not ---- */

static void faults_of_keys(void **state)
{
    static const struct fault faults[] = {
        {GOOD "lsten: :80\n", "t.yaml:5:1: lsten: unknown key; did you mean listen?\n"},
        {GOOD "zzz: 1\n",
         "t.yaml:5:1: zzz: unknown key; `sluice check --defaults` prints all that there are\n"},
        {GOOD "limits: {bdoy: 1MiB}\n",
         "t.yaml:5:10: limits.bdoy: unknown key; did you mean body?\n"},
        {GOOD "limits: {body: 1MiB, body: 1MiB}\n", "t.yaml:5:22: limits.body: stands twice\n"},
        {GOOD "drain: 1s\ndrain: 1s\n", "t.yaml:6:1: drain: stands twice\n"},
        {GOOD "aliases: {a: m, a: m}\n", "t.yaml:5:17: aliases.a: stands twice\n"},
        {GOOD "<<: {drain: 1s}\n",
         "t.yaml:5:1: <<: unknown key; `sluice check --defaults` prints all that there are\n"},
        {GOOD X63 X63 ": 1\n",
         "t.yaml:5:1: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: unknown key; "
         "`sluice check --defaults` prints all that there are\n"},
        {UPSTREAMS MODELS "    key: " SECRET "\n",
         "t.yaml:5:5: not YAML: did not find expected '-' indicator (while parsing a block "
         "collection that begins in line 4)\n"},
        {"upstreams:\n  - {name: u, url: \"http://h\", api_key_env: SECRET}\n" MODELS,
         "t.yaml:2:32: upstreams[0].api_key_env: unknown key; did you mean key_env?\n"},
        {"upstreams:\n  - {name: u, url: \"http://h\", key: " SECRET "}\n" MODELS,
         "t.yaml:2:32: upstreams[0].key: unknown key; did you mean key_env?\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void keys_of_later_versions(void **state)
{
    static const char *const keys[] = {"tasks", "optimizer", "promotion",     "cache",
                                       "store", "graphs",    "debug_headers", "feedback"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char text[256];
        char expected[256];
        snprintf(text, sizeof(text), GOOD "%s: {a: 1}\n", keys[i]);
        snprintf(expected, sizeof(expected), "t.yaml:5:1: %s: not in this version\n", keys[i]);
        expect_faults(text, expected);
    }
    expect_faults(GOOD "keys:\n  - {name: k, sha256: " ONES ", usage: sum}\n",
                  "t.yaml:6:89: keys[0].usage: not in this version\n");
    expect_faults("upstreams:\n  - {name: u, url: \"http://h\", loads: one}\n" MODELS,
                  "t.yaml:2:32: upstreams[0].loads: not in this version\n");
}

static void faults_of_types(void **state)
{
    static const struct fault faults[] = {
        {"- 1\n", "t.yaml:1:1: expected a map of keys, found a list\n"},
        {"word\n", "t.yaml:1:1: expected a map of keys, found a single value\n"},
        {GOOD "workers: two\n",
         "t.yaml:5:10: workers: expected a whole number from 0 to 64, found \"two\"\n"},
        {GOOD "workers: 65\n",
         "t.yaml:5:10: workers: expected a whole number from 0 to 64, found \"65\"\n"},
        {GOOD "workers: \"2\"\n",
         "t.yaml:5:10: workers: expected a whole number from 0 to 64, found \"2\" in quotes\n"},
        {GOOD "workers: 1.0\n",
         "t.yaml:5:10: workers: expected a whole number from 0 to 64, found \"1.0\"\n"},
        {GOOD "workers: [1]\n",
         "t.yaml:5:10: workers: expected a whole number from 0 to 64, found a list\n"},
        {GOOD "workers:\n",
         "t.yaml:5:9: workers: expected a whole number from 0 to 64, found nothing\n"},
        {GOOD "drain: 30\n",
         "t.yaml:5:8: drain: expected a time from 0s to 1d, such as 30s (units: "
         "ms s m h d), found \"30\"\n"},
        {GOOD "drain: 2d\n",
         "t.yaml:5:8: drain: expected a time from 0s to 1d, such as 30s (units: "
         "ms s m h d), found \"2d\"\n"},
        {GOOD "limits: {body: 1TB}\n",
         "t.yaml:5:16: limits.body: expected a size from 1KiB to 1GiB, such as 32MiB (units: B KB "
         "KiB MB MiB GB GiB), found \"1TB\"\n"},
        {GOOD "limits: {body: 1023}\n",
         "t.yaml:5:16: limits.body: expected a size from 1KiB to 1GiB, such as 32MiB (units: B KB "
         "KiB MB MiB GB GiB), found \"1023\"\n"},
        {GOOD "limits: [1]\n", "t.yaml:5:9: limits: expected a map of keys, found a list\n"},
        {GOOD "limits:\n", "t.yaml:5:8: limits: expected a map of keys, found nothing\n"},
        {GOOD "limits: off\n", "t.yaml:5:9: limits: expected a map of keys, found \"off\"\n"},
        {GOOD "heartbeat: no\n",
         "t.yaml:5:12: heartbeat: expected a map of keys, or off, found \"no\"\n"},
        {GOOD "heartbeat: {first: 0s}\n",
         "t.yaml:5:20: heartbeat.first: expected a time from 1ms to 1h, such as 15s (units: ms s m "
         "h d), found \"0s\"\n"},
        {GOOD "log: {access: yes}\n",
         "t.yaml:5:15: log.access: expected true or false, found \"yes\"\n"},
        {GOOD "log: {access: \"true\"}\n",
         "t.yaml:5:15: log.access: expected true or false, found \"true\" in quotes\n"},
        {GOOD "log: {level: loud}\n",
         "t.yaml:5:14: log.level: expected debug, info, warn or error, found \"loud\"\n"},
        {GOOD "compress: off\n",
         "t.yaml:5:11: compress: expected json or streams, found \"off\"\n"},
        {GOOD "cors: https://a.example\n",
         "t.yaml:5:7: cors: expected a list of origins, found \"https://a.example\"\n"},
        {GOOD "cors: []\n", "t.yaml:5:7: cors: expected 1 to 256 items, found 0\n"},
        {GOOD "cors: [\"https://a.example/\", [x]]\n",
         "t.yaml:5:8: cors[0]: expected http(s)://HOST[:PORT] in lower case, or *, found "
         "\"https://a.example/\" in quotes\n"
         "t.yaml:5:30: cors[1]: expected http(s)://HOST[:PORT] in lower case, or *, found a "
         "list\n"},
        {GOOD "keys: {}\n", "t.yaml:5:7: keys: expected a list of maps, found a map\n"},
        {GOOD "keys: []\n", "t.yaml:5:7: keys: expected 1 to 4096 items, found 0\n"},
        {GOOD "keys: [a]\n", "t.yaml:5:8: keys[0]: expected a map of keys, found \"a\"\n"},
        {GOOD "aliases: []\n", "t.yaml:5:10: aliases: expected a map of names, found a list\n"},
        {GOOD "data: \"\"\n", "t.yaml:5:7: data: expected a path, found \"\" in quotes\n"},
        {GOOD "listen: [a]\n",
         "t.yaml:5:9: listen: expected HOST:PORT, :PORT or unix:PATH, found a list\n"},
        {GOOD "log: {level: " X63 "}\n",
         "t.yaml:5:14: log.level: expected debug, info, warn or error, found "
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"\n"},
        {"listen: [\n", "t.yaml:2:1: not YAML: did not find expected node content (while parsing a "
                        "flow node that begins in line 2)\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void faults_of_addresses(void **state)
{
    static const struct fault faults[] = {
        {GOOD "listen: nowhere\n",
         "t.yaml:5:9: listen: \"nowhere\" does not end in \":\" and a port from 0 to 65535\n"},
        {GOOD "listen: 127.0.0.1:65536\n",
         "t.yaml:5:9: listen: \"127.0.0.1:65536\" does not end in \":\" and a port from 0 to "
         "65535\n"},
        {GOOD "listen: unix:\n",
         "t.yaml:5:13: not YAML: mapping values are not allowed in this context\n"},
        {GOOD "listen: \"unix:\"\n",
         "t.yaml:5:9: listen: expected HOST:PORT, :PORT or unix:PATH, found \"unix:\" in quotes\n"},
        {GOOD "admin: localhost\n",
         "t.yaml:5:8: admin: \"localhost\" does not end in \":\" and a port from 0 to 65535\n"},
        {GOOD "listen: 0.0.0.0:80\n", "t.yaml:5:9: listen: without keys anybody who reaches "
                                      "0.0.0.0:80 could use the models: list "
                                      "keys, or listen on 127.0.0.1\n"},
        {GOOD "listen: :80\n", "t.yaml:5:9: listen: without keys anybody who reaches :80 could use "
                               "the models: list keys, "
                               "or listen on 127.0.0.1\n"},
        {GOOD "admin: 127.0.0.1:8080\n", "t.yaml:5:8: admin: this is the address of listen too\n"},
        {GOOD "admin_token_env: SECRET\n",
         "t.yaml:5:18: admin_token_env: is of use only with a TCP address in admin: a unix socket "
         "has the mode of its file\n"},
        {GOOD "admin: unix:/x/a.sock\nadmin_token_env: SECRET\n",
         "t.yaml:6:18: admin_token_env: is of use only with a TCP address in admin: a unix socket "
         "has the mode of its file\n"},
        {GOOD "admin: 127.0.0.1:0\nadmin_token_env: NOT_SET\n",
         "t.yaml:6:18: admin_token_env: the environment variable NOT_SET is not set\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
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

static void faults_of_api_keys(void **state)
{
    static const struct fault faults[] = {
        {GOOD "keys:\n  - {sha256: " ONES "}\n", "t.yaml:6:5: keys[0].name: is missing: expected a "
                                                 "name: at most 63 letters, digits and . _ "
                                                 "-, a letter or digit first\n"},
        {GOOD "keys:\n  - {name: k}\n",
         "t.yaml:6:5: keys[0].sha256: is missing: the SHA-256 of the key, or token_env\n"},
        {GOOD "keys:\n  - {name: k, sha256: " SECRET "}\n",
         "t.yaml:6:23: keys[0].sha256: expected the SHA-256 of the key in 64 hex digits, found "
         "something else\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES "1}\n",
         "t.yaml:6:23: keys[0].sha256: expected the SHA-256 of the key in 64 hex digits, found "
         "something else\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES ", token_env: SECRET}\n",
         "t.yaml:6:100: keys[0].token_env: sha256 gives the key already: leave one of them out\n"},
        {GOOD "keys:\n  - {name: k, token_env: " SECRET "}\n",
         "t.yaml:6:26: keys[0].token_env: expected the name of an environment variable, found "
         "something else\n"},
        {GOOD "keys:\n  - {name: k, token_env: NOT_SET}\n",
         "t.yaml:6:26: keys[0].token_env: the environment variable NOT_SET is not set\n"},
        {GOOD "keys:\n  - {name: k, token_env: abcdef0123}\n",
         "t.yaml:6:26: keys[0].token_env: the environment variable named here is not set\n"},
        {GOOD "keys:\n  - {name: k, token_env: EMPTY}\n",
         "t.yaml:6:26: keys[0].token_env: the environment variable EMPTY is empty\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES "}\n  - {name: k, sha256: " ZEROES "}\n",
         "t.yaml:7:12: keys[1].name: \"k\" is the name of keys[0] already\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ZEROES "}\n  - {name: l, sha256: " ZEROES "}\n",
         "t.yaml:7:23: keys[1].sha256: keys[0] is the same key\n"},
        {GOOD "keys:\n  - {name: k, sha256: " SECRET_SHA256 "}\n  - {name: l, token_env: SECRET}\n",
         "t.yaml:7:26: keys[1].token_env: keys[0] is the same key\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES ", allow: [m, n, auto/x]}\n",
         "t.yaml:6:100: keys[0].allow[1]: no model and no alias has the name \"n\"\n"
         "t.yaml:6:103: keys[0].allow[2]: no model and no alias has the name \"auto/x\"\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES ", allow: []}\n",
         "t.yaml:6:96: keys[0].allow: expected 1 to 1024 items, found 0\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES ", allow: [a b]}\n",
         "t.yaml:6:97: keys[0].allow[0]: expected the name of a model, found \"a b\"\n"},
        {GOOD "keys:\n  - {name: k, sha256: " ONES ", max_in_flight: -1}\n",
         "t.yaml:6:104: keys[0].max_in_flight: expected a whole number from 0 to 1000000, found "
         "\"-1\"\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

#define UPSTREAM(members) "upstreams:\n  - {name: u, " members "}\n" MODELS

static void faults_of_upstreams(void **state)
{
    static const struct fault faults[] = {
        {MODELS, "t.yaml:1:1: upstreams: is missing: expected a list of maps\n"
                 "t.yaml:2:25: models[0].upstream: there is no upstream named \"u\"\n"},
        {UPSTREAM("retries: 1"),
         "t.yaml:2:5: upstreams[0].url: is missing: expected http(s)://HOST[:PORT][/PATH]\n"},
        {UPSTREAM("url: \"http://u:" SECRET "@h/v1\""),
         "t.yaml:2:20: upstreams[0].url: expected http(s)://HOST[:PORT][/PATH]: a user name or "
         "password has no place in a URL\n"},
        {UPSTREAM("url: \"http://h/v1?k=" SECRET "\""),
         "t.yaml:2:20: upstreams[0].url: expected http(s)://HOST[:PORT][/PATH]: a query or "
         "fragment "
         "(? or #) has no place in it\n"},
        {UPSTREAM("url: \"http://h/v1/\""), "t.yaml:2:20: upstreams[0].url: expected "
                                            "http(s)://HOST[:PORT][/PATH]: leave out the slash "
                                            "at its end\n"},
        {UPSTREAM("url: \"http://h\", key_env: " SECRET),
         "t.yaml:2:41: upstreams[0].key_env: expected the name of an environment variable, found "
         "something else\n"},
        {UPSTREAM("url: \"http://h\", key_env: NOT_SET"),
         "t.yaml:2:41: upstreams[0].key_env: the environment variable NOT_SET is not set\n"},
        {UPSTREAM("url: \"http://h\", key_env: SPACED"),
         "t.yaml:2:41: upstreams[0].key_env: the environment variable SPACED holds spaces, control "
         "or non-ASCII characters, or more than 4096, and cannot be sent in a header\n"},
        {UPSTREAM("url: \"http://h\", key_env: INJECTED"),
         "t.yaml:2:41: upstreams[0].key_env: the environment variable INJECTED holds spaces, "
         "control "
         "or non-ASCII characters, or more than 4096, and cannot be sent in a header\n"},
        {UPSTREAM("url: \"http://h\", key_env: SECRET, key_file: x"),
         "t.yaml:2:59: upstreams[0].key_file: key_env gives the key already: leave one of them "
         "out\n"},
        {UPSTREAM("url: \"http://h\", key_file: missing.key"),
         "t.yaml:2:42: upstreams[0].key_file: missing.key cannot be read: No such file or "
         "directory\n"},
        {UPSTREAM("url: \"http://h\", key_file: /dev/null"),
         "t.yaml:2:42: upstreams[0].key_file: /dev/null is no regular file\n"},
        {UPSTREAM("url: \"http://h\", ca: x.pem"), "t.yaml:2:36: upstreams[0].ca: the url is not "
                                                   "https, so there is no certificate to check\n"},
        {UPSTREAM("url: \"https://h\", ca: x.pem"),
         "t.yaml:2:37: upstreams[0].ca: x.pem cannot be read: No such file or directory\n"},
        {UPSTREAM("url: \"http://h\", max_in_flight: 0"),
         "t.yaml:2:47: upstreams[0].max_in_flight: expected a whole number from 1 to 1000000, "
         "found "
         "\"0\"\n"},
        {UPSTREAM("url: \"http://h\", on_abandon: cut"),
         "t.yaml:2:44: upstreams[0].on_abandon: expected abort or drain, found \"cut\"\n"},
        {UPSTREAM("url: \"http://h\", timeouts: {total: 25h}"),
         "t.yaml:2:50: upstreams[0].timeouts.total: expected a time from 1ms to 1d, such as 600s "
         "(units: ms s m h d), found \"25h\"\n"},
        {"upstreams:\n  - {name: u, url: \"http://h\"}\n  - {name: u, url: \"http://i\"}\n" MODELS,
         "t.yaml:3:12: upstreams[1].name: \"u\" is the name of upstreams[0] already\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

#define MODEL(members) UPSTREAMS "models:\n  - {upstream: u, " members "}\n"

static void faults_of_models(void **state)
{
    static const struct fault faults[] = {
        {UPSTREAMS, "t.yaml:1:1: models: is missing: expected a list of maps\n"},
        {MODEL("id: x"), "t.yaml:4:5: models[0].name: is missing: expected a name: at most 63 "
                         "letters, digits and . _ - : / @ +, a letter or digit first; not auto, "
                         "auto/... or graph/...\n"},
        {MODEL("name: auto/x"),
         "t.yaml:4:25: models[0].name: expected a name: at most 63 letters, digits and . _ - : / @ "
         "+, a letter or digit first; not auto, auto/... or graph/..., found \"auto/x\"\n"},
        {MODEL("name: " X63 "x"),
         "t.yaml:4:25: models[0].name: expected a name: at most 63 letters, digits and . _ - : / @ "
         "+, a letter or digit first; not auto, auto/... or graph/..., found "
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"\n"},
        {UPSTREAMS "models: [{name: m, upstream: v}]\n",
         "t.yaml:3:30: models[0].upstream: there is no upstream named \"v\"\n"},
        {GOOD "  - {name: m, upstream: u}\n",
         "t.yaml:5:12: models[1].name: \"m\" is the name of models[0] already\n"},
        {MODEL("name: m, fallback: n"),
         "t.yaml:4:38: models[0].fallback: there is no model named \"n\"\n"},
        {MODEL("name: m, fallback: m"),
         "t.yaml:4:38: models[0].fallback: a model cannot be its own fallback\n"},
        {MODEL("name: m, fallback: n") "  - {name: n, upstream: u, fallback: o}\n"
                                       "  - {name: o, upstream: u, fallback: n}\n",
         "t.yaml:5:38: models[1].fallback: the fallbacks lead in a circle back to this model\n"},
        {MODEL("name: m, params: 1e16"),
         "t.yaml:4:36: models[0].params: expected a number from 0 to 1e15, found \"1e16\"\n"},
        {MODEL("name: m, params: 8B"),
         "t.yaml:4:36: models[0].params: expected a number from 0 to 1e15, found \"8B\"\n"},
        {MODEL("name: m, price: 3"),
         "t.yaml:4:35: models[0].price: expected a map of keys, found \"3\"\n"},
        {MODEL("name: m, price: {input: -1}"),
         "t.yaml:4:43: models[0].price.input: expected a number from 0 to 1e6, found \"-1\"\n"},
        {MODEL("name: m, capabilities: tools"),
         "t.yaml:4:42: models[0].capabilities: expected a list of tools, vision, audio, "
         "json_schema, "
         "logprobs, no_system, embeddings or max_completion_tokens, found \"tools\"\n"},
        {MODEL("name: m, capabilities: [tools, fly]"),
         "t.yaml:4:50: models[0].capabilities[1]: expected tools, vision, audio, json_schema, "
         "logprobs, no_system, embeddings or max_completion_tokens, found \"fly\"\n"},
        {GOOD "aliases: {a: x}\n", "t.yaml:5:14: aliases.a: there is no model named \"x\"\n"},
        {GOOD "aliases: {m: auto}\n", "t.yaml:5:11: aliases.m: a model has this name already\n"},
        {GOOD "aliases: {a: m, b: a}\n",
         "t.yaml:5:20: aliases.b: \"a\" is an alias itself: name what it stands for\n"},
        {GOOD "aliases: {a: auto/math}\n",
         "t.yaml:5:14: aliases.a: there is no model named \"auto/math\"\n"},
        {GOOD "aliases: {auto: m}\n",
         "t.yaml:5:11: aliases.auto: expected a name: at most 63 letters, digits and . _ - : / @ "
         "+, "
         "a letter or digit first; not auto, auto/... or graph/..., found \"auto\"\n"},
        {GOOD "aliases: {a: [m]}\n",
         "t.yaml:5:14: aliases.a: expected the name of a model, found a list\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

/* Eight fallbacks in a row are allowed, nine are not. */
static void long_chains_of_fallbacks(void **state)
{
    (void) state;
    for (int models = 9; models <= 10; models++) {
        char text[2048] = UPSTREAMS "models:\n";
        for (int i = 0; i < models; i++) {
            size_t n = strlen(text);
            snprintf(text + n, sizeof(text) - n, "  - {name: m%d, upstream: u%s%.0d}\n", i,
                     i + 1 < models ? ", fallback: m" : "", i + 1 < models ? i + 1 : 0);
        }
        if (models == 9) {
            config_free(good(text));
        } else {
            expect_faults(text, "t.yaml:4:39: models[0].fallback: more than 8 fallbacks follow one "
                                "another\n");
        }
    }
}

static void faults_of_files(void **state)
{
    static const struct fault faults[] = {
        {GOOD "data: /nonexistent/a/b\n",
         "t.yaml:5:7: data: /nonexistent/a/b does not exist and cannot be made in /nonexistent/a/: "
         "No such file or directory\n"},
        {GOOD "data: /dev/null\n", "t.yaml:5:7: data: /dev/null is no directory\n"},
        {GOOD "data: /dev/null/x\n",
         "t.yaml:5:7: data: /dev/null/x cannot be used: Not a directory\n"},
        {GOOD "log: {file: /}\n", "t.yaml:5:13: log.file: / is a directory\n"},
        {GOOD "log: {file: /nonexistent/x.log}\n",
         "t.yaml:5:13: log.file: /nonexistent/x.log does not exist and cannot be made in "
         "/nonexistent/: No such file or directory\n"},
        {GOOD "tls: {cert: missing.pem, key: /}\n",
         "t.yaml:5:13: tls.cert: missing.pem cannot be read: No such file or directory\n"
         "t.yaml:5:31: tls.key: / is no regular file\n"},
        {GOOD "tls: {cert: missing.pem}\n",
         "t.yaml:5:6: tls.key: is missing: expected a path\n"
         "t.yaml:5:13: tls.cert: missing.pem cannot be read: No such file or directory\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void all_faults_in_the_order_of_the_file(void **state)
{
    (void) state;
    expect_faults("workers: x\n"
                  "models:\n"
                  "  - {name: m, upstream: v}\n"
                  "upstreams:\n"
                  "  - {name: u, url: \"x\"}\n"
                  "listen: :1\n"
                  "drain: x\n",
                  "t.yaml:1:10: workers: expected a whole number from 0 to 64, found \"x\"\n"
                  "t.yaml:3:25: models[0].upstream: there is no upstream named \"v\"\n"
                  "t.yaml:5:20: upstreams[0].url: expected http(s)://HOST[:PORT][/PATH]: it begins "
                  "with neither http:// nor https://\n"
                  "t.yaml:6:9: listen: without keys anybody who reaches :1 could use the models: "
                  "list keys, or listen on 127.0.0.1\n"
                  "t.yaml:7:8: drain: expected a time from 0s to 1d, such as 30s (units: ms s m h "
                  "d), found \"x\"\n");
}

static void at_most_fifty_faults(void **state)
{
    struct config_report report;
    char text[4096] = GOOD;
    (void) state;
    for (int i = 0; i < 60; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "zz%d: 1\n", i);
    }
    assert_null(load(text, &report));
    assert_int_equal(report.count, 50);
    config_report_fini(&report);
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
            strstr(report.messages[0], "/a.key is empty, or holds what cannot be sent"));
        assert_null(strstr(report.messages[0], "a b"));
        config_report_fini(&report);
    }
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
        cmocka_unit_test(key_values),
        cmocka_unit_test(catalog_values),
        cmocka_unit_test(a_written_default_changes_nothing),
        cmocka_unit_test(faults_of_keys),
        cmocka_unit_test(keys_of_later_versions),
        cmocka_unit_test(faults_of_types),
        cmocka_unit_test(faults_of_addresses),
        cmocka_unit_test(addresses_without_keys),
        cmocka_unit_test(faults_of_api_keys),
        cmocka_unit_test(faults_of_upstreams),
        cmocka_unit_test(faults_of_models),
        cmocka_unit_test(long_chains_of_fallbacks),
        cmocka_unit_test(faults_of_files),
        cmocka_unit_test(all_faults_in_the_order_of_the_file),
        cmocka_unit_test(at_most_fifty_faults),
        cmocka_unit_test_setup_teardown(paths_begin_where_the_file_is, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(loading_changes_nothing_outside, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(secrets_of_files, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(unreadable_files, make_directory, remove_directory),
        cmocka_unit_test(cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
