#include "cache/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- errors ---- */

static void test_error_has_code_and_text(void **state)
{
    (void) state;
    struct errbuf err;
    assert_int_equal(err_set(&err, ERR_INPUT, "line %d: %s", 7, "no colon"), ERR_INPUT);
    assert_string_equal(err.text, "line 7: no colon");
    assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody wants %s", "words"), ERR_LIMIT);
}

static void test_long_error_is_cut_and_terminated(void **state)
{
    (void) state;
    struct {
        struct errbuf err;
        char guard;
    } room;
    char longer[2 * sizeof(room.err.text)];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    memset(&room, '#', sizeof(room));
    assert_int_equal(err_set(&room.err, ERR_IO, "%s", longer), ERR_IO);
    assert_int_equal(strlen(room.err.text), sizeof(room.err.text) - 1);
    assert_int_equal(room.guard, '#');
}

/* ---- slices ---- */

static void test_slice_of(void **state)
{
    (void) state;
    assert_null(slice_of(NULL).p);
    assert_int_equal(slice_of(NULL).n, 0);
    assert_int_equal(slice_of("").n, 0);
    assert_int_equal(slice_of("abc").n, 3);
    assert_int_equal(SLICE_LIT("a\0b").n, 3);
}

static void test_slice_equality(void **state)
{
    (void) state;
    assert_true(slice_eq(SLICE_NONE, SLICE_LIT("")));
    assert_true(slice_eq(SLICE_NONE, SLICE_NONE));
    assert_true(slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0b")));
    assert_false(slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0c")));
    assert_false(slice_eq(SLICE_LIT("ab"), SLICE_LIT("abc")));
    assert_true(slice_eq_text(SLICE_LIT("auto"), "auto"));
    assert_false(slice_eq_text(SLICE_LIT("auto"), "Auto"));
    assert_false(slice_eq_text(SLICE_LIT("auto"), "auto/math"));
    assert_false(slice_eq_text(SLICE_LIT("auto\0"), "auto"));
    assert_true(slice_eq_text(SLICE_NONE, ""));
}

static void test_slice_equality_in_either_case(void **state)
{
    (void) state;
    assert_true(slice_ieq_text(SLICE_LIT("Content-LENGTH"), "content-length"));
    assert_true(slice_ieq_text(SLICE_LIT("azAZ09"), "AZaz09"));
    assert_true(slice_ieq_text(SLICE_NONE, ""));
    assert_false(slice_ieq_text(SLICE_LIT("gzip"), "gzi"));
    /* Neighbours of the letters, which differ in the same bit as the letters' cases do. */
    assert_false(slice_ieq_text(SLICE_LIT("@[`{"), "`{@["));
    assert_false(slice_ieq_text(SLICE_LIT("\xc4"), "\xe4"));
    assert_true(slice_ieq_text(SLICE_LIT("\xe4"), "\xe4"));
}

static void test_slice_starts(void **state)
{
    (void) state;
    assert_true(slice_starts(SLICE_LIT("chatcmpl-1"), "chatcmpl-"));
    assert_true(slice_starts(SLICE_LIT("chatcmpl-"), "chatcmpl-"));
    assert_false(slice_starts(SLICE_LIT("chatcmpl"), "chatcmpl-"));
    assert_false(slice_starts(SLICE_LIT("chatcmpl-"), "cmpl-"));
    assert_true(slice_starts(SLICE_NONE, ""));
    assert_false(slice_starts(SLICE_NONE, "a"));
}

static void test_decimal_numbers(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"7", 7},
        {"007", 7},
        {"18446744073709551609", UINT64_MAX - 6},
        {"18446744073709551610", UINT64_MAX - 5},
        {"18446744073709551615", UINT64_MAX},
        {"000018446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t value = 99;
        assert_true(slice_to_u64(slice_of(good[i].text), &value));
        assert_true(value == good[i].value);
    }
}

static void test_what_is_no_decimal_number(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        "1\n",
        "/",
        ":",
        "12a",
        "\xb2",
        "abc",
        "18446744073709551616",
        "-0",
        "1,0",
        "1\x80",
        "99999999999999999999999999999999999999",
        "18446744073709551620",
        "184467440737095516150",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t value = 99;
        assert_false(slice_to_u64(slice_of(bad[i]), &value));
        assert_int_equal(value, 99);
    }
    uint64_t value;
    assert_false(slice_to_u64(SLICE_LIT("1\0"), &value));
    assert_false(slice_to_u64(SLICE_NONE, &value));
}

/* ---- memory ---- */

static void test_allocations_are_zeroed(void **state)
{
    (void) state;
    unsigned char *a = x_alloc(300), *b = x_array(30, 10);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(a[i] | b[i], 0);
    }
    free(a);
    free(b);
}

