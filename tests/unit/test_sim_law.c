#include "tests/sim/law.h"
#include "tests/sim/law_graph.h"
#include "tests/sim/law_vote.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 1500, MANY = 12000 };

static void assert_near(double found, double wanted, double tolerance)
{
    if (!(fabs(found - wanted) <= tolerance)) {
        fail_msg("%.9g is not %.9g", found, wanted);
    }
}

static double mean_alone(const struct law *law, const struct law_model *m, enum law_task task,
                         double temperature)
{
    struct law_reader r;
    struct law_seen nothing = {0};
    double sum = 0;

    law_reader_init(&r, law, m, task, temperature);
    for (uint64_t i = 0; i < MANY; i++) {
        sum += law_chance(&r, law_ease(law, m, task, i), &nothing);
    }
    return sum / MANY;
}

static void test_models_alone_have_their_accuracy_at_any_temperature(void **state)
{
    struct law law;

    (void) state;
    law_init(&law, 4);
    for (size_t i = 0; i < law_models_count(); i++) {
        const struct law_model *m = law_models_at(i);
        enum law_task task = (enum law_task)(i % LAW_TASKS);

        assert_near(mean_alone(&law, m, task, (double) NAN), m->accuracy[task], 0.01);
    }
    for (unsigned t = 0; t < LAW_TASKS; t++) {
        const struct law_model *m = law_models_at(t);

        assert_near(mean_alone(&law, m, (enum law_task) t, t), m->accuracy[t], 0.01);
    }
}

static void test_names(void **state)
{
    enum law_task task;

    (void) state;
    assert_string_equal(law_models_find("llama-1b:first=0")->name, "llama-1b");
    assert_null(law_models_find("llama"));
    assert_null(law_models_find("llama-1bx"));
    for (unsigned t = 0; t < LAW_TASKS; t++) {
        struct law law;

        law_init(&law, 1);
        assert_true(law_task_of(law.task[t].name, strlen(law.task[t].name), &task));
        assert_int_equal(task, t);
    }
    assert_false(law_task_of("mat", 3, &task));
}

/* ---- one reader ---- */

static struct law_reader reader(const struct law *law, const char *model, enum law_task task)
{
    struct law_reader r;

    law_reader_init(&r, law, law_models_find(model), task, (double) NAN);
    return r;
}

static double trust(const struct law_reader *r, unsigned count, unsigned right, double wrong,
                    int first)
{
    struct law_seen seen = {count, right, wrong, first, 9};

    return law_trust(r, 0, &seen);
}

static void test_trust_by_hand(void **state)
{
    struct law law;
    struct law_reader r;
    double up;

    (void) state;
    law_init(&law, 1);
    r = reader(&law, "llama-1b", LAW_FACTS);
    up = exp(0.93 + 0.36 * (r.base + 0.5));
    assert_near(law_trust(&r, 0.5, &(struct law_seen) {2, 1, 1, -1, 9}), up / (up + 1), 1e-12);
    up *= pow(0.25, 2.65);
    assert_near(law_trust(&r, 0.5, &(struct law_seen) {4, 1, 3, -1, 9}),
                up / (up + pow(0.75, 2.65)), 1e-12);
    assert_near(trust(&r, 3, 0, 3, -1), 0, 0);
    assert_near(trust(&r, 3, 3, 0, 1), 1, 0);
    /* A persuasive candidate counts like two more. */
    assert_near(trust(&r, 2, 1, 3, -1), trust(&r, 4, 1, 3, -1), 1e-12);
}

static void test_chance_by_hand(void **state)
{
    struct law law;
    struct law_reader r;
    struct law_seen seen = {3, 3, 0, -1, 1};
    double own;

    (void) state;
    law_init(&law, 1);
    r = reader(&law, "llama-1b", LAW_MATH);
    own = 1 / (1 + exp(-(r.ability + 0.3) / 1.20));
    assert_near(law_chance(&r, 0.3, &(struct law_seen) {0}), own, 1e-12);
    assert_near(law_chance(&r, 0.3, &seen), (1 - 0.047 * 1.6) * (0.03 * own + 0.97), 1e-12);
    seen = (struct law_seen) {1, 0, 1, 0, 2};
    assert_near(law_chance(&r, 0.3, &seen), (1 - 0.047) * (0.03 * own + 0.97 * 0.08), 1e-12);
    seen.round = 3; /* nothing is found any more */
    assert_near(law_chance(&r, 0.3, &seen), (1 - 0.047) * 0.03 * own, 1e-12);
}

