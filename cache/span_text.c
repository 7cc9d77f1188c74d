#include "cache/span.h"

#include "cache/span_scan.h"

#include <string.h>

/* ---- decoding ---- */

bool span_plain(struct slice string, struct slice *inside)
{
    *inside = (struct slice) {string.p + 1, string.n - 2};
    return inside->n == 0 || memchr(inside->p, '\\', inside->n) == NULL;
}

static unsigned hex4(const char *p)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char) p[i];
        unsigned digit = c <= '9' ? c - '0' : (c | 0x20u) - 'a' + 10;
        unit = unit << 4 | digit;
    }
    return unit;
}

static size_t utf8_of(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char) code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char) (0xC0 | code >> 6);
        out[1] = (char) (0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char) (0xE0 | code >> 12);
        out[1] = (char) (0x80 | (code >> 6 & 63));
        out[2] = (char) (0x80 | (code & 63));
        return 3;
    }
    out[0] = (char) (0xF0 | code >> 18);
    out[1] = (char) (0x80 | (code >> 12 & 63));
    out[2] = (char) (0x80 | (code >> 6 & 63));
    out[3] = (char) (0x80 | (code & 63));
    return 4;
}

/* One escape of a valid string; `p` is the backslash. Returns how many bytes it takes. */
static size_t decode_escape(const char *p, char out[4], size_t *n)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (p[1] != 'u') {
        out[0] = to[strchr(from, p[1]) - from];
        *n = 1;
        return 2;
    }
    unsigned code = hex4(p + 2);
    if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + (hex4(p + 8) - 0xDC00);
        *n = utf8_of(code, out);
        return 12;
    }
    *n = utf8_of(code, out);
    return 6;
}

size_t span_decode(struct slice string, char *out, size_t cap)
{
    const char *at = string.p + 1;
    const char *end = string.p + string.n - 1;
    size_t length = 0;
    while (at < end) {
        const char *stop = memchr(at, '\\', (size_t) (end - at));
        size_t run = (size_t) ((stop ? stop : end) - at);
        if (length < cap && run > 0) {
            memcpy(out + length, at, run < cap - length ? run : cap - length);
        }
        length += run;
        at += run;
        if (at < end) {
            char bytes[4];
            size_t n;
            at += decode_escape(at, bytes, &n);
            for (size_t i = 0; i < n; i++, length++) {
                if (length < cap) {
                    out[length] = bytes[i];
                }
            }
        }
    }
    return length;
}

bool span_string_eq(struct slice string, const char *text)
{
    struct slice inside;
    struct slice rest = slice_of(text);
    if (span_plain(string, &inside)) {
        return slice_eq(inside, rest);
    }
    const char *end = inside.p + inside.n;
    for (const char *at = inside.p; at < end;) {
        char bytes[4] = {*at};
        size_t n = 1;
        at += *at == '\\' ? decode_escape(at, bytes, &n) : 1;
        if (rest.n < n || memcmp(rest.p, bytes, n) != 0) {
            return false;
        }
        rest = (struct slice) {rest.p + n, rest.n - n};
    }
    return rest.n == 0;
}

/* ---- encoding ---- */

static bool needs_care(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

/* How many bytes of ASCII at the text's beginning stand for themselves. */
static size_t plain_length(const char *p, size_t left)
{
    size_t n = 0;
    for (; left - n >= 8; n += 8) {
        uint64_t v = span_load(p + n);
        /* Below 0x20: marks are false only above a true one, or where the high bit is set anyway. */
        uint64_t marks = span_marks(v, '"') | span_marks(v, '\\') |
                         ((v - SPAN_ONES * 0x20) & SPAN_HIGHS) | (v & SPAN_HIGHS);
        if (marks != 0) {
            return n + span_first_mark(marks);
        }
    }
    while (n < left && !needs_care((unsigned char) p[n])) {
        n++;
    }
    return n;
}

/* How many bytes at the text's beginning stand for themselves: of those beyond ASCII whole characters. */
static size_t verbatim_length(const char *p, size_t left)
{
    size_t n = plain_length(p, left);
    while (n < left && (unsigned char) p[n] >= 0x80) {
        size_t character = span_utf8_length(p + n, left - n);
        if (character == 0) {
            break;
        }
        n += character;
        n += plain_length(p + n, left - n);
    }
    return n;
}

/* What stands for a byte that cannot stay, in `piece`; returns how many bytes that are. */
static size_t escape_one(unsigned char c, char piece[6])
{
    static const char digits[] = "0123456789abcdef";
    static const char shorts[] = "btn\0fr"; /* for 8, 9, 10, 12 and 13 */
    if (c >= 0x80) {
        memcpy(piece, "\xEF\xBF\xBD", 3); /* of no character */
        return 3;
    }
    char letter = c >= 8 && c <= 13 ? shorts[c - 8] : '\0';
    piece[0] = '\\';
    piece[1] = c >= 0x20 ? (char) c : letter;
    if (piece[1] != '\0') {
        return 2;
    }
    memcpy(piece + 1, "u00", 3);
    piece[4] = digits[c >> 4];
    piece[5] = digits[c & 15];
    return 6;
}

size_t span_escape(struct slice text, char *out, size_t cap)
{
    size_t length = 0, i = 0;
    while (i < text.n) {
        char piece[6];
        const char *from = text.p + i;
        size_t n = verbatim_length(from, text.n - i);
        i += n;
        if (n == 0) {
            n = escape_one((unsigned char) *from, piece);
            from = piece;
            i++;
        }
        if (length < cap) {
            memcpy(out + length, from, n < cap - length ? n : cap - length);
        }
        length += n;
    }
    return length;
}

size_t span_escaped_length(struct slice text)
{
    char nothing; /* not NULL, to which not even 0 may be added */
    return span_escape(text, &nothing, 0);
}
