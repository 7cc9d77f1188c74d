/* A token bucket that holds one minute's worth, refills evenly and may go into debt. The formulas are
 * in router/ledger.h; all of it is exact integer arithmetic. */
#ifndef ROUTER_BUCKET_H
#define ROUTER_BUCKET_H

#include "cache/base.h"

struct bucket {
    unsigned capacity; /* per minute; 0: no limit, everything is admitted and nothing counted */
    int64_t level;     /* in 1/60,000,000: what a capacity of 1 gains in a microsecond */
    uint64_t at_us;    /* the time of `level` */
};

enum { BUCKET_COST_MAX = INT32_MAX }; /* larger costs count as this */

/* A new bucket is full; one that is resized keeps its level as far as it fits. */
void bucket_init(struct bucket *b, unsigned capacity, uint64_t now_us);
void bucket_resize(struct bucket *b, unsigned capacity, uint64_t now_us);

/* Refills up to `now_us`. The functions below speak of the time of the last refill. */
void bucket_refill(struct bucket *b, uint64_t now_us);

uint64_t bucket_wait_us(const struct bucket *b, uint64_t cost); /* until admitted; 0: now */
void bucket_take(struct bucket *b, uint64_t cost);
void bucket_correct(struct bucket *b, uint64_t taken, uint64_t real);
unsigned bucket_left(const struct bucket *b);
uint64_t bucket_reset_us(const struct bucket *b); /* until full */

#endif
