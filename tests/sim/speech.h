/*
 * The words of a model that answers an item: reasoning of plausible length and no content, then the
 * answer in the form of the task. Two things in them are for readers: the round of refinement, and
 * the wording of a persuasive model.
 */
#ifndef SIM_SPEECH_H
#define SIM_SPEECH_H

#include "cache/base.h"
#include "tests/sim/buf.h"
#include "tests/sim/law.h"

struct speech {
    enum law_task task;
    struct slice answer;
    unsigned round;      /* 0: not a refinement */
    unsigned candidates; /* the more it read, the more it says */
    bool persuasive;
    double words; /* mean number of words; 0: the task's own */
};

/* h: what the wording is drawn from. */
void speech_make(struct buf *out, const struct speech *s, uint64_t h);

/* What a reader notices. */
unsigned speech_round(struct slice text);
bool speech_is_persuasive(struct slice text);

#endif
