#include "router/assemble.h"

#include "router/assemble_private.h"

#include <utlist.h>

#include <stdlib.h>
#include <string.h>

enum {
    MEMBERS_MAX = 64, /* of an object; they are looked up one by one */
    CHOICE_INDEX_MAX = 31,
    CALL_INDEX_MAX = 63,
    BUFFER_BYTES = 64, /* what the shortest value takes */
};

/* ---- shapes: what an event consists of ---- */

static const struct assemble_shape function_shape = {
    .rules = {{"name", HOW_NAME, NULL}, {"arguments", HOW_TEXT, NULL}, {"input", HOW_TEXT, NULL}},
    .rest = {NULL, HOW_LAST, NULL},
};

static const struct assemble_shape call_shape = {
    .rules = {{"index", HOW_DROP, NULL},
              {"id", HOW_FIRST, NULL},
              {"type", HOW_FIRST, NULL},
              {"function", HOW_OBJECT, &function_shape},
              {"custom", HOW_OBJECT, &function_shape}},
    .rest = {NULL, HOW_LAST, NULL},
    .index_max = CALL_INDEX_MAX,
};

static const struct assemble_shape audio_shape = {
    .rules = {{"id", HOW_FIRST, NULL}, {"data", HOW_TEXT, NULL}, {"transcript", HOW_TEXT, NULL}},
    .rest = {NULL, HOW_LAST, NULL},
};

static const struct assemble_shape delta_shape = {
    .rules = {{"role", HOW_FIRST, NULL},
              {"content", HOW_CONTENT, NULL},
              {"refusal", HOW_TEXT, NULL},
              {"reasoning_content", HOW_TEXT, NULL},
              {"reasoning", HOW_TEXT, NULL},
              {"reasoning_details", HOW_LIST, NULL},
              {"tool_calls", HOW_ITEMS, &call_shape},
              {"function_call", HOW_OBJECT, &function_shape},
              {"audio", HOW_OBJECT, &audio_shape}},
    .rest = {NULL, HOW_LAST, NULL},
};

static const struct assemble_shape logprobs_shape = {
    .rules = {{"content", HOW_LIST, NULL}, {"refusal", HOW_LIST, NULL}},
    .rest = {NULL, HOW_LAST, NULL},
};

static const struct assemble_shape choice_shape = {
    .rules = {{"index", HOW_DROP, NULL},
              {"message", HOW_DROP, NULL}, /* ours is made of the deltas */
              {"delta", HOW_OBJECT, &delta_shape},
              {"logprobs", HOW_OBJECT, &logprobs_shape},
              {"finish_reason", HOW_FILLED, NULL}},
    .rest = {NULL, HOW_LAST, NULL},
    .index_max = CHOICE_INDEX_MAX,
};

static const struct assemble_shape top_shape = {
    .rules = {{"object", HOW_DROP, NULL},
              {"usage", HOW_DROP, NULL},
              {"choices", HOW_ITEMS, &choice_shape}},
    .rest = {NULL, HOW_FIRST, NULL},
};

static const struct assemble_rule *rule_of(const struct assemble_shape *shape, struct slice key)
{
    for (size_t i = 0; i < ASSEMBLE_RULES_MAX && shape->rules[i].name; i++) {
        if (span_string_eq(key, shape->rules[i].name)) {
            return &shape->rules[i];
        }
    }
    return &shape->rest;
}

/* ---- life ---- */

struct assemble *assemble_new(size_t cap_bytes)
{
    struct assemble *a = calloc(1, sizeof(*a));
    if (a) {
        a->cap_bytes = cap_bytes;
        a->left_bytes = cap_bytes;
    }
    return a;
}

static void free_object(struct assemble_object *o);

static void free_items(struct assemble_item *items)
{
    struct assemble_item *item;
    struct assemble_item *next;
    DL_FOREACH_SAFE (items, item, next) {
        free_object(&item->object);
        free(item);
    }
}

/* As deep as the shapes are. */
static void free_object(struct assemble_object *o)
{
    struct assemble_member *m;
    struct assemble_member *next;
    DL_FOREACH_SAFE (o->members, m, next) {
        free_object(&m->object);
        free_items(m->items);
        reply_buffer_fini(&m->value);
        free(m);
    }
}

void assemble_free(struct assemble *a)
{
    if (a) {
        free_object(&a->top);
        free(a);
    }
}

/* ---- room ---- */

/* NULL: *rc says why. */
static void *charged_alloc(struct assemble *a, size_t bytes, size_t charge, enum err *rc)
{
    if (charge > a->left_bytes) {
        *rc = ERR_LIMIT;
        return NULL;
    }
    void *p = calloc(1, bytes);
    *rc = p ? ERR_NONE : ERR_NOMEM;
    if (p) {
        a->left_bytes -= charge;
    }
    return p;
}

