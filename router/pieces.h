/* Reading a text that lies in pieces, a part at a time. */
#ifndef ROUTER_PIECES_H
#define ROUTER_PIECES_H

#include "cache/base.h"

struct pieces {
    const struct slice *list; /* borrowed, as what they point at */
    size_t count;
    size_t at;     /* the piece that is read next */
    size_t offset; /* in that piece */
};

/* At their start. */
struct pieces pieces_of(const struct slice *list, size_t count);
size_t pieces_total(const struct pieces *p); /* bytes of all, read or not */

/* Copies what comes next, at most `room` bytes, and returns how many; 0: nothing is left. */
size_t pieces_read(struct pieces *p, char *to, size_t room);
void pieces_rewind(struct pieces *p);

#endif
