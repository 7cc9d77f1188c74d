/* The canonical form is a text: one line a node, in canonical order, then the output. Names are
 * preceded by their length, so that no name can look like another line; a temperature is the bits of
 * its double, so that no printing rounds it.
 *
 *      sluice graph 1
 *      node assistant none t=- from= model=12:llama-3.2-1b
 *      output 0
 */
#include "router/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/crypt.h"

struct text {
    char *bytes;
    size_t length;
    size_t room;
};

static void add(struct text *t, struct slice s)
{
    if (s.n == 0) {
        return;
    }
    if (t->length + s.n > t->room) {
        t->room = 2 * (t->length + s.n);
        t->bytes = x_resize(t->bytes, t->room, 1);
    }
    memcpy(t->bytes + t->length, s.p, s.n);
    t->length += s.n;
}

static void add_text(struct text *t, const char *s)
{
    add(t, slice_of(s));
}

static void add_number(struct text *t, size_t number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%zu", number);
    add_text(t, digits);
}

static const char *role_text(enum node_role role)
{
    switch (role) {
    case ROLE_ASSISTANT:
        return "assistant";
    case ROLE_FUSER:
        return "fuser";
    }
    abort();
}

static const char *fuse_text(enum fuser_kind fuse)
{
    switch (fuse) {
    case FUSER_NONE:
        return "none";
    case FUSER_LLM:
        return "llm";
    case FUSER_VOTE:
        return "vote";
    case FUSER_SELECT:
        return "select";
    }
    abort();
}

static void add_temperature(struct text *t, double temperature)
{
    char bits[17];
    uint64_t image;

    if (temperature < 0.0) {
        add_text(t, "-");
        return;
    }
    temperature += 0.0; /* of the two zeros, the positive one */
    memcpy(&image, &temperature, sizeof(image));
    snprintf(bits, sizeof(bits), "%016" PRIx64, image);
    add_text(t, bits);
}

static void add_node(struct text *t, const struct graph_node *node)
{
    const char *separator = "";
    unsigned i;

    add_text(t, "node ");
    add_text(t, role_text(node->role));
    add_text(t, " ");
    add_text(t, fuse_text(node->fuse));
    add_text(t, " t=");
    add_temperature(t, node->temperature);
    add_text(t, " from=");
    for (i = 0; i < GRAPH_NODES_MAX; i++) {
        if ((node->predecessors & (uint32_t) 1 << i) != 0) {
            add_text(t, separator);
            add_number(t, i);
            separator = ",";
        }
    }
    add_text(t, " model=");
    if (node->model != NULL) {
        add_number(t, strlen(node->model->name));
        add_text(t, ":");
        add_text(t, node->model->name);
    }
    add_text(t, "\n");
}

/* Nodes must stand in canonical order. */
static uint64_t canonical_id(const struct graph *g)
{
    unsigned char digest[SHA256_BYTES];
    struct text t = {NULL, 0, 0};
    uint64_t id = 0;
    unsigned i;

    add_text(&t, "sluice graph 1\n");
    for (i = 0; i < g->count; i++) {
        add_node(&t, &g->nodes[i]);
    }
    add_text(&t, "output ");
    add_number(&t, g->output);
    add_text(&t, "\n");
    crypt_sha256((struct slice) {t.bytes, t.length}, digest);
    free(t.bytes);
    for (i = 0; i < 8; i++) {
        id = id << 8 | digest[i];
    }
    return id;
}

struct graph *graph_new_single(const struct model_def *model)
{
    struct graph *g = x_alloc(sizeof(*g) + sizeof(g->nodes[0]));

    g->count = 1;
    g->depth = 1;
    g->width = 1;
    g->nodes[0] = (struct graph_node) {
        .model = model, .role = ROLE_ASSISTANT, .fuse = FUSER_NONE, .temperature = -1.0};
    g->id = canonical_id(g);
    return g;
}

void graph_free(struct graph *g)
{
    free(g);
}

void graph_id_text(uint64_t id, char out[GRAPH_ID_TEXT_BYTES])
{
    snprintf(out, GRAPH_ID_TEXT_BYTES, "%016" PRIx64, id);
}
