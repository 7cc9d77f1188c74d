/* Strict JSON scanner that builds no tree: it validates a text once (RFC 8259, UTF-8 well formed,
 * lone surrogate escapes refused, depth limit) and gives back spans of the original bytes, so that
 * what we do not understand passes through untouched, number spellings included.
 *
 * Accepts exactly the texts that jansson 2.14 accepts with JSON_REJECT_DUPLICATES off and
 * JSON_DECODE_ANY, apart from:
 *   refused here   depth over SPAN_DEPTH_MAX; a zero byte right behind a number (jansson loses it)
 *   accepted here  integers out of int64's range, other numbers out of a double's (we do not
 *                  compute them); U+0000 escapes */
#ifndef CACHE_SPAN_H
#define CACHE_SPAN_H

#include "cache/base.h"

enum {
    SPAN_DEPTH_MAX = 128,  /* arrays and objects in one another */
    SPAN_NUMBER_MAX = 320, /* bytes of a number that span_to_double() still reads */
};

enum span_type {
    SPAN_ABSENT = 0,
    SPAN_NULL,
    SPAN_FALSE,
    SPAN_TRUE,
    SPAN_NUMBER,
    SPAN_STRING, /* the slice includes the quotes */
    SPAN_ARRAY,
    SPAN_OBJECT,
};

struct span_value {
    enum span_type type;
    struct slice text; /* the value's bytes in the scanned text */
    /* For a member of an object: from the key's opening quote to the value's end. */
    struct slice member;
};

struct span_error {
    size_t offset;    /* byte in the text */
    const char *what; /* static text: "expected a value", "invalid UTF-8", ... */
};

/* Validates one JSON text (white space around it allowed). ERR_INPUT with `error` filled. */
enum err span_check(struct slice text, struct span_error *error) MUST_CHECK;

/* Validates `text`, which must be an object, and finds the wanted top-level members in the same
 * pass. out[i] belongs to names[i]; SPAN_ABSENT where there is none. Keys are compared after
 * unescaping. A wanted member that stands twice is ERR_INPUT ("duplicate member"), because two
 * parsers could choose differently; other duplicates pass. */
enum err span_object(struct slice text, const char *const names[], size_t count,
                     struct span_value out[], struct span_error *error) MUST_CHECK;

/* Same over a value that has been validated already (from brace to brace, as in span_value.text):
 * no checks, no error, only the search; of members with the same name the first. */
void span_find(struct slice object, const char *const names[], size_t count,
               struct span_value out[]);

/* Walks a validated array or object, from bracket to bracket, in order. Start with a zeroed cursor.
 * `key` (quotes included) is set for objects. False at the end. */
struct span_cursor {
    size_t at;
};
bool span_next(struct slice container, struct span_cursor *cursor, struct slice *key,
               struct span_value *value);

/* Decoded bytes of a string span, in UTF-8. Returns the decoded length; writes at most `cap` bytes
 * to `out` (never terminated), so a first call with cap 0 measures. A string without escapes can be
 * had without copying by span_plain(). */
size_t span_decode(struct slice string, char *out, size_t cap);
bool span_plain(struct slice string, struct slice *inside);
bool span_string_eq(struct slice string, const char *text); /* after unescaping */

/* Numbers that we do read. False when the value is no number or not representable: for u64
 * anything but plain digits, for double an overflow or more than SPAN_NUMBER_MAX bytes. */
bool span_to_u64(const struct span_value *v, uint64_t *out) MUST_CHECK;
bool span_to_double(const struct span_value *v, double *out) MUST_CHECK;

/* Length of `text` written as a JSON string body (no quotes), and the writing. Bytes that are not
 * UTF-8 become U+FFFD, so that an upstream's nonsense never yields broken JSON. */
size_t span_escaped_length(struct slice text);
size_t span_escape(struct slice text, char *out, size_t cap);

#endif
