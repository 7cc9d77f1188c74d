#include "gateway/http1.h"

#include "gateway/http1_bytes.h"

/* Against a body of many tiny chunks, each with an extension: the cap is on all of them together. */
enum { SIZE_DIGITS_MAX = 15, EXTRA_BYTES_MAX = 16 * 1024 };

void http1_chunked_init(struct http1_chunked *d)
{
    *d = (struct http1_chunked) {.state = HTTP1_CHUNK_SIZE};
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned) (c - '0') : ((unsigned) c | 0x20U) - 'a' + 10U;
}

static enum http1_result bad(const char **what, const char *text)
{
    *what = text;
    return HTTP1_BAD;
}

static enum http1_result take_size_byte(struct http1_chunked *d, char c, const char **what)
{
    if (http1_byte_is(c, HTTP1_HEX)) {
        if (d->digits == SIZE_DIGITS_MAX) {
            return bad(what, "a chunk size has more than 15 digits");
        }
        d->digits++;
        d->left = d->left << 4 | hex_value(c);
        return HTTP1_MORE;
    }
    if (d->digits == 0 || (c != ';' && c != '\r')) {
        return bad(what, "a chunk size is not a plain hexadecimal number");
    }
    d->state = c == ';' ? HTTP1_CHUNK_EXTENSION : HTTP1_CHUNK_SIZE_LF;
    return HTTP1_MORE;
}

static enum http1_result count_extra(struct http1_chunked *d, const char **what)
{
    if (d->extra_bytes == EXTRA_BYTES_MAX) {
        *what = "chunk extensions or trailer fields are longer than 16 KiB";
        return HTTP1_TOO_BIG;
    }
    d->extra_bytes++;
    return HTTP1_MORE;
}

/* A byte up to CR of an extension or of a trailer field's value: read only to be skipped. */
static enum http1_result take_skipped_byte(struct http1_chunked *d, char c,
                                           enum http1_chunk_state at_cr, const char **what)
{
    if (c == '\r') {
        d->state = at_cr;
        return HTTP1_MORE;
    }
    if (!http1_byte_is(c, HTTP1_VALUE)) {
        return bad(what, "a control byte in a chunk extension or trailer field");
    }
    return count_extra(d, what);
}

static enum http1_result take_trailer_byte(struct http1_chunked *d, char c, const char **what)
{
    if (c == '\r' && d->digits == 0) {
        d->state = HTTP1_CHUNK_END_LF;
        return HTTP1_MORE;
    }
    if (c == ':' && d->digits > 0) {
        d->state = HTTP1_CHUNK_TRAILER_VALUE;
        return HTTP1_MORE;
    }
    if (!http1_byte_is(c, HTTP1_TOKEN)) {
        return bad(what, "a trailer field is not: name, colon, value");
    }
    d->digits++;
    return count_extra(d, what);
}

static enum http1_result take_lf(struct http1_chunked *d, char c, enum http1_chunk_state next,
                                 const char **what)
{
    if (c != '\n') {
        return bad(what, "a line of the chunked body does not end in CR LF");
    }
    d->state = next;
    d->digits = 0;
    return HTTP1_MORE;
}

static enum http1_result take_size_lf(struct http1_chunked *d, char c, const char **what)
{
    if (d->left > 0) {
        return take_lf(d, c, HTTP1_CHUNK_DATA, what);
    }
    d->extra_bytes = 0;
    return take_lf(d, c, HTTP1_CHUNK_TRAILER, what);
}

static enum http1_result take_byte(struct http1_chunked *d, char c, const char **what)
{
    switch (d->state) {
    case HTTP1_CHUNK_SIZE:
        return take_size_byte(d, c, what);
    case HTTP1_CHUNK_EXTENSION:
        return take_skipped_byte(d, c, HTTP1_CHUNK_SIZE_LF, what);
    case HTTP1_CHUNK_SIZE_LF:
        return take_size_lf(d, c, what);
    case HTTP1_CHUNK_DATA_CR:
        if (c != '\r') {
            return bad(what, "a chunk is longer than its size says");
        }
        d->state = HTTP1_CHUNK_DATA_LF;
        return HTTP1_MORE;
    case HTTP1_CHUNK_DATA_LF:
        return take_lf(d, c, HTTP1_CHUNK_SIZE, what);
    case HTTP1_CHUNK_TRAILER:
        return take_trailer_byte(d, c, what);
    case HTTP1_CHUNK_TRAILER_VALUE:
        return take_skipped_byte(d, c, HTTP1_CHUNK_TRAILER_LF, what);
    case HTTP1_CHUNK_TRAILER_LF:
        return take_lf(d, c, HTTP1_CHUNK_TRAILER, what);
    case HTTP1_CHUNK_END_LF:
        return take_lf(d, c, HTTP1_CHUNK_OVER, what);
    case HTTP1_CHUNK_DATA:
    case HTTP1_CHUNK_OVER:
        break;
    }
    return HTTP1_DONE;
}

enum http1_result http1_chunked_feed(struct http1_chunked *d, struct slice bytes, size_t *used,
                                     struct slice *data, const char **what)
{
    *data = SLICE_NONE;
    *what = NULL;
    size_t at = 0;
    while (d->state != HTTP1_CHUNK_OVER && at < bytes.n) {
        if (d->state == HTTP1_CHUNK_DATA) {
            size_t n = bytes.n - at;
            if (n > d->left) {
                n = (size_t) d->left;
            }
            *data = (struct slice) {bytes.p + at, n};
            *used = at + n;
            d->left -= n;
            if (d->left == 0) {
                d->state = HTTP1_CHUNK_DATA_CR;
            }
            return HTTP1_MORE;
        }
        enum http1_result rc = take_byte(d, bytes.p[at], what);
        if (rc != HTTP1_MORE) {
            *used = at;
            return rc;
        }
        at++;
    }
    *used = at;
    return d->state == HTTP1_CHUNK_OVER ? HTTP1_DONE : HTTP1_MORE;
}
