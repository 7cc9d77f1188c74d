#include "optimizer/classify_train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARITHMETIC, CHOICE, STRINGS, KINDS, PROMPT_BYTES = 700, TRAINED = 60, TESTED = 200 };

/* ---- prompts from small grammars ---- */

/* A grammar is a list of rules; a rule's name is one capital letter, its alternatives are separated
 * by '|', and in an alternative `<X>` stands for rule X and `#` for a number. */
struct rule {
    char name;
    const char *alternatives;
};

static const struct rule arithmetic[] = {
    {'S',
     "<P> <V> # <T>. <M> <Q>|<Q> <P> <V> # <T> at first. <M>|Please work this out. <P> <V> # <T>, "
     "and <M> <Q>|A <H> has # <T>. Each costs # dollars. <M> <Q>"},
    {'P', "Maria|Tom|A farmer|The baker|Our neighbour|Ahmed|A teacher|Grandma"},
    {'V', "buys|has|collects|picks|bakes|owns|carries|saves"},
    {'T', "apples|pencils|eggs|marbles|loaves of bread|tickets|stamps|cookies|coins"},
    {'H', "shop|market stall|school|library|kiosk"},
    {'M',
     "Then # more <T> are added.|# of them are given away.|They are shared by # friends.|"
     "The price rises by # percent.|On each of # days, # <T> are sold.|Half of them are lost."},
    {'Q', "How many <T> are left?|How much money is that in total?|What is the total number?|"
          "How many <T> does everyone get?|Give the final number."},
};

static const struct rule choice[] = {
    {'S',
     "Which <N> <D>?\nA) <X>\nB) <X>\nC) <X>\nD) <X>|<I>\n\nWhat <D>?\n(A) <X>\n(B) <X>\n(C) <X>"
     "\n(D) <X>|According to the encyclopaedia, which <N> <D>?\nA. <X>\nB. <X>\nC. <X>\nD. "
     "<X>\n<I>"},
    {'N', "river|capital|element|composer|mountain|planet|treaty|animal"},
    {'D',
     "was discovered first|lies furthest north|is known for its colour|belongs to the old empire|"
     "was described by the monks|is the largest of its kind|gave its name to a city"},
    {'X',
     "Velmora|Tarnis|the Oskel|Brunhal|Port Lindra|Mirovia|the Qaradon|Estwick|Helvane|Sunmere"},
    {'I', "Choose the correct option.|Pick one letter.|Answer with A, B, C or D.|"
          "Only one of the options is right."},
};

static const struct rule strings[] = {
    {'S', "Write a function that <F> a string <E>. <G>|Given the string '<W>', <O>. <G>|"
          "<O> in the word '<W>'. <G>|Implement <F2>(s) so that it <F> its input <E>."},
    {'F', "reverses|rotates|compresses|capitalises|removes the vowels of|deduplicates"},
    {'E', "without using a loop|in place|and returns the result|character by character|"
          "while keeping the spaces"},
    {'O', "reverse the characters|count the vowels|replace every 'a' with 'e'|sort the letters|"
          "find the longest palindrome|swap upper and lower case"},
    {'W', "banana|kayak|mississippi|gateway|umbrella|xylophone|rhythm"},
    {'G', "Return the new string.|For example, 'abc' becomes 'cba'.|It must pass the tests below.|"
          "assert f('abc') == 'cba'|Mind the empty string."},
};

static const struct {
    const struct rule *rules;
    size_t count;
} grammars[KINDS] = {{arithmetic, ARRAY_LEN(arithmetic)},
                     {choice, ARRAY_LEN(choice)},
                     {strings, ARRAY_LEN(strings)}};

struct text {
    size_t n;
    char p[PROMPT_BYTES];
};

static uint32_t draw(uint32_t *random, uint32_t below)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % below;
}

static void put(struct text *t, char c)
{
    assert_true(t->n < PROMPT_BYTES);
    t->p[t->n++] = c;
}

static void put_number(struct text *t, unsigned number)
{
    char digits[16];
    int n = snprintf(digits, sizeof(digits), "%u", number);
    for (int i = 0; i < n; i++) {
        put(t, digits[i]);
    }
}

