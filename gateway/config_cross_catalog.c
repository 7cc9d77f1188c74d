#include "gateway/config_cross.h"

#include "gateway/config_files.h"
#include "gateway/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FALLBACKS_MAX = 8 };

/* The node of a member's member, "match.header"; the deepest that is there. */
static const struct config_node *node_at(const struct config_node *item, const char *path)
{
    char name[CONFIG_NAME_MAX + 1];
    size_t n = strcspn(path, ".");
    snprintf(name, sizeof(name), "%.*s", (int) n, path);
    const struct config_node *node = config_node_member(item, name);
    return !node ? item : path[n] == '.' ? node_at(node, path + n + 1) : node;
}

void config_cross_fault(struct config_faults *faults, const struct config_node *item,
                        const char *list, size_t i, const char *leaf, const char *fmt, ...)
{
    char place[96];
    struct errbuf text;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.text, sizeof(text.text), fmt, args);
    va_end(args);
    snprintf(place, sizeof(place), "%s[%zu].%s", list, i, leaf);
    config_fault(faults, node_at(item, leaf), place, "%s", text.text);
}

/* ---- upstreams ---- */

static void read_secret(struct draft_upstream *u, size_t i, struct arena *arena,
                        const char *(*getenv_fn)(const char *name), struct config_faults *faults)
{
    struct errbuf why;
    if (u->key_env && u->key_file) {
        config_cross_fault(faults, u->node, "upstreams", i, "key_file",
                           "key_env gives the key already: leave one of them out");
    } else if (u->key_env &&
               config_secret_of_env(u->key_env, getenv_fn, arena, &u->def.key, &why) != ERR_NONE) {
        config_cross_fault(faults, u->node, "upstreams", i, "key_env", "%s", why.text);
    } else if (u->key_file &&
               config_secret_of_file(u->key_file, arena, &u->def.key, &why) != ERR_NONE) {
        config_cross_fault(faults, u->node, "upstreams", i, "key_file", "%s", why.text);
    }
}

static void check_ca(const struct draft_upstream *u, size_t i, struct config_faults *faults)
{
    struct errbuf why;
    if (!u->def.ca) {
        return;
    }
    if (u->def.url && strncmp(u->def.url, "https:", 6) != 0) {
        config_cross_fault(faults, u->node, "upstreams", i, "ca",
                           "the url is not https, so there is no certificate to check");
    } else if (config_file_readable(u->def.ca, &why) != ERR_NONE) {
        config_cross_fault(faults, u->node, "upstreams", i, "ca", "%s", why.text);
    }
}

static void cross_upstreams(struct catalog *c, const struct draft *draft,
                            const char *(*getenv_fn)(const char *name),
                            struct config_faults *faults)
{
    struct draft_upstream *list = draft->upstreams.items;
    c->upstreams = arena_array(&c->arena, draft->upstreams.count, sizeof(*c->upstreams));
    for (size_t i = 0; i < draft->upstreams.count && c->upstreams; i++) {
        struct draft_upstream *u = &list[i];
        for (size_t j = 0; j < i && u->def.name; j++) {
            if (list[j].def.name && strcmp(list[j].def.name, u->def.name) == 0) {
                config_cross_fault(faults, u->node, "upstreams", i, "name",
                                   "\"%s\" is the name of upstreams[%zu] already", u->def.name, j);
                break;
            }
        }
        if (!config_node_member(u->node, "queue")) {
            u->def.queue = 4 * u->def.max_in_flight;
        }
        read_secret(u, i, &c->arena, getenv_fn, faults);
        check_ca(u, i, faults);
        c->upstreams[c->upstream_count++] = u->def;
    }
}

/* ---- models ---- */

static const struct upstream_def *find_upstream(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->upstream_count; i++) {
        if (c->upstreams[i].name && strcmp(c->upstreams[i].name, name) == 0) {
            return &c->upstreams[i];
        }
    }
    return NULL;
}

static struct model_def *find_model(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->model_count; i++) {
        if (c->models[i].name && strcmp(c->models[i].name, name) == 0) {
            return &c->models[i];
        }
    }
    return NULL;
}

static void cross_model(struct catalog *c, struct draft_model *m, size_t i,
                        struct config_faults *faults)
{
    const struct model_def *twin = m->def.name ? find_model(c, m->def.name) : NULL;
    if (twin) {
        config_cross_fault(faults, m->node, "models", i, "name",
                           "\"%s\" is the name of models[%zu] already", m->def.name,
                           (size_t) (twin - c->models));
    }
    if (m->upstream) {
        m->def.upstream = find_upstream(c, m->upstream);
        if (!m->def.upstream) {
            config_cross_fault(faults, m->node, "models", i, "upstream",
                               "there is no upstream named \"%s\"", m->upstream);
        }
    }
    if (!m->def.id) {
        m->def.id = m->def.name;
    }
    if (!config_node_member(config_node_member(m->node, "price"), "cached")) {
        m->def.usd_per_mtok_cached = m->def.usd_per_mtok_input;
    }
}

