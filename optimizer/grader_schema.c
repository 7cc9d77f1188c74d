/* A part of JSON Schema. Schema and answer are both in normal form: keys in the order of their bytes,
 * numbers and strings spelt in one way, so that members are merged and values compared as bytes. */
#include "optimizer/grader_private.h"

#include <stdlib.h>
#include <string.h>

#include "cache/span.h"
#include "router/answer.h"

/* Names that are looked for one by one, in an answer of any size. */
enum { NAMES_MAX = 256, SHOWN_BYTES = 60 };

enum keyword {
    KEY_TYPE,
    KEY_REQUIRED,
    KEY_PROPERTIES,
    KEY_ADDITIONAL,
    KEY_ITEMS,
    KEY_ENUM,
    KEY_CONST,
    KEY_MINIMUM,
    KEY_MAXIMUM,
    KEY_ABOVE,
    KEY_BELOW,
    KEY_LENGTH_MIN,
    KEY_LENGTH_MAX,
    KEY_ITEMS_MIN,
    KEY_ITEMS_MAX,
    KEYWORDS
};

static const char *const keywords[KEYWORDS] = {
    [KEY_TYPE] = "type",
    [KEY_REQUIRED] = "required",
    [KEY_PROPERTIES] = "properties",
    [KEY_ADDITIONAL] = "additionalProperties",
    [KEY_ITEMS] = "items",
    [KEY_ENUM] = "enum",
    [KEY_CONST] = "const",
    [KEY_MINIMUM] = "minimum",
    [KEY_MAXIMUM] = "maximum",
    [KEY_ABOVE] = "exclusiveMinimum",
    [KEY_BELOW] = "exclusiveMaximum",
    [KEY_LENGTH_MIN] = "minLength",
    [KEY_LENGTH_MAX] = "maxLength",
    [KEY_ITEMS_MIN] = "minItems",
    [KEY_ITEMS_MAX] = "maxItems",
};

/* Members that say nothing about what is valid. */
static const char *const notes[] = {"$schema", "$id",      "$comment",   "title",
                                    "default", "examples", "description"};

static const char *const types[] = {"null",   "boolean", "number", "integer",
                                    "string", "array",   "object"};

static int shown(struct slice s)
{
    return (int) (s.n < SHOWN_BYTES ? s.n : SHOWN_BYTES);
}

/* ---- checking the schema itself ---- */

