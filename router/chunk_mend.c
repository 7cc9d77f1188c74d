/* Numbers the tool calls of a stream whose server does not.
 *
 * Every call seen is remembered as (choice, number the server gave it, id) with the index that our
 * client gets. A fragment belongs to the call of its id; without an id, to the call used last under
 * its number. In a stream that numbers its calls the two indexes are always equal, and no edit is made. */
#include "router/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "cache/arena.h"
#include "cache/splice.h"

enum {
    CALL_INDEX_MAX = 63, /* of a choice */
    CALLS_MAX = 256,     /* of a stream */
    CHOICE_MAX = 31,
    UNNUMBERED = -1,
    /* An array of more calls gets one edit for all, because an event's edits are few. */
    EDITS_MAX = 4,
};

#define MEMBER_KEY "\"index\":"

struct chunk_call {
    uint64_t id; /* hash; 0: none was given */
    int8_t choice;
    int8_t sent;  /* the server's number, or UNNUMBERED */
    int8_t index; /* ours */
};

/* One element of a tool_calls array. */
struct fragment {
    struct slice object;
    struct span_value index;
    uint64_t id;
    int8_t choice;
    int8_t sent;
    bool has_name; /* opens a call */
};

/* One tool_calls array. */
struct mending {
    struct chunk_mender *m;
    struct splice *edits;
    struct arena *room;
    struct slice array;
    size_t count;
    char *copy; /* the array anew, when it has many calls */
    size_t copy_length;
    const char *copied_to; /* how far of `array` is in the copy */
};

static uint64_t hash_id(struct slice id)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    size_t i;

    for (i = 0; i < id.n; i++) {
        h = (h ^ (unsigned char) id.p[i]) * 1099511628211u;
    }
    return h != 0 ? h : 1;
}

static bool has_name(const struct span_value *function)
{
    static const char *const names[] = {"name"};
    struct span_value name;

    if (function->type != SPAN_OBJECT) {
        return false;
    }
    span_find(function->text, names, 1, &name);
    return name.type == SPAN_STRING && name.text.n > 2;
}

/* False when the fragment passes as it is. */
static bool read_fragment(struct slice object, int8_t choice, struct fragment *f)
{
    static const char *const names[] = {"index", "id", "function"};
    struct span_value m[ARRAY_LEN(names)];
    uint64_t number;

    span_find(object, names, ARRAY_LEN(names), m);
    *f = (struct fragment) {.object = object, .index = m[0], .choice = choice, .sent = UNNUMBERED};
    if (m[0].type != SPAN_ABSENT && m[0].type != SPAN_NULL) {
        if (!span_to_u64(&m[0], &number) || number > CALL_INDEX_MAX) {
            return false;
        }
        f->sent = (int8_t) number;
    }
    if (m[1].type == SPAN_STRING && m[1].text.n > 2) {
        f->id = hash_id(m[1].text);
    }
    f->has_name = has_name(&m[2]);
    return true;
}

static struct chunk_call *find_id(struct chunk_mender *m, const struct fragment *f)
{
    unsigned i;

    for (i = 0; i < m->count; i++) {
        if (m->calls[i].choice == f->choice && m->calls[i].id == f->id) {
            return &m->calls[i];
        }
    }
    return NULL;
}

/* The call used last under the fragment's number. Where one of the two has no number, the call used
 * last: some servers number only the opener, or only what follows it. */
static struct chunk_call *find_open(struct chunk_mender *m, const struct fragment *f)
{
    struct chunk_call *open = NULL;
    unsigned i;

    for (i = 0; i < m->count; i++) {
        struct chunk_call *c = &m->calls[i];

        if (c->choice != f->choice) {
            continue;
        }
        if (c->sent == f->sent) {
            return c;
        }
        if (open == NULL && (c->sent == UNNUMBERED || f->sent == UNNUMBERED)) {
            open = c;
        }
    }
    return open;
}

/* Does `f` begin a call, although `open` is there? An unknown id alone does not where the server
 * numbers its calls: some send a fresh id with every fragment. */
static bool is_opener(const struct fragment *f, const struct chunk_call *open)
{
    if (f->id != 0 && open->id != 0) {
        return f->has_name || f->sent == UNNUMBERED;
    }
    if (f->id != 0) {
        return false; /* the id comes late */
    }
    return f->has_name && f->sent == UNNUMBERED;
}

/* Our index for a call that begins; UNNUMBERED: the choice has too many. */
static int8_t free_index(const struct chunk_mender *m, const struct fragment *f)
{
    bool is_taken = f->sent == UNNUMBERED;
    int8_t last = UNNUMBERED;
    unsigned i;

    for (i = 0; i < m->count; i++) {
        if (m->calls[i].choice == f->choice) {
            is_taken = is_taken || m->calls[i].index == f->sent;
            last = m->calls[i].index > last ? m->calls[i].index : last;
        }
    }
    if (!is_taken) {
        return f->sent;
    }
    return last < CALL_INDEX_MAX ? (int8_t) (last + 1) : UNNUMBERED;
}

static enum err grow(struct chunk_mender *m)
{
    unsigned room = m->room > 0 ? m->room * 2 : 4;
    struct chunk_call *calls;

    if (m->count < m->room) {
        return ERR_NONE;
    }
    calls = realloc(m->calls, room * sizeof(*calls));
    if (calls == NULL) {
        return ERR_NOMEM;
    }
    m->calls = calls;
    m->room = room;
    return ERR_NONE;
}

