/* A wait queue in which keys take turns, and a key's waiters go in order.
 *
 *      first ──► key 7 ──► key 3 ──► key 9      whose turn it is, one line of waiters per key
 *                  │         │
 *                  ▼         ▼
 *                key 7     key 3
 *
 * The key whose waiter is taken goes behind the others; so does a key that joins. When the first of
 * a line leaves, the next one of its key has its place.
 *
 * Intrusive, no allocation; turns_add and turns_remove look through the keys that wait. */
#ifndef ROUTER_TURNS_H
#define ROUTER_TURNS_H

#include "cache/base.h"

struct turn {
    struct turn *prev; /* of the same key (utlist: the first one's is the last) */
    struct turn *next;
    struct turn *prev_key; /* of the first of a line: the line before and after */
    struct turn *next_key;
    uint32_t key;
};

struct turns {
    struct turn *first;
    unsigned count;
};

void turns_add(struct turns *q, struct turn *t, uint32_t key);
struct turn *turns_take(struct turns *q); /* NULL: nobody waits */
void turns_remove(struct turns *q, struct turn *t);

#endif
