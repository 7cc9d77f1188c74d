/* What admission costs a request: nanoseconds of a slot taken and given back, and of an API key's
 * entry and exit, by one thread and by two at once. Prints one line each. */
#include "router/ledger.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 2000000, THREADS = 2, REPEATS = 5 };

struct run {
    struct ledger *ledger;
    struct ledger_upstream *up;
    struct ledger_key *key;
};

static void on_answer(void *arg, enum ledger_answer answer, uint64_t retry_us)
{
    (void) arg;
    (void) answer;
    (void) retry_us;
}

static void *slots(void *arg)
{
    struct run *r = arg;
    struct ledger_asker asker = {.on_answer = on_answer};
    struct ledger_ticket *ticket = NULL;
    uint64_t retry_us = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (ledger_ask(r->ledger, r->up, &asker, &ticket, &retry_us) != LEDGER_GRANTED) {
            abort();
        }
        ledger_release(r->ledger, r->up, LEDGER_HEALTHY);
    }
    return NULL;
}

static void *keys(void *arg)
{
    struct run *r = arg;
    struct ledger_admission a;
    for (unsigned i = 0; i < ROUNDS; i++) {
        ledger_key_enter(r->ledger, r->key, 1, &a);
        if (a.refused != LIMIT_NONE) {
            abort();
        }
        ledger_key_leave(r->ledger, r->key, 1, 1);
    }
    return NULL;
}

static uint64_t time_us(const struct env *env, void *(*work)(void *arg), struct run *r,
                        unsigned threads)
{
    pthread_t ids[THREADS];
    uint64_t start_us = env_mono_us(env);
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, work, r) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    return env_mono_us(env) - start_us;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a;
    uint64_t y = *(const uint64_t *) b;
    return (x > y) - (x < y);
}

static void report(const struct env *env, const char *what, void *(*work)(void *arg), struct run *r,
                   unsigned threads)
{
    uint64_t us[REPEATS];
    for (unsigned i = 0; i < REPEATS; i++) {
        us[i] = time_us(env, work, r, threads);
    }
    qsort(us, REPEATS, sizeof(us[0]), by_size);
    printf("%-24s %u thread%s %6.1f ns each (median of %d)\n", what, threads,
           threads > 1 ? "s" : " ", (double) us[REPEATS / 2] * 1000 / ((double) ROUNDS * threads),
           REPEATS);
}

int main(void)
{
    struct env env = env_system();
    struct ledger_key_limits limits = {UINT32_MAX, UINT32_MAX, 1000};
    struct run r = {.ledger = ledger_new(&env)};
    r.up = ledger_upstream(r.ledger, "bench", 1000, 0);
    r.key = ledger_key(r.ledger, 1, &limits);
    for (unsigned threads = 1; threads <= THREADS; threads++) {
        report(&env, "ask and release", slots, &r, threads);
        report(&env, "key enter and leave", keys, &r, threads);
    }
    ledger_free(r.ledger);
    return 0;
}
