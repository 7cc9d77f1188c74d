#include "tests/sim/items.h"

#include "router/answer.h"
#include "tests/sim/speech.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { ITEMS = 200 };

static struct slice slice_of_buf(const struct buf *b)
{
    return (struct slice) {b->data, b->len};
}

static enum answer_kind kind_of(enum law_task task)
{
    return task == LAW_FACTS ? ANSWER_CHOICE : ANSWER_BOXED;
}

/* What a grader and a vote make of a model's words; in room. */
static struct answer spoken(enum law_task task, const struct buf *answer, unsigned round,
                            enum answer_kind kind, struct arena *room)
{
    struct speech s = {task, slice_of_buf(answer), round, round, round == 2, 0};
    struct buf text = {0};
    struct answer found;

    speech_make(&text, &s, answer->len * 31 + round);
    assert_int_equal(speech_round(slice_of_buf(&text)), round);
    assert_int_equal(speech_is_persuasive(slice_of_buf(&text)), round == 2);
    found = answer_extract(slice_of_buf(&text), kind, room);
    buf_fini(&text);
    return found;
}

static void check_answers(const struct item *it)
{
    struct answer all[LAW_WRONG_MAX + 1];
    struct arena room;
    struct law law;

    law_init(&law, 1);
    assert_int_equal(it->n_wrong, law.task[it->task].wrong);
    arena_init(&room, 65536, (size_t) 8 << 20);
    for (unsigned i = 0; i <= it->n_wrong; i++) {
        const struct buf *answer = i == 0 ? &it->right : &it->wrong[i - 1];
        struct answer again;

        all[i] = spoken(it->task, answer, i % 4, kind_of(it->task), &room);
        again = spoken(it->task, answer, i % 3, ANSWER_AUTO, &room);
        assert_true(slice_eq(all[i].text, slice_of_buf(answer)));
        assert_true(answer_equal(&all[i], &again));
        for (unsigned j = 0; j < i; j++) {
            assert_false(answer_equal(&all[i], &all[j]));
        }
    }
    arena_fini(&room);
}

static void test_answers_are_found_and_differ(void **state)
{
    (void) state;
    for (unsigned task = 0; task < LAW_TASKS; task++) {
        for (uint64_t i = 0; i < ITEMS; i++) {
            struct item it;

            item_make(&it, (enum law_task) task, 5 * ITEMS_PER_SEED + i);
            check_answers(&it);
            item_fini(&it);
        }
    }
}

static void check_line(const struct item *it, const char *last)
{
    struct buf line = {0};
    json_t *doc;
    json_t *tests;

    item_json(it, &line);
    assert_int_equal(line.data[line.len - 1], '\n');
    doc = json_loads(buf_str(&line), 0, NULL);
    assert_non_null(doc);
    assert_string_equal(json_string_value(json_object_get(doc, "task")), item_task_name(it->task));
    assert_memory_equal(json_string_value(json_object_get(doc, "ideal")), it->right.data,
                        it->right.len);
    assert_int_equal(json_array_size(json_object_get(doc, "input")), 1);
    assert_string_not_equal(json_string_value(json_object_get(doc, "id")), last);
    tests = json_object_get(doc, "tests");
    assert_int_equal(json_array_size(tests), it->task == LAW_STRINGS ? 3 : 0);
    if (tests != NULL) {
        json_t *asked = json_array_get(tests, 2);

        assert_memory_equal(json_string_value(json_object_get(asked, "output")), it->right.data,
                            it->right.len);
    }
    json_decref(doc);
    buf_fini(&line);
}

static void test_items_are_made_again_from_their_text(void **state)
{
    (void) state;
    for (unsigned task = 0; task < LAW_TASKS; task++) {
        for (uint64_t i = 0; i < ITEMS; i++) {
            struct item it;
            struct item again;
            enum law_task found;
            uint64_t number;

            item_make(&it, (enum law_task) task, i);
            assert_true(item_find(it.text.data, it.text.len, &found, &number));
            item_make(&again, found, number);
            assert_true(slice_eq(slice_of_buf(&it.text), slice_of_buf(&again.text)));
            assert_true(slice_eq(slice_of_buf(&it.right), slice_of_buf(&again.right)));
            check_line(&it, i > 0 ? "math-0" : "");
            item_fini(&again);
            item_fini(&it);
        }
    }
}

