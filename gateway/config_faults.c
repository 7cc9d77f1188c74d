#include "gateway/config_faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that was cut to fit may end within a character. */
static void drop_partial_character(char *text)
{
    size_t n = strlen(text);
    size_t tail = 0; /* continuation bytes at the end */
    while (tail < n && ((unsigned char) text[n - tail - 1] & 0xc0) == 0x80) {
        tail++;
    }
    if (tail == n) {
        return;
    }
    unsigned char lead = (unsigned char) text[n - tail - 1];
    size_t needed = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (tail < needed) {
        text[n - tail - 1] = '\0';
    }
}

void config_fault_at(struct config_faults *f, unsigned line, unsigned column, const char *key,
                     const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (config_faults_full(f)) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    drop_partial_character(text);
    char *kept = arena_printf(&f->report->arena, "%s%s%s", key ? key : "", key ? ": " : "", text);
    f->list[f->count++] = (struct config_fault) {line, column, kept};
}

bool config_faults_full(const struct config_faults *f)
{
    return f->count == CONFIG_FAULTS_MAX;
}

static bool is_before(const struct config_fault *a, const struct config_fault *b)
{
    return a->line < b->line || (a->line == b->line && a->column < b->column);
}

/* Stable, so that two faults of one place keep the order in which they were found. */
static void sort(struct config_faults *f)
{
    for (size_t i = 1; i < f->count; i++) {
        struct config_fault moved = f->list[i];
        size_t at = i;
        while (at > 0 && is_before(&moved, &f->list[at - 1])) {
            f->list[at] = f->list[at - 1];
            at--;
        }
        f->list[at] = moved;
    }
}

void config_faults_report(struct config_faults *f)
{
    struct config_report *r = f->report;
    r->messages = arena_array(&r->arena, f->count + 1, sizeof(*r->messages));
    if (!r->messages) {
        return;
    }
    sort(f);
    for (size_t i = 0; i < f->count; i++) {
        const struct config_fault *fault = &f->list[i];
        const char *line = fault->line == 0
                               ? arena_printf(&r->arena, "%s: %s", f->file, fault->text)
                               : arena_printf(&r->arena, "%s:%u:%u: %s", f->file, fault->line,
                                              fault->column, fault->text);
        r->messages[r->count++] = line ? line : "not enough memory for this message";
    }
}