static void test_order_shows_unless_it_is_random(void **state)
{
    struct law law;
    struct law_reader r;

    (void) state;
    law_init(&law, 1);
    r = reader(&law, "llama-3b", LAW_FACTS);
    for (unsigned k = 2; k <= 8; k++) {
        for (unsigned c = 1; c < k; c++) {
            double front = trust(&r, k, c, k - c, 1);
            double back = trust(&r, k, c, k - c, 0);
            double mean = (c * front + (k - c) * back) / k;

            assert_true(front > back && front < 1 && back > 0);
            assert_near(mean, trust(&r, k, c, k - c, -1), 1e-12);
        }
    }
}

static double agreement(const struct law *law, double temperature)
{
    struct law_reader r;
    struct law_seen nothing = {0};
    unsigned same = 0;

    law_reader_init(&r, law, law_models_find("llama-3b"), LAW_MATH, temperature);
    for (uint64_t i = 0; i < ITEMS; i++) {
        unsigned a = law_answer(&r, i, &nothing, law_key(&r, i, temperature, 1, 0));
        unsigned b = law_answer(&r, i, &nothing, law_key(&r, i, temperature, 2, 0));

        assert_int_equal(a, law_answer(&r, i, &nothing, law_key(&r, i, temperature, 1, 0)));
        same += a == b ? 1 : 0;
    }
    return (double) same / ITEMS;
}

static void test_draws_repeat_and_cold_ones_agree(void **state)
{
    struct law law;
    double cold;
    double hot;

    (void) state;
    law_init(&law, 2);
    cold = agreement(&law, 0);
    hot = agreement(&law, 1.5);
    assert_true(cold < 1 && cold > hot + 0.1);
}

static void test_a_selector_picks_what_there_is(void **state)
{
    static const bool right[] = {false, true, false, true};
    struct law law;
    struct law_reader r;
    struct law_seen seen = {4, 2, 2, -1, 1};
    unsigned picks[4] = {0};

    (void) state;
    law_init(&law, 3);
    r = reader(&law, "llama-1b", LAW_FACTS);
    for (uint64_t i = 0; i < ITEMS; i++) {
        picks[law_pick(&r, i, &seen, right, law_key(&r, i, 0.7, 1, 5))]++;
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(picks[i] > ITEMS / 20);
    }
    assert_true(picks[1] + picks[3] > picks[0] + picks[2]);
    seen = (struct law_seen) {2, 0, 2, 0, 1};
    assert_in_range(law_pick(&r, 1, &seen, (const bool[2]) {false, false}, 7), 0, 1);
}

/* ---- votes ---- */

/* All answers of k voters, one after the other, each with its chance. */
static double vote_by_enumeration(const struct law_task_params *task, unsigned k, unsigned right,
                                  unsigned before)
{
    unsigned total = 1;
    double wins = 0;

    for (unsigned i = 0; i < k - right; i++) {
        total *= task->wrong;
    }
    for (unsigned code = 0; code < total; code++) {
        unsigned votes[LAW_WRONG_MAX + 1] = {0};
        unsigned order[LAW_VOTERS_MAX] = {0};
        unsigned best = 0;
        unsigned left = code;
        double p = 1;

        for (unsigned i = 0; i < k; i++) {
            if (i < before || i >= before + right) {
                order[i] = 1 + left % task->wrong;
                left /= task->wrong;
                p *= law_wrong_share(task, order[i]);
            }
            votes[order[i]]++;
        }
        for (unsigned i = 0; i < k; i++) {
            best = votes[order[i]] > votes[order[best]] ? i : best;
        }
        wins += order[best] == 0 ? p : 0;
    }
    return wins;
}

static void test_vote_table_is_that_of_enumeration(void **state)
{
    struct law law;

    (void) state;
    law_init(&law, 1);
    law.task[0].wrong = 4;
    for (unsigned k = 2; k <= 6; k++) {
        struct law_vote v;

        law_vote_init(&v, &law.task[0], k);
        for (unsigned right = 1; right <= k; right++) {
            for (unsigned before = 0; before + right <= k; before++) {
                assert_near(v.wins[right][before],
                            vote_by_enumeration(&law.task[0], k, right, before), 1e-12);
            }
        }
    }
}

/* ---- graphs ---- */

static const struct model_def defs[] = {
    {.name = "one", .id = "llama-1b:first=0"},
    {.name = "llama-3b"},
    {.name = "llama-8b"},
    {.name = "llama-70b"},
    {.name = "qwen-7b"},
    {.name = "gemma-9b"},
    {.name = "persuasive"},
    {.name = "nobody"},
};

/* A graph in a word per node: a model's digit, or V for a vote, then s for a selection, then the
 * numbers of predecessors as letters: "0 1 2 Vabc". The last node is the output. */
static struct graph *graph_of(const char *text)
{
    struct graph_draft d = {0};
    struct errbuf err;
    struct graph *g;