/* Puts the call first, from its old place (m->count: none). */
static void put_first(struct chunk_mender *m, struct chunk_call call, size_t place)
{
    memmove(m->calls + 1, m->calls, place * sizeof(call));
    m->calls[0] = call;
}

/* The fragment's index for our client; its own where it passes as it is. */
static enum err find_index(struct chunk_mender *m, const struct fragment *f, int8_t *index)
{
    struct chunk_call *found = f->id != 0 ? find_id(m, f) : NULL;
    struct chunk_call call;

    if (found == NULL) {
        found = find_open(m, f);
        if (found != NULL && is_opener(f, found)) {
            found = NULL;
        }
    }
    if (found != NULL) {
        call = *found;
        call.id = call.id != 0 ? call.id : f->id;
        put_first(m, call, (size_t) (found - m->calls));
        *index = call.index;
        return ERR_NONE;
    }
    call = (struct chunk_call) {f->id, f->choice, f->sent, free_index(m, f)};
    *index = f->sent;
    if (call.index == UNNUMBERED || m->count == CALLS_MAX) {
        return ERR_NONE;
    }
    if (grow(m) != ERR_NONE) {
        return ERR_NOMEM;
    }
    put_first(m, call, m->count++);
    *index = call.index;
    return ERR_NONE;
}

static enum err replace(struct mending *w, struct slice span, struct slice text)
{
    size_t before;

    if (w->count <= EDITS_MAX) {
        return splice_replace(w->edits, span, text);
    }
    if (w->copy == NULL) {
        w->copy = arena_alloc(w->room, w->array.n + w->count * sizeof(MEMBER_KEY "63,"));
        w->copied_to = w->array.p;
        if (w->copy == NULL) {
            return ERR_NOMEM;
        }
    }
    before = (size_t) (span.p - w->copied_to);
    memcpy(w->copy + w->copy_length, w->copied_to, before);
    memcpy(w->copy + w->copy_length + before, text.p, text.n);
    w->copy_length += before + text.n;
    w->copied_to = span.p + span.n;
    return ERR_NONE;
}

static enum err number_fragment(struct mending *w, const struct fragment *f, int8_t index)
{
    char *member = arena_printf(w->room, MEMBER_KEY "%d,", index);
    struct span_cursor cursor = {0};
    struct span_value first;
    struct slice text = slice_of(member);
    struct slice key;

    if (member == NULL) {
        return ERR_NOMEM;
    }
    if (f->index.type != SPAN_ABSENT) {
        size_t skip = sizeof(MEMBER_KEY) - 1;

        return replace(w, f->index.text, (struct slice) {text.p + skip, text.n - skip - 1});
    }
    if (!span_next(f->object, &cursor, &key, &first)) {
        text.n--; /* no comma in an empty object */
    }
    return replace(w, (struct slice) {f->object.p + 1, 0}, text);
}

static enum err finish_copy(struct mending *w)
{
    size_t rest;

    if (w->copy == NULL) {
        return ERR_NONE;
    }
    rest = (size_t) (w->array.p + w->array.n - w->copied_to);
    memcpy(w->copy + w->copy_length, w->copied_to, rest);
    return splice_replace(w->edits, w->array, (struct slice) {w->copy, w->copy_length + rest});
}

static enum err mend_array(struct mending *w, int8_t choice)
{
    struct span_cursor cursor = {0};
    struct span_value element;
    struct slice key;

    while (span_next(w->array, &cursor, &key, &element)) {
        w->count++;
    }
    cursor = (struct span_cursor) {0};
    while (span_next(w->array, &cursor, &key, &element)) {
        struct fragment f;
        int8_t index;
        enum err rc;

        if (!read_fragment(element.text, choice, &f)) {
            continue;
        }
        rc = find_index(w->m, &f, &index);
        if (rc == ERR_NONE && index != f.sent) {
            rc = number_fragment(w, &f, index);
        }
        if (rc != ERR_NONE) {
            return rc;
        }
    }
    return finish_copy(w);
}

/* The array of a choice's calls; empty when it has none. */
static struct slice find_array(struct slice choice, uint64_t *index)
{
    static const char *const names[] = {"index", "delta"};
    static const char *const calls_names[] = {"tool_calls"};
    struct span_value m[ARRAY_LEN(names)];
    struct span_value calls;

    span_find(choice, names, ARRAY_LEN(names), m);
    if (m[0].type == SPAN_NUMBER && !span_to_u64(&m[0], index)) {
        return SLICE_NONE;
    }
    if (m[1].type != SPAN_OBJECT) {
        return SLICE_NONE;
    }
    span_find(m[1].text, calls_names, 1, &calls);
    return calls.type == SPAN_ARRAY ? calls.text : SLICE_NONE;
}

enum err chunk_mend(struct chunk_mender *m, const struct chunk *c, struct splice *edits,
                    struct arena *room)
{
    struct span_cursor cursor = {0};
    struct span_value choice;
    struct slice key;
    uint64_t place;

    if (!c->has_tool_calls) {
        return ERR_NONE;
    }
    for (place = 0; span_next(c->choices.text, &cursor, &key, &choice); place++) {
        struct mending w = {.m = m, .edits = edits, .room = room};
        uint64_t index = place;
        enum err rc;

        w.array = find_array(choice.text, &index);
        if (w.array.n == 0 || index > CHOICE_MAX) {
            continue;
        }
        rc = mend_array(&w, (int8_t) index);
        if (rc != ERR_NONE) {
            return rc;
        }
    }
    return ERR_NONE;
}

void chunk_mender_fini(struct chunk_mender *m)
{
    free(m->calls);
    memset(m, 0, sizeof(*m));
}
