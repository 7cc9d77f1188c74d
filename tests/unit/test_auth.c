#include "gateway/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const some_models[] = {"auto", "auto/math", NULL};
static const char *const no_models[] = {NULL};

struct fixture {
    struct auth_key keys[3];
    struct auth auth;
};

static int set_up(void **state)
{
    static const char *const tokens[] = {"sk-first", "second-token/+=._~", "t"};
    static const char *const names[] = {"first", "second", "third"};
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(f->keys); i++) {
        f->keys[i].name = names[i];
        crypt_sha256(slice_of(tokens[i]), f->keys[i].sha256);
    }
    f->keys[1].allow = some_models;
    f->keys[2].allow = no_models;
    f->auth = (struct auth) {f->keys, ARRAY_LEN(f->keys)};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void expect_found(struct fixture *f, const char *header, size_t index)
{
    enum auth_answer answer = AUTH_UNKNOWN;
    assert_ptr_equal(auth_find(&f->auth, slice_of(header), &answer), &f->keys[index]);
    assert_int_equal(answer, AUTH_OK);
}

static void expect_refused(struct fixture *f, struct slice header, enum auth_answer expected)
{
    enum auth_answer answer = AUTH_OK;
    assert_null(auth_find(&f->auth, header, &answer));
    assert_int_equal(answer, expected);
}

static void test_every_key_is_found(void **state)
{
    struct fixture *f = *state;
    expect_found(f, "Bearer sk-first", 0);
    expect_found(f, "Bearer second-token/+=._~", 1);
    expect_found(f, "Bearer t", 2);
}

/* The digest of a published test vector, as a person would paste it into the configuration. */
static void test_the_digest_is_plain_sha256(void **state)
{
    struct fixture *f = *state;
    assert_true(
        crypt_unhex(SLICE_LIT("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
                    f->keys[1].sha256, SHA256_BYTES));
    expect_found(f, "Bearer abc", 1);
}

static void test_the_scheme_in_any_case_and_with_more_spaces(void **state)
{
    struct fixture *f = *state;
    expect_found(f, "bearer sk-first", 0);
    expect_found(f, "BEARER sk-first", 0);
    expect_found(f, "bEaReR    sk-first", 0);
}

static void test_missing(void **state)
{
    struct fixture *f = *state;
    expect_refused(f, SLICE_NONE, AUTH_MISSING);
    expect_refused(f, SLICE_LIT(""), AUTH_MISSING);
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {
        "sk-first",          "Bearer",           "Bearer ",
        "Bearer    ",        "Bearersk-first",   "Bearer\tsk-first",
        "Basic sk-first",    "Bearer sk-first ", "Bearer sk first",
        " Bearer sk-first",  "Bearer: sk-first", "Bearer sk-first, Bearer t",
        "Bearer sk-first\t", "Bearer \x7f",      "Bearer \xc3\xa4",
        "Beare sk-first",    "Bearerx sk-first", "t"};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        expect_refused(f, slice_of(headers[i]), AUTH_MALFORMED);
    }
    expect_refused(f, (struct slice) {"Bearer t\0", 9}, AUTH_MALFORMED);
}

static void test_unknown(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {"Bearer sk-firs", "Bearer sk-first1", "Bearer SK-FIRST",
                                          "Bearer T",       "Bearer tt",        "Bearer Bearer"};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        expect_refused(f, slice_of(headers[i]), AUTH_UNKNOWN);
    }
    struct auth none = {NULL, 0};
    enum auth_answer answer;
    assert_null(auth_find(&none, SLICE_LIT("Bearer t"), &answer));
    assert_int_equal(answer, AUTH_UNKNOWN);
}

/* A digest that is nearly right in any one bit is not right. */
static void test_all_bits_of_a_digest_count(void **state)
{
    struct fixture *f = *state;
    for (size_t bit = 0; bit < 8 * SHA256_BYTES; bit++) {
        f->keys[0].sha256[bit / 8] ^= (unsigned char) (1 << bit % 8);
        expect_refused(f, SLICE_LIT("Bearer sk-first"), AUTH_UNKNOWN);
        f->keys[0].sha256[bit / 8] ^= (unsigned char) (1 << bit % 8);
    }
    expect_found(f, "Bearer sk-first", 0);
}

/* The header ends where the slice ends: cut at every byte, in memory of exactly that size. */
static void test_cut_at_every_byte(void **state)
{
    struct fixture *f = *state;
    static const char header[] = "Bearer second-token/+=._~";
    for (size_t n = 1; n < sizeof(header) - 1; n++) {
        char *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, header, n);
        expect_refused(f, (struct slice) {copy, n}, n <= 7 ? AUTH_MALFORMED : AUTH_UNKNOWN);
        free(copy);
    }
}

static void test_tags(void **state)
{
    struct fixture *f = *state;
    struct install_key a = {{1}}, b = {{2}};
    auth_tag(&f->auth, &a);
    for (size_t i = 0; i < f->auth.count; i++) {
        assert_int_equal(f->keys[i].key_tag, crypt_tag(&a, "key", slice_of(f->keys[i].name)));
    }
    uint32_t first = f->keys[0].key_tag;
    assert_int_not_equal(first, f->keys[1].key_tag);
    auth_tag(&f->auth, &b);
    assert_int_not_equal(first, f->keys[0].key_tag);
}

static void test_allowed_models(void **state)
{
    struct fixture *f = *state;
    assert_true(auth_allows(&f->keys[1], SLICE_LIT("auto")));
    assert_true(auth_allows(&f->keys[1], SLICE_LIT("auto/math")));
    static const char *const others[] = {"",           "aut",  "auto/", "auto/mat",
                                         "auto/maths", "AUTO", "gpt-4o"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(auth_allows(&f->keys[1], slice_of(others[i])));
        assert_true(auth_allows(&f->keys[0], slice_of(others[i])));
        assert_true(auth_allows(&f->keys[2], slice_of(others[i])));
        assert_true(auth_allows(NULL, slice_of(others[i])));
    }
    assert_false(auth_allows(&f->keys[1], (struct slice) {"auto\0x", 6}));
}

static void test_anonymous(void **state)
{
    (void) state;
    assert_true(auth_anonymous_ok(true, false));
    assert_false(auth_anonymous_ok(true, true));
    assert_false(auth_anonymous_ok(false, false));
    assert_false(auth_anonymous_ok(false, true));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_key_is_found),
        TEST(test_the_digest_is_plain_sha256),
        TEST(test_the_scheme_in_any_case_and_with_more_spaces),
        TEST(test_missing),
        TEST(test_malformed),
        TEST(test_unknown),
        TEST(test_all_bits_of_a_digest_count),
        TEST(test_cut_at_every_byte),
        TEST(test_tags),
        TEST(test_allowed_models),
        TEST(test_anonymous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
