#include "router/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/crypt.h"
#include "tests/unit/graph_random.h"

static const struct model_def models[] = {{.name = "m0"}, {.name = "m1"}, {.name = "m2"}};

static uint64_t id_of(const char *name, const char *id)
{
    struct model_def model = {.name = name, .id = id};
    struct graph *g = graph_new_single(&model);
    uint64_t got = g->id;

    graph_free(g);
    return got;
}

static struct graph *made(const struct graph_draft *draft)
{
    struct errbuf err = {""};
    struct graph *g = graph_new(draft, &err);

    if (g == NULL) {
        fail_msg("%s", err.text);
    }
    return g;
}

static uint64_t id_of_draft(const struct graph_draft *draft)
{
    struct graph *g = made(draft);
    uint64_t id = g->id;

    graph_free(g);
    return id;
}

/* `count` assistants of the first model without edges; the last is the output. */
static struct graph_draft assistants(unsigned count)
{
    struct graph_draft d = {.count = count, .output = count - 1};
    unsigned i;

    for (i = 0; i < count; i++) {
        d.nodes[i] = graph_assistant(&models[0]);
    }
    return d;
}

/* ---- the form and the id ---- */

static void test_single(void **state)
{
    static const struct model_def model = {.name = "llama-3.2-1b", .id = "llama3.2:1b"};
    struct graph *g = graph_new_single(&model);
    struct graph_draft d = assistants(1);
    struct graph *same;

    (void) state;
    assert_true(graph_is_single(g));
    assert_int_equal(g->output, 0);
    assert_int_equal(g->depth, 1);
    assert_int_equal(g->width, 1);
    assert_ptr_equal(g->nodes[0].model, &model);
    assert_int_equal(g->nodes[0].role, ROLE_ASSISTANT);
    assert_int_equal(g->nodes[0].fuse, FUSER_NONE);
    assert_int_equal(g->nodes[0].predecessors, 0);
    assert_int_equal(g->nodes[0].max_tokens, 0);
    assert_true(isnan(g->nodes[0].temperature));
    assert_true(isnan(g->nodes[0].top_p));
    assert_false(g->nodes[0].is_replicated);
    assert_int_equal(graph_deliverable(g), 0);
    d.nodes[0].model = &model;
    same = made(&d);
    assert_true(same->id == g->id);
    graph_free(same);
    graph_free(g);
    graph_free(NULL);
}

static uint64_t hash_of(const char *form)
{
    unsigned char digest[SHA256_BYTES];
    uint64_t id = 0;
    size_t i;

    crypt_sha256(slice_of(form), digest);
    for (i = 0; i < 8; i++) {
        id = id << 8 | digest[i];
    }
    return id;
}

/* Ids stand in archives and journals: the form may never change by accident. */
static void test_id_is_of_the_canonical_form(void **state)
{
    static const char single[] = "sluice graph 1\n"
                                 "node assistant none t=- from= model=12:llama-3.2-1b\n"
                                 "output 0\n";
    static const char every[] =
        "sluice graph 1\n"
        "node assistant none t=- from= model=2:m1\n"
        "node assistant none t=3fe0000000000000 from= model=2:m0\n"
        "node fuser select t=- max=256 from=0,1 model=2:m0\n"
        "node fuser llm t=0000000000000000 p=3fe8000000000000 max=4294967295"
        " from=2 model=2:m1\n"
        "node fuser vote t=- from=0,2,3 model=\n"
        "output 4\n";
    struct graph_draft d = {.count = 5, .output = 0};
    struct graph *g;
    char *form;

    (void) state;
    assert_true(id_of("llama-3.2-1b", "x") == hash_of(single));
    d.nodes[0] = graph_fuser(FUSER_VOTE, NULL);
    d.nodes[0].predecessors = 1 << 1 | 1 << 2 | 1 << 3;
    d.nodes[1] = graph_fuser(FUSER_SELECT, &models[0]);
    d.nodes[1].predecessors = 1 << 3 | 1 << 4;
    d.nodes[1].max_tokens = 256;
    d.nodes[2] = graph_fuser(FUSER_LLM, &models[1]);
    d.nodes[2].predecessors = 1 << 1;
    d.nodes[2].temperature = -0.0;
    d.nodes[2].top_p = 0.75;
    d.nodes[2].max_tokens = UINT32_MAX;
    d.nodes[3] = graph_assistant(&models[1]);
    d.nodes[4] = graph_assistant(&models[0]);
    d.nodes[4].temperature = 0.5;
    g = made(&d);
    form = graph_form(g);
    assert_string_equal(form, every);
    assert_true(g->id == hash_of(every));
    /* The select's own text is a number. */
    assert_int_equal(graph_deliverable(g), 1 << 0 | 1 << 1 | 1 << 3);
    free(form);
    graph_free(g);
}

