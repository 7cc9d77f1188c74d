#include "router/dag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct model_def model = {.name = "m"};

/* Nodes in topological order: "a" assistant, "f" fuser, "v" vote; preds[i] are bits. */
static struct graph *made(const char *kinds, const uint32_t preds[])
{
    struct graph_draft d = {.count = (unsigned) strlen(kinds), .output = 0};
    struct errbuf why = {""};
    d.output = d.count - 1;
    for (unsigned i = 0; i < d.count; i++) {
        d.nodes[i] = kinds[i] == 'a'   ? graph_assistant(&model)
                     : kinds[i] == 'v' ? graph_fuser(FUSER_VOTE, NULL)
                                       : graph_fuser(FUSER_LLM, &model);
        /* Distinct labels keep the canonical order that of the draft's depths. */
        d.nodes[i].predecessors = preds[i];
        d.nodes[i].max_tokens = kinds[i] == 'v' ? 0 : 10 + i;
    }
    struct graph *g = graph_new(&d, &why);
    if (!g) {
        fail_msg("%s", why.text);
    }
    return g;
}

/* Where node i of the draft stands now: by its cap, which made() numbered. */
static unsigned at(const struct graph *g, unsigned i)
{
    for (unsigned k = 0; k < g->count; k++) {
        if (g->nodes[k].max_tokens == 10 + i) {
            return k;
        }
    }
    return g->output;
}

/* At once: nothing else is in its upstream's queue. */
static void starts(struct dag *d, unsigned node, uint64_t now_us)
{
    dag_start(d, node, now_us);
    dag_serve(d, node, now_us);
}

static void test_three_and_a_fuser(void **state)
{
    struct graph *g = made("aaaf", (uint32_t[]) {0, 0, 0, 7});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    assert_int_equal(dag_ready(&d), 7);
    for (unsigned i = 0; i < 3; i++) {
        starts(&d, i, 0);
    }
    assert_int_equal(dag_ready(&d), 0);
    dag_end(&d, 0, true, 10);
    dag_end(&d, 1, false, 20);
    assert_int_equal(dag_ready(&d), 0); /* one is still out */
    dag_end(&d, 2, true, 30);
    assert_int_equal(dag_ready(&d), 8);
    assert_int_equal(dag_candidates(&d, 3), 5);
    graph_free(g);
}

static void test_an_inner_fuser_without_candidates_is_silent(void **state)
{
    /* 0, 1 -> 2 (fuser) -> 4; 3 -> 4 (fuser) */
    struct graph *g = made("aafaf", (uint32_t[]) {0, 0, 3, 0, 0xc});
    unsigned f = at(g, 2), lone = at(g, 3);
    struct dag d;
    (void) state;
    dag_init(&d, g);
    uint32_t roots = dag_ready(&d);
    assert_int_equal(roots, dag_bit(at(g, 0)) | dag_bit(at(g, 1)) | dag_bit(lone));
    for (unsigned i = 0; i < g->count; i++) {
        if (roots & dag_bit(i)) {
            starts(&d, i, 0);
        }
    }
    dag_end(&d, at(g, 0), false, 1);
    dag_end(&d, at(g, 1), false, 1);
    dag_end(&d, lone, true, 1);
    assert_int_equal(dag_ready(&d), dag_bit(g->output));
    assert_int_equal(d.silent & dag_bit(f), dag_bit(f));
    assert_int_equal(dag_candidates(&d, g->output), dag_bit(lone));
    graph_free(g);
}

static void test_assistants_and_the_output_start_without_candidates(void **state)
{
    struct graph *g = made("aaf", (uint32_t[]) {0, 1, 2});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    starts(&d, 0, 0);
    dag_end(&d, 0, false, 1);
    assert_int_equal(dag_ready(&d), 2);
    starts(&d, 1, 1);
    dag_end(&d, 1, false, 2);
    assert_int_equal(dag_ready(&d), 4);
    assert_int_equal(dag_candidates(&d, 2), 0);
    graph_free(g);
}

