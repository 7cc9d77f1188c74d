#include "cache/span_scan.h"

#include <string.h>

static bool fail(struct span_scan *s, const char *what)
{
    s->what = what;
    return false;
}

/* ---- strings ---- */

/* Eight bytes at a time: true when one of them is a quote, a backslash, a control byte or not ASCII.
 * (x - 0x01…) & ~x & 0x80… marks the zero bytes of x; Warren, Hacker's Delight, 6-1.) */
static bool has_special(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    uint64_t quote = v ^ (ones * '"');
    uint64_t slash = v ^ (ones * '\\');
    uint64_t zero = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((v - ones * 0x20) & ~v);
    return ((zero | v) & highs) != 0;
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
static bool scan_hex4(struct span_scan *s, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = s->at < s->end ? hex_value(*s->at) : -1;
        if (digit < 0) {
            return fail(s, "expected four hex digits after \\u");
        }
        *unit = *unit << 4 | (unsigned) digit;
        s->at++;
    }
    return true;
}

static bool scan_unicode_escape(struct span_scan *s)
{
    unsigned high, low;
    if (!scan_hex4(s, &high)) {
        return false;
    }
    if (high >= 0xDC00 && high <= 0xDFFF) {
        return fail(s, "lone low surrogate");
    }
    if (high < 0xD800 || high > 0xDBFF) {
        return true;
    }
    if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u') {
        return fail(s, "lone high surrogate");
    }
    s->at += 2;
    if (!scan_hex4(s, &low)) {
        return false;
    }
    return low >= 0xDC00 && low <= 0xDFFF ? true : fail(s, "lone high surrogate");
}

/* `at` is the backslash. */
static bool scan_escape(struct span_scan *s)
{
    s->at++;
    if (s->at == s->end) {
        return fail(s, "unfinished string");
    }
    switch (*s->at++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return true;
    case 'u':
        return scan_unicode_escape(s);
    default:
        s->at--;
        return fail(s, "unknown escape");
    }
}

/* One code point of more than one byte. The bounds on the second byte refuse overlong forms, surrogates
 * and what lies above U+10FFFF (Unicode, table 3-7). */
static bool scan_utf8(struct span_scan *s)
{
    const unsigned char *p = (const unsigned char *) s->at;
    size_t left = (size_t) (s->end - s->at);
    unsigned char low = 0x80, high = 0xBF;
    size_t n;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        n = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        n = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;
        high = p[0] == 0xED ? 0x9F : 0xBF;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        n = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;
        high = p[0] == 0xF4 ? 0x8F : 0xBF;
    } else {
        return fail(s, "invalid UTF-8");
    }
    if (left < n || p[1] < low || p[1] > high) {
        return fail(s, "invalid UTF-8");
    }
    for (size_t i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xBF) {
            return fail(s, "invalid UTF-8");
        }
    }
    s->at += n;
    return true;
}

bool span_scan_string(struct span_scan *s)
{
    s->at++;
    for (;;) {
        while (s->end - s->at >= 8 && !has_special(s->at)) {
            s->at += 8;
        }
        if (s->at == s->end) {
            return fail(s, "unfinished string");
        }
        unsigned char c = (unsigned char) *s->at;
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c == '\\') {
            if (!scan_escape(s)) {
                return false;
            }
        } else if (c < 0x20) {
            return fail(s, "control byte in a string");
        } else if (c < 0x80) {
            s->at++;
        } else if (!scan_utf8(s)) {
            return false;
        }
    }
}

/* ---- numbers and words ---- */

static bool is_digit_at(const struct span_scan *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static bool scan_digits(struct span_scan *s)
{
    if (!is_digit_at(s)) {
        return fail(s, "expected a digit");
    }
    while (is_digit_at(s)) {
        s->at++;
    }
    return true;
}

static bool scan_number(struct span_scan *s)
{
    if (*s->at == '-') {
        s->at++;
    }
    bool zero = s->at < s->end && *s->at == '0';
    if (!zero && !scan_digits(s)) {
        return false;
    }
    if (zero) {
        s->at++; /* no digit may follow: then what follows is no comma or bracket either */
    }
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!scan_digits(s)) {
            return false;
        }
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-')) {
            s->at++;
        }
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct span_scan *s, const char *word, size_t n)
{
    if ((size_t) (s->end - s->at) < n || memcmp(s->at, word, n) != 0) {
        return fail(s, "expected a value");
    }
    s->at += n;
    return true;
}

/* ---- values ---- */

static bool scan_scalar(struct span_scan *s, enum span_type *type)
{
    switch (*s->at) {
    case '"':
        *type = SPAN_STRING;
        return span_scan_string(s);
    case 't':
        *type = SPAN_TRUE;
        return scan_word(s, "true", 4);
    case 'f':
        *type = SPAN_FALSE;
        return scan_word(s, "false", 5);
    case 'n':
        *type = SPAN_NULL;
        return scan_word(s, "null", 4);
    default:
        if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9')) {
            *type = SPAN_NUMBER;
            return scan_number(s);
        }
        return fail(s, "expected a value");
    }
}

/* A key and its colon; `at` is where the key must begin. */
static bool scan_key(struct span_scan *s)
{
    if (s->at == s->end || *s->at != '"') {
        return fail(s, "expected a member's name");
    }
    if (!span_scan_string(s)) {
        return false;
    }
    span_skip_space(s);
    if (s->at == s->end || *s->at != ':') {
        return fail(s, "expected ':'");
    }
    s->at++;
    span_skip_space(s);
    return true;
}

/* After a value inside a container: over closers, to the next value's first byte. *depth becomes 0 when
 * the outermost container has closed. */
static bool scan_onward(struct span_scan *s, const char *closers, unsigned *depth)
{
    while (*depth > 0) {
        span_skip_space(s);
        if (s->at == s->end) {
            return fail(s, "unfinished array or object");
        }
        char closer = closers[*depth - 1];
        if (*s->at == closer) {
            s->at++;
            (*depth)--;
        } else if (*s->at == ',') {
            s->at++;
            span_skip_space(s);
            return closer == '}' ? scan_key(s) : true;
        } else {
            return fail(s, closer == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        }
    }
    return true;
}

/* Enters the container at `at`. *is_empty: it has closed already. */
static bool enter(struct span_scan *s, bool *is_empty)
{
    char closer = *s->at == '{' ? '}' : ']';
    s->at++;
    span_skip_space(s);
    *is_empty = s->at < s->end && *s->at == closer;
    if (*is_empty) {
        s->at++;
        return true;
    }
    return closer == '}' ? scan_key(s) : true;
}

bool span_scan_value(struct span_scan *s, unsigned depth_left, enum span_type *type)
{
    char closers[SPAN_DEPTH_MAX]; /* of the containers that are open */
    unsigned depth = 0;
    enum span_type inner;
    bool outermost = true;
    do {
        if (s->at == s->end) {
            return fail(s, "expected a value");
        }
        enum span_type *to = outermost ? type : &inner;
        outermost = false;
        if (*s->at == '{' || *s->at == '[') {
            bool is_empty;
            *to = *s->at == '{' ? SPAN_OBJECT : SPAN_ARRAY;
            if (depth >= depth_left) {
                return fail(s, "nested too deep");
            }
            closers[depth] = *s->at == '{' ? '}' : ']';
            if (!enter(s, &is_empty)) {
                return false;
            }
            if (!is_empty) {
                depth++;
                continue;
            }
        } else if (!scan_scalar(s, to)) {
            return false;
        }
        if (!scan_onward(s, closers, &depth)) {
            return false;
        }
    } while (depth > 0);
    return true;
}
