#include "cache/span.h"

#include "cache/span_scan.h"

#include <string.h>

/* Walking over text that has been validated: bytes are trusted to be well formed, so a string
 * ends at the first quote without a backslash before it and a container where its brackets
 * balance. */

static const char *skip_space(const char *at)
{
    while (span_is_space(*at)) {
        at++;
    }
    return at;
}

/* Behind the first quote that ends the string: one with an even number of backslashes right before
 * it. There is none of either before `at`. */
static const char *skip_long_string(const char *at, const char *end)
{
    for (const char *quote = at;; quote++) {
        quote = memchr(quote, '"', (size_t) (end - quote));
        const char *slash = quote;
        while (slash > at && slash[-1] == '\\') {
            slash--;
        }
        if ((quote - slash) % 2 == 0) {
            return quote + 1;
        }
    }
}

/* Keys and most values are shorter than a call is worth. */
static inline const char *skip_string(const char *at, const char *end)
{
    const char *begin = at + 1;
    at = begin;
    while (end - at >= 8 && at - begin < 32) {
        uint64_t v = span_load(at);
        uint64_t marks = span_marks(v, '"') | span_marks(v, '\\');
        if (marks != 0) {
            at += span_first_mark(marks);
            return *at == '"' ? at + 1 : skip_long_string(at, end);
        }
        at += 8;
    }
    return skip_long_string(at, end);
}

static const char *skip_container(const char *at, const char *end)
{
    static const signed char steps[256] = {['{'] = 1, ['['] = 1, ['}'] = -1, [']'] = -1};
    int depth = 0;
    for (;;) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        depth += steps[(unsigned char) *at++];
        if (depth == 0) {
            return at;
        }
    }
}

static const char *skip_number(const char *at, const char *end)
{
    while (at < end && *at != ',' && *at != ']' && *at != '}' && !span_is_space(*at)) {
        at++;
    }
    return at;
}

static const char *skip_value(const char *at, const char *end, enum span_type *type)
{
    switch (*at) {
    case '"':
        *type = SPAN_STRING;
        return skip_string(at, end);
    case '{':
        *type = SPAN_OBJECT;
        return skip_container(at, end);
    case '[':
        *type = SPAN_ARRAY;
        return skip_container(at, end);
    case 't':
        *type = SPAN_TRUE;
        return at + 4;
    case 'f':
        *type = SPAN_FALSE;
        return at + 5;
    case 'n':
        *type = SPAN_NULL;
        return at + 4;
    default:
        *type = SPAN_NUMBER;
        return skip_number(at, end);
    }
}

bool span_next(struct slice container, struct span_cursor *cursor, struct slice *key,
               struct span_value *value)
{
    const char *end = container.p + container.n;
    const char *at = container.p + cursor->at;
    at = skip_space(cursor->at == 0 ? at + 1 : at);
    if (*at == ',') {
        at = skip_space(at + 1);
    }
    if (*at == '}' || *at == ']') {
        return false;
    }
    const char *start = at;
    if (*container.p == '{') {
        at = skip_string(at, end);
        *key = (struct slice) {start, (size_t) (at - start)};
        at = skip_space(at) + 1; /* the colon */
        at = skip_space(at);
    }
    const char *first = at;
    at = skip_value(at, end, &value->type);
    value->text = (struct slice) {first, (size_t) (at - first)};
    value->member = (struct slice) {start, (size_t) (at - start)};
    cursor->at = (size_t) (at - container.p);
    return true;
}

void span_find(struct slice object, const char *const names[], size_t count,
               struct span_value out[])
{
    struct span_cursor cursor = {0};
    struct slice key = SLICE_NONE;
    struct span_value value;
    for (size_t i = 0; i < count; i++) { /* no memset(): without names `out` may be NULL */
        out[i] = (struct span_value) {.type = SPAN_ABSENT};
    }
    while (span_next(object, &cursor, &key, &value)) {
        size_t i = span_name_index(key, names, count);
        if (i < count && out[i].type == SPAN_ABSENT) {
            out[i] = value; /* of members with the same name the first */
        }
    }
}
