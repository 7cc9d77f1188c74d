#include "cache/loop.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { NAMES = 8 };

/* A loop under a virtual clock and what its callbacks did, a letter each. */
struct world {
    struct loop_virtual clock;
    struct loop *loop;
    char text[4096];
    size_t length;
    uint64_t at_us[NAMES]; /* when the timer of that name fired last */
    uint64_t last_us;      /* of any callback */
};

/* A timer or task with a name, and what it does besides noting it. */
struct actor {
    struct world *world;
    char name;
    struct loop_timer timer;
    struct loop_task task;
    struct loop_task *posts;
    struct loop_task *unposts;
    struct loop_timer *clears;
    struct loop_timer *sets;
    uint64_t sets_delay_us;
};

static void act(struct actor *a)
{
    struct world *w = a->world;
    assert_true(w->length + 1 < sizeof(w->text));
    assert_true(loop_now_us(w->loop) >= w->last_us); /* time does not go back */
    w->last_us = loop_now_us(w->loop);
    w->text[w->length++] = a->name;
    if (a->posts) {
        loop_post(w->loop, a->posts);
    }
    if (a->unposts) {
        loop_unpost(w->loop, a->unposts);
    }
    if (a->clears) {
        loop_timer_clear(w->loop, a->clears);
    }
    if (a->sets) {
        loop_timer_set(w->loop, a->sets, a->sets_delay_us);
    }
}

static void on_timer(void *arg)
{
    struct actor *a = arg;
    a->world->at_us[(a->name - 'a') % NAMES] = loop_now_us(a->world->loop);
    act(a);
}

static void on_task(void *arg)
{
    act(arg);
}

static void actor_init(struct actor *a, struct world *w, char name)
{
    *a = (struct actor) {.world = w, .name = name};
    loop_timer_init(&a->timer, on_timer, a);
    loop_task_init(&a->task, on_task, a);
}

static int world_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct env env = loop_virtual_env(&w->clock, 7);
    w->loop = loop_new(&env);
    *state = w;
    return 0;
}

static int world_down(void **state)
{
    struct world *w = *state;
    loop_free(w->loop);
    free(w);
    return 0;
}

static void advance(struct world *w, uint64_t by_us)
{
    loop_advance(w->loop, &w->clock, w->clock.now_us + by_us);
}

/* ---- timers ---- */

static void test_timers_fire_in_order_at_their_time(void **state)
{
    static const uint64_t delays[] = {500, 100, 300, 200, 400};
    struct world *w = *state;
    struct actor a[5];
    uint64_t start = w->clock.now_us;
    for (unsigned i = 0; i < 5; i++) {
        actor_init(&a[i], w, (char) ('a' + i));
        loop_timer_set(w->loop, &a[i].timer, delays[i]);
        assert_true(loop_timer_is_set(&a[i].timer));
    }
    advance(w, 99);
    assert_string_equal(w->text, "");
    advance(w, 1);
    assert_string_equal(w->text, "b");
    assert_false(loop_timer_is_set(&a[1].timer));
    advance(w, UINT64_C(3600) * 1000000);
    assert_string_equal(w->text, "bdcea");
    for (unsigned i = 0; i < 5; i++) {
        assert_true(w->at_us[i] == start + delays[i]);
    }
    assert_true(w->clock.now_us == start + 100 + UINT64_C(3600) * 1000000);
}

static void test_equal_times_keep_the_order_of_setting(void **state)
{
    struct world *w = *state;
    struct actor a[20];
    for (unsigned i = 0; i < 20; i++) {
        actor_init(&a[i], w, (char) ('a' + i));
        loop_timer_set(w->loop, &a[i].timer, 50);
    }
    loop_timer_set(w->loop, &a[3].timer, 50); /* set again: now the last */
    advance(w, 50);
    assert_string_equal(w->text, "abcefghijklmnopqrstd");
}

static void test_a_timer_moves(void **state)
{
    struct world *w = *state;
    struct actor a, b;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    loop_timer_set(w->loop, &a.timer, 10);
    loop_timer_set(w->loop, &b.timer, 20);
    loop_timer_set(w->loop, &a.timer, 30);
    advance(w, 100);
    assert_string_equal(w->text, "ba");
    loop_timer_set(w->loop, &a.timer, 30);
    loop_timer_set(w->loop, &b.timer, 20);
    loop_timer_set(w->loop, &a.timer, 10);
    advance(w, 100);
    assert_string_equal(w->text, "baab");
}

