/* Which task a text belongs to: hashed n-grams and a linear model (softmax regression), 2^16
 * buckets.
 *
 * Features: word 1- and 2-grams and character 4-grams of the last user message (first and last 1
 * KiB) and the first 200 bytes of the system prompt, which are features of their own; ASCII letters
 * in lower case, every digit the same digit, white space one space; sign from the hash, value
 * sqrt(count), L2-normalised. A 2 kB prompt of prose takes less than 50 microseconds with 16
 * classes. The model is immutable once trained.
 *
 * The same bits everywhere, also on 32-bit: float only, one rounding a statement (so that neither
 * the x87's long registers nor a fused multiply-add shows), exp of our own, hashes of bytes and not
 * of words in memory. A model trained on one machine serves on another. */
#ifndef ROUTER_CLASSIFY_H
#define ROUTER_CLASSIFY_H

#include "cache/base.h"

#include <math.h>

enum {
    CLASSIFY_BUCKETS = 1 << 16,
    CLASSIFY_CLASSES_MAX = 64,
    CLASSIFY_FEATURES_MAX = 4096, /* what comes later is left out */
    CLASSIFY_USER_BYTES = 1024,   /* from each end of the user's text */
    CLASSIFY_SYSTEM_BYTES = 200,
};

struct classify_feature {
    uint32_t bucket;
    float value;
};

/* 32 KiB: lives on a stack, not in a request. */
struct classify_features {
    size_t count;
    struct classify_feature at[CLASSIFY_FEATURES_MAX];
};

/* An empty text has no features, and is nobody's. */
void classify_extract(struct slice user_text, struct slice system_text,
                      struct classify_features *out);

struct classify_model {
    unsigned refs; /* atomic */
    unsigned classes;
    unsigned stride; /* classes rounded up to four */
    float threshold; /* below it nobody is sure */
    float bias[CLASSIFY_CLASSES_MAX];
    uint8_t seen[CLASSIFY_BUCKETS / 8]; /* buckets that training met, a bit each */
    float *weights;                     /* [bucket * stride + class] */
};

/* All zero, one reference; `classes` from 1 to CLASSIFY_CLASSES_MAX. NULL when memory is gone (a
 * megabyte for each four classes). */
struct classify_model *classify_model_new(unsigned classes, float threshold);
struct classify_model *classify_model_ref(struct classify_model *m);
void classify_model_unref(struct classify_model *m); /* NULL is fine */

static inline void classify_model_see(struct classify_model *m, uint32_t bucket)
{
    m->seen[bucket / 8] = (uint8_t) (m->seen[bucket / 8] | 1u << bucket % 8);
}

static inline bool classify_model_has_seen(const struct classify_model *m, uint32_t bucket)
{
    return (m->seen[bucket / 8] & 1u << bucket % 8) != 0;
}

/* sqrtf rounded to a float: gcc leaves what the x87 computes for it in a long register, even where
 * C11 says that an assignment rounds. */
static inline float classify_root(float square)
{
    volatile float root = sqrtf(square);
    return root;
}

/* Softmax of the logits; their sum is 1 but for rounding. */
void classify_probabilities(const struct classify_model *m, const struct classify_features *f,
                            float out[CLASSIFY_CLASSES_MAX]);

/* The most probable class and its probability, which is set in any case; of equals the first. -1
 * when it is below the threshold. Softmax knows no "none of them" and is sure of texts that it
 * knows nothing about, hence its probability is multiplied by the length of what training has seen
 * of the features' vector: 1 for a text of known features, 0 for one without any. */
int classify(const struct classify_model *m, const struct classify_features *f, float *probability);

#endif