enum err assemble_add(struct assemble *a, struct assemble_member *m, struct slice bytes)
{
    if (bytes.n > a->left_bytes) {
        return ERR_LIMIT;
    }
    enum err rc = reply_buffer_add(&m->value, bytes);
    if (rc == ERR_NONE) {
        a->left_bytes -= bytes.n;
    }
    return rc;
}

static void empty(struct assemble *a, struct assemble_member *m)
{
    a->left_bytes += m->value.length;
    m->value.length = 0;
}

/* ---- values ---- */

static void begin(struct assemble *a, struct assemble_member *m, enum assemble_kind kind)
{
    if (m->kind != kind) {
        empty(a, m);
        m->kind = kind;
        m->is_array = m->has_part = m->opens_as_text = false;
    }
}

static enum err set_raw(struct assemble *a, struct assemble_member *m, struct slice json)
{
    begin(a, m, KIND_RAW);
    empty(a, m);
    return assemble_add(a, m, json);
}

/* Some servers fill in what they do not know yet. */
static bool is_blank(struct slice json)
{
    return slice_eq_text(json, "\"\"") || slice_eq_text(json, "0");
}

static bool is_held_blank(const struct assemble_member *m)
{
    return m->kind == KIND_NULL ||
           (m->kind == KIND_RAW && is_blank((struct slice) {m->value.bytes, m->value.length}));
}

/* Fragments end between characters and never inside an escape, so what stands between the quotes can
 * be joined as it is. */
static enum err add_text(struct assemble *a, struct assemble_member *m, struct slice string)
{
    begin(a, m, KIND_TEXT);
    return assemble_add(a, m, (struct slice) {string.p + 1, string.n - 2});
}

static enum err add_name(struct assemble *a, struct assemble_member *m, struct slice string)
{
    struct slice held = {m->value.bytes, m->value.length};
    struct slice inside = {string.p + 1, string.n - 2};
    bool is_repeated = m->kind == KIND_TEXT && slice_eq(held, inside);
    return is_repeated ? ERR_NONE : add_text(a, m, string);
}

static enum err add_list(struct assemble *a, struct assemble_member *m, struct slice array)
{
    struct span_cursor cursor = {0};
    struct span_value element;
    struct slice key;
    enum err rc = ERR_NONE;
    begin(a, m, KIND_LIST);
    while (rc == ERR_NONE && span_next(array, &cursor, &key, &element)) {
        if (m->value.length > 0) {
            rc = assemble_add(a, m, SLICE_LIT(","));
        }
        if (rc == ERR_NONE) {
            rc = assemble_add(a, m, element.text);
        }
    }
    return rc;
}

static enum err merge_object(struct assemble *a, const struct assemble_shape *shape,
                             struct assemble_object *o, struct slice json);

/* The item of this index, made when absent. NULL: *rc says why. */
static struct assemble_item *find_item(struct assemble *a, struct assemble_member *m,
                                       uint64_t index, enum err *rc)
{
    struct assemble_item *behind;
    DL_FOREACH (m->items, behind) {
        if (behind->index >= index) {
            break;
        }
    }
    if (behind && behind->index == index) {
        return behind;
    }
    struct assemble_item *item = charged_alloc(a, sizeof(*item), sizeof(*item), rc);
    if (item) {
        item->index = index;
        if (behind) {
            DL_PREPEND_ELEM(m->items, behind, item);
        } else {
            DL_APPEND(m->items, item);
        }
    }
    return item;
}

/* One without an index has that of its place, as in chunk_parse. */
static enum err merge_items(struct assemble *a, struct assemble_member *m, struct slice array)
{
    static const char *const names[] = {"index"};
    const struct assemble_shape *shape = m->rule->inside;
    struct span_cursor cursor = {0};
    struct span_value element;
    struct slice key;
    enum err rc = ERR_NONE;
    begin(a, m, KIND_ITEMS);
    for (uint64_t place = 0; rc == ERR_NONE && span_next(array, &cursor, &key, &element); place++) {
        struct span_value number;
        uint64_t index = place;
        if (element.type != SPAN_OBJECT) {
            continue; /* chunk_parse lets none through */
        }
        span_find(element.text, names, 1, &number);
        if ((number.type == SPAN_NUMBER && !span_to_u64(&number, &index)) ||
            index > shape->index_max) {
            return ERR_LIMIT;
        }
        struct assemble_item *item = find_item(a, m, index, &rc);
        if (item) {
            rc = merge_object(a, shape, &item->object, element.text);
        }
    }
    return rc;
}

