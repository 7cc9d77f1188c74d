/*
 * What the makers of the three kinds of items share: numbers drawn one after the other, words, and
 * one maker per task.
 */
#ifndef SIM_ITEMS_PARTS_H
#define SIM_ITEMS_PARTS_H

#include "tests/sim/items.h"

/* Draws depend on where it began only. */
struct dice {
    uint64_t key;
    uint64_t drawn;
};

uint64_t dice_below(struct dice *d, uint64_t n);
int64_t dice_from(struct dice *d, int64_t low, int64_t high); /* both included */
/* One of a list that ends with NULL. */
const char *dice_pick(struct dice *d, const char *const *list);

/* Lists that end with NULL. */
extern const char *const words_people[];
extern const char *const words_things[]; /* in the plural */
extern const char *const words_places[];
extern const char *const words_short[]; /* of four to eight letters a to z */

/* Fill text, right, wrong and tests; the text without its marker. */
void items_math(struct item *it, struct dice *d);
void items_facts(struct item *it, struct dice *d);
void items_strings(struct item *it, struct dice *d);

/* Adds a wrong answer unless it is the right one or there already. */
void items_add_wrong(struct item *it, const char *p, size_t n);

#endif
