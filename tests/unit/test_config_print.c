#include "gateway/config_print.h"

#include "gateway/config_keys.h"
#include "router/ledger.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "sk-never-to-be-seen"

static const char full[] =
    "listen: 127.0.0.1:0\n"
    "admin: 127.0.0.1:9\n"
    "admin_token_env: ADMIN\n"
    "workers: 3\n"
    "data: /tmp\n"
    "tls: {cert: /etc/passwd, key: /etc/group}\n"
    "keys:\n"
    "  - {name: app1, token_env: KEY, requests_per_minute: 600, allow: [auto, small], usage: sum}\n"
    "  - {name: app2, sha256: 1111111111111111111111111111111111111111111111111111111111111111}\n"
    "limits: {body: 1MB, answer: 64KiB, stream_buffer: 8KiB, connections: 7}\n"
    "timeouts: {handshake: 1s, head: 2s, body: 3s, keep_alive: 4s, send: 5s, request: 6m}\n"
    "heartbeat: {first: 1500ms, every: 2s}\n"
    "drain: 45s\n"
    "cors: [\"https://a.example\", \"https://b.example\"]\n"
    "compress: streams\n"
    "log: {level: warn, file: /tmp/t.log, access: false}\n"
    "upstreams:\n"
    "  - {name: local, url: \"https://h.example/v1\", key_env: UPSTREAM, ca: /etc/passwd,\n"
    "     max_in_flight: 2, timeouts: {connect: 1s, first_token: 2s, idle: 250ms, total: 90s},\n"
    "     retries: 1, on_abandon: drain}\n"
    "  - {name: b, url: \"http://h\"}\n"
    "models:\n"
    "  - {name: small, upstream: local, id: \"s:1b\", params: 1e9, fallback: large,\n"
    "     speed: {first: 250ms, token: 2ms}, layers: 4, hidden: 5, capabilities: [tools, vision]}\n"
    "  - {name: large, upstream: b, params: 8e9, context: 4096, price: {input: 0.1, output: 0.3}}\n"
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

/* Replaces what stands between two marks, both of which must be there, by "…". */
static void hide(char *text, const char *before, const char *after)
{
    char *from = strstr(text, before);
    assert_non_null(from);
    from += strlen(before);
    char *to = strstr(from, after);
    assert_non_null(to);
    assert_true(to - from >= 3);
    memcpy(from, "…", 3);
    memmove(from + 3, to, strlen(to) + 1);
}

static void for_a_person(void **state)
{
    char *text = printed(full, config_print);
    (void) state;
    hide(text, "id            ", ":");
    assert_string_equal(
        text,
        "t.yaml\n"
        "  listen     127.0.0.1:0, TLS\n"
        "  tls        certificate /etc/passwd, key /etc/group\n"
        "  admin      127.0.0.1:9, changes with a token\n"
        "  workers    3\n"
        "  data       /tmp\n"
        "  limits     body 1MB, answer 64KiB, stream buffer 8KiB, 7 connections a worker\n"
        "  timeouts   handshake 1s, head 2s, body 3s, keep-alive 4s, send 5s, request 6m\n"
        "  heartbeat  after 1500ms, then every 2s\n"
        "  drain      45s\n"
        "  cors       https://a.example\n"
        "             https://b.example\n"
        "  compress   JSON answers and streams\n"
        "  log        warn, to /tmp/t.log, no line for requests\n"
        "\n"
        "keys\n"
        "  name  requests/min  tokens/min  in flight  usage   allow\n"
        "  app1  600           -           -          sum     auto, small\n"
        "  app2  -             -           -          client  all\n"
        "\n"
        "upstreams\n"
        "  name   url                   key  slots  queue  connect  first token  idle   total  "
        "retries  abandoned\n"
        "  local  https://h.example/v1  yes  2      8      1s       2s           250ms  90s    1   "
        "     drain\n"
        "  b      http://h              no   64     256    5s       1m           30s    10m    2   "
        "     abort\n"
        "\n"
        "models\n"
        "  name   upstream  id     params  context  fallback  $ per Mtok in / cached / out\n"
        "  small  local     s:1b   1e9     -        large     -\n"
        "  large  b         large  8e9     4096     -         0.1 / 0.1 / 0.3\n"
        "\n"
        "aliases\n"
        "  gpt  auto\n"
        "\n"
        "tasks\n"
        "  default  champion large\n"
        "    asked for by  auto/default, or auto with x-sluice-task: default\n"
        "    id            …: 1 node, 1 call, width 1, depth 1\n"
        "    cost          flops not known, 0.0002 dollars (500 tokens of prompt, 500 of each "
        "answer)\n"
        "    latency       not known before the first calls, nor from models[].speed\n"
        "    model         context 4096, can chat\n"
        "    data          b\n"
        "    deadline      6m\n"
        "    learning      level 0: serves its first champion and measures cost, latency and "
        "errors; "
        "ratings or `correct` from clients would take it to level 1, and this version has no "
        "feedback yet\n");
    free(text);
}

