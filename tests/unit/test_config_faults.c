#include "gateway/config.h"

#include "tests/unit/config_text.h"

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
    assert_null(strstr(all, SECRET));
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

static void faults_of_keys(void **state)
{
    static const struct fault faults[] = {
        {GOOD "lsten: :80\n", "t.yaml:5:1: lsten: unknown key; did you mean listen?\n"},
        {GOOD "lisetn: :80\n", "t.yaml:5:1: lisetn: unknown key; did you mean listen?\n"},
        {"upstreams:\n  - {name: u, url: \"http://h\", ac: x}\n" MODELS,
         "t.yaml:2:32: upstreams[0].ac: unknown key; did you mean ca?\n"},
        {GOOD "zzz: 1\n",
         "t.yaml:5:1: zzz: unknown key; `sluice check --defaults` prints all that there are\n"},
        {GOOD "foo: 1\n",
         "t.yaml:5:1: foo: unknown key; `sluice check --defaults` prints all that there are\n"},
        {GOOD "limits: {bdoy: 1MiB}\n",
         "t.yaml:5:10: limits.bdoy: unknown key; did you mean body?\n"},
        {GOOD "limits: {body: 1MiB, body: 1MiB}\n", "t.yaml:5:22: limits.body: is given twice\n"},
        {GOOD "drain: 1s\ndrain: 1s\n", "t.yaml:6:1: drain: is given twice\n"},
        {GOOD "aliases: {a: m, a: m}\n", "t.yaml:5:17: aliases.a: is given twice\n"},
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
    static const char *const keys[] = {"optimizer", "promotion",     "cache",
                                       "store",     "debug_headers", "feedback"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char text[256];
        char expected[256];
        snprintf(text, sizeof(text), GOOD "%s: {a: 1}\n", keys[i]);
        snprintf(expected, sizeof(expected), "t.yaml:5:1: %s: not in this version\n", keys[i]);
        expect_faults(text, expected);
    }
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
        {GOOD "data: [a]\n", "t.yaml:5:7: data: expected a path, found a list\n"},
        {GOOD "data: ~\n", "t.yaml:5:7: data: expected a path, found nothing\n"},
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
        {GOOD "cors: [\"https://a.example\"]\n",
         "t.yaml:5:7: cors: without keys no web page is served: list keys, or leave cors out\n"},
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
        {GOOD "keys: [a, b]\n", "t.yaml:5:8: keys[0]: expected a map of keys, found \"a\"\n"
                                "t.yaml:5:11: keys[1]: expected a map of keys, found \"b\"\n"},
        {GOOD "aliases: []\n", "t.yaml:5:10: aliases: expected a map of names, found a list\n"},
        {GOOD "data: \"\"\n", "t.yaml:5:7: data: expected a path, found \"\" in quotes\n"},
        {GOOD "listen: [a]\n",
         "t.yaml:5:9: listen: expected HOST:PORT, :PORT or unix:PATH, found a list\n"},
        {GOOD "log: {level: " X63 "}\n",
         "t.yaml:5:14: log.level: expected debug, info, warn or error, found "
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"\n"},
        /* Cut between characters, not within one. */
        {GOOD "log: {level: a" X58 "ää}\n",
         "t.yaml:5:14: log.level: expected debug, info, warn or error, found \"a" X58 "…\"\n"},
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
         "is guarded by its file mode, 0600\n"},
        {GOOD "admin: unix:/x/a.sock\nadmin_token_env: SECRET\n",
         "t.yaml:6:18: admin_token_env: is of use only with a TCP address in admin: a unix socket "
         "is guarded by its file mode, 0600\n"},
        {GOOD "admin: 127.0.0.1:0\nadmin_token_env: NOT_SET\n",
         "t.yaml:6:18: admin_token_env: the environment variable NOT_SET is not set\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
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
         "t.yaml:6:100: keys[0].allow[1]: no model, alias, task or graph has the name \"n\"\n"
         "t.yaml:6:103: keys[0].allow[2]: no model, alias, task or graph has the name "
         "\"auto/x\"\n"},
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
         "t.yaml:2:42: upstreams[0].key_file: the file cannot be read: No such file or "
         "directory\n"},
        {UPSTREAM("url: \"http://h\", key_file: " SECRET),
         "t.yaml:2:42: upstreams[0].key_file: the file cannot be read: No such file or "
         "directory\n"},
        {UPSTREAM("url: \"http://h\", key_file: /dev/null"),
         "t.yaml:2:42: upstreams[0].key_file: the file is no regular file\n"},
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
         "t.yaml:5:14: aliases.a: there is no task named \"auto/math\"\n"},
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

/* Long paths are cut where a character ends, however long what stands before them is. */
static void cut_messages_are_utf8(void **state)
{
    (void) state;
    for (int before = 0; before < 4; before++) {
        struct config_report report;
        char text[4096];
        size_t n = (size_t) snprintf(text, sizeof(text), GOOD "data: /nonexistent/%.*s", before,
                                     "xxx");
        while (n < 3000) {
            memcpy(text + n, "\xe2\x82\xac", 3);
            n += 3;
        }
        text[n] = '\0';
        assert_null(load(text, &report));
        assert_int_equal(report.count, 1);
        assert_string_equal(report.messages[0] + strlen(report.messages[0]) - 3, "\xe2\x82\xac");
        config_report_fini(&report);
    }
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

/* Those that come first: 60 unknown keys, then two that are missing. */
static void at_most_fifty_faults(void **state)
{
    struct config_report report;
    char text[4096] = "";
    (void) state;
    for (int i = 0; i < 60; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "zz%d: 1\n", i);
    }
    assert_null(load(text, &report));
    assert_int_equal(report.count, 50);
    assert_string_equal(report.messages[49], "t.yaml:50:1: zz49: unknown key; `sluice check "
                                             "--defaults` prints all that there are");
    config_report_fini(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_keys),
        cmocka_unit_test(keys_of_later_versions),
        cmocka_unit_test(faults_of_types),
        cmocka_unit_test(faults_of_addresses),
        cmocka_unit_test(faults_of_api_keys),
        cmocka_unit_test(faults_of_upstreams),
        cmocka_unit_test(faults_of_models),
        cmocka_unit_test(long_chains_of_fallbacks),
        cmocka_unit_test(faults_of_files),
        cmocka_unit_test(cut_messages_are_utf8),
        cmocka_unit_test(all_faults_in_the_order_of_the_file),
        cmocka_unit_test(at_most_fifty_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
