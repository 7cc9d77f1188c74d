/* Graphs and tasks of the configuration: what they become, and every fault with its place. In texts and
 * messages `@` stands for the directory that the test's files are in. */
#include "gateway/config.h"

#include "tests/unit/config_text.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/test_config_tasks.XXXXXX";

static const char *const directories[] = {"prompts", "bad"};

static const struct {
    const char *name;
    const char *text;
} files[] = {
    {"m.json", "{\"nodes\": [{\"id\": \"a\", \"model\": \"m\", \"role\": \"assistant\"}],"
               "\"output\": \"a\"}"},
    {"far.json", "{\"nodes\": [{\"id\": \"a\", \"model\": \"m\", \"role\": \"assistant\"},"
                 "{\"id\": \"b\", \"model\": \"lead\", \"role\": \"assistant\"},"
                 "{\"id\": \"v\", \"role\": \"fuser\", \"fuse\": \"vote\"}],"
                 "\"edges\": [[\"a\", \"v\"], [\"b\", \"v\"]], \"output\": \"v\"}"},
    {"embeds.json", "{\"nodes\": [{\"id\": \"a\", \"model\": \"e\", \"role\": \"assistant\"}],"
                    "\"output\": \"a\"}"},
    {"nobody.json", "{\"nodes\": [{\"id\": \"a\", \"model\": \"x\", \"role\": \"assistant\"}],"
                    "\"output\": \"a\"}"},
    {"good.jsonl",
     "\"one\"\n\n"
     "  {\"input\": \"two \\u00e4\", \"ideal\": \"2\"}\r\n"
     "{\"input\": [{\"role\": \"system\", \"content\": \"sys\"},"
     "{\"role\": \"user\", \"content\": \"first\"},"
     "{\"role\": \"assistant\", \"content\": \"no\"},"
     "{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"last\"}]}]}"},
    {"broken.jsonl", "\"one\"\n{\"input\": 1\n"},
    {"number.jsonl", "\"one\"\n\n17\n"},
    {"nothing.jsonl", "{\"ideal\": \"x\"}\n"},
    {"nobody.jsonl", "{\"input\": [{\"role\": \"system\", \"content\": \"only\"}]}\n"},
    {"empty.jsonl", "\n \n"},
    {"prompts/fuse.txt", "Merge {count}.\n---\n{candidates}\n"},
    {"bad/fuse.txt", "Merge.\n---\nnone\n"},
};

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int make_files(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        assert_int_equal(mkdir(path_of(directories[i]), 0700), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        write_file(files[i].name, files[i].text, strlen(files[i].text));
    }
    return 0;
}

static int remove_files(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        unlink(path_of(files[i].name));
    }
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        rmdir(path_of(directories[i]));
    }
    return rmdir(directory);
}

/* The directory for each `@`; the caller's to free. */
static char *placed(const char *text)
{
    size_t n = 0;
    char *out = NULL;
    FILE *f = open_memstream(&out, &n);
    assert_non_null(f);
    for (; *text; text++) {
        if (*text == '@') {
            fputs(directory, f);
        } else {
            fputc(*text, f);
        }
    }
    assert_int_equal(fclose(f), 0);
    return out;
}

/* Nine lines: what is added stands in line 10. The fallback of `lead` is on another upstream. */
#define WORLD                                                                                      \
    "upstreams:\n  - {name: u, url: \"http://h\"}\n  - {name: far, url: \"http://g\"}\n"           \
    "models:\n"                                                                                    \
    "  - {name: m, upstream: u, params: 1e9, layers: 16, hidden: 2048, price: {input: 1}}\n"       \
    "  - {name: lead, upstream: u, params: 3e9, layers: 28, hidden: 3072, fallback: big}\n"        \
    "  - {name: big, upstream: far, params: 9e9}\n"                                                \
    "  - {name: e, upstream: u, params: 99e9, capabilities: [embeddings]}\n"                       \
    "\n"

static void expect_faults(const char *text, const char *expected)
{
    struct config_report report;
    char all[8192] = "";
    char *yaml = placed(text);
    char *wanted = placed(expected);
    assert_null(load(yaml, &report));
    for (size_t i = 0; i < report.count; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof(all) - n, "%s\n", report.messages[i]);
    }
    config_report_fini(&report);
    assert_string_equal(all, wanted);
    free(yaml);
    free(wanted);
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

