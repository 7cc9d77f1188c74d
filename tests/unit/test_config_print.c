#include "gateway/config_print.h"

#include "gateway/config_keys.h"
#include "router/ledger.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "sk-never-to-be-seen"

static const char full[] =
    "listen: 127.0.0.1:0\n"
    "admin: 127.0.0.1:9\n"
    "admin_token_env: ADMIN\n"
    "workers: 3\n"
    "keys:\n"
    "  - {name: app1, token_env: KEY, requests_per_minute: 600, allow: [auto, small]}\n"
    "  - {name: app2, sha256: 1111111111111111111111111111111111111111111111111111111111111111}\n"
    "cors: [\"https://a.example\"]\n"
    "upstreams:\n"
    "  - {name: local, url: \"http://127.0.0.1:1/v1\", key_env: UPSTREAM, max_in_flight: 2,\n"
    "     timeouts: {idle: 250ms}, on_abandon: drain}\n"
    "models:\n"
    "  - {name: small, upstream: local, id: \"s:1b\", params: 1e9, fallback: large,\n"
    "     capabilities: [tools, vision]}\n"
    "  - {name: large, upstream: local, params: 8e9, context: 4096, price: {input: 0.1, output: "
    "0.3}}\n"
    "aliases: {gpt: auto}\n";

static const char *fake_getenv(const char *name)
{
    bool known = strcmp(name, "ADMIN") == 0 || strcmp(name, "KEY") == 0 ||
                 strcmp(name, "UPSTREAM") == 0;
    return known ? SECRET : NULL;
}

/* What `print` writes about `text`, in memory that the caller frees. */
static char *printed(const char *text,
                     void (*print)(const struct config *c, const struct snapshot *s, FILE *out))
{
    struct config_report report;
    struct errbuf why;
    struct env env = env_system();
    struct config *c = config_load_text("t.yaml", slice_of(text), fake_getenv, &report);
    char *out = NULL;
    size_t n;
    FILE *f = open_memstream(&out, &n);
    for (size_t i = 0; i < report.count; i++) {
        print_error("%s\n", report.messages[i]);
    }
    config_report_fini(&report);
    assert_non_null(c);
    assert_non_null(f);
    struct ledger *ledger = ledger_new(&env);
    struct catalog *catalog = c->catalog;
    c->catalog = NULL;
    struct snapshot *s = snapshot_new(catalog, ledger, c->timeouts.request_us, 1, &why);
    assert_non_null(s);
    print(c, s, f);
    assert_int_equal(fclose(f), 0);
    snapshot_unref(s);
    ledger_free(ledger);
    config_free(c);
    return out;
}

static char *sample(void)
{
    char *out = NULL;
    size_t n;
    FILE *f = open_memstream(&out, &n);
    assert_non_null(f);
    config_print_defaults(f);
    assert_int_equal(fclose(f), 0);
    return out;
}

/* ---- what would run ---- */

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        print_error("no \"%s\" in\n%s", part, text);
        fail();
    }
}

static void for_a_person(void **state)
{
    char *text = printed(full, config_print);
    (void) state;
    has(text, "t.yaml\n");
    has(text, "  listen     127.0.0.1:0, plain HTTP\n");
    has(text, "  admin      127.0.0.1:9, changes with a token\n");
    has(text, "  workers    3\n");
    has(text, "  cors       https://a.example\n");
    has(text, "  app1  600           -           -          auto, small\n");
    has(text, "  app2  -             -           -          all\n");
    has(text,
        "  local  http://127.0.0.1:1/v1  yes  2      8      5s       1m           250ms  10m");
    has(text, "drain\n");
    has(text, "  small  local     s:1b   1e9     -        large     -\n");
    has(text, "  large  local     large  8e9     4096     -         0.1 / 0.1 / 0.3\n");
    has(text, "  gpt  auto\n");
    has(text, "  default  champion large (graph ");
    has(text, "learning level 0: ");
    assert_null(strstr(text, SECRET));
    assert_null(strstr(text, " \n"));
    free(text);
}

static const json_t *item(const json_t *list, size_t i)
{
    const json_t *o = json_array_get(list, i);
    assert_true(json_is_object(o));
    return o;
}

static void has_text(const json_t *o, const char *key, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(o, key)), value);
}

static void has_number(const json_t *o, const char *key, int value)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    assert_int_equal(json_integer_value(json_object_get(o, key)), value);
}

static void for_a_program(void **state)
{
    char *text = printed(full, config_print_json);
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    (void) state;
    assert_non_null(o);
    assert_int_equal(json_array_size(json_object_get(o, "faults")), 0);
    has_text(o, "file", "t.yaml");
    const json_t *server = json_object_get(o, "server");
    has_text(server, "listen", "127.0.0.1:0");
    has_number(server, "workers", 3);
    assert_true(json_is_true(json_object_get(server, "admin_token")));
    assert_true(json_is_null(json_object_get(server, "data")));
    has_number(json_object_get(o, "limits"), "stream_buffer_bytes", 65536);
    has_number(json_object_get(o, "timeouts"), "request_ms", 600000);
    const json_t *key = item(json_object_get(o, "keys"), 0);
    has_number(key, "requests_per_minute", 600);
    assert_true(json_is_null(json_object_get(key, "tokens_per_minute")));
    assert_int_equal(json_array_size(json_object_get(key, "allow")), 2);
    assert_true(json_is_null(json_object_get(item(json_object_get(o, "keys"), 1), "allow")));
    const json_t *up = item(json_object_get(o, "upstreams"), 0);
    assert_true(json_is_true(json_object_get(up, "key")));
    has_number(up, "queue", 8);
    has_number(up, "idle_ms", 250);
    has_text(up, "on_abandon", "drain");
    const json_t *small = item(json_object_get(o, "models"), 0);
    has_text(small, "fallback", "large");
    has_text(small, "id", "s:1b");
    has_text(json_object_get(o, "aliases"), "gpt", "auto");
    const json_t *capabilities = json_object_get(small, "capabilities");
    assert_string_equal(json_string_value(json_array_get(capabilities, 1)), "vision");
    const json_t *task = item(json_object_get(o, "tasks"), 0);
    has_text(task, "champion", "large");
    has_number(task, "level", 0);
    assert_null(strstr(text, SECRET));
    json_decref(o);
    free(text);
}

