/* A table of words for a terminal: left-aligned columns as wide as their widest cell. */
#ifndef GATEWAY_CLI_TABLE_H
#define GATEWAY_CLI_TABLE_H

#include "cache/arena.h"

#include <stdio.h>

enum { CLI_TABLE_COLUMNS_MAX = 12 };

struct cli_table {
    struct arena arena; /* cells; a table that does not fit into memory prints what it has */
    struct cli_row *first;
    struct cli_row *last;
    size_t columns;
};

void cli_table_init(struct cli_table *t, size_t columns);
void cli_table_fini(struct cli_table *t);

/* `columns` cells, each a text (copied); NULL is an empty one. */
void cli_table_add(struct cli_table *t, const char *const *cells);
/* A row of two: a name, and a text of at most half a KiB. */
void cli_table_pair(struct cli_table *t, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Each row behind `indent` spaces. */
void cli_table_print(const struct cli_table *t, unsigned indent, FILE *out);

#endif
