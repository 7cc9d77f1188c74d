/* A catalog from a table, for the tests of what stands on it. One upstream, `up`, serves all. */
#ifndef TESTS_UNIT_CATALOG_FIXTURE_H
#define TESTS_UNIT_CATALOG_FIXTURE_H

#include "router/catalog.h"

struct fixture_model {
    const char *name;
    double params;
    double usd_input;
    double usd_output;
    unsigned capabilities;
};

static inline struct catalog *fixture_catalog(const struct fixture_model *models, size_t count,
                                              const struct catalog_alias *aliases,
                                              size_t alias_count)
{
    struct catalog *c = catalog_new();
    size_t i;

    c->upstreams = arena_array(&c->arena, 1, sizeof(*c->upstreams));
    c->upstream_count = 1;
    c->upstreams[0].name = "up";
    c->upstreams[0].max_in_flight = 3;
    c->upstreams[0].queue = 7;
    c->models = arena_array(&c->arena, count, sizeof(*c->models));
    c->model_count = count;
    for (i = 0; i < count; i++) {
        struct model_def *m = &c->models[i];

        m->name = arena_dup(&c->arena, models[i].name);
        m->id = "id";
        m->upstream = &c->upstreams[0];
        m->params = models[i].params;
        m->usd_per_mtok_input = models[i].usd_input;
        m->usd_per_mtok_output = models[i].usd_output;
        m->capabilities = models[i].capabilities;
    }
    c->aliases = arena_array(&c->arena, alias_count, sizeof(*c->aliases));
    c->alias_count = alias_count;
    for (i = 0; i < alias_count; i++) {
        c->aliases[i] = aliases[i];
    }
    catalog_index(c);
    return c;
}

#endif
