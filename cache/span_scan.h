/* The scanning of single values and the search of names, for span.c and span_find.c only.
 *
 * Scanning functions take the place to begin at and return the place behind what they read, NULL
 * when it is wrong: the place lives in a register that way. */
#ifndef CACHE_SPAN_SCAN_H
#define CACHE_SPAN_SCAN_H

#include "cache/span.h"

#include <string.h>

struct span_scan {
    const char *end;       /* of the text */
    const char *failed_at; /* set together with `what` by a function that returned NULL */
    const char *what;
};

/* Sets where and why; returns NULL. */
const char *span_scan_fail(struct span_scan *s, const char *at, const char *what);

/* ---- eight bytes at a time ---- */

#define SPAN_ONES 0x0101010101010101u
#define SPAN_HIGHS 0x8080808080808080u

/* The first byte in the lowest bits. */
static inline uint64_t span_load(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* The high bit of each byte that is `c` (Warren, Hacker's Delight, 6-1). There may be false
 * marks, but only above a true one: the lowest is always right. */
static inline uint64_t span_marks(uint64_t v, char c)
{
    uint64_t x = v ^ (SPAN_ONES * (unsigned char) c);
    return (x - SPAN_ONES) & ~x & SPAN_HIGHS;
}

static inline size_t span_first_mark(uint64_t marks)
{
    return (size_t) __builtin_ctzll(marks) / 8;
}

/* ---- scanning ---- */

static inline bool span_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *span_scan_space(const struct span_scan *s, const char *at)
{
    while (at < s->end && span_is_space(*at)) {
        at++;
    }
    return at;
}

/* A member's name, which `at` must be, and its colon, up to the value's first byte. `*key` is
 * the name with its quotes. */
const char *span_scan_key(struct span_scan *s, const char *at, struct slice *key);
/* Any value that begins at `at`, nested ones too, up to `depth_left` containers deep. */
const char *span_scan_value(struct span_scan *s, const char *at, unsigned depth_left,
                            enum span_type *type);

/* Length of the well-formed sequence of two to four bytes that begins at `text`, of which `left`
 * bytes are there; 0 when it is none. */
size_t span_utf8_length(const char *text, size_t left);

/* Which of the names the key (a valid string with its quotes) is; `count` for none. */
size_t span_name_index(struct slice key, const char *const names[], size_t count);

#endif
