/* Graders: how right an answer is, from 0 to 1. Here are those that need no model and no child process.
 * Names and meanings follow OpenAI's graders and OpenAI evals where those have the kind.
 *
 * Every kind sees the visible text only: <think>…</think> and outer white space are cut, of the ideals
 * outer white space. Of several ideals the best score counts. An empty ideal is none. A grader is
 * immutable and may be used by threads at once; grading takes no more memory than the texts justify. */
#ifndef OPTIMIZER_GRADER_H
#define OPTIMIZER_GRADER_H

#include "cache/base.h"

enum {
    GRADER_PARAMS_MAX = 4,
    GRADER_PATTERN_BYTES_MAX = 4096,
    GRADER_SCHEMA_BYTES_MAX = 65536,
    GRADER_TEXT_BYTES_MAX = 1 << 20, /* of an answer; a longer one is GRADE_TOO_LONG */
    GRADER_SIMILAR_BYTES_MAX = 16384 /* the same for text_similarity, of the ideal too */
};

/* How a parameter's text is read. */
enum grader_param_type {
    GRADER_PARAM_BOOL,   /* true or false */
    GRADER_PARAM_NUMBER, /* not negative */
    GRADER_PARAM_SHARE,  /* 0 to 1 */
    GRADER_PARAM_WORD,   /* one of `words` */
    GRADER_PARAM_REGEX,  /* POSIX ERE */
    GRADER_PARAM_SCHEMA  /* JSON */
};

struct grader_param {
    const char *name; /* NULL behind the last */
    enum grader_param_type type;
    bool is_required;
    const char *default_text; /* NULL: none */
    const char *words;        /* GRADER_PARAM_WORD: with a blank between them */
    const char *help;
};

struct grader_kind {
    const char *name;
    const char *help;
    struct grader_param params[GRADER_PARAMS_MAX + 1];
};

/* The kinds there are, for messages and manuals. */
enum { GRADER_KINDS = 12 };
extern const struct grader_kind grader_kinds[GRADER_KINDS];

struct grader;

/* A parameter as it is written: {type: numeric, absolute: 0.01} are two. */
struct grader_pair {
    struct slice name;
    struct slice text;
};

/* One of the pairs is `type`, the others are that kind's parameters. Copies what it keeps. NULL with
 * words: which name or value is wrong and what there is instead; no memory. */
struct grader *grader_new(const struct grader_pair pairs[], size_t count, struct errbuf *err);
/* The same from a JSON object that span_check accepts; objects and arrays among its values are taken
 * as their JSON text. */
struct grader *grader_of_json(struct slice object, struct errbuf *err);
void grader_free(struct grader *g); /* NULL allowed */

/* False: answers are judged without an ideal (json_schema, regex with a pattern), and items need none. */
bool grader_needs_ideal(const struct grader *g);
/* Of kind and parameters, for the environment's version: equal for graders that grade alike as they were
 * written, whatever the order of the pairs, on every machine. */
uint64_t grader_version(const struct grader *g);

enum grade_reason {
    GRADE_RIGHT,     /* 1 */
    GRADE_PARTLY,    /* between */
    GRADE_WRONG,     /* 0: there is an answer of the kind, another one */
    GRADE_NO_ANSWER, /* 0: empty, or no box, number, letter or JSON in it */
    GRADE_NO_IDEAL,  /* 0, and the item's fault: none, or none that the kind can read */
    GRADE_TOO_LONG,  /* 0: longer than is compared */
    GRADE_NO_MEMORY, /* 0, and nobody's fault: not to be counted */
    GRADE_REASONS
};

struct grade {
    double score;
    enum grade_reason reason;
};

struct grade grader_grade(const struct grader *g, struct slice answer, const struct slice ideals[],
                          size_t count);
/* "right", "no answer", …; static. */
const char *grade_reason_name(enum grade_reason reason);

#endif