/* Where alternative `index` begins. */
static const char *alternative(const char *all, uint32_t index)
{
    for (; index > 0; index--) {
        all = strchr(all, '|') + 1;
    }
    return all;
}

static void expand(unsigned kind, char name, uint32_t *random, struct text *t)
{
    const struct rule *rule = grammars[kind].rules;
    uint32_t count = 1;
    while (rule->name != name) {
        rule++;
        assert_true(rule < grammars[kind].rules + grammars[kind].count);
    }
    for (const char *p = rule->alternatives; *p; p++) {
        count += *p == '|' ? 1 : 0;
    }
    const char *p = alternative(rule->alternatives, draw(random, count));
    while (*p && *p != '|') {
        if (*p == '<') {
            expand(kind, p[1], random, t);
            p = strchr(p, '>') + 1;
        } else if (*p == '#') {
            put_number(t, draw(random, 200) + 2);
            p++;
        } else {
            put(t, *p++);
        }
    }
}

static struct slice make_prompt(unsigned kind, uint32_t *random, struct text *t)
{
    t->n = 0;
    expand(kind, 'S', random, t);
    return (struct slice) {t->p, t->n};
}

/* ---- fixtures ---- */

struct trained {
    struct classify_model *model;
    struct text texts[KINDS * TRAINED];
    struct classify_example examples[KINDS * TRAINED];
};

static void make_examples(struct trained *t, uint32_t random)
{
    for (unsigned i = 0; i < KINDS * TRAINED; i++) {
        t->examples[i] = (struct classify_example) {
            .user_text = make_prompt(i % KINDS, &random, &t->texts[i]), .class = i % KINDS};
    }
}

static struct classify_model *train(const struct trained *t, uint64_t seed)
{
    struct errbuf err;
    return classify_train(t->examples, ARRAY_LEN(t->examples), KINDS, 0.6f, seed, &err);
}

static int set_up(void **state)
{
    struct trained *t = calloc(1, sizeof(*t));
    if (!t) {
        return -1;
    }
    *state = t;
    make_examples(t, 1);
    t->model = train(t, 1);
    return t->model ? 0 : -1;
}

static int tear_down(void **state)
{
    struct trained *t = *state;
    classify_model_unref(t->model);
    free(t);
    return 0;
}

static int class_of(const struct classify_model *m, struct slice user, struct slice system,
                    float *probability)
{
    struct classify_features f;
    classify_extract(user, system, &f);
    return classify(m, &f, probability);
}

/* ---- what it learns ---- */

static void test_toys(void **state)
{
    static const char *const words[] = {"red", "green", "blue", "yellow", "black"};
    enum { CLASSES = ARRAY_LEN(words) };
    struct classify_example examples[CLASSES * 2];
    struct errbuf err;
    float probability;
    (void) state;
    for (unsigned k = 0; k < CLASSES; k++) {
        examples[2 * k] = (struct classify_example) {.user_text = slice_of(words[k]), .class = k};
        examples[2 * k + 1] = (struct classify_example) {
            .user_text = SLICE_LIT("paint"), .system_text = slice_of(words[k]), .class = k};
    }
    struct classify_model *m = classify_train(examples, 2 * CLASSES, CLASSES, 0.5f, 7, &err);
    assert_non_null(m);
    assert_true(m->threshold == 0.5f);
    for (unsigned k = 0; k < CLASSES; k++) {
        assert_int_equal(class_of(m, slice_of(words[k]), SLICE_NONE, &probability), k);
        assert_int_equal(class_of(m, SLICE_LIT("paint"), slice_of(words[k]), &probability), k);
    }
    assert_int_equal(class_of(m, SLICE_LIT("qqqq"), SLICE_NONE, &probability), -1);
    classify_model_unref(m);
}

static void test_one_class(void **state)
{
    const struct classify_example example = {SLICE_LIT("a"), SLICE_NONE, 0};
    struct errbuf err;
    float probability;
    (void) state;
    struct classify_model *m = classify_train(&example, 1, 1, 0.6f, 1, &err);
    assert_non_null(m);
    assert_int_equal(class_of(m, SLICE_LIT("A"), SLICE_NONE, &probability), 0);
    assert_true(fabsf(probability - 1.0f) < 1e-6f);
    assert_int_equal(class_of(m, SLICE_LIT("z"), SLICE_NONE, &probability), -1);
    classify_model_unref(m);
}

