/* The upstreams, models, aliases, graphs and tasks of one configuration, with their strings, in one
 * arena. Built by the configuration loader, then immutable and owned by a snapshot. */
#ifndef ROUTER_CATALOG_H
#define ROUTER_CATALOG_H

#include "cache/arena.h"
#include "router/model.h"
#include "router/task.h"

struct catalog_name; /* hash entry: a name and what it means */

struct catalog_alias {
    const char *name;
    const char *target; /* a model's name, `auto`, `auto/TASK`, `graph/NAME`, never another alias */
};

/* A graph that a file describes. */
struct catalog_graph {
    const char *name;       /* NULL: only its task knows it */
    const char *route_name; /* as clients ask for it: graph/NAME; NULL without a name */
    const char *file;
    struct graph *graph; /* owned */
};

struct catalog {
    struct arena arena;
    struct upstream_def *upstreams;
    size_t upstream_count;
    struct model_def *models;
    size_t model_count;
    struct catalog_alias *aliases;
    size_t alias_count;
    struct catalog_graph *graphs;
    size_t graph_count;
    /* In the order of the file, as far as they are written: arm_count 0 where no graph is, data NULL and
     * deadline_us 0 where there is none. A snapshot completes copies of them. */
    struct task *tasks;
    size_t task_count;
    struct catalog_name *model_names; /* uthash heads, filled by catalog_index */
    struct catalog_name *alias_names;
};

struct catalog *catalog_new(void);
void catalog_free(struct catalog *c);

/* After the arrays are filled (they live in the arena): builds the name tables and numbers the
 * entries. Names are unique by then (the loader has said so with line and column otherwise). */
void catalog_index(struct catalog *c);

const struct model_def *catalog_model(const struct catalog *c, struct slice name);     /* or NULL */
const char *catalog_alias(const struct catalog *c, struct slice name);                 /* or NULL */
const struct catalog_graph *catalog_graph(const struct catalog *c, struct slice name); /* or NULL */

#endif