static void test_prune_goes_back_to_what_only_fed_it(void **state)
{
    /* 0 -> 1 -> 4 (vote) -> 5; 2, 3 -> 4; 3 -> 5 too */
    struct graph *g = made("aaaavf", (uint32_t[]) {0, 1, 0, 0, 0xe, 0x18});
    unsigned vote = g->count - 2;
    struct dag d;
    (void) state;
    assert_int_equal(g->nodes[vote].fuse, FUSER_VOTE);
    dag_init(&d, g);
    assert_int_equal(dag_prune(&d), 0);
    starts(&d, at(g, 0), 0);
    starts(&d, at(g, 2), 0);
    starts(&d, at(g, 3), 0);
    dag_end(&d, vote, true, 5); /* decided by somebody who knows */
    assert_int_equal(dag_prune(&d), dag_bit(at(g, 0)) | dag_bit(at(g, 2)));
    assert_int_equal(d.unwanted, dag_bit(at(g, 0)) | dag_bit(at(g, 1)) | dag_bit(at(g, 2)));
    assert_int_equal(d.running, dag_bit(at(g, 3))); /* the output waits for it */
    assert_int_equal(dag_prune(&d), 0);
    graph_free(g);
}

static void test_stragglers(void **state)
{
    struct graph *g = made("aaaaf", (uint32_t[]) {0, 0, 0, 0, 0xf});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    assert_int_equal(dag_late_us(&d, 3, 0), UINT64_MAX); /* not even running */
    for (unsigned i = 0; i < 4; i++) {
        starts(&d, i, 1000);
    }
    dag_end(&d, 0, true, 1100);
    assert_int_equal(dag_late_us(&d, 3, 0), UINT64_MAX); /* one of four is not half */
    dag_end(&d, 1, true, 1300);
    /* From its own start twice the median, of an even number the mean of the middle two. */
    assert_int_equal(dag_late_us(&d, 3, 0), 1000 + 2 * 200);
    assert_int_equal(dag_late_us(&d, 3, 399), 1400);
    assert_int_equal(dag_late_us(&d, 3, 5000), 6000); /* its model is usually that slow */
    dag_end(&d, 2, true, 1350);
    assert_int_equal(dag_late_us(&d, 3, 0), 1000 + 2 * 300);
    dag_end(&d, 3, false, 1600);
    assert_int_equal(dag_late_us(&d, 3, 0), UINT64_MAX);
    graph_free(g);
}

static void test_a_vote_took_as_long_as_what_it_counts(void **state)
{
    /* 0, 1 -> 2, a vote; 2, 3 -> 4 */
    struct graph *g = made("aavaf", (uint32_t[]) {0, 0, 3, 0, 0xc});
    struct dag d;
    unsigned vote = 0;
    (void) state;
    while (g->nodes[vote].fuse != FUSER_VOTE) {
        vote++;
    }
    dag_init(&d, g);
    starts(&d, at(g, 0), 100);
    starts(&d, at(g, 1), 150);
    starts(&d, at(g, 3), 200);
    dag_end(&d, at(g, 0), true, 900);
    dag_end(&d, at(g, 1), true, 1000);
    dag_end(&d, vote, true, 1000);
    assert_int_equal(dag_late_us(&d, at(g, 3), 0), 200 + 2 * 900);
    graph_free(g);
}

static void test_silence_does_not_count_as_in(void **state)
{
    struct graph *g = made("aaaf", (uint32_t[]) {0, 0, 0, 7});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    for (unsigned i = 0; i < 3; i++) {
        starts(&d, i, 0);
    }
    dag_end(&d, 0, false, 10);
    dag_end(&d, 1, true, 10);
    assert_int_equal(dag_late_us(&d, 2, 0), UINT64_MAX);
    graph_free(g);
}

static void test_the_most_patient_reader_counts(void **state)
{
    /* 0, 1 -> 3; 0, 1, 2 -> 4; 1 is late for 3, not yet for 4 */
    struct graph *g = made("aaaffa", (uint32_t[]) {0, 0, 0, 3, 7, 0x18});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    for (unsigned i = 0; i < 3; i++) {
        starts(&d, at(g, i), 0);
    }
    dag_end(&d, at(g, 0), true, 100);
    assert_int_equal(dag_late_us(&d, at(g, 1), 0), UINT64_MAX);
    dag_end(&d, at(g, 2), true, 400);
    assert_int_equal(dag_late_us(&d, at(g, 1), 0), 500); /* 4: twice 250; 3: twice 100 */
    graph_free(g);
}