static void test_a_cleared_timer_is_silent(void **state)
{
    struct world *w = *state;
    struct actor a, b;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    loop_timer_clear(w->loop, &a.timer); /* not set: nothing */
    loop_timer_set(w->loop, &a.timer, 10);
    loop_timer_set(w->loop, &b.timer, 10);
    a.clears = &b.timer; /* due at the same time, and cleared in time */
    assert_true(loop_run(w->loop) == w->clock.now_us + 10);
    advance(w, 100);
    assert_string_equal(w->text, "a");
    assert_false(loop_timer_is_set(&b.timer));
    assert_true(loop_run(w->loop) == UINT64_MAX);
}

static void test_a_timer_sets_itself_again(void **state)
{
    struct world *w = *state;
    struct actor a;
    actor_init(&a, w, 'a');
    a.sets = &a.timer;
    a.sets_delay_us = 10;
    loop_timer_set(w->loop, &a.timer, 10);
    advance(w, 55);
    assert_string_equal(w->text, "aaaaa");
    loop_timer_clear(w->loop, &a.timer);
}

static void test_the_longest_delay_is_never(void **state)
{
    struct world *w = *state;
    struct actor a;
    actor_init(&a, w, 'a');
    loop_timer_set(w->loop, &a.timer, UINT64_MAX);
    assert_true(a.timer.due_us == UINT64_MAX);
    loop_timer_set(w->loop, &a.timer, UINT64_MAX - w->clock.now_us);
    assert_true(a.timer.due_us == UINT64_MAX);
    advance(w, 1000000);
    assert_string_equal(w->text, "");
    loop_timer_clear(w->loop, &a.timer);
}

/* What is due already fires at once, and time does not go back. */
static void test_a_time_that_has_passed(void **state)
{
    struct world *w = *state;
    struct actor a;
    uint64_t now = w->clock.now_us;
    actor_init(&a, w, 'a');
    loop_timer_set_at(w->loop, &a.timer, now - 500);
    assert_true(loop_run(w->loop) == UINT64_MAX);
    assert_string_equal(w->text, "a");
    loop_advance(w->loop, &w->clock, now - 100);
    assert_true(w->clock.now_us == now);
}

/* ---- many timers against a list that is sorted the slow way ---- */

enum { MANY = 300, STEPS = 5000 };

struct crowd {
    struct world *world;
    struct loop_timer timers[MANY];
    uint64_t order[MANY]; /* when it was set, 0: not */
    uint64_t sets;
    unsigned fired;
    bool is_right;
};

static struct crowd *crowd;

static void on_crowd(void *arg)
{
    size_t i = (size_t) ((struct loop_timer *) arg - crowd->timers);
    for (size_t k = 0; k < MANY; k++) {
        bool is_earlier = crowd->timers[k].due_us < crowd->timers[i].due_us ||
                          (crowd->timers[k].due_us == crowd->timers[i].due_us &&
                           crowd->order[k] < crowd->order[i]);
        if (k != i && crowd->order[k] != 0 && is_earlier) {
            crowd->is_right = false;
        }
    }
    if (crowd->order[i] == 0 || crowd->timers[i].due_us != crowd->world->clock.now_us) {
        crowd->is_right = false;
    }
    crowd->order[i] = 0;
    crowd->fired++;
}

static void test_a_crowd_of_timers(void **state)
{
    struct world *w = *state;
    struct env env = *loop_env(w->loop);
    unsigned set = 0;
    crowd = x_alloc(sizeof(*crowd));
    crowd->world = w;
    crowd->is_right = true;
    for (size_t i = 0; i < MANY; i++) {
        loop_timer_init(&crowd->timers[i], on_crowd, &crowd->timers[i]);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        size_t i = (size_t) (env_uniform(&env) * MANY);
        double what = env_uniform(&env);
        if (what < 0.6) {
            loop_timer_set(w->loop, &crowd->timers[i], 1 + (uint64_t) (env_uniform(&env) * 400));
            crowd->order[i] = ++crowd->sets;
        } else if (what < 0.8) {
            loop_timer_clear(w->loop, &crowd->timers[i]);
            crowd->order[i] = 0;
        } else {
            advance(w, (uint64_t) (env_uniform(&env) * 20));
        }
    }
    advance(w, 1000);
    for (size_t i = 0; i < MANY; i++) {
        set += crowd->order[i] != 0 || loop_timer_is_set(&crowd->timers[i]);
    }
    assert_int_equal(set, 0); /* what was set has fired, what was cleared has not */
    assert_true(crowd->is_right);
    assert_true(crowd->fired > 1000);
    free(crowd);
}

