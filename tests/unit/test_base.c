#include "cache/base.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- errors ---- */

static void test_err_set_writes_and_returns_the_code(void **state)
{
    struct errbuf e;
    (void) state;
    assert_int_equal(err_set(&e, ERR_LIMIT, "%s: %d", "file", 7), ERR_LIMIT);
    assert_string_equal(e.text, "file: 7");
    assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void test_long_error_text_is_cut(void **state)
{
    struct errbuf e;
    char text[2 * sizeof(e.text)];
    (void) state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(err_set(&e, ERR_INPUT, "%s", text), ERR_INPUT);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

/* ---- slices ---- */

static void test_slice_of(void **state)
{
    (void) state;
    assert_int_equal(slice_of("abc").n, 3);
    assert_int_equal(slice_of("").n, 0);
    assert_null(slice_of(NULL).p);
    assert_int_equal(slice_of(NULL).n, 0);
}

static void test_slices_are_compared(void **state)
{
    (void) state;
    assert_true(slice_eq(SLICE_LIT("abc"), slice_of("abc")));
    assert_false(slice_eq(SLICE_LIT("abc"), SLICE_LIT("abd")));
    assert_false(slice_eq(SLICE_LIT("abc"), SLICE_LIT("ab")));
    assert_true(slice_eq(SLICE_NONE, SLICE_LIT("")));
    assert_true(slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0b")));
    assert_false(slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0c")));
    assert_true(slice_eq_text(SLICE_LIT("abc"), "abc"));
    assert_false(slice_eq_text(SLICE_LIT("ab\0"), "ab"));
    assert_true(slice_eq_text(SLICE_NONE, ""));
}

static void test_slices_are_compared_without_case(void **state)
{
    (void) state;
    assert_true(slice_ieq_text(SLICE_LIT("Content-TYPE"), "content-type"));
    assert_true(slice_ieq_text(SLICE_LIT("az"), "AZ"));
    assert_false(slice_ieq_text(SLICE_LIT("content-typ"), "content-type"));
    /* The neighbours of the letters differ by the same bit and are none. */
    assert_false(slice_ieq_text(SLICE_LIT("@"), "`"));
    assert_false(slice_ieq_text(SLICE_LIT("["), "{"));
    assert_false(slice_ieq_text(SLICE_LIT("\xC3\x84"), "\xC3\xA4"));
}

static void test_slice_starts(void **state)
{
    (void) state;
    assert_true(slice_starts(SLICE_LIT("Bearer x"), "Bearer "));
    assert_true(slice_starts(SLICE_LIT("abc"), "abc"));
    assert_true(slice_starts(SLICE_NONE, ""));
    assert_false(slice_starts(SLICE_LIT("ab"), "abc"));
    assert_false(slice_starts(SLICE_LIT("abd"), "abc"));
}

static void test_decimals_are_read_strictly(void **state)
{
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "1x",
                                        "0x1",
                                        "1.0",
                                        "1\n2",
                                        "18446744073709551616",
                                        "99999999999999999999999",
                                        "18446744073709551620"};
    uint64_t n = 5;
    (void) state;
    assert_true(slice_to_u64(SLICE_LIT("0"), &n));
    assert_true(n == 0);
    assert_true(slice_to_u64(SLICE_LIT("007"), &n));
    assert_true(n == 7);
    assert_true(slice_to_u64(SLICE_LIT("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    n = 5;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (slice_to_u64(slice_of(wrong[i]), &n)) {
            fail_msg("'%s' was read as %" PRIu64, wrong[i], n);
        }
    }
    assert_true(n == 5);
    assert_false(slice_to_u64(SLICE_NONE, &n));
}

/* ---- memory ---- */

static void test_memory_is_zeroed_and_grows(void **state)
{
    static const char zeros[64];
    (void) state;
    char *p = x_alloc(sizeof(zeros));
    assert_memory_equal(p, zeros, sizeof(zeros));
    free(p);
    unsigned *numbers = x_array(16, sizeof(*numbers));
    assert_memory_equal(numbers, zeros, 16 * sizeof(*numbers));
    numbers[15] = 42;
    numbers = x_resize(numbers, 1000, sizeof(*numbers));
    assert_int_equal(numbers[15], 42);
    free(numbers);
    p = x_alloc(0);
    assert_non_null(p);
    free(p);
}

static void test_copies(void **state)
{
    (void) state;
    char *p = x_dup("text");
    assert_string_equal(p, "text");
    free(p);
    p = x_dup_slice((struct slice) {"abcdef", 3});
    assert_string_equal(p, "abc");
    free(p);
    p = x_dup_slice(SLICE_NONE);
    assert_string_equal(p, "");
    free(p);
    p = x_printf("%s-%d", "n", 12);
    assert_string_equal(p, "n-12");
    free(p);
}

static void overflow_array(void)
{
    /* Hidden from the compiler, which would warn of what is asked here on purpose. */
    volatile size_t half = SIZE_MAX / 2;
    free(x_array(half, 4));
}

static void overflow_resize(void)
{
    volatile size_t half = SIZE_MAX / 2;
    free(x_resize(NULL, half, 4));
}

static void expect_death(void (*act)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        /* What a sanitizer has to say of this is not for the reader of the tests. */
        close(STDERR_FILENO);
        act();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_sizes_that_overflow_end_the_process(void **state)
{
    (void) state;
    expect_death(overflow_array);
    expect_death(overflow_resize);
}

/* ---- time and randomness ---- */

static void test_system_env(void **state)
{
    struct env env = env_system();
    unsigned char a[32] = {0}, b[32] = {0};
    (void) state;
    uint64_t before = env_mono_us(&env);
    assert_true(env_mono_us(&env) >= before);
    assert_true(env_wall_us(&env) > INT64_C(1577836800) * 1000000); /* 2020 */
    env.random(env.arg, a, sizeof(a));
    env.random(env.arg, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void fill(void *arg, void *out, size_t n)
{
    memset(out, *(const unsigned char *) arg, n);
}

static void test_uniform_stays_below_one(void **state)
{
    unsigned char byte = 0xFF;
    struct env env = {.random = fill, .arg = &byte};
    (void) state;
    assert_true(env_uniform(&env) < 1.0);
    assert_true(env_uniform(&env) > 0.999999);
    byte = 0;
    assert_true(env_uniform(&env) == 0.0);
    byte = 0x80;
    assert_true(env_uniform(&env) >= 0.5 && env_uniform(&env) < 0.51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_set_writes_and_returns_the_code),
        cmocka_unit_test(test_long_error_text_is_cut),
        cmocka_unit_test(test_slice_of),
        cmocka_unit_test(test_slices_are_compared),
        cmocka_unit_test(test_slices_are_compared_without_case),
        cmocka_unit_test(test_slice_starts),
        cmocka_unit_test(test_decimals_are_read_strictly),
        cmocka_unit_test(test_memory_is_zeroed_and_grows),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_sizes_that_overflow_end_the_process),
        cmocka_unit_test(test_system_env),
        cmocka_unit_test(test_uniform_stays_below_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
