/* Any bytes either load, and then the configuration is complete, or have faults with places in them,
 * in order, and without what the environment holds. What loads can be printed. */
#include "gateway/config.h"
#include "gateway/config_print.h"
#include "router/ledger.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "sk~secret"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static const char *fake_getenv(const char *name)
{
    return name[0] == 'K' ? SECRET : NULL;
}

static void check_report(const struct config_report *report)
{
    unsigned long last = 0;
    must(report->count > 0 && report->count <= 50);
    for (size_t i = 0; i < report->count; i++) {
        must(strncmp(report->messages[i], "f:", 2) == 0);
        unsigned long line = strtoul(report->messages[i] + 2, NULL, 10);
        must(line >= last);
        last = line;
        must(strchr(report->messages[i], '\n') == NULL);
        json_t *text = json_string(report->messages[i]); /* NULL when it is not UTF-8 */
        must(text != NULL);
        json_decref(text);
    }
}

static void check_catalog(const struct catalog *c)
{
    must(c->upstream_count > 0 && c->model_count > 0);
    for (size_t i = 0; i < c->upstream_count; i++) {
        must(c->upstreams[i].name && c->upstreams[i].url && c->upstreams[i].max_in_flight > 0);
    }
    for (size_t i = 0; i < c->model_count; i++) {
        const struct model_def *m = &c->models[i];
        must(m->name && m->id && m->upstream);
        must(catalog_model(c, slice_of(m->name)) == m);
        size_t steps = 0;
        for (const struct model_def *f = m->fallback; f; f = f->fallback) {
            must(++steps <= 8);
        }
    }
    for (size_t i = 0; i < c->alias_count; i++) {
        must(!catalog_alias(c, slice_of(c->aliases[i].target)));
    }
}

static void check_print(struct config *c)
{
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    struct env env = env_system();
    struct ledger *ledger = ledger_new(&env);
    struct catalog *catalog = c->catalog;
    c->catalog = NULL;
    struct snapshot *s = snapshot_new(catalog, ledger, c->timeouts.request_us, 1, NULL);
    must(f && s);
    config_print(c, s, f);
    config_print_json(c, s, f);
    fclose(f);
    must(n > 0 && strlen(out) == n);
    free(out);
    snapshot_unref(s);
    ledger_free(ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_report report;
    struct slice text = {(const char *) data, size};
    struct config *c = config_load_text("f", text, fake_getenv, &report);
    if (c) {
        must(report.count == 0);
        must(c->workers >= 1 && c->workers <= 64 && c->cors && c->listen.length > 0);
        check_catalog(c->catalog);
        check_print(c);
    } else {
        check_report(&report);
    }
    config_free(c);
    config_report_fini(&report);
    return 0;
}
