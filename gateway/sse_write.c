#include "gateway/sse_write.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

/* One reservation an event: this runs once for every token that a client gets. NULL: no memory. */
static char *reserve(struct evbuffer *out, size_t bytes, struct evbuffer_iovec *v)
{
    if (evbuffer_reserve_space(out, (ev_ssize_t) bytes, v, 1) != 1) {
        return NULL;
    }
    v->iov_len = bytes;
    return v->iov_base;
}

static char *reserve_small(struct evbuffer *out, size_t bytes, struct evbuffer_iovec *v)
{
    char *room = reserve(out, bytes, v);
    if (!room) {
        abort();
    }
    return room;
}

static void commit(struct evbuffer *out, struct evbuffer_iovec *v)
{
    if (evbuffer_commit_space(out, v, 1) != 0) {
        abort(); /* it is what was reserved */
    }
}

static char *put(char *to, struct slice s)
{
    if (s.n > 0) {
        memcpy(to, s.p, s.n);
    }
    return to + s.n;
}

/* A CR ends a line of an event stream as a LF does. */
static void flatten(char *text, size_t n, char newline)
{
    char *end = text + n;
    char *at = text;

    while (at < end && (at = memchr(at, newline, (size_t) (end - at))) != NULL) {
        *at++ = ' ';
    }
}

enum err sse_write_event(struct evbuffer *out, const struct slice *pieces, size_t count)
{
    struct slice before = SLICE_LIT("data: ");
    struct slice after = SLICE_LIT("\n\n");
    struct evbuffer_iovec v;
    size_t bytes = before.n + after.n;
    char *text;
    char *to;

    for (size_t i = 0; i < count; i++) {
        bytes += pieces[i].n;
    }
    to = reserve(out, bytes, &v);
    if (!to) {
        return ERR_NOMEM;
    }
    text = put(to, before);
    to = text;
    for (size_t i = 0; i < count; i++) {
        to = put(to, pieces[i]);
    }
    flatten(text, (size_t) (to - text), '\n');
    flatten(text, (size_t) (to - text), '\r');
    (void) put(to, after);
    commit(out, &v);
    return ERR_NONE;
}

void sse_write_done(struct evbuffer *out)
{
    struct slice done = SLICE_LIT("data: [DONE]\n\n");
    struct evbuffer_iovec v;

    (void) put(reserve_small(out, done.n, &v), done);
    commit(out, &v);
}

void sse_write_comment(struct evbuffer *out, struct slice text)
{
    struct slice before = SLICE_LIT(": ");
    struct slice after = SLICE_LIT("\n\n");
    struct evbuffer_iovec v;

    (void) put(put(put(reserve_small(out, before.n + text.n + after.n, &v), before), text), after);
    commit(out, &v);
}
