#include "cache/span_scan.h"

#include <string.h>

const char *span_scan_fail(struct span_scan *s, const char *at, const char *what)
{
    s->failed_at = at;
    s->what = what;
    return NULL;
}

/* ---- strings ---- */

/* Quotes, backslashes, control bytes and what is not ASCII. The lowest mark is right as in
 * span_marks(), and there is none where nothing is special. */
static inline uint64_t special_marks(uint64_t v)
{
    uint64_t control = (v - SPAN_ONES * 0x20) & ~v;
    return span_marks(v, '"') | span_marks(v, '\\') | ((control | v) & SPAN_HIGHS);
}

static inline bool is_special(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20 || c >= 0x80;
}

/* To the first special byte, or to the end. */
static inline const char *skip_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t marks = special_marks(span_load(at));
        if (marks != 0) {
            return at + span_first_mark(marks);
        }
        at += 8;
    }
    while (at < end && !is_special((unsigned char) *at)) {
        at++;
    }
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `at` is behind "\u". */
static const char *scan_hex4(struct span_scan *s, const char *at, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, at++) {
        int digit = at < s->end ? hex_value(*at) : -1;
        if (digit < 0) {
            return span_scan_fail(s, at, "expected four hex digits after \\u");
        }
        *unit = *unit << 4 | (unsigned) digit;
    }
    return at;
}

/* `at` is behind "\u". A surrogate counts only as a pair of escapes. */
static const char *scan_unicode_escape(struct span_scan *s, const char *at)
{
    unsigned high, low;
    at = scan_hex4(s, at, &high);
    if (!at || high < 0xD800 || high > 0xDFFF) {
        return at;
    }
    if (high >= 0xDC00) {
        return span_scan_fail(s, at, "lone low surrogate");
    }
    if (s->end - at < 2 || at[0] != '\\' || at[1] != 'u') {
        return span_scan_fail(s, at, "lone high surrogate");
    }
    at = scan_hex4(s, at + 2, &low);
    if (at && (low < 0xDC00 || low > 0xDFFF)) {
        return span_scan_fail(s, at, "lone high surrogate");
    }
    return at;
}

/* `at` is behind the backslash. A table and no switch: its jump would be guessed wrong in prose. */
static const char *scan_escape(struct span_scan *s, const char *at)
{
    static const bool is_short[256] = {['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
                                       ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true};
    if (at == s->end) {
        return span_scan_fail(s, at, "unfinished string");
    }
    if (is_short[(unsigned char) *at]) {
        return at + 1;
    }
    return *at == 'u' ? scan_unicode_escape(s, at + 1) : span_scan_fail(s, at, "unknown escape");
}

/* The bounds on the second byte refuse overlong forms, surrogates and what lies above U+10FFFF
 * (Unicode, table 3-7). */
size_t span_utf8_length(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *) text;
    size_t n = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (n == 0 || left < n) {
        return 0;
    }
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xBF) {
            return 0;
        }
    }
    return n;
}

/* `at` is behind the opening quote. */
static const char *scan_string(struct span_scan *s, const char *at)
{
    for (;;) {
        at = skip_plain(at, s->end);
        if (at == s->end) {
            return span_scan_fail(s, at, "unfinished string");
        }
        unsigned char c = (unsigned char) *at;
        if (c == '"') {
            return at + 1;
        }
        if (c == '\\') {
            at = scan_escape(s, at + 1);
            if (!at) {
                return NULL;
            }
        } else if (c < 0x20) {
            return span_scan_fail(s, at, "control byte in a string");
        } else {
            size_t n = span_utf8_length(at, (size_t) (s->end - at));
            if (n == 0) {
                return span_scan_fail(s, at, "invalid UTF-8");
            }
            at += n;
        }
    }
}

/* ---- numbers and words ---- */

static inline bool is_digit_at(const struct span_scan *s, const char *at)
{
    return at < s->end && *at >= '0' && *at <= '9';
}

static const char *scan_digits(struct span_scan *s, const char *at)
{
    if (!is_digit_at(s, at)) {
        return span_scan_fail(s, at, "expected a digit");
    }
    while (is_digit_at(s, at)) {
        at++;
    }
    return at;
}

static const char *scan_number(struct span_scan *s, const char *at)
{
    if (*at == '-') {
        at++;
    }
    if (at < s->end && *at == '0') {
        at++; /* no digit may follow: then what follows is no comma or bracket either */
    } else {
        at = scan_digits(s, at);
    }
    if (at && at < s->end && *at == '.') {
        at = scan_digits(s, at + 1);
    }
    if (at && at < s->end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < s->end && (*at == '+' || *at == '-')) {
            at++;
        }
        at = scan_digits(s, at);
    }
    return at;
}

