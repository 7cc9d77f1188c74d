#include "router/graph_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/catalog_fixture.h"
#include "tests/unit/graph_random.h"

static const struct fixture_model models[] = {
    {.name = "small"}, {.name = "m \"2\"\\ä"}, {.name = "x"}};

static int make_catalog(void **state)
{
    *state = fixture_catalog(models, ARRAY_LEN(models), NULL, 0);
    return 0;
}

static int free_catalog(void **state)
{
    catalog_free(*state);
    return 0;
}

static struct graph *parsed(void **state, const char *json)
{
    struct errbuf err = {""};
    struct graph *g = graph_file_parse("g.json", slice_of(json), *state, &err);

    if (g == NULL) {
        fail_msg("%s", err.text);
    }
    return g;
}

static void refused(void **state, const char *json, const char *words)
{
    struct errbuf err = {""};

    assert_null(graph_file_parse("g.json", slice_of(json), *state, &err));
    assert_string_equal(err.text, words);
}

static const char every_member[] =
    "{\"nodes\": [{\"id\": \"f\", \"model\": \"small\", \"role\": \"fuser\", \"fuse\": \"llm\","
    " \"max_tokens\": 4294967295},"
    "{\"id\": \"b\", \"model\": \"small\", \"role\": \"assistant\", \"temperature\": 1,"
    " \"top_p\": 0.25},"
    "{\"id\": \"a\", \"model\": \"m \\\"2\\\"\\\\ä\", \"role\": \"assistant\", \"temperature\": "
    "0.1},"
    "{\"id\": \"v\", \"role\": \"fuser\", \"fuse\": \"vote\"},"
    "{\"id\": \"s\", \"role\": \"fuser\", \"fuse\": \"select\", \"model\": \"x\"}],"
    "\"edges\": [[\"a\", \"v\"], [\"b\", \"v\"], [\"v\", \"f\"], [\"a\", \"s\"], [\"b\", \"s\"],"
    " [\"s\", \"f\"]], \"output\": \"f\"}";

static void test_every_member(void **state)
{
    struct graph *g = parsed(state, every_member);
    const double tenth = 0.1; /* in memory, where 32-bit machines have no more digits */

    assert_int_equal(g->count, 5);
    assert_int_equal(g->depth, 3);
    assert_string_equal(g->nodes[0].name, "a");
    assert_string_equal(g->nodes[0].model->name, "m \"2\"\\ä");
    assert_memory_equal(&g->nodes[0].temperature, &tenth, sizeof(tenth));
    assert_true(isnan(g->nodes[0].top_p));
    assert_string_equal(g->nodes[1].name, "b");
    assert_true(g->nodes[1].temperature == 1.0 && g->nodes[1].top_p == 0.25);
    assert_int_equal(g->nodes[1].max_tokens, 0);
    assert_string_equal(g->nodes[2].name, "s");
    assert_int_equal(g->nodes[2].fuse, FUSER_SELECT);
    assert_int_equal(g->nodes[2].predecessors, 0x3);
    assert_string_equal(g->nodes[3].name, "v");
    assert_null(g->nodes[3].model);
    assert_string_equal(g->nodes[4].name, "f");
    assert_int_equal(g->nodes[4].predecessors, 0xc);
    assert_int_equal(g->nodes[4].max_tokens, UINT32_MAX);
    graph_free(g);
}

static void test_text(void **state)
{
    struct graph *g = parsed(state, every_member);
    char *text = graph_file_text(g);
    struct graph *again = parsed(state, text);

    assert_string_equal(
        text,
        "{\"nodes\": [{\"id\": \"a\", \"model\": \"m \\\"2\\\"\\\\ä\", \"role\": \"assistant\", "
        "\"temperature\": 0.1},\n"
        "           {\"id\": \"b\", \"model\": \"small\", \"role\": \"assistant\", "
        "\"temperature\": 1, \"top_p\": 0.25},\n"
        "           {\"id\": \"s\", \"model\": \"x\", \"role\": \"fuser\", \"fuse\": \"select\"},\n"
        "           {\"id\": \"v\", \"role\": \"fuser\", \"fuse\": \"vote\"},\n"
        "           {\"id\": \"f\", \"model\": \"small\", \"role\": \"fuser\", \"fuse\": \"llm\", "
        "\"max_tokens\": 4294967295}],\n"
        " \"edges\": [[\"a\", \"s\"], [\"b\", \"s\"],\n"
        "           [\"a\", \"v\"], [\"b\", \"v\"],\n"
        "           [\"s\", \"f\"], [\"v\", \"f\"]],\n"
        " \"output\": \"f\"}\n");
    assert_true(again->id == g->id);
    graph_free(again);
    free(text);
    graph_free(g);
}

