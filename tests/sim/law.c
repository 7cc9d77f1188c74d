#include "tests/sim/law.h"

#include "tests/sim/hash.h"

#include <math.h>
#include <string.h>

#define FIT_TEMPERATURE 0.7
#define COLDEST_SCALE 0.25

/* Streams of the counter-based generator. */
enum stream { STREAM_DIFFICULTY = 1, STREAM_FAMILY, STREAM_MODEL, STREAM_DRAW };

void law_init(struct law *law, uint64_t seed)
{
    static const struct law fit = {
        .task = {{"math", 1.20, 3.18, 0.08, 1.4, 12},
                 {"facts", 0.61, 0.93, 0.0, 1.2, 3},
                 {"strings", 0.76, 4.77, 0.12, 1.4, 12}},
        .sigma_e = 0.73,
        .family_share = 0.5,
        .delta1 = 0.36,
        .gain = 0.97,
        .eta = 2.65,
        .ell = 0.30,
        .position = 0.6,
    };

    *law = fit;
    law->seed = seed;
}

bool law_task_of(const char *name, size_t n, enum law_task *out)
{
    static const char *const names[LAW_TASKS] = {"math", "facts", "strings"};

    for (size_t i = 0; i < LAW_TASKS; i++) {
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0) {
            *out = (enum law_task) i;
            return true;
        }
    }
    return false;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Box and Muller. The unit of a hash is below one, so the logarithm is finite. */
static double normal(uint64_t h)
{
    double radius = sqrt(-2 * log(1 - hash_unit(h)));

    return radius * cos(2 * 3.14159265358979323846 * hash_unit(hash_u64(h, 1)));
}

static uint64_t item_hash(const struct law *law, enum law_task task, uint64_t item, enum stream s)
{
    return hash_u64(hash_u64(hash_u64(law->seed, (uint64_t) s), (uint64_t) task), item);
}

double law_ease(const struct law *law, const struct law_model *model, enum law_task task,
                uint64_t item)
{
    double difficulty = normal(item_hash(law, task, item, STREAM_DIFFICULTY));
    double family = normal(hash_str(item_hash(law, task, item, STREAM_FAMILY), model->family));
    double own = normal(hash_str(item_hash(law, task, item, STREAM_MODEL), model->name));

    return law->sigma_e * (sqrt(law->family_share) * family + sqrt(1 - law->family_share) * own) -
           difficulty;
}

/* The mean over items of a model with this ability; the trapezoid rule is exact to 1e-6 here. */
static double mean_accuracy(double ability, double scale, double sd)
{
    const int half = 72;
    const double step = 1.0 / 12;
    double sum = 0;
    double weights = 0;

    for (int i = -half; i <= half; i++) {
        double z = i * step;
        double w = exp(-z * z / 2);

        sum += w * sigmoid((ability + sd * z) / scale);
        weights += w;
    }
    return sum / weights;
}

static double calibrate(double accuracy, double scale, double sd)
{
    double low = -30;
    double high = 30;

    for (int i = 0; i < 28; i++) {
        double middle = (low + high) / 2;

        if (mean_accuracy(middle, scale, sd) < accuracy) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

void law_reader_init(struct law_reader *r, const struct law *law, const struct law_model *model,
                     enum law_task task, double temperature)
{
    double sd = sqrt(1 + law->sigma_e * law->sigma_e);
    double kappa = law->task[task].kappa;
    double t = isnan(temperature) ? FIT_TEMPERATURE : temperature;

    r->law = law;
    r->model = model;
    r->task = task;
    r->scale = kappa * (COLDEST_SCALE + (1 - COLDEST_SCALE) * t / FIT_TEMPERATURE);
    r->base = calibrate(model->accuracy[task], kappa, sd);
    r->ability = r->scale == kappa ? r->base : calibrate(model->accuracy[task], r->scale, sd);
}

/* The effect of the order: from -1 to 1, 0 on average over all orders. */
static double order_shift(const struct law_seen *seen)
{
    double share = (double) seen->right / seen->count;
    double larger = share > 0.5 ? share : 1 - share;

    return seen->first < 0 ? 0 : (seen->first - share) / larger;
}

double law_trust(const struct law_reader *r, double ease, const struct law_seen *seen)
{
    const struct law *law = r->law;
    const struct law_task_params *task = &law->task[r->task];
    double f;
    double up;
    double s;

    if (seen->right == 0) {
        bool can_fix = seen->count == 1 && seen->wrong_weight <= 1 &&
                       seen->round <= LAW_LAST_FIXING_ROUND;

        return can_fix ? task->phi : 0;
    }
    if (seen->right == seen->count) {
        return 1;
    }
    f = seen->right / (seen->right + seen->wrong_weight);
    up = exp(task->delta0 + law->delta1 * (r->base + ease)) * pow(f, law->eta);
    s = up / (up + pow(1 - f, law->eta));
    return s + law->position * order_shift(seen) * (s < 0.5 ? s : 1 - s);
}

double law_chance(const struct law_reader *r, double ease, const struct law_seen *seen)
{
    const struct law *law = r->law;
    double own = sigmoid((r->ability + ease) / r->scale);
    double lost;

    if (seen->count == 0) {
        return own;
    }
    lost = r->model->chi * (1 + law->ell * (seen->count - 1));
    return lost >= 1 ? 0
                     : (1 - lost) * ((1 - law->gain) * own + law->gain * law_trust(r, ease, seen));
}

double law_wrong_share(const struct law_task_params *task, unsigned j)
{
    double sum = 0;

    for (unsigned i = 1; i <= task->wrong; i++) {
        sum += pow(i, -task->zipf);
    }
    return pow(j, -task->zipf) / sum;
}

uint64_t law_key(const struct law_reader *r, uint64_t item, double temperature, uint64_t seed,
                 uint64_t inputs)
{
    double t = isnan(temperature) ? -1 : temperature;
    uint64_t h = hash_str(item_hash(r->law, r->task, item, STREAM_DRAW), r->model->name);

    h = hash_bytes(h, &t, sizeof(t));
    return hash_u64(hash_u64(h, seed), inputs);
}

static unsigned draw_wrong(const struct law_task_params *task, double u)
{
    for (unsigned j = 1; j < task->wrong; j++) {
        double share = law_wrong_share(task, j);

        if (u < share) {
            return j;
        }
        u -= share;
    }
    return task->wrong;
}

unsigned law_answer(const struct law_reader *r, uint64_t item, const struct law_seen *seen,
                    uint64_t key)
{
    double ease = law_ease(r->law, r->model, r->task, item);

    if (hash_unit(hash_u64(key, 1)) < law_chance(r, ease, seen)) {
        return 0;
    }
    return draw_wrong(&r->law->task[r->task], hash_unit(hash_u64(key, 2)));
}

unsigned law_pick(const struct law_reader *r, uint64_t item, const struct law_seen *seen,
                  const bool right[], uint64_t key)
{
    double ease = law_ease(r->law, r->model, r->task, item);
    bool wants_right = seen->right == seen->count ||
                       (seen->right > 0 && hash_unit(hash_u64(key, 1)) < law_trust(r, ease, seen));
    unsigned among = wants_right ? seen->right : seen->count - seen->right;
    unsigned nth = (unsigned) (hash_unit(hash_u64(key, 2)) * among);
    unsigned i = 0;

    for (;; i++) {
        if (right[i] == wants_right && nth-- == 0) {
            return i;
        }
    }
}