static void without_keys_and_without_chat(void **state)
{
    char *text = printed("upstreams:\n  - {name: u, url: \"http://h\"}\n"
                         "models:\n  - {name: m, upstream: u, capabilities: [embeddings]}\n"
                         "heartbeat: off\n",
                         config_print);
    (void) state;
    has(text, "  none: programs on this machine only, no web pages\n");
    has(text, "  heartbeat  off\n");
    has(text, "  default  no model can chat");
    assert_null(strstr(text, "aliases"));
    free(text);
}

static void faults_for_a_program(void **state)
{
    const char *messages[] = {"t.yaml:1:1: a \"b\"", "second"};
    const struct config_report report = {.messages = messages, .count = 2};
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    (void) state;
    assert_non_null(f);
    config_print_faults_json("t.yaml", &report, f);
    assert_int_equal(fclose(f), 0);
    json_t *o = json_loads(text, 0, NULL);
    const json_t *faults = json_object_get(o, "faults");
    assert_int_equal(json_array_size(faults), 2);
    assert_string_equal(json_string_value(json_array_get(faults, 0)), messages[0]);
    json_decref(o);
    free(text);
}

/* ---- the sample ---- */

static void sample_loads(void **state)
{
    char *text = sample();
    (void) state;
    free(printed(text, config_print));
    free(text);
}

static void sample_names_every_key(void **state)
{
    char *text = sample();
    size_t count;
    const struct config_key *keys = config_keys(&count);
    (void) state;
    for (size_t i = 0; i < count; i++) {
        char line[64];
        if (keys[i].is_later) {
            snprintf(line, sizeof(line), "\n#   %s\n", keys[i].path);
        } else {
            snprintf(line, sizeof(line), "%s:", config_key_leaf(&keys[i]));
            assert_non_null(keys[i].help);
        }
        has(text, line);
    }
    free(text);
}

static void sample_has_no_long_lines(void **state)
{
    char *text = sample();
    (void) state;
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_true(end - line <= 100);
        assert_true(end == line || end[-1] != ' ');
        line = end + 1;
    }
    free(text);
}

/* Takes off each `#` that no single space follows. */
static void uncomment(char *text)
{
    char *to = text;
    bool begins = true;
    for (const char *from = text; *from; from++) {
        bool prose = from[0] == '#' && from[1] == ' ' && from[2] != ' ';
        if (begins && *from == '#' && !prose) {
            begins = false;
            continue;
        }
        begins = *from == '\n' || (begins && *from == ' ');
        *to++ = *from;
    }
    *to = '\0';
}

/* Of the examples, only these cannot stand together or need something that is not there. */
static void sample_without_its_comments(void **state)
{
    static const char *const expected[] = {
        " admin_token_env: is of use only with a TCP address",
        " tls.cert: cert.pem cannot be read",
        " tls.key: key.pem cannot be read",
        " keys[0].token_env: sha256 gives the key already",
        " upstreams[0].key_file: key_env gives the key already",
        " upstreams[0].ca: the url is not https",
        " models[0].fallback: there is no model named",
    };
    struct config_report report;
    char *text = sample();
    (void) state;
    *strstr(text, "\n# Not in this version") = '\0';
    uncomment(text);
    assert_null(config_load_text("t.yaml", slice_of(text), fake_getenv, &report));
    for (size_t i = 0; i < report.count; i++) {
        bool found = strstr(report.messages[i], " data: /var/lib/") != NULL; /* not everywhere */
        for (size_t j = 0; j < ARRAY_LEN(expected); j++) {
            found = found || strstr(report.messages[i], expected[j]);
        }
        if (!found) {
            print_error("%s\n", report.messages[i]);
        }
        assert_true(found);
    }
    assert_true(report.count >= 7);
    config_report_fini(&report);
    free(text);
}

static void packaged_sample_is_this_one(void **state)
{
    char *text = sample();
    size_t n = strlen(text);
    char *packaged = calloc(1, n + 2);
    FILE *f = fopen("packaging/sluice.yaml", "r");
    (void) state;
    assert_non_null(f); /* tests run at the top of the tree */
    assert_non_null(packaged);
    assert_int_equal(fread(packaged, 1, n + 1, f), n);
    fclose(f);
    assert_string_equal(packaged, text); /* else: sluice check --defaults > packaging/sluice.yaml */
    free(packaged);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_a_person),
        cmocka_unit_test(for_a_program),
        cmocka_unit_test(without_keys_and_without_chat),
        cmocka_unit_test(faults_for_a_program),
        cmocka_unit_test(sample_loads),
        cmocka_unit_test(sample_names_every_key),
        cmocka_unit_test(sample_has_no_long_lines),
        cmocka_unit_test(sample_without_its_comments),
        cmocka_unit_test(packaged_sample_is_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