    while (*text != '\0') {
        struct graph_node n = graph_assistant(NULL);
        uint32_t from = 0;

        if (*text == 'V') {
            n = graph_fuser(FUSER_VOTE, NULL);
        } else if (text[1] == 's') {
            n = graph_fuser(FUSER_SELECT, &defs[*text - '0']);
            text++;
        } else {
            n = graph_assistant(&defs[*text - '0']);
        }
        for (text++; *text >= 'a'; text++) {
            from |= UINT32_C(1) << (*text - 'a');
        }
        n.predecessors = from;
        d.nodes[d.count++] = n;
        text += *text == ' ' ? 1 : 0;
    }
    d.output = d.count - 1;
    g = graph_new(&d, &err);
    if (g == NULL) {
        fail_msg("%s", err.text);
    }
    return g;
}

static struct law_graph *prepare(const struct law *law, enum law_task task, const char *text)
{
    struct law_setting setting = law_setting(task);
    struct graph *g = graph_of(text);
    struct errbuf err = {""};
    struct law_graph *lg = law_graph_new(law, g, &setting, &err);

    graph_free(g);
    assert_non_null(lg);
    if (law_graph_make_exact(lg, &err) != ERR_NONE) {
        fail_msg("%s: %s", text, err.text);
    }
    return lg;
}

static void compare(const struct law *law, enum law_task task, const char *text)
{
    struct law_graph *lg = prepare(law, task, text);
    unsigned right = 0;
    double sd;
    double exact = law_graph_accuracy(lg, 0, ITEMS, &sd);

    for (uint64_t i = 0; i < ITEMS; i++) {
        right += law_graph_run(lg, i, 77) == 0 ? 1 : 0;
    }
    if (fabs((double) right / ITEMS - exact) > 3.5 * sd) {
        fail_msg("%s: %.4f, but %.4f by runs, sd %.4f", text, exact, (double) right / ITEMS, sd);
    }
    assert_true(sd > 0.003 && sd < 0.014);
    law_graph_free(lg);
}

static void test_exact_chances_are_those_of_runs(void **state)
{
    static const char *const graphs[] = {
        "1",                           /* alone */
        "0 0 0 0 0 Vabcde",            /* self-consistency */
        "0 1a 2b",                     /* a chain */
        "0 1 2 0abc 1abc 2abc 2def",   /* a mixture of agents, two layers */
        "0 1 4 5 2sabcd",              /* a selection */
        "2 0a 1a 2bc",                 /* a diamond */
        "2 4 5 2abc",                  /* mixed families */
        "0 2 3 1 5 Vabcde",            /* a vote of unequals: ties depend on the order */
        "0 1 2 0abc 1abc 2abc Vdef",   /* a debate */
        "0 1 2 Vabc 3acd",             /* voters that are read otherwise, too */
        "6 1 2 2abc",                  /* a persuasive one among three */
        "6 6 1 2 2abc 1abd 0bcd Vefg", /* and among voters' inputs */
        "0 1 6 Vabc",                  /* which a vote does not hear */
        "1 2 6 1abc 6abc 2de",         /* persuaded itself */
        "0 1 2 Vab Vbc 3abcde",        /* voters of two votes */
        "0 1a 2ab 0abc 1bd 2ace 3def", /* anything */
    };
    struct law law;

    (void) state;
    law_init(&law, 5);
    for (size_t i = 0; i < ARRAY_LEN(graphs); i++) {
        compare(&law, (enum law_task)(i % LAW_TASKS), graphs[i]);
    }
    compare(&law, LAW_MATH, graphs[2]);
    compare(&law, LAW_STRINGS, graphs[1]);
    compare(&law, LAW_FACTS, graphs[13]);
}

static double at_work(const struct law *law, const char *model, double temperature, uint64_t item,
                      unsigned count, unsigned right)
{
    struct law_seen seen = {count, right, count - right, -1, 1};
    struct law_reader r;

    law_reader_init(&r, law, law_models_find(model), LAW_FACTS, temperature);
    return law_chance(&r, law_ease(law, r.model, r.task, item), &seen);
}

/* Two assistants, one of them hot, and a reader that the client asks for a temperature of 1. */
static void test_one_item_by_hand(void **state)
{
    struct law_setting setting = law_setting(LAW_FACTS);
    struct graph_draft d = {.count = 3, .output = 2};
    struct errbuf err;
    struct law law;
    struct graph *g;
    struct law_graph *lg;

    (void) state;
    law_init(&law, 9);
    setting.output = 1;
    d.nodes[0] = graph_assistant(&defs[1]);
    d.nodes[1] = graph_assistant(&defs[4]);
    d.nodes[1].temperature = 1.2;
    d.nodes[2] = graph_assistant(&defs[2]);
    d.nodes[2].predecessors = 3;
    g = graph_new(&d, &err);
    assert_non_null(g);
    lg = law_graph_new(&law, g, &setting, &err);
    assert_int_equal(law_graph_make_exact(lg, &err), ERR_NONE);
    for (uint64_t item = 0; item < 20; item++) {
        double a = at_work(&law, "llama-3b", 0.2, item, 0, 0);
        double b = at_work(&law, "qwen-7b", 1.2, item, 0, 0);
        double p = a * b * at_work(&law, "llama-8b", 1, item, 2, 2) +
                   (a * (1 - b) + (1 - a) * b) * at_work(&law, "llama-8b", 1, item, 2, 1) +
                   (1 - a) * (1 - b) * at_work(&law, "llama-8b", 1, item, 2, 0);

        assert_near(law_graph_chance(lg, item), p, 1e-12);
    }
    law_graph_free(lg);
    graph_free(g);
}

