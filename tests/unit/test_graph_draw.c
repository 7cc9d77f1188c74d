/* Drawings to the letter, and any drawing read back: by following its lines one finds the edges of
 * the graph and no others. */
#include "router/graph_draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/canvas.h"
#include "router/graph_lanes.h"
#include "router/graph_layers.h"
#include "tests/unit/graph_random.h"

static const struct model_def b1 = {.name = "llama-3.2-1b"};
static const struct model_def b3 = {.name = "llama-3.2-3b"};
static const struct model_def b8 = {.name = "llama-3.1-8b"};
static const struct model_def q7 = {.name = "qwen-2.5-7b"};

/* Names of one letter; `from` holds those of the predecessors. */
static struct graph_node *add(struct graph_draft *d, char name, struct graph_node node,
                              const char *from)
{
    unsigned i;

    for (i = 0; i < d->count; i++) {
        if (d->nodes[i].name[0] != '\0' && strchr(from, d->nodes[i].name[0]) != NULL) {
            node.predecessors |= (uint32_t) 1 << i;
        }
    }
    node.name[0] = name;
    d->output = d->count;
    d->nodes[d->count] = node;
    return &d->nodes[d->count++];
}

static struct graph *made(const struct graph_draft *d)
{
    struct errbuf err = {""};
    struct graph *g = graph_new(d, &err);

    if (g == NULL) {
        fail_msg("%s", err.text);
    }
    return g;
}

static void drawn(const struct graph_draft *d, unsigned columns, bool ascii, const char *expected)
{
    struct graph *g = made(d);
    char *text = graph_draw(g, columns, ascii);

    if (strcmp(text, expected) != 0) {
        fail_msg("drawn:\n%s\nexpected:\n%s", text, expected);
    }
    free(text);
    graph_free(g);
}

static void test_single_and_chain(void **state)
{
    struct graph_draft d = {.count = 0};

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    drawn(&d, 80, false, "a llama-3.2-1b\n");
    add(&d, 'b', graph_assistant(&b3), "a");
    add(&d, 'c', graph_assistant(&b8), "b");
    drawn(&d, 80, false, "a llama-3.2-1b ─▶ b llama-3.2-3b ─▶ c llama-3.1-8b\n");
    drawn(&d, 80, true, "a llama-3.2-1b -> b llama-3.2-3b -> c llama-3.1-8b\n");
}

static void test_vote(void **state)
{
    struct graph_draft d = {.count = 0};
    char name;

    (void) state;
    for (name = 'a'; name < 'f'; name++) {
        struct graph_node *node = add(&d, name, graph_assistant(&b1), "");

        node->temperature = 0.7;
        node->name[0] = '\0'; /* what nobody named is not named */
    }
    add(&d, 'v', graph_fuser(FUSER_VOTE, NULL), "")->predecessors = 0x1f;
    drawn(&d, 80, false,
          "llama-3.2-1b t=0.7 ─╮\n"
          "llama-3.2-1b t=0.7 ─┤\n"
          "llama-3.2-1b t=0.7 ─┼─▶ v vote\n"
          "llama-3.2-1b t=0.7 ─┤\n"
          "llama-3.2-1b t=0.7 ─╯\n");
    drawn(&d, 80, true,
          "llama-3.2-1b t=0.7 -.\n"
          "llama-3.2-1b t=0.7 -+\n"
          "llama-3.2-1b t=0.7 -+-> v vote\n"
          "llama-3.2-1b t=0.7 -+\n"
          "llama-3.2-1b t=0.7 -'\n");
}

static void test_mixture(void **state)
{
    struct graph_draft d = {.count = 0};
    struct graph_node *node;

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    add(&d, 'b', graph_assistant(&b3), "");
    add(&d, 'c', graph_assistant(&q7), "");
    add(&d, 'd', graph_assistant(&b1), "abc");
    add(&d, 'e', graph_assistant(&b3), "abc");
    add(&d, 'f', graph_assistant(&q7), "abc");
    node = add(&d, 'o', graph_fuser(FUSER_LLM, &b8), "def");
    node->top_p = 0.9;
    node->max_tokens = 512;
    drawn(&d, 80, false,
          "c qwen-2.5-7b ──┬─▶ f qwen-2.5-7b ──╮\n"
          "a llama-3.2-1b ─┼─▶ d llama-3.2-1b ─┼─▶ o fuse llama-3.1-8b top_p=0.9 max=512\n"
          "b llama-3.2-3b ─┴─▶ e llama-3.2-3b ─╯\n");
    drawn(&d, 70, false,
          "c ─┬─▶ f ─╮\n"
          "a ─┼─▶ d ─┼─▶ o\n"
          "b ─┴─▶ e ─╯\n"
          "\n"
          "c  assistant  qwen-2.5-7b\n"
          "a  assistant  llama-3.2-1b\n"
          "b  assistant  llama-3.2-3b\n"
          "f  assistant  qwen-2.5-7b\n"
          "d  assistant  llama-3.2-1b\n"
          "e  assistant  llama-3.2-3b\n"
          "o  fuse       llama-3.1-8b top_p=0.9 max=512\n");
}

