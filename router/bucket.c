#include "router/bucket.h"

#define UNIT INT64_C(60000000)

/* Further debt is forgiven: it could not be counted. */
#define LEVEL_MIN (INT64_MIN / 4)

static int64_t units(uint64_t cost)
{
    return (int64_t) (cost < BUCKET_COST_MAX ? cost : BUCKET_COST_MAX) * UNIT;
}

static int64_t full(const struct bucket *b)
{
    return (int64_t) b->capacity * UNIT;
}

/* Time to gain `missing`, rounded up. */
static uint64_t time_for(const struct bucket *b, int64_t missing)
{
    if (missing <= 0) {
        return 0;
    }
    return ((uint64_t) missing + b->capacity - 1) / b->capacity;
}

void bucket_init(struct bucket *b, unsigned capacity, uint64_t now_us)
{
    b->capacity = capacity;
    b->level = full(b);
    b->at_us = now_us;
}

void bucket_resize(struct bucket *b, unsigned capacity, uint64_t now_us)
{
    if (b->capacity == 0) {
        bucket_init(b, capacity, now_us);
        return;
    }
    bucket_refill(b, now_us);
    b->capacity = capacity;
    if (b->level > full(b)) {
        b->level = full(b);
    }
}

void bucket_refill(struct bucket *b, uint64_t now_us)
{
    /* Threads read the clock before they take the lock, so time may seem to go back a little. */
    if (b->capacity == 0 || now_us <= b->at_us) {
        return;
    }
    uint64_t gone_us = now_us - b->at_us;
    if (gone_us >= bucket_reset_us(b)) {
        b->level = full(b);
    } else {
        b->level += (int64_t) (gone_us * b->capacity);
    }
    b->at_us = now_us;
}

uint64_t bucket_wait_us(const struct bucket *b, uint64_t cost)
{
    if (b->capacity == 0) {
        return 0;
    }
    int64_t needed = units(cost);
    if (needed > full(b)) {
        needed = full(b);
    }
    return time_for(b, needed - b->level);
}

static void change(struct bucket *b, int64_t by)
{
    b->level += by;
    if (b->level < LEVEL_MIN) {
        b->level = LEVEL_MIN;
    }
    if (b->level > full(b)) {
        b->level = full(b);
    }
}

void bucket_take(struct bucket *b, uint64_t cost)
{
    change(b, -units(cost));
}

void bucket_correct(struct bucket *b, uint64_t taken, uint64_t real)
{
    change(b, units(taken) - units(real));
}

unsigned bucket_left(const struct bucket *b)
{
    return b->level > 0 ? (unsigned) (b->level / UNIT) : 0;
}

uint64_t bucket_reset_us(const struct bucket *b)
{
    return b->capacity == 0 ? 0 : time_for(b, full(b) - b->level);
}
