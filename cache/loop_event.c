#include "cache/loop_driver.h"

#include <event2/event.h>
#include <stdlib.h>

struct loop_driver {
    struct loop *loop;
    struct event *event;
    uint64_t armed_us; /* UINT64_MAX: not armed; 0: active in this turn */
};

/* No later than this: a longer wait may not fit a 32-bit time, and the loop only finds itself
 * early. */
static const uint64_t WAIT_MAX_US = UINT64_C(3600) * 1000000;

static void arm(struct loop_driver *d, uint64_t due_us)
{
    uint64_t now = loop_now_us(d->loop);
    uint64_t wait = due_us > now ? due_us - now : 0;
    wait = wait < WAIT_MAX_US ? wait : WAIT_MAX_US;
    struct timeval delay = {(time_t) (wait / 1000000), (suseconds_t) (wait % 1000000)};
    d->armed_us = due_us;
    event_add(d->event, &delay);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct loop_driver *d = arg;
    (void) fd;
    (void) what;
    d->armed_us = 0; /* while it runs nothing needs arming: the end does it */
    uint64_t due_us = loop_run(d->loop);
    d->armed_us = UINT64_MAX;
    if (due_us != UINT64_MAX) {
        /* Tasks that are left wait for the next turn: descriptors get theirs first. */
        arm(d, due_us);
    }
}

struct loop_driver *loop_driver_new(struct loop *loop, struct event_base *base)
{
    struct loop_driver *d = x_alloc(sizeof(*d));
    d->loop = loop;
    d->armed_us = UINT64_MAX;
    d->event = event_new(base, -1, 0, on_event, d);
    if (!d->event) {
        free(d);
        return NULL;
    }
    loop_driver_wants(d, 0); /* what was set before */
    return d;
}

void loop_driver_free(struct loop_driver *d)
{
    if (d) {
        event_free(d->event);
        free(d);
    }
}

void loop_driver_wants(struct loop_driver *d, uint64_t due_us)
{
    if (!d || due_us >= d->armed_us) {
        return;
    }
    if (due_us == 0) {
        d->armed_us = 0;
        event_active(d->event, EV_TIMEOUT, 0); /* runs in this turn, after what is active already */
    } else {
        arm(d, due_us);
    }
}
