/* Which graph serves a request: from the model name that the client sent, and where it names none, from
 * what the request says, to a task, an arm and a graph. Pure: same snapshot, same request, same unit,
 * same answer.
 *
 *     auto/TASK           that task's arm
 *     auto                the task of the header x-sluice-task; else the first in the file with a rule or
 *                         text that the request fits; else the classifier's, where it is sure; else
 *                         `default`: its arm
 *     graph/NAME, MODEL   that graph or model, under the header's task, else `default`: its deadline and
 *                         caps, and its `data` where that is written
 *     ALIAS               what it stands for */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "cache/base.h"
#include "cache/record.h"
#include "router/snapshot.h"

struct request;

enum route_kind {
    ROUTE_AUTO,  /* the task's arm */
    ROUTE_GRAPH, /* a graph by its name */
    ROUTE_MODEL, /* straight to one model */
};

struct route {
    enum route_kind kind;
    const struct task *task;
    const struct graph *graph;
    const char *name;  /* after aliases: what usage, limits and logs speak of */
    double propensity; /* probability that this unit drew this arm */
    unsigned arm;
    enum task_by task_by;
    float
        task_probability; /* the classifier's for its first choice, also where it was not sure enough;
                               0: it was not asked */
};

struct route_ask {
    struct slice name;             /* the model's, as sent */
    struct slice header;           /* value of x-sluice-task; empty: none */
    const struct request *request; /* looked into only where `auto` needs it; NULL: there is none */
};

enum route_answer {
    ROUTE_OK,
    ROUTE_UNKNOWN_NAME, /* no such model, task or graph, or nothing to serve the task */
    ROUTE_UNKNOWN_TASK, /* the header's value is no task's */
    ROUTE_OUTSIDE_DATA, /* the model or graph may reach an upstream outside the task's `data` */
    ROUTE_NO_MEMORY,
};

/* Finds task and graph; of a task with several arms the champion, until route_choose. All but
 * ROUTE_OK: `err` says what is wrong and what there is instead. */
enum route_answer route_find(const struct snapshot *s, const struct route_ask *ask,
                             struct route *out, struct errbuf *err) MUST_CHECK;

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
