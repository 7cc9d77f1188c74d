/* gzip by zlib: whole replies, event streams, and request bodies with a bomb limit. */
#ifndef GATEWAY_GZIP_H
#define GATEWAY_GZIP_H

#include "cache/base.h"

struct evbuffer;
struct gzip_stream;

/* Compresses `text` whole to the end of `out`. ERR_NOMEM. */
enum err gzip_whole(struct slice text, struct evbuffer *out) MUST_CHECK;

/* Event streams: window of 2^11, memLevel 4 (22 KiB a stream instead of 268), each write flushed
 * (Z_SYNC_FLUSH) so that an event is readable at once. */
struct gzip_stream *gzip_stream_new(void); /* NULL: no memory */
void gzip_stream_free(struct gzip_stream *g);
enum err gzip_stream_write(struct gzip_stream *g, struct slice text,
                           struct evbuffer *out) MUST_CHECK;
enum err gzip_stream_end(struct gzip_stream *g, struct evbuffer *out) MUST_CHECK;

/* Unpacks a whole gzip body. *out is malloc'ed, the caller's. ERR_LIMIT: the result passes `cap_bytes`
 * (noticed while unpacking, before memory is taken); ERR_INPUT: not gzip, cut, wrong check sum, or
 * bytes after the end; ERR_NOMEM. */
enum err gzip_unpack(struct slice packed, size_t cap_bytes, char **out,
                     size_t *out_bytes) MUST_CHECK;

#endif
