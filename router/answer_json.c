/* JSON in a reply, and its one spelling: no space, keys in order of their bytes, numbers by
 * value. */
#include "router/answer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "cache/span.h"

/* Bytes that are looked at in vain, per byte of the text: prose may open brackets all the time. */
enum { VAIN_MAX = 64 };

/* ---- finding ---- */

/* Behind the string whose opening quote is at `at`, or the text's end. */
static size_t skip_string(struct slice s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++) {
        at += s.p[at] == '\\' ? 1 : 0;
    }
    return at < s.n ? at + 1 : s.n;
}

/* Behind the container that opens at `at`, judged by its brackets and strings alone; 0: it does not
 * close. *seen: where looking ended. */
static size_t skip_container(struct slice s, size_t at, size_t *seen)
{
    size_t depth = 0;
    while (at < s.n && depth <= SPAN_DEPTH_MAX) {
        char c = s.p[at];
        *seen = at;
        if (c == '"') {
            at = skip_string(s, at);
            continue;
        }
        depth += c == '{' || c == '[' ? 1 : 0;
        at++;
        if ((c == '}' || c == ']') && --depth == 0) {
            return at;
        }
    }
    *seen = at;
    return 0;
}

static bool begins_line(struct slice s, size_t at)
{
    while (at > 0 && (s.p[at - 1] == ' ' || s.p[at - 1] == '\t')) {
        at--;
    }
    return at == 0 || s.p[at - 1] == '\n';
}

static struct slice find_json(struct slice s)
{
    struct slice found = SLICE_NONE;
    bool found_at_line = false;
    size_t vain = 0;
    for (size_t at = 0; at < s.n && vain / VAIN_MAX <= s.n;) {
        size_t seen = at, end = 0;
        if (s.p[at] == '{' || s.p[at] == '[') {
            end = skip_container(s, at, &seen);
        }
        struct span_error error;
        struct slice text = end > 0 ? answer_sub(s, at, end) : SLICE_NONE;
        if (end == 0 || span_check(text, &error) != ERR_NONE) {
            vain += (end > 0 ? end : seen) - at;
            at++;
            continue;
        }
        bool is_at_line = begins_line(s, at);
        if (is_at_line || !found_at_line) {
            found = text;
            found_at_line = is_at_line;
        }
        at = end;
    }
    return found;
}

/* ---- one spelling ---- */

struct member {
    struct slice key; /* decoded */
    struct span_value value;
    size_t index;
};

static void put_value(struct answer_buffer *b, const struct span_value *v);

static struct slice decode(struct answer_buffer *b, struct slice string)
{
    struct slice inside;
    if (span_plain(string, &inside)) {
        return inside;
    }
    size_t n = span_decode(string, NULL, 0);
    char *text = arena_alloc(b->room, n + 1);
    b->is_short = b->is_short || !text;
    if (!text) {
        return SLICE_NONE;
    }
    span_decode(string, text, n);
    return (struct slice) {text, n};
}

static void put_string(struct answer_buffer *b, struct slice decoded)
{
    size_t n = span_escaped_length(decoded);
    char *text = arena_alloc(b->room, n + 1);
    b->is_short = b->is_short || !text;
    if (text) {
        span_escape(decoded, text, n);
        answer_put_byte(b, '"');
        answer_put(b, (struct slice) {text, n});
        answer_put_byte(b, '"');
    }
}

static void put_number(struct answer_buffer *b, struct slice text)
{
    struct answer_number number = {.begin = text.p, .top = text};
    number.is_negative = text.p[0] == '-';
    if (number.is_negative) {
        number.top = answer_sub(text, 1, text.n);
    }
    answer_number_put(b, &number);
}

static void put_array(struct answer_buffer *b, struct slice array)
{
    struct span_cursor cursor = {0};
    struct slice key;
    struct span_value value;
    char before = '[';
    while (!b->is_short && span_next(array, &cursor, &key, &value)) {
        answer_put_byte(b, before);
        put_value(b, &value);
        before = ',';
    }
    answer_put(b, before == '[' ? SLICE_LIT("[]") : SLICE_LIT("]"));
}

/* Equal keys stay in their order, as qsort does not promise it. */
static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
    int order = n > 0 ? memcmp(x->key.p, y->key.p, n) : 0;
    if (order == 0) {
        order = (x->key.n > y->key.n) - (x->key.n < y->key.n);
    }
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static void put_object(struct answer_buffer *b, struct slice object)
{
    struct span_cursor cursor = {0};
    struct slice key;
    struct span_value value;
    size_t count = 0, n = 0;
    while (span_next(object, &cursor, &key, &value)) {
        count++;
    }
    struct member *members = arena_array(b->room, count, sizeof(*members));
    b->is_short = b->is_short || !members;
    cursor = (struct span_cursor) {0};
    while (!b->is_short && span_next(object, &cursor, &key, &value)) {
        members[n] = (struct member) {decode(b, key), value, n};
        n++;
    }
    if (b->is_short) {
        return;
    }
    qsort(members, n, sizeof(*members), compare_members);
    answer_put_byte(b, '{');
    for (size_t i = 0; i < n; i++) {
        answer_put(b, i > 0 ? SLICE_LIT(",") : SLICE_NONE);
        put_string(b, members[i].key);
        answer_put_byte(b, ':');
        put_value(b, &members[i].value);
    }
    answer_put_byte(b, '}');
}

/* As deep as the scanner lets texts be. */
static void put_value(struct answer_buffer *b, const struct span_value *v)
{
    switch (v->type) {
    case SPAN_OBJECT:
        put_object(b, v->text);
        break;
    case SPAN_ARRAY:
        put_array(b, v->text);
        break;
    case SPAN_STRING:
        put_string(b, decode(b, v->text));
        break;
    case SPAN_NUMBER:
        put_number(b, v->text);
        break;
    case SPAN_ABSENT:
    case SPAN_NULL:
    case SPAN_FALSE:
    case SPAN_TRUE:
        answer_put(b, v->text);
        break;
    }
}

static bool put_json(struct slice text, struct arena *room, struct slice *out)
{
    struct answer_buffer b = {.room = room};
    struct span_value value = {.type = text.p[0] == '{' ? SPAN_OBJECT : SPAN_ARRAY, .text = text};
    put_value(&b, &value);
    *out = answer_written(&b);
    return !b.is_short;
}

bool answer_json(struct slice text, struct arena *room, struct slice *out)
{
    struct slice found = find_json(text);
    return found.n > 0 && put_json(found, room, out);
}

bool answer_json_whole(struct slice text, struct arena *room, struct slice *out)
{
    struct span_error error;
    struct slice s = answer_unfence(text);
    bool is_container = answer_at(s, 0) == '{' || answer_at(s, 0) == '[';
    return is_container && span_check(s, &error) == ERR_NONE && put_json(s, room, out);
}
