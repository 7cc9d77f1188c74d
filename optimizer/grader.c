/* The table of kinds, and graders made from names and texts. Judging is in grader_judge.c. */
#include "optimizer/grader_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/crypt.h"
#include "cache/span.h"

enum { PAIRS_MAX = 16, SHOWN_BYTES = 60 };

/* clang-format off */
#define NO_PARAM {NULL, GRADER_PARAM_BOOL, false, NULL, NULL, NULL}
#define IGNORE_CASE \
    {"ignore_case", GRADER_PARAM_BOOL, false, "false", NULL, "ASCII letters of either case"}
#define WHOLE_WORDS \
    {"whole_words", GRADER_PARAM_BOOL, false, "false", NULL, \
     "no letter or digit beside what is found: 12 is not in 120"}
/* clang-format on */

/* In the order of enum grader_kind_id; the places of parameters have names in grader_private.h. */
const struct grader_kind grader_kinds[GRADER_KINDS] = {
    {"exact", "the answer is an ideal, byte for byte", {NO_PARAM}},
    {"normalised", "the same apart from case, white space, punctuation and articles", {NO_PARAM}},
    {"includes", "an ideal is in the answer", {IGNORE_CASE, WHOLE_WORDS}},
    {"startswith", "the answer begins with an ideal", {IGNORE_CASE, WHOLE_WORDS}},
    {"regex",
     "a POSIX extended regular expression is found; ^ and $ are a line's ends",
     {IGNORE_CASE,
      {"pattern", GRADER_PARAM_REGEX, false, NULL, NULL, "none: each ideal is a pattern"}}},
    {"numeric",
     "the number that the answer states is an ideal's, within the larger tolerance",
     {{"absolute", GRADER_PARAM_NUMBER, false, "0", NULL, "tolerance"},
      {"relative", GRADER_PARAM_NUMBER, false, "0", NULL, "tolerance as a share of the ideal"}}},
    {"choice", "the letter that the answer states last is an ideal's", {NO_PARAM}},
    {"boxed",
     "what is in the last \\boxed{} is the ideal, or what is in the ideal's last box",
     {NO_PARAM}},
    {"json", "the JSON in the answer is an ideal: keys in any order, numbers by value", {NO_PARAM}},
    {"json_schema",
     "the JSON in the answer is valid; needs no ideal",
     {{"schema", GRADER_PARAM_SCHEMA, true, NULL, NULL, "a JSON schema"}}},
    {"string_check",
     "compares the answer with the ideals",
     {{"operation", GRADER_PARAM_WORD, true, NULL, "eq ne like ilike",
       "equal; equal to none; contains; contains in either case"}}},
    {"text_similarity",
     "how much of the text is alike, from 0 to 1",
     {{"evaluation_metric", GRADER_PARAM_WORD, true, NULL,
       "fuzzy_match gleu rouge_l rouge_1 rouge_2 rouge_3 rouge_4 rouge_5", "by bytes or words"},
      {"pass_threshold", GRADER_PARAM_SHARE, false, NULL, NULL, "1 from here on, else 0"}}},
};

static int shown(struct slice s)
{
    return (int) (s.n < SHOWN_BYTES ? s.n : SHOWN_BYTES);
}

/* ---- names ---- */

static void name_kinds(char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < GRADER_KINDS && n < cap; i++) {
        int more = snprintf(out + n, cap - n, "%s%s", i > 0 ? ", " : "", grader_kinds[i].name);
        n += more > 0 ? (size_t) more : 0;
    }
}

static enum err find_kind(const struct grader_pair pairs[], size_t count, size_t *kind,
                          struct errbuf *err)
{
    struct slice type = SLICE_NONE;
    char names[256];
    for (size_t i = 0; i < count; i++) {
        if (slice_eq_text(pairs[i].name, "type")) {
            type = pairs[i].text;
        }
    }
    for (size_t i = 0; i < GRADER_KINDS; i++) {
        if (slice_eq_text(type, grader_kinds[i].name)) {
            *kind = i;
            return ERR_NONE;
        }
    }
    name_kinds(names, sizeof(names));
    if (type.n == 0) {
        return err_set(err, ERR_INPUT, "a grader needs a type, one of %s", names);
    }
    return err_set(err, ERR_INPUT, "\"%.*s\" is no type of grader; there are %s", shown(type),
                   type.p, names);
}

/* GRADER_PARAMS_MAX: there is none of the name. */
static size_t find_param(const struct grader_kind *kind, struct slice name)
{
    for (size_t i = 0; kind->params[i].name != NULL; i++) {
        if (slice_eq_text(name, kind->params[i].name)) {
            return i;
        }
    }
    return GRADER_PARAMS_MAX;
}

/* ---- values ---- */

static enum err wrong(struct errbuf *err, const struct grader_param *p, struct slice text,
                      const char *expected)
{
    return err_set(err, ERR_INPUT, "%s: expected %s, got \"%.*s\"", p->name, expected, shown(text),
                   text.p);
}