/* Walks the fallbacks of one model. A circle is told of once, at its first model. */
static void check_chain(struct catalog *c, const struct draft_model *list, size_t i,
                        struct config_faults *faults)
{
    struct model_def *start = &c->models[i];
    const struct model_def *m = start->fallback;
    size_t steps = 0;
    while (m && m > start && steps < c->model_count) {
        m = m->fallback;
        steps++;
    }
    if (m == start) {
        config_cross_fault(faults, list[i].node, "models", i, "fallback",
                           steps == 0 ? "a model cannot be its own fallback"
                                      : "the fallbacks lead in a circle back to this model");
        start->fallback = NULL; /* whoever follows fallbacks from here on comes to an end */
    }
}

static void check_length(const struct catalog *c, const struct draft_model *list, size_t i,
                         struct config_faults *faults)
{
    const struct model_def *m = &c->models[i];
    size_t steps = 0;
    while (m->fallback && steps <= FALLBACKS_MAX) {
        m = m->fallback;
        steps++;
    }
    if (steps == FALLBACKS_MAX + 1) {
        config_cross_fault(faults, list[i].node, "models", i, "fallback",
                           "more than %d fallbacks follow one another", FALLBACKS_MAX);
    }
}

static void cross_fallbacks(struct catalog *c, const struct draft *draft,
                            struct config_faults *faults)
{
    const struct draft_model *list = draft->models.items;
    size_t before = faults->count;
    for (size_t i = 0; i < c->model_count; i++) {
        if (list[i].fallback) {
            c->models[i].fallback = find_model(c, list[i].fallback);
            if (!c->models[i].fallback) {
                config_cross_fault(faults, list[i].node, "models", i, "fallback",
                                   "there is no model named \"%s\"", list[i].fallback);
            }
        }
    }
    for (size_t i = 0; i < c->model_count; i++) {
        check_chain(c, list, i, faults);
    }
    for (size_t i = 0; i < c->model_count && faults->count == before; i++) {
        check_length(c, list, i, faults);
    }
}

static void cross_models(struct catalog *c, const struct draft *draft, struct config_faults *faults)
{
    struct draft_model *list = draft->models.items;
    c->models = arena_array(&c->arena, draft->models.count, sizeof(*c->models));
    if (!c->models) {
        return; /* the arena is sour, which ends the load */
    }
    for (size_t i = 0; i < draft->models.count; i++) {
        cross_model(c, &list[i], i, faults);
        c->models[c->model_count++] = list[i].def;
    }
    cross_fallbacks(c, draft, faults);
}

/* ---- aliases ---- */

static bool has_pair(const struct draft_list *pairs, const char *name)
{
    const struct draft_pair *list = pairs->items;
    for (size_t i = 0; i < pairs->count; i++) {
        if (list[i].name && strcmp(list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_alias(const struct draft *draft, const char *name)
{
    return has_pair(&draft->aliases, name);
}

static bool is_task(const struct draft *draft, const char *name)
{
    const struct draft_task *list = draft->tasks.items;
    bool found = strcmp(name, "default") == 0;
    for (size_t i = 0; i < draft->tasks.count && !found; i++) {
        found = list[i].def.name && strcmp(list[i].def.name, name) == 0;
    }
    return found;
}

/* What a client may send besides aliases. */
static bool is_target(const struct catalog *c, const struct draft *draft, const char *name)
{
    if (strncmp(name, "auto/", 5) == 0) {
        return is_task(draft, name + 5);
    }
    if (strncmp(name, "graph/", 6) == 0) {
        return has_pair(&draft->graphs, name + 6);
    }
    return strcmp(name, "auto") == 0 || find_model(c, name) != NULL;
}

static const char *kind_of_target(const char *name)
{
    return strncmp(name, "auto/", 5) == 0    ? "task"
           : strncmp(name, "graph/", 6) == 0 ? "graph"
                                             : "model";
}

static void cross_alias(const struct catalog *c, const struct draft *draft,
                        const struct draft_pair *a, struct config_faults *faults)
{
    char place[CONFIG_NAME_MAX + 16];
    snprintf(place, sizeof(place), "aliases.%s", a->name);
    if (find_model(c, a->name)) {
        config_fault(faults, a->node->key, place, "a model has this name already");
    }
    if (is_alias(draft, a->value)) {
        config_fault(faults, a->node, place, "\"%s\" is an alias itself: name what it stands for",
                     a->value);
    } else if (!is_target(c, draft, a->value)) {
        config_fault(faults, a->node, place, "there is no %s named \"%s\"",
                     kind_of_target(a->value), a->value);
    }
}

static void cross_aliases(struct catalog *c, const struct draft *draft,
                          struct config_faults *faults)
{
    const struct draft_pair *list = draft->aliases.items;
    c->aliases = arena_array(&c->arena, draft->aliases.count, sizeof(*c->aliases));
    for (size_t i = 0; i < draft->aliases.count && c->aliases; i++) {
        if (list[i].name && list[i].value) {
            cross_alias(c, draft, &list[i], faults);
            c->aliases[c->alias_count++] = (struct catalog_alias) {list[i].name, list[i].value};
        }
    }
}

bool config_cross_is_client_name(const struct config *config, const struct draft *draft,
                                 const char *name)
{
    return is_alias(draft, name) || is_target(config->catalog, draft, name);
}

void config_cross_catalog(struct config *config, const struct draft *draft,
                          const char *(*getenv_fn)(const char *name), struct config_faults *faults)
{
    cross_upstreams(config->catalog, draft, getenv_fn, faults);
    cross_models(config->catalog, draft, faults);
    cross_aliases(config->catalog, draft, faults);
}
