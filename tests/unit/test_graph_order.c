#include "router/graph_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/graph_random.h"

enum { NODES_MAX = GRAPH_ORDER_NODES_MAX };

/* What a graph reads like in an order: labels and predecessors at each place. */
struct reading {
    unsigned label[NODES_MAX];
    uint32_t predecessors[NODES_MAX];
};

static void edge(struct graph_order_input *in, unsigned from, unsigned to)
{
    in->predecessors[to] |= (uint32_t) 1 << from;
}

static struct graph_order_input relabelled(const struct graph_order_input *in,
                                           const unsigned place[])
{
    struct graph_order_input out = {in->count, {0}, {0}};
    unsigned i;

    for (i = 0; i < in->count; i++) {
        out.label[place[i]] = in->label[i];
        out.predecessors[place[i]] = permuted(in->predecessors[i], place);
    }
    return out;
}

/* Checks that the order is a permutation and topological. */
static struct reading read_in_order(const struct graph_order_input *in, unsigned *leaves)
{
    struct graph_order order;
    struct graph_order_input sorted;
    struct reading reading;
    unsigned place[NODES_MAX];
    uint32_t seen = 0;
    unsigned i;

    assert_int_equal(graph_order(in, GRAPH_ORDER_LEAVES_MAX, &order), ERR_NONE);
    for (i = 0; i < in->count; i++) {
        place[order.node[i]] = i;
        seen |= (uint32_t) 1 << order.node[i];
    }
    assert_int_equal(seen, UINT32_MAX >> (NODES_MAX - in->count));
    sorted = relabelled(in, place);
    memset(&reading, 0, sizeof(reading));
    for (i = 0; i < in->count; i++) {
        assert_int_equal((uint64_t) sorted.predecessors[i] >> i, 0);
        reading.label[i] = sorted.label[i];
        reading.predecessors[i] = sorted.predecessors[i];
    }
    if (leaves != NULL) {
        *leaves = order.leaves;
    }
    return reading;
}

static bool same(const struct graph_order_input *a, const struct graph_order_input *b)
{
    struct reading x = read_in_order(a, NULL);
    struct reading y = read_in_order(b, NULL);

    return a->count == b->count && memcmp(&x, &y, sizeof(x)) == 0;
}

/* ---- every small DAG ---- */

/* DAG number `edges` whose edges all go upwards, with the labels of a bit mask. */
static struct graph_order_input numbered(unsigned count, unsigned edges, unsigned labels)
{
    struct graph_order_input in = {count, {0}, {0}};
    unsigned to;

    for (to = 0; to < count; to++) {
        in.label[to] = labels >> to & 1;
        in.predecessors[to] = edges & ((1u << to) - 1);
        edges >>= to;
    }
    return in;
}

static uint64_t as_number(const struct graph_order_input *in, const unsigned place[])
{
    uint64_t number = 0;
    unsigned i;

    for (i = 0; i < in->count; i++) {
        number |= (uint64_t) permuted(in->predecessors[i], place) << (in->count * place[i]);
        number |= (uint64_t) in->label[i] << (in->count * in->count + place[i]);
    }
    return number;
}

/* The numbering that gives the least number of all: found by trying every one. */
static struct graph_order_input representative(const struct graph_order_input *in)
{
    unsigned place[NODES_MAX];
    unsigned best[NODES_MAX];
    uint64_t least = UINT64_MAX;
    unsigned i;

    for (i = 0; i < in->count; i++) {
        place[i] = i;
    }
    do {
        uint64_t number = as_number(in, place);

        if (number < least) {
            least = number;
            memcpy(best, place, sizeof(best));
        }
    } while (next_permutation(place, in->count) != 0);
    return relabelled(in, best);
}

