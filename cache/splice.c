#include "cache/splice.h"

#include <string.h>

void splice_init(struct splice *s, struct slice text)
{
    s->text = text;
    s->count = 0;
}

static enum err add_edit(struct splice *s, size_t offset, size_t length, struct slice replacement)
{
    if (s->count == SPLICE_EDITS_MAX) {
        return ERR_LIMIT;
    }
    size_t at = s->count;
    while (at > 0 && s->edits[at - 1].offset > offset) {
        s->edits[at] = s->edits[at - 1];
        at--;
    }
    s->edits[at] = (struct splice_edit) {offset, length, replacement};
    s->count++;
    return ERR_NONE;
}

enum err splice_replace(struct splice *s, struct slice span, struct slice replacement)
{
    return add_edit(s, (size_t) (span.p - s->text.p), span.n, replacement);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

enum err splice_remove(struct splice *s, struct slice member)
{
    const char *begin = s->text.p;
    const char *end = s->text.p + s->text.n;
    const char *after = member.p + member.n;
    const char *before = member.p;
    while (after < end && is_space(*after)) {
        after++;
    }
    if (after < end && *after == ',') {
        return add_edit(s, (size_t) (member.p - begin), (size_t) (after + 1 - member.p), SLICE_NONE);
    }
    while (before > begin && is_space(before[-1])) {
        before--;
    }
    if (before > begin && before[-1] == ',') { /* the last member: its comma stands before it */
        before--;
    } else {
        before = member.p;
    }
    return add_edit(s, (size_t) (before - begin), (size_t) (member.p + member.n - before),
                    SLICE_NONE);
}

enum err splice_insert(struct splice *s, struct slice object, struct slice member)
{
    size_t at = (size_t) (object.p - s->text.p) + 1; /* behind the brace */
    const char *next = object.p + 1;
    while (next < object.p + object.n && is_space(*next)) {
        next++;
    }
    enum err rc = add_edit(s, at, 0, member);
    if (rc == ERR_NONE && *next != '}') {
        rc = add_edit(s, at, 0, SLICE_LIT(","));
    }
    return rc;
}

size_t splice_pieces(const struct splice *s, struct slice pieces[SPLICE_PIECES_MAX])
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct splice_edit *e = &s->edits[i];
        if (e->offset > at) {
            pieces[count++] = (struct slice) {s->text.p + at, e->offset - at};
        }
        if (e->replacement.n > 0) {
            pieces[count++] = e->replacement;
        }
        at = e->offset + e->length;
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
        length = length - s->edits[i].length + s->edits[i].replacement.n;
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