static void test_id_is_of_the_name(void **state)
{
    (void) state;
    assert_true(id_of("a", "x") == id_of("a", "y"));
    assert_true(id_of("a", "x") != id_of("b", "x"));
    assert_true(id_of("", "x") != id_of("0:", "x"));
}

static void test_id_text(void **state)
{
    char text[GRAPH_ID_TEXT_BYTES];

    (void) state;
    graph_id_text(0x00ab000000000001u, text);
    assert_string_equal(text, "00ab000000000001");
    graph_id_text(UINT64_MAX, text);
    assert_string_equal(text, "ffffffffffffffff");
}

/* ---- equal ids if and only if isomorphic ---- */

/* Two kinds of node at each place: an assistant of one model or, where it can be, a fuser of
 * another. */
static struct graph_draft numbered(unsigned count, unsigned edges, unsigned labels)
{
    struct graph_draft d = assistants(count);
    unsigned to;

    for (to = 0; to < count; to++) {
        uint32_t from = edges & ((1u << to) - 1);

        if ((labels >> to & 1) != 0) {
            d.nodes[to] = from == 0 ? graph_assistant(&models[1])
                                    : graph_fuser(FUSER_LLM, &models[1]);
        }
        d.nodes[to].predecessors = from;
        edges >>= to;
    }
    return d;
}

static bool has_one_end(const struct graph_draft *d)
{
    uint32_t feeding = 0;
    unsigned i;

    for (i = 0; i < d->count; i++) {
        feeding |= d->nodes[i].predecessors;
    }
    return feeding == (1u << (d->count - 1)) - 1;
}

/* The least number that any numbering of the nodes gives. */
static uint64_t oracle(const struct graph_draft *d)
{
    unsigned place[GRAPH_NODES_MAX];
    uint64_t least = UINT64_MAX;
    unsigned i;

    for (i = 0; i < d->count; i++) {
        place[i] = i;
    }
    do {
        uint64_t number = (uint64_t) d->count << 60;

        for (i = 0; i < d->count; i++) {
            uint64_t from = permuted(d->nodes[i].predecessors, place);

            number |= from << (d->count * place[i]);
            number |= (uint64_t) (d->nodes[i].model == &models[1]) << (40 + place[i]);
        }
        least = number < least ? number : least;
    } while (next_permutation(place, d->count) != 0);
    return least;
}

struct pair {
    uint64_t class; /* by the oracle */
    uint64_t id;
};

static int by_class(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;

    return (x->class > y->class) - (x->class < y->class);
}

