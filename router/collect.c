#include "router/collect.h"

#include "router/answer.h"

#include <string.h>

void collect_init(struct collect *c, size_t cap_bytes)
{
    *c = (struct collect) {.is_cut = false};
    reply_buffer_init(&c->text, cap_bytes);
}

void collect_fini(struct collect *c)
{
    size_t cap_bytes = c->text.cap_bytes;
    reply_buffer_fini(&c->text);
    collect_init(c, cap_bytes);
}

/* ---- text ---- */

/* How much of the text fits, without half a character at its end. */
static size_t whole_length(struct slice text, size_t room)
{
    size_t n = room;
    while (n > 0 && ((unsigned char) text.p[n] & 0xC0) == 0x80) {
        n--;
    }
    return n;
}

/* Decoded text of whole characters. */
static enum err add_text(struct collect *c, struct slice text)
{
    enum err rc = reply_buffer_add(&c->text, text);
    if (rc != ERR_LIMIT) {
        return rc;
    }
    c->is_full = true;
    c->is_cut = true;
    text.n = whole_length(text, c->text.cap_bytes - c->text.length);
    rc = reply_buffer_add(&c->text, text);
    return rc == ERR_NONE ? ERR_LIMIT : rc;
}

static size_t escape_length(const char *backslash)
{
    if (backslash[1] != 'u') {
        return 2;
    }
    /* Of surrogates the scanner lets only pairs through. */
    bool is_pair = (backslash[2] | 0x20) == 'd' && strchr("89abAB", backslash[3]);
    return is_pair ? 12 : 6;
}

static enum err add_string(struct collect *c, struct slice string)
{
    const char *at = string.p + 1;
    const char *end = string.p + string.n - 1;
    enum err rc = ERR_NONE;
    while (at < end && rc == ERR_NONE) {
        const char *stop = memchr(at, '\\', (size_t) (end - at));
        if (stop == at) {
            char decoded[4];
            size_t n = escape_length(at);
            /* span_decode leaves out the first and the last byte, whatever they are. */
            size_t length = span_decode((struct slice) {at - 1, n + 2}, decoded, sizeof(decoded));
            rc = add_text(c, (struct slice) {decoded, length});
            at += n;
        } else {
            stop = stop ? stop : end;
            rc = add_text(c, (struct slice) {at, (size_t) (stop - at)});
            at = stop;
        }
    }
    return rc;
}

/* Of an array of parts those of type text; what a model thinks is no answer. */
static enum err add_parts(struct collect *c, struct slice array)
{
    static const char *const names[] = {"type", "text"};
    struct span_cursor cursor = {0};
    struct span_value part;
    struct slice key;
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE && span_next(array, &cursor, &key, &part)) {
        struct span_value m[ARRAY_LEN(names)];
        if (part.type != SPAN_OBJECT) {
            continue;
        }
        span_find(part.text, names, ARRAY_LEN(names), m);
        if (m[0].type == SPAN_STRING && span_string_eq(m[0].text, "text") &&
            m[1].type == SPAN_STRING) {
            rc = add_string(c, m[1].text);
        }
    }
    return rc;
}

static enum err add_content(struct collect *c, const struct span_value *content)
{
    if (c->is_full) {
        return ERR_LIMIT;
    }
    if (content->type == SPAN_STRING) {
        return add_string(c, content->text);
    }
    return content->type == SPAN_ARRAY ? add_parts(c, content->text) : ERR_NONE;
}

/* ---- events ---- */

static bool has_elements(const struct span_value *v)
{
    struct span_cursor cursor = {0};
    struct span_value first;
    struct slice key;
    return (v->type == SPAN_ARRAY || v->type == SPAN_OBJECT) &&
           span_next(v->text, &cursor, &key, &first);
}

static enum err take_delta(struct collect *c, struct slice delta)
{
    static const char *const names[] = {"content", "refusal", "tool_calls", "function_call"};
    struct span_value m[ARRAY_LEN(names)];
    span_find(delta, names, ARRAY_LEN(names), m);
    if (m[1].type == SPAN_STRING && m[1].text.n > 2) {
        c->is_refused = true;
    }
    if (has_elements(&m[2]) || has_elements(&m[3])) {
        c->has_tool_call = true;
    }
    return add_content(c, &m[0]);
}

static void take_finish(struct collect *c, const struct span_value *reason)
{
    if (reason->type != SPAN_STRING) {
        return;
    }
    if (span_string_eq(reason->text, "length")) {
        c->is_cut = true;
    } else if (span_string_eq(reason->text, "content_filter")) {
        c->is_refused = true;
    }
}

/* A choice without an index has that of its place, as in chunk_parse. */
static bool is_first(const struct span_value *index, uint64_t place)
{
    return (index->type != SPAN_NUMBER || span_to_u64(index, &place)) && place == 0;
}

enum err collect_chunk(struct collect *c, const struct chunk *chunk)
{
    static const char *const names[] = {"index", "delta", "finish_reason"};
    struct span_cursor cursor = {0};
    struct span_value choice;
    struct slice key;
    enum err rc = ERR_NONE;
    if (!chunk->has_choices) {
        return ERR_NONE;
    }
    for (uint64_t place = 0;
         rc == ERR_NONE && span_next(chunk->choices.text, &cursor, &key, &choice); place++) {
        struct span_value m[ARRAY_LEN(names)];
        span_find(choice.text, names, ARRAY_LEN(names), m);
        if (!is_first(&m[0], place)) {
            continue;
        }
        take_finish(c, &m[2]);
        if (m[1].type == SPAN_OBJECT) {
            rc = take_delta(c, m[1].text);
        }
    }
    return rc;
}

struct slice collect_answer(const struct collect *c)
{
    if (c->is_refused || c->has_tool_call) {
        return SLICE_NONE;
    }
    return answer_visible((struct slice) {c->text.bytes, c->text.length});
}