static const char expected_json[] =
    "{'file': 't.yaml', 'faults': [],"
    " 'server': {'listen': '127.0.0.1:0', 'tls_cert': '/etc/passwd', 'tls_key': '/etc/group',"
    "  'admin': '127.0.0.1:9', 'admin_token': true, 'workers': 3, 'data': '/tmp',"
    "  'drain_ms': 45000, 'cors': ['https://a.example', 'https://b.example'],"
    "  'compress': 'streams', 'log_level': 'warn', 'log_file': '/tmp/t.log',"
    "  'log_access': false},"
    " 'limits': {'body_bytes': 1000000, 'answer_bytes': 65536, 'stream_buffer_bytes': 8192,"
    "  'connections': 7},"
    " 'timeouts': {'handshake_ms': 1000, 'head_ms': 2000, 'body_ms': 3000, 'keep_alive_ms': 4000,"
    "  'send_ms': 5000, 'request_ms': 360000, 'heartbeat_first_ms': 1500,"
    "  'heartbeat_every_ms': 2000},"
    " 'keys': [{'name': 'app1', 'requests_per_minute': 600, 'tokens_per_minute': null,"
    "   'max_in_flight': null, 'usage': 'sum', 'allow': ['auto', 'small']},"
    "  {'name': 'app2', 'requests_per_minute': null, 'tokens_per_minute': null,"
    "   'max_in_flight': null, 'usage': 'client', 'allow': null}],"
    " 'upstreams': [{'name': 'local', 'url': 'https://h.example/v1', 'key': true,"
    "   'ca': '/etc/passwd', 'max_in_flight': 2, 'queue': 8, 'connect_ms': 1000,"
    "   'first_token_ms': 2000, 'idle_ms': 250, 'total_ms': 90000, 'retries': 1,"
    "   'on_abandon': 'drain'},"
    "  {'name': 'b', 'url': 'http://h', 'key': false, 'ca': null, 'max_in_flight': 64,"
    "   'queue': 256, 'connect_ms': 5000, 'first_token_ms': 60000, 'idle_ms': 30000,"
    "   'total_ms': 600000, 'retries': 2, 'on_abandon': 'abort'}],"
    " 'models': [{'name': 'small', 'upstream': 'local', 'id': 's:1b',"
    "   'params': 1e9, 'layers': 4, 'hidden': 5, 'context': null,"
    "   'capabilities': ['tools', 'vision'], 'fallback': 'large', 'usd_per_mtok_input': 0.0,"
    "   'usd_per_mtok_cached': 0.0, 'usd_per_mtok_output': 0.0, 'first_token_ms': 250.0, "
    "'token_ms': 2.0},"
    "  {'name': 'large', 'upstream': 'b', 'id': 'large', 'params': 8e9,"
    "   'layers': null, 'hidden': null, 'context': 4096, 'capabilities': [], 'fallback': null,"
    "   'usd_per_mtok_input': 0.1, 'usd_per_mtok_cached': 0.1, 'usd_per_mtok_output': 0.3, "
    "'first_token_ms': null, 'token_ms': null}],"
    " 'aliases': {'gpt': 'auto'},"
    " 'graphs': [],"
    " 'tasks': [{'name': 'default',"
    "   'match': {'header': 'default', 'rules': [], 'any': [], 'examples': 0},"
    "   'champion': 'large', 'graph': '…', 'nodes': 1, 'calls': 1, 'width': 1, 'depth': 1,"
    "   'cost_units': null, 'cost_usd': 0.0002, 'latency_s': null, 'context': 4096,"
    "   'capabilities': [], 'drawing': 'large\\n', 'budget_flops': null, 'budget_usd': null,"
    "   'data': ['b'], 'data_is_written': false, 'deadline_ms': 360000, 'tools': 'single',"
    "   'own_prompts': false, 'answer': 'auto', 'max_tokens': 2048, 'pass': [], 'eval': null,"
    "   'grader': null, 'level': 0,"
    "   'missing': '…'}]}";