static double width(const struct law *law, enum law_task task, char model, unsigned w)
{
    char text[64] = "";
    size_t at = 0;
    double sd;
    double mean;
    struct law_graph *lg;

    for (unsigned i = 0; i < w; i++) {
        text[at++] = model;
        text[at++] = ' ';
    }
    text[at++] = model;
    for (unsigned i = 0; i < w; i++) {
        text[at++] = (char) ('a' + i);
    }
    text[at] = '\0';
    lg = prepare(law, task, text);
    mean = law_graph_accuracy(lg, 0, ITEMS, &sd);
    law_graph_free(lg);
    return mean;
}

/* What the fit was found to give: so many assistants of a model, and a fuser of the same. */
static void test_width_has_an_optimum_for_weak_models_only(void **state)
{
    static const struct {
        enum law_task task;
        char model;
        unsigned width;
        double accuracy;
    } curve[] = {
        {LAW_MATH, '0', 1, 0.297},  {LAW_MATH, '0', 2, 0.443},   {LAW_MATH, '0', 3, 0.472},
        {LAW_MATH, '0', 4, 0.454},  {LAW_MATH, '0', 12, 0.398},  {LAW_MATH, '2', 12, 0.739},
        {LAW_FACTS, '0', 2, 0.339}, {LAW_FACTS, '0', 12, 0.258},
    };
    struct law law;
    double last = 0;

    (void) state;
    law_init(&law, 6);
    law.task[LAW_MATH].phi = 0;
    /* The curve is of nodes that are all as hot as the fit. */
    law.position = 0;
    for (size_t i = 0; i < ARRAY_LEN(curve); i++) {
        assert_near(width(&law, curve[i].task, curve[i].model, curve[i].width), curve[i].accuracy,
                    0.02);
    }
    for (unsigned w = 1; w <= 12; w += w < 3 ? 1 : 3) {
        double here = width(&law, LAW_MATH, '3', w);

        assert_true(here > last);
        last = here;
    }
}

static void test_what_is_not_exact_still_runs(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"0 1 2 Vabc 1 2 Vdef", "feeds on"},
        {"0 6 1sab 2c", "persuasive"},
        {"0 1a Vab 2c", "rounds"},
    };
    struct law_setting setting = law_setting(LAW_MATH);
    struct law law;
    struct errbuf err;

    (void) state;
    law_init(&law, 5);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct graph *g = graph_of(cases[i].text);
        struct law_graph *lg = law_graph_new(&law, g, &setting, &err);

        assert_int_equal(law_graph_make_exact(lg, &err), ERR_LIMIT);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_in_range(law_graph_run(lg, 1, 1), 0, 12);
        law_graph_free(lg);
        graph_free(g);
    }
}

static void test_a_model_that_the_law_does_not_know(void **state)
{
    struct law_setting setting = law_setting(LAW_MATH);
    struct graph *g = graph_of("0 7a");
    struct errbuf err;
    struct law law;

    (void) state;
    law_init(&law, 5);
    assert_null(law_graph_new(&law, g, &setting, &err));
    assert_string_equal(err.text, "node #1: the law does not know the model nobody");
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_alone_have_their_accuracy_at_any_temperature),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_trust_by_hand),
        cmocka_unit_test(test_chance_by_hand),
        cmocka_unit_test(test_order_shows_unless_it_is_random),
        cmocka_unit_test(test_draws_repeat_and_cold_ones_agree),
        cmocka_unit_test(test_a_selector_picks_what_there_is),
        cmocka_unit_test(test_vote_table_is_that_of_enumeration),
        cmocka_unit_test(test_one_item_by_hand),
        cmocka_unit_test(test_exact_chances_are_those_of_runs),
        cmocka_unit_test(test_width_has_an_optimum_for_weak_models_only),
        cmocka_unit_test(test_what_is_not_exact_still_runs),
        cmocka_unit_test(test_a_model_that_the_law_does_not_know),
    };
    return cmocka_run_group_tests_name("sim_law", tests, NULL, NULL);
}
