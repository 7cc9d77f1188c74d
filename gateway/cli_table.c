#include "gateway/cli_table.h"

#include <stdarg.h>
#include <string.h>

enum { GAP = 2, FIRST_BLOCK_BYTES = 1024, CAP_BYTES = 16 << 20 };

struct cli_row {
    struct cli_row *next;
    const char *cells[CLI_TABLE_COLUMNS_MAX];
};

void cli_table_init(struct cli_table *t, size_t columns)
{
    *t = (struct cli_table) {.columns = columns};
    arena_init(&t->arena, FIRST_BLOCK_BYTES, CAP_BYTES);
}

void cli_table_fini(struct cli_table *t)
{
    arena_fini(&t->arena);
}

void cli_table_add(struct cli_table *t, const char *const *cells)
{
    struct cli_row *row = arena_alloc(&t->arena, sizeof(*row));
    if (!row) {
        return;
    }
    for (size_t i = 0; i < t->columns; i++) {
        const char *cell = cells[i] ? arena_dup(&t->arena, cells[i]) : "";
        row->cells[i] = cell ? cell : "";
    }
    if (t->last) {
        t->last->next = row;
    } else {
        t->first = row;
    }
    t->last = row;
}

void cli_table_pair(struct cli_table *t, const char *name, const char *fmt, ...)
{
    struct errbuf text;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.text, sizeof(text.text), fmt, args);
    va_end(args);
    const char *cells[CLI_TABLE_COLUMNS_MAX] = {name, text.text};
    cli_table_add(t, cells);
}

/* Characters of UTF-8, which is columns for all that names hold. */
static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char) *text & 0xc0) != 0x80;
    }
    return n;
}

static void print_row(const struct cli_row *row, const size_t *widths, size_t columns,
                      unsigned indent, FILE *out)
{
    size_t pending = indent; /* spaces are written when something follows them */
    for (size_t i = 0; i < columns; i++) {
        size_t n = width(row->cells[i]);
        if (n > 0) {
            fprintf(out, "%*s%s", (int) pending, "", row->cells[i]);
            pending = 0;
        }
        pending += widths[i] - n + GAP;
    }
    fputc('\n', out);
}

void cli_table_print(const struct cli_table *t, unsigned indent, FILE *out)
{
    size_t widths[CLI_TABLE_COLUMNS_MAX] = {0};
    for (const struct cli_row *row = t->first; row; row = row->next) {
        for (size_t i = 0; i < t->columns; i++) {
            size_t n = width(row->cells[i]);
            widths[i] = n > widths[i] ? n : widths[i];
        }
    }
    for (const struct cli_row *row = t->first; row; row = row->next) {
        print_row(row, widths, t->columns, indent, out);
    }
}