static enum err read_bool(struct slice text, const struct grader_param *p, double *out,
                          struct errbuf *err)
{
    bool is_true = slice_eq_text(text, "true");
    *out = is_true ? 1.0 : 0.0;
    return is_true || slice_eq_text(text, "false") ? ERR_NONE
                                                   : wrong(err, p, text, "true or false");
}

static enum err read_number(struct slice text, const struct grader_param *p, double *out,
                            struct errbuf *err)
{
    struct span_value value = {.type = SPAN_NUMBER, .text = text};
    struct span_error error;
    bool is_share = p->type == GRADER_PARAM_SHARE;
    bool is_number = text.n > 0 && text.p[0] >= '0' && text.p[0] <= '9' &&
                     span_check(text, &error) == ERR_NONE && span_to_double(&value, out);
    if (!is_number || (is_share && *out > 1.0)) {
        return wrong(err, p, text, is_share ? "a number from 0 to 1" : "a number of at least 0");
    }
    return ERR_NONE;
}

static enum err read_word(struct slice text, const struct grader_param *p, double *out,
                          struct errbuf *err)
{
    char expected[160];
    double index = 0.0;
    for (const char *at = p->words; at != NULL; index += 1.0) {
        const char *blank = strchr(at, ' ');
        struct slice word = {at, blank != NULL ? (size_t) (blank - at) : strlen(at)};
        if (slice_eq(word, text)) {
            *out = index;
            return ERR_NONE;
        }
        at = blank != NULL ? blank + 1 : NULL;
    }
    if (snprintf(expected, sizeof(expected), "one of %s", p->words) < 0) {
        expected[0] = '\0';
    }
    return wrong(err, p, text, expected);
}

static enum err read_pattern(struct grader *g, struct slice text, struct errbuf *err)
{
    char pattern[GRADER_PATTERN_BYTES_MAX + 1];
    if (text.n == 0 || text.n > GRADER_PATTERN_BYTES_MAX || memchr(text.p, '\0', text.n) != NULL) {
        return err_set(err, ERR_INPUT, "pattern: expected 1 to %d bytes, none of them zero",
                       GRADER_PATTERN_BYTES_MAX);
    }
    memcpy(pattern, text.p, text.n);
    pattern[text.n] = '\0';
    bool ignore_case = g->values[GRADER_AT_IGNORE_CASE] > 0.0;
    return grader_regex_compile(&g->regex, pattern, ignore_case, err) ? ERR_NONE : ERR_INPUT;
}

static enum err read_value(struct grader *g, size_t at, struct slice text, struct errbuf *err)
{
    const struct grader_param *p = &grader_kinds[g->kind].params[at];
    switch (p->type) {
    case GRADER_PARAM_BOOL:
        return read_bool(text, p, &g->values[at], err);
    case GRADER_PARAM_NUMBER:
    case GRADER_PARAM_SHARE:
        return read_number(text, p, &g->values[at], err);
    case GRADER_PARAM_WORD:
        return read_word(text, p, &g->values[at], err);
    case GRADER_PARAM_REGEX:
        return read_pattern(g, text, err);
    case GRADER_PARAM_SCHEMA:
        g->schema = grader_schema_new(text, err);
        return g->schema != NULL ? ERR_NONE : ERR_INPUT;
    }
    return ERR_INPUT;
}

/* ---- version ---- */

struct digest {
    unsigned char sha[SHA256_BYTES];
};

/* The digest of the digest so far and the next text: no text can pass for two. */
static void digest_add(struct digest *d, struct slice text)
{
    unsigned char pair[2 * SHA256_BYTES];
    memcpy(pair, d->sha, SHA256_BYTES);
    crypt_sha256(text, pair + SHA256_BYTES);
    crypt_sha256((struct slice) {(const char *) pair, sizeof(pair)}, d->sha);
}

static void digest_value(struct digest *d, const struct grader *g, size_t at, struct slice text)
{
    char number[40];
    int n;
    switch (grader_kinds[g->kind].params[at].type) {
    case GRADER_PARAM_REGEX:
        digest_add(d, text);
        break;
    case GRADER_PARAM_SCHEMA:
        digest_add(d, slice_of(g->schema));
        break;
    case GRADER_PARAM_BOOL:
    case GRADER_PARAM_NUMBER:
    case GRADER_PARAM_SHARE:
    case GRADER_PARAM_WORD:
        /* 0.1 and 1e-1 are one number. */
        n = snprintf(number, sizeof(number), "%.17g", g->values[at]);
        digest_add(d, (struct slice) {number, n > 0 ? (size_t) n : 0});
        break;
    }
}

/* ---- making ---- */

/* Reads in the table's order, as a pattern's case is asked for in front of it. */
static enum err read_params(struct grader *g, const struct slice texts[], struct errbuf *err)
{
    const struct grader_kind *kind = &grader_kinds[g->kind];
    struct digest digest = {{0}};
    enum err rc = ERR_NONE;

