#include "router/route.h"

#include "cache/mix.h"

#include <stdio.h>
#include <string.h>

#include "router/request_facts.h"

enum {
    NAME_SHOWN_BYTES = 100, /* of an unknown name so much is repeated in the error */
    /* Of the last user message so much is searched, half from each end, so that what a client pays for
     * a request bounds what it makes a front do. */
    MATCHED_BYTES = 64 * 1024,
    /* More than the classifier reads of each end, so that it sees what it was trained on. */
    CLASSIFIED_BYTES = 4 * CLASSIFY_USER_BYTES,
    TEXTS_FIRST_BYTES = 1024,
    TEXTS_CAP_BYTES = 1024 * 1024,
};

#define LIST "GET /v1/models lists the models"

double route_draw(uint64_t experiment, uint64_t unit)
{
    /* The salt is mixed first: experiments are numbered in a row, and a plain XOR would only swap
     * neighbouring units. */
    uint64_t bits = mix64_pair(experiment, unit);

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

/* ---- by name ---- */

/* Of an unknown word as much as is shown, whole characters. */
static int shown(struct slice text)
{
    size_t n = text.n;

    if (n > NAME_SHOWN_BYTES) {
        n = NAME_SHOWN_BYTES;
        while (n > 0 && ((unsigned char) text.p[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    return (int) n;
}

static enum route_answer unknown(const char *what, struct slice name, struct errbuf *err)
{
    int n = shown(name);

    err_set(err, ERR_INPUT, "the %s `%.*s%s` does not exist; " LIST, what, n, n > 0 ? name.p : "",
            (size_t) n < name.n ? "…" : "");
    return ROUTE_UNKNOWN_NAME;
}

static enum route_answer unknown_header(const struct snapshot *s, struct slice value,
                                        struct errbuf *err)
{
    char known[300];
    size_t n = 0;
    size_t i;

    known[0] = '\0';
    for (i = 0; i < s->task_count && n < sizeof(known); i++) {
        n += (size_t) snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "",
                               s->tasks[i].match.header);
    }
    err_set(err, ERR_INPUT, "the header x-sluice-task names no task: `%.*s%s`; it may be %s",
            shown(value), value.p, (size_t) shown(value) < value.n ? "…" : "", known);
    return ROUTE_UNKNOWN_TASK;
}

static enum route_answer take_task(const struct task *task, const char *name, enum task_by by,
                                   struct route *out, struct errbuf *err)
{
    if (task->arm_count == 0) {
        err_set(err, ERR_INPUT,
                "no model can answer `%s`: the configuration has none that chats; " LIST, name);
        return ROUTE_UNKNOWN_NAME;
    }
    out->kind = ROUTE_AUTO;
    out->task = task;
    out->name = name;
    out->task_by = by;
    take_arm(out, 0);
    return ROUTE_OK;
}

/* The header's task, else `default`. */
static enum route_answer task_of_header(const struct snapshot *s, struct slice header,
                                        struct route *out, struct errbuf *err)
{
    if (header.n == 0) {
        out->task = &s->tasks[0];
        out->task_by = TASK_BY_DEFAULT;
        return ROUTE_OK;
    }
    out->task = snapshot_task_of_header(s, header);
    out->task_by = TASK_BY_HEADER;
    return out->task != NULL ? ROUTE_OK : unknown_header(s, header, err);
}

/* A model or a graph by its name. */
static enum route_answer take_graph(const struct snapshot *s, struct slice header,
                                    const struct graph *graph, struct route *out,
                                    struct errbuf *err)
{
    const struct upstream_def *stranger;
    enum route_answer answer = task_of_header(s, header, out, err);

    if (answer != ROUTE_OK) {
        return answer;
    }
    stranger = out->task->data_is_written ? task_stranger(out->task->data, graph) : NULL;
    if (stranger != NULL) {
        err_set(err, ERR_INPUT,
                "`%s` may reach the upstream %s, which is not in `data` of the task %s", out->name,
                stranger->name, out->task->name);
        return ROUTE_OUTSIDE_DATA;
    }
    out->graph = graph;
    out->propensity = 1.0;
    return ROUTE_OK;
}

/* ---- by what the request says ---- */

struct texts {
    struct arena room;
    struct slice user;
    struct slice system;
};

static void lower(struct slice text, char *out)
{
    size_t i;

    for (i = 0; i < text.n; i++) {
        char c = text.p[i];

        out[i] = c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
    }
}

static bool has_any(struct slice lowered, const char *const *any)
{
    while (any != NULL && *any != NULL &&
           (lowered.n == 0 || memmem(lowered.p, lowered.n, *any, strlen(*any)) == NULL)) {
        any++;
    }
    return any != NULL && *any != NULL;
}

static unsigned rules_of(const struct request_facts *facts)
{
    return (facts->has_tools ? TASK_RULE_TOOLS : 0u) |
           (facts->has_json_schema ? TASK_RULE_JSON_SCHEMA : 0u) |
           (facts->has_code ? TASK_RULE_CODE : 0u) | (facts->has_images ? TASK_RULE_IMAGES : 0u);
}

/* NULL: the request fits no rule. */
static const struct task *task_by_rule(const struct snapshot *s, const struct request_facts *facts,
                                       struct texts *texts)
{
    unsigned rules = rules_of(facts);
    struct slice lowered = SLICE_NONE;
    size_t i;

    if (s->has_texts && texts->user.n > 0) {
        char *copy = arena_alloc(&texts->room, texts->user.n);

        if (copy != NULL) {
            lower(texts->user, copy);
            lowered = (struct slice) {copy, texts->user.n};
        }
    }
    for (i = 0; i < s->by_rule_count; i++) {
        const struct task_match *match = &s->by_rule[i]->match;

        if ((match->rules & rules) != 0 || has_any(lowered, match->any)) {
            return s->by_rule[i];
        }
    }
    return NULL;
}

/* NULL: it is not sure. */
static const struct task *task_by_classifier(const struct snapshot *s, const struct texts *texts,
                                             float *probability)
{
    struct classify_features features;
    int class;

    classify_extract(texts->user, texts->system, &features);
    class = classify(s->classifier, &features, probability);
    return class >= 0 ? &s->tasks[s->task_of_class[class]] : NULL;
}

static const struct task *look_inside(const struct snapshot *s, const struct request *request,
                                      struct texts *texts, struct route *out)
{
    struct request_facts facts;
    const struct task *task;

    request_facts(request, &facts);
    texts->user = request_text(&facts.last_user, &texts->room,
                               s->has_texts ? MATCHED_BYTES : CLASSIFIED_BYTES);
    task = task_by_rule(s, &facts, texts);
    out->task_by = TASK_BY_RULE;
    if (task == NULL && s->classifier != NULL) {
        texts->system = request_text(&facts.first_system, &texts->room, CLASSIFIED_BYTES);
        task = task_by_classifier(s, texts, &out->task_probability);
        out->task_by = TASK_BY_CLASSIFIER;
    }
    if (task == NULL) {
        task = &s->tasks[0];
        out->task_by = TASK_BY_DEFAULT;
    }
    return task;
}

static enum route_answer route_auto(const struct snapshot *s, const struct route_ask *ask,
                                    struct route *out, struct errbuf *err)
{
    struct texts texts = {.user = SLICE_NONE};
    const struct task *task;
    bool enough;

    if (ask->header.n > 0 || ask->request == NULL || !snapshot_looks_inside(s)) {
        enum route_answer answer = task_of_header(s, ask->header, out, err);

        return answer == ROUTE_OK ? take_task(out->task, "auto", out->task_by, out, err) : answer;
    }
    arena_init(&texts.room, TEXTS_FIRST_BYTES, TEXTS_CAP_BYTES);
    task = look_inside(s, ask->request, &texts, out);
    enough = !arena_is_sour(&texts.room);
    arena_fini(&texts.room);
    if (!enough) {
        err_set(err, ERR_NOMEM, "no memory to find this request's task");
        return ROUTE_NO_MEMORY;
    }
    return take_task(task, "auto", out->task_by, out, err);
}

/* ---- all ---- */

/* What follows the prefix; false where the name does not begin with it. */
static bool is_behind(struct slice name, const char *prefix, struct slice *rest)
{
    size_t skip = strlen(prefix);

    if (!slice_starts(name, prefix)) {
        return false;
    }
    *rest = (struct slice) {name.p + skip, name.n - skip};
    return true;
}

enum route_answer route_find(const struct snapshot *s, const struct route_ask *ask,
                             struct route *out, struct errbuf *err)
{
    const char *target = catalog_alias(s->catalog, ask->name);
    struct slice name = target != NULL ? slice_of(target) : ask->name;
    const struct model_def *model;
    struct slice rest;

    memset(out, 0, sizeof(*out));
    if (slice_eq_text(name, "auto")) {
        return route_auto(s, ask, out, err);
    }
    if (is_behind(name, "auto/", &rest)) {
        const struct task *task = snapshot_task(s, rest);

        return task != NULL ? take_task(task, task->route_name, TASK_BY_NAME, out, err)
                            : unknown("task", name, err);
    }
    if (is_behind(name, "graph/", &rest)) {
        const struct catalog_graph *graph = catalog_graph(s->catalog, rest);

        out->kind = ROUTE_GRAPH;
        out->name = graph != NULL ? graph->route_name : NULL;
        return graph != NULL ? take_graph(s, ask->header, graph->graph, out, err)
                             : unknown("graph", name, err);
    }
    model = catalog_model(s->catalog, name);
    if (model == NULL) {
        return unknown("model", name, err);
    }
    out->kind = ROUTE_MODEL;
    out->name = model->name;
    return take_graph(s, ask->header, snapshot_model_graph(s, model), out, err);
}