static struct config *good_world(const char *text)
{
    char *yaml = placed(text);
    struct config *c = good(yaml);
    free(yaml);
    return c;
}

/* ---- what they become ---- */

static void values(void **state)
{
    struct config *c = good_world(
        WORLD "graphs: {panel: @/far.json, one: @/m.json}\n"
              "tasks:\n"
              "  - name: math\n"
              "    match: {header: sums, any: [\"\\\\Boxed\", Solve For], rules: [code, images],\n"
              "            examples: @/good.jsonl}\n"
              "    graph: graph/panel\n"
              "    budget: {flops: 18, usd: 0.125}\n"
              "    data: [far, u]\n"
              "    deadline: 120s\n"
              "    tools: graph\n"
              "    prompts: @/prompts\n"
              "    answer: boxed\n"
              "    max_tokens: 100\n"
              "    pass: [top_k]\n"
              "  - {name: default, graph: @/m.json, match: {examples: @/good.jsonl}}\n");
    const struct catalog *k = c->catalog;
    const struct task *math = &k->tasks[0];
    (void) state;
    assert_int_equal(k->graph_count, 3);
    assert_string_equal(k->graphs[0].route_name, "graph/panel");
    assert_ptr_equal(catalog_graph(k, SLICE_LIT("one")), &k->graphs[1]);
    assert_null(k->graphs[2].name);
    assert_int_equal(k->task_count, 2);
    assert_string_equal(math->name, "math");
    assert_string_equal(math->route_name, "auto/math");
    assert_string_equal(math->match.header, "sums");
    assert_int_equal(math->match.rules, TASK_RULE_CODE | TASK_RULE_IMAGES);
    assert_string_equal(math->match.any[0], "\\boxed"); /* in lower case */
    assert_string_equal(math->match.any[1], "solve for");
    assert_null(math->match.any[2]);
    assert_int_equal(math->arm_count, 1);
    assert_ptr_equal(math->arms[0].graph, k->graphs[0].graph);
    assert_true(math->arms[0].probability == 1.0);
    assert_true(math->budget.units == 18.0 && math->budget.usd == 0.125);
    assert_true(isnan(math->budget.seconds));
    assert_ptr_equal(math->data[0], &k->upstreams[1]);
    assert_ptr_equal(math->data[1], &k->upstreams[0]);
    assert_null(math->data[2]);
    assert_true(math->data_is_written && math->tools_graph);
    assert_int_equal(math->deadline_us, 120000000);
    assert_string_equal(math->prompts->instruction[PROMPT_FUSE], "Merge {count}.");
    assert_ptr_equal(math->prompts->frame[PROMPT_SELECT], prompt_defaults()->frame[PROMPT_SELECT]);
    assert_int_equal(math->answer, ANSWER_BOXED);
    assert_int_equal(math->node_tokens, 100);
    assert_string_equal(math->pass[0], "top_k");
    config_free(c);
}

static void defaults(void **state)
{
    struct config *c = good_world(WORLD "tasks:\n  - name: math\n");
    const struct task *math = &c->catalog->tasks[0];
    (void) state;
    assert_string_equal(math->match.header, "math");
    assert_int_equal(math->match.rules, 0);
    assert_null(math->match.any);
    assert_int_equal(math->arm_count, 0);
    assert_true(isnan(math->budget.units) && isnan(math->budget.usd));
    assert_null(math->data);
    assert_false(math->data_is_written || math->tools_graph);
    assert_int_equal(math->deadline_us, 0);
    assert_ptr_equal(math->prompts, prompt_defaults());
    assert_int_equal(math->answer, ANSWER_AUTO);
    assert_int_equal(math->node_tokens, TASK_NODE_TOKENS);
    assert_null(math->pass);
    assert_null(c->examples);
    config_free(c);
}

static void names_of_clients(void **state)
{
    struct config *c = good_world(
        WORLD "graphs: {" X63 ": @/m.json}\n"
              "tasks:\n  - {name: " X63 "}\n"
              "aliases: {a: auto/" X63 ", b: graph/" X63 ", c: auto/default, d: auto, e1: m}\n"
              "keys:\n"
              "  - {name: k, sha256: " ONES ", allow: [auto/" X63 ", graph/" X63 ", a]}\n");
    (void) state;
    config_free(c);
}

