#include "tests/sim/offline.h"

#include "router/graph_file.h"
#include "tests/sim/items.h"
#include "tests/sim/law_graph.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int offline_items(const struct offline *o)
{
    enum law_task task;
    FILE *f = stdout;
    int rc;

    if (!law_task_of(o->items, strlen(o->items), &task) || o->count > ITEMS_PER_SEED ||
        o->seed > ITEMS_MAX_SEED) {
        fprintf(stderr,
                "sim: --items: math, facts or strings; at most %" PRIu64
                " of a seed, and seeds up to %" PRIu64 "\n",
                ITEMS_PER_SEED, ITEMS_MAX_SEED);
        return 2;
    }
    if (o->out != NULL) {
        f = fopen(o->out, "w");
    }
    rc = f != NULL ? items_write(f, task, o->count, o->seed) : -1;
    if (f != NULL && f != stdout) {
        rc = fclose(f) == 0 ? rc : -1;
    }
    if (rc != 0) {
        fprintf(stderr, "sim: --items: %s: %s\n", o->out != NULL ? o->out : "standard output",
                strerror(errno));
        return 1;
    }
    return 0;
}

/* A catalog of the models that the file names: options make a name distinct, so the law's own list
 * does not do. */
static struct catalog *catalog_of(const char *path)
{
    json_t *doc = json_load_file(path, 0, NULL);
    json_t *nodes = json_object_get(doc, "nodes");
    struct catalog *c = catalog_new();
    json_t *node;
    size_t i;

    c->models = arena_array(&c->arena, json_array_size(nodes) + 1, sizeof(c->models[0]));
    json_array_foreach(nodes, i, node)
    {
        const char *name = json_string_value(json_object_get(node, "model"));
        bool is_new = name != NULL && c->models != NULL;

        for (size_t j = 0; j < c->model_count && is_new; j++) {
            is_new = strcmp(c->models[j].name, name) != 0;
        }
        if (is_new) {
            c->models[c->model_count++].name = arena_dup(&c->arena, name);
        }
    }
    json_decref(doc);
    if (!arena_is_sour(&c->arena)) {
        catalog_index(c);
        return c;
    }
    catalog_free(c);
    return NULL;
}

static int tell(const struct offline *o, const struct graph *g, enum law_task task,
                struct errbuf *err)
{
    struct law_setting setting = law_setting(task);
    struct law law;
    struct law_graph *lg;
    int rc = -1;

    law_init(&law, o->seed);
    setting.output = o->temperature;
    lg = law_graph_new(&law, g, &setting, err);
    if (lg != NULL && law_graph_make_exact(lg, err) == ERR_NONE) {
        double sd;
        double accuracy = law_graph_accuracy(lg, o->first, (size_t) o->count, &sd);

        printf("{\"task\": \"%s\", \"first\": %" PRIu64 ", \"count\": %" PRIu64
               ", \"accuracy\": %.6f, \"sd\": %.6f}\n",
               o->task, o->first, o->count, accuracy, sd);
        rc = 0;
    }
    law_graph_free(lg);
    return rc;
}

int offline_expect(const struct offline *o)
{
    struct errbuf err = {"no memory"};
    struct catalog *c;
    struct graph *g = NULL;
    enum law_task task;
    int rc = -1;

    if (o->task == NULL || !law_task_of(o->task, strlen(o->task), &task) || o->count == 0 ||
        o->count > ITEMS_PER_SEED) {
        fputs("sim: --expect needs --task math, facts or strings, and a --count of items\n",
              stderr);
        return 2;
    }
    c = catalog_of(o->expect);
    if (c != NULL) {
        g = graph_file_load(o->expect, c, &err);
    }
    if (g != NULL) {
        rc = tell(o, g, task, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "sim: --expect: %s\n", err.text);
    }
    graph_free(g);
    catalog_free(c);
    return rc == 0 ? 0 : 1;
}
