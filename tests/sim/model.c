#include "tests/sim/model.h"

#include "tests/sim/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct models {
    size_t n;
    struct model *list;
};

struct builtin {
    const char *id;
    enum model_kind kind;
    enum fault fault;
    int64_t first_ms;
    int64_t token_ms;
    int64_t at;
    double accuracy;
    double params;
};

/* Faulty models are paced at one millisecond so that a reader sees their tokens before the fault
 * strikes. */
static const struct builtin builtins[] = {
    {"sim-small", MODEL_THINKS, FAULT_NONE, 120, 15, 0, 0.55, 1e9},
    {"sim-medium", MODEL_THINKS, FAULT_NONE, 180, 20, 0, 0.75, 8e9},
    {"sim-large", MODEL_THINKS, FAULT_NONE, 300, 30, 0, 0.92, 70e9},
    {"sim-embed", MODEL_ECHOES, FAULT_NONE, 0, 0, 0, 0, 1e8},
    {"echo", MODEL_ECHOES, FAULT_NONE, 0, 0, 0, 0, 0},
    {"fast", MODEL_CANONICAL, FAULT_NONE, 0, 0, 0, 0, 0},
    {"s01-429-retry-after", MODEL_CANONICAL, FAULT_429_FIRST, 5, 1, 0, 0, 0},
    {"s02-429-forever", MODEL_CANONICAL, FAULT_429, 0, 0, 0, 0, 0},
    {"s03-500-once", MODEL_CANONICAL, FAULT_500_ONCE, 5, 1, 0, 0, 0},
    {"s04-503", MODEL_CANONICAL, FAULT_503, 0, 0, 0, 0, 0},
    {"s05-reset", MODEL_CANONICAL, FAULT_RESET, 5, 0, 0, 0, 0},
    {"s06-silent", MODEL_CANONICAL, FAULT_SILENT, 0, 0, 0, 0, 0},
    {"s07-slow-first", MODEL_CANONICAL, FAULT_NONE, 20000, 1, 0, 0, 0},
    {"s08-cut", MODEL_CANONICAL, FAULT_CUT, 5, 1, 40, 0, 0},
    {"s09-stall", MODEL_CANONICAL, FAULT_STALL, 5, 1, 40, 0, 0},
    {"s10-malformed", MODEL_CANONICAL, FAULT_MALFORMED, 5, 1, 20, 0, 0},
    {"s10-malformed-first", MODEL_CANONICAL, FAULT_MALFORMED, 5, 1, 0, 0, 0},
    {"s11-no-done", MODEL_CANONICAL, FAULT_NO_DONE, 5, 1, 0, 0, 0},
    {"s12-context", MODEL_CANONICAL, FAULT_CONTEXT, 0, 0, 0, 0, 0},
    {"s13-filter", MODEL_CANONICAL, FAULT_FILTER, 0, 0, 0, 0, 0},
    {"s14-prefill", MODEL_CANONICAL, FAULT_CUT, 5, 1, 40, 0, 0},
    {"s14-fallback", MODEL_CANONICAL, FAULT_NO_PREFILL, 5, 1, 0, 0, 0},
    {"s15-flap", MODEL_CANONICAL, FAULT_FLAP, 5, 1, 0, 0, 0},
    {"s16-account", MODEL_CANONICAL, FAULT_NONE, 5, 1, 0, 0, 0},
    {"x-html", MODEL_CANONICAL, FAULT_HTML, 0, 0, 0, 0, 0},
    {"x-html-502", MODEL_CANONICAL, FAULT_HTML_502, 0, 0, 0, 0, 0},
    {"x-wrong-type", MODEL_CANONICAL, FAULT_WRONG_TYPE, 5, 1, 0, 0, 0},
    {"x-endless-line", MODEL_CANONICAL, FAULT_ENDLESS_LINE, 5, 1, 0, 0, 0},
    {"x-gzip", MODEL_CANONICAL, FAULT_GZIP, 5, 0, 0, 0, 0},
    {"x-badjson", MODEL_CANONICAL, FAULT_BAD_JSON, 5, 1, 0, 0, 0},
    {"x-huge-head", MODEL_CANONICAL, FAULT_HUGE_HEAD, 5, 1, 0, 0, 0},
    {"x-bad-chunk", MODEL_CANONICAL, FAULT_BAD_CHUNK, 5, 1, 5, 0, 0},
    {"x-no-finish", MODEL_CANONICAL, FAULT_NO_FINISH, 5, 1, 0, 0, 0},
    {"x-error-event", MODEL_CANONICAL, FAULT_ERROR_EVENT, 5, 1, 20, 0, 0},
    {"x-error-event-first", MODEL_CANONICAL, FAULT_ERROR_EVENT, 5, 1, 0, 0, 0},
    {"x-empty", MODEL_CANONICAL, FAULT_EMPTY, 5, 0, 0, 0, 0},
    {"x-no-index-tools", MODEL_CANONICAL, FAULT_NO_INDEX, 5, 1, 0, 0, 0},
    {"x-crlf", MODEL_CANONICAL, FAULT_CRLF, 5, 0, 0, 0, 0},
    {"x-usage-before-done-with-choices", MODEL_CANONICAL, FAULT_USAGE_CHOICES, 5, 1, 0, 0, 0},
    {"x-slow-drip", MODEL_CANONICAL, FAULT_DRIP, 5, 0, 0, 0, 0},
    {"x-status", MODEL_CANONICAL, FAULT_STATUS, 0, 0, 0, 0, 0},
};

