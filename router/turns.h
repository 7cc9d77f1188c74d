/* A wait queue in which keys take turns, and a key's waiters go in order.
 *
 * Each waiter is in a round: one later than the last that was served and than the waiter of its own
 * key before it. Rounds are served in order, within a round whoever came first. A key has at most
 * one waiter in a round, hence nobody waits for more than one of each other key per waiter of its own.
 *
 * Intrusive, no allocation. turns_add looks at the waiters from the back until it has met the key
 * and the place; the others take constant time. */
#ifndef ROUTER_TURNS_H
#define ROUTER_TURNS_H

#include "cache/base.h"

struct turn {
    struct turn *prev; /* utlist: the first one's is the last */
    struct turn *next;
    uint64_t round;
    uint32_t key;
};

struct turns {
    struct turn *first;
    unsigned count;
    uint64_t served; /* round of the last one taken */
};

void turns_add(struct turns *q, struct turn *t, uint32_t key);
struct turn *turns_take(struct turns *q); /* NULL: nobody waits */
void turns_remove(struct turns *q, struct turn *t);

#endif
