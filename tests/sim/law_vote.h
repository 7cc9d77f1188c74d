/*
 * How likely the right answer wins a vote of k answers, ties going to the answer voted for first.
 */
#ifndef SIM_LAW_VOTE_H
#define SIM_LAW_VOTE_H

#include "tests/sim/law.h"

#define LAW_VOTERS_MAX 32U

/* Of `right` right answers with `before` wrong ones in front of the first of them, and the rest of
 * the k behind it. */
struct law_vote {
    double wins[LAW_VOTERS_MAX + 1][LAW_VOTERS_MAX + 1]; /* [right][before] */
};

/* Wrong answers are independent draws by law_wrong_share(). */
void law_vote_init(struct law_vote *v, const struct law_task_params *task, unsigned k);

#endif
