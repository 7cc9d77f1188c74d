/* The scanner against jansson: both accept the same texts but for the differences that span.h
 * states, and what span_next(), span_find() and span_object() give is what stands in jansson's
 * tree. Any bytes, taken as text, survive escaping and decoding. */
#include "cache/span.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Memory of exactly these bytes, so that the sanitizer sees a read past them. */
static char *copy_of(const void *bytes, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);
    must(copy != NULL);
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    return copy;
}

/* ---- strings ---- */

static char *decoded(struct slice string, size_t *n)
{
    *n = span_decode(string, NULL, 0);
    char *text = copy_of(string.p, *n <= string.n ? *n : 0);
    must(*n <= string.n && span_decode(string, text, *n) == *n);
    return text;
}

static void check_string(struct slice string, const char *expected, size_t n)
{
    size_t length;
    char *text = decoded(string, &length);
    struct slice inside;
    must(length == n && memcmp(text, expected, n) == 0);
    must(span_plain(string, &inside) == (memchr(string.p, '\\', string.n) == NULL));
    must(inside.p == string.p + 1 && inside.n == string.n - 2);
    must(span_string_eq(string, expected) == (strlen(expected) == n));
    char part[8];
    must(span_decode(string, part, sizeof(part)) == n);
    must(memcmp(part, expected, n < sizeof(part) ? n : sizeof(part)) == 0);
    free(text);
}

