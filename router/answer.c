#include "router/answer.h"

#include <string.h>

#include "router/answer_parts.h"

/* ---- what is visible ---- */

static const char *find(struct slice s, const char *tag)
{
    return s.n > 0 ? memmem(s.p, s.n, tag, strlen(tag)) : NULL;
}

/* Cuts one block of thoughts from the beginning; false when there is none. */
static bool cut_thoughts(struct slice *s)
{
    static const char open[] = "<think>", close[] = "</think>";
    const char *end = find(*s, close);
    bool is_open = slice_starts(*s, open);
    if (!end && is_open) {
        *s = SLICE_NONE;
        return true;
    }
    /* Without an opening tag the prompt had it; with one inside, the text speaks of tags. */
    if (!end || (!is_open && find((struct slice) {s->p, (size_t) (end - s->p)}, open))) {
        return false;
    }
    size_t behind = (size_t) (end - s->p) + sizeof(close) - 1;
    *s = answer_trim(answer_sub(*s, behind, s->n));
    return true;
}

struct slice answer_visible(struct slice text)
{
    struct slice s = answer_trim(text);
    while (cut_thoughts(&s)) {
    }
    return s;
}

/* ---- plain ---- */

/* An exclamation mark behind a digit is a factorial. */
static bool is_outer(struct slice s, size_t at)
{
    char before = at > 0 ? s.p[at - 1] : '\0';
    return answer_is_space(s.p[at]) || strchr("\"'`*_.,;:?", s.p[at]) ||
           (s.p[at] == '!' && !answer_is_digit(before) && before != ')');
}

static bool answer_plain(struct slice s, struct arena *room, struct slice *out)
{
    struct answer_buffer b = {.room = room};
    size_t from = 0, to = s.n;
    while (to > 0 && is_outer(s, to - 1)) {
        to--;
    }
    /* A point in front of a digit belongs to it. */
    while (from < to && is_outer(s, from) &&
           !(s.p[from] == '.' && answer_is_digit(answer_at(s, from + 1)))) {
        from++;
    }
    for (size_t at = from; at < to;) {
        if (answer_is_space(s.p[at])) {
            answer_put_byte(&b, ' ');
            at = answer_skip_space(s, at);
        } else {
            answer_put_byte(&b, answer_lower(s.p[at++]));
        }
    }
    *out = answer_written(&b);
    return out->n > 0 && !b.is_short;
}

/* ---- kinds ---- */

static bool answer_boxed(struct slice s, struct arena *room, struct slice *out)
{
    struct slice inside;
    if (!answer_box(s, &inside)) {
        return false;
    }
    *out = answer_tex(inside, room);
    return out->n > 0;
}

static enum answer_kind extract_auto(struct slice s, struct arena *room, struct slice *out)
{
    if (answer_boxed(s, room, out)) {
        return ANSWER_BOXED;
    }
    if (answer_json_whole(s, room, out)) {
        return ANSWER_JSON;
    }
    if (answer_choice(s, true, room, out)) {
        return ANSWER_CHOICE;
    }
    if (answer_number(s, true, room, out)) {
        return ANSWER_NUMBER;
    }
    return answer_plain(s, room, out) ? ANSWER_PLAIN : ANSWER_AUTO;
}

struct answer answer_extract(struct slice text, enum answer_kind kind, struct arena *room)
{
    struct slice s = answer_visible(text);
    struct slice out = SLICE_NONE;
    bool is_found = false;
    switch (kind) {
    case ANSWER_AUTO:
        kind = extract_auto(s, room, &out);
        is_found = kind != ANSWER_AUTO;
        break;
    case ANSWER_BOXED:
        is_found = answer_boxed(s, room, &out);
        break;
    case ANSWER_CHOICE:
        is_found = answer_choice(s, false, room, &out);
        break;
    case ANSWER_NUMBER:
        is_found = answer_number(s, false, room, &out);
        break;
    case ANSWER_JSON:
        is_found = answer_json(s, room, &out);
        break;
    case ANSWER_PLAIN:
        is_found = answer_plain(s, room, &out);
        break;
    }
    return is_found ? (struct answer) {kind, out} : (struct answer) {ANSWER_AUTO, SLICE_NONE};
}

bool answer_equal(const struct answer *a, const struct answer *b)
{
    return a->kind != ANSWER_AUTO && b->kind != ANSWER_AUTO && slice_eq(a->text, b->text);
}
