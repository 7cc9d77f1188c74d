/* Four threads ask, withdraw and release at random, each with a mailbox of its own. A thread has more
 * slots than the queue has room, so everything happens even when the system runs one after the
 * other. */
#include "router/ledger.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, SLOTS = 16, STEPS = 20000, MAX_IN_FLIGHT = 3, QUEUE = 4, KEY_LIMIT = 2 };

struct shared {
    struct env env;
    struct ledger *ledger;
    struct ledger_upstream *up;
    struct ledger_key *key;
    bool with_failures;
    atomic_uint held;
    atomic_uint admitted;
    atomic_uint too_many; /* times that more were held than may be */
    atomic_uint running;
};

enum slot_state { SLOT_IDLE, SLOT_WAITING, SLOT_HELD };

struct worker;

struct slot {
    struct worker *worker;
    enum slot_state state;
    struct ledger_ticket *ticket;
};

struct worker {
    struct shared *shared;
    struct mailbox *box;
    pthread_t thread;
    uint32_t seed;
    struct slot slots[SLOTS];
    unsigned told[4];   /* answers at once, by enum ledger_answer */
    unsigned mailed[4]; /* answers by mail */
    unsigned wrong;     /* answers to a slot that does not wait */
};

static uint32_t roll(struct worker *w, uint32_t sides)
{
    w->seed = w->seed * 1664525U + 1013904223U;
    return (w->seed >> 16) % sides;
}

static void hold(struct slot *s)
{
    struct shared *shared = s->worker->shared;
    s->state = SLOT_HELD;
    if (atomic_fetch_add(&shared->held, 1) >= MAX_IN_FLIGHT) {
        atomic_fetch_add(&shared->too_many, 1);
    }
}

static void on_answer(void *arg, enum ledger_answer answer, uint64_t retry_us)
{
    struct slot *s = arg;
    (void) retry_us;
    s->worker->mailed[answer]++;
    if (s->state != SLOT_WAITING || !s->ticket) {
        s->worker->wrong++;
    }
    s->ticket = NULL;
    s->state = SLOT_IDLE;
    if (answer == LEDGER_GRANTED) {
        hold(s);
    }
}

static void ask(struct slot *s)
{
    struct worker *w = s->worker;
    struct ledger_asker asker = {
        .class = roll(w, 3) == 0 ? LEDGER_LAB : LEDGER_LIVE,
        .key_tag = roll(w, 3),
        .mailbox = w->box,
        .on_answer = on_answer,
        .arg = s,
    };
    uint64_t retry_us = 0;
    enum ledger_answer answer = ledger_ask(w->shared->ledger, w->shared->up, &asker, &s->ticket,
                                           &retry_us);
    w->told[answer]++;
    if (answer == LEDGER_GRANTED) {
        hold(s);
    } else if (answer == LEDGER_QUEUED) {
        s->state = SLOT_WAITING;
    }
}

static void let_go(struct slot *s)
{
    struct worker *w = s->worker;
    enum ledger_outcome outcome = LEDGER_HEALTHY;
    if (w->shared->with_failures) {
        outcome = roll(w, 8) > 0 ? LEDGER_FAILED : LEDGER_NEUTRAL;
        ledger_alive(w->shared->ledger, w->shared->up);
    }
    s->state = SLOT_IDLE;
    atomic_fetch_sub(&w->shared->held, 1);
    ledger_release(w->shared->ledger, w->shared->up, outcome);
}

static void leave_queue(struct slot *s)
{
    ledger_withdraw(s->ticket);
    s->ticket = NULL;
    s->state = SLOT_IDLE;
}

