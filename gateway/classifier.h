/* Trains what tells tasks apart (router/classify.h) from a configuration's examples. Takes about a
 * millisecond an example, twice that with the check: main does it, at start and at a reload. */
#ifndef GATEWAY_CLASSIFIER_H
#define GATEWAY_CLASSIFIER_H

#include "cache/crypt.h"
#include "gateway/config_examples.h"

/* Of a class with fewer none is held out, and nothing is checked. */
enum { CLASSIFIER_CHECKED_LEAST = 10 };

struct classifier_report {
    unsigned classes;
    size_t examples;
    double seconds;
    /* Every fifth example of each class was kept from a first training, to see how it does: so many, of
     * them so many found their class, and so many another one's. The rest was not sure enough. All of
     * them teach the classifier that serves. */
    size_t held_out;
    size_t right;
    size_t wrong;
};

/* NULL with words. */
struct classify_model *classifier_train(const struct config_examples *e, const struct env *env,
                                        struct classifier_report *report, struct errbuf *err);

/* Equal for equal examples of equally named tasks in the same order. */
void classifier_digest(const struct config_examples *e, unsigned char out[SHA256_BYTES]);

#endif