/* ---- tasks ---- */

static void test_tasks_run_in_order_and_once(void **state)
{
    struct world *w = *state;
    struct actor a, b, c;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    actor_init(&c, w, 'c');
    loop_post(w->loop, &a.task);
    loop_post(w->loop, &b.task);
    loop_post(w->loop, &c.task);
    loop_post(w->loop, &a.task); /* stays where it is */
    loop_unpost(w->loop, &b.task);
    loop_unpost(w->loop, &b.task);
    assert_true(loop_run(w->loop) == UINT64_MAX);
    assert_string_equal(w->text, "ac");
    loop_run(w->loop);
    assert_string_equal(w->text, "ac");
}

static void test_the_queue_survives_its_ends(void **state)
{
    struct world *w = *state;
    struct actor a, b;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    loop_post(w->loop, &a.task);
    loop_unpost(w->loop, &a.task); /* the only one */
    loop_post(w->loop, &a.task);
    loop_post(w->loop, &b.task);
    loop_unpost(w->loop, &b.task); /* the last */
    loop_post(w->loop, &b.task);
    loop_unpost(w->loop, &a.task); /* the first */
    loop_post(w->loop, &a.task);
    loop_run(w->loop);
    assert_string_equal(w->text, "ba");
}

static void test_tasks_posted_meanwhile_run_too(void **state)
{
    struct world *w = *state;
    struct actor a, b, c;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    actor_init(&c, w, 'c');
    a.posts = &c.task;
    c.unposts = &b.task;
    loop_post(w->loop, &a.task);
    assert_true(loop_run(w->loop) == UINT64_MAX);
    assert_string_equal(w->text, "ac");
    loop_post(w->loop, &c.task);
    loop_post(w->loop, &b.task);
    loop_run(w->loop);
    assert_string_equal(w->text, "acc");
}

/* What a timer posts runs before the next timer, although both were due. */
static void test_tasks_of_a_timer_come_before_the_next(void **state)
{
    struct world *w = *state;
    struct actor a, b, c;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    actor_init(&c, w, 'c');
    a.posts = &c.task;
    loop_timer_set(w->loop, &a.timer, 10);
    loop_timer_set(w->loop, &b.timer, 10);
    advance(w, 10);
    assert_string_equal(w->text, "acb");
}

static void test_a_call_runs_a_thousand_tasks(void **state)
{
    struct world *w = *state;
    struct actor a;
    actor_init(&a, w, 'a');
    a.posts = &a.task;
    loop_post(w->loop, &a.task);
    assert_true(loop_run(w->loop) == 0);
    assert_int_equal(w->length, 1000);
    assert_true(loop_run(w->loop) == 0);
    assert_int_equal(w->length, 2000);
    loop_unpost(w->loop, &a.task);
    assert_true(loop_run(w->loop) == UINT64_MAX);
}

/* Timers count too: one that is always due again does not hold the caller for ever. */
static void test_a_call_runs_a_thousand_timers(void **state)
{
    struct world *w = *state;
    struct actor a, b;
    actor_init(&a, w, 'a');
    actor_init(&b, w, 'b');
    a.sets = &a.timer;
    loop_timer_set(w->loop, &a.timer, 0);
    assert_true(loop_run(w->loop) == 0);
    assert_int_equal(w->length, 1000);
    a.posts = &b.task;
    assert_true(loop_run(w->loop) == 0);
    assert_int_equal(w->length, 2000);
    assert_memory_equal(w->text + 1996, "abab", 4);
    loop_timer_clear(w->loop, &a.timer);
    assert_true(loop_run(w->loop) == UINT64_MAX);
}

/* More than a call's worth of tasks takes several calls and no time. */
static void test_advancing_over_many_tasks(void **state)
{
    enum { TASKS = 2500 };
    struct world *w = *state;
    struct actor *many = x_array(TASKS, sizeof(*many)), last;
    uint64_t start = w->clock.now_us;
    for (size_t i = 0; i < TASKS; i++) {
        actor_init(&many[i], w, 't');
        loop_post(w->loop, &many[i].task);
    }
    actor_init(&last, w, 'a');
    loop_timer_set(w->loop, &last.timer, 7);
    advance(w, 10);
    assert_int_equal(w->length, TASKS + 1);
    assert_int_equal(w->text[TASKS], 'a');
    assert_true(w->at_us[0] == start + 7);
    assert_true(w->clock.now_us == start + 10);
    free(many);
}