static void test_single(void **state)
{
    const struct catalog *catalog = *state;
    struct graph *g = graph_new_single(&catalog->models[2]);
    char *text = graph_file_text(g);
    struct graph *again = parsed(
        state,
        "{\"output\":\"q\",\"nodes\":[{\"role\":\"assistant\",\"model\":\"x\",\"id\":\"q\"}]}");

    assert_string_equal(
        text, "{\"nodes\": [{\"id\": \"a1\", \"model\": \"x\", \"role\": \"assistant\"}],\n"
              " \"edges\": [],\n"
              " \"output\": \"a1\"}\n");
    assert_true(again->id == g->id);
    graph_free(again);
    graph_free(g);
    free(text);
}

/* What is written reads as the same graph, settings to the last bit and names too. */
static void test_round_trips(void **state)
{
    const struct catalog *catalog = *state;
    uint64_t seed = 11;
    unsigned round;

    for (round = 0; round < 300; round++) {
        struct graph_draft d = {.count = 1 + draw_below(&seed, GRAPH_NODES_MAX)};
        struct errbuf err = {""};
        struct graph *g;
        struct graph *again;
        char *text;
        unsigned i;

        d.output = d.count - 1;
        for (i = 0; i < d.count; i++) {
            d.nodes[i] = graph_assistant(&catalog->models[draw_below(&seed, 3)]);
            d.nodes[i].predecessors = (uint32_t) draw(&seed) & (((uint32_t) 1 << i) - 1);
            d.nodes[i].temperature = (double) (draw(&seed) >> 11) * 0x1p-53;
            d.nodes[i].top_p = 1.0 - (double) (draw(&seed) >> 11) * 0x1p-53;
        }
        d.nodes[d.output].predecessors = ((uint32_t) 1 << d.output) - 1;
        g = graph_new(&d, &err);
        assert_non_null(g);
        text = graph_file_text(g);
        again = parsed(state, text);
        assert_true(again->id == g->id);
        free(text);
        graph_free(again);
        graph_free(g);
    }
}

#define NODE(id) "{\"id\":\"" id "\",\"model\":\"x\",\"role\":\"assistant\"}"
#define GRAPH(nodes, edges, output)                                                                \
    "{\"nodes\":[" nodes "],\"edges\":[" edges "],\"output\":" output "}"

static void test_refused_graphs(void **state)
{
    refused(state, "[]", "g.json: expected an object, found an array");
    refused(state, "{\"node\":[]}", "g.json: \"node\" is no member of a graph");
    refused(state, "{}", "g.json: nodes: expected an array of nodes, found nothing");
    refused(state, "{\"nodes\":{}}", "g.json: nodes: expected an array of nodes, found an object");
    refused(state, "{\"nodes\":[]}", "g.json: nodes: expected an array of nodes, found none in it");
    refused(state, GRAPH("7", "", "1"),
            "g.json: nodes[0]: expected an object, found a whole number");
    refused(state, GRAPH(NODE("a"), "", "1"),
            "g.json: output: expected the id of a node, found a whole number");
    refused(state, GRAPH(NODE("a"), "", "\"b\""),
            "g.json: output: expected the id of a node, found \"b\"");
    refused(state, "{\"nodes\":[" NODE("a") "]}",
            "g.json: output: expected the id of a node, found nothing");
    refused(state, "{\"nodes\":[" NODE("a") "," NODE("b") "],\"output\":\"a\"}",
            "g.json: edges: expected an array of [\"from\", \"to\"], found nothing");
    refused(state, GRAPH(NODE("a") "," NODE("b"), "true", "\"a\""),
            "g.json: edges[0]: expected [\"from\", \"to\"], found true");
    refused(state, GRAPH(NODE("a") "," NODE("b"), "[\"a\"]", "\"a\""),
            "g.json: edges[0]: expected [\"from\", \"to\"], found an array that has not two items");
    refused(state, GRAPH(NODE("a") "," NODE("b"), "[\"a\",\"b\"],[\"a\",\"c\"]", "\"a\""),
            "g.json: edges[1]: expected the id of a node, found \"c\"");
    refused(state, GRAPH(NODE("a") "," NODE("b"), "[\"a\",\"b\"],[1,\"b\"]", "\"a\""),
            "g.json: edges[1]: expected the id of a node, found a whole number");
    refused(state, GRAPH(NODE("a") "," NODE("b"), "[\"a\",\"b\"],[\"a\",\"b\"]", "\"b\""),
            "g.json: edges[1]: there is an edge from \"a\" to \"b\" before it");
}

