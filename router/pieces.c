#include "router/pieces.h"

#include <string.h>

struct pieces pieces_of(const struct slice *list, size_t count)
{
    return (struct pieces) {.list = list, .count = count};
}

size_t pieces_total(const struct pieces *p)
{
    size_t total = 0;
    for (size_t i = 0; i < p->count; i++) {
        total += p->list[i].n;
    }
    return total;
}

size_t pieces_read(struct pieces *p, char *to, size_t room)
{
    size_t put = 0;
    while (put < room && p->at < p->count) {
        struct slice piece = p->list[p->at];
        size_t n = piece.n - p->offset;
        n = n < room - put ? n : room - put;
        if (n > 0) { /* an empty piece may point at nothing */
            memcpy(to + put, piece.p + p->offset, n);
        }
        put += n;
        p->offset += n;
        if (p->offset == piece.n) {
            p->at++;
            p->offset = 0;
        }
    }
    return put;
}

void pieces_rewind(struct pieces *p)
{
    p->at = 0;
    p->offset = 0;
}