/* ---- the virtual clock ---- */

static void test_the_same_seed_is_the_same_chance(void **state)
{
    struct loop_virtual a, b, c;
    struct env env_a = loop_virtual_env(&a, 42), env_b = loop_virtual_env(&b, 42);
    struct env env_c = loop_virtual_env(&c, 43);
    unsigned char bytes_a[21], bytes_b[21], bytes_c[21];
    double sum = 0;
    (void) state;
    env_a.random(env_a.arg, bytes_a, sizeof(bytes_a));
    env_b.random(env_b.arg, bytes_b, sizeof(bytes_b));
    env_c.random(env_c.arg, bytes_c, sizeof(bytes_c));
    assert_memory_equal(bytes_a, bytes_b, sizeof(bytes_a));
    assert_memory_not_equal(bytes_a, bytes_c, sizeof(bytes_a));
    for (unsigned i = 0; i < 10000; i++) {
        sum += env_uniform(&env_a);
    }
    assert_true(sum > 4900 && sum < 5100);
    assert_true(env_wall_us(&env_a) == (int64_t) a.now_us);
}

/* ---- libevent ---- */

struct live {
    struct env env;
    struct event_base *base;
    struct loop *loop;
    char text[16];
    size_t length;
    unsigned turns;
    bool is_read;
    struct loop_task task;
    struct loop_timer first, second;
};

static void live_up(struct live *l)
{
    *l = (struct live) {.env = env_system(), .base = event_base_new()};
    l->loop = loop_new(&l->env);
    assert_int_equal(loop_drive_event(l->loop, l->base), ERR_NONE);
}

static void live_down(struct live *l)
{
    loop_free(l->loop);
    event_base_free(l->base);
}

static void on_first(void *arg)
{
    struct live *l = arg;
    l->text[l->length++] = '1';
    loop_post(l->loop, &l->task);
}

static void on_second(void *arg)
{
    struct live *l = arg;
    l->text[l->length++] = '2';
}

static void on_live_task(void *arg)
{
    struct live *l = arg;
    l->text[l->length++] = 't';
}

/* The base's loop ends by itself when nothing is armed any more, which is part of what is
 * tested. */
static void test_libevent_drives_it(void **state)
{
    struct live l;
    (void) state;
    live_up(&l);
    loop_task_init(&l.task, on_live_task, &l);
    loop_timer_init(&l.first, on_first, &l);
    loop_timer_init(&l.second, on_second, &l);
    event_base_dispatch(l.base); /* asleep before anything is asked of it */
    uint64_t start = env_mono_us(&l.env);
    loop_timer_set(l.loop, &l.second, UINT64_C(3600) * 1000000);
    loop_timer_set(l.loop, &l.second, 4000); /* earlier than what is armed */
    loop_timer_set(l.loop, &l.first, 2000);
    event_base_dispatch(l.base);
    assert_string_equal(l.text, "1t2");
    assert_true(env_mono_us(&l.env) - start >= 4000);
    assert_true(env_mono_us(&l.env) - start < UINT64_C(60) * 1000000);
    live_down(&l);
}

static void test_a_task_wakes_it(void **state)
{
    struct live l;
    (void) state;
    live_up(&l);
    loop_task_init(&l.task, on_live_task, &l);
    for (unsigned i = 0; i < 3; i++) {
        event_base_dispatch(l.base);
        assert_int_equal(l.length, i);
        loop_post(l.loop, &l.task);
    }
    event_base_dispatch(l.base);
    assert_string_equal(l.text, "ttt");
    live_down(&l);
}

static void test_timers_set_before_the_driver_came(void **state)
{
    struct live l = {.env = env_system(), .base = event_base_new()};
    (void) state;
    l.loop = loop_new(&l.env);
    loop_timer_init(&l.second, on_second, &l);
    loop_timer_set(l.loop, &l.second, 1000);
    assert_int_equal(loop_drive_event(l.loop, l.base), ERR_NONE);
    event_base_dispatch(l.base);
    assert_string_equal(l.text, "2");
    live_down(&l);
}