static void test_diamond(void **state)
{
    struct graph_draft d = {.count = 0};

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    add(&d, 'b', graph_assistant(&b3), "a");
    add(&d, 'c', graph_assistant(&q7), "a");
    add(&d, 'f', graph_fuser(FUSER_SELECT, &b8), "bc");
    drawn(&d, 80, false,
          "                ╭─▶ c qwen-2.5-7b ──╮\n"
          "a llama-3.2-1b ─┤                   ├─▶ f select llama-3.1-8b\n"
          "                ╰─▶ b llama-3.2-3b ─╯\n");
}

/* Wires run past nodes, and a track over a wire that it does not join. */
static void test_wires_that_pass(void **state)
{
    struct graph_draft d = {.count = 0};

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    add(&d, 'b', graph_assistant(&b3), "a");
    add(&d, 'c', graph_assistant(&b3), "a");
    add(&d, 'd', graph_assistant(&b3), "a");
    add(&d, 'e', graph_assistant(&b3), "a");
    add(&d, 'f', graph_fuser(FUSER_VOTE, NULL), "bcde");
    add(&d, 'z', graph_assistant(&b8), "af");
    drawn(&d, 80, false,
          "                ╭─▶ b llama-3.2-3b ─╮\n"
          "                ├─▶ c llama-3.2-3b ─┤\n"
          "a llama-3.2-1b ─┼───────────────────│───────────┬─▶ z llama-3.1-8b\n"
          "                ├─▶ d llama-3.2-3b ─┼─▶ f vote ─╯\n"
          "                ╰─▶ e llama-3.2-3b ─╯\n");
}

static void test_mixed_depths(void **state)
{
    struct graph_draft d = {.count = 0};

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    add(&d, 'b', graph_assistant(&b1), "");
    add(&d, 'c', graph_assistant(&q7), "");
    add(&d, 'm', graph_fuser(FUSER_LLM, &b3), "ab");
    add(&d, 'f', graph_fuser(FUSER_LLM, &b8), "cm");
    drawn(&d, 80, false,
          "c qwen-2.5-7b ───────────────────────────┬─▶ f fuse llama-3.1-8b\n"
          "a llama-3.2-1b ─┬─▶ m fuse llama-3.2-3b ─╯\n"
          "b llama-3.2-1b ─╯\n");
}

static void test_chains(void **state)
{
    struct graph_draft d = {.count = 0};

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    add(&d, 'b', graph_assistant(&b3), "a");
    add(&d, 'c', graph_assistant(&b1), "");
    add(&d, 'd', graph_assistant(&b3), "c");
    add(&d, 'v', graph_fuser(FUSER_VOTE, NULL), "bd");
    drawn(&d, 80, false,
          "a llama-3.2-1b ─▶ b llama-3.2-3b ─┬─▶ v vote\n"
          "c llama-3.2-1b ─▶ d llama-3.2-3b ─╯\n");
}

/* b is read with a by one and with c by another: from left to right that would look as if all read
 * all. */
static void test_unclear(void **state)
{
    struct graph_draft d = {.count = 0};

    (void) state;
    add(&d, 'a', graph_assistant(&b1), "");
    add(&d, 'b', graph_assistant(&b3), "");
    add(&d, 'c', graph_assistant(&b8), "");
    add(&d, 'p', graph_fuser(FUSER_LLM, &b3), "ab");
    add(&d, 'q', graph_fuser(FUSER_LLM, &q7), "bc");
    add(&d, 'v', graph_fuser(FUSER_VOTE, NULL), "pq");
    drawn(&d, 80, false,
          "●            c  assistant  llama-3.1-8b\n"
          "│ ●          a  assistant  llama-3.2-1b\n"
          "│ │ ●        b  assistant  llama-3.2-3b\n"
          "╰─│─┼─●      q  fuse       qwen-2.5-7b\n"
          "  ╰─┴─│─●    p  fuse       llama-3.2-3b\n"
          "      ╰─┴─●  v  vote\n");
    drawn(&d, 80, true,
          "*            c  assistant  llama-3.1-8b\n"
          "| *          a  assistant  llama-3.2-1b\n"
          "| | *        b  assistant  llama-3.2-3b\n"
          "'-|-+-*      q  fuse       qwen-2.5-7b\n"
          "  '-+-|-*    p  fuse       llama-3.2-3b\n"
          "      '-+-*  v  vote\n");
}