static void model_fini(struct model *m)
{
    free(m->id);
    free(m->family);
}

static struct plan plan_default(void)
{
    struct plan p = {0};

    p.stall_us = 30000000;
    p.drip_us = 1000;
    p.down_requests = 5;
    p.up_requests = 5;
    p.tokens = 60;
    p.status = 500;
    p.retry_s = -1;
    p.law_accuracy = -1;
    return p;
}

static struct model *models_find(const struct models *m, const char *id, size_t n)
{
    for (size_t i = 0; i < m->n; i++) {
        if (strncmp(m->list[i].id, id, n) == 0 && m->list[i].id[n] == '\0') {
            return &m->list[i];
        }
    }
    return NULL;
}

static struct model *models_add(struct models *m, const char *id)
{
    struct model *found = models_find(m, id, strlen(id));

    if (found != NULL) {
        model_fini(found);
    } else {
        m->list = mem_grow(m->list, (m->n + 1) * sizeof(*m->list));
        found = &m->list[m->n++];
    }
    memset(found, 0, sizeof(*found));
    found->id = mem_copy(id, strlen(id));
    found->plan = plan_default();
    return found;
}

static void add_law_models(struct models *m)
{
    for (size_t i = 0; i < law_models_count(); i++) {
        const struct law_model *law = law_models_at(i);
        struct model *model = models_add(m, law->name);

        model->family = mem_copy(law->family, strlen(law->family));
        model->params = law->params;
        model->plan.kind = MODEL_LAW;
        model->plan.law = law;
        model->plan.accuracy = law->accuracy[LAW_MATH];
        model->plan.first_us = (int64_t) (law->first_ms * 1000);
        model->plan.token_us = (int64_t) (law->token_ms * 1000);
    }
}

struct models *models_new(void)
{
    struct models *m = mem_zalloc(sizeof(*m));

    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        const struct builtin *b = &builtins[i];
        struct model *model = models_add(m, b->id);

        model->family = mem_copy("simulated", 9);
        model->params = b->params;
        model->plan.kind = b->kind;
        model->plan.fault = b->fault;
        model->plan.accuracy = b->accuracy;
        model->plan.first_us = b->first_ms * 1000;
        model->plan.token_us = b->token_ms * 1000;
        model->plan.at = b->at;
    }
    add_law_models(m);
    return m;
}

void models_free(struct models *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->n; i++) {
        model_fini(&m->list[i]);
    }
    free(m->list);
    free(m);
}

static int load_one(struct models *m, json_t *entry, char *err, size_t err_len)
{
    const char *id = NULL;
    const char *family = "simulated";
    double accuracy = 1.0;
    double first_ms = 0;
    double token_ms = 0;
    double params = 0;
    json_error_t je;
    struct model *model;

    if (json_unpack_ex(entry, &je, JSON_STRICT, "{s:s, s?F, s?F, s?F, s?F, s?s}", "id", &id,
                       "accuracy", &accuracy, "first_token_ms", &first_ms, "per_token_ms",
                       &token_ms, "params", &params, "family", &family) != 0) {
        (void) snprintf(err, err_len, "bad model entry: %s", je.text);
        return -1;
    }
    if (*id == '\0' || strlen(id) >= MODEL_ID_MAX || accuracy < 0 || accuracy > 1 || first_ms < 0 ||
        token_ms < 0 || first_ms > 1e7 || token_ms > 1e7) {
        (void) snprintf(err, err_len, "model '%s': a value is out of range", id);
        return -1;
    }
    model = models_add(m, id);
    model->family = mem_copy(family, strlen(family));
    model->params = params;
    model->plan.kind = MODEL_THINKS;
    model->plan.accuracy = accuracy;
    model->plan.first_us = (int64_t) (first_ms * 1000);
    model->plan.token_us = (int64_t) (token_ms * 1000);
    return 0;
}

