/* The canonical form is a text: one line a node, in canonical order, then the output. Names are
 * preceded by their length, so that no name can look like another line; temperature and top_p are
 * the bits of their doubles, so that no printing rounds them. p= and max= stand only where set.
 *
 *      sluice graph 1
 *      node assistant none t=- from= model=12:llama-3.2-1b
 *      node fuser llm t=3fe0000000000000 p=3fe0000000000000 max=256 from=0 model=12:llama-3.1-8b
 *      output 1
 */
#include "router/graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/crypt.h"
#include "router/graph_check.h"
#include "router/graph_order.h"
#include "router/textbuf.h"

const char *graph_role_text(enum node_role role)
{
    switch (role) {
    case ROLE_ASSISTANT:
        return "assistant";
    case ROLE_FUSER:
        return "fuser";
    }
    abort();
}

const char *graph_fuse_text(enum fuser_kind fuse)
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

static void add_bits(struct textbuf *t, double number)
{
    uint64_t image;

    number += 0.0; /* of the two zeros, the positive one */
    memcpy(&image, &number, sizeof(image));
    textbuf_addf(t, "%016" PRIx64, image);
}

static void add_settings(struct textbuf *t, const struct graph_node *node)
{
    textbuf_addf(t, "node %s %s t=", graph_role_text(node->role), graph_fuse_text(node->fuse));
    if (isnan(node->temperature)) {
        textbuf_add_text(t, "-");
    } else {
        add_bits(t, node->temperature);
    }
    if (!isnan(node->top_p)) {
        textbuf_add_text(t, " p=");
        add_bits(t, node->top_p);
    }
    if (node->max_tokens != 0) {
        textbuf_addf(t, " max=%" PRIu32, node->max_tokens);
    }
}

static void add_predecessors(struct textbuf *t, uint32_t predecessors)
{
    const char *separator = "";

    textbuf_add_text(t, " from=");
    for (; predecessors != 0; predecessors &= predecessors - 1) {
        textbuf_addf(t, "%s%d", separator, __builtin_ctz(predecessors));
        separator = ",";
    }
}

static void add_model(struct textbuf *t, const struct graph_node *node)
{
    textbuf_add_text(t, " model=");
    if (node->model != NULL) {
        textbuf_addf(t, "%zu:", strlen(node->model->name));
        textbuf_add_text(t, node->model->name);
    }
}

char *graph_form(const struct graph *g)
{
    struct textbuf t = {NULL, 0, 0};
    unsigned i;

    textbuf_add_text(&t, "sluice graph 1\n");
    for (i = 0; i < g->count; i++) {
        add_settings(&t, &g->nodes[i]);
        add_predecessors(&t, g->nodes[i].predecessors);
        add_model(&t, &g->nodes[i]);
        textbuf_add_text(&t, "\n");
    }
    textbuf_addf(&t, "output %u\n", g->output);
    return textbuf_take(&t);
}

static uint64_t id_of_form(const struct graph *g)
{
    unsigned char digest[SHA256_BYTES];
    char *form = graph_form(g);
    uint64_t id = 0;
    unsigned i;

    crypt_sha256(slice_of(form), digest);
    free(form);
    for (i = 0; i < 8; i++) {
        id = id << 8 | digest[i];
    }
    return id;
}

/* All of a node that counts, but its edges. */
static char *label_text(const struct graph_node *node)
{
    struct textbuf t = {NULL, 0, 0};

    add_settings(&t, node);
    add_model(&t, node);
    return textbuf_take(&t);
}

/* ranks[i]: how many nodes have a label before that of node i, so equal for equal labels. */
static void rank_labels(const struct graph_node nodes[], unsigned count, unsigned ranks[])
{
    char *labels[GRAPH_NODES_MAX];
    unsigned i;
    unsigned j;

    for (i = 0; i < count; i++) {
        labels[i] = label_text(&nodes[i]);
    }
    for (i = 0; i < count; i++) {
        ranks[i] = 0;
        for (j = 0; j < count; j++) {
            ranks[i] += strcmp(labels[j], labels[i]) < 0;
        }
    }
    for (i = 0; i < count; i++) {
        free(labels[i]);
    }
}

static void number_replicas(struct graph *g, const unsigned ranks[])
{
    unsigned i;
    unsigned j;

    for (i = 0; i < g->count; i++) {
        for (j = 0; j < i; j++) {
            if (ranks[i] == ranks[j] && g->nodes[i].predecessors == g->nodes[j].predecessors) {
                g->nodes[i].replica++;
                g->nodes[i].is_replicated = true;
                g->nodes[j].is_replicated = true;
            }
        }
    }
}