static void for_a_program(void **state)
{
    char *text = printed(full, config_print_json);
    char expected[sizeof(expected_json)];
    (void) state;
    memcpy(expected, expected_json, sizeof(expected));
    for (char *p = expected; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    assert_string_equal(text + strlen(text) - 2, "}\n");
    hide(text, "\"graph\": \"", "\"");
    hide(text, "\"missing\": \"", "\"");
    json_t *found = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *wanted = json_loads(expected, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(wanted);
    if (!json_equal(found, wanted)) {
        fail_msg("%s", text);
    }
    json_decref(found);
    json_decref(wanted);
    free(text);
}

/* ---- graphs and tasks ---- */

/* A file of the test's own; the name is the caller's to free, after unlink. */
static char *written(const char *text)
{
    char *path = strdup("/tmp/test_config_print.XXXXXX");
    assert_non_null(path);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static const char panel[] =
    "{\"nodes\": [{\"id\": \"a\", \"model\": \"s\", \"role\": \"assistant\"},"
    "{\"id\": \"b\", \"model\": \"m\", \"role\": \"assistant\"},"
    "{\"id\": \"v\", \"role\": \"fuser\", \"fuse\": \"vote\"}],"
    "\"edges\": [[\"a\", \"v\"], [\"b\", \"v\"]], \"output\": \"v\"}";

/* A configuration with a graph of two models and a task of each kind. */
static char *printed_with_tasks(void (*print)(const struct config *c, const struct snapshot *s,
                                              FILE *out))
{
    char *graph = written(panel);
    char *examples = written("\"one\"\n\"two\"\n\"three\"\n");
    char text[4096];
    snprintf(text, sizeof(text),
             "upstreams:\n  - {name: u, url: \"http://h\"}\n  - {name: far, url: \"http://g\"}\n"
             "models:\n"
             "  - {name: s, upstream: u, params: 1e9, layers: 16, hidden: 2048, context: 8192,\n"
             "     capabilities: [tools, no_system], speed: {first: 500ms, token: 10ms}}\n"
             "  - {name: m, upstream: u, params: 1e9, layers: 16, hidden: 2048, context: 4096,\n"
             "     capabilities: [tools, vision], speed: {first: 1s, token: 20ms}}\n"
             "  - {name: big, upstream: far, params: 9e9}\n"
             "graphs: {panel: %s}\n"
             "tasks:\n"
             "  - name: math\n"
             "    match: {header: sums, any: [\"Solve for\"], rules: [tools, code], examples: %s}\n"
             "    graph: graph/panel\n"
             "    budget: {flops: 20, usd: 0.5}\n"
             "    data: [u]\n"
             "    deadline: 7s\n"
             "    tools: graph\n"
             "    answer: number\n"
             "    max_tokens: 99\n"
             "    pass: [top_k, min_p]\n"
             "  - {name: default, match: {examples: %s}}\n"
             "  - {name: own, graph: %s}\n",
             graph, examples, examples, graph);
    char *out = printed(text, print);
    unlink(graph);
    unlink(examples);
    free(graph);
    free(examples);
    return out;
}

static void tasks_for_a_person(void **state)
{
    char *text = printed_with_tasks(config_print);
    (void) state;
    has(text, "\ngraphs\n  graph/panel  /tmp/test_config_print.");
    has(text, ": 3 nodes, 2 calls, width 2, depth 2\n");
    has(text, "cost     2 units of flops, 0 dollars (");
    has(text, "latency  11 s along the critical path, by models[].speed\n");
    has(text, "models   context 4096, all can tools, not all take system messages\n");
    has(text, "\n  default  champion big\n");
    has(text, "latency       not known before the first calls, nor from models[].speed\n");
    has(text, "is like       one of 3 examples\n");
    has(text, "data          far\n");
    has(text, "\n  math  champion graph/panel\n"
              "    asked for by         auto/math, or auto with x-sluice-task: sums\n"
              "    has                  tools, code\n"
              "    says                 \"solve for\"\n"
              "    is like              one of 3 examples\n");
    has(text, "    budget               20 units of flops: 4 models of 1e9 parameters wired "
              "completely, and a fuser of 3e9\n"
              "    budget               0.5 dollars\n"
              "    data                 u; models and graphs asked for by name too\n"
              "    deadline             7s\n"
              "    requests with tools  run through the graph\n"
              "    inner nodes          up to 99 tokens, are also sent top_k, min_p\n"
              "    votes compare        number\n"
              "    templates            ours\n");
    has(text, "\n  own  champion /tmp/test_config_print.");
    free(text);
}

static void tasks_for_a_program(void **state)
{
    char *text = printed_with_tasks(config_print_json);
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *named = json_array_get(json_object_get(o, "graphs"), 0);
    const json_t *math = json_array_get(json_object_get(o, "tasks"), 1);
    const json_t *match = json_object_get(math, "match");
    (void) state;
    assert_int_equal(json_array_size(json_object_get(o, "graphs")), 1);
    assert_string_equal(json_string_value(json_object_get(named, "name")), "panel");
    assert_int_equal(json_integer_value(json_object_get(named, "calls")), 2);
    assert_true(json_real_value(json_object_get(named, "cost_units")) == 2.0);
    assert_non_null(strstr(json_string_value(json_object_get(named, "drawing")), "─▶ v vote\n"));
    assert_string_equal(json_string_value(json_object_get(math, "champion")), "graph/panel");
    assert_string_equal(json_string_value(json_object_get(math, "graph")),
                        json_string_value(json_object_get(named, "graph")));
    assert_string_equal(json_string_value(json_object_get(match, "header")), "sums");
    assert_int_equal(json_array_size(json_object_get(match, "rules")), 2);
    assert_int_equal(json_integer_value(json_object_get(match, "examples")), 3);
    assert_true(json_real_value(json_object_get(math, "budget_flops")) == 20.0);
    assert_true(json_is_true(json_object_get(math, "data_is_written")));
    assert_int_equal(json_integer_value(json_object_get(math, "deadline_ms")), 7000);
    json_decref(o);
    free(text);
}

/* No champion: nothing of the graph is known. */
static void for_a_program_without_chat(void **state)
{
    char *text = printed("upstreams:\n  - {name: u, url: \"http://h\"}\n"
                         "models:\n  - {name: m, upstream: u, capabilities: [embeddings]}\n",
                         config_print_json);
    json_t *o = json_loads(text, 0, NULL);
    const json_t *task = json_array_get(json_object_get(o, "tasks"), 0);
    (void) state;
    assert_true(json_is_null(json_object_get(task, "champion")));
    assert_true(json_is_null(json_object_get(task, "graph")));
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
    assert_string_equal(json_string_value(json_object_get(o, "file")), "t.yaml");
    assert_string_equal(text + strlen(text) - 2, "}\n");
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
        " graphs.panel: panel.graph.json",
        " tasks[0].match.examples: math-prompts.jsonl",
        " tasks[0].prompts: prompts/math",
        " tasks[0].eval: ",
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
    assert_true(report.count >= 10);
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
        cmocka_unit_test(tasks_for_a_person),
        cmocka_unit_test(tasks_for_a_program),
        cmocka_unit_test(for_a_program_without_chat),
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
