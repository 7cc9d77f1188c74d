#include "gateway/config_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct config_yaml_error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    arena_init(&f->arena, 1024, 64 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_fini(&f->arena);
    free(f);
    return 0;
}

static const struct config_node *parse(struct fixture *f, const char *text)
{
    return config_yaml_parse(slice_of(text), &f->arena, &f->error);
}

static void expect(const struct config_node *node, enum config_node_kind kind, unsigned line,
                   unsigned column)
{
    assert_non_null(node);
    assert_int_equal(node->kind, kind);
    assert_int_equal(node->line, line);
    assert_int_equal(node->column, column);
}

static void expect_text(const struct config_node *node, const char *text, unsigned line,
                        unsigned column)
{
    expect(node, NODE_TEXT, line, column);
    assert_string_equal(node->text.p, text);
    assert_int_equal(node->text.n, strlen(text));
}

static void places(void **state)
{
    const struct config_node *root = parse(*state, "# words\n"
                                                   "a: 1\n"
                                                   "b: {c: \"x y\", d: [u, v]}\n"
                                                   "e:\n"
                                                   "  - f: ä\n"
                                                   "    g: 'h'\n"
                                                   "  - i\n");
    expect(root, NODE_MAP, 2, 1);
    assert_int_equal(root->count, 3);
    const struct config_node *a = config_node_member(root, "a");
    expect_text(a, "1", 2, 4);
    expect_text(a->key, "a", 2, 1);
    assert_true(a->is_plain);
    const struct config_node *b = config_node_member(root, "b");
    expect(b, NODE_MAP, 3, 4);
    expect_text(config_node_member(b, "c"), "x y", 3, 8);
    assert_false(config_node_member(b, "c")->is_plain);
    const struct config_node *d = config_node_member(b, "d");
    expect(d, NODE_LIST, 3, 18);
    assert_int_equal(d->count, 2);
    expect_text(d->first, "u", 3, 19);
    assert_null(d->first->key);
    expect_text(d->first->next, "v", 3, 22);
    assert_null(d->first->next->next);
    const struct config_node *e = config_node_member(root, "e");
    expect(e, NODE_LIST, 5, 3);
    expect_text(config_node_member(e->first, "f"), "ä", 5, 8);
    expect_text(config_node_member(e->first, "g"), "h", 6, 8);
    expect_text(e->first->next, "i", 7, 5);
    assert_null(config_node_member(root, "c"));
    assert_null(config_node_member(d, "u"));
    assert_null(config_node_member(NULL, "u"));
}

static void nothing(void **state)
{
    const struct config_node *root = parse(*state,
                                           "a:\nb: ~\nc: null\nd: ''\ne: 'null'\nf: {}\ng: no\n");
    assert_true(config_node_is_nothing(config_node_member(root, "a")));
    assert_true(config_node_is_nothing(config_node_member(root, "b")));
    assert_true(config_node_is_nothing(config_node_member(root, "c")));
    assert_false(config_node_is_nothing(config_node_member(root, "d")));
    assert_false(config_node_is_nothing(config_node_member(root, "e")));
    assert_false(config_node_is_nothing(config_node_member(root, "f")));
    assert_false(config_node_is_nothing(config_node_member(root, "g")));
}

static void empty_texts_are_empty_maps(void **state)
{
    static const char *const texts[] = {"", "\n", "# only words\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct config_node *root = parse(*state, texts[i]);
        expect(root, NODE_MAP, 1, 1);
        assert_int_equal(root->count, 0);
    }
    expect(config_yaml_parse(SLICE_NONE, &((struct fixture *) *state)->arena,
                             &((struct fixture *) *state)->error),
           NODE_MAP, 1, 1);
}

static void byte_order_mark(void **state)
{
    expect_text(config_node_member(parse(*state, "\xef\xbb\xbf"
                                                 "a: 1\n"),
                                   "a"),
                "1", 1, 4);
}

