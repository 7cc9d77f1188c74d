/* Every way in which a graph is refused, with its words. */
#include "router/graph_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_def model = {.name = "m"};

/* a and b feed the fuser f, which feeds the output o. */
static struct graph_draft good(void)
{
    struct graph_draft d = {.count = 4, .output = 3};

    d.nodes[0] = graph_assistant(&model);
    d.nodes[1] = graph_assistant(&model);
    d.nodes[2] = graph_fuser(FUSER_LLM, &model);
    d.nodes[2].predecessors = 0x3;
    d.nodes[3] = graph_assistant(&model);
    d.nodes[3].predecessors = 0x4;
    d.nodes[0].name[0] = 'a';
    d.nodes[1].name[0] = 'b';
    d.nodes[2].name[0] = 'f';
    d.nodes[3].name[0] = 'o';
    return d;
}

static void check(const struct graph_draft *d, const char *words)
{
    struct errbuf err = {""};

    assert_int_equal(graph_check(d, &err), *words == '\0' ? ERR_NONE : ERR_INPUT);
    assert_string_equal(err.text, words);
    if (*words != '\0') {
        assert_null(graph_new(d, &err));
        assert_int_equal(graph_check(d, NULL), ERR_INPUT);
    }
}

static void test_good(void **state)
{
    struct graph_draft d = good();

    (void) state;
    check(&d, "");
    memset(d.nodes[2].name, 0, sizeof(d.nodes[2].name));
    d.nodes[2].fuse = FUSER_VOTE;
    d.nodes[2].model = NULL;
    check(&d, "");
    d.nodes[0].temperature = 0.0;
    d.nodes[0].top_p = 1.0;
    d.nodes[1].temperature = 2.0;
    d.nodes[1].top_p = 1e-9;
    check(&d, "");
}

static void test_counts(void **state)
{
    struct graph_draft d = good();

    (void) state;
    d.count = 0;
    check(&d, "a graph has at least one node");
    d.count = 33;
    check(&d, "a graph has at most 32 nodes, this one has 33");
    d = good();
    d.output = 4;
    check(&d, "the output is #4, which is not among the 4 nodes");
    d = good();
    d.nodes[1].predecessors = 0x10;
    check(&d, "node \"b\": a predecessor is not among the 4 nodes");
}

static void test_names(void **state)
{
    static const char *const bad[] = {" ", "a b", "a\"", "a/b", "ä", "a\n", "a:"};
    struct graph_draft d = good();
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(bad); i++) {
        memcpy(d.nodes[1].name, bad[i], strlen(bad[i]) + 1);
        check(&d, "node #1: a name has 1 to 31 letters, digits and any of \"-_.\"");
    }
    memset(d.nodes[1].name, 'x', sizeof(d.nodes[1].name));
    check(&d, "node #1: a name has 1 to 31 letters, digits and any of \"-_.\"");
    d.nodes[1].name[31] = '\0';
    check(&d, "");
    memcpy(d.nodes[1].name, "f", 2);
    check(&d, "two nodes have the name \"f\"");
    assert_false(graph_check_name(SLICE_NONE));
    assert_true(graph_check_name(SLICE_LIT("Az09-_.")));
}

static void test_roles(void **state)
{
    struct graph_draft d = good();

    (void) state;
    d.nodes[0].fuse = FUSER_VOTE;
    check(&d, "node \"a\": an assistant has no fuser kind, this one has vote");
    d = good();
    d.nodes[2].fuse = FUSER_NONE;
    check(&d, "node \"f\": a fuser is of kind llm, vote or select");
    d = good();
    d.nodes[1] = graph_fuser(FUSER_LLM, &model);
    check(&d, "node #1: a fuser needs a predecessor, this one has none");
    d.nodes[1] = graph_fuser(FUSER_SELECT, &model);
    check(&d, "node #1: a select needs two predecessors, this one has none");
    d.nodes[1] = graph_fuser(FUSER_VOTE, NULL);
    d.nodes[1].predecessors = 0x1;
    check(&d, "node #1: a vote needs two predecessors, this one has one");
}

