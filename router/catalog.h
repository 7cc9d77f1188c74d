/* The upstreams, models and aliases of one configuration, with their strings, in one arena.
 * Built by the configuration loader, then immutable and owned by a snapshot. */
#ifndef ROUTER_CATALOG_H
#define ROUTER_CATALOG_H

#include "cache/arena.h"
#include "router/model.h"

struct catalog_name; /* hash entry: a name and what it means */

struct catalog_alias {
    const char *name;
    const char *target; /* a model's name, `auto`, `auto/TASK`, never another alias */
};

struct catalog {
    struct arena arena;
    struct upstream_def *upstreams;
    size_t upstream_count;
    struct model_def *models;
    size_t model_count;
    struct catalog_alias *aliases;
    size_t alias_count;
    struct catalog_name *model_names; /* uthash heads, filled by catalog_index */
    struct catalog_name *alias_names;
};

struct catalog *catalog_new(void);
void catalog_free(struct catalog *c);

/* After the arrays are filled (they live in the arena): builds the name tables and numbers the
 * entries. Names are unique by then (the loader has said so with line and column otherwise). */
void catalog_index(struct catalog *c);

const struct model_def *catalog_model(const struct catalog *c, struct slice name); /* or NULL */
const char *catalog_alias(const struct catalog *c, struct slice name);             /* or NULL */

#endif