static void refusals(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        unsigned column;
        const char *why;
    } cases[] = {
        {"a: &x 1\nb: *x\n", 1, 4, "anchors (&name) are not supported: write the value out"},
        {"a: &x [1]\n", 1, 4, "anchors (&name) are not supported: write the value out"},
        {"a: &x {b: 1}\n", 1, 4, "anchors (&name) are not supported: write the value out"},
        {"b: *x\n", 1, 4, "aliases (*name) are not supported: write the value out"},
        {"a: !!str 1\n", 1, 4, "tags (!name) are not supported: leave it out"},
        {"a: ! 1\n", 1, 4, "tags (!name) are not supported: leave it out"},
        {"a: !x [1]\n", 1, 4, "tags (!name) are not supported: leave it out"},
        {"a: !x {b: 1}\n", 1, 4, "tags (!name) are not supported: leave it out"},
        {"a: 1\n---\nb: 2\n", 2, 1, "a second document begins here: a file has one"},
        {"? [a]\n: 1\n", 1, 3, "a key must be a word, not a list or a map"},
        {"{a: 1}: 2\n", 1, 1, "a key must be a word, not a list or a map"},
        {"a: \"\\0\"\n", 1, 4, "a value of one line without control characters is expected"},
        {"\"\\x7f\": 1\n", 1, 1, "a value of one line without control characters is expected"},
        {"a: |\n  two\n  lines\n", 1, 4,
         "a value of one line without control characters is expected"},
        {"a:\n\tb: 1\n", 2, 1, "not YAML: this line is indented by a tab; use spaces"},
        {"a: 1\n  \tb: 1\n", 2, 5, "not YAML: this line is indented by a tab; use spaces"},
        {"a: [1, 2\nb: 3\n", 2, 2,
         "not YAML: did not find expected ',' or ']' (while parsing a flow sequence that begins in "
         "line 1)"},
        {"a: 'open\n", 2, 1,
         "not YAML: found unexpected end of stream (while scanning a quoted scalar that begins in "
         "line 1)"},
        {"a: b: c\n", 1, 5, "not YAML: mapping values are not allowed in this context"},
        {"a: 1\n b: 2\n", 2, 3, "not YAML: mapping values are not allowed in this context"},
        {"a: 1\nb: \x01\n", 2, 4, "not YAML: control characters are not allowed"},
        {"a: \xff\n", 1, 4, "not YAML: invalid leading UTF-8 octet"},
        {"a: 1\nä€: \xff\n", 2, 5, "not YAML: invalid leading UTF-8 octet"},
        {"\xff\xfe"
         "a",
         1, 1, "not YAML: invalid leading UTF-8 octet"}, /* UTF-16 */
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(parse(f, cases[i].text));
        assert_string_equal(f->error.why.text, cases[i].why);
        assert_int_equal(f->error.line, cases[i].line);
        assert_int_equal(f->error.column, cases[i].column);
    }
}

static void depth_is_bounded(void **state)
{
    struct fixture *f = *state;
    char text[4096];
    memset(text, '[', sizeof(text));
    struct slice deepest = {text, 2 * CONFIG_YAML_DEPTH_MAX};
    memset(text + CONFIG_YAML_DEPTH_MAX, ']', CONFIG_YAML_DEPTH_MAX);
    assert_non_null(config_yaml_parse(deepest, &f->arena, &f->error));
    memset(text, '[', sizeof(text));
    assert_null(config_yaml_parse((struct slice) {text, sizeof(text)}, &f->arena, &f->error));
    assert_string_equal(f->error.why.text, "lists and maps are nested too deep");
    assert_int_equal(f->error.column, CONFIG_YAML_DEPTH_MAX + 1);
}

static void number_of_values_is_bounded(void **state)
{
    struct fixture *f = *state;
    size_t n = 2 * CONFIG_YAML_NODES_MAX + 2;
    char *text = malloc(n);
    assert_non_null(text);
    for (size_t i = 0; i < n; i += 2) {
        memcpy(text + i, "a,", 2);
    }
    text[0] = '[';
    text[1] = ' ';
    text[n - 1] = ']';
    assert_null(config_yaml_parse((struct slice) {text, n}, &f->arena, &f->error));
    assert_string_equal(f->error.why.text, "the file has too many values");
    text[n - 5] = ']';
    text[n - 4] = ' ';
    text[n - 3] = ' ';
    text[n - 2] = ' ';
    text[n - 1] = ' ';
    assert_non_null(config_yaml_parse((struct slice) {text, n}, &f->arena, &f->error));
    free(text);
}

static void no_memory(void **state)
{
    static const char text[] = "a: {b: [c, 'd']}\n";
    struct fixture *f = *state;
    size_t cap = 0;
    const struct config_node *root = NULL;
    /* Every cap from none until it is enough: each failing allocation ends in an error. */
    while (!root && cap < 64 * 1024) {
        struct arena arena;
        arena_init(&arena, 64, cap);
        root = config_yaml_parse(slice_of(text), &arena, &f->error);
        if (!root) {
            assert_string_equal(f->error.why.text, "not enough memory to read this file");
        }
        arena_fini(&arena);
        cap += 16;
    }
    assert_non_null(root);
    assert_true(cap > 64);
}

/* Any beginning of a text is a text: it gives a tree or an error with a place in it. */
static void cut_at_every_byte(void **state)
{
    static const char text[] =
        "# ä\na: {b: [1, \"x\\u00e4y\", 'z'], c: ~}\nd:\n  - e: 1\n    f: \"g\"\n"
        "  - |\n   h\n";
    struct fixture *f = *state;
    for (size_t n = 0; n < sizeof(text); n++) {
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        if (!config_yaml_parse((struct slice) {copy, n}, &f->arena, &f->error)) {
            assert_true(f->error.line >= 1 && f->error.line <= 8);
            assert_true(f->error.column >= 1);
            assert_true(f->error.why.text[0] != '\0');
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_texts_are_empty_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(byte_order_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(number_of_values_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_at_every_byte, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
