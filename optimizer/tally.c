#include "optimizer/tally.h"

#include <math.h>
#include <stdlib.h>

static const double Z95 = 1.959963984540054; /* the normal distribution's 0.975-quantile */

void tally_fini(struct tally *t)
{
    free(t->latencies_us);
    tally_init(t);
}

static void add_latency(struct tally *t, uint64_t us)
{
    if (t->latency_count == t->latency_room) {
        t->latency_room = t->latency_room > 0 ? 2 * t->latency_room : 64;
        t->latencies_us = x_resize(t->latencies_us, t->latency_room, sizeof(*t->latencies_us));
    }
    t->latencies_us[t->latency_count++] = us;
}

void tally_add(struct tally *t, const struct eval_outcome *o)
{
    t->items++;
    t->verdicts[o->verdict]++;
    t->repeats += o->runs - 1;
    if (!eval_is_answer(o->verdict)) {
        return;
    }
    t->answers++;
    t->score += o->score;
    t->usd += o->usd;
    t->flops += o->flops;
    t->calls += o->calls;
    t->prompt_tokens += o->usage.prompt;
    t->completion_tokens += o->usage.completion;
    t->rescued += o->is_rescued ? 1 : 0;
    if (!o->is_repeated) {
        add_latency(t, o->latency_us);
    }
}

struct tally_accuracy tally_accuracy(const struct tally *t)
{
    struct tally_accuracy a = {(double) NAN, 0.0, 1.0};
    if (t->answers == 0) {
        return a;
    }
    double n = (double) t->answers;
    double p = t->score / n;
    double z2 = Z95 * Z95;
    double middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    double half = Z95 / (1.0 + z2 / n) * sqrt(p * (1.0 - p) / n + z2 / (4.0 * n * n));
    a.mean = p;
    a.low = fmax(middle - half, 0.0);
    a.high = fmin(middle + half, 1.0);
    return a;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a;
    uint64_t y = *(const uint64_t *) b;
    return (x > y) - (x < y);
}

double tally_latency_us(struct tally *t, double q)
{
    if (t->latency_count == 0) {
        return (double) NAN;
    }
    qsort(t->latencies_us, t->latency_count, sizeof(*t->latencies_us), compare);
    double rank = ceil(q * (double) t->latency_count);
    size_t at = rank < 1.0 ? 0 : (size_t) rank - 1;
    return (double) t->latencies_us[at < t->latency_count ? at : t->latency_count - 1];
}

double tally_latency_mean_us(const struct tally *t)
{
    double sum = 0.0;
    for (size_t i = 0; i < t->latency_count; i++) {
        sum += (double) t->latencies_us[i];
    }
    return t->latency_count > 0 ? sum / (double) t->latency_count : (double) NAN;
}