static void assert_example(const struct config_examples *e, size_t i, const char *user,
                           const char *system, const char *task)
{
    assert_true(slice_eq_text(e->list[i].user_text, user));
    assert_true(slice_eq_text(e->list[i].system_text, system));
    assert_string_equal(e->names[e->list[i].class], task);
}

static void examples(void **state)
{
    struct config *c = good_world(WORLD "tasks:\n  - {name: a, match: {examples: @/good.jsonl}}\n"
                                        "  - {name: b}\n"
                                        "  - {name: default, match: {examples: @/good.jsonl}}\n");
    const struct config_examples *e = c->examples;
    (void) state;
    assert_int_equal(e->classes, 2);
    assert_int_equal(e->count, 6);
    assert_example(e, 0, "one", "", "a");
    assert_example(e, 1, "two \xc3\xa4", "", "a");
    assert_example(e, 2, "last", "sys", "a");
    assert_example(e, 5, "last", "sys", "default");
    config_free(c);
}

/* Whatever a file is cut to, it is examples or a fault with words, and a fault adds none. */
static void examples_cut_at_every_byte(void **state)
{
    static const char text[] =
        "\"o\\u00e4\"\n{\"input\": [{\"role\": \"user\", \"content\": \"x\"}]}\n";
    (void) state;
    for (size_t n = 0; n < sizeof(text); n++) {
        struct config_examples *e = config_examples_new();
        struct errbuf why = {""};
        write_file("cut.jsonl", text, n);
        enum err rc = config_examples_add(e, "t", path_of("cut.jsonl"), &why);
        bool is_whole = n == 9 || n == 10 || n >= sizeof(text) - 2;
        assert_int_equal(rc == ERR_NONE, is_whole);
        assert_int_equal(e->count, !is_whole ? 0 : n <= 10 ? 1 : 2);
        assert_int_equal(why.text[0] == '\0', is_whole);
        config_examples_free(e);
    }
    unlink(path_of("cut.jsonl"));
}

/* Of a long text both ends are kept, as routing sees it. */
static void long_examples(void **state)
{
    struct config_examples *e = config_examples_new();
    struct errbuf why;
    char text[20003];
    (void) state;
    memset(text, 'm', sizeof(text));
    memcpy(text, "\"begin", 6);
    memcpy(text + sizeof(text) - 5, "end\"\n", 5);
    write_file("long.jsonl", text, sizeof(text));
    assert_int_equal(config_examples_add(e, "t", path_of("long.jsonl"), &why), ERR_NONE);
    struct slice kept = e->list[0].user_text;
    assert_int_equal(kept.n, 4 * CLASSIFY_USER_BYTES);
    assert_memory_equal(kept.p, "begin", 5);
    assert_memory_equal(kept.p + kept.n - 3, "end", 3);
    unlink(path_of("long.jsonl"));
    config_examples_free(e);
}

static void too_many_examples(void **state)
{
    struct config_examples *e = config_examples_new();
    struct errbuf why;
    char text[4 * (CONFIG_EXAMPLES_MAX + 1)];
    (void) state;
    for (size_t i = 0; i < sizeof(text); i += 4) {
        memcpy(text + i, "\"x\"\n", 4);
    }
    write_file("many.jsonl", text, sizeof(text) - 4);
    assert_int_equal(config_examples_add(e, "t", path_of("many.jsonl"), &why), ERR_NONE);
    assert_int_equal(e->count, CONFIG_EXAMPLES_MAX);
    write_file("many.jsonl", text, sizeof(text));
    assert_int_equal(config_examples_add(e, "t", path_of("many.jsonl"), &why), ERR_LIMIT);
    assert_non_null(strstr(why.text, "many.jsonl:2001: more than 2000 examples"));
    assert_int_equal(e->count, CONFIG_EXAMPLES_MAX);
    unlink(path_of("many.jsonl"));
    config_examples_free(e);
}

/* ---- faults ---- */