/* Too deep for the width, in the narrowest there is: names of models are cut. */
static void test_deep_and_narrow(void **state)
{
    static const char start[] =
        "●                                          a  assistant  llama-3.…\n"
        "╰─●                                        b  assistant  llama-3.…\n"
        "  ╰─●                                      c  assistant  llama-3.…\n";
    struct graph_draft d = {.count = 0};
    struct graph *g;
    char from[2] = "";
    char name;
    char *text;

    (void) state;
    for (name = 'a'; name < 'a' + 21; name++) {
        add(&d, name, graph_assistant(&b1), from);
        from[0] = name;
    }
    g = made(&d);
    text = graph_draw(g, 0, false);
    assert_memory_equal(text, start, sizeof(start) - 1);
    free(text);
    graph_free(g);
}

/* ---- reading back ---- */

enum { ROWS_MAX = 70, COLUMNS_MAX = 400 };

struct picture {
    unsigned char ways[ROWS_MAX][COLUMNS_MAX]; /* of lines */
    char mark[ROWS_MAX][COLUMNS_MAX];          /* letters, '>' for arrows, '*' for dots */
};

static const char *const marks[] = {"│", "─", "╯", "╮", "┤", "╰", "╭",
                                    "├", "┴", "┬", "┼", "▶", "●"};
static const unsigned char marks_ways[] = {3, 12, 5, 6, 7, 9, 10, 11, 13, 14, 15, 0, 0};

static struct picture *look(const char *text)
{
    struct picture *p = x_alloc(sizeof(*p));
    unsigned row = 1; /* a margin, so that neighbours are always there */
    unsigned column = 1;
    size_t i;

    while (*text != '\0') {
        if (*text == '\n') {
            row++;
            column = 1;
            text++;
            continue;
        }
        assert_true(row < ROWS_MAX - 1 && column < COLUMNS_MAX - 1);
        for (i = 0; i < ARRAY_LEN(marks) && strncmp(text, marks[i], 3) != 0; i++) {
        }
        if (i < ARRAY_LEN(marks)) {
            p->ways[row][column] = marks_ways[i];
            p->mark[row][column] = i == 11 ? '>' : (char) (i == 12 ? '*' : '\0');
            text += 3;
        } else {
            p->mark[row][column] = *text++;
        }
        column++;
    }
    return p;
}

/* The column where a line arrives that leaves (row, column) to the right: it passes under others. */
static unsigned behind(const struct picture *p, unsigned row, unsigned column)
{
    do {
        column++;
    } while (p->ways[row][column] == (LINE_UP | LINE_DOWN));
    return column;
}

/* Follows lines to the right, up and down; `arrived` gets the letters behind the arrows that are met. */
static void flood(const struct picture *p, unsigned row, unsigned column, bool seen[][COLUMNS_MAX],
                  bool arrived[256])
{
    unsigned char ways = p->ways[row][column];

    if (p->mark[row][column] == '>') {
        arrived[(unsigned char) p->mark[row][column + 2]] = true;
    }
    if (seen[row][column]) {
        return;
    }
    seen[row][column] = true;
    if ((ways & LINE_UP) != 0 && (p->ways[row - 1][column] & LINE_DOWN) != 0) {
        flood(p, row - 1, column, seen, arrived);
    }
    if ((ways & LINE_DOWN) != 0 && (p->ways[row + 1][column] & LINE_UP) != 0) {
        flood(p, row + 1, column, seen, arrived);
    }
    if ((ways & LINE_RIGHT) != 0) {
        flood(p, row, behind(p, row, column), seen, arrived);
    }
}

static void check_from(const struct picture *p, const struct graph *g, unsigned from, unsigned row,
                       unsigned column)
{
    bool(*seen)[COLUMNS_MAX] = x_alloc(sizeof(bool[ROWS_MAX][COLUMNS_MAX]));
    bool arrived[256] = {false};
    unsigned to;

    flood(p, row, column, seen, arrived);
    for (to = 0; to < g->count; to++) {
        bool is_drawn = arrived[(unsigned char) g->nodes[to].name[0]];

        if (is_drawn != ((graph_successors(g, from) >> to & 1) != 0)) {
            char *form = graph_form(g);

            fail_msg("from %s to %s in\n%s", g->nodes[from].name, g->nodes[to].name, form);
        }
    }
    free(seen);
}

static void read_layers(const char *text, const struct graph *g)
{
    struct picture *p = look(text);
    unsigned found = 0;
    unsigned row;
    unsigned column;
    unsigned i;

    for (row = 1; row < ROWS_MAX - 1; row++) {
        for (column = 1; column < COLUMNS_MAX - 1; column++) {
            for (i = 0; i < g->count && g->nodes[i].name[0] != p->mark[row][column]; i++) {
            }
            if (i < g->count) {
                check_from(p, g, i, row, column + 2);
                found++;
            }
        }
    }
    assert_int_equal(found, g->count);
    free(p);
}

