/*
 * How a model of the law answers a request whose prompt has an item's marker: the item is made
 * again, the candidates are read back from the prompt, and the law draws.
 */
#ifndef SIM_SOLVE_H
#define SIM_SOLVE_H

#include "tests/sim/ask.h"
#include "tests/sim/buf.h"
#include "tests/sim/law.h"
#include "tests/sim/model.h"

#define SOLVE_READERS 64U

/* Readers take a while to prepare, so the last ones are kept. */
struct solve_reader {
    struct law_model model;
    const struct law_model *from; /* NULL: free */
    double temperature;
    double accuracy;
    struct law_reader reader;
};

/* Owned by main. Not to be moved after solve_init(): readers point into it. */
struct solver {
    struct law law;
    struct solve_reader readers[SOLVE_READERS];
};

void solve_init(struct solver *s, uint64_t seed);

/* What became of a request, for the log of calls. */
struct solved {
    unsigned candidates;
    unsigned right; /* of the candidates */
    bool is_select;
};

/*
 * Appends the answer of the model of p to out; value gets the bare answer (a selection: the
 * number). choice: which of the request's n. False when the prompt has no marker.
 */
bool solve_item(struct solver *s, const struct ask *a, const struct plan *p, size_t choice,
                struct buf *out, struct buf *value, struct solved *solved);

#endif
