/* Server-sent events, the sending side: the framing of one event, comment or error. */
#ifndef GATEWAY_SSE_WRITE_H
#define GATEWAY_SSE_WRITE_H

#include "cache/base.h"

struct evbuffer;

/* `pieces` make one JSON text on one line (a LF inside a piece, legal in JSON between tokens, becomes a
 * space, since it would end the data line). Writes "data: …\n\n". ERR_NOMEM: nothing was written, and
 * the stream lacks an event: it must not go on as if it were whole. */
enum err sse_write_event(struct evbuffer *out, const struct slice *pieces, size_t count) MUST_CHECK;
/* What we say ourselves is small: memory that is gone ends the program, as in x_alloc(). */
void sse_write_done(struct evbuffer *out); /* data: [DONE] */
void sse_write_comment(struct evbuffer *out,
                       struct slice text); /* ": text\n\n"; text has no newline */

#endif
