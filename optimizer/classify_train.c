#include "optimizer/classify_train.h"

#include <stdlib.h>

static const float rate = 0.5f;
static const float decay = 1e-6f;
static const float least =
    1e-8f; /* keeps the first step of a zero gradient from dividing by zero */

struct training {
    struct classify_model *model;
    struct classify_model *squares; /* sums of squared gradients, shaped like the model */
    size_t *order;
    uint64_t random;
    struct classify_features features; /* of the example at hand */
};

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Fisher and Yates; the bias of the remainder is 2^-32 and means nothing here. */
static void shuffle(size_t order[], size_t count, uint64_t *random)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t) (next_random(random) % i);
        size_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

void classify_slope(const struct classify_model *m, const struct classify_features *f,
                    unsigned class, float out[CLASSIFY_CLASSES_MAX])
{
    classify_probabilities(m, f, out);
    out[class] -= 1.0f;
}

/* One rounding a statement, as in the router's part. */
static void step(float *weight, float *squares, float gradient)
{
    float square = gradient * gradient;
    *squares += square;
    float root = classify_root(*squares);
    float divisor = root + least;
    float scaled = rate * gradient;
    float change = scaled / divisor;
    *weight -= change;
}

static void learn(struct training *t, const struct classify_example *example)
{
    struct classify_model *m = t->model, *squares = t->squares;
    float slope[CLASSIFY_CLASSES_MAX];
    classify_extract(example->user_text, example->system_text, &t->features);
    classify_slope(m, &t->features, example->class, slope);
    for (unsigned k = 0; k < m->classes; k++) {
        step(&m->bias[k], &squares->bias[k], slope[k]);
    }
    for (size_t i = 0; i < t->features.count; i++) {
        size_t row = (size_t) t->features.at[i].bucket * m->stride;
        classify_model_see(m, t->features.at[i].bucket);
        for (unsigned k = 0; k < m->classes; k++) {
            float pull = decay * m->weights[row + k];
            float gradient = slope[k] * t->features.at[i].value;
            gradient += pull;
            step(&m->weights[row + k], &squares->weights[row + k], gradient);
        }
    }
}

static enum err check(const struct classify_example examples[], size_t count, unsigned classes,
                      struct errbuf *err)
{
    bool has_example[CLASSIFY_CLASSES_MAX] = {false};
    if (classes == 0 || classes > CLASSIFY_CLASSES_MAX) {
        return err_set(err, ERR_USE, "%u classes; from 1 to %d can be told apart", classes,
                       CLASSIFY_CLASSES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (examples[i].class >= classes) {
            return err_set(err, ERR_USE, "example %zu is of class %u, there are %u", i,
                           examples[i].class, classes);
        }
        has_example[examples[i].class] = true;
    }
    for (unsigned k = 0; k < classes; k++) {
        if (!has_example[k]) {
            return err_set(err, ERR_USE, "class %u has no example", k);
        }
    }
    return ERR_NONE;
}

static void train(struct training *t, const struct classify_example examples[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        t->order[i] = i;
    }
    for (unsigned pass = 0; pass < CLASSIFY_PASSES; pass++) {
        shuffle(t->order, count, &t->random);
        for (size_t i = 0; i < count; i++) {
            learn(t, &examples[t->order[i]]);
        }
    }
}

struct classify_model *classify_train(const struct classify_example examples[], size_t count,
                                      unsigned classes, float threshold, uint64_t seed,
                                      struct errbuf *err)
{
    struct classify_model *model = NULL;
    if (check(examples, count, classes, err) != ERR_NONE) {
        return NULL;
    }
    struct training *t = x_alloc(sizeof(*t));
    t->random = seed;
    t->order = calloc(count, sizeof(*t->order));
    t->model = classify_model_new(classes, threshold);
    t->squares = classify_model_new(classes, threshold);
    if (t->order && t->model && t->squares) {
        train(t, examples, count);
        model = classify_model_ref(t->model);
    } else {
        err_set(err, ERR_NOMEM, "no memory to train the classifier");
    }
    classify_model_unref(t->model);
    classify_model_unref(t->squares);
    free(t->order);
    free(t);
    return model;
}
