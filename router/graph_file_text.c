#include "router/graph_file.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/span.h"
#include "router/textbuf.h"

static void add_string(struct textbuf *t, const char *text)
{
    size_t n = span_escaped_length(slice_of(text));
    char *escaped = x_array(n + 1, 1);

    span_escape(slice_of(text), escaped, n);
    textbuf_add_text(t, "\"");
    textbuf_add(t, (struct slice) {escaped, n});
    textbuf_add_text(t, "\"");
    free(escaped);
}

/* With as few digits as give the same number again. */
static void add_number(struct textbuf *t, const char *member, double number)
{
    char digits[400]; /* more than %g ever needs, which compilers do not know */
    int precision = 0;

    if (isnan(number)) {
        return;
    }
    do {
        precision++;
        snprintf(digits, sizeof(digits), "%.*g", precision, number);
    } while (precision < DBL_DECIMAL_DIG && strtod(digits, NULL) != number);
    textbuf_addf(t, ", \"%s\": %s", member, digits);
}

static void add_node(struct textbuf *t, const struct graph_node *node, const char *name)
{
    textbuf_addf(t, "{\"id\": \"%s\"", name);
    if (node->model != NULL) {
        textbuf_add_text(t, ", \"model\": ");
        add_string(t, node->model->name);
    }
    textbuf_addf(t, ", \"role\": \"%s\"", graph_role_text(node->role));
    if (node->fuse != FUSER_NONE) {
        textbuf_addf(t, ", \"fuse\": \"%s\"", graph_fuse_text(node->fuse));
    }
    add_number(t, "temperature", node->temperature);
    add_number(t, "top_p", node->top_p);
    if (node->max_tokens != 0) {
        textbuf_addf(t, ", \"max_tokens\": %" PRIu32, node->max_tokens);
    }
    textbuf_add_text(t, "}");
}

/* The edges to a node stand together on a line. */
static void add_edges(struct textbuf *t, const struct graph *g,
                      char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1])
{
    const char *between = "";
    unsigned i;

    for (i = 0; i < g->count; i++) {
        uint32_t from = g->nodes[i].predecessors;

        for (; from != 0; from &= from - 1) {
            textbuf_addf(t, "%s[\"%s\", \"%s\"]", between, names[__builtin_ctz(from)], names[i]);
            between = ", ";
        }
        between = *between == '\0' ? "" : ",\n           ";
    }
}

char *graph_file_text(const struct graph *g)
{
    char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1];
    struct textbuf t = {NULL, 0, 0};
    unsigned i;

    graph_names(g, names);
    textbuf_add_text(&t, "{\"nodes\": [");
    for (i = 0; i < g->count; i++) {
        textbuf_add_text(&t, i == 0 ? "" : ",\n           ");
        add_node(&t, &g->nodes[i], names[i]);
    }
    textbuf_add_text(&t, "],\n \"edges\": [");
    add_edges(&t, g, names);
    textbuf_addf(&t, "],\n \"output\": \"%s\"}\n", names[g->output]);
    return textbuf_take(&t);
}
