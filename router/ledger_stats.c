#include "router/ledger_stats.h"

#include "cache/record.h"
#include "router/ledger_state.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY = 512, /* notes that a mean remembers */
    OCTAVE = 8,   /* buckets */
    BUCKETS = 21 * OCTAVE,
    LEAST_US = 1000,
    COUNTS_MAX = 4096,
};

/* bucket[i] counts the times from 2^(i/8) ms to 2^((i+1)/8) ms; shorter ones are in the first, longer
 * ones in the last. */
struct ledger_model {
    UT_hash_handle hh;
    char *name;
    uint64_t count;
    uint64_t timed; /* calls with a token after the first */
    double first_s; /* means */
    double rest_s;  /* of the time after the first token, over the timed calls */
    double rest_tokens;
    uint16_t bucket[BUCKETS];
    uint16_t bucket_sum;
};

struct ledger_tokens {
    UT_hash_handle hh;
    char *names; /* the task's, a zero byte, the model's */
    struct ledger_token_means by_in_degree[LEDGER_IN_DEGREE_MAX + 1];
};

/* ---- entries ---- */

struct ledger_model *ledger_model(struct ledger *l, const char *model)
{
    struct ledger_model *m;
    HASH_FIND_STR(l->model_by_name, model, m);
    if (!m) {
        m = x_alloc(sizeof(*m));
        m->name = x_dup(model);
        HASH_ADD_KEYPTR(hh, l->model_by_name, m->name, strlen(m->name), m);
    }
    return m;
}

struct ledger_tokens *ledger_tokens(struct ledger *l, const char *task, const char *model)
{
    size_t task_length = strlen(task);
    size_t length = task_length + 1 + strlen(model);
    char *names = x_alloc(length + 1);
    memcpy(names, task, task_length);
    memcpy(names + task_length + 1, model, length - task_length - 1);
    struct ledger_tokens *t;
    HASH_FIND(hh, l->tokens_by_names, names, length, t);
    if (t) {
        free(names);
    } else {
        t = x_alloc(sizeof(*t));
        t->names = names;
        HASH_ADD_KEYPTR(hh, l->tokens_by_names, t->names, length, t);
    }
    return t;
}

void ledger_stats_fini(struct ledger *l)
{
    struct ledger_model *m;
    struct ledger_model *next_m;
    HASH_ITER (hh, l->model_by_name, m, next_m) {
        HASH_DEL(l->model_by_name, m);
        free(m->name);
        free(m);
    }
    struct ledger_tokens *t;
    struct ledger_tokens *next_t;
    HASH_ITER (hh, l->tokens_by_names, t, next_t) {
        HASH_DEL(l->tokens_by_names, t);
        free(t->names);
        free(t);
    }
}

/* ---- means: plain while there are few notes, then exponential ---- */

static double share_of(uint64_t count)
{
    return 1.0 / (count < MEMORY ? (double) count : (double) MEMORY);
}

static void move(double *mean, double value, double share)
{
    *mean += (value - *mean) * share;
}

/* ---- the histogram ---- */

static unsigned bucket_of(uint64_t time_us)
{
    if (time_us <= LEAST_US) {
        return 0;
    }
    double place = log2((double) time_us / LEAST_US) * OCTAVE;
    return place < BUCKETS ? (unsigned) place : BUCKETS - 1;
}

/* The sums up to each bucket are halved, not the counts: a bucket of one would lose it or keep it
 * for ever, and the tail is made of such. */
static void halve(struct ledger_model *m)
{
    unsigned sum = 0, halved = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        sum += m->bucket[i];
        m->bucket[i] = (uint16_t) (sum / 2 - halved);
        halved = sum / 2;
    }
    m->bucket_sum = (uint16_t) halved;
}

static void count_time(struct ledger_model *m, unsigned bucket)
{
    m->bucket[bucket]++;
    m->bucket_sum++;
    if (m->bucket_sum == COUNTS_MAX) {
        halve(m);
    }
}

/* The middle of the bucket in which the smallest time lies that `percent` of all do not exceed. */
static uint64_t quantile_us(const struct ledger_model *m, unsigned percent)
{
    unsigned wanted = (m->bucket_sum * percent + 99) / 100;
    unsigned i = 0;
    for (unsigned sum = m->bucket[0]; sum < wanted && i < BUCKETS - 1; sum += m->bucket[i]) {
        i++;
    }
    return (uint64_t) (LEAST_US * exp2((i + 0.5) / OCTAVE));
}

/* ---- the interface ---- */

void ledger_note_latency(struct ledger *l, struct ledger_model *m, uint64_t first_us,
                         uint64_t total_us, uint64_t answer_tokens)
{
    unsigned bucket = bucket_of(total_us);
    double first_s = (double) first_us / 1e6;
    double rest_s = total_us > first_us ? (double) (total_us - first_us) / 1e6 : 0.0;
    pthread_mutex_lock(&l->lock);
    m->count++;
    move(&m->first_s, first_s, share_of(m->count));
    if (answer_tokens > 1) {
        m->timed++;
        move(&m->rest_s, rest_s, share_of(m->timed));
        move(&m->rest_tokens, (double) (answer_tokens - 1), share_of(m->timed));
    }
    count_time(m, bucket);
    pthread_mutex_unlock(&l->lock);
}

void ledger_latency(struct ledger *l, struct ledger_model *m, struct ledger_latency *out)
{
    *out = (struct ledger_latency) {.count = 0};
    pthread_mutex_lock(&l->lock);
    out->count = m->count;
    out->first_s = m->first_s;
    out->per_token_s = m->timed > 0 ? m->rest_s / m->rest_tokens : 0.0;
    if (m->count >= LEDGER_LATENCY_LEAST) {
        out->p50_us = quantile_us(m, 50);
        out->p95_us = quantile_us(m, 95);
    }
    pthread_mutex_unlock(&l->lock);
}

void ledger_note_tokens(struct ledger *l, struct ledger_tokens *t, unsigned in_degree,
                        uint64_t prompt_tokens, uint64_t cached_tokens, uint64_t answer_tokens)
{
    assert(in_degree <= LEDGER_IN_DEGREE_MAX);
    struct ledger_token_means *means = &t->by_in_degree[in_degree];
    pthread_mutex_lock(&l->lock);
    means->count++;
    double share = share_of(means->count);
    move(&means->prompt, (double) prompt_tokens, share);
    move(&means->cached, (double) cached_tokens, share);
    move(&means->answer, (double) answer_tokens, share);
    pthread_mutex_unlock(&l->lock);
}

void ledger_token_means(struct ledger *l, struct ledger_tokens *t, unsigned in_degree,
                        struct ledger_token_means *out)
{
    assert(in_degree <= LEDGER_IN_DEGREE_MAX);
    pthread_mutex_lock(&l->lock);
    *out = t->by_in_degree[in_degree];
    pthread_mutex_unlock(&l->lock);
}

void ledger_note_call(struct ledger *l, struct ledger_model *m, struct ledger_tokens *t,
                      unsigned in_degree, bool has_times, const struct call_record *c)
{
    if (c->reason != END_COMPLETE || c->fallbacks > 0) {
        return; /* another model's times and tokens are not its */
    }
    if (has_times && c->first_content_us > c->slot_us) {
        ledger_note_latency(l, m, c->first_content_us - c->slot_us, c->end_us - c->slot_us,
                            c->usage.completion);
    }
    if (c->usage.known) {
        ledger_note_tokens(l, t, in_degree, c->usage.prompt, c->usage.cached, c->usage.completion);
    }
}