int models_load(struct models *m, const char *path, char *err, size_t err_len)
{
    json_error_t je;
    json_t *list = json_load_file(path, 0, &je);
    json_t *entry;
    size_t i;
    int rc = 0;

    if (!json_is_array(list)) {
        (void) snprintf(err, err_len, "%s:%d:%d: %s", path, je.line, je.column,
                        list == NULL ? je.text : "expected a list of models");
        json_decref(list);
        return -1;
    }
    json_array_foreach(list, i, entry)
    {
        rc = load_one(m, entry, err, err_len);
        if (rc != 0) {
            break;
        }
    }
    json_decref(list);
    return rc;
}

/* Options that turn any model into a faulty one. */
static bool set_fault(struct plan *p, const char *key, size_t n, double v)
{
    if (n == 4 && memcmp(key, "hang", 4) == 0) {
        p->fault = v > 0 ? FAULT_SILENT : p->fault;
        return true;
    }
    if (n == 4 && memcmp(key, "fail", 4) == 0) {
        p->fault = FAULT_STATUS;
        p->status = (int64_t) v;
        return true;
    }
    if (n == 3 && memcmp(key, "cut", 3) == 0) {
        p->fault = FAULT_CUT;
        p->at = (int64_t) v;
        return true;
    }
    return false;
}

/* Stores v into the option called key; times come in milliseconds. */
static bool set_option(struct plan *p, const char *key, size_t n, double v)
{
    const struct {
        const char *name;
        int64_t *number;
        double scale;
        bool *flag;
    } options[] = {
        {"first", &p->first_us, 1000, NULL},   {"token", &p->token_us, 1000, NULL},
        {"stall", &p->stall_us, 1000, NULL},   {"down", &p->down_us, 1000, NULL},
        {"up", &p->up_us, 1000, NULL},         {"drip", &p->drip_us, 1000, NULL},
        {"downs", &p->down_requests, 1, NULL}, {"ups", &p->up_requests, 1, NULL},
        {"tokens", &p->tokens, 1, NULL},       {"at", &p->at, 1, NULL},
        {"early", NULL, 0, &p->early},         {"write", NULL, 0, &p->write_each},
        {"hangup", NULL, 0, &p->hangup},       {"fin", NULL, 0, &p->fin},
        {"zero", NULL, 0, &p->zero},           {"policy", NULL, 0, &p->policy},
        {"code", &p->status, 1, NULL},         {"retry", &p->retry_s, 1, NULL},
        {"words", &p->words, 1, NULL},
    };

    if (n == 2 && memcmp(key, "id", 2) == 0) {
        return true;
    }
    if (n == 3 && memcmp(key, "acc", 3) == 0) {
        p->accuracy = v / 100;
        p->law_accuracy = v / 100;
        return v <= 100;
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strncmp(options[i].name, key, n) != 0 || options[i].name[n] != '\0') {
            continue;
        }
        if (options[i].flag != NULL) {
            *options[i].flag = v > 0;
        } else {
            *options[i].number = (int64_t) (v * options[i].scale);
        }
        return true;
    }
    return set_fault(p, key, n, v);
}

/* "key=value,key=value": numbers, except the value of id, which only makes names distinct. */
static bool parse_options(struct plan *p, const char *s)
{
    while (*s != '\0') {
        size_t key_len = strcspn(s, "=");
        const char *value = s + key_len + 1;
        char *end;
        double v;

        if (s[key_len] == '\0') {
            return false;
        }
        errno = 0;
        v = strtod(value, &end);
        if (key_len == 2 && memcmp(s, "id", 2) == 0) {
            end += strcspn(end, ",");
            v = 0;
            errno = 0; /* musl calls text that is no number an error, glibc does not */
        }
        if (end == value || (*end != ',' && *end != '\0') || errno != 0 || !(v >= 0 && v <= 1e8) ||
            !set_option(p, s, key_len, v)) {
            return false;
        }
        s = *end == ',' ? end + 1 : end;
    }
    return true;
}

bool models_plan(const struct models *m, const char *name, struct plan *out)
{
    const struct model *found = models_find(m, name, strlen(name));
    const char *colon;

    if (strlen(name) >= MODEL_ID_MAX) {
        return false;
    }
    if (found != NULL) {
        *out = found->plan;
        return true;
    }
    /* An id may itself contain a colon, so the options follow the last one. */
    colon = strrchr(name, ':');
    if (colon == NULL) {
        return false;
    }
    found = models_find(m, name, (size_t) (colon - name));
    if (found == NULL) {
        return false;
    }
    *out = found->plan;
    return parse_options(out, colon + 1) && out->tokens <= MODEL_MAX_TOKENS && out->status >= 400 &&
           out->status <= 599;
}

size_t models_count(const struct models *m)
{
    return m->n;
}

const struct model *models_at(const struct models *m, size_t i)
{
    return &m->list[i];
}