static void test_one_predecessor_is_always_waited_for(void **state)
{
    struct graph *g = made("aa", (uint32_t[]) {0, 1});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    starts(&d, 0, 0);
    assert_int_equal(dag_late_us(&d, 0, 1), UINT64_MAX);
    graph_free(g);
}

static void test_what_follows(void **state)
{
    /* 0 -> 2 -> 3; 1 -> 3 */
    struct graph *g = made("aaaf", (uint32_t[]) {0, 0, 1, 6});
    double expect_s[GRAPH_NODES_MAX] = {0}, follow_s[GRAPH_NODES_MAX];
    (void) state;
    expect_s[at(g, 2)] = 2.0;
    expect_s[g->output] = 0.5;
    dag_follow_s(g, expect_s, follow_s);
    assert_true(follow_s[g->output] == 0.0);
    assert_true(follow_s[at(g, 2)] == 0.5);
    assert_true(follow_s[at(g, 1)] == 0.5);
    assert_true(follow_s[at(g, 0)] == 2.5);
    expect_s[at(g, 2)] = (double) NAN;
    dag_follow_s(g, expect_s, follow_s);
    assert_true(isnan(follow_s[at(g, 0)]));
    assert_true(follow_s[at(g, 1)] == 0.5);
    graph_free(g);
}

static void test_thirty_two_nodes(void **state)
{
    struct graph_draft draft = {.count = GRAPH_NODES_MAX, .output = GRAPH_NODES_MAX - 1};
    struct dag d;
    (void) state;
    for (unsigned i = 0; i < draft.count; i++) {
        draft.nodes[i] = i == draft.output ? graph_fuser(FUSER_VOTE, NULL)
                                           : graph_assistant(&model);
    }
    draft.nodes[draft.output].predecessors = UINT32_MAX >> 1;
    struct graph *g = graph_new(&draft, NULL);
    assert_non_null(g);
    dag_init(&d, g);
    assert_int_equal(dag_ready(&d), UINT32_MAX >> 1);
    graph_free(g);
}

static void test_the_queue_is_nobody_s_fault(void **state)
{
    struct graph *g = made("aaaf", (uint32_t[]) {0, 0, 0, 7});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    starts(&d, 0, 0);
    starts(&d, 1, 0);
    dag_start(&d, 2, 0);
    dag_end(&d, 0, true, 100);
    dag_end(&d, 1, true, 100);
    assert_int_equal(dag_late_us(&d, 2, 0), UINT64_MAX); /* it has not even begun */
    dag_serve(&d, 2, 300);
    assert_int_equal(dag_late_us(&d, 2, 0), 300 + 2 * 100);
    graph_free(g);
}

static void test_a_chain_took_as_long_as_all_of_it(void **state)
{
    /* 0 -> 1 -> 3; 2 -> 3: node 1 took 100 by itself, and 700 in the eyes of node 2 */
    struct graph *g = made("aaaf", (uint32_t[]) {0, 1, 0, 6});
    struct dag d;
    (void) state;
    dag_init(&d, g);
    starts(&d, at(g, 0), 0);
    starts(&d, at(g, 2), 0);
    dag_end(&d, at(g, 0), true, 600);
    starts(&d, at(g, 1), 600);
    dag_end(&d, at(g, 1), true, 700);
    assert_int_equal(dag_late_us(&d, at(g, 2), 0), 2 * 700);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_and_a_fuser),
        cmocka_unit_test(test_an_inner_fuser_without_candidates_is_silent),
        cmocka_unit_test(test_assistants_and_the_output_start_without_candidates),
        cmocka_unit_test(test_prune_goes_back_to_what_only_fed_it),
        cmocka_unit_test(test_stragglers),
        cmocka_unit_test(test_a_vote_took_as_long_as_what_it_counts),
        cmocka_unit_test(test_silence_does_not_count_as_in),
        cmocka_unit_test(test_the_most_patient_reader_counts),
        cmocka_unit_test(test_one_predecessor_is_always_waited_for),
        cmocka_unit_test(test_the_queue_is_nobody_s_fault),
        cmocka_unit_test(test_a_chain_took_as_long_as_all_of_it),
        cmocka_unit_test(test_what_follows),
        cmocka_unit_test(test_thirty_two_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
