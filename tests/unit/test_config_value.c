#include "gateway/config_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000, SECOND = 1000 * 1000 };

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t us;
    } cases[] = {
        {"250ms", 250 * MS},
        {"15s", 15 * SECOND},
        {"2m", 120ull * SECOND},
        {"1h", 3600ull * SECOND},
        {"7d", 604800ull * SECOND},
        {"0s", 0},
        {"0ms", 0},
        {"213503982d", 213503982ull * 86400 * SECOND},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t us = 1;
        assert_true(config_value_duration(slice_of(cases[i].text), &us));
        assert_true(us == cases[i].us);
    }
}

static void no_durations(void **state)
{
    static const char *const cases[] = {
        "",     "15",    "s",   "15 s",  " 15s", "15s ", "-1s",        "+1s",
        "1.5s", "1m30s", "15S", "15sec", "us",   "1us",  "213503983d", "99999999999999999999s",
        "0x10s"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t us;
        assert_false(config_value_duration(slice_of(cases[i]), &us));
    }
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1KB", 1000},
        {"64KiB", 65536},
        {"1MB", 1000 * 1000},
        {"32MiB", 32u << 20},
        {"1GB", 1000u * 1000 * 1000},
        {"1GiB", 1u << 30},
        {"17179869183GiB", 17179869183ull << 30},
        {"18446744073709551615", UINT64_MAX},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 1;
        assert_true(config_value_size(slice_of(cases[i].text), &bytes));
        assert_true(bytes == cases[i].bytes);
    }
}

static void no_sizes(void **state)
{
    static const char *const cases[] = {
        "",    "KiB", "1K",   "1kb",   "1 MiB",          "1.5MiB",
        "-1B", "1Mi", "1TiB", "1MiBs", "17179869184GiB", "18446744073709551616"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes;
        assert_false(config_value_size(slice_of(cases[i]), &bytes));
    }
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        double number;
    } cases[] = {{"0", 0},           {"7", 7},       {"0.05", 0.05}, {"1e9", 1e9},
                 {"8.03e9", 8.03e9}, {"1E-3", 1e-3}, {"1e+2", 100},  {"1e300", 1e300}};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double number = -1;
        assert_true(config_value_number(slice_of(cases[i].text), &number));
        assert_true(number >= cases[i].number && number <= cases[i].number);
    }
}

static void no_numbers(void **state)
{
    static const char *const cases[] = {
        "",     "-1",    "+1",   ".5",
        "5.",   "1e",    "1e+",  "0x10",
        "inf",  "nan",   "1,5",  "1_0",
        "1 ",   "1e309",

        "1e9x", "--",    "1..2", "10000000000000000000000000000000"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double number;
        assert_false(config_value_number(slice_of(cases[i]), &number));
    }
}

/* A slice is not terminated: what stands behind it must not be read. */
static void only_the_slice_is_read(void **state)
{
    struct slice number = {"1e95", 3};
    struct slice time = {"15s5", 3};
    double d;
    uint64_t us;
    (void) state;
    assert_true(config_value_number(number, &d));
    assert_true(d >= 1e9 && d <= 1e9);
    assert_true(config_value_duration(time, &us));
    assert_true(us == 15 * SECOND);
}

static void texts_read_back(void **state)
{
    static const char *const times[] = {"0s", "1ms", "250ms", "1s", "75s",   "90s",
                                        "1m", "1h",  "25h",   "1d", "1001ms"};
    static const char *const bytes[] = {"0B",   "1B",     "1000B", "64KiB", "1KB",
                                        "1MiB", "1500KB", "1GB",   "3GiB"};
    static const char *const values[] = {"0",    "0.05",   "1e9",  "8.03e9",           "0.1",
                                         "1e15", "131072", "1e-7", "0.333333333333333"};
    char out[CONFIG_VALUE_TEXT_BYTES];
    uint64_t n;
    uint64_t again;
    double d;
    double other;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        assert_true(config_value_duration(slice_of(times[i]), &n));
        assert_true(config_value_duration(slice_of(config_value_duration_text(n, out)), &again));
        assert_true(n == again);
    }
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        assert_true(config_value_size(slice_of(bytes[i]), &n));
        assert_true(config_value_size(slice_of(config_value_size_text(n, out)), &again));
        assert_true(n == again);
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        assert_true(config_value_number(slice_of(values[i]), &d));
        assert_true(config_value_number(slice_of(config_value_number_text(d, out)), &other));
        assert_true(d >= other && d <= other);
    }
}

static void texts_are_short(void **state)
{
    char out[CONFIG_VALUE_TEXT_BYTES];
    (void) state;
    assert_string_equal(config_value_duration_text(0, out), "0s");
    assert_string_equal(config_value_duration_text(600ull * SECOND, out), "10m");
    assert_string_equal(config_value_duration_text(75ull * SECOND, out), "75s");
    assert_string_equal(config_value_size_text(32u << 20, out), "32MiB");
    assert_string_equal(config_value_size_text(0, out), "0B");
    assert_string_equal(config_value_number_text(1e9, out), "1e9");
    assert_string_equal(config_value_number_text(1e6, out), "1e6");
    assert_string_equal(config_value_number_text(0.1, out), "0.1");
    assert_string_equal(config_value_number_text(1.0 / 3, out), "0.3333333333333333");
}

