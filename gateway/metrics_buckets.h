/* The upper bounds of the histograms: doubling from 0.01 s to 81.92 s for what models take, from 0.1 ms
 * to 0.8192 s for what we take ourselves. The text is what is printed, because 10.24 has no exact
 * double. */
#ifndef GATEWAY_METRICS_BUCKETS_H
#define GATEWAY_METRICS_BUCKETS_H

#include "gateway/metrics.h"

struct metrics_bound {
    double seconds;
    const char *text;
};

extern const struct metrics_bound metrics_bounds[METRICS_BUCKETS];
extern const struct metrics_bound metrics_fine_bounds[METRICS_BUCKETS];

#endif
