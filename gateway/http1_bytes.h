/* Which byte may stand where in HTTP/1.1: one table for the head parser and the chunked decoder. */
#ifndef GATEWAY_HTTP1_BYTES_H
#define GATEWAY_HTTP1_BYTES_H

#include <stdbool.h>

enum http1_byte {
    HTTP1_TOKEN = 1 << 0,  /* tchar, RFC 9110 §5.6.2 */
    HTTP1_VALUE = 1 << 1,  /* in a field value: visible, space, tab, and anything above ASCII */
    HTTP1_TARGET = 1 << 2, /* in a request target: what a URI may have, RFC 3986, but for '#' */
    HTTP1_HOST = 1 << 3,   /* in host[:port]; no comma (two joined fields), no '@' (a user) */
    HTTP1_HEX = 1 << 4,
};

extern const unsigned char http1_bytes[256];

static inline bool http1_byte_is(char byte, enum http1_byte kind)
{
    return (http1_bytes[(unsigned char) byte] & (unsigned) kind) != 0;
}

/* First byte in [at, end) that is not of this kind, or `end`. */
static inline const char *http1_skip(const char *at, const char *end, enum http1_byte kind)
{
    while (at < end && http1_byte_is(*at, kind)) {
        at++;
    }
    return at;
}

#endif
