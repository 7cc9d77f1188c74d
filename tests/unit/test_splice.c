#include "cache/splice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Text and result in memory of exactly their sizes, so that a step beyond is seen. */
struct world {
    char *copy;
    struct slice text;
    struct splice splice;
    char *result;
};

static void world_up(struct world *w, const char *text)
{
    size_t n = strlen(text);
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    *w = (struct world) {.copy = copy, .text = {copy, n}};
    splice_init(&w->splice, w->text);
}

static void world_down(struct world *w)
{
    free(w->copy);
    free(w->result);
}

/* The result, after looking whether pieces, length and writing agree. */
static const char *result_of(struct world *w)
{
    struct slice pieces[SPLICE_PIECES_MAX];
    size_t length = splice_length(&w->splice);
    size_t count = splice_pieces(&w->splice, pieces), at = 0;
    char *exact = malloc(length > 0 ? length : 1);
    assert_non_null(exact);
    assert_int_equal(splice_write(&w->splice, exact, length), length);
    assert_in_range(count, 0, SPLICE_PIECES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(pieces[i].n > 0 && pieces[i].n <= length - at);
        assert_memory_equal(pieces[i].p, exact + at, pieces[i].n);
        at += pieces[i].n;
    }
    assert_int_equal(at, length);
    free(w->result);
    w->result = x_dup_slice((struct slice) {exact, length});
    free(exact);
    return w->result;
}

static struct slice part(const struct world *w, size_t offset, size_t length)
{
    assert_true(offset + length <= w->text.n);
    return (struct slice) {w->text.p + offset, length};
}

/* Of the object that the text is; `name` is one letter. */
static struct span_value member(const struct world *w, char name)
{
    const char text[] = {name, '\0'};
    const char *const names[] = {text};
    struct span_value found;
    struct slice object = w->text;
    while (*object.p != '{') {
        object = (struct slice) {object.p + 1, object.n - 1};
    }
    span_find(object, names, 1, &found);
    assert_int_not_equal(found.type, SPAN_ABSENT);
    return found;
}

static struct slice object_of(const struct world *w)
{
    const char *begin = memchr(w->text.p, '{', w->text.n);
    return (struct slice) {begin, w->text.n - (size_t) (begin - w->text.p)};
}

/* "-a" removes a, "=a" gives it the value 9, "+x" inserts `"x":0`. */
static enum err edit(struct world *w, const char *what)
{
    static const char *const inserts[] = {"\"x\":0", "\"y\":0", "\"z\":0"};
    switch (what[0]) {
    case '-':
        return splice_remove(&w->splice, member(w, what[1]).member);
    case '=':
        return splice_replace(&w->splice, member(w, what[1]).text, SLICE_LIT("9"));
    default:
        return splice_insert(&w->splice, object_of(w), slice_of(inserts[what[1] - 'x']));
    }
}

static void expect(const char *text, const char *edits, const char *expected)
{
    struct world w;
    world_up(&w, text);
    for (const char *p = edits; *p != '\0'; p += p[2] == ' ' ? 3 : 2) {
        assert_int_equal(edit(&w, p), ERR_NONE);
    }
    if (strcmp(result_of(&w), expected) != 0) {
        fail_msg("%s with %s became %s instead of %s", text, edits, w.result, expected);
    }
    world_down(&w);
}

/* ---- replacing ---- */

static void test_nothing_edited_is_one_piece(void **state)
{
    (void) state;
    struct world w;
    struct slice pieces[SPLICE_PIECES_MAX];
    world_up(&w, "{\"a\":1}");
    assert_int_equal(splice_pieces(&w.splice, pieces), 1);
    assert_ptr_equal(pieces[0].p, w.text.p);
    assert_string_equal(result_of(&w), "{\"a\":1}");
    world_down(&w);
    world_up(&w, "");
    assert_int_equal(splice_pieces(&w.splice, pieces), 0);
    assert_string_equal(result_of(&w), "");
    world_down(&w);
}

static void test_replacing(void **state)
{
    (void) state;
    static const char text[] = "{\"a\":1,\"b\":[2],\"c\":\"3\"}";
    expect(text, "=a", "{\"a\":9,\"b\":[2],\"c\":\"3\"}");
    expect(text, "=b", "{\"a\":1,\"b\":9,\"c\":\"3\"}");
    expect(text, "=c", "{\"a\":1,\"b\":[2],\"c\":9}");
    expect(text, "=c =a =b", "{\"a\":9,\"b\":9,\"c\":9}");
    expect(text, "=b =c =a", "{\"a\":9,\"b\":9,\"c\":9}");
}