static bool is_one_of(struct slice string, const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_string_eq(string, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_schema(const struct span_value *v)
{
    return v->type == SPAN_OBJECT || v->type == SPAN_TRUE || v->type == SPAN_FALSE;
}

/* An array of at most NAMES_MAX strings; all of them type names where that is asked for. */
static bool is_strings(const struct span_value *v, bool are_types)
{
    struct span_cursor cursor = {0};
    struct span_value each;
    struct slice key;
    size_t count = 0;
    while (v->type == SPAN_ARRAY && span_next(v->text, &cursor, &key, &each)) {
        if (each.type != SPAN_STRING || ++count > NAMES_MAX ||
            (are_types && !is_one_of(each.text, types, ARRAY_LEN(types)))) {
            return false;
        }
    }
    return v->type == SPAN_ARRAY;
}

/* NULL: the value is what the keyword wants; else what that is. */
static const char *expected(enum keyword k, const struct span_value *v)
{
    uint64_t whole;
    double number;
    switch (k) {
    case KEY_TYPE:
        return is_strings(v, true) ||
                       (v->type == SPAN_STRING && is_one_of(v->text, types, ARRAY_LEN(types)))
                   ? NULL
                   : "a type's name or a list of them";
    case KEY_REQUIRED:
        return is_strings(v, false) ? NULL : "a list of at most 256 names";
    case KEY_PROPERTIES:
        return v->type == SPAN_OBJECT ? NULL : "an object of schemas";
    case KEY_ADDITIONAL:
    case KEY_ITEMS:
        return is_schema(v) ? NULL : "a schema, true or false";
    case KEY_ENUM:
        return v->type == SPAN_ARRAY ? NULL : "a list of values";
    case KEY_MINIMUM:
    case KEY_MAXIMUM:
    case KEY_ABOVE:
    case KEY_BELOW:
        return span_to_double(v, &number) ? NULL : "a number";
    case KEY_LENGTH_MIN:
    case KEY_LENGTH_MAX:
    case KEY_ITEMS_MIN:
    case KEY_ITEMS_MAX:
        return span_to_u64(v, &whole) ? NULL : "a whole number";
    case KEY_CONST:
    case KEYWORDS:
        break;
    }
    return NULL;
}

static enum err check_schema(const struct span_value *schema, struct errbuf *err);

static enum err check_properties(const struct span_value *properties, struct errbuf *err)
{
    struct span_cursor cursor = {0};
    struct span_value each;
    struct slice key;
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE && span_next(properties->text, &cursor, &key, &each)) {
        rc = is_schema(&each)
                 ? check_schema(&each, err)
                 : err_set(err, ERR_INPUT, "schema: property %.*s is no schema", shown(key), key.p);
    }
    return rc;
}

static enum err check_member(struct slice key, const struct span_value *v, struct errbuf *err)
{
    size_t k = 0;
    while (k < KEYWORDS && !span_string_eq(key, keywords[k])) {
        k++;
    }
    if (k == KEYWORDS) {
        return is_one_of(key, notes, ARRAY_LEN(notes))
                   ? ERR_NONE
                   : err_set(err, ERR_INPUT, "schema: %.*s is not in this version", shown(key),
                             key.p);
    }
    const char *what = expected((enum keyword) k, v);
    if (what != NULL) {
        return err_set(err, ERR_INPUT, "schema: %s: expected %s", keywords[k], what);
    }
    if (k == KEY_PROPERTIES) {
        return check_properties(v, err);
    }
    return k == KEY_ITEMS || k == KEY_ADDITIONAL ? check_schema(v, err) : ERR_NONE;
}

static enum err check_schema(const struct span_value *schema, struct errbuf *err)
{
    struct span_cursor cursor = {0};
    struct span_value value;
    struct slice key, before = SLICE_NONE;
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE && schema->type == SPAN_OBJECT &&
           span_next(schema->text, &cursor, &key, &value)) {
        rc = check_member(key, &value, err);
        if (before.n > 0 && slice_eq(before, key)) { /* equal keys are neighbours */
            rc = err_set(err, ERR_INPUT, "schema: %.*s stands twice", shown(key), key.p);
        }
        before = key;
    }
    return rc;
}

char *grader_schema_new(struct slice text, struct errbuf *err)
{
    struct span_error error;
    struct span_value root = {.type = SPAN_OBJECT};
    struct arena room;
    char *out = NULL;

    if (text.n > GRADER_SCHEMA_BYTES_MAX) {
        err_set(err, ERR_INPUT, "schema: over %d bytes", GRADER_SCHEMA_BYTES_MAX);
        return NULL;
    }
    if (span_object(text, NULL, 0, NULL, &error) != ERR_NONE) {
        err_set(err, ERR_INPUT, "schema: byte %zu: %s", error.offset, error.what);
        return NULL;
    }
    arena_init(&room, 4096, text.n * 64 + 65536);
    struct answer normal = answer_extract(text, ANSWER_JSON, &room);
    root.text = normal.text;
    if (normal.kind != ANSWER_JSON) {
        err_set(err, ERR_NOMEM, "schema: no memory");
    } else if (check_schema(&root, err) == ERR_NONE) {
        out = x_dup_slice(normal.text);
    }
    arena_fini(&room);
    return out;
}

/* ---- validity ---- */

static bool is_integer(struct slice number)
{
    const char *e = memchr(number.p, 'e', number.n);
    return memchr(number.p, '.', number.n) == NULL && (e == NULL || e[1] != '-');
}