static struct slice many(char c, size_t n)
{
    static char text[5000];
    memset(text, c, n);
    return (struct slice) {text, n};
}

static void names(void **state)
{
    (void) state;
    assert_true(config_value_is_name(SLICE_LIT("app-1.b_C")));
    assert_true(config_value_is_name(many('a', 63)));
    assert_false(config_value_is_name(many('a', 64)));
    assert_false(config_value_is_name(SLICE_LIT("")));
    assert_false(config_value_is_name(SLICE_LIT(".a")));
    assert_false(config_value_is_name(SLICE_LIT("a b")));
    assert_false(config_value_is_name(SLICE_LIT("a:b")));
    assert_false(config_value_is_name(SLICE_LIT("a\0b")));
    assert_false(config_value_is_name(SLICE_LIT("\xc3\xa4")));
    assert_true(config_value_is_model_name(SLICE_LIT("meta/llama3.2:1b@q4+x")));
    assert_false(config_value_is_model_name(SLICE_LIT("/llama")));
    assert_false(config_value_is_model_name(SLICE_LIT("a=b")));
    assert_true(config_value_is_reserved(SLICE_LIT("auto")));
    assert_true(config_value_is_reserved(SLICE_LIT("auto/math")));
    assert_true(config_value_is_reserved(SLICE_LIT("graph/panel")));
    assert_false(config_value_is_reserved(SLICE_LIT("automatic")));
    assert_false(config_value_is_reserved(SLICE_LIT("graph")));
}

static void secrets(void **state)
{
    (void) state;
    assert_true(config_value_is_env_name(SLICE_LIT("_OPENAI_API_KEY2")));
    assert_false(config_value_is_env_name(SLICE_LIT("2KEY")));
    assert_false(config_value_is_env_name(SLICE_LIT("sk-1234")));
    assert_false(config_value_is_env_name(SLICE_LIT("")));
    assert_false(config_value_is_env_name(many('A', 128)));
    assert_true(config_value_is_token(SLICE_LIT("sk-~!/+=")));
    assert_true(config_value_is_token(many('k', 4096)));
    assert_false(config_value_is_token(many('k', 4097)));
    assert_false(config_value_is_token(SLICE_LIT("")));
    assert_false(config_value_is_token(SLICE_LIT("a b")));
    assert_false(config_value_is_token(SLICE_LIT("a\r\nHost: b")));
    assert_false(config_value_is_token(SLICE_LIT("\xc3\xa4")));
}

static void origins(void **state)
{
    (void) state;
    assert_true(config_value_is_origin(SLICE_LIT("*")));
    assert_true(config_value_is_origin(SLICE_LIT("https://app.example")));
    assert_true(config_value_is_origin(SLICE_LIT("http://localhost:3000")));
    assert_true(config_value_is_origin(SLICE_LIT("http://[::1]:3000")));
    assert_false(config_value_is_origin(SLICE_LIT("https://app.example/")));
    assert_false(config_value_is_origin(SLICE_LIT("https://App.example")));
    assert_false(config_value_is_origin(SLICE_LIT("app.example")));
    assert_false(config_value_is_origin(SLICE_LIT("null")));
    assert_false(config_value_is_origin(SLICE_LIT("https://a b")));
    assert_false(config_value_is_origin(SLICE_LIT("https://")));
}

static void urls(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:11434/v1", "https://api.example",
                                       "https://a-b_c.example:443/x/v1", "http://[::1]:8080/v1",
                                       "http://h/a@b"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_null(config_value_url_fault(slice_of(good[i])));
    }
}

static void no_urls(void **state)
{
    static const struct {
        const char *text;
        const char *fault;
    } cases[] = {
        {"", "neither"},
        {"ftp://h/v1", "neither"},
        {"h:80/v1", "neither"},
        {"HTTP://h", "neither"},
        {"http://h/v1/", "slash"},
        {"http://", "host"},
        {"http://u:p@h/v1", "user name"},
        {"http://h/v1?key=x", "query"},
        {"http://h#x", "query"},
        {"http://h/v1/chat/completions", "endpoint"},
        {"http://h/v1/completions", "endpoint"},
        {"http://h/v1/embeddings", "endpoint"},
        {"http://h:0/v1", "port"},
        {"http://h:65536/v1", "port"},
        {"http://h:/v1", "port"},
        {"http://h:99999999999999999999", "port"},
        {"http://:80", "host"},
        {"http://h:x/v1", "host"},
        {"http://[::1/v1", "host"},
        {"http://[]/v1", "host"},
        {"http://a b/v1", "spaces"},
        {"http://\xc3\xa4.example", "spaces"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *fault = config_value_url_fault(slice_of(cases[i].text));
        assert_non_null(fault);
        assert_non_null(strstr(fault, cases[i].fault));
    }
    assert_non_null(config_value_url_fault(many('h', 1025)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(no_durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(no_sizes),
        cmocka_unit_test(numbers),
        cmocka_unit_test(no_numbers),
        cmocka_unit_test(only_the_slice_is_read),
        cmocka_unit_test(texts_read_back),
        cmocka_unit_test(texts_are_short),
        cmocka_unit_test(names),
        cmocka_unit_test(secrets),
        cmocka_unit_test(origins),
        cmocka_unit_test(urls),
        cmocka_unit_test(no_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