static void test_sizes_of_zero_give_memory(void **state)
{
    (void) state;
    void *rooms[] = {x_alloc(0), x_array(0, 8), x_array(8, 0), x_resize(NULL, 0, 8)};
    for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
        assert_non_null(rooms[i]);
        free(rooms[i]);
    }
}

static void test_resize_keeps_what_was_there(void **state)
{
    (void) state;
    uint32_t *numbers = x_resize(NULL, 4, sizeof(*numbers));
    for (uint32_t i = 0; i < 4; i++) {
        numbers[i] = i * i;
    }
    numbers = x_resize(numbers, 4000, sizeof(*numbers));
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(numbers[i], i * i);
    }
    numbers[3999] = 1;
    free(numbers);
}

static void test_copies_of_text(void **state)
{
    (void) state;
    char *a = x_dup("text"), *b = x_dup_slice(SLICE_LIT("a\0b")), *c = x_dup_slice(SLICE_NONE);
    char *d = x_printf("%s-%04d", "id", 42);
    assert_string_equal(a, "text");
    assert_memory_equal(b, "a\0b", 4);
    assert_string_equal(c, "");
    assert_string_equal(d, "id-0042");
    free(a);
    free(b);
    free(c);
    free(d);
}

/* Whether the process ended abnormally when asked for more memory than there can be. */
static bool dies(void *(*ask)(size_t count))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO); /* a sanitizer has a lot to say about this */
        void *volatile given = ask(SIZE_MAX / 2);
        (void) given;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

/* Half of the addresses can be had where they have 32 bits; an object above PTRDIFF_MAX nowhere. */
static void *ask_alloc(size_t count)
{
    return x_alloc(count + 4);
}

/* The product is 6 in the arithmetic of size_t. */
static void *ask_array(size_t count)
{
    return x_array(count + 4, 2);
}

static void *ask_resize(size_t count)
{
    return x_resize(NULL, count + 4, 2);
}

static void test_allocations_abort_when_memory_is_gone(void **state)
{
    (void) state;
    assert_true(dies(ask_alloc));
    assert_true(dies(ask_array));
    assert_true(dies(ask_resize));
}

/* ---- time and randomness ---- */

static void test_system_clocks(void **state)
{
    (void) state;
    struct env env = env_system();
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t wall = env_wall_us(&env);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(wall >= (int64_t) before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true(wall <= (int64_t) after.tv_sec * 1000000 + after.tv_nsec / 1000);
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t mono = env_mono_us(&env);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true((int64_t) mono >= (int64_t) before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true((int64_t) mono <= (int64_t) after.tv_sec * 1000000 + after.tv_nsec / 1000);
}

static void test_system_randomness_fills_exactly_what_is_asked(void **state)
{
    (void) state;
    struct env env = env_system();
    enum { BYTES = 600 }; /* above 256, the kernel may give less at a time */
    unsigned char a[BYTES + 1], b[BYTES + 1];
    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));
    env.random(env.arg, a, BYTES);
    env.random(env.arg, b, BYTES);
    assert_int_equal(a[BYTES] | b[BYTES], 0);
    /* Any 16 bytes in a row are all zero, or the same twice, with a chance of 2^-128. */
    for (size_t i = 0; i + 16 <= BYTES; i++) {
        assert_memory_not_equal(a + i, b + i, 16);
    }
    env.random(env.arg, a + BYTES, 0);
    assert_int_equal(a[BYTES], 0);
}

static void fill_from_arg(void *arg, void *out, size_t n)
{
    memset(out, *(unsigned char *) arg, n);
}

static void test_uniform_stays_in_its_range(void **state)
{
    (void) state;
    unsigned char byte = 0xff;
    struct env env = {.random = fill_from_arg, .arg = &byte};
    assert_true(env_uniform(&env) < 1.0);
    assert_true(env_uniform(&env) > 0.999999999999999);
    byte = 0;
    assert_true(env_uniform(&env) <= 0.0 && env_uniform(&env) >= 0.0);
    byte = 0x80;
    assert_true(env_uniform(&env) > 0.5 && env_uniform(&env) < 0.502);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_has_code_and_text),
        cmocka_unit_test(test_long_error_is_cut_and_terminated),
        cmocka_unit_test(test_slice_of),
        cmocka_unit_test(test_slice_equality),
        cmocka_unit_test(test_slice_equality_in_either_case),
        cmocka_unit_test(test_slice_starts),
        cmocka_unit_test(test_decimal_numbers),
        cmocka_unit_test(test_what_is_no_decimal_number),
        cmocka_unit_test(test_allocations_are_zeroed),
        cmocka_unit_test(test_sizes_of_zero_give_memory),
        cmocka_unit_test(test_resize_keeps_what_was_there),
        cmocka_unit_test(test_copies_of_text),
        cmocka_unit_test(test_allocations_abort_when_memory_is_gone),
        cmocka_unit_test(test_system_clocks),
        cmocka_unit_test(test_system_randomness_fills_exactly_what_is_asked),
        cmocka_unit_test(test_uniform_stays_in_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
