#include "router/reply_buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 64 }; /* many stay short */

void reply_buffer_init(struct reply_buffer *b, size_t cap_bytes)
{
    *b = (struct reply_buffer) {.cap_bytes = cap_bytes};
}

void reply_buffer_fini(struct reply_buffer *b)
{
    free(b->bytes);
    reply_buffer_init(b, b->cap_bytes);
}

enum err reply_buffer_add(struct reply_buffer *b, struct slice bytes)
{
    if (bytes.n > b->cap_bytes - b->length) {
        return ERR_LIMIT;
    }
    size_t need = b->length + bytes.n;
    if (need > b->room) {
        size_t room = b->room > 0 ? b->room : FIRST_BYTES;
        while (room < need) {
            room = room <= b->cap_bytes / 2 ? room * 2 : b->cap_bytes;
        }
        char *grown = realloc(b->bytes, room);
        if (!grown) {
            return ERR_NOMEM;
        }
        b->bytes = grown;
        b->room = room;
    }
    if (bytes.n > 0) {
        memcpy(b->bytes + b->length, bytes.p, bytes.n);
    }
    b->length = need;
    return ERR_NONE;
}
