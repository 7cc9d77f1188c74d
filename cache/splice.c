#include "cache/splice.h"

#include <string.h>

void splice_init(struct splice *s, struct slice text)
{
    s->text = text;
    s->count = 0;
}

static size_t end_of(const struct splice_edit *e)
{
    return e->offset + e->length;
}

/* What inserts at a place stands before what replaces the bytes there. */
static bool is_before(const struct splice_edit *a, const struct splice_edit *b)
{
    return a->offset != b->offset ? a->offset < b->offset : a->length == 0 && b->length > 0;
}

static enum err add_edit(struct splice *s, struct splice_edit edit)
{
    if (s->count == SPLICE_EDITS_MAX) {
        return ERR_LIMIT;
    }
    size_t at = s->count;
    while (at > 0 && is_before(&edit, &s->edits[at - 1])) {
        s->edits[at] = s->edits[at - 1];
        at--;
    }
    s->edits[at] = edit;
    s->count++;
    return ERR_NONE;
}

enum err splice_replace(struct splice *s, struct slice span, struct slice replacement)
{
    return add_edit(s, (struct splice_edit) {.offset = (size_t) (span.p - s->text.p),
                                             .length = span.n,
                                             .replacement = replacement});
}

/* ---- members ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The edit that takes the byte at `offset` away. */
static struct splice_edit *covering(struct splice *s, size_t offset)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->edits[i].offset <= offset && offset < end_of(&s->edits[i])) {
            return &s->edits[i];
        }
    }
    return NULL;
}

/* The comma before `offset` when only white space is between; false when there is none. */
static bool find_comma_before(const struct splice *s, size_t offset, size_t *comma)
{
    while (offset > 0 && is_space(s->text.p[offset - 1])) {
        offset--;
    }
    *comma = offset - 1;
    return offset > 0 && s->text.p[*comma] == ',';
}

static bool find_comma_after(const struct splice *s, size_t offset, size_t *comma)
{
    while (offset < s->text.n && is_space(s->text.p[offset])) {
        offset++;
    }
    *comma = offset;
    return offset < s->text.n && s->text.p[offset] == ',';
}

/* A member goes with the comma behind it. When there is none, or a removed neighbour has it
 * already, this is the last member that was left, and the comma goes that ends the one before:
 * the first comma to the left that nobody has, which may stand before a run of removed members. */
enum err splice_remove(struct splice *s, struct slice member)
{
    struct splice_edit edit = {.offset = (size_t) (member.p - s->text.p), .length = member.n};
    size_t comma;
    if (find_comma_after(s, end_of(&edit), &comma) && !covering(s, comma)) {
        edit.length = comma + 1 - edit.offset;
        return add_edit(s, edit);
    }
    struct splice_edit *leftmost = &edit;
    while (find_comma_before(s, leftmost->offset, &comma)) {
        struct splice_edit *neighbour = covering(s, comma);
        if (!neighbour) {
            if (s->count < SPLICE_EDITS_MAX) { /* what is refused must change nothing */
                leftmost->length += leftmost->offset - comma;
                leftmost->offset = comma;
            }
            break;
        }
        leftmost = neighbour;
    }
    return add_edit(s, edit);
}

/* The comma is settled when the pieces are made: later edits may empty the object. */
enum err splice_insert(struct splice *s, struct slice object, struct slice member)
{
    size_t at = (size_t) (object.p - s->text.p) + 1; /* behind the brace */
    if (s->count + 2 > SPLICE_EDITS_MAX) {
        return ERR_LIMIT;
    }
    enum err rc = add_edit(s, (struct splice_edit) {.offset = at, .replacement = member});
    return rc != ERR_NONE
               ? rc
               : add_edit(s, (struct splice_edit) {
                                 .offset = at, .replacement = SLICE_LIT(","), .is_comma = true});
}

/* ---- the result ---- */

/* Whether the object closes behind edit `i`, seen with the edits that follow. */
static bool is_last_in_object(const struct splice *s, size_t i)
{
    size_t at = end_of(&s->edits[i]);
    for (i++;; i++) {
        size_t stop = i < s->count ? s->edits[i].offset : s->text.n;
        while (at < stop && is_space(s->text.p[at])) {
            at++;
        }
        if (at < stop) {
            return s->text.p[at] == '}';
        }
        if (i >= s->count || s->edits[i].replacement.n > 0) {
            return false;
        }
        at = end_of(&s->edits[i]);
    }
}

static struct slice replacement(const struct splice *s, size_t i)
{
    const struct splice_edit *e = &s->edits[i];
    return e->is_comma && is_last_in_object(s, i) ? SLICE_NONE : e->replacement;
}

size_t splice_pieces(const struct splice *s, struct slice pieces[SPLICE_PIECES_MAX])
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct slice instead = replacement(s, i);
        if (s->edits[i].offset > at) {
            pieces[count++] = (struct slice) {s->text.p + at, s->edits[i].offset - at};
        }
        if (instead.n > 0) {
            pieces[count++] = instead;
        }
        at = end_of(&s->edits[i]);
    }
    if (s->text.n > at) {
        pieces[count++] = (struct slice) {s->text.p + at, s->text.n - at};
    }
    return count;
}

size_t splice_length(const struct splice *s)
{
    size_t length = s->text.n;
    for (size_t i = 0; i < s->count; i++) {
        length = length - s->edits[i].length + replacement(s, i).n;
    }
    return length;
}

size_t splice_write(const struct splice *s, char *out, size_t cap)
{
    struct slice pieces[SPLICE_PIECES_MAX];
    size_t count = splice_pieces(s, pieces);
    size_t length = 0;
    for (size_t i = 0; i < count && pieces[i].n <= cap - length; i++) {
        memcpy(out + length, pieces[i].p, pieces[i].n);
        length += pieces[i].n;
    }
    return length;
}
