#include "gateway/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct install_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};
static const int64_t noon_us = INT64_C(1767268800123456);

/* A terminated id in memory of exactly its size, so that a look beyond it is seen. */
static bool is_ours(const char *text, struct ident *out)
{
    size_t n = strlen(text);
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    enum err rc = ident_check(&key, (struct slice) {copy, n}, out);
    free(copy);
    assert_true(rc == ERR_NONE || rc == ERR_INPUT);
    return rc == ERR_NONE;
}

static void make(char out[RECORD_ID_BYTES])
{
    struct ident_maker m;
    ident_maker_init(&m, &key, 0xb0070001, 3);
    ident_make(&m, noon_us, 0xaabbccdd, 0x00112233, out);
}

static void test_round_trip(void **state)
{
    (void) state;
    struct ident_maker m;
    char text[RECORD_ID_BYTES];
    struct ident id;
    ident_maker_init(&m, &key, 0xfffefdfc, 255);
    for (uint32_t i = 0; i < 300; i++) {
        ident_make(&m, noon_us + i * 1000, 0xf0f1f2f3 + i, 0x01020304 - i, text);
        assert_int_equal(strlen(text), IDENT_TEXT);
        assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyz234567"), IDENT_TEXT);
        assert_true(is_ours(text, &id));
        assert_int_equal(id.wall_ms, UINT64_C(1767268800123) + i);
        assert_int_equal(id.key_tag, 0xf0f1f2f3 + i);
        assert_int_equal(id.task_tag, 0x01020304 - i);
        assert_int_equal(id.boot, 0xfffefdfc);
        assert_int_equal(id.front, 255);
        assert_int_equal(id.sequence, i);
    }
}

/* The layout in the header is a promise to whoever reads old ids. */
static void test_layout(void **state)
{
    (void) state;
    static const unsigned char expected[] = {0x01, 0x9b, 0x79, 0x6d, 0xd6, 0x7b, /* ms */
                                             0xaa, 0xbb, 0xcc, 0xdd,             /* key */
                                             0x00, 0x11, 0x22, 0x33,             /* task */
                                             0xb0, 0x07, 0x00, 0x01,             /* boot */
                                             0x03, 0x00, 0x00, 0x00};
    unsigned char bytes[IDENT_BYTES], mac[SHA256_BYTES];
    char text[RECORD_ID_BYTES], signed_text[3 + sizeof(expected)] = {'i', 'd', '\0'};
    make(text);
    assert_true(crypt_unbase32(slice_of(text), bytes, sizeof(bytes)));
    assert_memory_equal(bytes, expected, sizeof(expected));
    memcpy(signed_text + 3, expected, sizeof(expected));
    crypt_hmac(&key, (struct slice) {signed_text, sizeof(signed_text)}, mac);
    assert_memory_equal(bytes + sizeof(expected), mac, sizeof(bytes) - sizeof(expected));
}

static void test_prefixes(void **state)
{
    (void) state;
    char text[RECORD_ID_BYTES], longer[RECORD_ID_BYTES + 32];
    struct ident id;
    make(text);
    static const char *const good[] = {"", "chatcmpl-", "cmpl-"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(longer, sizeof(longer), "%s%s", good[i], text);
        assert_true(is_ours(longer, &id));
        assert_int_equal(id.key_tag, 0xaabbccdd);
    }
    static const char *const bad[] = {"-",          "chatcmpl", "CHATCMPL-", "cmpl-cmpl-",
                                      "chatcmpl--", "resp_",    " ",         "chatcmpl-cmpl-"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(longer, sizeof(longer), "%s%s", bad[i], text);
        assert_false(is_ours(longer, &id));
    }
}

static void test_every_change_of_a_character_is_refused(void **state)
{
    (void) state;
    char text[RECORD_ID_BYTES];
    struct ident id;
    make(text);
    for (size_t i = 0; i < IDENT_TEXT; i++) {
        char was = text[i];
        for (int c = 1; c < 256; c++) {
            text[i] = (char) c;
            assert_true(is_ours(text, &id) == (text[i] == was));
        }
        text[i] = was;
    }
}

