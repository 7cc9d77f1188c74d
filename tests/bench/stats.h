/* A histogram of durations: 128 buckets for each power of two, so a percentile is off by less than
 * one percent. Fixed size, so that measuring does not disturb what is measured. */
#ifndef TESTS_BENCH_STATS_H
#define TESTS_BENCH_STATS_H

#include <stdint.h>

enum { STATS_SUB_BITS = 7, STATS_BUCKETS = (64 - STATS_SUB_BITS + 1) << STATS_SUB_BITS };

/* In place; all zero is empty. */
struct stats {
    uint64_t count, sum_ns, max_ns;
    uint64_t buckets[STATS_BUCKETS];
};

void stats_add(struct stats *s, uint64_t ns);

/* The duration that a share of them, 0 to 1, did not exceed; 0 when there are none. */
uint64_t stats_quantile_ns(const struct stats *s, double share);

uint64_t stats_mean_ns(const struct stats *s); /* 0 when there are none */

#endif
