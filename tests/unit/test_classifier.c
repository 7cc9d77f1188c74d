/* Of the trained classifier only that it has learnt the right classes; how well it learns is
 * test_classify_train's. */
#include "gateway/classifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EACH = 20 };

static const char *const words[] = {"sonnet about the moon", "rain and wind tomorrow"};

static uint64_t steps(void *arg)
{
    uint64_t *now = arg;
    *now += 1500000;
    return *now;
}

/* `counts[k]` examples of class k, in turn as far as there are. */
static struct config_examples *examples(const size_t counts[2])
{
    struct config_examples *e = config_examples_new();
    e->list = x_array(counts[0] + counts[1] + 1, sizeof(*e->list));
    e->classes = 2;
    e->names[0] = "poems";
    e->names[1] = "weather";
    for (size_t i = 0; i < counts[0] || i < counts[1]; i++) {
        for (unsigned k = 0; k < 2; k++) {
            if (i < counts[k]) {
                char *text = arena_printf(&e->arena, "%s %zu", words[k], i);
                e->list[e->count++] = (struct classify_example) {slice_of(text), SLICE_NONE, k};
            }
        }
    }
    return e;
}

static struct classify_model *trained(const struct config_examples *e, struct classifier_report *r)
{
    uint64_t now = 0;
    const struct env env = {.mono_us = steps, .arg = &now};
    struct errbuf err = {""};
    struct classify_model *m = classifier_train(e, &env, r, &err);
    if (!m) {
        fail_msg("%s", err.text);
    }
    return m;
}

static int class_of(const struct classify_model *m, const char *text)
{
    struct classify_features f;
    float p;
    classify_extract(slice_of(text), SLICE_NONE, &f);
    return classify(m, &f, &p);
}

static void every_fifth_example_is_held_out(void **state)
{
    struct config_examples *e = examples((const size_t[2]) {EACH, EACH});
    struct classifier_report r;
    struct classify_model *m = trained(e, &r);
    (void) state;
    assert_int_equal(r.classes, 2);
    assert_int_equal(r.examples, 2 * EACH);
    assert_true(r.seconds == 1.5);
    assert_int_equal(r.held_out, 2 * EACH / 5);
    assert_int_equal(r.right, r.held_out);
    assert_int_equal(r.wrong, 0);
    assert_int_equal(class_of(m, words[0]), 0);
    assert_int_equal(class_of(m, words[1]), 1);
    assert_int_equal(class_of(m, "xylophone zebra quickly"), -1);
    classify_model_unref(m);
    config_examples_free(e);
}

/* What is held out is judged by a classifier that has not seen it. */
static void what_it_has_not_seen_is_not_known(void **state)
{
    struct config_examples *e = examples((const size_t[2]) {10, 10});
    struct classifier_report r;
    (void) state;
    for (size_t i = 0; i < e->count; i++) {
        /* No two have a piece in common, so that only memory could tell them. */
        char letter = (char) ('a' + i);
        char *text = arena_printf(&e->arena, "%c%c%c%c%c%c", letter, letter, letter, letter, letter,
                                  letter);
        e->list[i].user_text = slice_of(text);
    }
    classify_model_unref(trained(e, &r));
    assert_int_equal(r.held_out, 4);
    assert_int_equal(r.right + r.wrong, 0);
    config_examples_free(e);
}

static void a_wrong_class_counts_as_wrong(void **state)
{
    struct config_examples *e = examples((const size_t[2]) {EACH, EACH});
    struct classifier_report r;
    (void) state;
    /* Numbers 4, 9, 14 and 19 of a class are held out; the last of class 0 says what class 1 says. */
    e->list[2 * (EACH - 1)].user_text = slice_of(words[1]);
    classify_model_unref(trained(e, &r));
    assert_int_equal(r.wrong, 1);
    assert_int_equal(r.right, r.held_out - 1);
    config_examples_free(e);
}

static void too_few_are_not_checked(void **state)
{
    struct config_examples *e = examples((const size_t[2]) {EACH, CLASSIFIER_CHECKED_LEAST - 1});
    struct classifier_report r;
    struct classify_model *m = trained(e, &r);
    (void) state;
    assert_int_equal(r.held_out, 0);
    assert_int_equal(class_of(m, words[1]), 1);
    classify_model_unref(m);
    config_examples_free(e);
}

static void digests_tell_examples_apart(void **state)
{
    struct config_examples *e = examples((const size_t[2]) {3, 3});
    unsigned char first[SHA256_BYTES];
    unsigned char second[SHA256_BYTES];
    (void) state;
    classifier_digest(e, first);
    classifier_digest(e, second);
    assert_memory_equal(first, second, SHA256_BYTES);
    e->list[5].system_text = SLICE_LIT("x");
    classifier_digest(e, second);
    assert_memory_not_equal(first, second, SHA256_BYTES);
    e->list[5].system_text = SLICE_NONE;
    e->names[1] = "prose";
    classifier_digest(e, second);
    assert_memory_not_equal(first, second, SHA256_BYTES);
    e->names[1] = "weather";
    e->count--;
    classifier_digest(e, second);
    assert_memory_not_equal(first, second, SHA256_BYTES);
    config_examples_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fifth_example_is_held_out),
        cmocka_unit_test(what_it_has_not_seen_is_not_known),
        cmocka_unit_test(a_wrong_class_counts_as_wrong),
        cmocka_unit_test(too_few_are_not_checked),
        cmocka_unit_test(digests_tell_examples_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