static enum err merge_typed(struct assemble *a, struct assemble_member *m,
                            const struct span_value *v)
{
    enum assemble_how how = m->rule->how;
    bool is_string = v->type == SPAN_STRING;
    bool is_array = v->type == SPAN_ARRAY;
    if (how == HOW_NAME && is_string) {
        return add_name(a, m, v->text);
    }
    if (how == HOW_TEXT && is_string) {
        return add_text(a, m, v->text);
    }
    if ((how == HOW_TEXT || how == HOW_LIST) && is_array) {
        return add_list(a, m, v->text);
    }
    if (how == HOW_CONTENT && (is_string || is_array)) {
        begin(a, m, KIND_PARTS);
        return assemble_content(a, m, v);
    }
    if (how == HOW_ITEMS && is_array) {
        return merge_items(a, m, v->text);
    }
    if (how == HOW_OBJECT && v->type == SPAN_OBJECT) {
        begin(a, m, KIND_OBJECT);
        return merge_object(a, m->rule->inside, &m->object, v->text);
    }
    return set_raw(a, m, v->text); /* of a type that nobody expects: the last one */
}

static enum err merge_value(struct assemble *a, struct assemble_member *m,
                            const struct span_value *v)
{
    if (v->type == SPAN_NULL) {
        return ERR_NONE;
    }
    switch (m->rule->how) {
    case HOW_DROP:
        return ERR_NONE;
    case HOW_FIRST:
        return is_held_blank(m) ? set_raw(a, m, v->text) : ERR_NONE;
    case HOW_FILLED:
        return is_held_blank(m) || !is_blank(v->text) ? set_raw(a, m, v->text) : ERR_NONE;
    case HOW_LAST:
        return set_raw(a, m, v->text);
    case HOW_NAME:
    case HOW_TEXT:
    case HOW_LIST:
    case HOW_CONTENT:
    case HOW_OBJECT:
    case HOW_ITEMS:
        break;
    }
    return merge_typed(a, m, v);
}

/* ---- objects ---- */

static struct assemble_member *find_key(const struct assemble_object *o, struct slice key)
{
    struct assemble_member *m;
    DL_FOREACH (o->members, m) {
        if (slice_eq(m->key, key)) {
            return m;
        }
    }
    return NULL;
}

/* A name that has a rule may be spelt with escapes. */
static struct assemble_member *find_rule(const struct assemble_object *o,
                                         const struct assemble_rule *rule)
{
    struct assemble_member *m;
    DL_FOREACH (o->members, m) {
        if (m->rule == rule) {
            return m;
        }
    }
    return NULL;
}

/* NULL: *rc says why. */
static struct assemble_member *add_member(struct assemble *a, struct assemble_object *o,
                                          struct slice key, const struct assemble_rule *rule,
                                          enum err *rc)
{
    struct assemble_member *m;
    size_t bytes = sizeof(*m) + key.n;
    if (o->count == MEMBERS_MAX) {
        *rc = ERR_LIMIT;
        return NULL;
    }
    m = charged_alloc(a, bytes, bytes + BUFFER_BYTES, rc);
    if (m) {
        char *copy = (char *) (m + 1);
        memcpy(copy, key.p, key.n);
        m->key = (struct slice) {copy, key.n};
        m->rule = rule;
        reply_buffer_init(&m->value, a->cap_bytes);
        DL_APPEND(o->members, m);
        o->count++;
    }
    return m;
}

static enum err merge_object(struct assemble *a, const struct assemble_shape *shape,
                             struct assemble_object *o, struct slice json)
{
    struct span_cursor cursor = {0};
    struct span_value value;
    struct slice key;
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE && span_next(json, &cursor, &key, &value)) {
        struct assemble_member *m = find_key(o, key);
        if (!m) {
            const struct assemble_rule *rule = rule_of(shape, key);
            if (rule->how == HOW_DROP) {
                continue;
            }
            m = rule != &shape->rest ? find_rule(o, rule) : NULL;
            if (!m) {
                m = add_member(a, o, key, rule, &rc);
            }
        }
        if (m) {
            rc = merge_value(a, m, &value);
        }
    }
    return rc;
}

enum err assemble_chunk(struct assemble *a, const struct chunk *chunk)
{
    struct slice json = chunk->json;
    while (json.p[0] != '{') { /* white space around the object */
        json = (struct slice) {json.p + 1, json.n - 1};
    }
    while (json.p[json.n - 1] != '}') {
        json.n--;
    }
    return merge_object(a, &top_shape, &a->top, json);
}