/* Without its marker, which differs anyway; the caller's to free. */
static char *bare_text(enum law_task task, uint64_t number)
{
    struct item it;
    char *text;

    item_make(&it, task, number);
    text = mem_copy(it.text.data, it.text.len - strlen(strstr(buf_str(&it.text), " [[sim:")));
    item_fini(&it);
    return text;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void test_no_two_items_are_alike(void **state)
{
    char *texts[3 * ITEMS];

    (void) state;
    for (unsigned i = 0; i < 3 * ITEMS; i++) {
        texts[i] = bare_text((enum law_task)(i % LAW_TASKS), ITEMS_PER_SEED + i);
    }
    qsort(texts, 3 * ITEMS, sizeof(texts[0]), compare_text);
    for (unsigned i = 1; i < 3 * ITEMS; i++) {
        assert_string_not_equal(texts[i - 1], texts[i]);
    }
    for (unsigned i = 0; i < 3 * ITEMS; i++) {
        free(texts[i]);
    }
}

/* By hand: what must hold wherever a puzzle is of this one step. */
static void check_puzzle(const char *text, const char *in, const char *out, unsigned *seen)
{
    size_t n = strlen(in);

    if (strstr(text, " Next, ") != NULL) {
        return;
    }
    if (strstr(text, "Now write it backwards.") != NULL) {
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i], in[n - 1 - i]);
        }
        ++*seen;
    } else if (strstr(text, "Now double the final letter.") != NULL) {
        assert_memory_equal(out, in, n);
        assert_int_equal(out[n], in[n - 1]);
        ++*seen;
    } else if (strstr(text, "Now leave out all the vowels.") != NULL) {
        assert_null(strpbrk(out, "aeiou"));
        ++*seen;
    } else if (strstr(text, "Now rotate it by one place to the right.") != NULL) {
        assert_int_equal(out[0], in[n - 1]);
        assert_memory_equal(out + 1, in, n - 1);
        ++*seen;
    }
}

static void test_puzzles_are_solved(void **state)
{
    unsigned seen = 0;

    (void) state;
    for (uint64_t i = 0; i < 5 * ITEMS; i++) {
        struct item it;
        json_t *tests;
        json_t *test;
        size_t at;

        item_make(&it, LAW_STRINGS, i);
        tests = json_loads(buf_str(&it.tests), 0, NULL);
        json_array_foreach(tests, at, test)
        {
            check_puzzle(buf_str(&it.text), json_string_value(json_object_get(test, "input")),
                         json_string_value(json_object_get(test, "output")), &seen);
        }
        assert_true(it.right.len > 0);
        json_decref(tests);
        item_fini(&it);
    }
    assert_true(seen > 20);
}

/* The numbers of one template, read from its text. */
static void test_a_word_problem_is_solved(void **state)
{
    unsigned seen = 0;

    (void) state;
    for (uint64_t i = 0; i < 5 * ITEMS; i++) {
        struct item it;
        const char *at;

        item_make(&it, LAW_MATH, i);
        at = strstr(buf_str(&it.text), "In a hall there are ");
        if (at != NULL) {
            char *end;
            long rows = strtol(at + strlen("In a hall there are "), &end, 10);
            long seats = strtol(end + strlen(" rows of "), &end, 10);
            long more = strtol(end + strlen(" seats and a balcony with "), &end, 10);
            long empty = strtol(end + strlen(" seats. "), NULL, 10);

            assert_int_equal(strtol(buf_str(&it.right), NULL, 10), rows * seats + more - empty);
            seen++;
        }
        assert_true(strtol(buf_str(&it.right), NULL, 10) > 0);
        item_fini(&it);
    }
    assert_true(seen > 5);
}

static void test_markers(void **state)
{
    static const char good[] = "Who? [[sim:x:1]] [[sim:facts:12345]] [[sim:math:2]]";
    static const char *const bad[] = {
        "",
        "[[sim:math]]",
        "[[sim:math:]]",
        "[[sim:math:-1]]",
        "[[sim:math:1]",
        "[[sim:maths:1]]",
        "[[sim:math:1 ]]",
        "[[sim:math:99999999999999999999]]",
    };
    size_t whole = strlen("Who? [[sim:x:1]] [[sim:facts:12345]]");
    enum law_task task;
    uint64_t number;

    (void) state;
    for (size_t n = 0; n < sizeof(good); n++) {
        assert_int_equal(item_find(good, n, &task, &number), n >= whole);
    }
    assert_int_equal(task, LAW_FACTS);
    assert_int_equal(number, 12345);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(item_find(bad[i], strlen(bad[i]), &task, &number));
    }
}

static void test_a_file_of_items(void **state)
{
    FILE *f = tmpfile();
    char line[4096];
    unsigned n = 0;

    (void) state;
    assert_non_null(f);
    assert_int_equal(items_write(f, LAW_FACTS, 7, 2), 0);
    rewind(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        char id[48];

        (void) snprintf(id, sizeof(id), "{\"id\": \"facts-%u\"", 2000000 + n++);
        assert_memory_equal(line, id, strlen(id));
    }
    assert_int_equal(n, 7);
    assert_int_equal(fclose(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_found_and_differ),
        cmocka_unit_test(test_items_are_made_again_from_their_text),
        cmocka_unit_test(test_no_two_items_are_alike),
        cmocka_unit_test(test_puzzles_are_solved),
        cmocka_unit_test(test_a_word_problem_is_solved),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_a_file_of_items),
    };
    return cmocka_run_group_tests_name("sim_items", tests, NULL, NULL);
}
