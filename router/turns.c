#include "router/turns.h"

#include <utlist.h>

static struct turn *before(const struct turns *q, const struct turn *t)
{
    return t == q->first ? NULL : t->prev;
}

static struct turn *last(const struct turns *q)
{
    return q->first ? q->first->prev : NULL;
}

void turns_add(struct turns *q, struct turn *t, uint32_t key)
{
    struct turn *own = last(q);
    while (own && own->key != key) {
        own = before(q, own);
    }
    t->key = key;
    /* A waiter is always of a later round than the one served last. */
    t->round = (own ? own->round : q->served) + 1;
    struct turn *place = last(q);
    while (place && place->round > t->round) {
        place = before(q, place);
    }
    DL_APPEND_ELEM(q->first, place, t);
    q->count++;
}

struct turn *turns_take(struct turns *q)
{
    struct turn *t = q->first;
    if (t) {
        q->served = t->round;
        turns_remove(q, t);
    }
    return t;
}

void turns_remove(struct turns *q, struct turn *t)
{
    DL_DELETE(q->first, t);
    q->count--;
}
