#include "router/graph_draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "router/canvas.h"
#include "router/graph_lanes.h"
#include "router/graph_layers.h"
#include "router/textbuf.h"

enum { COLUMNS_MIN = 66 }; /* 31 lanes and the gap after them take 63 */

/* The texts of the nodes of a graph. */
struct texts {
    char names[GRAPH_NODES_MAX][GRAPH_NAME_MAX + 1];
    const char *name[GRAPH_NODES_MAX];
    char *place[GRAPH_NODES_MAX]; /* what stands where the node is drawn */
    char *row[GRAPH_NODES_MAX];   /* in a table */
};

static const char *kind_text(const struct graph_node *node)
{
    switch (node->fuse) {
    case FUSER_NONE:
        return "assistant";
    case FUSER_LLM:
        return "fuse";
    case FUSER_VOTE:
    case FUSER_SELECT:
        return graph_fuse_text(node->fuse);
    }
    abort();
}

static const char *model_text(const struct graph_node *node)
{
    return node->model == NULL ? "" : node->model->name;
}

/* Each with a space before it. */
static void add_settings(struct textbuf *t, const struct graph_node *node)
{
    if (!isnan(node->temperature)) {
        textbuf_addf(t, " t=%g", node->temperature);
    }
    if (!isnan(node->top_p)) {
        textbuf_addf(t, " top_p=%g", node->top_p);
    }
    if (node->max_tokens != 0) {
        textbuf_addf(t, " max=%" PRIu32, node->max_tokens);
    }
}

/* A name that nobody gave says nothing here, nor does it that an assistant is one. */
static char *place_text(const struct graph_node *node)
{
    struct textbuf t = {NULL, 0, 0};

    textbuf_add_text(&t, node->name);
    textbuf_add_text(&t, node->name[0] == '\0' ? "" : " ");
    if (node->role == ROLE_FUSER) {
        textbuf_add_text(&t, kind_text(node));
        textbuf_add_text(&t, node->model == NULL ? "" : " ");
    }
    textbuf_add_text(&t, model_text(node));
    add_settings(&t, node);
    return textbuf_take(&t);
}

static void add_padded(struct textbuf *t, const char *text, unsigned width)
{
    unsigned has = canvas_text_width(text);

    textbuf_addf(t, "%s%*s", text, (int) (width - has), "");
}

static void make_rows(const struct graph *g, struct texts *texts)
{
    unsigned name = 0;
    unsigned kind = 0;
    unsigned i;

    for (i = 0; i < g->count; i++) {
        unsigned here = canvas_text_width(texts->name[i]);

        name = here > name ? here : name;
        here = canvas_text_width(kind_text(&g->nodes[i]));
        kind = here > kind ? here : kind;
    }
    for (i = 0; i < g->count; i++) {
        struct textbuf t = {NULL, 0, 0};

        add_padded(&t, texts->name[i], name + 2);
        add_padded(&t, kind_text(&g->nodes[i]), kind + 2);
        textbuf_add_text(&t, model_text(&g->nodes[i]));
        add_settings(&t, &g->nodes[i]);
        texts->row[i] = textbuf_take(&t);
    }
}

static void make_texts(const struct graph *g, struct texts *texts)
{
    unsigned i;

    graph_names(g, texts->names);
    for (i = 0; i < g->count; i++) {
        texts->name[i] = texts->names[i];
        texts->place[i] = place_text(&g->nodes[i]);
    }
    make_rows(g, texts);
}

static char *table(const struct graph *g, const struct texts *texts, unsigned columns, bool ascii)
{
    struct canvas c;
    unsigned i;

    canvas_init(&c, columns, g->count, ascii);
    for (i = 0; i < g->count; i++) {
        canvas_text(&c, 0, i, texts->row[i]);
    }
    return canvas_take(&c);
}

/* NULL where it does not fit. */
static char *drawing_and_table(const struct graph *g, const struct texts *texts, unsigned columns,
                               bool ascii)
{
    char *drawing = graph_layers_text(g, texts->name, columns, ascii);
    char *rows;
    char *both;

    if (drawing == NULL) {
        return NULL;
    }
    rows = table(g, texts, columns, ascii);
    both = x_printf("%s\n%s", drawing, rows);
    free(drawing);
    free(rows);
    return both;
}

char *graph_draw(const struct graph *g, unsigned columns, bool ascii)
{
    unsigned width = columns < COLUMNS_MIN ? COLUMNS_MIN : columns;
    struct texts texts;
    char *text;
    unsigned i;

    make_texts(g, &texts);
    text = graph_layers_text(g, (const char *const *) texts.place, width, ascii);
    if (text == NULL) {
        text = drawing_and_table(g, &texts, width, ascii);
    }
    if (text == NULL) {
        text = graph_lanes_text(g, (const char *const *) texts.row, width, ascii);
    }
    for (i = 0; i < g->count; i++) {
        free(texts.place[i]);
        free(texts.row[i]);
    }
    return text;
}