static void test_calls(void **state)
{
    static const char vote[] =
        "node \"f\": a vote makes no call, so it has no model and no settings";
    struct graph_draft d = good();

    (void) state;
    d.nodes[2].model = NULL;
    check(&d, "node \"f\": only a vote is without a model");
    d.nodes[2].fuse = FUSER_VOTE;
    check(&d, "");
    d.nodes[2].temperature = 1.0;
    check(&d, vote);
    d.nodes[2].temperature = (double) NAN;
    d.nodes[2].top_p = 1.0;
    check(&d, vote);
    d.nodes[2].top_p = (double) NAN;
    d.nodes[2].max_tokens = 1;
    check(&d, vote);
    d.nodes[2].max_tokens = 0;
    d.nodes[2].model = &model;
    check(&d, vote);
}

static void test_settings(void **state)
{
    struct graph_draft d = good();

    (void) state;
    d.nodes[0].temperature = -0.1;
    check(&d, "node \"a\": temperature must be from 0 to 2, not -0.1");
    d.nodes[0].temperature = 2.5;
    check(&d, "node \"a\": temperature must be from 0 to 2, not 2.5");
    d = good();
    d.nodes[0].top_p = 0.0;
    check(&d, "node \"a\": top_p must be over 0 and at most 1, not 0");
    d.nodes[0].top_p = (double) INFINITY;
    check(&d, "node \"a\": top_p must be over 0 and at most 1, not inf");
}

static void test_cycles(void **state)
{
    struct graph_draft d = good();

    (void) state;
    d.nodes[0].predecessors = 0x1;
    check(&d, "node \"a\": there is a cycle: \"a\" -> \"a\"");
    d.nodes[0].predecessors = 0x2;
    d.nodes[1].predecessors = 0x4;
    d.nodes[2].name[0] = '\0';
    check(&d, "node \"a\": there is a cycle: \"a\" -> #2 -> \"b\" -> \"a\"");
    d = good();
    d.nodes[1].predecessors = 0x8;
    check(&d, "node \"o\": the output feeds nobody, this one feeds \"b\"");
    d = good();
    d.nodes[3].predecessors |= 0x8;
    check(&d, "node \"o\": there is a cycle: \"o\" -> \"o\"");
}

/* A long cycle of long names is cut, with its first node named. */
static void test_long_cycle(void **state)
{
    struct graph_draft d = {.count = 32, .output = 31};
    struct errbuf err = {""};
    unsigned i;

    (void) state;
    for (i = 0; i < 32; i++) {
        d.nodes[i] = graph_assistant(&model);
        memset(d.nodes[i].name, 'a', GRAPH_NAME_MAX);
        d.nodes[i].name[i % GRAPH_NAME_MAX] = i == 31 ? 'c' : 'b';
        d.nodes[i].predecessors = i == 31 ? 1u << 30 : 1u << (i + 30) % 31;
    }
    assert_int_equal(graph_check(&d, &err), ERR_INPUT);
    assert_non_null(
        strstr(err.text, "node \"baaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": there is a cycle: "));
    assert_non_null(strstr(err.text, " -> …"));
    assert_in_range(strlen(err.text), 200, 400);
}

static void test_ways(void **state)
{
    struct graph_draft d = good();

    (void) state;
    d.nodes[2].predecessors = 0x1;
    check(&d, "node \"b\": no way leads from it to the output \"o\"");
    d.output = 1;
    check(&d, "node \"a\": no way leads from it to the output \"b\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_counts),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_roles),
        cmocka_unit_test(test_calls),  cmocka_unit_test(test_settings),
        cmocka_unit_test(test_cycles), cmocka_unit_test(test_long_cycle),
        cmocka_unit_test(test_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