static void test_a_far_timer_can_be_cleared_and_freed(void **state)
{
    struct live l;
    (void) state;
    live_up(&l);
    loop_timer_init(&l.second, on_second, &l);
    loop_timer_set(l.loop, &l.second, UINT64_MAX / 2);
    event_base_loop(l.base, EVLOOP_NONBLOCK);
    loop_timer_clear(l.loop, &l.second);
    event_base_loop(l.base, EVLOOP_NONBLOCK);
    assert_string_equal(l.text, "");
    live_down(&l);
}

/* From somebody else's callback, with the driver idle or waiting for a far timer. */
static void on_somebody(evutil_socket_t fd, short what, void *arg)
{
    struct live *l = arg;
    (void) fd;
    (void) what;
    l->text[l->length++] = 's';
    loop_post(l->loop, &l->task);
    loop_timer_set(l->loop, &l->second, l->turns == 0 ? UINT64_C(3600) * 1000000 : 1);
}

static void test_what_callbacks_ask_for(void **state)
{
    struct live l;
    (void) state;
    live_up(&l);
    loop_task_init(&l.task, on_live_task, &l);
    loop_timer_init(&l.second, on_second, &l);
    struct event *somebody = event_new(l.base, -1, 0, on_somebody, &l);
    event_base_loop(l.base, EVLOOP_NONBLOCK); /* the driver's first turn */
    for (l.turns = 0; l.turns < 3; l.turns++) {
        size_t before = l.length;
        event_active(somebody, EV_TIMEOUT, 0);
        /* The task runs in the same turn, although the timer was set after it. */
        event_base_loop(l.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
        assert_memory_equal(l.text + before, "st", 2);
        if (l.turns == 1) {
            event_base_dispatch(l.base); /* ends when the near timer has fired */
            assert_string_equal(l.text, "stst2");
        }
    }
    event_free(somebody);
    loop_timer_clear(l.loop, &l.second);
    live_down(&l);
}

enum { TURNS_MAX = 1000000 };

static void on_endless_task(void *arg)
{
    struct live *l = arg;
    l->turns++;
    if (!l->is_read && l->turns < TURNS_MAX) {
        loop_post(l->loop, &l->task);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct live *l = arg;
    char byte;
    (void) what;
    assert_int_equal(read(fd, &byte, 1), 1);
    l->is_read = true;
}

/* Tasks that post tasks without end do not keep descriptors waiting. */
static void test_tasks_do_not_starve_descriptors(void **state)
{
    struct live l;
    int ends[2];
    (void) state;
    live_up(&l);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    struct event *event = event_new(l.base, ends[0], EV_READ, on_readable, &l);
    loop_task_init(&l.task, on_endless_task, &l);
    loop_post(l.loop, &l.task);
    event_base_loop(l.base, EVLOOP_ONCE); /* the tasks are ahead */
    event_add(event, NULL);
    event_base_dispatch(l.base);
    assert_true(l.is_read);
    assert_in_range(l.turns, 1000, TURNS_MAX - 1);
    event_free(event);
    close(ends[0]);
    close(ends[1]);
    live_down(&l);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, world_up, world_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(test_timers_fire_in_order_at_their_time),
        in_world(test_equal_times_keep_the_order_of_setting),
        in_world(test_a_timer_moves),
        in_world(test_a_cleared_timer_is_silent),
        in_world(test_a_timer_sets_itself_again),
        in_world(test_the_longest_delay_is_never),
        in_world(test_a_time_that_has_passed),
        in_world(test_a_crowd_of_timers),
        in_world(test_tasks_run_in_order_and_once),
        in_world(test_the_queue_survives_its_ends),
        in_world(test_tasks_posted_meanwhile_run_too),
        in_world(test_tasks_of_a_timer_come_before_the_next),
        in_world(test_a_call_runs_a_thousand_tasks),
        in_world(test_a_call_runs_a_thousand_timers),
        in_world(test_advancing_over_many_tasks),
        cmocka_unit_test(test_the_same_seed_is_the_same_chance),
        cmocka_unit_test(test_libevent_drives_it),
        cmocka_unit_test(test_a_task_wakes_it),
        cmocka_unit_test(test_timers_set_before_the_driver_came),
        cmocka_unit_test(test_a_far_timer_can_be_cleared_and_freed),
        cmocka_unit_test(test_what_callbacks_ask_for),
        cmocka_unit_test(test_tasks_do_not_starve_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
