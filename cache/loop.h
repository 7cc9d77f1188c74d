/* Timers and posted work of one thread, without a clock of its own.
 *
 * The floors below the gateway wait through this, never through libevent: in a front an event loop
 * drives it (loop_drive_event), in unit tests and simulations loop_advance() does, and then an hour
 * of timeouts takes a microsecond and always ends the same way.
 *
 * Everything is intrusive and owned by the caller: no allocation but the heap's array. A timer or
 * task must be cleared before its memory goes. Not thread-safe; one loop belongs to one thread. */
#ifndef CACHE_LOOP_H
#define CACHE_LOOP_H

#include "cache/base.h"

struct loop;
struct event_base;

struct loop_timer {
    void (*on_timer)(void *arg);
    void *arg;
    uint64_t due_us; /* of env's monotonic clock */
    size_t slot;     /* place in the heap + 1; 0 while not set */
};

/* Work to do at the end of this turn: what must not happen inside a callback that may still be on
 * the stack (freeing, resuming, cancelling). */
struct loop_task {
    void (*on_task)(void *arg);
    void *arg;
    struct loop_task *next;
    struct loop_task **link; /* NULL while not posted */
};

struct loop *loop_new(const struct env *env);
void loop_free(struct loop *loop);

uint64_t loop_now_us(const struct loop *loop); /* asks env, not cached */
const struct env *loop_env(const struct loop *loop);

void loop_timer_init(struct loop_timer *t, void (*on_timer)(void *arg), void *arg);
/* Set again, a timer moves. */
void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t delay_us);
void loop_timer_set_at(struct loop *loop, struct loop_timer *t, uint64_t due_us);
void loop_timer_clear(struct loop *loop, struct loop_timer *t); /* also when not set */
static inline bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->slot != 0;
}

void loop_task_init(struct loop_task *t, void (*on_task)(void *arg), void *arg);
void loop_post(struct loop *loop, struct loop_task *t); /* again: stays where it is in the queue */
void loop_unpost(struct loop *loop, struct loop_task *t);

/* Runs tasks (those posted meanwhile too, at most 1,000 a call) and the timers that are due, in
 * order of due time, equal ones in the order they were set. Returns the next due time, UINT64_MAX
 * for none, 0 when tasks are left. */
uint64_t loop_run(struct loop *loop);

/* Drives the loop from libevent: one timer event, armed for the earliest due time. The driver lives
 * until loop_free(). ERR_NOMEM. */
enum err loop_drive_event(struct loop *loop, struct event_base *base) MUST_CHECK;

/* A virtual clock for tests and simulations: an env whose time moves only by loop_advance(), with a
 * seeded generator for randomness. */
struct loop_virtual {
    uint64_t now_us;
    uint64_t random_state;
};
struct env loop_virtual_env(struct loop_virtual *v, uint64_t seed);
/* Moves virtual time to `until_us`, stopping at every due time on the way. */
void loop_advance(struct loop *loop, struct loop_virtual *v, uint64_t until_us);

#endif
