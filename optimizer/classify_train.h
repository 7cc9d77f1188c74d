/* Trains the task classifier from examples: softmax regression by AdaGrad (Duchi, Hazan and Singer,
 * 2011; rate 0.5, L2 1e-6 on what an example touches), examples in an order drawn anew for each of
 * a fixed number of passes by a seeded generator. The same examples and seed give the same bits on
 * every machine (see classify.h). About a tenth of a millisecond per example and pass. */
#ifndef OPTIMIZER_CLASSIFY_TRAIN_H
#define OPTIMIZER_CLASSIFY_TRAIN_H

#include "router/classify.h"

enum { CLASSIFY_PASSES = 10 };

struct classify_example {
    struct slice user_text;
    struct slice system_text;
    unsigned class;
};

/* NULL with words in `err`: `classes` is not from 1 to CLASSIFY_CLASSES_MAX, an example's class is
 * not below `classes`, a class has no example, memory is gone. */
struct classify_model *classify_train(const struct classify_example examples[], size_t count,
                                      unsigned classes, float threshold, uint64_t seed,
                                      struct errbuf *err);

/* The derivative of the loss, -log p(class), by each logit: p - 1 for the class, p for the others.
 * By a weight it is that times the feature's value. */
void classify_slope(const struct classify_model *m, const struct classify_features *f,
                    unsigned class, float out[CLASSIFY_CLASSES_MAX]);

#endif
