/* Edits of two objects in an array, in any order: the result is JSON whose members are the inserted
 * ones in the order of the calls and then those that were not removed. Pieces, length and writing
 * agree, and an edit that is refused changes nothing.
 *
 * The first byte says how many members the objects have, the second how many bytes describe white
 * space between all tokens; every later byte is an edit. */
#include "cache/span.h"
#include "cache/splice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OBJECTS = 2, MEMBERS_MAX = 7, ROOM = 2048, INSERTED_MAX = 8 };

struct object {
    struct slice text;
    struct span_value members[MEMBERS_MAX];
    size_t count;
    bool is_removed[MEMBERS_MAX];
    bool is_replaced[MEMBERS_MAX];
    size_t inserted[INSERTED_MAX]; /* numbers of the edits */
    size_t inserted_count;
};

struct world {
    char *text;
    size_t length;
    struct object objects[OBJECTS];
    struct splice splice;
    char inserts[SPLICE_EDITS_MAX][16]; /* `"i3":3` */
    size_t insert_count;
};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* ---- the text ---- */

struct maker {
    const uint8_t *spaces;
    size_t spaces_left;
    char text[ROOM];
    size_t length;
};

static void token(struct maker *m, const char *bytes)
{
    static const char kinds[] = " \t\n\r";
    size_t n = strlen(bytes);
    memcpy(m->text + m->length, bytes, n);
    m->length += n;
    if (m->spaces_left > 0) {
        for (unsigned i = 0; i < (*m->spaces & 3u); i++) {
            m->text[m->length++] = kinds[((*m->spaces >> 2) + i) & 3u];
        }
        m->spaces++;
        m->spaces_left--;
    }
}

static void make_object(struct maker *m, unsigned members)
{
    static const char *const values[] = {"1",    "\",}\"", "{\"k0\":2,\"x\":3}", "[ ]", "{ }",
                                         "null", "-0"};
    token(m, "{");
    for (unsigned i = 0; i < members; i++) {
        char key[] = {'"', 'k', (char) ('0' + i), '"', '\0'};
        token(m, i > 0 ? "," : "");
        token(m, key);
        token(m, ":");
        token(m, values[i % ARRAY_LEN(values)]);
    }
    token(m, "}");
}

static void read_object(struct object *o, struct slice text)
{
    struct span_cursor cursor = {0};
    struct slice key;
    *o = (struct object) {.text = text};
    while (o->count < MEMBERS_MAX && span_next(text, &cursor, &key, &o->members[o->count])) {
        o->count++;
    }
}

static void make_world(struct world *w, unsigned members, const uint8_t *spaces, size_t count)
{
    struct maker m = {.spaces = spaces, .spaces_left = count};
    struct span_cursor cursor = {0};
    struct span_error error;
    struct span_value v;
    struct slice key;
    token(&m, "[");
    make_object(&m, members % (MEMBERS_MAX + 1));
    token(&m, ",");
    make_object(&m, members / (MEMBERS_MAX + 1) % (MEMBERS_MAX + 1));
    token(&m, "]");
    *w = (struct world) {.text = malloc(m.length), .length = m.length};
    must(w->text != NULL);
    memcpy(w->text, m.text, m.length);
    must(span_check((struct slice) {w->text, w->length}, &error) == ERR_NONE);
    for (size_t i = 0; i < OBJECTS; i++) {
        must(span_next((struct slice) {w->text, w->length}, &cursor, &key, &v));
        read_object(&w->objects[i], v.text);
    }
    splice_init(&w->splice, (struct slice) {w->text, w->length});
}

/* ---- edits ---- */

static void insert(struct world *w, struct object *o)
{
    size_t i = w->insert_count;
    if (i == SPLICE_EDITS_MAX || o->inserted_count == INSERTED_MAX) {
        return;
    }
    size_t n = (size_t) snprintf(w->inserts[i], sizeof(w->inserts[i]), "\"i%zu\":%zu", i, i);
    if (splice_insert(&w->splice, o->text, (struct slice) {w->inserts[i], n}) == ERR_NONE) {
        o->inserted[o->inserted_count++] = i;
        w->insert_count++;
    }
}

static void edit(struct world *w, uint8_t byte)
{
    struct object *o = &w->objects[byte & 1];
    size_t i = byte >> 1 & 7;
    if (byte >> 4 == 15 || i >= o->count) {
        insert(w, o);
    } else if (o->is_removed[i] || o->is_replaced[i]) {
        return;
    } else if (byte >> 4 < 8) {
        o->is_removed[i] = splice_remove(&w->splice, o->members[i].member) == ERR_NONE;
    } else {
        o->is_replaced[i] = splice_replace(&w->splice, o->members[i].text, SLICE_LIT("\"new\"")) ==
                            ERR_NONE;
    }
}

/* ---- the result ---- */

static void expect_member(struct slice object, struct span_cursor *cursor,
                          struct slice expected_key, struct slice expected)
{
    struct slice key;
    struct span_value v;
    must(span_next(object, cursor, &key, &v));
    must(slice_eq(key, expected_key) && slice_eq(v.text, expected));
}

static void check_object(const struct world *w, const struct object *o, struct slice result)
{
    struct span_cursor cursor = {0};
    struct span_value v;
    struct slice key;
    for (size_t i = 0; i < o->inserted_count; i++) {
        const char *member = w->inserts[o->inserted[i]];
        const char *colon = strchr(member, ':');
        expect_member(result, &cursor, (struct slice) {member, (size_t) (colon - member)},
                      slice_of(colon + 1));
    }
    for (size_t i = 0; i < o->count; i++) {
        const struct span_value *m = &o->members[i];
        if (!o->is_removed[i]) {
            expect_member(result, &cursor, (struct slice) {m->member.p, 4},
                          o->is_replaced[i] ? SLICE_LIT("\"new\"") : m->text);
        }
    }
    must(!span_next(result, &cursor, &key, &v));
}

static void check(const struct world *w)
{
    struct slice pieces[SPLICE_PIECES_MAX];
    struct span_cursor cursor = {0};
    struct span_error error;
    struct span_value v;
    struct slice key;
    size_t length = splice_length(&w->splice), at = 0;
    char *text = malloc(length > 0 ? length : 1);
    must(text != NULL && splice_write(&w->splice, text, length) == length);
    size_t count = splice_pieces(&w->splice, pieces);
    must(count <= SPLICE_PIECES_MAX);
    for (size_t i = 0; i < count; i++) {
        must(pieces[i].n > 0 && pieces[i].n <= length - at);
        must(memcmp(pieces[i].p, text + at, pieces[i].n) == 0);
        at += pieces[i].n;
    }
    must(at == length);
    must(span_check((struct slice) {text, length}, &error) == ERR_NONE);
    for (size_t i = 0; i < OBJECTS; i++) {
        must(span_next((struct slice) {text, length}, &cursor, &key, &v));
        check_object(w, &w->objects[i], v.text);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (size < 2) {
        return 0;
    }
    size_t spaces = data[1] < size - 2 ? data[1] : size - 2;
    make_world(&w, data[0], data + 2, spaces);
    for (size_t i = 2 + spaces; i < size && i < 2 + spaces + 64; i++) {
        edit(&w, data[i]);
        check(&w);
    }
    free(w.text);
    return 0;
}