    digest_add(&digest, slice_of(kind->name));
    for (size_t i = 0; kind->params[i].name != NULL && rc == ERR_NONE; i++) {
        const struct grader_param *p = &kind->params[i];
        struct slice text = texts[i].p != NULL ? texts[i] : slice_of(p->default_text);
        if (text.p == NULL && p->is_required) {
            rc = err_set(err, ERR_INPUT, "a grader of type %s needs %s: %s", kind->name, p->name,
                         p->words != NULL ? p->words : p->help);
        } else if (text.p != NULL) {
            rc = read_value(g, i, text, err);
            g->is_set[i] = rc == ERR_NONE;
            digest_add(&digest, slice_of(p->name));
            if (rc == ERR_NONE) {
                digest_value(&digest, g, i, text);
            }
        }
    }
    for (size_t i = 0; i < sizeof(g->version); i++) {
        g->version = g->version << 8 | digest.sha[i];
    }
    return rc;
}

/* texts[i] becomes parameter i's. */
static enum err sort_pairs(const struct grader_pair pairs[], size_t count, size_t kind,
                           struct slice texts[GRADER_PARAMS_MAX], struct errbuf *err)
{
    bool has_type = false;
    for (size_t i = 0; i < count; i++) {
        bool is_type = slice_eq_text(pairs[i].name, "type");
        size_t at = find_param(&grader_kinds[kind], pairs[i].name);
        if (!is_type && at == GRADER_PARAMS_MAX) {
            return err_set(err, ERR_INPUT, "a grader of type %s has no \"%.*s\"",
                           grader_kinds[kind].name, shown(pairs[i].name), pairs[i].name.p);
        }
        if (is_type ? has_type : texts[at].p != NULL) {
            return err_set(err, ERR_INPUT, "%.*s stands twice", shown(pairs[i].name),
                           pairs[i].name.p);
        }
        has_type = has_type || is_type;
        if (!is_type) {
            texts[at] = pairs[i].text.p != NULL ? pairs[i].text : SLICE_LIT("");
        }
    }
    return ERR_NONE;
}

struct grader *grader_new(const struct grader_pair pairs[], size_t count, struct errbuf *err)
{
    struct slice texts[GRADER_PARAMS_MAX] = {SLICE_NONE};
    struct grader *g = NULL;
    size_t kind = 0;

    if (find_kind(pairs, count, &kind, err) != ERR_NONE ||
        sort_pairs(pairs, count, kind, texts, err) != ERR_NONE) {
        return NULL;
    }
    g = x_alloc(sizeof(*g));
    g->kind = (enum grader_kind_id) kind;
    if (read_params(g, texts, err) != ERR_NONE) {
        grader_free(g);
        return NULL;
    }
    return g;
}

/* A string decoded, anything else as it is written. */
static struct slice text_of(struct slice json, bool is_string, struct arena *room)
{
    size_t n = is_string ? span_decode(json, NULL, 0) : json.n;
    char *text = arena_alloc(room, n + 1);
    if (text == NULL) {
        return SLICE_NONE;
    }
    if (is_string) {
        span_decode(json, text, n);
    } else {
        memcpy(text, json.p, n);
    }
    return (struct slice) {text, n};
}

struct grader *grader_of_json(struct slice object, struct errbuf *err)
{
    struct grader_pair pairs[PAIRS_MAX];
    struct span_cursor cursor = {0};
    struct span_value value;
    struct slice key;
    struct grader *g = NULL;
    struct arena room;
    size_t count = 0;

    arena_init(&room, 1024, object.n * 2 + 65536);
    while (count < PAIRS_MAX && span_next(object, &cursor, &key, &value)) {
        pairs[count].name = text_of(key, true, &room);
        pairs[count].text = text_of(value.text, value.type == SPAN_STRING, &room);
        count++;
    }
    if (arena_is_sour(&room)) {
        err_set(err, ERR_NOMEM, "no memory for the grader");
    } else if (count == PAIRS_MAX) {
        err_set(err, ERR_INPUT, "a grader has at most %d members", PAIRS_MAX - 1);
    } else {
        g = grader_new(pairs, count, err);
    }
    arena_fini(&room);
    return g;
}

void grader_free(struct grader *g)
{
    if (g == NULL) {
        return;
    }
    if (g->kind == GRADER_REGEX && g->is_set[GRADER_AT_PATTERN]) {
        regfree(&g->regex);
    }
    free(g->schema);
    free(g);
}

bool grader_needs_ideal(const struct grader *g)
{
    bool has_pattern = g->kind == GRADER_REGEX && g->is_set[GRADER_AT_PATTERN];
    return g->kind != GRADER_JSON_SCHEMA && !has_pattern;
}

uint64_t grader_version(const struct grader *g)
{
    return g->version;
}
