/* The reply written from what is held, with what every reply has although its stream may not: object, role,
 * content, finish_reason, and the type of a function call. */
#include "router/assemble_private.h"

#include <utlist.h>

#include <inttypes.h>
#include <stdio.h>

struct writer {
    struct reply_buffer *out;
    enum err rc; /* after the first error nothing more is written */
};

static void put(struct writer *w, struct slice bytes)
{
    if (w->rc == ERR_NONE) {
        w->rc = reply_buffer_add(w->out, bytes);
    }
}

static void put_text(struct writer *w, const char *text)
{
    put(w, slice_of(text));
}

/* ---- members ---- */

/* The member with this rule; NULL: it never came, or only as null. */
static const struct assemble_member *find(const struct assemble_object *o, const char *name)
{
    const struct assemble_member *m;
    DL_FOREACH (o->members, m) {
        if (m->rule->name && slice_eq_text(slice_of(m->rule->name), name)) {
            return m->kind == KIND_NULL ? NULL : m;
        }
    }
    return NULL;
}

static bool is_among(const struct assemble_rule *rule, const char *const names[])
{
    for (size_t i = 0; names[i]; i++) {
        if (rule->name && slice_eq_text(slice_of(rule->name), names[i])) {
            return true;
        }
    }
    return false;
}

static void put_value(struct writer *w, const struct assemble_member *m);

/* A comma and a member, again and again; not those `others` names, whose list ends with NULL. */
static void put_members(struct writer *w, const struct assemble_object *o,
                        const char *const others[])
{
    const struct assemble_member *m;
    DL_FOREACH (o->members, m) {
        if (!is_among(m->rule, others)) {
            put_text(w, ",");
            put(w, m->key);
            put_text(w, ":");
            put_value(w, m);
        }
    }
}

static void put_object(struct writer *w, const struct assemble_object *o)
{
    const struct assemble_member *m;
    put_text(w, "{");
    DL_FOREACH (o->members, m) {
        put_text(w, m == o->members ? "" : ",");
        put(w, m->key);
        put_text(w, ":");
        put_value(w, m);
    }
    put_text(w, "}");
}

/* ---- values ---- */

static void put_calls(struct writer *w, const struct assemble_item *calls)
{
    static const char *const first[] = {"id", "type", NULL};
    const struct assemble_item *call;
    put_text(w, "[");
    DL_FOREACH (calls, call) {
        const struct assemble_member *id = find(&call->object, "id");
        const struct assemble_member *type = find(&call->object, "type");
        put_text(w, call == calls ? "{" : ",{");
        put_text(w, "\"type\":");
        if (type) {
            put_value(w, type);
        } else {
            put_text(w, find(&call->object, "custom") ? "\"custom\"" : "\"function\"");
        }
        if (id) {
            put_text(w, ",\"id\":");
            put_value(w, id);
        }
        put_members(w, &call->object, first);
        put_text(w, "}");
    }
    put_text(w, "]");
}

static void put_parts(struct writer *w, const struct assemble_member *m)
{
    put_text(w, m->is_array ? "[" : "\"");
    if (m->is_array && m->opens_as_text) {
        put_text(w, ASSEMBLE_TEXT_OPEN);
    }
    put(w, (struct slice) {m->value.bytes, m->value.length});
    if (m->is_array && m->has_part) {
        put(w, assemble_part_close(m));
    }
    put_text(w, m->is_array ? "]" : "\"");
}

static void put_quoted(struct writer *w, const char *before, const struct assemble_member *m,
                       const char *behind)
{
    put_text(w, before);
    put(w, (struct slice) {m->value.bytes, m->value.length});
    put_text(w, behind);
}

static void put_value(struct writer *w, const struct assemble_member *m)
{
    switch (m->kind) {
    case KIND_NULL:
        put_text(w, "null");
        break;
    case KIND_RAW:
        put_quoted(w, "", m, "");
        break;
    case KIND_TEXT:
        put_quoted(w, "\"", m, "\"");
        break;
    case KIND_LIST:
        put_quoted(w, "[", m, "]");
        break;
    case KIND_PARTS:
        put_parts(w, m);
        break;
    case KIND_OBJECT:
        put_object(w, &m->object);
        break;
    case KIND_ITEMS:
        put_calls(w, m->items); /* choices are put by put_choices() */
        break;
    }
}

/* ---- the reply ---- */

/* Something that a message says instead of a text. */
static bool is_said_otherwise(const struct assemble_object *message)
{
    const struct assemble_member *calls = find(message, "tool_calls");
    const struct assemble_member *refusal = find(message, "refusal");
    return (calls && calls->items) || (refusal && refusal->value.length > 0) ||
           find(message, "function_call") || find(message, "audio");
}

/* Streams begin with an empty text where a reply without a text says null. */
static void put_content(struct writer *w, const struct assemble_object *message)
{
    const struct assemble_member *content = find(message, "content");
    bool is_empty = !content || (content->kind == KIND_PARTS && !content->has_part);
    if (!content || (is_empty && is_said_otherwise(message))) {
        put_text(w, "null");
    } else {
        put_value(w, content);
    }
}

static void put_message(struct writer *w, const struct assemble_object *message)
{
    static const char *const first[] = {"role", "content", NULL};
    const struct assemble_member *role = find(message, "role");
    put_text(w, "{\"role\":");
    if (role) {
        put_value(w, role);
    } else {
        put_text(w, "\"assistant\"");
    }
    put_text(w, ",\"content\":");
    put_content(w, message);
    put_members(w, message, first);
    put_text(w, "}");
}

static void put_choice(struct writer *w, const struct assemble_item *choice)
{
    static const char *const first[] = {"delta", "finish_reason", NULL};
    static const struct assemble_object nothing = {.count = 0};
    const struct assemble_member *delta = find(&choice->object, "delta");
    const struct assemble_member *finish = find(&choice->object, "finish_reason");
    char index[32];
    snprintf(index, sizeof(index), "{\"index\":%" PRIu64, choice->index);
    put_text(w, index);
    put_text(w, ",\"message\":");
    put_message(w, delta ? &delta->object : &nothing);
    put_members(w, &choice->object, first);
    put_text(w, ",\"finish_reason\":");
    if (finish) {
        put_value(w, finish);
    } else {
        put_text(w, "null");
    }
    put_text(w, "}");
}

static void put_choices(struct writer *w, const struct assemble_object *top)
{
    const struct assemble_member *choices = find(top, "choices");
    const struct assemble_item *items = choices ? choices->items : NULL;
    const struct assemble_item *choice;
    put_text(w, "[");
    DL_FOREACH (items, choice) {
        put_text(w, choice == items ? "" : ",");
        put_choice(w, choice);
    }
    put_text(w, "]");
}

enum err assemble_reply(const struct assemble *a, struct slice usage_json, struct reply_buffer *out)
{
    static const char *const first[] = {"choices", NULL};
    struct writer w = {out, ERR_NONE};
    size_t start = out->length;
    put_text(&w, "{\"object\":\"chat.completion\"");
    put_members(&w, &a->top, first);
    put_text(&w, ",\"choices\":");
    put_choices(&w, &a->top);
    if (usage_json.n > 0) {
        put_text(&w, ",\"usage\":");
        put(&w, usage_json);
    }
    put_text(&w, "}");
    if (w.rc != ERR_NONE) {
        out->length = start;
    }
    return w.rc;
}