/* What graph_new says, of this file. */
static void test_refused_shapes(void **state)
{
    refused(state, GRAPH(NODE("a") "," NODE("b"), "", "\"b\""),
            "g.json: node \"a\": no way leads from it to the output \"b\"");
    refused(state, GRAPH(NODE("a") "," NODE("b"), "[\"a\",\"b\"],[\"a\",\"a\"]", "\"b\""),
            "g.json: node \"a\": there is a cycle: \"a\" -> \"a\"");
    refused(state, GRAPH("{\"id\":\"f\",\"role\":\"fuser\",\"fuse\":\"vote\"}", "", "\"f\""),
            "g.json: node \"f\": a vote needs two predecessors, this one has none");
}

static void refused_node(void **state, const char *members, const char *words)
{
    char *json = x_printf("{\"nodes\":[{\"id\":\"a\"%s}],\"output\":\"a\"}", members);
    char *expected = x_printf("g.json: node \"a\": %s", words);

    refused(state, json, expected);
    free(json);
    free(expected);
}

#define ASSISTANT ",\"role\":\"assistant\",\"model\":\"x\""
#define VOTE ",\"role\":\"fuser\",\"fuse\":\"vote\""

static void test_refused_nodes(void **state)
{
    static const char temperature[] = "temperature: expected a number from 0 to 2, found ";
    static const char role[] = "role: expected \"assistant\" or \"fuser\", found nothing";
    static const char *const of_vote[] = {"temperature", "top_p", "max_tokens"};
    char words[256];
    size_t i;

    refused_node(state, ASSISTANT ",\"modle\":\"x\"", "\"modle\" is no member of a node");
    refused_node(state, "", role);
    refused_node(state, ",\"role\":\"none\"",
                 "role: expected \"assistant\" or \"fuser\", found \"none\"");
    refused_node(state, ASSISTANT ",\"fuse\":\"llm\"",
                 "fuse: only a fuser has it, and this is an assistant");
    refused_node(state, ",\"role\":\"fuser\"",
                 "fuse: expected \"llm\", \"vote\" or \"select\", found nothing");
    refused_node(state, ",\"role\":\"fuser\",\"fuse\":\"none\"",
                 "fuse: expected \"llm\", \"vote\" or \"select\", found \"none\"");
    refused_node(state, ",\"role\":\"assistant\"",
                 "model: expected the name of a model, found nothing");
    refused_node(state, ",\"role\":\"assistant\",\"model\":\"Y\\u0001\"",
                 "model: no model is called \"Y?\"");
    refused_node(state, VOTE ",\"model\":\"x\"", "model: a vote makes no call, so it has no model");
    for (i = 0; i < ARRAY_LEN(of_vote); i++) {
        char members[64];

        snprintf(members, sizeof(members), VOTE ",\"%s\":1", of_vote[i]);
        snprintf(words, sizeof(words), "%s: a vote makes no call, so it has no settings",
                 of_vote[i]);
        refused_node(state, members, words);
    }
    snprintf(words, sizeof(words), "%s%s", temperature, "a number");
    refused_node(state, ASSISTANT ",\"temperature\":2.1", words);
    snprintf(words, sizeof(words), "%s%s", temperature, "a whole number");
    refused_node(state, ASSISTANT ",\"temperature\":-1", words);
    snprintf(words, sizeof(words), "%s%s", temperature, "null");
    refused_node(state, ASSISTANT ",\"temperature\":null", words);
    refused_node(state, ASSISTANT ",\"top_p\":0",
                 "top_p: expected a number over 0 and at most 1, found a whole number");
    refused_node(state, ASSISTANT ",\"top_p\":\"1\"",
                 "top_p: expected a number over 0 and at most 1, found \"1\"");
    refused_node(state, ASSISTANT ",\"max_tokens\":0",
                 "max_tokens: expected a whole number of at least 1, found a whole number");
    refused_node(state, ASSISTANT ",\"max_tokens\":4294967296",
                 "max_tokens: expected a whole number of at least 1, found a whole number");
    refused_node(state, ASSISTANT ",\"max_tokens\":1.5",
                 "max_tokens: expected a whole number of at least 1, found a number");
}

