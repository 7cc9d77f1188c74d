/* A copy of a JSON text with some spans replaced, described as pieces instead of made: the big
 * body of a request exists once, and each upstream call reads slices of it.
 *
 * Add edits in any order; what they replace or remove must not overlap. Then splice_pieces()
 * gives the list. Nothing is copied: text and replacements are borrowed and must outlive the
 * pieces. */
#ifndef CACHE_SPLICE_H
#define CACHE_SPLICE_H

#include "cache/base.h"
#include "cache/span.h"

enum { SPLICE_EDITS_MAX = 16, SPLICE_PIECES_MAX = 2 * SPLICE_EDITS_MAX + 1 };

struct splice_edit {
    size_t offset;
    size_t length;
    struct slice replacement;
    bool is_comma; /* left out when what follows it closes the object */
};

struct splice {
    struct slice text;
    size_t count;
    struct splice_edit edits[SPLICE_EDITS_MAX]; /* kept in order of offset */
};

void splice_init(struct splice *s, struct slice text);

/* `span` lies inside the text. A span of length 0 inserts, in the order of the calls where several
 * insert at the same place. ERR_LIMIT: too many edits. */
enum err splice_replace(struct splice *s, struct slice span, struct slice replacement) MUST_CHECK;

/* Removes a member (struct span_value.member) of an object together with one comma, so that the
 * rest stays JSON whichever members are removed and in whatever order. */
enum err splice_remove(struct splice *s, struct slice member) MUST_CHECK;

/* Inserts `member` (as `"key":value`, no comma) at the start of the object whose span is
 * `object`, with a comma if anything stays behind it. Takes two edits. */
enum err splice_insert(struct splice *s, struct slice object, struct slice member) MUST_CHECK;

/* Writes the pieces in order, empty ones left out; returns how many. */
size_t splice_pieces(const struct splice *s, struct slice pieces[SPLICE_PIECES_MAX]);
size_t splice_length(const struct splice *s);
/* Writes the whole result; `cap` must be at least splice_length(). Returns the length. */
size_t splice_write(const struct splice *s, char *out, size_t cap);

#endif