/* Down from each dot, and right from where that is joined. */
static void read_lanes(const char *text, const struct graph *g)
{
    struct picture *p = look(text);
    unsigned from;
    unsigned row;

    for (from = 0; from < g->count; from++) {
        uint32_t found = 0;
        unsigned column = 1;

        while (p->mark[from + 1][column] != '*') {
            column++;
            assert_true(column < COLUMNS_MAX);
        }
        for (row = from + 2; (p->ways[row][column] & LINE_UP) != 0; row++) {
            unsigned x = column;

            while ((p->ways[row][x] & LINE_RIGHT) != 0) {
                x = behind(p, row, x);
            }
            if (x != column) {
                assert_int_equal(p->mark[row][x], '*');
                found |= (uint32_t) 1 << (row - 1);
            }
            if ((p->ways[row][column] & LINE_DOWN) == 0) {
                break;
            }
        }
        if (found != graph_successors(g, from)) {
            fail_msg("from %s:\n%s", g->nodes[from].name, text);
        }
    }
    free(p);
}

/* Some edges at random, or layers that are joined to the next and to some that follow. */
static struct graph *random_graph(uint64_t *seed)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEF";
    bool in_layers = draw_below(seed, 2) == 0;
    unsigned count = 1 + draw_below(seed, in_layers ? 20 : 9);
    struct graph_draft d = {.count = count, .output = count - 1};
    unsigned layer[GRAPH_NODES_MAX];
    uint64_t joined = draw(seed);
    uint32_t feeding = 0;
    unsigned i;
    unsigned j;

    for (i = 0; i < count; i++) {
        layer[i] = i == 0 ? 0 : layer[i - 1] + (draw_below(seed, 3) == 0);
        d.nodes[i] = graph_assistant(draw_below(seed, 2) == 0 ? &b1 : &b3);
        d.nodes[i].name[0] = letters[i];
        for (j = 0; j < i; j++) {
            bool is_joined = in_layers ? layer[j] != layer[i] &&
                                             (joined >> (7 * layer[j] + layer[i]) % 61 & 1) != 0
                                       : draw_below(seed, 3) == 0;

            d.nodes[i].predecessors |= (uint32_t) is_joined << j;
        }
        feeding |= d.nodes[i].predecessors;
    }
    d.nodes[count - 1].predecessors |= ~feeding & (((uint32_t) 1 << (count - 1)) - 1);
    return made(&d);
}

static void test_read_back(void **state)
{
    unsigned layered = 0;
    uint64_t seed = 5;
    unsigned round;

    (void) state;
    for (round = 0; round < 500; round++) {
        struct graph *g = random_graph(&seed);
        const char *labels[GRAPH_NODES_MAX];
        unsigned i;
        char *text;

        for (i = 0; i < g->count; i++) {
            labels[i] = g->nodes[i].name;
        }
        text = graph_layers_text(g, labels, COLUMNS_MAX - 2, false);
        if (text != NULL) {
            layered++;
            read_layers(text, g);
            free(text);
        }
        text = graph_lanes_text(g, labels, 80, false);
        read_lanes(text, g);
        free(text);
        graph_free(g);
    }
    assert_in_range(layered, 200, 450);
}

/* All that can be drawn is within the width. */
static void test_width(void **state)
{
    uint64_t seed = 6;
    unsigned round;

    (void) state;
    for (round = 0; round < 200; round++) {
        struct graph *g = random_graph(&seed);
        unsigned columns = 66 + draw_below(&seed, 60);
        char *text = graph_draw(g, columns, true);
        const char *line;

        for (line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
            assert_in_range(strcspn(line, "\n"), 0, columns);
        }
        free(text);
        graph_free(g);
    }
}

/* 31 of a kind: the most rows, and the most lanes. */
static void test_largest(void **state)
{
    struct graph_draft d = {.count = 32, .output = 31};
    const char *texts[GRAPH_NODES_MAX];
    struct graph *g;
    char *text;
    unsigned i;

    (void) state;
    for (i = 0; i < 32; i++) {
        d.nodes[i] = graph_assistant(&b1);
        d.nodes[i].predecessors = i == 31 ? 0x7fffffff : 0;
        texts[i] = "x";
    }
    g = made(&d);
    text = graph_layers_text(g, texts, 10, false);
    assert_non_null(text);
    assert_null(graph_layers_text(g, texts, 7, false));
    free(text);
    text = graph_lanes_text(g, texts, 66, false);
    read_lanes(text, g);
    free(text);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_and_chain),
        cmocka_unit_test(test_vote),
        cmocka_unit_test(test_mixture),
        cmocka_unit_test(test_diamond),
        cmocka_unit_test(test_wires_that_pass),
        cmocka_unit_test(test_mixed_depths),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_unclear),
        cmocka_unit_test(test_deep_and_narrow),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
