/*
 * The law that the simulated models answer by: how likely a model is right on an item, by itself
 * and with other models' answers before it. Pure arithmetic without I/O, so that it also runs in
 * process. Everything random is a hash of what was asked.
 *
 * A model m meets item i of a task with
 *     x = a_m - d_i + sigma_e e_mi
 * and is right by itself with p = sigmoid(x / kappa). a_m is such that the mean over items is the
 * accuracy of its table; d_i and e_mi are normal. With k candidates in its prompt, c of them right,
 * f = c / k, it is right with
 *     P = (1 - chi_m (1 + ell (k - 1))) ((1 - g) p + g S),
 *     S = D f^eta / (D f^eta + (1 - f)^eta),   D = exp(delta0 + delta1 x),
 * S = 0 when c = 0 and S = 1 when c = k. The constants are a fit to the composite graphs published
 * with Agent-REINFORCE (arXiv 2511.00086); they are plausible, not identified. Added to it here:
 *
 *   phi          the chance that S is when the only candidate is wrong, in the first two rounds of
 *                refinement: checking a result helps where the task allows it
 *   persuasion   a wrong candidate of a persuasive model counts as that many in f
 *   position     the first candidate counts more: S + position min(S, 1 - S) (z - f') / max(f', 1 - f')
 *                with f' = c / k and z = 1 if the first one is right, else 0. The mean over random
 *                orders is S, so only a fixed order shows
 *   temperature  kappa times (0.25 + T * 0.75 / 0.7): colder models repeat themselves more; a_m
 *                moves along, so the mean over items stays
 *   families     half the variance of e_mi is shared by the models of a family
 *
 * A wrong answer is one of the item's distractors, drawn by Zipf's law from a ranking that all
 * models share. A selector picks a right candidate with S, else a wrong one.
 */
#ifndef SIM_LAW_H
#define SIM_LAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum law_task { LAW_MATH = 0, LAW_FACTS, LAW_STRINGS, LAW_TASKS };

#define LAW_WRONG_MAX 12U
#define LAW_LAST_FIXING_ROUND 2U
#define LAW_PERSUASION 3 /* what a wrong answer of the persuasive model counts for */

struct law_task_params {
    const char *name; /* in markers and file names */
    double kappa;
    double delta0;
    double phi;
    double zipf;    /* exponent */
    unsigned wrong; /* distractors, at most LAW_WRONG_MAX */
};

/* Zero and up; `accuracy` per task is the mean over items, between 0 and 1 (exclusive). */
struct law_model {
    const char *name;
    const char *family;
    double params;
    unsigned layers;
    unsigned hidden;
    double usd_in; /* per million tokens */
    double usd_out;
    double first_ms; /* until the first token */
    double token_ms; /* between tokens */
    double accuracy[LAW_TASKS];
    double chi;
    double persuasion; /* what a wrong answer of it counts for; 1 for all but one */
};

/* The constants; a test may change any of them. */
struct law {
    uint64_t seed;
    struct law_task_params task[LAW_TASKS];
    double sigma_e;
    double family_share;
    double delta1;
    double gain; /* g */
    double eta;
    double ell;
    double position;
};

/* The constants of the fit. seed: of difficulties, noise and draws. */
void law_init(struct law *law, uint64_t seed);

/* False when there is no such task. */
bool law_task_of(const char *name, size_t n, enum law_task *out);

/* The built-in models (law_models.c). */
size_t law_models_count(void);
const struct law_model *law_models_at(size_t i);
/* By name; what stands behind a colon (the options of a simulated model) is ignored. NULL: none. */
const struct law_model *law_models_find(const char *name);

/* A model at work: on one task at one temperature. Borrows law and model. */
struct law_reader {
    const struct law *law;
    const struct law_model *model;
    enum law_task task;
    double scale;   /* kappa at this temperature */
    double ability; /* a_m at this temperature */
    double base;    /* a_m at the temperature of the fit, which D is for */
};

/* temperature: NAN is that of the fit, 0.7. Takes some 30 microseconds. */
void law_reader_init(struct law_reader *r, const struct law *law, const struct law_model *model,
                     enum law_task task, double temperature);

/* What a reader finds in its prompt. */
struct law_seen {
    unsigned count;      /* k */
    unsigned right;      /* c */
    double wrong_weight; /* count - right, more when persuasive ones are among them */
    int first;           /* the first candidate is right: 1, 0; -1: the mean over all orders */
    unsigned round;      /* of this reader: 1 + the highest among the candidates */
};

/* x - a_m for an item: minus its difficulty plus the model's noise. */
double law_ease(const struct law *law, const struct law_model *model, enum law_task task,
                uint64_t item);

/* S and P; ease is law_ease() of the item. law_chance with count 0 is p. */
double law_trust(const struct law_reader *r, double ease, const struct law_seen *seen);
double law_chance(const struct law_reader *r, double ease, const struct law_seen *seen);

/* Chance of distractor j, 1 to task.wrong, among wrong answers. */
double law_wrong_share(const struct law_task_params *task, unsigned j);

/*
 * What a draw is keyed by: the same model, item, temperature, request seed and inputs give the same
 * answer. inputs: a hash of the candidates that does not depend on their order, 0 for none.
 */
uint64_t law_key(const struct law_reader *r, uint64_t item, double temperature, uint64_t seed,
                 uint64_t inputs);

/* 0: the right answer, else the number of a distractor. */
unsigned law_answer(const struct law_reader *r, uint64_t item, const struct law_seen *seen,
                    uint64_t key);

/* A selector's choice among seen->count candidates, of which right[] are right. */
unsigned law_pick(const struct law_reader *r, uint64_t item, const struct law_seen *seen,
                  const bool right[], uint64_t key);

#endif
