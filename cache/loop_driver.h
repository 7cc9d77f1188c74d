/* What wakes a loop by libevent. For loop.c only. */
#ifndef CACHE_LOOP_DRIVER_H
#define CACHE_LOOP_DRIVER_H

#include "cache/loop.h"

struct loop_driver;

/* NULL when memory is gone. */
struct loop_driver *loop_driver_new(struct loop *loop, struct event_base *base);
void loop_driver_free(struct loop_driver *d); /* NULL allowed */

/* The loop must run at `due_us`, 0: in this turn. Called often: cheap unless it is earlier than
 * what is armed. NULL (a loop that a test drives) is fine. */
void loop_driver_wants(struct loop_driver *d, uint64_t due_us);

#endif