static void test_replacing_touches_the_ends(void **state)
{
    (void) state;
    struct world w;
    world_up(&w, "abcdef");
    assert_int_equal(splice_replace(&w.splice, part(&w, 4, 2), SLICE_LIT("XYZ")), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 0, 1), SLICE_NONE), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 1, 1), SLICE_LIT("-")), ERR_NONE);
    assert_string_equal(result_of(&w), "-cdXYZ");
    world_down(&w);
    world_up(&w, "abcdef");
    assert_int_equal(splice_replace(&w.splice, part(&w, 0, 6), SLICE_LIT("")), ERR_NONE);
    assert_string_equal(result_of(&w), "");
    world_down(&w);
}

static void test_insertions_keep_the_order_of_the_calls(void **state)
{
    (void) state;
    struct world w;
    world_up(&w, "abc");
    assert_int_equal(splice_replace(&w.splice, part(&w, 3, 0), SLICE_LIT("!")), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 1, 1), SLICE_LIT("B")), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 1, 0), SLICE_LIT("1")), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 0, 0), SLICE_LIT("^")), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 1, 0), SLICE_LIT("2")), ERR_NONE);
    assert_int_equal(splice_replace(&w.splice, part(&w, 2, 0), SLICE_LIT("3")), ERR_NONE);
    assert_string_equal(result_of(&w), "^a12B3c!");
    world_down(&w);
}

static void test_pieces_are_the_text_itself(void **state)
{
    (void) state;
    struct world w;
    struct slice pieces[SPLICE_PIECES_MAX];
    static const char instead[] = "true";
    world_up(&w, "{\"a\":1,\"b\":2}");
    assert_int_equal(splice_replace(&w.splice, member(&w, 'a').text, slice_of(instead)), ERR_NONE);
    assert_int_equal(splice_pieces(&w.splice, pieces), 3);
    assert_ptr_equal(pieces[0].p, w.text.p);
    assert_ptr_equal(pieces[1].p, instead);
    assert_ptr_equal(pieces[2].p, w.text.p + 6);
    assert_ptr_equal(pieces[2].p + pieces[2].n, w.text.p + w.text.n);
    world_down(&w);
}

/* ---- removing ---- */

static void test_removing(void **state)
{
    (void) state;
    static const char text[] = "{\"a\":1,\"b\":{\"c\":2},\"d\":3}";
    expect(text, "-a", "{\"b\":{\"c\":2},\"d\":3}");
    expect(text, "-b", "{\"a\":1,\"d\":3}");
    expect(text, "-d", "{\"a\":1,\"b\":{\"c\":2}}");
    expect("{\"a\":1}", "-a", "{}");
    expect(" [ {\"a\":\",\"} , 2 ] ", "-a", " [ {} , 2 ] ");
    expect("[1,{\"a\":1},2]", "-a", "[1,{},2]");
}

static void test_removing_leaves_other_white_space(void **state)
{
    (void) state;
    static const char text[] = "{ \"a\" : 1 ,\n\"b\" : 2\t,\r\"c\" : 3 }";
    expect(text, "-a", "{ \n\"b\" : 2\t,\r\"c\" : 3 }");
    expect(text, "-b", "{ \"a\" : 1 ,\n\r\"c\" : 3 }");
    expect(text, "-c", "{ \"a\" : 1 ,\n\"b\" : 2\t }");
    expect("{ \"a\" : 1 }", "-a", "{  }");
}

static void put_word(char *text, size_t *n, const char *word)
{
    size_t length = strlen(word);
    memcpy(text + *n, word, length);
    *n += length;
    text[*n] = '\0';
}

/* All members of `names` that are not in `removed`, with the values that the tests give them. */
static void list_members(char *text, const char *names, unsigned removed, const char *gap)
{
    size_t n = 0;
    bool is_first = true;
    put_word(text, &n, "{");
    for (unsigned i = 0; names[i] != '\0'; i++) {
        const char word[] = {'"', names[i], '"', ':', (char) ('1' + i), '\0'};
        if ((removed & 1u << i) == 0) {
            put_word(text, &n, gap);
            put_word(text, &n, is_first ? "" : ",");
            put_word(text, &n, gap);
            put_word(text, &n, word);
            is_first = false;
        }
    }
    put_word(text, &n, gap);
    put_word(text, &n, "}");
}