static void test_other_lengths_are_refused(void **state)
{
    (void) state;
    char text[RECORD_ID_BYTES], longer[RECORD_ID_BYTES + 32];
    struct ident id;
    make(text);
    snprintf(longer, sizeof(longer), "chatcmpl-%s", text);
    for (size_t n = 0; n < strlen(longer); n++) {
        assert_int_equal(ident_check(&key, (struct slice) {longer, n}, &id), ERR_INPUT);
    }
    for (size_t from = 1; from < strlen(longer); from++) {
        assert_true(is_ours(longer + from, &id) == (from == 4 || from == 9));
    }
    static const char *const tails[] = {"a", "=", "\n", " ", "-"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(longer, sizeof(longer), "%s%s", text, tails[i]);
        assert_false(is_ours(longer, &id));
    }
    assert_int_equal(ident_check(&key, SLICE_NONE, &id), ERR_INPUT);
    assert_int_equal(ident_check(&key, (struct slice) {text, IDENT_TEXT}, &id), ERR_NONE);
    text[20] = '\0';
    assert_int_equal(ident_check(&key, (struct slice) {text, IDENT_TEXT}, &id), ERR_INPUT);
}

static void test_upper_case_is_refused(void **state)
{
    (void) state;
    char text[RECORD_ID_BYTES];
    struct ident id;
    make(text);
    for (size_t i = 0; i < IDENT_TEXT; i++) {
        if (text[i] >= 'a') {
            text[i] = (char) (text[i] - 'a' + 'A');
        }
    }
    assert_false(is_ours(text, &id));
}

static void test_another_key_is_refused_and_leaves_the_result_alone(void **state)
{
    (void) state;
    char text[RECORD_ID_BYTES];
    struct ident id = {.sequence = 77};
    struct install_key other = key;
    make(text);
    for (size_t i = 0; i < INSTALL_KEY_BYTES; i++) {
        other.bytes[i] ^= 1;
        assert_int_equal(ident_check(&other, slice_of(text), &id), ERR_INPUT);
        other.bytes[i] ^= 1;
    }
    assert_int_equal(id.sequence, 77);
    assert_int_equal(ident_check(&other, slice_of(text), &id), ERR_NONE);
    assert_int_equal(id.sequence, 0);
}

static void test_no_two_are_alike(void **state)
{
    (void) state;
    struct ident_maker a, b, c;
    char texts[6][RECORD_ID_BYTES];
    ident_maker_init(&a, &key, 1, 0);
    ident_maker_init(&b, &key, 1, 1);
    ident_maker_init(&c, &key, 2, 0);
    ident_make(&a, noon_us, 5, 6, texts[0]);
    ident_make(&a, noon_us, 5, 6, texts[1]);
    ident_make(&b, noon_us, 5, 6, texts[2]);
    ident_make(&b, noon_us, 5, 6, texts[3]);
    ident_make(&c, noon_us, 5, 6, texts[4]);
    ident_make(&c, noon_us, 5, 6, texts[5]);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(texts[i], texts[j]);
        }
    }
}

static void test_the_sequence_runs_over_into_itself_only(void **state)
{
    (void) state;
    struct ident_maker m;
    char text[RECORD_ID_BYTES];
    struct ident id;
    ident_maker_init(&m, &key, 9, 7);
    m.sequence = 0xffffff;
    ident_make(&m, noon_us, 1, 2, text);
    assert_true(is_ours(text, &id));
    assert_int_equal(id.sequence, 0xffffff);
    ident_make(&m, noon_us, 1, 2, text);
    assert_true(is_ours(text, &id));
    assert_int_equal(id.sequence, 0);
    assert_int_equal(id.front, 7);
    assert_int_equal(id.boot, 9);
}

static void test_clocks_that_are_wrong(void **state)
{
    (void) state;
    static const struct {
        int64_t wall_us;
        uint64_t wall_ms;
    } cases[] = {{0, 0}, {-5, 0}, {INT64_MIN, 0}, {999, 0}, {1000, 1}};
    struct ident_maker m;
    char text[RECORD_ID_BYTES];
    struct ident id;
    ident_maker_init(&m, &key, 1, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ident_make(&m, cases[i].wall_us, 1, 2, text);
        assert_true(is_ours(text, &id));
        assert_int_equal(id.wall_ms, cases[i].wall_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_every_change_of_a_character_is_refused),
        cmocka_unit_test(test_other_lengths_are_refused),
        cmocka_unit_test(test_upper_case_is_refused),
        cmocka_unit_test(test_another_key_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(test_no_two_are_alike),
        cmocka_unit_test(test_the_sequence_runs_over_into_itself_only),
        cmocka_unit_test(test_clocks_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
