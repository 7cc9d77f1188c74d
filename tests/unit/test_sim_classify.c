/* The classifier on prompts that it has not seen: trained on made-up items of one seed, asked about those
 * of another. The marker at the end of an item is cut off, since it would give the task away. */
#include "optimizer/classify_train.h"
#include "tests/sim/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TASKS = 3, TRAINED = 200, ASKED = 1000, TRAINING_SEED = 1, ASKING_SEED = 2 };
static const float threshold = 0.6f; /* as in production */

static const enum law_task tasks[TASKS] = {LAW_MATH, LAW_FACTS, LAW_STRINGS};

/* The text of an item without its marker; the caller frees it. */
static char *prompt_of(enum law_task task, uint64_t number)
{
    struct item it;
    item_make(&it, task, number);
    char *text = malloc(it.text.len + 1);
    assert_non_null(text);
    memcpy(text, it.text.data, it.text.len);
    text[it.text.len] = '\0';
    char *marker = strstr(text, "[[sim:");
    assert_non_null(marker);
    *marker = '\0';
    item_fini(&it);
    return text;
}

static struct classify_model *trained(void)
{
    struct classify_example examples[TASKS * TRAINED];
    struct errbuf why = {""};
    size_t n = 0;
    for (unsigned t = 0; t < TASKS; t++) {
        for (uint64_t i = 0; i < TRAINED; i++) {
            char *text = prompt_of(tasks[t], TRAINING_SEED * ITEMS_PER_SEED + i);
            examples[n++] = (struct classify_example) {slice_of(text), SLICE_NONE, t};
        }
    }
    struct classify_model *m = classify_train(examples, n, TASKS, threshold, 7, &why);
    for (size_t i = 0; i < n; i++) {
        free((void *) (uintptr_t) examples[i].user_text.p);
    }
    if (!m) {
        fail_msg("%s", why.text);
    }
    return m;
}

static void ninety_five_of_a_hundred_unseen_prompts_are_told_apart(void **state)
{
    static struct classify_features features;
    struct classify_model *m = trained();
    unsigned told[TASKS][TASKS + 1] = {{0}};
    unsigned right = 0;
    (void) state;
    for (unsigned t = 0; t < TASKS; t++) {
        for (uint64_t i = 0; i < ASKED; i++) {
            char *text = prompt_of(tasks[t], ASKING_SEED * ITEMS_PER_SEED + i);
            float p;
            classify_extract(slice_of(text), SLICE_NONE, &features);
            int class = classify(m, &features, &p);
            told[t][class < 0 ? TASKS : class]++; /* nobody is sure: counts as wrong */
            free(text);
        }
        right += told[t][t];
        print_message("%-8s told as math %u, facts %u, strings %u, nothing %u\n",
                      item_task_name(tasks[t]), told[t][0], told[t][1], told[t][2], told[t][3]);
    }
    assert_true(right * 100 >= 95 * TASKS * ASKED);
    classify_model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ninety_five_of_a_hundred_unseen_prompts_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
