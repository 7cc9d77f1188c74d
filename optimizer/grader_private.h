/* What the files of `grader` share: the parsed form, and a function a kind. */
#ifndef OPTIMIZER_GRADER_PRIVATE_H
#define OPTIMIZER_GRADER_PRIVATE_H

#include "cache/arena.h"
#include "optimizer/grader.h"

#include <regex.h>

/* The same order as grader_kinds. */
enum grader_kind_id {
    GRADER_EXACT,
    GRADER_NORMALISED,
    GRADER_INCLUDES,
    GRADER_STARTSWITH,
    GRADER_REGEX,
    GRADER_NUMERIC,
    GRADER_CHOICE,
    GRADER_BOXED,
    GRADER_JSON,
    GRADER_JSON_SCHEMA,
    GRADER_STRING_CHECK,
    GRADER_TEXT_SIMILARITY
};

/* The places of parameters in their kind's table. */
enum {
    GRADER_AT_IGNORE_CASE = 0, /* includes, startswith, regex */
    GRADER_AT_WHOLE_WORDS = 1, /* includes, startswith */
    GRADER_AT_PATTERN = 1,
    GRADER_AT_ABSOLUTE = 0,
    GRADER_AT_RELATIVE = 1,
    GRADER_AT_SCHEMA = 0,
    GRADER_AT_OPERATION = 0,
    GRADER_AT_METRIC = 0,
    GRADER_AT_PASS = 1
};

/* In the order of the parameters' words. */
enum grader_operation { GRADER_EQ, GRADER_NE, GRADER_LIKE, GRADER_ILIKE };
enum grader_metric { GRADER_FUZZY, GRADER_GLEU, GRADER_ROUGE_L, GRADER_ROUGE_1 };

struct grader {
    enum grader_kind_id kind;
    uint64_t version;
    bool is_set[GRADER_PARAMS_MAX];
    double values[GRADER_PARAMS_MAX]; /* true is 1; of a word its place among the words */
    regex_t regex;                    /* when the pattern is set */
    char *schema;                     /* in normal form; NULL: another kind */
};

static inline struct grade grader_verdict(bool is_right)
{
    return (struct grade) {is_right ? 1.0 : 0.0, is_right ? GRADE_RIGHT : GRADE_WRONG};
}

static inline struct grade grader_none(enum grade_reason reason)
{
    return (struct grade) {0.0, reason};
}

/* ---- kinds: `text` visible and not empty, `ideal` trimmed and not empty ---- */

struct grade grader_normalised(struct slice text, struct slice ideal, struct arena *room);
/* The ideal is at `text`'s beginning, or anywhere in it. */
struct grade grader_contains(struct slice text, struct slice ideal, bool at_begin, bool ignore_case,
                             bool whole_words, struct arena *room);
struct grade grader_regex(const struct grader *g, struct slice text, struct slice ideal,
                          struct arena *room);
/* False with words: no pattern. */
bool grader_regex_compile(regex_t *out, const char *pattern, bool ignore_case, struct errbuf *err);
struct grade grader_similar(const struct grader *g, struct slice text, struct slice ideal);

/* The schema in normal form, to be freed. NULL with words: no JSON, or a keyword or value that is not
 * understood, as a schema that is judged in part judges wrongly. */
char *grader_schema_new(struct slice text, struct errbuf *err);
struct grade grader_schema(const char *schema, struct slice text, struct arena *room);

#endif