static void check_escaping(const char *text, size_t size)
{
    struct slice all = {text, size};
    size_t n = span_escaped_length(all);
    char *string = malloc(n + 2), *part = malloc(n / 2 + 1);
    struct span_error error;
    must(string != NULL && part != NULL);
    string[0] = string[n + 1] = '"';
    must(span_escape(all, string + 1, n) == n);
    must(span_escape(all, part, n / 2) == n);
    must(memcmp(part, string + 1, n / 2) == 0);
    must(span_check((struct slice) {string, n + 2}, &error) == ERR_NONE);

    json_t *is_utf8 = json_stringn(text, size);
    json_t *tree = json_loadb(string, n + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    must(json_is_string(tree));
    must(!is_utf8 || json_equal(is_utf8, tree));
    check_string((struct slice) {string, n + 2}, json_string_value(tree), json_string_length(tree));
    json_decref(is_utf8);
    json_decref(tree);
    free(string);
    free(part);
}

/* ---- trees ---- */

static void check_value(const struct span_value *v, const json_t *tree);

static void check_number(const struct span_value *v, const json_t *tree)
{
    uint64_t natural;
    double number;
    bool is_natural = span_to_u64(v, &natural);
    must(v->type == SPAN_NUMBER);
    must(span_to_double(v, &number) || v->text.n > SPAN_NUMBER_MAX);
    if (json_is_integer(tree)) {
        json_int_t n = json_integer_value(tree);
        must(is_natural == (v->text.p[0] != '-'));
        must(!is_natural || natural == (uint64_t) n);
        must(v->text.n > SPAN_NUMBER_MAX || memcmp(&number, &(double) {(double) n}, 8) == 0 ||
             n == 0);
    } else {
        double same = json_real_value(tree);
        must(json_is_real(tree) && !is_natural);
        must(v->text.n > SPAN_NUMBER_MAX || memcmp(&number, &same, sizeof(same)) == 0);
    }
}

static void check_array(struct slice array, const json_t *tree)
{
    struct span_cursor cursor = {0};
    struct span_value v;
    struct slice key = SLICE_NONE;
    size_t count = 0;
    while (span_next(array, &cursor, &key, &v)) {
        must(v.member.p == v.text.p && v.member.n == v.text.n);
        check_value(&v, json_array_get(tree, count++));
    }
    must(key.p == NULL && count == json_array_size(tree));
    must(!span_next(array, &cursor, &key, &v));
}

/* Whether a member of this name stands before `cursor` (first) or behind it (last). */
static bool has_name(struct slice object, size_t from, size_t until, const char *name, size_t n)
{
    struct span_cursor cursor = {from};
    struct span_value v;
    struct slice key;
    bool found = false;
    while (!found && cursor.at < until && span_next(object, &cursor, &key, &v) &&
           cursor.at <= until) {
        size_t length;
        char *other = decoded(key, &length);
        found = length == n && memcmp(other, name, n) == 0;
        free(other);
    }
    return found;
}

static bool is_same(const struct span_value *a, const struct span_value *b)
{
    return a->type == b->type && a->text.p == b->text.p && a->text.n == b->text.n &&
           a->member.p == b->member.p && a->member.n == b->member.n;
}

/* A name that stands twice: span_find() takes the first, span_object() refuses, jansson has the
 * last. */
static void check_search(struct slice object, const char *name, const struct span_value *v,
                         bool is_first, bool is_last)
{
    const char *const names[] = {"no such name", name, "model"};
    struct span_value found[3], same[3];
    struct span_error error;
    span_find(object, names, 3, found);
    must(found[0].type == SPAN_ABSENT || has_name(object, 0, object.n, names[0], strlen(names[0])));
    must(is_same(&found[1], v) == is_first);
    enum err rc = span_object(object, names, 3, same, &error);
    if (rc == ERR_NONE) {
        must(is_first && is_last && memcmp(&found[1].text, &same[1].text, sizeof(v->text)) == 0);
        must(is_same(&found[1], &same[1]) && is_same(&found[2], &same[2]));
    } else {
        must(error.offset < object.n && strcmp(error.what, "duplicate member") == 0);
        must(object.p[error.offset] == '"');
    }
    must(!is_first || is_last || rc == ERR_INPUT);
}

static void check_object(struct slice object, const json_t *tree)
{
    struct span_cursor cursor = {0};
    struct span_value v;
    struct slice key;
    size_t count = 0, begin = 0;
    while (span_next(object, &cursor, &key, &v)) {
        size_t n;
        char *bytes = decoded(key, &n);
        char *name = x_dup_slice((struct slice) {bytes, n});
        const json_t *value = json_object_getn(tree, name, n);
        bool is_first = begin == 0 || !has_name(object, 0, begin, name, n);
        bool is_last = !has_name(object, cursor.at, object.n, name, n);
        must(v.member.p == key.p && v.member.p + v.member.n == v.text.p + v.text.n);
        must(value != NULL && strlen(name) == n);
        check_string(key, name, n);
        check_search(object, name, &v, is_first, is_last);
        if (is_last) {
            count++;
            check_value(&v, value);
        }
        begin = cursor.at;
        free(bytes);
        free(name);
    }
    must(count == json_object_size(tree));
    must(!span_next(object, &cursor, &key, &v));
}

static void check_value(const struct span_value *v, const json_t *tree)
{
    must(tree != NULL);
    switch (json_typeof(tree)) {
    case JSON_NULL:
        must(v->type == SPAN_NULL && slice_eq_text(v->text, "null"));
        break;
    case JSON_FALSE:
        must(v->type == SPAN_FALSE && slice_eq_text(v->text, "false"));
        break;
    case JSON_TRUE:
        must(v->type == SPAN_TRUE && slice_eq_text(v->text, "true"));
        break;
    case JSON_STRING:
        must(v->type == SPAN_STRING);
        check_string(v->text, json_string_value(tree), json_string_length(tree));
        break;
    case JSON_ARRAY:
        must(v->type == SPAN_ARRAY);
        check_array(v->text, tree);
        break;
    case JSON_OBJECT:
        must(v->type == SPAN_OBJECT);
        check_object(v->text, tree);
        break;
    default:
        check_number(v, tree);
        break;
    }
}

/* ---- whole texts ---- */

/* Of a text that jansson accepts: its brackets outside of strings balance. */
static size_t depth_of(struct slice text)
{
    size_t depth = 0, deepest = 0;
    bool is_inside = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"') {
            is_inside = !is_inside;
        } else if (is_inside) {
            i += c == '\\';
        } else if (c == '[' || c == '{') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return deepest;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct slice trimmed(struct slice text)
{
    while (text.n > 0 && is_space(text.p[0])) {
        text = (struct slice) {text.p + 1, text.n - 1};
    }
    while (text.n > 0 && is_space(text.p[text.n - 1])) {
        text.n--;
    }
    return text;
}

/* The whole text as a value, which an array around it makes of it. */
static void check_accepted(struct slice text, const json_t *tree)
{
    char *around = x_printf("[%.*s]", (int) text.n, text.p);
    struct slice array = {around, text.n + 2};
    struct span_cursor cursor = {0};
    struct span_value v;
    struct slice key;
    must(span_next(array, &cursor, &key, &v) && slice_eq(v.text, trimmed(text)));
    check_value(&v, tree);
    must(!span_next(array, &cursor, &key, &v));
    free(around);
}

static void check_text(struct slice text)
{
    struct span_error error = {SIZE_MAX, NULL}, same = {SIZE_MAX, NULL};
    json_error_t reason;
    bool is_accepted = span_check(text, &error) == ERR_NONE;
    must(is_accepted == (error.what == NULL));
    must(is_accepted || error.offset <= text.n);

    json_t *tree = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (tree && is_accepted) {
        must(depth_of(text) <= SPAN_DEPTH_MAX);
        check_accepted(text, tree);
    } else if (tree && memchr(text.p, '\0', text.n) == NULL) {
        must(strcmp(error.what, "nested too deep") == 0 && depth_of(text) > SPAN_DEPTH_MAX);
    } else if (is_accepted) {
        must(json_error_code(&reason) == json_error_numeric_overflow ||
             json_error_code(&reason) == json_error_null_byte_in_key);
    }
    json_decref(tree);

    bool is_object = trimmed(text).n > 0 && trimmed(text).p[0] == '{';
    struct span_value none;
    enum err rc = span_object(text, NULL, 0, &none, &same);
    must((rc == ERR_NONE) == (is_accepted && is_object));
    must(rc == ERR_NONE || !is_object ||
         (error.offset == same.offset && strcmp(error.what, same.what) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_of(data, size);
    check_text((struct slice) {text, size});
    check_escaping(text, size);
    free(text);
    return 0;
}
