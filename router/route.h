/* Which graph serves a request: from the model name that the client sent to a task, an arm and a
 * graph. Pure: same snapshot, same request, same unit, same answer. */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "cache/base.h"
#include "router/snapshot.h"

enum route_kind {
    ROUTE_AUTO,  /* the task's arm */
    ROUTE_MODEL, /* straight to one model */
};

struct route {
    enum route_kind kind;
    const struct task *task;
    const struct graph *graph;
    const char *name;  /* after aliases: what usage, limits and logs speak of */
    double propensity; /* probability that this unit drew this arm */
    unsigned arm;
};

/* Finds task and graph; of a task with several arms the champion, until route_choose. ERR_INPUT: no such
 * model, task or graph (the text names it and says where the list is). */
enum err route_find(const struct snapshot *s, struct slice name, struct route *out,
                    struct errbuf *err) MUST_CHECK;

/* Only then is the unit worth computing. */
static inline bool route_has_choice(const struct route *r)
{
    return r->kind == ROUTE_AUTO && r->task->arm_count > 1;
}

/* Draws the arm. `unit` is the keyed 64-bit hash of the conversation (request_unit), so that a
 * conversation stays with its graph. */
void route_choose(struct route *r, uint64_t unit);

/* Uniform in [0, 1) from (experiment, unit), by HMAC-free mixing of an already keyed hash. */
double route_draw(uint64_t experiment, uint64_t unit);

#endif