static void step(struct worker *w)
{
    struct slot *s = &w->slots[roll(w, SLOTS)];
    switch (s->state) {
    case SLOT_IDLE:
        ask(s);
        break;
    case SLOT_WAITING:
        if (roll(w, 8) == 0) {
            leave_queue(s);
        }
        break;
    case SLOT_HELD:
        let_go(s);
        break;
    }
    if (roll(w, 8) == 0) {
        mailbox_take(w->box, NULL);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (unsigned i = 0; i < STEPS; i++) {
        step(w);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (w->slots[i].state == SLOT_HELD) {
            let_go(&w->slots[i]);
        } else if (w->slots[i].state == SLOT_WAITING) {
            leave_queue(&w->slots[i]);
        }
    }
    atomic_fetch_sub(&w->shared->running, 1);
    return NULL;
}

static void *enter_and_leave(void *arg)
{
    struct worker *w = arg;
    struct shared *shared = w->shared;
    for (unsigned i = 0; i < STEPS; i++) {
        struct ledger_admission a;
        ledger_key_enter(shared->ledger, shared->key, 10, &a);
        if (a.refused != LIMIT_NONE) {
            w->told[0]++;
            continue;
        }
        if (atomic_fetch_add(&shared->admitted, 1) >= KEY_LIMIT) {
            atomic_fetch_add(&shared->too_many, 1);
        }
        atomic_fetch_sub(&shared->admitted, 1);
        ledger_key_leave(shared->ledger, shared->key, 10, 10);
    }
    atomic_fetch_sub(&shared->running, 1);
    return NULL;
}

/* ---- clocks that do not depend on the machine ---- */

static uint64_t standing_us(void *arg)
{
    (void) arg;
    return 1;
}

/* A second passes whenever somebody looks, so that breakers open and close many times in a run. */
static uint64_t flying_us(void *arg)
{
    atomic_uint *looks = arg;
    return (uint64_t) atomic_fetch_add(looks, 1) * 1000000;
}

static void a_number(void *arg, void *out, size_t n)
{
    (void) arg;
    memset(out, 7, n);
}

/* ---- runs ---- */

static void start(struct shared *shared, struct worker *workers, void *(*run)(void *arg))
{
    atomic_store(&shared->running, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        struct worker *w = &workers[i];
        w->shared = shared;
        w->seed = (uint32_t) i + 1;
        w->box = mailbox_new(1, NULL);
        assert_non_null(w->box);
        for (size_t j = 0; j < SLOTS; j++) {
            w->slots[j].worker = w;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
}

static void stop(struct shared *shared, struct worker *workers)
{
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        mailbox_free(workers[i].box);
    }
    assert_int_equal(atomic_load(&shared->held), 0);
    assert_int_equal(atomic_load(&shared->too_many), 0);
}

static void expect_rest(struct shared *shared)
{
    struct ledger_upstream_state s;
    assert_int_equal(ledger_upstreams(shared->ledger, &s, 1), 1);
    assert_int_equal(s.in_flight, 0);
    assert_int_equal(s.waiting, 0);
}

static unsigned sum_told(const struct worker *workers, enum ledger_answer answer)
{
    unsigned sum = 0;
    for (size_t i = 0; i < THREADS; i++) {
        sum += workers[i].told[answer];
    }
    return sum;
}

static unsigned sum_mailed(const struct worker *workers, enum ledger_answer answer)
{
    unsigned sum = 0;
    for (size_t i = 0; i < THREADS; i++) {
        sum += workers[i].mailed[answer];
    }
    return sum;
}

static void test_never_more_than_the_limit_and_nothing_lost(void **state)
{
    (void) state;
    struct shared shared = {.env = env_system()};
    struct worker workers[THREADS] = {{.shared = NULL}};
    shared.ledger = ledger_new(&shared.env);
    shared.up = ledger_upstream(shared.ledger, "local", MAX_IN_FLIGHT, QUEUE);
    start(&shared, workers, work);
    unsigned seen_too_many = 0;
    while (atomic_load(&shared.running) > 0) {
        struct ledger_upstream_state s;
        (void) ledger_upstreams(shared.ledger, &s, 1);
        seen_too_many += s.in_flight > MAX_IN_FLIGHT || s.waiting > 2 * QUEUE ? 1 : 0;
    }
    stop(&shared, workers);
    assert_int_equal(seen_too_many, 0);
    expect_rest(&shared);
    assert_true(sum_told(workers, LEDGER_GRANTED) > 0);
    assert_true(sum_told(workers, LEDGER_FULL) > 0);
    assert_true(sum_mailed(workers, LEDGER_GRANTED) > 0);
    assert_int_equal(sum_told(workers, LEDGER_BROKEN), 0);
    assert_int_equal(sum_mailed(workers, LEDGER_BROKEN), 0);
    ledger_free(shared.ledger);
}

/* The limit goes up and down meanwhile; the breaker opens, and closes by first content. */
static void test_with_reloads_and_failures(void **state)
{
    (void) state;
    atomic_uint looks = 0;
    struct shared shared = {.env = {.mono_us = flying_us, .random = a_number, .arg = &looks},
                            .with_failures = true};
    struct worker workers[THREADS] = {{.shared = NULL}};
    shared.ledger = ledger_new(&shared.env);
    shared.up = ledger_upstream(shared.ledger, "local", MAX_IN_FLIGHT, QUEUE);
    start(&shared, workers, work);
    for (unsigned i = 0; atomic_load(&shared.running) > 0; i++) {
        (void) ledger_upstream(shared.ledger, "local", 1 + i % MAX_IN_FLIGHT, QUEUE);
    }
    stop(&shared, workers);
    expect_rest(&shared);
    struct ledger_upstream_state s;
    (void) ledger_upstreams(shared.ledger, &s, 1);
    assert_true(s.openings > 10);
    assert_true(sum_told(workers, LEDGER_BROKEN) > 0);
    assert_true(sum_mailed(workers, LEDGER_BROKEN) > 0);
    ledger_free(shared.ledger);
}

static void test_keys_in_flight(void **state)
{
    (void) state;
    struct shared shared = {.env = {.mono_us = standing_us, .random = a_number}};
    struct worker workers[THREADS] = {{.shared = NULL}};
    struct ledger_key_limits limits = {.requests_per_minute = UINT32_MAX,
                                       .tokens_per_minute = UINT32_MAX,
                                       .max_in_flight = KEY_LIMIT};
    shared.ledger = ledger_new(&shared.env);
    shared.key = ledger_key(shared.ledger, 1, &limits);
    start(&shared, workers, enter_and_leave);
    stop(&shared, workers);
    unsigned refused = 0;
    for (size_t i = 0; i < THREADS; i++) {
        refused += workers[i].told[0];
    }
    struct ledger_admission a;
    for (unsigned i = 0; i < KEY_LIMIT; i++) {
        ledger_key_enter(shared.ledger, shared.key, 0, &a);
        assert_int_equal(a.refused, LIMIT_NONE);
    }
    /* Time stood still, so the buckets count to the request. */
    assert_int_equal(a.requests_left, UINT32_MAX - (THREADS * STEPS - refused) - KEY_LIMIT);
    assert_int_equal(a.tokens_left, UINT32_MAX - 10 * (THREADS * STEPS - refused));
    ledger_key_enter(shared.ledger, shared.key, 0, &a);
    assert_int_equal(a.refused, LIMIT_IN_FLIGHT);
    ledger_free(shared.ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_more_than_the_limit_and_nothing_lost),
        cmocka_unit_test(test_with_reloads_and_failures),
        cmocka_unit_test(test_keys_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
