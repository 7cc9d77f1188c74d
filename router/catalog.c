#include "router/catalog.h"

#include <stdlib.h>
#include <string.h>

/* A configuration is no peer: where memory is gone, so are we (see cache/base.h). uthash's default
 * hash falls through its cases in a way that clang warns of. */
#define uthash_fatal(msg) abort()
#define HASH_FUNCTION(key, length, out) HASH_SAX(key, length, out)
#include <uthash.h>

enum { FIRST_BLOCK_BYTES = 4096, CATALOG_CAP_BYTES = 16 << 20 };

struct catalog_name {
    UT_hash_handle hh;
    const struct model_def *model; /* of a model's name */
    const char *target;            /* of an alias */
};

struct catalog *catalog_new(void)
{
    struct catalog *c = x_alloc(sizeof(*c));

    arena_init(&c->arena, FIRST_BLOCK_BYTES, CATALOG_CAP_BYTES);
    return c;
}

static void clear(struct catalog_name **names)
{
    struct catalog_name *name;
    struct catalog_name *next;

    HASH_ITER (hh, *names, name, next) {
        HASH_DEL(*names, name);
        free(name);
    }
}

void catalog_free(struct catalog *c)
{
    size_t i;

    if (c == NULL) {
        return;
    }
    clear(&c->model_names);
    clear(&c->alias_names);
    for (i = 0; i < c->graph_count; i++) {
        graph_free(c->graphs[i].graph);
    }
    arena_fini(&c->arena);
    free(c);
}

static struct catalog_name *add(struct catalog_name **names, const char *text)
{
    struct catalog_name *name = x_alloc(sizeof(*name));

    HASH_ADD_KEYPTR(hh, *names, text, (unsigned) strlen(text), name);
    return name;
}

static const struct catalog_name *find(const struct catalog_name *names, struct slice text)
{
    const struct catalog_name *name;

    if (text.n > UINT32_MAX) {
        return NULL;
    }
    HASH_FIND(hh, names, text.p, (unsigned) text.n, name);
    return name;
}

void catalog_index(struct catalog *c)
{
    size_t i;

    for (i = 0; i < c->upstream_count; i++) {
        c->upstreams[i].index = i;
    }
    for (i = 0; i < c->model_count; i++) {
        c->models[i].index = i;
        add(&c->model_names, c->models[i].name)->model = &c->models[i];
    }
    for (i = 0; i < c->alias_count; i++) {
        add(&c->alias_names, c->aliases[i].name)->target = c->aliases[i].target;
    }
}

const struct model_def *catalog_model(const struct catalog *c, struct slice name)
{
    const struct catalog_name *found = find(c->model_names, name);

    return found != NULL ? found->model : NULL;
}

const char *catalog_alias(const struct catalog *c, struct slice name)
{
    const struct catalog_name *found = find(c->alias_names, name);

    return found != NULL ? found->target : NULL;
}

const struct catalog_graph *catalog_graph(const struct catalog *c, struct slice name)
{
    size_t i;

    for (i = 0; i < c->graph_count; i++) {
        if (c->graphs[i].name != NULL && slice_eq_text(name, c->graphs[i].name)) {
            return &c->graphs[i];
        }
    }
    return NULL;
}
