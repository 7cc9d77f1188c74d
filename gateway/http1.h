/* HTTP/1.1, the receiving side, as pure functions over bytes: head parser and chunked decoder.
 *
 * Strict by intent (RFC 9112): what two parsers could read differently is refused, never repaired. Bare
 * LF, obs-fold, space before a colon, control bytes, several Content-Length, Content-Length with
 * Transfer-Encoding, any coding but exactly `chunked`, coding in HTTP/1.0, no Host or two in HTTP/1.1:
 * all end the connection, because after them framing is not certain. */
#ifndef GATEWAY_HTTP1_H
#define GATEWAY_HTTP1_H

#include "cache/base.h"

enum { HTTP1_HEAD_MAX = 16 * 1024, HTTP1_FIELDS_MAX = 64 };

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_OPTIONS,
    HTTP1_OTHER, /* a valid token that we do not serve */
};

struct http1_field {
    struct slice name;  /* as sent */
    struct slice value; /* outer white space removed */
};

enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED };

struct http1_head {
    enum http1_method method;
    struct slice method_text;
    struct slice target; /* as sent */
    struct slice path;   /* of the target, without query; absolute-form is reduced to its path */
    struct slice query;  /* after '?', may be empty */
    unsigned minor;      /* HTTP/1.minor */
    bool keep_alive;     /* by version and Connection */
    bool expect_continue;
    enum http1_framing framing;
    uint64_t content_length;
    size_t field_count;
    struct http1_field fields[HTTP1_FIELDS_MAX];
};

enum http1_result {
    HTTP1_DONE,
    HTTP1_MORE,    /* a prefix of something valid so far */
    HTTP1_BAD,     /* 400 */
    HTTP1_TOO_BIG, /* 431: head over HTTP1_HEAD_MAX or fields over HTTP1_FIELDS_MAX */
    HTTP1_VERSION, /* 505: HTTP, but not 1.x */
    HTTP1_CODING,  /* 501: a transfer coding other than chunked */
    HTTP1_EXPECT,  /* 417: an expectation other than 100-continue */
};

/* Parses a head from the start of `bytes`. HTTP1_DONE: *used is its length with the empty line; slices
 * point into `bytes`. Otherwise, but for HTTP1_MORE, *what is a static text that says what is wrong.
 * One empty line before the request line is skipped (RFC 9112 §2.2). Stateless: give all bytes again. A
 * caller with a growing buffer should first look whether the end of a head has come at all. */
enum http1_result http1_parse_head(struct slice bytes, struct http1_head *head, size_t *used,
                                   const char **what) MUST_CHECK;

/* First field of this name (case-insensitive), or an empty slice with p NULL. */
struct slice http1_field_value(const struct http1_head *head, const char *name);
/* True when the comma-separated field has this token, in any case; parameters (;q=…) are looked at:
 * q=0 is no. */
bool http1_has_token(const struct http1_head *head, const char *name, const char *token);
bool http1_list_has(struct slice list, const char *token); /* the same of one field's value */

/* Chunked decoder. Extensions are skipped, trailers read and dropped, both bounded; sizes are hex
 * digits only, at most 15 of them. */
enum http1_chunk_state {
    HTTP1_CHUNK_SIZE,
    HTTP1_CHUNK_EXTENSION,
    HTTP1_CHUNK_SIZE_LF,
    HTTP1_CHUNK_DATA,
    HTTP1_CHUNK_DATA_CR,
    HTTP1_CHUNK_DATA_LF,
    HTTP1_CHUNK_TRAILER,
    HTTP1_CHUNK_TRAILER_VALUE,
    HTTP1_CHUNK_TRAILER_LF,
    HTTP1_CHUNK_END_LF,
    HTTP1_CHUNK_OVER
};

struct http1_chunked {
    enum http1_chunk_state state;
    uint64_t left;        /* bytes of the current chunk still to come */
    unsigned digits;      /* of the size; in the trailer: bytes of the field's name */
    unsigned extra_bytes; /* of all extensions, then of the trailer, against a cap */
};

void http1_chunked_init(struct http1_chunked *d);

/* Takes some of `bytes`: *used says how many; *data is the piece of payload among them (may be empty).
 * Call again with the rest until *used is 0 or it says HTTP1_DONE. HTTP1_MORE: all fine so far.
 * HTTP1_BAD, HTTP1_TOO_BIG (extensions or trailer over 16 KiB): with *what, and no more calls. */
enum http1_result http1_chunked_feed(struct http1_chunked *d, struct slice bytes, size_t *used,
                                     struct slice *data, const char **what) MUST_CHECK;

const char *http1_status_text(int status); /* "Too Many Requests"; "Unknown" for others */

#endif