/* Orders are permutations, so what reads the same is isomorphic; the other way must be tested. */
static void test_all_small(void **state)
{
    unsigned count;
    unsigned edges;
    unsigned labels;

    (void) state;
    for (count = 1; count <= 5; count++) {
        for (edges = 0; edges < 1u << (count * (count - 1) / 2); edges++) {
            for (labels = 0; labels < 1u << count; labels++) {
                struct graph_order_input in = numbered(count, edges, labels);
                struct graph_order_input other = representative(&in);

                if (!same(&in, &other)) {
                    fail_msg("%u nodes, edges %x, labels %x", count, edges, labels);
                }
            }
        }
    }
}

/* ---- symmetric families ---- */

/* Any numbering gives the same reading, at no more than `leaves_max` leaves. */
static struct reading check_family(const char *name, const struct graph_order_input *in,
                                   unsigned leaves_max)
{
    struct reading first;
    uint64_t seed = 1;
    unsigned worst = 0;
    unsigned round;

    memset(&first, 0, sizeof(first));
    for (round = 0; round < 20; round++) {
        unsigned place[NODES_MAX];
        struct graph_order_input other;
        struct reading reading;
        unsigned leaves;

        draw_permutation(&seed, in->count, place);
        other = relabelled(in, place);
        reading = read_in_order(&other, &leaves);
        worst = leaves > worst ? leaves : worst;
        if (round == 0) {
            first = reading;
        }
        if (memcmp(&first, &reading, sizeof(first)) != 0) {
            fail_msg("%s: another order reads otherwise", name);
        }
    }
    if (worst > leaves_max) {
        fail_msg("%s: %u leaves", name, worst);
    }
    return first;
}

/* All nodes that feed nobody feed a last one. */
static void add_output(struct graph_order_input *in)
{
    unsigned i;
    uint32_t feeding = 0;

    for (i = 0; i < in->count; i++) {
        feeding |= in->predecessors[i];
    }
    in->predecessors[in->count] = (UINT32_MAX >> (NODES_MAX - in->count)) & ~feeding;
    in->label[in->count] = 9;
    in->count++;
}

static struct graph_order_input chains(unsigned count, unsigned length)
{
    struct graph_order_input in = {count * length, {0}, {0}};
    unsigned i;

    for (i = 0; i < in.count; i++) {
        if (i % length != 0) {
            edge(&in, i - 1, i);
        }
    }
    add_output(&in);
    return in;
}

static void test_chains_and_equals(void **state)
{
    struct graph_order_input in = chains(31, 1);

    (void) state;
    check_family("31 equal", &in, 1);
    in = chains(10, 3);
    check_family("10 chains of 3", &in, 10);
    in = chains(15, 2);
    check_family("15 chains of 2", &in, 15);
    in = chains(3, 10);
    check_family("3 chains of 10", &in, 3);
    in = chains(1, 31);
    check_family("a chain of 32", &in, 1);
}

static void test_complete_layers(void **state)
{
    struct graph_order_input in = {30, {0}, {0}};
    unsigned i;

    (void) state;
    for (i = 10; i < 30; i++) {
        in.predecessors[i] = 0x3ffu << (i / 10 * 10 - 10);
    }
    add_output(&in);
    check_family("10 x 3", &in, 1);
}

/* Two layers of n: node i of the first feeds i + 0, i + 1, … of the second, around. */
static struct graph_order_input around(unsigned n, unsigned reach, unsigned parts)
{
    struct graph_order_input in = {2 * n * parts, {0}, {0}};
    unsigned part;
    unsigned i;
    unsigned j;

    for (part = 0; part < parts; part++) {
        for (i = 0; i < n; i++) {
            for (j = 0; j < reach; j++) {
                edge(&in, 2 * n * part + i, 2 * n * part + n + (i + j) % n);
            }
        }
    }
    add_output(&in);
    return in;
}