static void drop_space(char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != ' ') {
            text[n++] = *p;
        }
    }
    text[n] = '\0';
}

/* Removes in the order that the digits of `order` to the base `count` give; each once. */
static unsigned remove_in_order(struct world *w, const char *names, unsigned count, unsigned order)
{
    unsigned removed = 0;
    for (unsigned i = 0; i < count; i++, order /= count) {
        const char what[] = {'-', names[order % count], '\0'};
        if ((removed & 1u << order % count) == 0) {
            assert_int_equal(edit(w, what), ERR_NONE);
            removed |= 1u << order % count;
        }
    }
    return removed;
}

/* Whichever members go, and in whatever order, the rest is an object of the others. */
static void test_removing_in_every_order(void **state)
{
    (void) state;
    static const char *const gaps[] = {"", " "};
    enum { COUNT = 4, ORDERS = 256 };
    for (size_t g = 0; g < ARRAY_LEN(gaps); g++) {
        for (unsigned order = 0; order < ORDERS; order++) {
            char text[128], expected[128];
            struct world w;
            list_members(text, "abcd", 0, gaps[g]);
            world_up(&w, text);
            unsigned removed = remove_in_order(&w, "abcd", COUNT, order);
            list_members(expected, "abcd", removed, "");
            result_of(&w);
            drop_space(w.result);
            assert_string_equal(w.result, expected);
            world_down(&w);
        }
    }
}

/* ---- inserting ---- */

static void test_inserting(void **state)
{
    (void) state;
    expect("{\"a\":1}", "+x", "{\"x\":0,\"a\":1}");
    expect("{}", "+x", "{\"x\":0}");
    expect("{ \n\t\r}", "+x", "{\"x\":0 \n\t\r}");
    expect("{ \"a\":1}", "+x", "{\"x\":0, \"a\":1}");
    expect(" [3,{} ]", "+x", " [3,{\"x\":0} ]");
    expect("{\"a\":{}}", "+x", "{\"x\":0,\"a\":{}}");
}

static void test_inserting_several(void **state)
{
    (void) state;
    expect("{\"a\":1}", "+x +y +z", "{\"x\":0,\"y\":0,\"z\":0,\"a\":1}");
    expect("{}", "+y +x", "{\"y\":0,\"x\":0}");
}

static void test_inserting_into_an_inner_object(void **state)
{
    (void) state;
    struct world w;
    world_up(&w, "{\"a\":{},\"b\":{\"c\":1}}");
    assert_int_equal(splice_insert(&w.splice, member(&w, 'b').text, SLICE_LIT("\"q\":0")),
                     ERR_NONE);
    assert_int_equal(splice_insert(&w.splice, member(&w, 'a').text, SLICE_LIT("\"p\":0")),
                     ERR_NONE);
    assert_string_equal(result_of(&w), "{\"a\":{\"p\":0},\"b\":{\"q\":0,\"c\":1}}");
    world_down(&w);
}

static void test_the_comma_follows_what_is_left(void **state)
{
    (void) state;
    expect("{\"a\":1}", "+x -a", "{\"x\":0}");
    expect("{\"a\":1}", "-a +x", "{\"x\":0}");
    expect("{\"a\":1}", "=a +x", "{\"x\":0,\"a\":9}");
    expect("{\"a\":1}", "+x =a", "{\"x\":0,\"a\":9}");
    expect("{\"a\":1,\"b\":2}", "-a +x", "{\"x\":0,\"b\":2}");
    expect("{\"a\":1,\"b\":2}", "+x -a", "{\"x\":0,\"b\":2}");
    expect("{\"a\":1,\"b\":2}", "+x -a -b +y", "{\"x\":0,\"y\":0}");
    expect("{\"a\":1,\"b\":2}", "-b +x -a", "{\"x\":0}");
    expect("{ \"a\":1 , \"b\":2 }", "-b +x -a", "{\"x\":0   }");
    expect("{\"a\":1,\"b\":2,\"c\":3}", "-b +x =a -c", "{\"x\":0,\"a\":9}");
}

/* A member that is replaced whole begins where others are inserted. */
static void test_inserting_before_a_replaced_member(void **state)
{
    (void) state;
    struct world w;
    world_up(&w, "{\"a\":1,\"b\":2}");
    assert_int_equal(splice_replace(&w.splice, member(&w, 'a').member, SLICE_LIT("\"A\":8")),
                     ERR_NONE);
    assert_int_equal(edit(&w, "+x"), ERR_NONE);
    assert_string_equal(result_of(&w), "{\"x\":0,\"A\":8,\"b\":2}");
    world_down(&w);
}

