#include "gateway/classifier.h"

#include <stdlib.h>
#include <string.h>

/* Every so many-th example is held out. The seed fixes the order of training: the same file gives the
 * same classifier. */
enum { HELD_OUT_EVERY = 5, SEED = 1 };

/* Below it a request is nobody's, that is, the task default's. */
#define THRESHOLD 0.6f

/* ---- the check ---- */

static bool is_held_out(size_t number_in_class)
{
    return number_in_class % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
}

/* Examples that are taught go to the front, held-out ones to the end. Returns the number of the former;
 * 0: a class has too few. */
static size_t split(const struct config_examples *e, struct classify_example *out)
{
    size_t of_class[CLASSIFY_CLASSES_MAX] = {0};
    size_t taught = 0;
    size_t last = e->count;
    for (size_t i = 0; i < e->count; i++) {
        const struct classify_example *example = &e->list[i];
        out[is_held_out(of_class[example->class]++) ? --last : taught++] = *example;
    }
    for (unsigned k = 0; k < e->classes; k++) {
        if (of_class[k] < CLASSIFIER_CHECKED_LEAST) {
            return 0;
        }
    }
    return taught;
}

static void count_right(const struct classify_model *model, const struct classify_example *list,
                        size_t count, struct classifier_report *report)
{
    struct classify_features *features = x_alloc(sizeof(*features));
    report->held_out = count;
    for (size_t i = 0; i < count; i++) {
        float probability;
        classify_extract(list[i].user_text, list[i].system_text, features);
        int class = classify(model, features, &probability);
        if (class >= 0) {
            *((unsigned) class == list[i].class ? &report->right : &report->wrong) += 1;
        }
    }
    free(features);
}

/* ERR_NONE too where there are too few for a check. */
static enum err check(const struct config_examples *e, struct classifier_report *report,
                      struct errbuf *err)
{
    struct classify_example *list = x_array(e->count, sizeof(*list));
    size_t taught = split(e, list);
    enum err rc = ERR_NONE;
    if (taught > 0) {
        struct classify_model *model = classify_train(list, taught, e->classes, THRESHOLD, SEED,
                                                      err);
        rc = model ? ERR_NONE : ERR_NOMEM;
        if (model) {
            count_right(model, list + taught, e->count - taught, report);
        }
        classify_model_unref(model);
    }
    free(list);
    return rc;
}

/* ---- the interface ---- */

struct classify_model *classifier_train(const struct config_examples *e, const struct env *env,
                                        struct classifier_report *report, struct errbuf *err)
{
    uint64_t start_us = env_mono_us(env);
    *report = (struct classifier_report) {.classes = e->classes, .examples = e->count};
    if (check(e, report, err) != ERR_NONE) {
        return NULL;
    }
    struct classify_model *model = classify_train(e->list, e->count, e->classes, THRESHOLD, SEED,
                                                  err);
    report->seconds = (double) (env_mono_us(env) - start_us) / 1e6;
    return model;
}

/* A chain of digests: of the one before and the next text's. */
static void add_text(unsigned char digest[SHA256_BYTES], struct slice text)
{
    unsigned char both[2 * SHA256_BYTES];
    memcpy(both, digest, SHA256_BYTES);
    crypt_sha256(text, both + SHA256_BYTES);
    crypt_sha256((struct slice) {(const char *) both, sizeof(both)}, digest);
}

void classifier_digest(const struct config_examples *e, unsigned char out[SHA256_BYTES])
{
    memset(out, 0, SHA256_BYTES);
    for (size_t i = 0; i < e->count; i++) {
        add_text(out, slice_of(e->names[e->list[i].class]));
        add_text(out, e->list[i].user_text);
        add_text(out, e->list[i].system_text);
    }
}
