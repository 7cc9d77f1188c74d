#include "gateway/config.h"

#include "gateway/config_cross.h"
#include "gateway/config_draft.h"
#include "gateway/config_faults.h"
#include "gateway/config_fill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*  file ─► text ─config_yaml─► tree ─config_fill─► draft ─config_cross─► config, catalog
 *                                        │                    │
 *                                   config_keys           files, environment
 */

enum {
    FILE_BYTES_MAX = 1 << 20,
    FIRST_BLOCK_BYTES = 4096,
    /* A tree of the largest file with the most values; texts of a configuration are a part of it. */
    ARENA_CAP_BYTES = 16 << 20,
};

static struct config *config_new(const char *file)
{
    struct config *c = x_alloc(sizeof(*c));
    arena_init(&c->arena, FIRST_BLOCK_BYTES, ARENA_CAP_BYTES);
    c->file = arena_dup(&c->arena, file);
    c->catalog = catalog_new();
    return c;
}

void config_free(struct config *c)
{
    if (c) {
        catalog_free(c->catalog);
        config_examples_free(c->examples);
        for (size_t i = 0; i < c->eval_count; i++) {
            grader_free(c->evals[i].grader);
        }
        arena_fini(&c->arena);
        free(c);
    }
}

const char *config_getenv(const char *name)
{
    return getenv(name);
}

/* ---- from a text ---- */

static void build(struct config *c, struct draft *draft, struct slice text,
                  const char *(*getenv_fn)(const char *name), struct config_faults *faults)
{
    struct config_yaml_error error;
    draft->root = config_yaml_parse(text, &draft->arena, &error);
    if (!draft->root) {
        config_fault_at(faults, error.line, error.column, NULL, "%s", error.why.text);
        return;
    }
    config_fill(c, draft, faults);
    config_cross_catalog(c, draft, getenv_fn, faults);
    config_cross_tasks(c, draft, faults);
    config_cross_eval(c, draft, faults);
    config_cross_server(c, draft, getenv_fn, faults);
    if (arena_is_sour(&c->arena) || arena_is_sour(&c->catalog->arena) ||
        arena_is_sour(&draft->arena)) {
        config_fault_at(faults, 0, 0, NULL, "not enough memory for this configuration");
    }
}

/* The report is begun by the caller. */
static struct config *load_text(const char *file, struct slice text,
                                const char *(*getenv_fn)(const char *name),
                                struct config_report *report)
{
    struct draft draft = {.root = NULL};
    struct config *c = config_new(file);
    struct config_faults *faults = x_alloc(sizeof(*faults));
    faults->report = report;
    faults->file = file;
    arena_init(&draft.arena, FIRST_BLOCK_BYTES, ARENA_CAP_BYTES);
    if (c->file) {
        build(c, &draft, text, getenv_fn, faults);
    } else {
        config_fault_at(faults, 0, 0, NULL, "not enough memory for this configuration");
    }
    arena_fini(&draft.arena);
    bool ok = faults->count == 0;
    config_faults_report(faults);
    free(faults);
    if (!ok) {
        config_free(c);
        return NULL;
    }
    return c;
}

static void report_init(struct config_report *report)
{
    memset(report, 0, sizeof(*report));
    arena_init(&report->arena, FIRST_BLOCK_BYTES, ARENA_CAP_BYTES);
}

void config_report_fini(struct config_report *r)
{
    arena_fini(&r->arena);
    *r = (struct config_report) {.count = 0};
}

struct config *config_load_text(const char *file, struct slice text,
                                const char *(*getenv_fn)(const char *name),
                                struct config_report *report)
{
    report_init(report);
    return load_text(file, text, getenv_fn, report);
}

/* ---- from a file ---- */

static void report_file(struct config_report *report, const char *file, const char *why)
{
    struct config_faults faults = {.report = report, .file = file};
    config_fault_at(&faults, 0, 0, NULL, "%s", why);
    config_faults_report(&faults);
}

/* Reads at most one byte more than is allowed. -1 with errno. Pipes are welcome. */
static ssize_t read_file(const char *file, char *out)
{
    size_t n = 0;
    ssize_t got = 1;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd == -1) {
        return -1;
    }
    while (got > 0 && n <= FILE_BYTES_MAX) {
        do {
            got = read(fd, out + n, FILE_BYTES_MAX + 1 - n);
        } while (got == -1 && errno == EINTR);
        n += got > 0 ? (size_t) got : 0;
    }
    int error = errno;
    close(fd);
    errno = error;
    return got == -1 ? -1 : (ssize_t) n;
}

struct config *config_load(const char *file, const char *(*getenv_fn)(const char *name),
                           struct config_report *report)
{
    struct config *c = NULL;
    char *text = malloc(FILE_BYTES_MAX + 1);
    report_init(report);
    ssize_t n = text ? read_file(file, text) : -1;
    if (!text) {
        report_file(report, file, "not enough memory to read this file");
    } else if (n == -1) {
        char why[256];
        snprintf(why, sizeof(why), "cannot be read: %s", strerror(errno));
        report_file(report, file, why);
    } else if (n > FILE_BYTES_MAX) {
        report_file(report, file, "is larger than 1 MiB");
    } else {
        c = load_text(file, (struct slice) {text, (size_t) n}, getenv_fn, report);
    }
    free(text);
    return c;
}