static void test_cycles_and_crowns(void **state)
{
    struct graph_order_input one = around(6, 2, 1);
    struct graph_order_input two = around(3, 2, 2);
    struct reading of_one = check_family("a cycle of 12", &one, 8);
    struct reading of_two = check_family("two cycles of 6", &two, 8);
    struct graph_order_input in;

    (void) state;
    assert_memory_not_equal(&of_one, &of_two, sizeof(of_one));
    in = around(15, 2, 1);
    check_family("a cycle of 30", &in, 8);
    in = around(3, 2, 5);
    check_family("five cycles of 6", &in, 20);
    in = around(15, 14, 1);
    check_family("a crown of 15", &in, 15);
    in = around(5, 4, 3);
    check_family("three crowns of 5", &in, 20);
    in = around(15, 7, 1);
    check_family("a band of 7 of 15", &in, 8);
}

/* Points and hyperplanes of the projective space over GF(2): a node each for 1 to 15. */
static void test_projective_space(void **state)
{
    struct graph_order_input in = {30, {0}, {0}};
    unsigned point;
    unsigned plane;

    (void) state;
    for (point = 1; point < 16; point++) {
        for (plane = 1; plane < 16; plane++) {
            if (__builtin_parity(point & plane) == 0) {
                edge(&in, point - 1, 14 + plane);
            }
        }
    }
    add_output(&in);
    check_family("PG(3,2)", &in, 16);
}

static void test_cube(void **state)
{
    struct graph_order_input in = {16, {0}, {0}};
    unsigned from;
    unsigned i;

    (void) state;
    for (from = 0; from < 16; from++) {
        for (i = 0; i < 4; i++) {
            if ((from >> i & 1) == 0) {
                edge(&in, from, from | 1u << i);
            }
        }
    }
    check_family("a cube of 4 dimensions", &in, 16);
}

/* Each node of two layers of 15 has three edges, drawn at random: regular, so that refinement
 * alone tells nothing apart, and with hardly a symmetry. */
static void test_random_regular(void **state)
{
    uint64_t seed = 3;
    unsigned round;

    (void) state;
    for (round = 0; round < 30; round++) {
        struct graph_order_input in = {30, {0}, {0}};
        unsigned i;

        while (in.count == 30) {
            unsigned to[3][NODES_MAX];
            bool good = true;

            memset(in.predecessors, 0, sizeof(in.predecessors));
            for (i = 0; i < 3; i++) {
                draw_permutation(&seed, 15, to[i]);
            }
            for (i = 0; i < 15; i++) {
                edge(&in, i, 15 + to[0][i]);
                edge(&in, i, 15 + to[1][i]);
                edge(&in, i, 15 + to[2][i]);
                good &= to[0][i] != to[1][i] && to[0][i] != to[2][i] && to[1][i] != to[2][i];
            }
            if (good) {
                add_output(&in);
            }
        }
        check_family("random regular", &in, 60);
    }
}

static void test_bound(void **state)
{
    struct graph_order_input in = around(15, 14, 1);
    struct graph_order order;

    (void) state;
    assert_int_equal(graph_order(&in, 15, &order), ERR_LIMIT);
    assert_int_equal(order.leaves, 15);
    assert_int_equal(graph_order(&in, 16, &order), ERR_NONE);
    assert_int_equal(order.leaves, 15);
}

/* Labels that are the same but for their numbers need not read the same; which nodes share one
 * must. */
static void test_labels(void **state)
{
    struct graph_order_input in = chains(4, 2);
    struct graph_order_input other = in;

    (void) state;
    in.label[0] = 1;
    in.label[3] = 1;
    other.label[2] = 1;
    other.label[7] = 1;
    assert_true(same(&in, &other));
    other.label[7] = 0;
    other.label[3] = 1;
    assert_false(same(&in, &other));
    other.label[3] = 0;
    assert_false(same(&in, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_small),        cmocka_unit_test(test_chains_and_equals),
        cmocka_unit_test(test_complete_layers),  cmocka_unit_test(test_cycles_and_crowns),
        cmocka_unit_test(test_projective_space), cmocka_unit_test(test_cube),
        cmocka_unit_test(test_random_regular),   cmocka_unit_test(test_bound),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
