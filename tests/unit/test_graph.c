#include "router/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/crypt.h"

static uint64_t id_of(const char *name, const char *id)
{
    struct model_def model = {.name = name, .id = id};
    struct graph *g = graph_new_single(&model);
    uint64_t got = g->id;

    graph_free(g);
    return got;
}

static void test_single(void **state)
{
    static const struct model_def model = {.name = "llama-3.2-1b", .id = "llama3.2:1b"};
    struct graph *g = graph_new_single(&model);

    (void) state;
    assert_true(graph_is_single(g));
    assert_int_equal(g->output, 0);
    assert_int_equal(g->depth, 1);
    assert_int_equal(g->width, 1);
    assert_ptr_equal(g->nodes[0].model, &model);
    assert_int_equal(g->nodes[0].role, ROLE_ASSISTANT);
    assert_int_equal(g->nodes[0].fuse, FUSER_NONE);
    assert_int_equal(g->nodes[0].predecessors, 0);
    assert_true(g->nodes[0].temperature < 0.0);
    graph_free(g);
    graph_free(NULL);
}

/* Ids stand in archives and journals: the form may never change by accident. */
static void test_id_is_of_the_canonical_form(void **state)
{
    static const char form[] = "sluice graph 1\n"
                               "node assistant none t=- from= model=12:llama-3.2-1b\n"
                               "output 0\n";
    unsigned char digest[SHA256_BYTES];
    uint64_t want = 0;
    size_t i;

    (void) state;
    crypt_sha256(slice_of(form), digest);
    for (i = 0; i < 8; i++) {
        want = want << 8 | digest[i];
    }
    assert_true(id_of("llama-3.2-1b", "x") == want);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_id_is_of_the_canonical_form),
        cmocka_unit_test(test_id_is_of_the_name),
        cmocka_unit_test(test_id_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
