#include "cache/loop.h"

#include "cache/loop_driver.h"

#include <stdlib.h>

enum { TASKS_PER_RUN = 1000 };

/* A binary heap of timers, ordered by due time and then by the order of setting; a list of
 * tasks. */
struct loop {
    struct env env;
    struct loop_timer **heap; /* heap[i]->slot == i + 1 */
    uint64_t *order;          /* heap[i] was set as the order[i]-th */
    size_t count;
    size_t room;
    uint64_t set_count;
    struct loop_task *first_task;
    struct loop_task **last_task;
    struct loop_driver *driver;
};

struct loop *loop_new(const struct env *env)
{
    struct loop *loop = x_alloc(sizeof(*loop));
    loop->env = *env;
    loop->last_task = &loop->first_task;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop) {
        loop_driver_free(loop->driver);
        free(loop->heap);
        free(loop->order);
        free(loop);
    }
}

uint64_t loop_now_us(const struct loop *loop)
{
    return env_mono_us(&loop->env);
}

const struct env *loop_env(const struct loop *loop)
{
    return &loop->env;
}

/* ---- the heap ---- */

static bool is_before(const struct loop *loop, size_t a, size_t b)
{
    uint64_t due_a = loop->heap[a]->due_us, due_b = loop->heap[b]->due_us;
    return due_a != due_b ? due_a < due_b : loop->order[a] < loop->order[b];
}

static void swap(struct loop *loop, size_t a, size_t b)
{
    struct loop_timer *timer = loop->heap[a];
    uint64_t order = loop->order[a];
    loop->heap[a] = loop->heap[b];
    loop->order[a] = loop->order[b];
    loop->heap[b] = timer;
    loop->order[b] = order;
    loop->heap[a]->slot = a + 1;
    loop->heap[b]->slot = b + 1;
}

static void sift_up(struct loop *loop, size_t i)
{
    while (i > 0 && is_before(loop, i, (i - 1) / 2)) {
        swap(loop, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct loop *loop, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < loop->count && is_before(loop, left, least)) {
            least = left;
        }
        if (right < loop->count && is_before(loop, right, least)) {
            least = right;
        }
        if (least == i) {
            return;
        }
        swap(loop, i, least);
        i = least;
    }
}

void loop_timer_init(struct loop_timer *t, void (*on_timer)(void *arg), void *arg)
{
    *t = (struct loop_timer) {.on_timer = on_timer, .arg = arg};
}

void loop_timer_clear(struct loop *loop, struct loop_timer *t)
{
    if (t->slot == 0) {
        return;
    }
    size_t i = t->slot - 1;
    loop->count--;
    if (i != loop->count) {
        swap(loop, i, loop->count);
        sift_down(loop, i);
        sift_up(loop, i);
    }
    t->slot = 0;
}

void loop_timer_set_at(struct loop *loop, struct loop_timer *t, uint64_t due_us)
{
    loop_timer_clear(loop, t);
    if (loop->count == loop->room) {
        loop->room = loop->room > 0 ? loop->room * 2 : 16;
        loop->heap = x_resize(loop->heap, loop->room, sizeof(*loop->heap));
        loop->order = x_resize(loop->order, loop->room, sizeof(*loop->order));
    }
    t->due_us = due_us;
    loop->heap[loop->count] = t;
    loop->order[loop->count] = loop->set_count++;
    loop->count++;
    t->slot = loop->count;
    sift_up(loop, loop->count - 1);
    loop_driver_wants(loop->driver, loop->heap[0]->due_us);
}

void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t delay_us)
{
    uint64_t now = loop_now_us(loop);
    loop_timer_set_at(loop, t, delay_us < UINT64_MAX - now ? now + delay_us : UINT64_MAX);
}

/* ---- tasks ---- */

void loop_task_init(struct loop_task *t, void (*on_task)(void *arg), void *arg)
{
    *t = (struct loop_task) {.on_task = on_task, .arg = arg};
}

void loop_post(struct loop *loop, struct loop_task *t)
{
    if (t->link) {
        return;
    }
    t->next = NULL;
    t->link = loop->last_task;
    *loop->last_task = t;
    loop->last_task = &t->next;
    loop_driver_wants(loop->driver, 0);
}

void loop_unpost(struct loop *loop, struct loop_task *t)
{
    if (!t->link) {
        return;
    }
    *t->link = t->next;
    if (t->next) {
        t->next->link = t->link;
    } else {
        loop->last_task = t->link;
    }
    t->link = NULL;
}

/* ---- running ---- */

static size_t run_tasks(struct loop *loop, size_t budget)
{
    while (loop->first_task && budget > 0) {
        struct loop_task *t = loop->first_task;
        loop_unpost(loop, t); /* first: it may post itself again or be freed */
        t->on_task(t->arg);
        budget--;
    }
    return budget;
}

uint64_t loop_run(struct loop *loop)
{
    uint64_t now = loop_now_us(loop);
    size_t budget = run_tasks(loop, TASKS_PER_RUN);
    while (loop->count > 0 && loop->heap[0]->due_us <= now && budget > 0) {
        struct loop_timer *t = loop->heap[0];
        loop_timer_clear(loop, t);
        t->on_timer(t->arg);
        budget = run_tasks(loop, budget - 1);
    }
    if (loop->first_task || (loop->count > 0 && loop->heap[0]->due_us <= now)) {
        return 0;
    }
    return loop->count > 0 ? loop->heap[0]->due_us : UINT64_MAX;
}

enum err loop_drive_event(struct loop *loop, struct event_base *base)
{
    loop->driver = loop_driver_new(loop, base);
    return loop->driver ? ERR_NONE : ERR_NOMEM;
}
