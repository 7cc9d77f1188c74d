#include "router/classify.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { LANES = 4 };

struct classify_model *classify_model_new(unsigned classes, float threshold)
{
    assert(classes > 0 && classes <= CLASSIFY_CLASSES_MAX);
    struct classify_model *m = x_alloc(sizeof(*m));
    m->refs = 1;
    m->classes = classes;
    m->stride = (classes + LANES - 1) / LANES * LANES;
    m->threshold = threshold;
    m->weights = calloc((size_t) CLASSIFY_BUCKETS * m->stride, sizeof(*m->weights));
    if (!m->weights) {
        free(m);
        return NULL;
    }
    return m;
}

struct classify_model *classify_model_ref(struct classify_model *m)
{
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void classify_model_unref(struct classify_model *m)
{
    if (m && __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        free(m->weights);
        free(m);
    }
}

/* exp(x) for x <= 0 within two units in the last place: 2^n by the exponent, the rest, at most
 * ln(2)/2, by the series up to its seventh power. Libraries differ in the last bit of expf. */
static float exp_of(float x)
{
    static const float coefficients[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24,
                                         1.0f / 6,    0.5f,       1.0f,       1.0f};
    if (x < -80.0f) {
        return 0.0f;
    }
    float scaled = x * 1.44269504f;
    float shifted = scaled - 0.5f;
    int n = (int) shifted;
    float whole = (float) n;
    float high = whole * 0.693359375f; /* exact: few bits */
    float low = whole * -2.12194440e-4f;
    float rest = x - high;
    rest -= low;
    float sum = coefficients[0];
    for (size_t i = 1; i < ARRAY_LEN(coefficients); i++) {
        float product = sum * rest;
        sum = product + coefficients[i];
    }
    return ldexpf(sum, n);
}

/* One rounding a statement, see the header. Four classes at a time, which compilers turn into one
 * instruction; the order of the sums does not depend on it. */
static void add_logits(const struct classify_model *m, const struct classify_features *f,
                       float *restrict logits)
{
    for (size_t i = 0; i < f->count; i++) {
        const float *restrict row = m->weights + (size_t) f->at[i].bucket * m->stride;
        const float value = f->at[i].value;
        for (unsigned k = 0; k < m->stride; k += LANES) {
            float *restrict sums = logits + k;
            for (unsigned lane = 0; lane < LANES; lane++) {
                float product = row[k + lane] * value;
                sums[lane] += product;
            }
        }
    }
}

void classify_probabilities(const struct classify_model *m, const struct classify_features *f,
                            float out[CLASSIFY_CLASSES_MAX])
{
    float most = 0.0f, sum = 0.0f;
    for (unsigned k = 0; k < CLASSIFY_CLASSES_MAX; k++) {
        out[k] = m->bias[k];
    }
    add_logits(m, f, out);
    most = out[0];
    for (unsigned k = 1; k < m->classes; k++) {
        most = out[k] > most ? out[k] : most;
    }
    for (unsigned k = 0; k < m->classes; k++) {
        float below = out[k] - most;
        out[k] = exp_of(below);
        sum += out[k];
    }
    for (unsigned k = 0; k < m->classes; k++) {
        out[k] /= sum;
    }
}

/* One rounding a statement, see the header. */
static float seen_length(const struct classify_model *m, const struct classify_features *f)
{
    float squares = 0.0f;
    for (size_t i = 0; i < f->count; i++) {
        if (classify_model_has_seen(m, f->at[i].bucket)) {
            float square = f->at[i].value * f->at[i].value;
            squares += square;
        }
    }
    /* Rounding may make the sum of a normalised vector's squares a little more than 1. */
    return squares < 1.0f ? classify_root(squares) : 1.0f;
}

int classify(const struct classify_model *m, const struct classify_features *f, float *probability)
{
    float p[CLASSIFY_CLASSES_MAX];
    unsigned best = 0;
    classify_probabilities(m, f, p);
    for (unsigned k = 1; k < m->classes; k++) {
        best = p[k] > p[best] ? k : best;
    }
    *probability = p[best] * seen_length(m, f);
    return *probability < m->threshold ? -1 : (int) best;
}
