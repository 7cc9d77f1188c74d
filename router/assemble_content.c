/* The content of a message. Nearly always it is a string; models that think may send arrays of parts, and
 * strings in between (Mistral). Of parts that come one after another, those of type text become one text, and
 * those of type thinking one thought, as they are in a reply that was not streamed; others stay as they are. */
#include "router/assemble_private.h"

static enum err begin_part(struct assemble *a, struct assemble_member *m, enum assemble_part part,
                           struct slice open)
{
    enum err rc = ERR_NONE;
    if (m->has_part) {
        rc = assemble_add(a, m, assemble_part_close(m));
        if (rc == ERR_NONE) {
            rc = assemble_add(a, m, SLICE_LIT(","));
        }
    } else if (part == PART_TEXT) {
        m->opens_as_text = true;
        open = SLICE_NONE;
    }
    m->has_part = true;
    m->part = part;
    return rc == ERR_NONE ? assemble_add(a, m, open) : rc;
}

static enum err add_string(struct assemble *a, struct assemble_member *m, enum assemble_part part,
                           struct slice string)
{
    struct slice open = part == PART_TEXT ? SLICE_LIT(ASSEMBLE_TEXT_OPEN)
                                          : SLICE_LIT(ASSEMBLE_THINKING_OPEN);
    enum err rc = ERR_NONE;
    if (string.n == 2) {
        return ERR_NONE;
    }
    if (!m->has_part || m->part != part) {
        rc = begin_part(a, m, part, open);
    }
    if (rc == ERR_NONE) {
        rc = assemble_add(a, m, (struct slice) {string.p + 1, string.n - 2});
    }
    return rc;
}

/* An object of this type with `name` and nothing else; *out is that member. */
static bool is_simple(const struct span_value *part, const char *type, const char *name,
                      struct span_value *out)
{
    const char *const names[] = {"type", name};
    struct span_value m[ARRAY_LEN(names)];
    struct span_cursor cursor = {0};
    struct span_value value;
    struct slice key;
    size_t count = 0;
    if (part->type != SPAN_OBJECT) {
        return false;
    }
    while (span_next(part->text, &cursor, &key, &value)) {
        count++;
    }
    span_find(part->text, names, ARRAY_LEN(names), m);
    *out = m[1];
    return count == ARRAY_LEN(names) && m[0].type == SPAN_STRING && span_string_eq(m[0].text, type);
}

static bool is_text(const struct span_value *part, struct span_value *text)
{
    return is_simple(part, "text", "text", text) && text->type == SPAN_STRING;
}

static bool is_thought(const struct span_value *part, struct span_value *texts)
{
    struct span_cursor cursor = {0};
    struct span_value element;
    struct span_value text;
    struct slice key;
    if (!is_simple(part, "thinking", "thinking", texts) || texts->type != SPAN_ARRAY) {
        return false;
    }
    while (span_next(texts->text, &cursor, &key, &element)) {
        if (!is_text(&element, &text)) {
            return false;
        }
    }
    return true;
}

static enum err add_thought(struct assemble *a, struct assemble_member *m, struct slice texts)
{
    struct span_cursor cursor = {0};
    struct span_value element;
    struct span_value text;
    struct slice key;
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE && span_next(texts, &cursor, &key, &element)) {
        if (is_text(&element, &text)) {
            rc = add_string(a, m, PART_THINKING, text.text);
        }
    }
    return rc;
}

static enum err add_part(struct assemble *a, struct assemble_member *m,
                         const struct span_value *part)
{
    struct span_value inside;
    if (is_text(part, &inside)) {
        return add_string(a, m, PART_TEXT, inside.text);
    }
    if (is_thought(part, &inside)) {
        return add_thought(a, m, inside.text);
    }
    return begin_part(a, m, PART_OTHER, part->text);
}

enum err assemble_content(struct assemble *a, struct assemble_member *m,
                          const struct span_value *value)
{
    struct span_cursor cursor = {0};
    struct span_value part;
    struct slice key;
    enum err rc = ERR_NONE;
    if (value->type == SPAN_STRING) {
        return add_string(a, m, PART_TEXT, value->text);
    }
    m->is_array = true;
    while (rc == ERR_NONE && span_next(value->text, &cursor, &key, &part)) {
        rc = add_part(a, m, &part);
    }
    return rc;
}
