/* What upstreams send as an error, in the shapes that are about. */
#include "router/chunk.h"

#include <string.h>

enum error_member { ERROR_MESSAGE, ERROR_TYPE, ERROR_PARAM, ERROR_CODE, ERROR_COUNT };

static const char *const error_names[] = {"message", "type", "param", "code"};

/* Codes are numbers at some providers; what has members of its own is no value for our clients. */
static struct slice scalar(const struct span_value *v)
{
    switch (v->type) {
    case SPAN_NULL:
    case SPAN_FALSE:
    case SPAN_TRUE:
    case SPAN_NUMBER:
    case SPAN_STRING:
        return v->text;
    case SPAN_ABSENT:
    case SPAN_ARRAY:
    case SPAN_OBJECT:
        break;
    }
    return SLICE_NONE;
}

static void read_members(struct slice object, struct chunk_error *out)
{
    struct span_value m[ERROR_COUNT];

    span_find(object, error_names, ERROR_COUNT, m);
    if (m[ERROR_MESSAGE].type == SPAN_STRING) {
        out->message = m[ERROR_MESSAGE].text;
    }
    out->type = scalar(&m[ERROR_TYPE]);
    out->param = scalar(&m[ERROR_PARAM]);
    out->code = scalar(&m[ERROR_CODE]);
}

static bool read_object(struct slice object, struct chunk_error *out)
{
    static const char *const names[] = {"error", "object"};
    struct span_value m[ARRAY_LEN(names)];

    span_find(object, names, ARRAY_LEN(names), m);
    if (m[0].type == SPAN_OBJECT) {
        read_members(m[0].text, out);
        return true;
    }
    if (m[0].type == SPAN_STRING) {
        out->message = m[0].text;
        return true;
    }
    if (m[1].type == SPAN_STRING && span_string_eq(m[1].text, "error")) {
        read_members(object, out);
        return true;
    }
    return false;
}

/* The text without white space around it. */
static struct slice trim(struct slice s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL && s.p[0] != '\0') {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL && s.p[s.n - 1] != '\0') {
        s.n--;
    }
    return s;
}

bool chunk_error(struct slice json, struct chunk_error *out)
{
    struct span_cursor cursor = {0};
    struct span_value only;
    struct span_value other;
    struct span_error bad;
    struct slice key;

    memset(out, 0, sizeof(*out));
    if (span_check(json, &bad) != ERR_NONE) {
        return false;
    }
    json = trim(json);
    if (json.p[0] == '[') {
        if (!span_next(json, &cursor, &key, &only) || only.type != SPAN_OBJECT ||
            span_next(json, &cursor, &key, &other)) {
            return false;
        }
        json = only.text;
    }
    return json.p[0] == '{' && read_object(json, out);
}
