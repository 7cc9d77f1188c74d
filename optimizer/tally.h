/* Adds outcomes of an evaluation up: accuracy with its interval, cost, latency, failures. */
#ifndef OPTIMIZER_TALLY_H
#define OPTIMIZER_TALLY_H

#include "optimizer/evaluator.h"

/* Sums but for `latencies_us`. Cost, tokens and calls are of items with an answer, right or wrong. */
struct tally {
    size_t verdicts[EVAL_VERDICT_COUNT];
    size_t items;   /* of them all, dropped and unfit ones too */
    size_t answers; /* right and wrong ones */
    double score;
    double usd;
    double flops; /* NAN once one is */
    uint64_t calls;
    uint64_t prompt_tokens;
    uint64_t completion_tokens;
    size_t repeats; /* further runs of items that upstreams broke */
    size_t rescued;
    uint64_t *latencies_us; /* of answers none of whose calls was repeated */
    size_t latency_count;
    size_t latency_room;
};

static inline void tally_init(struct tally *t)
{
    *t = (struct tally) {.items = 0};
}
void tally_fini(struct tally *t);

void tally_add(struct tally *t, const struct eval_outcome *outcome);

/* Mean score, and its interval at 95 %: Wilson's (J. Am. Stat. Assoc. 22, 1927), which holds its level for few
 * items and near 0 and 1 too. A score between 0 and 1 varies no more than right and wrong of the same mean, so
 * that the interval is then too wide rather than too narrow. Without answers: NAN, and 0 to 1. */
struct tally_accuracy {
    double mean;
    double low;
    double high;
};
struct tally_accuracy tally_accuracy(const struct tally *t);

/* Microseconds. Sorts the latencies. The q-quantile is the smallest latency that at least the share q does not
 * exceed. NAN without any. */
double tally_latency_us(struct tally *t, double q);
double tally_latency_mean_us(const struct tally *t);

#endif
