#include "cache/span.h"

#include <string.h>

/* Walking over text that has been validated: bytes are trusted to be well formed, so a string ends at
 * the first quote without a backslash before it and a container where its brackets balance. */

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
        at++;
    }
    return at;
}

/* A quote ends the string unless the backslashes right before it are odd in number. */
static const char *skip_string(const char *at, const char *end)
{
    const char *begin = at + 1;
    const char *quote = begin;
    for (;;) {
        quote = memchr(quote, '"', (size_t) (end - quote));
        const char *slash = quote;
        while (slash > begin && slash[-1] == '\\') {
            slash--;
        }
        if ((quote - slash) % 2 == 0) {
            return quote + 1;
        }
        quote++;
    }
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    for (;;) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            if (depth == 0) {
                return at + 1;
            }
            break;
        default:
            break;
        }
        at++;
    }
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
        while (at < end && (strchr("+-.eE", *at) != NULL || (*at >= '0' && *at <= '9'))) {
            at++;
        }
        return at;
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
    memset(out, 0, count * sizeof(*out));
    while (span_next(object, &cursor, &key, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (out[i].type == SPAN_ABSENT && span_string_eq(key, names[i])) {
                out[i] = value;
                break;
            }
        }
    }
}