static bool has_type(struct slice name, const struct span_value *v)
{
    switch (v->type) {
    case SPAN_NULL:
        return span_string_eq(name, "null");
    case SPAN_FALSE:
    case SPAN_TRUE:
        return span_string_eq(name, "boolean");
    case SPAN_NUMBER:
        return span_string_eq(name, "number") ||
               (span_string_eq(name, "integer") && is_integer(v->text));
    case SPAN_STRING:
        return span_string_eq(name, "string");
    case SPAN_ARRAY:
        return span_string_eq(name, "array");
    case SPAN_OBJECT:
        return span_string_eq(name, "object");
    case SPAN_ABSENT:
        break;
    }
    return false;
}

static bool has_one_type(const struct span_value *wanted, const struct span_value *v)
{
    struct span_cursor cursor = {0};
    struct span_value each;
    struct slice key;
    if (wanted->type == SPAN_STRING) {
        return has_type(wanted->text, v);
    }
    while (span_next(wanted->text, &cursor, &key, &each)) {
        if (has_type(each.text, v)) {
            return true;
        }
    }
    return false;
}

static bool is_among(struct slice array, const struct span_value *v)
{
    struct span_cursor cursor = {0};
    struct span_value each;
    struct slice key;
    while (span_next(array, &cursor, &key, &each)) {
        if (slice_eq(each.text, v->text)) {
            return true;
        }
    }
    return false;
}

static bool has_members(struct slice names, struct slice object)
{
    struct span_cursor cursor = {0};
    struct span_value name;
    struct slice key;
    while (span_next(names, &cursor, &key, &name)) {
        struct span_cursor inside = {0};
        struct span_value value;
        bool is_there = false;
        while (!is_there && span_next(object, &inside, &key, &value)) {
            is_there = slice_eq(key, name.text);
        }
        if (!is_there) {
            return false;
        }
    }
    return true;
}

/* A number that no double holds is within no bounds. */
static bool is_within(enum keyword k, const struct span_value *bound, const struct span_value *v)
{
    double limit, number;
    if (!span_to_double(bound, &limit) || !span_to_double(v, &number)) {
        return false;
    }
    return k == KEY_MINIMUM   ? number >= limit
           : k == KEY_MAXIMUM ? number <= limit
           : k == KEY_ABOVE   ? number > limit
                              : number < limit;
}

/* Of a string its characters, of an array its items. */
static uint64_t length_of(const struct span_value *v, struct arena *room)
{
    uint64_t n = 0;
    if (v->type == SPAN_ARRAY) {
        struct span_cursor cursor = {0};
        struct span_value each;
        struct slice key;
        while (span_next(v->text, &cursor, &key, &each)) {
            n++;
        }
        return n;
    }
    size_t bytes = span_decode(v->text, NULL, 0);
    char *text = arena_alloc(room, bytes + 1);
    if (text != NULL) {
        span_decode(v->text, text, bytes);
        for (size_t i = 0; i < bytes; i++) {
            n += ((unsigned char) text[i] & 0xc0) != 0x80 ? 1 : 0;
        }
    }
    return n;
}

static bool has_length(bool is_least, const struct span_value *bound, const struct span_value *v,
                       struct arena *room)
{
    uint64_t limit, n = length_of(v, room);
    return span_to_u64(bound, &limit) && (is_least ? n >= limit : n <= limit);
}

static bool holds(const struct span_value *schema, const struct span_value *v, struct arena *room);

static bool each_holds(const struct span_value *schema, struct slice array, struct arena *room)
{
    struct span_cursor cursor = {0};
    struct span_value each;
    struct slice key;
    while (span_next(array, &cursor, &key, &each)) {
        if (!holds(schema, &each, room)) {
            return false;
        }
    }
    return true;
}

static struct slice decoded(struct slice key, struct arena *room)
{
    struct slice inside;
    if (span_plain(key, &inside)) {
        return inside;
    }
    size_t n = span_decode(key, NULL, 0);
    char *text = arena_alloc(room, n + 1);
    if (text == NULL) {
        return SLICE_NONE;
    }
    span_decode(key, text, n);
    return (struct slice) {text, n};
}

