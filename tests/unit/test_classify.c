#include "router/classify.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- features ---- */

static struct classify_features *extract(const char *user, const char *system)
{
    struct classify_features *f = malloc(sizeof(*f));
    assert_non_null(f);
    classify_extract(slice_of(user), slice_of(system), f);
    return f;
}

static float squares(const struct classify_features *f)
{
    float sum = 0.0f;
    for (size_t i = 0; i < f->count; i++) {
        sum += f->at[i].value * f->at[i].value;
    }
    return sum;
}

static float product(const struct classify_features *a, const struct classify_features *b)
{
    float sum = 0.0f;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            bool is_same = a->at[i].bucket == b->at[j].bucket;
            sum += is_same ? a->at[i].value * b->at[j].value : 0.0f;
        }
    }
    return sum;
}

static float likeness(const char *a_user, const char *a_system, const char *b_user,
                      const char *b_system)
{
    struct classify_features *a = extract(a_user, a_system);
    struct classify_features *b = extract(b_user, b_system);
    float cosine = product(a, b);
    free(a);
    free(b);
    return cosine;
}

/* "ab cd": words ab, cd; the pair; grams "_ab_", "ab_c", "b_cd", "_cd_" with a space at both
 * ends. */
static void test_features_of_two_words(void **state)
{
    (void) state;
    struct classify_features *f = extract("ab cd", "");
    assert_int_equal(f->count, 7);
    for (size_t i = 0; i < f->count; i++) {
        assert_true(fabsf(fabsf(f->at[i].value) - sqrtf(1.0f / 7)) < 1e-6f);
        assert_true(f->at[i].bucket < CLASSIFY_BUCKETS);
    }
    free(f);
}

/* "ab ab ab ab": word ab and gram "_ab_" four times, the pair and the two grams across three
 * times. */
static void test_counts_are_rooted(void **state)
{
    (void) state;
    struct classify_features *f = extract("ab ab ab ab", "");
    unsigned fours = 0, threes = 0;
    assert_int_equal(f->count, 5);
    for (size_t i = 0; i < f->count; i++) {
        float square = f->at[i].value * f->at[i].value * (4 + 4 + 3 + 3 + 3);
        fours += fabsf(square - 4) < 1e-4f ? 1 : 0;
        threes += fabsf(square - 3) < 1e-4f ? 1 : 0;
    }
    assert_int_equal(fours, 2);
    assert_int_equal(threes, 3);
    free(f);
}

static void test_what_is_the_same(void **state)
{
    (void) state;
    assert_true(likeness("What is 12 + 7?", "", "WHAT  is\n34 + 5?", "") > 0.9999f);
    assert_true(likeness("caf\xC3\xA9", "", "cafe", "") < 0.9f);
    assert_true(likeness("red green", "", "green red", "") < 0.9f);
    /* The system's words are words of their own. */
    assert_true(likeness("red", "", "", "red") < 0.01f);
    assert_true(likeness("red", "blue", "red", "blue") > 0.9999f);
}

static void test_nothing(void **state)
{
    (void) state;
    struct classify_features *f = extract("", "");
    assert_int_equal(f->count, 0);
    classify_extract(SLICE_NONE, SLICE_NONE, f);
    assert_int_equal(f->count, 0);
    classify_extract(SLICE_LIT("\0"), SLICE_NONE, f);
    assert_true(f->count < 3);
    free(f);
}

/* Only the ends of a long text count, and only the beginning of the system's. */
static void test_long_texts(void **state)
{
    enum { LONG = 10000 };
    (void) state;
    struct classify_features *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    char *text = malloc(LONG);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(text);
    for (size_t i = 0; i < LONG; i++) {
        text[i] = (char) ('a' + i * i / 7 % 26);
    }
    classify_extract((struct slice) {text, LONG}, (struct slice) {text, LONG}, a);
    memset(text + CLASSIFY_USER_BYTES, 'z', LONG - 2 * CLASSIFY_USER_BYTES);
    classify_extract((struct slice) {text, LONG}, (struct slice) {text, LONG}, b);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->at, b->at, a->count * sizeof(*a->at));
    text[LONG - 1] = '!';
    classify_extract((struct slice) {text, LONG}, (struct slice) {text, LONG}, b);
    assert_true(product(a, b) < 0.9999f);

    /* More features than there is room for: as many as fit, and still of length one. */
    for (size_t i = 0; i < 2 * CLASSIFY_USER_BYTES; i++) {
        text[i] = i % 2 == 1 ? ' ' : (char) ('a' + i / 2 * 7 % 26);
    }
    classify_extract((struct slice) {text, 2 * CLASSIFY_USER_BYTES}, (struct slice) {text, 200}, a);
    assert_true(a->count <= CLASSIFY_FEATURES_MAX);
    assert_true(fabsf(squares(a) - 1.0f) < 1e-3f);
    uint32_t random = 1;
    for (size_t i = 0; i < 2 * CLASSIFY_USER_BYTES; i++) {
        random = random * 1664525u + 1013904223u;
        text[i] = i % 2 == 1 ? '.' : (char) (0x80 + (random >> 25));
    }
    classify_extract((struct slice) {text, 2 * CLASSIFY_USER_BYTES}, (struct slice) {text, 200}, a);
    assert_true(a->count > 3000);
    assert_true(a->count <= CLASSIFY_FEATURES_MAX);
    assert_true(fabsf(squares(a) - 1.0f) < 1e-3f);
    free(text);
    free(a);
    free(b);
}

