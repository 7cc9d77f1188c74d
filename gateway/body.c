#include "gateway/body.h"

#include <event2/buffer.h>
#include <string.h>

enum { FIRST_ROOM_BYTES = 4096 };

void body_init(struct body *b, const struct http1_head *head, size_t cap_bytes, bool discard)
{
    *b = (struct body) {.cap_bytes = cap_bytes,
                        .discard = discard,
                        .chunked = head->framing == HTTP1_CHUNKED,
                        .left = head->content_length};
    http1_chunked_init(&b->chunks);
}

void body_fini(struct body *b)
{
    reqbody_unref(b->bytes);
    b->bytes = NULL;
}

static enum body_result make_room(struct body *b, size_t more)
{
    size_t have = b->bytes ? b->bytes->length : 0;
    if (more > b->cap_bytes - have) {
        return BODY_TOO_LARGE;
    }
    if (have + more <= b->room) {
        return BODY_DONE;
    }
    size_t room = b->room > 0 ? b->room : FIRST_ROOM_BYTES;
    if (!b->chunked && b->left <= FIRST_ROOM_BYTES) {
        room = (size_t) b->left; /* the usual small body gets exactly its size */
    }
    while (room < have + more) {
        room = room <= b->cap_bytes / 2 ? room * 2 : b->cap_bytes;
    }
    struct reqbody *grown = b->bytes ? reqbody_grow(b->bytes, room) : reqbody_new(room);
    if (!grown) {
        return BODY_NO_MEMORY;
    }
    if (!b->bytes) {
        grown->length = 0;
    }
    b->bytes = grown;
    b->room = room;
    return BODY_DONE;
}

static enum body_result keep(struct body *b, struct slice data)
{
    if (b->discard) { /* dropped, but not for ever */
        b->dropped += data.n;
        return b->dropped <= b->cap_bytes ? BODY_DONE : BODY_TOO_LARGE;
    }
    if (data.n == 0) {
        return BODY_DONE;
    }
    enum body_result rc = make_room(b, data.n);
    if (rc == BODY_DONE) {
        memcpy(b->bytes->bytes + b->bytes->length, data.p, data.n);
        b->bytes->length += data.n;
    }
    return rc;
}

/* The first bytes that are there. An evbuffer may have an empty chain in front, over which we would turn
 * for ever. */
static bool peek(struct evbuffer *input, struct evbuffer_iovec *piece)
{
    return evbuffer_get_length(input) > 0 && evbuffer_pullup(input, 1) &&
           evbuffer_peek(input, -1, NULL, piece, 1) == 1;
}

static enum body_result take_length(struct body *b, struct evbuffer *input)
{
    if (b->left > b->cap_bytes) {
        return BODY_TOO_LARGE;
    }
    while (b->left > 0) {
        struct evbuffer_iovec piece;
        if (!peek(input, &piece)) {
            return BODY_MORE;
        }
        size_t n = piece.iov_len < b->left ? piece.iov_len : (size_t) b->left;
        enum body_result rc = keep(b, (struct slice) {piece.iov_base, n});
        if (rc != BODY_DONE) {
            return rc;
        }
        b->left -= n;
        evbuffer_drain(input, n);
    }
    return BODY_DONE;
}

static enum body_result take_chunks(struct body *b, struct evbuffer *input, const char **what)
{
    for (;;) {
        struct evbuffer_iovec piece;
        if (!peek(input, &piece)) {
            return BODY_MORE;
        }
        size_t used;
        struct slice data;
        struct slice bytes = {piece.iov_base, piece.iov_len};
        enum http1_result rc = http1_chunked_feed(&b->chunks, bytes, &used, &data, what);
        if (rc != HTTP1_DONE && rc != HTTP1_MORE) {
            return BODY_BAD;
        }
        enum body_result kept = keep(b, data);
        if (kept != BODY_DONE) {
            return kept;
        }
        evbuffer_drain(input, used);
        if (rc == HTTP1_DONE) {
            return BODY_DONE;
        }
        if (used == 0) {
            *what = "the chunked body does not advance";
            return BODY_BAD;
        }
    }
}

enum body_result body_take(struct body *b, struct evbuffer *input, const char **what)
{
    return b->chunked ? take_chunks(b, input, what) : take_length(b, input);
}

struct reqbody *body_release(struct body *b)
{
    struct reqbody *bytes = b->bytes;
    b->bytes = NULL;
    return bytes;
}