/* The order that keys stand in. */
static int compare_keys(struct slice a, struct slice b, struct arena *room)
{
    struct slice x = decoded(a, room), y = decoded(b, room);
    size_t n = x.n < y.n ? x.n : y.n;
    int order = n > 0 ? memcmp(x.p, y.p, n) : 0;
    return order != 0 ? order : (x.n > y.n) - (x.n < y.n);
}

/* Walks both in order. `properties` is absent where the schema names none. */
static bool members_hold(const struct span_value *properties, const struct span_value *others,
                         struct slice object, struct arena *room)
{
    struct span_cursor cursor = {0}, known = {0};
    struct span_value value, schema = {.type = SPAN_ABSENT};
    struct slice key, name = SLICE_NONE;
    bool has_name = properties->type == SPAN_OBJECT &&
                    span_next(properties->text, &known, &name, &schema);
    while (span_next(object, &cursor, &key, &value)) {
        while (has_name && compare_keys(name, key, room) < 0) {
            has_name = span_next(properties->text, &known, &name, &schema);
        }
        bool is_known = has_name && slice_eq(name, key);
        const struct span_value *rule = is_known ? &schema : others;
        if (rule->type != SPAN_ABSENT && !holds(rule, &value, room)) {
            return false;
        }
    }
    return true;
}

/* Keywords about another type than the value's hold. */
static bool keyword_holds(enum keyword k, const struct span_value *rule, const struct span_value *v,
                          struct arena *room)
{
    switch (k) {
    case KEY_TYPE:
        return has_one_type(rule, v);
    case KEY_REQUIRED:
        return v->type != SPAN_OBJECT || has_members(rule->text, v->text);
    case KEY_ITEMS:
        return v->type != SPAN_ARRAY || each_holds(rule, v->text, room);
    case KEY_ENUM:
        return is_among(rule->text, v);
    case KEY_CONST:
        return slice_eq(rule->text, v->text);
    case KEY_MINIMUM:
    case KEY_MAXIMUM:
    case KEY_ABOVE:
    case KEY_BELOW:
        return v->type != SPAN_NUMBER || is_within(k, rule, v);
    case KEY_LENGTH_MIN:
    case KEY_LENGTH_MAX:
        return v->type != SPAN_STRING || has_length(k == KEY_LENGTH_MIN, rule, v, room);
    case KEY_ITEMS_MIN:
    case KEY_ITEMS_MAX:
        return v->type != SPAN_ARRAY || has_length(k == KEY_ITEMS_MIN, rule, v, room);
    case KEY_PROPERTIES: /* with additionalProperties, in members_hold */
    case KEY_ADDITIONAL:
    case KEYWORDS:
        break;
    }
    return true;
}

/* As deep as schemas are, which the scanner limits. */
static bool holds(const struct span_value *schema, const struct span_value *v, struct arena *room)
{
    struct span_value rules[KEYWORDS];
    if (schema->type != SPAN_OBJECT) {
        return schema->type == SPAN_TRUE;
    }
    span_find(schema->text, keywords, KEYWORDS, rules);
    for (size_t k = 0; k < KEYWORDS; k++) {
        if (rules[k].type != SPAN_ABSENT && !keyword_holds((enum keyword) k, &rules[k], v, room)) {
            return false;
        }
    }
    return v->type != SPAN_OBJECT ||
           members_hold(&rules[KEY_PROPERTIES], &rules[KEY_ADDITIONAL], v->text, room);
}

struct grade grader_schema(const char *schema, struct slice text, struct arena *room)
{
    struct answer found = answer_extract(text, ANSWER_JSON, room);
    struct span_value root = {.type = SPAN_OBJECT, .text = slice_of(schema)};
    if (found.kind == ANSWER_AUTO) {
        return grader_none(GRADE_NO_ANSWER);
    }
    struct span_value value = {.type = found.text.p[0] == '[' ? SPAN_ARRAY : SPAN_OBJECT,
                               .text = found.text};
    return grader_verdict(holds(&root, &value, room));
}
