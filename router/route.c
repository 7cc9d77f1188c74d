#include "router/route.h"

#include <string.h>

/* Of an unknown name so much is repeated in the error. */
enum { NAME_SHOWN_BYTES = 100 };

#define LIST "GET /v1/models lists the models"

/* The finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014; constants of Stafford's variant 13). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

double route_draw(uint64_t experiment, uint64_t unit)
{
    /* The salt is mixed first: experiments are numbered in a row, and a plain XOR would only swap
     * neighbouring units. */
    uint64_t bits = mix(mix(experiment + 0x9e3779b97f4a7c15u) ^ unit);

    return (double) (bits >> 11) * 0x1p-53;
}

/* Candidates take [0, p) in their order and the champion what is left: while a candidate's share
 * grows, a unit can only move from the champion to it. */
static unsigned draw_arm(const struct task *task, uint64_t unit)
{
    double draw = route_draw(task->experiment, unit);
    double end = 0.0;
    unsigned i;

    for (i = 1; i < task->arm_count; i++) {
        end += task->arms[i].probability;
        if (draw < end) {
            return i;
        }
    }
    return 0;
}

static void take_arm(struct route *r, unsigned arm)
{
    r->arm = arm;
    r->graph = r->task->arms[arm].graph;
    r->propensity = r->task->arms[arm].probability;
}

void route_choose(struct route *r, uint64_t unit)
{
    take_arm(r, draw_arm(r->task, unit));
}

static enum err route_task(const struct task *task, const char *name, struct route *out,
                           struct errbuf *err)
{
    if (task->arm_count == 0) {
        return err_set(err, ERR_INPUT,
                       "no model can answer `%s`: the configuration has none that chats; " LIST,
                       name);
    }
    out->kind = ROUTE_AUTO;
    out->task = task;
    out->name = name;
    take_arm(out, 0);
    return ERR_NONE;
}

static enum err unknown(const char *what, struct slice name, struct errbuf *err)
{
    size_t shown = name.n;

    if (shown > NAME_SHOWN_BYTES) {
        shown = NAME_SHOWN_BYTES;
        while (shown > 0 && ((unsigned char) name.p[shown] & 0xc0) == 0x80) {
            shown--; /* never half a character */
        }
    }
    return err_set(err, ERR_INPUT, "the %s `%.*s%s` does not exist; " LIST, what, (int) shown,
                   shown > 0 ? name.p : "", shown < name.n ? "…" : "");
}

enum err route_find(const struct snapshot *s, struct slice name, struct route *out,
                    struct errbuf *err)
{
    static const char prefix[] = "auto/";
    const char *target = catalog_alias(s->catalog, name);
    const struct model_def *model;

    memset(out, 0, sizeof(*out));
    if (target != NULL) {
        name = slice_of(target);
    }
    if (slice_eq_text(name, "auto")) {
        return route_task(&s->tasks[0], "auto", out, err);
    }
    if (slice_starts(name, prefix)) {
        size_t skip = sizeof(prefix) - 1;
        const struct task *task = snapshot_task(s, (struct slice) {name.p + skip, name.n - skip});

        return task != NULL ? route_task(task, task->route_name, out, err)
                            : unknown("task", name, err);
    }
    model = catalog_model(s->catalog, name);
    if (model == NULL) {
        return unknown("model", name, err);
    }
    out->kind = ROUTE_MODEL;
    out->task = &s->tasks[0];
    out->graph = snapshot_model_graph(s, model);
    out->name = model->name;
    out->propensity = 1.0;
    return ERR_NONE;
}
