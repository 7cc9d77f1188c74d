/*
 * A distribution over sets of right nodes: each state is a word with bit i for node i, and carries
 * its probability. Equal words are merged as they are added.
 */
#ifndef SIM_LAW_STATES_H
#define SIM_LAW_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct law_states {
    size_t n;
    size_t cap;
    uint32_t *bits; /* n of them, in the order of their coming */
    double *chance;
    uint32_t *slots; /* hash table of 2 * cap: index + 1, or 0 */
};

void law_states_init(struct law_states *s);
void law_states_fini(struct law_states *s);
void law_states_clear(struct law_states *s);
/* States of chance 0 are left out. */
void law_states_add(struct law_states *s, uint32_t bits, double chance);

#endif
