/* Bytes of a reply whose size the upstream chooses: grows by doubling up to a cap given at creation. */
#ifndef ROUTER_REPLY_BUFFER_H
#define ROUTER_REPLY_BUFFER_H

#include "cache/base.h"

struct reply_buffer {
    char *bytes;
    size_t length;
    size_t room;
    size_t cap_bytes;
};

void reply_buffer_init(struct reply_buffer *b, size_t cap_bytes);
void reply_buffer_fini(struct reply_buffer *b); /* empty again, usable with the same cap */

/* ERR_LIMIT: would pass the cap; what fits is not taken either. ERR_NOMEM. */
enum err reply_buffer_add(struct reply_buffer *b, struct slice bytes) MUST_CHECK;

#endif
