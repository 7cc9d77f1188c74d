/*
 * What a simulated model says. Deterministic: the same seed, model, question and request seed
 * give the same answer.
 */
#ifndef SIM_ANSWER_H
#define SIM_ANSWER_H

#include "tests/sim/ask.h"
#include "tests/sim/model.h"
#include "tests/sim/reply.h"
#include "tests/sim/solve.h"

#include <stdint.h>

/* The exact 60-word answer of canonical models; one token a word. */
extern const char answer_canonical[];

/*
 * Fills the choices of r, applies stop sequences and max_tokens, and counts. A request with
 * usable tools gets tool calls, one that asks for JSON gets JSON; then the kind of the model
 * decides.
 *
 * Arithmetic: a right answer with the model's accuracy a. When the question carries candidates
 * (numbers in \boxed{}), as a fuser's does, the chance is 1 - (1 - a)(1 - 0.9 s) with s the share
 * of right candidates, and 0.7 a when none of them is right; a wrong answer then tends to repeat
 * a wrong candidate.
 *
 * Items: a model of the law answers what carries an item's marker by solve_item(); *solved is of
 * the first choice, and zero for everything else.
 */
void answer_make(struct reply *r, struct ask *a, const struct plan *p, uint64_t seed,
                 struct solver *solver, struct solved *solved);

#endif
