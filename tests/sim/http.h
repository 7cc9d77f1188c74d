/*
 * HTTP/1.1 request parsing for the simulated upstream: head, Content-Length and chunked bodies,
 * fed in pieces of any size. It is strict enough to notice a gateway that frames badly, and no
 * more than that.
 */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include "tests/sim/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_HEAD 65536U
#define HTTP_MAX_HEADERS 128U
#define HTTP_MAX_BODY (40U << 20)

struct http_header {
    const char *name;
    const char *value;
};

/*
 * One request. The strings point into head, which the request owns; body is the decoded body,
 * NUL-terminated behind body.len once the request is complete.
 */
struct http_request {
    struct buf head;
    struct buf body;
    const char *method;
    const char *target;
    int minor;
    bool keep_alive;
    bool expect_continue;
    size_t n_headers;
    struct http_header headers[HTTP_MAX_HEADERS];
};

enum http_state {
    HTTP_HEAD = 0,
    HTTP_BODY,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END,
    HTTP_TRAILER
};

/* The parser owns req until http_take(). */
struct http_parser {
    enum http_state state;
    uint64_t left;
    size_t line_len;
    char line[256];
    struct http_request *req;
};

/* Results of http_feed; a value >= 400 is the HTTP status that says what is wrong, and the
 * connection must close. */
enum { HTTP_MORE = 0, HTTP_HEAD_DONE = 1, HTTP_DONE = 2 };

/*
 * Consumes up to n bytes and says in *used how many. Returns HTTP_MORE (everything consumed),
 * HTTP_HEAD_DONE once when the head of a request with a body is complete (call again with the
 * rest), HTTP_DONE, or a status >= 400.
 */
int http_feed(struct http_parser *p, const char *data, size_t n, size_t *used);

/* Hands over the finished request and makes the parser ready for the next. Release it with
 * http_request_free(). */
struct http_request *http_take(struct http_parser *p);

void http_parser_fini(struct http_parser *p);
void http_request_free(struct http_request *r);

/* The value of a header, compared without case; NULL when absent. */
const char *http_header(const struct http_request *r, const char *name);

#endif