/* ---- limits ---- */

static void fill(struct world *w, size_t edits)
{
    for (size_t i = 0; i < edits; i++) {
        assert_int_equal(splice_replace(&w->splice, part(w, w->text.n, 0), SLICE_LIT(".")),
                         ERR_NONE);
    }
}

static void test_an_edit_too_many_changes_nothing(void **state)
{
    (void) state;
    static const char *const edits[] = {"-a", "-b", "-c", "=a", "+x"};
    static const char text[] = "{\"a\":1,\"b\":2,\"c\":3}";
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        struct world w;
        world_up(&w, text);
        fill(&w, SPLICE_EDITS_MAX - 2);
        assert_int_equal(edit(&w, "-b"), ERR_NONE);
        assert_int_equal(edit(&w, "=c"), ERR_NONE);
        char *before = x_dup(result_of(&w));
        assert_int_equal(edit(&w, edits[i]), ERR_LIMIT);
        assert_string_equal(result_of(&w), before);
        free(before);
        world_down(&w);
    }
}

/* The comma of an insertion is an edit too: half of it would be no JSON. */
static void test_an_insertion_takes_two_edits_or_none(void **state)
{
    (void) state;
    struct world w;
    world_up(&w, "{\"a\":1}");
    fill(&w, SPLICE_EDITS_MAX - 1);
    assert_int_equal(edit(&w, "+x"), ERR_LIMIT);
    assert_string_equal(result_of(&w), "{\"a\":1}...............");
    fill(&w, 1);
    assert_int_equal(edit(&w, "=a"), ERR_LIMIT);
    world_down(&w);
    world_up(&w, "{\"a\":1}");
    fill(&w, SPLICE_EDITS_MAX - 2);
    assert_int_equal(edit(&w, "+x"), ERR_NONE);
    assert_string_equal(result_of(&w), "{\"x\":0,\"a\":1}..............");
    world_down(&w);
}

static void test_the_most_pieces_there_can_be(void **state)
{
    (void) state;
    struct world w;
    struct slice pieces[SPLICE_PIECES_MAX];
    world_up(&w, "0123456789012345678901234567890123");
    for (size_t i = 0; i < SPLICE_EDITS_MAX; i++) {
        assert_int_equal(splice_replace(&w.splice, part(&w, 31 - 2 * i, 1), SLICE_LIT("-")),
                         ERR_NONE);
    }
    assert_int_equal(splice_pieces(&w.splice, pieces), SPLICE_PIECES_MAX);
    assert_string_equal(result_of(&w), "0-2-4-6-8-0-2-4-6-8-0-2-4-6-8-0-23");
    world_down(&w);
}

static void test_writing_stops_before_a_piece_that_does_not_fit(void **state)
{
    (void) state;
    struct world w;
    char out[16];
    world_up(&w, "abcdef");
    assert_int_equal(splice_replace(&w.splice, part(&w, 2, 2), SLICE_LIT("-----")), ERR_NONE);
    for (size_t cap = 0; cap < 12; cap++) {
        memset(out, '#', sizeof(out));
        size_t n = splice_write(&w.splice, out, cap);
        assert_int_equal(n, cap < 2 ? 0 : cap < 7 ? 2 : cap < 9 ? 7 : 9);
        assert_memory_equal(out, "ab-----ef", n);
        assert_int_equal(out[n], '#');
    }
    world_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_edited_is_one_piece),
        cmocka_unit_test(test_replacing),
        cmocka_unit_test(test_replacing_touches_the_ends),
        cmocka_unit_test(test_insertions_keep_the_order_of_the_calls),
        cmocka_unit_test(test_pieces_are_the_text_itself),
        cmocka_unit_test(test_removing),
        cmocka_unit_test(test_removing_leaves_other_white_space),
        cmocka_unit_test(test_removing_in_every_order),
        cmocka_unit_test(test_inserting),
        cmocka_unit_test(test_inserting_several),
        cmocka_unit_test(test_inserting_into_an_inner_object),
        cmocka_unit_test(test_the_comma_follows_what_is_left),
        cmocka_unit_test(test_inserting_before_a_replaced_member),
        cmocka_unit_test(test_an_edit_too_many_changes_nothing),
        cmocka_unit_test(test_an_insertion_takes_two_edits_or_none),
        cmocka_unit_test(test_the_most_pieces_there_can_be),
        cmocka_unit_test(test_writing_stops_before_a_piece_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