/* ---- the model ---- */

/* A model over features that the test makes itself. */
static struct classify_model *three_classes(struct classify_features *f)
{
    struct classify_model *m = classify_model_new(3, 0.5f);
    assert_non_null(m);
    assert_int_equal(m->stride, 4);
    f->count = 2;
    f->at[0] = (struct classify_feature) {7, 0.6f};
    f->at[1] = (struct classify_feature) {CLASSIFY_BUCKETS - 1, -0.8f};
    m->bias[0] = 0.25f;
    m->weights[7 * m->stride + 1] = 2.0f;
    m->weights[(CLASSIFY_BUCKETS - 1) * m->stride + 2] = -3.0f;
    classify_model_see(m, 7);
    classify_model_see(m, CLASSIFY_BUCKETS - 1);
    return m;
}

static void test_probabilities(void **state)
{
    static const double logits[] = {0.25, 1.2, 2.4};
    struct classify_features *f = malloc(sizeof(*f));
    (void) state;
    assert_non_null(f);
    struct classify_model *m = three_classes(f);
    float p[CLASSIFY_CLASSES_MAX], probability;
    double sum = exp(logits[0]) + exp(logits[1]) + exp(logits[2]);
    classify_probabilities(m, f, p);
    for (unsigned k = 0; k < 3; k++) {
        assert_true(fabs(p[k] - exp(logits[k]) / sum) < 1e-6);
    }
    assert_int_equal(classify(m, f, &probability), 2);
    assert_true(fabsf(probability - p[2]) < 1e-6f);
    m->threshold = probability;
    assert_int_equal(classify(m, f, &probability), 2);
    m->threshold = nextafterf(probability, 1.0f);
    assert_int_equal(classify(m, f, &probability), -1);
    assert_true(fabsf(probability - p[2]) < 1e-6f);
    classify_model_unref(m);
    free(f);
}

/* What has not been seen takes its share of the probability, whatever the softmax says. */
static void test_unseen(void **state)
{
    struct classify_features *f = malloc(sizeof(*f));
    (void) state;
    assert_non_null(f);
    struct classify_model *m = three_classes(f);
    float p[CLASSIFY_CLASSES_MAX], probability;
    classify_probabilities(m, f, p);
    m->seen[7 / 8] = 0;
    assert_false(classify_model_has_seen(m, 7));
    assert_true(classify_model_has_seen(m, CLASSIFY_BUCKETS - 1));
    m->threshold = 0.8f * p[2] - 1e-3f;
    assert_int_equal(classify(m, f, &probability), 2);
    assert_true(fabsf(probability - 0.8f * p[2]) < 1e-6f);
    m->threshold = 0.8f * p[2] + 1e-3f;
    assert_int_equal(classify(m, f, &probability), -1);
    f->count = 0;
    assert_int_equal(classify(m, f, &probability), -1);
    assert_true(probability == 0.0f);
    classify_model_unref(m);
    free(f);
}

/* Far apart and close together, against the library's exp in double. */
static void test_exp(void **state)
{
    struct classify_features *f = calloc(1, sizeof(*f));
    (void) state;
    assert_non_null(f);
    struct classify_model *m = classify_model_new(2, 0.0f);
    assert_non_null(m);
    for (float x = 0.0f; x < 200.0f; x += 0.137f) {
        float p[CLASSIFY_CLASSES_MAX];
        m->bias[1] = x;
        classify_probabilities(m, f, p);
        double expected = 1.0 / (1.0 + exp(-(double) x));
        assert_true(fabs(p[1] - expected) < 2e-7);
        double small = exp(-(double) x) * expected;
        assert_true(fabs(p[0] - small) <= (x < 80.0f ? 4e-7 * small : small));
    }
    classify_model_unref(m);
    free(f);
}

static void test_ties_and_references(void **state)
{
    struct classify_features *f = calloc(1, sizeof(*f));
    float probability;
    (void) state;
    assert_non_null(f);
    struct classify_model *m = classify_model_new(5, 0.0f);
    assert_non_null(m);
    assert_int_equal(classify(m, f, &probability), 0);
    m->bias[3] = m->bias[4] = 1.0f;
    assert_int_equal(classify(m, f, &probability), 3);
    assert_ptr_equal(classify_model_ref(m), m);
    classify_model_unref(m);
    assert_int_equal(m->classes, 5); /* ASan and valgrind: still there */
    classify_model_unref(m);
    classify_model_unref(NULL);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_of_two_words),
        cmocka_unit_test(test_counts_are_rooted),
        cmocka_unit_test(test_what_is_the_same),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_ties_and_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
