/* What a handler says to the client: a whole reply, or a stream of events. Knows framing, compression,
 * CORS and the headers that every reply carries; a handler never touches the connection.
 *
 * After a whole reply, reply_stream_end or reply_stream_abort the exchange is over. All functions do
 * nothing once the client has gone. */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include "gateway/exchange.h"
#include "router/job.h"

/* A header of the reply to come. The strings are copied; a value must not hold line breaks. */
void reply_header(struct exchange *x, const char *name, const char *value);
void reply_header_u64(struct exchange *x, const char *name, uint64_t value);

void reply_whole(struct exchange *x, int status, const char *content_type, struct slice body);
/* The body as pieces, so that a big upstream answer is not copied once more. */
void reply_pieces(struct exchange *x, int status, const char *content_type,
                  const struct slice *pieces, size_t count);

/* {"error": {message, type, param, code}} with all four members, retry-after and x-should-retry. */
void reply_failure(struct exchange *x, const struct failure *failure);

static inline bool reply_is_committed(const struct exchange *x)
{
    return x->reply.committed;
}

/* 200 and text/event-stream; goes out with the first flush. */
void reply_stream_begin(struct exchange *x);
/* Where the stream's next bytes are added; reply_stream_flush sends them at the end of this turn as one
 * chunk. SINK_FULL: the client is behind, wait for `drained`. */
struct evbuffer *reply_stream(struct exchange *x);
enum sink_flow reply_stream_flush(struct exchange *x);
void reply_stream_end(struct exchange *x);
/* `failure` as an error event, never [DONE], then the connection closes. The framing is ended: clients
 * built on fetch drop all that they have not read yet, the error event too, when a body is cut. */
void reply_stream_abort(struct exchange *x, const struct failure *failure);

#endif
