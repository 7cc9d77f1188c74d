/*
 * Made-up questions of the three tasks of the law, as many as one likes: arithmetic word problems
 * (math), multiple choice over an encyclopaedia that does not exist (facts), puzzles about strings
 * with tests (strings). An item is a function of its task and number alone, so that the simulated
 * server makes it again from the marker at the end of its text, [[sim:TASK:NUMBER]]; everything
 * else is natural text.
 */
#ifndef SIM_ITEMS_H
#define SIM_ITEMS_H

#include "tests/sim/buf.h"
#include "tests/sim/law.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Numbers of a set: seed * ITEMS_PER_SEED + 0, 1, 2, … */
#define ITEMS_PER_SEED UINT64_C(1000000)
#define ITEMS_MAX_SEED UINT64_C(1000000000)

struct item {
    enum law_task task;
    uint64_t number;
    struct buf text;
    struct buf right; /* a number, a letter, or a word of lower-case letters */
    struct buf wrong[LAW_WRONG_MAX];
    unsigned n_wrong; /* all different, and different from the right one */
    struct buf tests; /* of strings: JSON, a list of {"input", "output"} */
};

void item_make(struct item *it, enum law_task task, uint64_t number);
void item_fini(struct item *it);

/* The first marker in a text. False when there is none. */
bool item_find(const char *text, size_t n, enum law_task *task, uint64_t *number);

/* The task's name, as in markers. */
const char *item_task_name(enum law_task task);

/* One line of OpenAI evals: {"id", "input", "ideal", "task"} and the tests, with its line end. */
void item_json(const struct item *it, struct buf *out);

/* Writes items 0 to count - 1 of a seed. Returns 0, or -1 when the file cannot be written. */
int items_write(FILE *f, enum law_task task, uint64_t count, uint64_t seed);

#endif