static void measure(struct graph *g)
{
    unsigned depths[GRAPH_NODES_MAX] = {0}; /* the analyser does not see that count is at least 1 */
    unsigned equally_deep[GRAPH_NODES_MAX + 1] = {0};
    unsigned i;

    graph_depths(g, depths);
    for (i = 0; i < g->count; i++) {
        unsigned here = ++equally_deep[depths[i]];

        g->width = here > g->width ? here : g->width;
    }
    g->depth = depths[g->output];
}

static struct graph *in_order(const struct graph_draft *draft, const unsigned order[],
                              const unsigned ranks[])
{
    struct graph *g = x_alloc(sizeof(*g) + draft->count * sizeof(g->nodes[0]));
    unsigned place[GRAPH_NODES_MAX];
    unsigned ranks_in_order[GRAPH_NODES_MAX];
    unsigned i;

    g->count = draft->count;
    g->output = draft->count - 1; /* it alone feeds nobody, so it is the deepest */
    for (i = 0; i < g->count; i++) {
        place[order[i]] = i;
    }
    for (i = 0; i < g->count; i++) {
        uint32_t from = draft->nodes[order[i]].predecessors;

        g->nodes[i] = draft->nodes[order[i]];
        g->nodes[i].replica = 0;
        g->nodes[i].is_replicated = false;
        g->nodes[i].predecessors = 0;
        for (; from != 0; from &= from - 1) {
            g->nodes[i].predecessors |= (uint32_t) 1 << place[__builtin_ctz(from)];
        }
        ranks_in_order[i] = ranks[order[i]];
    }
    number_replicas(g, ranks_in_order);
    measure(g);
    g->id = id_of_form(g);
    return g;
}

struct graph *graph_new(const struct graph_draft *draft, struct errbuf *err)
{
    struct graph_order_input in;
    struct graph_order order;
    unsigned i;

    if (graph_check(draft, err) != ERR_NONE) {
        return NULL;
    }
    in.count = draft->count;
    rank_labels(draft->nodes, draft->count, in.label);
    for (i = 0; i < draft->count; i++) {
        in.predecessors[i] = draft->nodes[i].predecessors;
    }
    if (graph_order(&in, GRAPH_ORDER_LEAVES_MAX, &order) != ERR_NONE) {
        err_set(err, ERR_LIMIT,
                "the graph is too symmetric: its canonical order was not found "
                "within %d tries",
                GRAPH_ORDER_LEAVES_MAX);
        return NULL;
    }
    return in_order(draft, order.node, in.label);
}

struct graph *graph_new_single(const struct model_def *model)
{
    struct graph *g = x_alloc(sizeof(*g) + sizeof(g->nodes[0]));

    g->count = 1;
    g->nodes[0] = graph_assistant(model);
    measure(g);
    g->id = id_of_form(g);
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

static bool is_taken(const struct graph *g, const char *name)
{
    unsigned i;

    for (i = 0; i < g->count; i++) {
        if (strcmp(g->nodes[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void graph_names(const struct graph *g, char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1])
{
    unsigned used[2] = {0, 0};
    unsigned i;

    for (i = 0; i < g->count; i++) {
        const struct graph_node *node = &g->nodes[i];
        bool is_fuser = node->role == ROLE_FUSER;

        memcpy(names[i], node->name, sizeof(node->name));
        while (names[i][0] == '\0') {
            snprintf(names[i], GRAPH_NAME_MAX + 1, "%c%u", is_fuser ? 'f' : 'a', ++used[is_fuser]);
            if (is_taken(g, names[i])) {
                names[i][0] = '\0';
            }
        }
    }
}

unsigned graph_in_degree(const struct graph *g, unsigned node)
{
    return (unsigned) __builtin_popcount(g->nodes[node].predecessors);
}

uint32_t graph_successors(const struct graph *g, unsigned node)
{
    uint32_t successors = 0;
    unsigned i;

    for (i = 0; i < g->count; i++) {
        successors |= (g->nodes[i].predecessors >> node & 1) << i;
    }
    return successors;
}

uint32_t graph_deliverable(const struct graph *g)
{
    uint32_t nodes = g->nodes[g->output].predecessors;
    unsigned i;

    for (i = g->output; i-- > 0;) { /* predecessors have smaller numbers */
        const struct graph_node *n = &g->nodes[i];

        if ((nodes >> i & 1) != 0 && (n->fuse == FUSER_VOTE || n->fuse == FUSER_SELECT)) {
            nodes = (nodes & ~((uint32_t) 1 << i)) | n->predecessors;
        }
    }
    return nodes;
}

void graph_depths(const struct graph *g, unsigned depths[GRAPH_NODES_MAX])
{
    unsigned i;

    for (i = 0; i < g->count; i++) {
        uint32_t from = g->nodes[i].predecessors;

        depths[i] = 1;
        for (; from != 0; from &= from - 1) {
            unsigned before = depths[__builtin_ctz(from)];

            depths[i] = before >= depths[i] ? before + 1 : depths[i];
        }
    }
}
