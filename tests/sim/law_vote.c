#include "tests/sim/law_vote.h"

#include <string.h>

#define SIDE (LAW_VOTERS_MAX + 1)

/*
 * Generating functions: cell[b][a] is the chance, divided by b! a!, that the distractors so far got
 * b of the wrong answers before and a of those behind the first right one, and none of them wins.
 */
struct cells {
    double at[SIDE][SIDE];
};

/* A distractor with b before and a behind loses against `right` when it has fewer, or as many but
 * none before. */
static int loses(unsigned b, unsigned a, unsigned right)
{
    return b + a < right || (b + a == right && b == 0);
}

/* Adds a distractor of this share. inv[n] = 1 / n!. */
static void add_distractor(struct cells *c, double share, unsigned right, unsigned wrong,
                           const double *inv)
{
    struct cells next;
    double power[SIDE];

    power[0] = 1;
    for (unsigned i = 1; i <= wrong; i++) {
        power[i] = power[i - 1] * share;
    }
    memset(&next, 0, sizeof(next));
    for (unsigned b = 0; b <= wrong; b++) {
        for (unsigned a = 0; a + b <= wrong; a++) {
            double sum = 0;

            for (unsigned i = 0; i <= b && i <= right; i++) {
                for (unsigned j = 0; j <= a && loses(i, j, right); j++) {
                    sum += c->at[b - i][a - j] * power[i + j] * inv[i] * inv[j];
                }
            }
            next.at[b][a] = sum;
        }
    }
    *c = next;
}

void law_vote_init(struct law_vote *v, const struct law_task_params *task, unsigned k)
{
    double factorial[SIDE];
    double inv[SIDE];

    factorial[0] = 1;
    for (unsigned i = 1; i < SIDE; i++) {
        factorial[i] = factorial[i - 1] * i;
    }
    for (unsigned i = 0; i < SIDE; i++) {
        inv[i] = 1 / factorial[i];
    }
    memset(v, 0, sizeof(*v));
    for (unsigned right = 1; right <= k; right++) {
        unsigned wrong = k - right;
        struct cells c;

        memset(&c, 0, sizeof(c));
        c.at[0][0] = 1;
        for (unsigned j = 1; j <= task->wrong; j++) {
            add_distractor(&c, law_wrong_share(task, j), right, wrong, inv);
        }
        for (unsigned b = 0; b <= wrong; b++) {
            v->wins[right][b] = c.at[b][wrong - b] * factorial[b] * factorial[wrong - b];
        }
    }
}
