/* A strict reader of the log's lines. */
#ifndef TESTS_UNIT_LOG_PAIRS_H
#define TESTS_UNIT_LOG_PAIRS_H

#include "gateway/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    char key[32];
    char value[2 * LOG_VALUE_MAX];
    size_t value_length;
};

static inline unsigned hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, c);

    assert_true(c != '\0' && at != NULL);
    return (unsigned) (at - digits);
}

static inline const char *read_escape(const char *p, char *out)
{
    static const char from[] = "nrt\"\\";
    static const char to[] = "\n\r\t\"\\";
    const char *at = strchr(from, *p);

    if (*p == 'x') {
        *out = (char) (hex_digit(p[1]) << 4 | hex_digit(p[2]));
        return p + 3;
    }
    assert_true(*p != '\0' && at != NULL);
    *out = to[at - from];
    return p + 1;
}

/* Reads one pair at p, returns what follows it; `end` is where the newline stands. */
static inline const char *read_pair(const char *p, const char *end, struct pair *out)
{
    size_t n = 0;

    while (p < end && *p != '=') {
        assert_true((*p >= 'a' && *p <= 'z') || *p == '_');
        assert_true(n + 1 < sizeof(out->key));
        out->key[n++] = *p++;
    }
    assert_true(p < end && n > 0);
    out->key[n] = '\0';
    n = 0;
    p++;
    if (*p == '"') {
        p++;
        while (*p != '"') {
            assert_true(p < end && *p >= ' ' && *p < 0x7f);
            if (*p == '\\') {
                p = read_escape(p + 1, &out->value[n++]);
            } else {
                out->value[n++] = *p++;
            }
        }
        p++;
    } else {
        while (p < end && *p != ' ') {
            assert_true(*p > ' ' && *p < 0x7f && *p != '"' && *p != '\\' && *p != '=');
            out->value[n++] = *p++;
        }
        assert_true(n > 0);
    }
    out->value_length = n;
    out->value[n] = '\0';
    if (p < end) {
        assert_int_equal(*p, ' ');
        p++;
        assert_true(p < end);
    }
    return p;
}

/* The value of `key` in one whole line, which must be well formed; false when it is not there. */
static inline bool find_value(const char *line, size_t length, const char *key, struct pair *out)
{
    const char *p = line;
    const char *end = line + length - 1;
    struct pair pair;
    bool found = false;

    assert_int_equal(*end, '\n');
    assert_null(memchr(line, '\n', length - 1));
    while (p < end) {
        p = read_pair(p, end, &pair);
        if (strcmp(pair.key, key) == 0) {
            assert_false(found);
            found = true;
            *out = pair;
        }
    }
    return found;
}

#endif