static void test_held_out_prompts(void **state)
{
    const struct trained *t = *state;
    unsigned right = 0, wrong = 0;
    uint32_t random = 2;
    for (unsigned i = 0; i < KINDS * TESTED; i++) {
        struct text text;
        float probability;
        int class = class_of(t->model, make_prompt(i % KINDS, &random, &text), SLICE_NONE,
                             &probability);
        right += class == (int) (i % KINDS) ? 1 : 0;
        wrong += class >= 0 && class != (int) (i % KINDS) ? 1 : 0;
    }
    if (right * 100 < 95 * KINDS * TESTED) {
        print_error("%u of %d right, %u wrong\n", right, KINDS * TESTED, wrong);
    }
    assert_true(right * 100 >= 95 * KINDS * TESTED);
    assert_true(wrong * 100 <= KINDS * TESTED);
}

static const char *const foreign[] = {
    "Translate this letter to my landlord into polite French, and keep it short.",
    "Summarise the minutes of yesterday's meeting in three bullet points.",
    "Write a haiku about autumn leaves on a quiet pond.",
    "My deployment crashes with a segmentation fault after the upgrade. Any ideas?",
    "Please review the tone of this e-mail before it goes to the customer.",
    "Schreibe mir bitte ein kurzes Gedicht f\xC3\xBCr meine Oma.",
    "Plan a weekend in Lisbon for two people who love old trams and seafood.",
    "hello",
    "Tell me a bedtime story with a dragon who is afraid of heights.",
    "\xE4\xBB\x8A\xE6\x97\xA5\xE3\x81\xAF\xE3\x81\x84\xE3\x81\x84\xE5\xA4\xA9\xE6\xB0\x97",
};

static void test_foreign_texts(void **state)
{
    const struct trained *t = *state;
    unsigned sure = 0;
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        float probability;
        int class = class_of(t->model, slice_of(foreign[i]), SLICE_NONE, &probability);
        if (class >= 0) {
            print_error("class %d with %.3f: %s\n", class, (double) probability, foreign[i]);
        }
        sure += class >= 0 ? 1 : 0;
    }
    assert_int_equal(sure, 0);
}

/* ---- the gradient ---- */

static float loss(const struct classify_model *m, const struct classify_features *f, unsigned class)
{
    float p[CLASSIFY_CLASSES_MAX];
    classify_probabilities(m, f, p);
    return -logf(p[class]);
}

/* (loss(w + h) - loss(w - h)) / 2h. */
static float difference(const struct classify_model *m, float *weight,
                        const struct classify_features *f, unsigned class)
{
    const float h = 1.0f / 64, kept = *weight;
    *weight = kept + h;
    float above = loss(m, f, class);
    *weight = kept - h;
    float below = loss(m, f, class);
    *weight = kept;
    return (above - below) / (2 * h);
}

static void test_gradient(void **state)
{
    static const struct classify_feature some[] = {{3, 0.5f}, {70, -0.7f}, {65535, 0.5f}};
    struct classify_features f = {.count = ARRAY_LEN(some)};
    struct classify_model *m = classify_model_new(5, 0.0f);
    uint32_t random = 3;
    (void) state;
    assert_non_null(m);
    memcpy(f.at, some, sizeof(some));
    for (unsigned k = 0; k < 5; k++) {
        m->bias[k] = (float) draw(&random, 100) / 50 - 1;
        for (size_t i = 0; i < f.count; i++) {
            m->weights[some[i].bucket * m->stride + k] = (float) draw(&random, 100) / 25 - 2;
        }
    }
    for (unsigned class = 0; class < 5; class ++) {
        float slope[CLASSIFY_CLASSES_MAX];
        classify_slope(m, &f, class, slope);
        for (unsigned k = 0; k < 5; k++) {
            assert_true(fabsf(difference(m, &m->bias[k], &f, class) - slope[k]) < 1e-4f);
            for (size_t i = 0; i < f.count; i++) {
                float *weight = &m->weights[some[i].bucket * m->stride + k];
                float expected = slope[k] * some[i].value;
                assert_true(fabsf(difference(m, weight, &f, class) - expected) < 1e-4f);
            }
        }
    }
    classify_model_unref(m);
}

