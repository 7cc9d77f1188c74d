#include "cache/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

enum { BIG = 1 << 20 };

static void test_memory_is_zeroed_aligned_and_apart(void **state)
{
    struct arena a;
    char *old = NULL;
    (void) state;
    arena_init(&a, 64, BIG);
    for (size_t bytes = 0; bytes < 200; bytes++) {
        char *p = arena_alloc(&a, bytes);
        assert_non_null(p);
        assert_int_equal((uintptr_t) p % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(p, old);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(p[i], 0);
        }
        memset(p, 0xAA, bytes); /* must not show in later ones */
        old = p;
    }
    assert_false(arena_is_sour(&a));
    arena_fini(&a);
}

static void test_blocks_double_up_to_64k(void **state)
{
    struct arena a;
    size_t used = 0, last = 0;
    (void) state;
    arena_init(&a, 256, 16 * BIG);
    for (unsigned i = 0; i < 4000; i++) {
        assert_non_null(arena_alloc(&a, 64));
        if (a.used_bytes != used) {
            size_t block = a.used_bytes - used;
            assert_true(last == 0 ? block == 256 : block == last * 2 || block == 64 * 1024);
            last = block;
            used = a.used_bytes;
        }
    }
    assert_int_equal(last, 64 * 1024);
    arena_fini(&a);
}

static void test_what_is_larger_than_a_block_gets_one(void **state)
{
    struct arena a;
    (void) state;
    arena_init(&a, 64, BIG);
    char *p = arena_alloc(&a, 300000);
    assert_non_null(p);
    memset(p, 1, 300000);
    assert_non_null(arena_alloc(&a, 10));
    arena_fini(&a);
}

static void test_the_cap_sours_for_good(void **state)
{
    struct arena a;
    unsigned count = 0;
    (void) state;
    arena_init(&a, 100, 1000);
    while (arena_alloc(&a, 16)) {
        count++;
    }
    /* All but what block ends leave over can be had. */
    assert_in_range(count, 900 / 16, 1000 / 16);
    assert_true(arena_is_sour(&a));
    assert_true(a.used_bytes <= 1000);
    assert_null(arena_alloc(&a, 1));
    assert_null(arena_alloc(&a, 0));
    assert_null(arena_array(&a, 1, 1));
    assert_null(arena_dup(&a, ""));
    assert_null(arena_dup_slice(&a, SLICE_LIT("x")).p);
    assert_int_equal(arena_dup_slice(&a, SLICE_LIT("x")).n, 0);
    assert_null(arena_printf(&a, "%d", 1));
    arena_fini(&a);
}

static void test_one_demand_over_the_cap(void **state)
{
    struct arena a;
    (void) state;
    arena_init(&a, 64, 1000);
    assert_non_null(arena_alloc(&a, 16));
    assert_null(arena_alloc(&a, 1001));
    assert_true(arena_is_sour(&a));
    assert_null(arena_alloc(&a, 1));
    arena_fini(&a);
}

static void test_a_first_block_over_the_cap_is_cut(void **state)
{
    struct arena a;
    (void) state;
    arena_init(&a, 4096, 128);
    assert_non_null(arena_alloc(&a, 128));
    assert_int_equal(a.used_bytes, 128);
    assert_null(arena_alloc(&a, 1));
    arena_fini(&a);
}

static void test_sizes_that_overflow_sour(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16};
    struct arena a;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        arena_init(&a, 64, SIZE_MAX);
        assert_null(arena_alloc(&a, sizes[i]));
        assert_true(arena_is_sour(&a));
        arena_fini(&a);
        arena_init(&a, 64, SIZE_MAX);
        assert_null(arena_dup_slice(&a, (struct slice) {"", sizes[i]}).p);
        assert_true(arena_is_sour(&a));
        arena_fini(&a);
    }
    arena_init(&a, 64, SIZE_MAX);
    assert_null(arena_array(&a, SIZE_MAX / 8 + 2, 8));
    assert_true(arena_is_sour(&a));
    arena_fini(&a);
    arena_init(&a, 64, SIZE_MAX);
    assert_null(arena_array(&a, SIZE_MAX / 2 + 2, 2)); /* 2 in the arithmetic of size_t */
    assert_true(arena_is_sour(&a));
    arena_fini(&a);
}

/* No such character: printf itself refuses. */
static void test_text_that_cannot_be_printed_sours(void **state)
{
    struct arena a;
    (void) state;
    arena_init(&a, 64, BIG);
    assert_null(arena_printf(&a, "%lc", (wint_t) 0xffffff));
    assert_true(arena_is_sour(&a));
    arena_fini(&a);
}

/* Wherever in a block a text ends, its terminator has room. */
static void test_texts_of_every_length(void **state)
{
    char text[300];
    (void) state;
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < sizeof(text); n++) {
        struct arena a;
        arena_init(&a, n, BIG);
        assert_int_equal(strlen(arena_dup_slice(&a, (struct slice) {text, n}).p), n);
        char *printed = arena_printf(&a, "%.*s", (int) n, text);
        assert_int_equal(strlen(printed), n);
        assert_string_equal(arena_dup(&a, printed), printed);
        arena_fini(&a);
    }
}

static void test_texts(void **state)
{
    struct arena a;
    (void) state;
    arena_init(&a, 64, BIG);
    assert_string_equal(arena_dup(&a, "abc"), "abc");
    struct slice s = arena_dup_slice(&a, SLICE_LIT("a\0b"));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 4); /* terminated */
    s = arena_dup_slice(&a, SLICE_NONE);
    assert_int_equal(s.n, 0);
    assert_string_equal(s.p, "");
    assert_string_equal(arena_printf(&a, "%s/%d", "key", 5), "key/5");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    char *wide = arena_printf(&a, "%1000d", 7);
    assert_int_equal(strlen(wide), 1000);
    unsigned *numbers = arena_array(&a, 3, sizeof(*numbers));
    assert_int_equal(numbers[0] + numbers[1] + numbers[2], 0);
    assert_false(arena_is_sour(&a));
    arena_fini(&a);
}

static void test_it_can_be_used_again(void **state)
{
    struct arena a;
    (void) state;
    arena_init(&a, 64, 100);
    assert_null(arena_alloc(&a, 200));
    arena_fini(&a);
    arena_fini(&a); /* harmless */
    arena_init(&a, 64, 1000);
    assert_non_null(arena_alloc(&a, 200));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(test_blocks_double_up_to_64k),
        cmocka_unit_test(test_what_is_larger_than_a_block_gets_one),
        cmocka_unit_test(test_the_cap_sours_for_good),
        cmocka_unit_test(test_one_demand_over_the_cap),
        cmocka_unit_test(test_a_first_block_over_the_cap_is_cut),
        cmocka_unit_test(test_sizes_that_overflow_sour),
        cmocka_unit_test(test_text_that_cannot_be_printed_sours),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_texts_of_every_length),
        cmocka_unit_test(test_it_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