static const char *scan_word(struct span_scan *s, const char *at, struct slice word)
{
    if ((size_t) (s->end - at) < word.n || memcmp(at, word.p, word.n) != 0) {
        return span_scan_fail(s, at, "expected a value");
    }
    return at + word.n;
}

/* ---- values ---- */

static const char *scan_scalar(struct span_scan *s, const char *at, enum span_type *type)
{
    switch (*at) {
    case '"':
        *type = SPAN_STRING;
        return scan_string(s, at + 1);
    case 't':
        *type = SPAN_TRUE;
        return scan_word(s, at, SLICE_LIT("true"));
    case 'f':
        *type = SPAN_FALSE;
        return scan_word(s, at, SLICE_LIT("false"));
    case 'n':
        *type = SPAN_NULL;
        return scan_word(s, at, SLICE_LIT("null"));
    default:
        if (*at == '-' || is_digit_at(s, at)) {
            *type = SPAN_NUMBER;
            return scan_number(s, at);
        }
        return span_scan_fail(s, at, "expected a value");
    }
}

const char *span_scan_key(struct span_scan *s, const char *at, struct slice *key)
{
    const char *begin = at;
    if (at == s->end || *at != '"') {
        return span_scan_fail(s, at, "expected a member's name");
    }
    at = scan_string(s, at + 1);
    if (!at) {
        return NULL;
    }
    *key = (struct slice) {begin, (size_t) (at - begin)};
    at = span_scan_space(s, at);
    if (at == s->end || *at != ':') {
        return span_scan_fail(s, at, "expected ':'");
    }
    return span_scan_space(s, at + 1);
}

/* After a value inside a container: over closers, to the next value's first byte. *depth becomes
 * 0 when the outermost container has closed. */
static const char *scan_onward(struct span_scan *s, const char *at, const char *closers,
                               unsigned *depth)
{
    struct slice key;
    while (*depth > 0) {
        char closer = closers[*depth - 1];
        at = span_scan_space(s, at);
        if (at == s->end) {
            return span_scan_fail(s, at, "unfinished array or object");
        }
        if (*at == ',') {
            at = span_scan_space(s, at + 1);
            return closer == '}' ? span_scan_key(s, at, &key) : at;
        }
        if (*at != closer) {
            return span_scan_fail(s, at,
                                  closer == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        at++;
        (*depth)--;
    }
    return at;
}

/* Enters the container at `at`, to its first value. *is_empty: it has closed already. */
static const char *enter(struct span_scan *s, const char *at, bool *is_empty)
{
    struct slice key;
    char closer = *at == '{' ? '}' : ']';
    at = span_scan_space(s, at + 1);
    *is_empty = at < s->end && *at == closer;
    if (*is_empty) {
        return at + 1;
    }
    return closer == '}' ? span_scan_key(s, at, &key) : at;
}

const char *span_scan_value(struct span_scan *s, const char *at, unsigned depth_left,
                            enum span_type *type)
{
    char closers[SPAN_DEPTH_MAX]; /* of the containers that are open */
    unsigned depth = 0;
    enum span_type inner;
    do {
        if (at == s->end) {
            return span_scan_fail(s, at, "expected a value");
        }
        bool is_empty = true;
        if (*at == '{' || *at == '[') {
            if (depth >= depth_left) {
                return span_scan_fail(s, at, "nested too deep");
            }
            *type = *at == '{' ? SPAN_OBJECT : SPAN_ARRAY;
            closers[depth] = *at == '{' ? '}' : ']';
            at = enter(s, at, &is_empty);
        } else {
            at = scan_scalar(s, at, type);
        }
        type = &inner; /* only the first value is the caller's */
        if (at && is_empty) {
            at = scan_onward(s, at, closers, &depth);
        } else {
            depth++;
        }
    } while (at && depth > 0);
    return at;
}

/* ---- names ---- */

size_t span_name_index(struct slice key, const char *const names[], size_t count)
{
    struct slice inside;
    size_t i = 0;
    if (!span_plain(key, &inside)) {
        while (i < count && !span_string_eq(key, names[i])) {
            i++;
        }
        return i;
    }
    /* The first byte tells most names apart without a call. */
    char first = inside.n > 0 ? inside.p[0] : '\0';
    while (i < count && (names[i][0] != first || strncmp(names[i], inside.p, inside.n) != 0 ||
                         names[i][inside.n] != '\0')) {
        i++;
    }
    return i;
}