/* Texts without features leave the biases: the same steps in double, by the textbook. With two
 * classes that take turns in some order, a step for each example moves both biases, one against the
 * other. */
static void test_steps(void **state)
{
    const struct classify_example examples[] = {
        {SLICE_NONE, SLICE_NONE, 0}, {SLICE_NONE, SLICE_NONE, 1}, {SLICE_NONE, SLICE_NONE, 1}};
    struct errbuf err;
    (void) state;
    struct classify_model *m = classify_train(examples, 3, 2, 0.0f, 5, &err);
    assert_non_null(m);
    bool is_found = false;
    /* Which of the three is class 0 in each pass: every order is tried. */
    for (unsigned code = 0; code < 59049; code++) {
        double bias = 0, squares = 0; /* of class 1; class 0 has the opposite */
        for (unsigned pass = 0, rest = code; pass < CLASSIFY_PASSES; pass++, rest /= 3) {
            for (unsigned i = 0; i < 3; i++) {
                double slope = 1 / (1 + exp(-2 * bias)) - (i == rest % 3 ? 0 : 1);
                squares += slope * slope;
                bias -= 0.5 * slope / sqrt(squares);
            }
        }
        is_found = is_found || fabs(bias - (double) m->bias[1]) < 1e-6;
    }
    assert_true(is_found);
    assert_true(fabsf(m->bias[0] + m->bias[1]) < 1e-6f);
    assert_true(m->bias[1] > 0);
    classify_model_unref(m);
}

/* ---- determinism ---- */

static uint64_t digest(const struct classify_model *m)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < (size_t) CLASSIFY_BUCKETS * m->stride + m->classes; i++) {
        float value = i < m->classes ? m->bias[i] : m->weights[i - m->classes];
        uint32_t bits;
        memcpy(&bits, &value, sizeof(bits));
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h;
}

/* The number was computed by gcc for x86-64; clang, musl and 32-bit x86 must come to it too. */
static void test_same_bits_everywhere(void **state)
{
    const uint64_t expected = 0x5af5d4454712f6c1u;
    const struct trained *t = *state;
    uint64_t found = digest(t->model);
    if (found != expected) {
        print_error("0x%016llx\n", (unsigned long long) found);
    }
    assert_true(found == expected);
}

static void test_seed(void **state)
{
    const struct trained *t = *state;
    struct classify_model *same = train(t, 1), *other = train(t, 2);
    assert_non_null(same);
    assert_non_null(other);
    assert_true(digest(same) == digest(t->model));
    assert_true(digest(other) != digest(t->model));
    classify_model_unref(same);
    classify_model_unref(other);
}

/* ---- faults ---- */

static void test_faults(void **state)
{
    const struct classify_example examples[] = {{SLICE_LIT("a"), SLICE_NONE, 0},
                                                {SLICE_LIT("b"), SLICE_NONE, 2}};
    struct errbuf err;
    (void) state;
    assert_null(classify_train(examples, 2, 3, 0.5f, 1, &err));
    assert_string_equal(err.text, "class 1 has no example");
    assert_null(classify_train(examples, 2, 2, 0.5f, 1, &err));
    assert_string_equal(err.text, "example 1 is of class 2, there are 2");
    assert_null(classify_train(examples, 0, 1, 0.5f, 1, &err));
    assert_string_equal(err.text, "class 0 has no example");
    assert_null(classify_train(examples, 2, 0, 0.5f, 1, &err));
    assert_string_equal(err.text, "0 classes; from 1 to 64 can be told apart");
    assert_null(classify_train(examples, 2, 65, 0.5f, 1, &err));
    assert_string_equal(err.text, "65 classes; from 1 to 64 can be told apart");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_toys),
        cmocka_unit_test(test_one_class),
        cmocka_unit_test_setup_teardown(test_held_out_prompts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_texts, set_up, tear_down),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_steps),
        cmocka_unit_test_setup_teardown(test_same_bits_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_seed, set_up, tear_down),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
