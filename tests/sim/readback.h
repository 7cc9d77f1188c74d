/*
 * What a simulated model finds in the prompt it received: the candidates between their lines in
 * brackets, read as a model would, and compared with the item's right answer. Nothing else tells it
 * what its predecessors said, so an edge, a frame or an instruction that went missing on the way
 * shows in its answers.
 */
#ifndef SIM_READBACK_H
#define SIM_READBACK_H

#include "cache/base.h"
#include "tests/sim/items.h"
#include "tests/sim/law.h"

#define READBACK_MAX 64U

struct readback {
    struct law_seen seen; /* all zero when there are no candidates that it was told about */
    bool right[READBACK_MAX];
    bool is_select;  /* asked for a number instead of an answer */
    uint64_t inputs; /* hash of the candidates, whatever their order, and of what to do with them;
                        0: none */
};

/*
 * instructions: the text of the system messages. prompt: the last user message. Candidates count
 * when the instructions, or else the prompt, say "candidate answers to it", as those of
 * router/prompt do: a model that was not told what they are takes no notice of them. "Reply with
 * one number" makes it a selection. A candidate stands between the lines
 *     [candidate 2 of 3, mark M]
 *     [end of candidate 2, mark M]          (or "..., which was cut off here ..., mark M]")
 * and is right when router/answer finds in its visible text what it finds in the right answer.
 */
void readback_read(struct readback *rb, struct slice instructions, struct slice prompt,
                   const struct item *it);

#endif
