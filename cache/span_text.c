#include "cache/span.h"

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
    size_t n = strlen(text);
    if (span_plain(string, &inside)) {
        return inside.n == n && memcmp(inside.p, text, n) == 0;
    }
    char decoded[64];
    if (n >= sizeof(decoded) || span_decode(string, decoded, sizeof(decoded)) != n) {
        return false;
    }
    return memcmp(decoded, text, n) == 0;
}

/* ---- encoding ---- */

/* Length of the valid UTF-8 sequence at p, 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t n = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (n == 0 || left < n) {
        return 0;
    }
    low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : low;
    high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : high;
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

/* What stands for the text at p: its bytes in `piece`, how many of them, and how many were read. */
static size_t escape_one(const unsigned char *p, size_t left, char piece[6], size_t *read)
{
    static const char digits[] = "0123456789abcdef";
    static const char shorts[] = "btn\0fr"; /* for 8, 9, 10, 12 and 13 */
    *read = 1;
    if (p[0] == '"' || p[0] == '\\') {
        piece[0] = '\\';
        piece[1] = (char) p[0];
        return 2;
    }
    if (p[0] < 0x20) {
        char c = p[0] >= 8 && p[0] <= 13 ? shorts[p[0] - 8] : '\0';
        memcpy(piece, "\\u00", 4);
        piece[4] = digits[p[0] >> 4];
        piece[5] = digits[p[0] & 15];
        if (c != '\0') {
            piece[1] = c;
            return 2;
        }
        return 6;
    }
    if (p[0] < 0x80) {
        piece[0] = (char) p[0];
        return 1;
    }
    size_t n = utf8_length(p, left);
    if (n == 0) {
        memcpy(piece, "\xEF\xBF\xBD", 3);
        return 3;
    }
    memcpy(piece, p, n);
    *read = n;
    return n;
}

size_t span_escape(struct slice text, char *out, size_t cap)
{
    size_t length = 0;
    for (size_t i = 0; i < text.n;) {
        char piece[6];
        size_t read;
        size_t n = escape_one((const unsigned char *) text.p + i, text.n - i, piece, &read);
        for (size_t k = 0; k < n; k++, length++) {
            if (length < cap) {
                out[length] = piece[k];
            }
        }
        i += read;
    }
    return length;
}

size_t span_escaped_length(struct slice text)
{
    return span_escape(text, NULL, 0);
}
