#include "tests/bench/stats.h"

/* Values below 2^8 have a bucket each; above that the highest bit and the seven below it choose. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned shift = 0;
    while (ns >> shift >= UINT64_C(2) << STATS_SUB_BITS) {
        shift++;
    }
    return (shift << STATS_SUB_BITS) + (unsigned) (ns >> shift);
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    const unsigned first_shifted = 2u << STATS_SUB_BITS;
    if (bucket < first_shifted) {
        return bucket;
    }
    unsigned shift = (bucket >> STATS_SUB_BITS) - 1;
    uint64_t low = (uint64_t) (bucket - (shift << STATS_SUB_BITS)) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

void stats_add(struct stats *s, uint64_t ns)
{
    s->count++;
    s->sum_ns += ns;
    s->buckets[bucket_of(ns)]++;
    if (ns > s->max_ns) {
        s->max_ns = ns;
    }
}

uint64_t stats_quantile_ns(const struct stats *s, double share)
{
    uint64_t wanted = (uint64_t) (share * (double) s->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        seen += s->buckets[i];
        if (seen > wanted) {
            return value_of(i);
        }
    }
    return s->max_ns;
}

uint64_t stats_mean_ns(const struct stats *s)
{
    return s->count > 0 ? s->sum_ns / s->count : 0;
}
