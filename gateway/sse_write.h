/* Server-sent events, the sending side: the framing of one event, comment or error. */
#ifndef GATEWAY_SSE_WRITE_H
#define GATEWAY_SSE_WRITE_H

#include "cache/base.h"

struct evbuffer;

/* `pieces` make one JSON text on one line (a LF inside a piece, legal in JSON between tokens, becomes a
 * space, since it would end the data line). Writes "data: …\n\n". */
void sse_write_event(struct evbuffer *out, const struct slice *pieces, size_t count);
void sse_write_done(struct evbuffer *out); /* data: [DONE] */
void sse_write_comment(struct evbuffer *out,
                       struct slice text); /* ": text\n\n"; text has no newline */

#endif