static int by_id(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* In either order, neighbours agree in both or in none. */
static void check_pairs(struct pair pairs[], size_t count)
{
    size_t i;

    qsort(pairs, count, sizeof(pairs[0]), by_class);
    for (i = 1; i < count; i++) {
        assert_true(pairs[i].class != pairs[i - 1].class || pairs[i].id == pairs[i - 1].id);
    }
    qsort(pairs, count, sizeof(pairs[0]), by_id);
    for (i = 1; i < count; i++) {
        assert_true(pairs[i].id != pairs[i - 1].id || pairs[i].class == pairs[i - 1].class);
    }
}

static void test_all_small(void **state)
{
    struct pair *pairs = x_array(1 << 15, sizeof(*pairs));
    size_t pair_count = 0;
    unsigned count;
    unsigned edges;
    unsigned labels;

    (void) state;
    for (count = 1; count <= 5; count++) {
        for (edges = 0; edges < 1u << (count * (count - 1) / 2); edges++) {
            for (labels = 0; labels < 1u << count; labels++) {
                struct graph_draft d = numbered(count, edges, labels);

                if (has_one_end(&d)) {
                    pairs[pair_count++] = (struct pair) {oracle(&d), id_of_draft(&d)};
                }
            }
        }
    }
    assert_int_equal(pair_count, 2 + 4 + 8 * 3 + 16 * 21 + 32 * 315);
    check_pairs(pairs, pair_count);
    free(pairs);
}

static struct graph_draft relabelled(const struct graph_draft *d, const unsigned place[])
{
    struct graph_draft out = {.count = d->count, .output = place[d->output]};
    unsigned i;

    for (i = 0; i < d->count; i++) {
        out.nodes[place[i]] = d->nodes[i];
        out.nodes[place[i]].predecessors = permuted(d->nodes[i].predecessors, place);
    }
    return out;
}

/* Sparse, dense, or in layers, so that some are full of symmetries. */
static struct graph_draft random_draft(uint64_t *seed)
{
    unsigned count = 2 + draw_below(seed, GRAPH_NODES_MAX - 1);
    unsigned of_ten = draw_below(seed, 10);
    unsigned layer = 1 + draw_below(seed, 6);
    bool in_layers = draw_below(seed, 2) == 0;
    struct graph_draft d = assistants(count);
    uint32_t feeding = 0;
    unsigned i;
    unsigned j;

    for (i = 0; i < count; i++) {
        d.nodes[i].model = &models[draw_below(seed, 2)];
        for (j = 0; j < i; j++) {
            if (in_layers ? j / layer + 1 == i / layer : draw_below(seed, 10) < of_ten) {
                d.nodes[i].predecessors |= (uint32_t) 1 << j;
            }
        }
        feeding |= d.nodes[i].predecessors;
    }
    d.nodes[count - 1].predecessors |= ~feeding & (((uint32_t) 1 << (count - 1)) - 1);
    return d;
}

/* Changes that no numbering can undo: another number of edges, or of nodes with a label. */
static void check_changed(const struct graph_draft *d, uint64_t id, uint64_t *seed)
{
    struct graph_draft other = *d;
    struct graph_node *node = &other.nodes[draw_below(seed, d->count)];
    unsigned last = d->count - 1;

    node->model = node->model == &models[0] ? &models[1] : &models[0];
    assert_true(id_of_draft(&other) != id);
    node->model = &models[2];
    assert_true(id_of_draft(&other) != id);
    other = *d;
    other.nodes[draw_below(seed, d->count)].max_tokens = 7;
    assert_true(id_of_draft(&other) != id);
    other = *d;
    if (other.nodes[last].predecessors != ((uint32_t) 1 << last) - 1) {
        other.nodes[last].predecessors |= other.nodes[last].predecessors + 1;
        assert_true(id_of_draft(&other) != id);
    }
}

/* An edge that moves may or may not change the graph: the oracle knows. */
static void check_moved(const struct graph_draft *d, uint64_t id, uint64_t *seed)
{
    unsigned to = 1 + draw_below(seed, d->count - 1);
    struct graph_draft other = *d;

    other.nodes[to].predecessors = draw_below(seed, 1u << to);
    if (d->count <= 6 && has_one_end(&other)) {
        assert_true((oracle(&other) == oracle(d)) == (id_of_draft(&other) == id));
    }
}

static void test_random(void **state)
{
    /* Memcheck takes two minutes for all, and finds in a tenth what it finds. */
    unsigned rounds = getenv("UNIT_SLOW") ? 1000 : 10000;
    uint64_t seed = 7;
    unsigned round;

    (void) state;
    for (round = 0; round < rounds; round++) {
        struct graph_draft d = random_draft(&seed);
        unsigned place[GRAPH_NODES_MAX];
        struct graph_draft other;
        uint64_t id = id_of_draft(&d);

        draw_permutation(&seed, d.count, place);
        other = relabelled(&d, place);
        if (id_of_draft(&other) != id) {
            fail_msg("round %u: %u nodes in another order have another id", round, d.count);
        }
        check_changed(&d, id, &seed);
        check_moved(&d, id, &seed);
    }
}

/* ---- what is in the struct ---- */

static void test_order_and_measures(void **state)
{
    struct graph_draft d = assistants(6); /* 0: output; 5 -> 4 -> 0; 3, 2, 1 -> 4 and 0 */
    unsigned depths[GRAPH_NODES_MAX];
    struct graph *g;
    unsigned i;

    (void) state;
    d.output = 0;
    d.nodes[0].predecessors = 0x1e;
    d.nodes[4].predecessors = 0x2e;
    d.nodes[5].model = &models[1];
    g = made(&d);
    assert_int_equal(g->count, 6);
    assert_int_equal(g->output, 5);
    assert_int_equal(g->depth, 3);
    assert_int_equal(g->width, 4);
    assert_false(graph_is_single(g));
    for (i = 0; i < 4; i++) {
        assert_int_equal(g->nodes[i].predecessors, 0);
        assert_int_equal(g->nodes[i].is_replicated, i < 3);
        assert_int_equal(g->nodes[i].replica, i < 3 ? i : 0);
        assert_int_equal(graph_successors(g, i), i < 3 ? 0x30 : 0x10);
    }
    assert_ptr_equal(g->nodes[3].model, &models[1]);
    assert_int_equal(g->nodes[4].predecessors, 0xf);
    assert_int_equal(g->nodes[5].predecessors, 0x17);
    assert_int_equal(graph_in_degree(g, 5), 4);
    assert_int_equal(graph_deliverable(g), 0x17);
    graph_depths(g, depths);
    assert_int_equal(depths[0], 1);
    assert_int_equal(depths[4], 2);
    assert_int_equal(depths[5], 3);
    graph_free(g);
}

/* Replicas are asked alike, whoever reads their answers. */
static void test_replicas_may_feed_others(void **state)
{
    struct graph_draft d = assistants(4);
    struct graph *g;

    (void) state;
    d.nodes[2].predecessors = 1 << 0;
    d.nodes[2].temperature = 1.0;
    d.nodes[3].predecessors = 1 << 1 | 1 << 2;
    g = made(&d);
    assert_true(g->nodes[0].is_replicated && g->nodes[1].is_replicated);
    assert_int_equal(g->nodes[0].replica + g->nodes[1].replica, 1);
    assert_false(g->nodes[2].is_replicated || g->nodes[3].is_replicated);
    graph_free(g);
}

static void test_names(void **state)
{
    struct graph_draft d = assistants(5);
    char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1];
    struct graph *g;
    uint64_t id = 0;

    (void) state;
    d.nodes[3] = graph_fuser(FUSER_VOTE, NULL);
    d.nodes[3].predecessors = 0x7;
    d.nodes[4] = graph_fuser(FUSER_LLM, &models[0]);
    d.nodes[4].predecessors = 0x8;
    d.nodes[1].model = &models[1];
    id = id_of_draft(&d);
    memcpy(d.nodes[1].name, "a2", 3);
    memcpy(d.nodes[4].name, "a-name_of.31-letters-0123456789A", 32);
    d.nodes[4].name[31] = '\0';
    g = made(&d);
    assert_true(g->id == id);
    graph_names(g, names);
    assert_string_equal(names[0], "a1");
    assert_string_equal(names[1], "a3");
    assert_string_equal(names[2], "a2");
    assert_string_equal(names[3], "f1");
    assert_string_equal(names[4], "a-name_of.31-letters-0123456789");
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_id_is_of_the_canonical_form),
        cmocka_unit_test(test_id_is_of_the_name),
        cmocka_unit_test(test_id_text),
        cmocka_unit_test(test_all_small),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_order_and_measures),
        cmocka_unit_test(test_replicas_may_feed_others),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