static void faults_of_graphs(void **state)
{
    static const struct fault faults[] = {
        {WORLD "graphs: {a: @/none.json}\n",
         "t.yaml:10:13: graphs.a: @/none.json: cannot be read: No such file or directory\n"},
        {WORLD "graphs: {a: @/nobody.json}\n",
         "t.yaml:10:13: graphs.a: @/nobody.json: node \"a\": model: no model is called \"x\"\n"},
        {WORLD "graphs: {a: @/embeds.json}\n",
         "t.yaml:10:13: graphs.a: @/embeds.json: the node a: the model e makes embeddings and does "
         "not chat\n"},
        {WORLD "graphs:\n  a: @/m.json\n  a: @/m.json\n",
         "t.yaml:12:3: graphs.a: is given twice\n"},
        {WORLD "graphs: {a/b: @/m.json}\n", "t.yaml:10:10: graphs.a/b: expected a name: at most 63 "
                                            "letters, digits and . _ -, a letter or "
                                            "digit first, found \"a/b\"\n"},
        {WORLD "graphs: {a: [x]}\n", "t.yaml:10:13: graphs.a: expected a path, found a list\n"},
        {WORLD "graphs: [x]\n",
         "t.yaml:10:9: graphs: expected a map of names to paths, found a list\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void faults_of_names(void **state)
{
    static const struct fault faults[] = {
        {WORLD "tasks:\n  - {match: {header: x}}\n",
         "t.yaml:11:5: tasks[0].name: is missing: expected a name: at most 63 letters, digits and "
         ". "
         "_ -, a letter or digit first\n"},
        {WORLD "tasks:\n  - {name: a}\n  - {name: a}\n",
         "t.yaml:12:12: tasks[1].name: \"a\" is the name of tasks[0] already\n"},
        {WORLD "tasks:\n  - {name: a}\n  - {name: b, match: {header: a}}\n",
         "t.yaml:12:31: tasks[1].match.header: \"a\" is the header of tasks[0] already\n"},
        {WORLD "tasks:\n  - {name: a, match: {header: b}}\n  - {name: b}\n",
         "t.yaml:12:5: tasks[1].match.header: \"b\" is the header of tasks[0] already\n"},
        {WORLD "tasks:\n  - {name: a, match: {header: default}}\n",
         "t.yaml:11:31: tasks[0].match.header: \"default\" is the header of the task default\n"},
        {WORLD "tasks:\n  - {name: a, pass: [top_k, seed]}\n",
         "t.yaml:11:21: tasks[0].pass: \"seed\" has a rule of its own and cannot be passed\n"},
        {WORLD "tasks:\n  - {name: a}\naliases: {x: auto/b, y: graph/c, z: auto/}\n",
         "t.yaml:12:14: aliases.x: there is no task named \"auto/b\"\n"
         "t.yaml:12:25: aliases.y: there is no graph named \"graph/c\"\n"
         "t.yaml:12:37: aliases.z: expected the name of a model, found \"auto/\"\n"},
        {WORLD "tasks:\n  - {name: a}\nkeys:\n  - {name: k, sha256: " ONES
               ", allow: [auto/a, auto/b, graph/a]}\n",
         "t.yaml:13:105: keys[0].allow[1]: no model, alias, task or graph has the name \"auto/b\"\n"
         "t.yaml:13:113: keys[0].allow[2]: no model, alias, task or graph has the name "
         "\"graph/a\"\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void faults_of_champions(void **state)
{
    static const struct fault faults[] = {
        {WORLD "tasks:\n  - {name: a, graph: graph/none}\n",
         "t.yaml:11:22: tasks[0].graph: `graphs` has none named \"none\"; a file in a directory is "
         "written ./graph/none\n"},
        {WORLD "tasks:\n  - {name: a, graph: @/none.json}\n",
         "t.yaml:11:22: tasks[0].graph: @/none.json: cannot be read: No such file or directory\n"},
        {WORLD "tasks:\n  - {name: a, graph: @/embeds.json}\n",
         "t.yaml:11:22: tasks[0].graph: @/embeds.json: the node a: the model e makes embeddings "
         "and "
         "does not chat\n"},
        /* Told of once, at the graph. */
        {WORLD "graphs: {g: @/nobody.json}\ntasks:\n  - {name: a, graph: graph/g}\n",
         "t.yaml:10:13: graphs.g: @/nobody.json: node \"a\": model: no model is called \"x\"\n"},
        {WORLD "tasks:\n  - {name: a, graph: @/m.json, budget: {flops: 0.5}}\n",
         "t.yaml:11:22: tasks[0].graph: costs 1 units of flops, more than budget.flops allows, 0.5 "
         "(with 500 tokens of prompt and 500 of each answer)\n"},
        {WORLD "tasks:\n  - {name: a, graph: @/m.json, budget: {usd: 0.0001}}\n",
         "t.yaml:11:22: tasks[0].graph: costs 0.0005 dollars, more than budget.usd allows, 0.0001 "
         "(with 500 tokens of prompt and 500 of each answer)\n"},
        {"upstreams:\n  - {name: u, url: \"http://h\"}\nmodels:\n  - {name: m, upstream: u, "
         "params: 1e9}\n"
         "tasks:\n  - {name: a, budget: {flops: 18}, graph: @/m.json}\n",
         "t.yaml:6:23: tasks[0].budget: flops cannot be counted: the model m has not all of "
         "params, layers "
         "and hidden\n"},
        {WORLD "tasks:\n  - {name: a, budget: {flops: 18}, data: [far]}\n",
         "t.yaml:11:23: tasks[0].budget: flops cannot be counted: the model big has not all of "
         "params, layers "
         "and hidden\n"},
        {WORLD "graphs: {g: @/m.json}\ntasks:\n  - {name: a, graph: g}\n",
         "t.yaml:12:22: tasks[0].graph: g: cannot be read: No such file or directory; the one of "
         "`graphs` is "
         "written graph/g\n"},
        /* A circle of fallbacks is walked once, and not for ever. */
        {"upstreams:\n  - {name: u, url: \"http://h\"}\nmodels:\n  - {name: m, upstream: u, "
         "fallback: m}\n"
         "tasks:\n  - {name: a, data: [u]}\n",
         "t.yaml:4:38: models[0].fallback: a model cannot be its own fallback\n"},
        {WORLD "tasks:\n  - {name: a, budget: {seconds: 5}}\n",
         "t.yaml:11:24: tasks[0].budget.seconds: not in this version\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void faults_of_data(void **state)
{
    static const struct fault faults[] = {
        {WORLD "tasks:\n  - {name: a, data: [u, none]}\n",
         "t.yaml:11:25: tasks[0].data[1]: there is no upstream named \"none\"\n"},
        /* A time without a default has an example to be written like. */
        {WORLD "tasks:\n  - {name: a, deadline: 5}\n",
         "t.yaml:11:25: tasks[0].deadline: expected a time from 1ms to 1d, such as 120s (units: ms "
         "s m h d), found \"5\"\n"},
        {WORLD "tasks:\n  - {name: a, data: []}\n",
         "t.yaml:11:21: tasks[0].data: expected 1 to 256 items, found 0\n"},
        {WORLD "tasks:\n  - {name: a, data: [\"a b\"]}\n",
         "t.yaml:11:22: tasks[0].data[0]: expected a name, found \"a b\" in quotes\n"},
        /* The fallback of a model of the graph leaves the boundary. */
        {WORLD "tasks:\n  - {name: a, data: [u], graph: @/far.json}\n",
         "t.yaml:11:33: tasks[0].graph: its models or their fallbacks may reach the upstream far, "
         "which is not in `data`\n"},
        {WORLD "tasks:\n  - {name: a, data: [far], budget: {flops: 1}, graph: @/m.json}\n",
         "t.yaml:11:55: tasks[0].graph: its models or their fallbacks may reach the upstream u, "
         "which is not in `data`\n"},
        {"upstreams:\n  - {name: u, url: \"http://h\"}\n  - {name: v, url: \"http://g\"}\n"
         "models:\n  - {name: m, upstream: u}\ntasks:\n  - {name: a, data: [v]}\n",
         "t.yaml:7:12: tasks[0].name: no model that chats is within the task's budget and, its "
         "fallbacks included, its data: widen them, or name a graph\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void faults_of_files(void **state)
{
    static const struct fault faults[] = {
        {WORLD "tasks:\n  - {name: a, match: {examples: @/none.jsonl}}\n",
         "t.yaml:11:33: tasks[0].match.examples: @/none.jsonl cannot be read: No such file or "
         "directory\n"},
        {WORLD "tasks:\n  - {name: a, match: {examples: @/broken.jsonl}}\n",
         "t.yaml:11:33: tasks[0].match.examples: @/broken.jsonl:2: is no JSON: unfinished array or "
         "object at byte 11\n"},
        {WORLD "tasks:\n  - {name: a, match: {examples: @/number.jsonl}}\n",
         "t.yaml:11:33: tasks[0].match.examples: @/number.jsonl:3: expected a JSON text, or "
         "{\"input\": …} with a text or messages\n"},
        {WORLD "tasks:\n  - {name: a, match: {examples: @/nothing.jsonl}}\n",
         "t.yaml:11:33: tasks[0].match.examples: @/nothing.jsonl:1: expected a JSON text, or "
         "{\"input\": …} with a text or messages\n"},
        {WORLD "tasks:\n  - {name: a, match: {examples: @/nobody.jsonl}}\n",
         "t.yaml:11:33: tasks[0].match.examples: @/nobody.jsonl:1: has no text of a user\n"},
        {WORLD "tasks:\n  - {name: a, match: {examples: @/empty.jsonl}}\n",
         "t.yaml:11:33: tasks[0].match.examples: @/empty.jsonl has no example\n"},
        {WORLD "tasks:\n  - {name: a, match: {examples: @/good.jsonl}}\n  - {name: b}\n",
         "t.yaml:11:33: tasks[0].match.examples: examples of one task alone tell nothing apart: "
         "give "
         "another task some too, `default` for instance\n"},
        {WORLD "tasks:\n  - {name: a, prompts: @/none}\n",
         "t.yaml:11:24: tasks[0].prompts: @/none: No such file or directory\n"},
        {WORLD "tasks:\n  - {name: a, prompts: @/bad}\n",
         "t.yaml:11:24: tasks[0].prompts: @/bad/fuse.txt:3: the frame has no {candidates}\n"},
        {WORLD "tasks:\n  - {name: a, eval: @/none.jsonl}\n",
         "t.yaml:11:21: tasks[0].eval: @/none.jsonl cannot be read: No such file or directory\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void faults_of_graders(void **state)
{
    static const struct fault faults[] = {
        {WORLD "tasks:\n  - {name: a, grader: {type: boxed}}\n",
         "t.yaml:11:23: tasks[0].grader: grades the items of `eval`, which is missing\n"},
        {WORLD "tasks:\n  - {name: a, grader: boxed, eval: @/good.jsonl}\n",
         "t.yaml:11:23: tasks[0].grader: expected a map of names to texts, found \"boxed\"\n"},
        {WORLD "tasks:\n  - {name: a, grader: {}, eval: @/good.jsonl}\n",
         "t.yaml:11:23: tasks[0].grader: expected 1 to 8 items, found 0\n"},
        {WORLD "tasks:\n  - {name: a, grader: {type: [x]}, eval: @/good.jsonl}\n",
         "t.yaml:11:30: tasks[0].grader.type: expected a text of at most 255 characters, found a "
         "list\n"},
        {WORLD "tasks:\n  - {name: a, grader: {type: numeric, absolut: 1}, eval: @/good.jsonl}\n",
         "t.yaml:11:23: tasks[0].grader: a grader of type numeric has no \"absolut\"\n"},
    };
    (void) state;
    expect_table(faults, ARRAY_LEN(faults));
}

static void keys_of_later_versions(void **state)
{
    static const char *const keys[] = {"objective", "metrics", "keep"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char text[1024];
        char expected[128];
        snprintf(text, sizeof(text), WORLD "tasks:\n  - {name: a, %s: x}\n", keys[i]);
        snprintf(expected, sizeof(expected), "t.yaml:11:15: tasks[0].%s: not in this version\n",
                 keys[i]);
        expect_faults(text, expected);
    }
}

/* Graphs cannot be read where models are faulty; everything else is looked at. */
static void faults_of_models_come_first(void **state)
{
    (void) state;
    expect_faults("upstreams:\n  - {name: u, url: \"http://h\"}\n"
                  "models:\n  - {name: m, upstream: v}\n"
                  "graphs: {a: @/none.json}\n"
                  "tasks:\n  - {name: a, graph: graph/a, data: [w]}\n",
                  "t.yaml:4:25: models[0].upstream: there is no upstream named \"v\"\n"
                  "t.yaml:7:38: tasks[0].data[0]: there is no upstream named \"w\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(defaults),
        cmocka_unit_test(names_of_clients),
        cmocka_unit_test(examples),
        cmocka_unit_test(examples_cut_at_every_byte),
        cmocka_unit_test(long_examples),
        cmocka_unit_test(too_many_examples),
        cmocka_unit_test(faults_of_graphs),
        cmocka_unit_test(faults_of_names),
        cmocka_unit_test(faults_of_champions),
        cmocka_unit_test(faults_of_data),
        cmocka_unit_test(faults_of_files),
        cmocka_unit_test(faults_of_graders),
        cmocka_unit_test(keys_of_later_versions),
        cmocka_unit_test(faults_of_models_come_first),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
