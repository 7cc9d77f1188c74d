/* Gathers the body of a request: framing by length or by chunks, a cap, room that grows with what has
 * really come (a peer that only promises 32 MiB gets none of them). */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include "gateway/http1.h"
#include "router/request.h"

struct evbuffer;

struct body {
    struct reqbody *bytes; /* what has come; NULL when discarding or empty */
    size_t room;
    size_t cap_bytes;
    uint64_t left; /* of a body with a length */
    bool chunked;
    bool discard;     /* count, but keep nothing */
    uint64_t dropped; /* bytes discarded so far */
    struct http1_chunked chunks;
};

enum body_result {
    BODY_DONE,
    BODY_MORE,
    BODY_TOO_LARGE,
    BODY_BAD, /* chunks that are none: framing is lost */
    BODY_NO_MEMORY,
};

void body_init(struct body *b, const struct http1_head *head, size_t cap_bytes, bool discard);
void body_fini(struct body *b);
/* Drains from `input` what belongs to the body and nothing more. */
enum body_result body_take(struct body *b, struct evbuffer *input, const char **what) MUST_CHECK;
struct reqbody *body_release(struct body *b); /* the caller's; NULL for an empty body */

#endif
