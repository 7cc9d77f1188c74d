/* Any bytes are a graph or are refused with words that name the file. A graph that is written and
 * read again is the same one; it can be drawn within the width. */
#include "router/graph_draw.h"
#include "router/graph_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/catalog_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_words(const struct errbuf *err)
{
    json_t *text = json_string(err->text); /* NULL when it is not UTF-8 */
    size_t i;

    must(strncmp(err->text, "f:", 2) == 0 && text != NULL);
    json_decref(text);
    for (i = 0; err->text[i] != '\0'; i++) {
        must((unsigned char) err->text[i] >= 0x20);
    }
}

static void check_shape(const struct graph *g)
{
    unsigned i;

    must(g->count >= 1 && g->count <= GRAPH_NODES_MAX && g->output == g->count - 1);
    must(g->depth >= 1 && g->width >= 1 && g->depth + g->width <= g->count + 1);
    for (i = 0; i < g->count; i++) {
        must(((uint64_t) g->nodes[i].predecessors >> i) == 0);
        must((graph_successors(g, i) == 0) == (i == g->output));
    }
}

static void check_drawing(const struct graph *g, bool ascii)
{
    char *text = graph_draw(g, 80, ascii);
    const char *line;

    for (line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        must(!ascii || strcspn(line, "\n") <= 80);
    }
    free(text);
}

static void check_round(const struct graph *g, const struct catalog *catalog)
{
    struct errbuf err = {""};
    char *text = graph_file_text(g);
    struct graph *again = graph_file_parse("f", slice_of(text), catalog, &err);

    must(again != NULL && again->id == g->id);
    graph_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fixture_model models[] = {{.name = "m"}, {.name = "n"}, {.name = "ä\""}};
    struct catalog *catalog = fixture_catalog(models, ARRAY_LEN(models), NULL, 0);
    struct errbuf err = {""};
    struct graph *g = graph_file_parse("f", (struct slice) {(const char *) data, size}, catalog,
                                       &err);

    if (g == NULL) {
        check_words(&err);
    } else {
        check_shape(g);
        check_round(g, catalog);
        check_drawing(g, true);
        check_drawing(g, false);
        graph_free(g);
    }
    catalog_free(catalog);
    return 0;
}
