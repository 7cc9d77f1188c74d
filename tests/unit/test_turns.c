#include "router/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 64, KEYS = 5 };

struct fixture {
    struct turns queue;
    struct turn turns[MAX];
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* Waiter i is of the key named by letter i. */
static void add_all(struct fixture *f, const char *keys)
{
    for (size_t i = 0; keys[i]; i++) {
        turns_add(&f->queue, &f->turns[i], (uint32_t) keys[i]);
    }
}

static void expect_take(struct fixture *f, size_t index)
{
    assert_ptr_equal(turns_take(&f->queue), &f->turns[index]);
}

static void expect_empty(struct fixture *f)
{
    assert_int_equal(f->queue.count, 0);
    assert_null(turns_take(&f->queue));
    assert_null(f->queue.first);
}

static void test_one_key_goes_in_order(void **state)
{
    struct fixture *f = *state;
    expect_empty(f);
    add_all(f, "aaa");
    assert_int_equal(f->queue.count, 3);
    expect_take(f, 0);
    expect_take(f, 1);
    expect_take(f, 2);
    expect_empty(f);
}

static void test_keys_take_turns(void **state)
{
    struct fixture *f = *state;
    add_all(f, "aaaabbc");
    static const size_t order[] = {0, 4, 6, 1, 5, 2, 3};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        expect_take(f, order[i]);
    }
    expect_empty(f);
}

static void test_a_key_that_comes_back_goes_behind(void **state)
{
    struct fixture *f = *state;
    add_all(f, "abbb");
    expect_take(f, 0);
    turns_add(&f->queue, &f->turns[4], 'a');
    expect_take(f, 1);
    expect_take(f, 4);
    turns_add(&f->queue, &f->turns[5], 'a');
    expect_take(f, 2);
    expect_take(f, 5);
    expect_take(f, 3);
    expect_empty(f);
}

static void test_leaving_from_every_place(void **state)
{
    struct fixture *f = *state;
    static const char keys[] = "aabbcab";
    size_t n = strlen(keys);
    for (size_t gone = 0; gone < n; gone++) {
        add_all(f, keys);
        turns_remove(&f->queue, &f->turns[gone]);
        bool is_taken[MAX] = {false};
        for (size_t i = 0; i < n - 1; i++) {
            struct turn *t = turns_take(&f->queue);
            assert_non_null(t);
            size_t index = (size_t) (t - f->turns);
            assert_int_not_equal(index, gone);
            assert_false(is_taken[index]);
            is_taken[index] = true;
            for (size_t j = 0; j < index; j++) {
                assert_true(keys[j] != keys[index] || is_taken[j] || j == gone);
            }
        }
        expect_empty(f);
    }
}

/* A key that had many waiters and lost all but one is not served later for it. */
static void test_the_next_of_a_key_has_the_place_of_one_that_leaves(void **state)
{
    struct fixture *f = *state;
    add_all(f, "aaaabbbb");
    for (size_t i = 0; i < 3; i++) {
        turns_remove(&f->queue, &f->turns[i]);
    }
    expect_take(f, 3);
    expect_take(f, 4);
}

/* ---- against a slow model: one list per key, and the order of the keys ---- */

struct model {
    size_t line[KEYS][MAX];
    size_t length[KEYS];
    size_t order[KEYS];
    size_t keys;
};

static void cut(size_t *items, size_t *count, size_t at)
{
    memmove(items + at, items + at + 1, (*count - at - 1) * sizeof(*items));
    (*count)--;
}

static size_t index_of(const size_t *items, size_t count, size_t item)
{
    size_t i = 0;
    while (i < count && items[i] != item) {
        i++;
    }
    return i;
}

static void model_add(struct model *m, size_t key, size_t item)
{
    if (m->length[key] == 0) {
        m->order[m->keys++] = key;
    }
    m->line[key][m->length[key]++] = item;
}

static void model_remove(struct model *m, size_t key, size_t item)
{
    cut(m->line[key], &m->length[key], index_of(m->line[key], m->length[key], item));
    if (m->length[key] == 0) {
        cut(m->order, &m->keys, index_of(m->order, m->keys, key));
    }
}

static size_t model_take(struct model *m)
{
    size_t key = m->order[0];
    size_t item = m->line[key][0];
    cut(m->order, &m->keys, 0);
    cut(m->line[key], &m->length[key], 0);
    if (m->length[key] > 0) {
        m->order[m->keys++] = key;
    }
    return item;
}

static uint32_t roll(uint32_t *seed, uint32_t sides)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (*seed >> 16) % sides;
}

static void test_against_the_model(void **state)
{
    struct fixture *f = *state;
    struct model m = {.keys = 0};
    bool is_in[MAX] = {false};
    uint32_t seed = 7;
    for (unsigned step = 0; step < 20000; step++) {
        size_t item = roll(&seed, MAX);
        /* Times of growing and of shrinking queues. */
        bool grow = (step / 500) % 2 == 0;
        if (!is_in[item] && roll(&seed, 4) < (grow ? 3U : 1U)) {
            uint32_t key = roll(&seed, KEYS);
            turns_add(&f->queue, &f->turns[item], key);
            model_add(&m, key, item);
            is_in[item] = true;
        } else if (is_in[item] && roll(&seed, 2) == 0) {
            turns_remove(&f->queue, &f->turns[item]);
            model_remove(&m, f->turns[item].key, item);
            is_in[item] = false;
        } else if (m.keys > 0) {
            size_t expected = model_take(&m);
            expect_take(f, expected);
            is_in[expected] = false;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_key_goes_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_that_comes_back_goes_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leaving_from_every_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_next_of_a_key_has_the_place_of_one_that_leaves,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_the_model, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