static void test_refused_names(void **state)
{
    static const char id[] = "g.json: nodes[1]: id: expected 1 to 31 letters, digits or any of "
                             "\"-_.\", found ";
    char words[256];

    snprintf(words, sizeof(words), "%s%s", id, "nothing");
    refused(state, GRAPH(NODE("a") ",{}", "", "\"a\""), words);
    snprintf(words, sizeof(words), "%s%s", id, "\"b c\"");
    refused(state, GRAPH(NODE("a") "," NODE("b c"), "", "\"a\""), words);
    /* Cut before a character that would not be whole. */
    snprintf(words, sizeof(words), "%s%s", id, "\"123456789012345678901234567890123456789\"…");
    refused(state,
            GRAPH(NODE("a") "," NODE("123456789012345678901234567890123456789ä1"), "", "\"a\""),
            words);
    refused(state, GRAPH(NODE("b") "," NODE("b"), "", "\"b\""),
            "g.json: nodes[1]: id: \"b\" is the id of another node, nodes[0]");
}

static void test_too_many(void **state)
{
    char *json = x_dup("],\"edges\":[],\"output\":\"n\"}");
    char *longer;
    unsigned i;

    for (i = 0; i < 32; i++) {
        longer = x_printf("," NODE("n%u") "%s", i, json);
        free(json);
        json = longer;
    }
    longer = x_printf("{\"nodes\":[" NODE("n") "%s", json);
    refused(state, longer, "g.json: nodes: expected at most 32 nodes, found 33");
    free(longer);
    free(json);
}

static void test_not_json(void **state)
{
    refused(state, "", "g.json:1:0: expected JSON: '[' or '{' expected near end of file");
    refused(state, "{\"nodes\":\n  x}", "g.json:2:3: expected JSON: invalid token near 'x'");
    refused(state, "{\"nodes\":1,\"nodes\":1}",
            "g.json:1:18: expected JSON: duplicate object key near '\"nodes\"'");
}

/* No beginning of a file is a file, and every one is refused with its name. */
static void test_cut_everywhere(void **state)
{
    size_t n;

    for (n = 0; n < sizeof(every_member) - 1; n++) {
        struct errbuf err = {""};
        char *copy = x_dup_slice((struct slice) {every_member, n});

        assert_null(graph_file_parse("g.json", (struct slice) {copy, n}, *state, &err));
        assert_memory_equal(err.text, "g.json:1:", 9);
        free(copy);
    }
}

static void test_load(void **state)
{
    char path[] = "/tmp/sluice-graph-XXXXXX";
    int fd = mkstemp(path);
    struct errbuf err = {""};
    char words[128];
    struct graph *g;

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, every_member, sizeof(every_member) - 1), sizeof(every_member) - 1);
    g = graph_file_load(path, *state, &err);
    assert_non_null(g);
    graph_free(g);
    assert_int_equal(ftruncate(fd, GRAPH_FILE_BYTES_MAX + 1), 0);
    assert_null(graph_file_load(path, *state, &err));
    snprintf(words, sizeof(words), "%s: expected at most 256 KiB, found 262145 bytes", path);
    assert_string_equal(err.text, words);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_null(graph_file_load(path, *state, &err));
    snprintf(words, sizeof(words), "%s: cannot be read: No such file or directory", path);
    assert_string_equal(err.text, words);
    assert_null(graph_file_load("/tmp", *state, &err));
    assert_string_equal(err.text, "/tmp: is no regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member),   cmocka_unit_test(test_text),
        cmocka_unit_test(test_single),         cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_refused_graphs), cmocka_unit_test(test_refused_shapes),
        cmocka_unit_test(test_refused_nodes),  cmocka_unit_test(test_refused_names),
        cmocka_unit_test(test_too_many),       cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_load),
    };

    return cmocka_run_group_tests(tests, make_catalog, free_catalog);
}
