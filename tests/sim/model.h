/*
 * What a model name means. A name is NAME or NAME:key=value,key=value; NAME is looked up in the
 * table of built-in models and of those loaded with --models, the options override its timing and
 * its fault's details. The result of the look-up is a plan: everything that shapes one reply.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "tests/sim/law.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_ID_MAX 256U
#define MODEL_MAX_TOKENS 1000000

/* How a model makes up its answers. */
enum model_kind {
    MODEL_THINKS = 0, /* solves arithmetic with its accuracy, else a canned answer */
    MODEL_ECHOES,     /* repeats the last user message */
    MODEL_CANONICAL,  /* the fixed 60-word text */
    MODEL_LAW         /* answers items by the law; else like MODEL_THINKS */
};

enum fault {
    FAULT_NONE = 0,
    FAULT_429_FIRST,
    FAULT_429,
    FAULT_500_ONCE,
    FAULT_503,
    FAULT_RESET,
    FAULT_SILENT,
    FAULT_CUT,
    FAULT_STALL,
    FAULT_MALFORMED,
    FAULT_NO_DONE,
    FAULT_CONTEXT,
    FAULT_FILTER,
    FAULT_NO_PREFILL,
    FAULT_FLAP,
    FAULT_HTML,
    FAULT_HTML_502,
    FAULT_WRONG_TYPE,
    FAULT_ENDLESS_LINE,
    FAULT_GZIP,
    FAULT_BAD_JSON,
    FAULT_HUGE_HEAD,
    FAULT_BAD_CHUNK,
    FAULT_NO_FINISH,
    FAULT_ERROR_EVENT,
    FAULT_EMPTY,
    FAULT_NO_INDEX,
    FAULT_CRLF,
    FAULT_USAGE_CHOICES,
    FAULT_DRIP,
    FAULT_STATUS
};

/* Times are microseconds. */
struct plan {
    enum model_kind kind;
    enum fault fault;
    double accuracy;             /* 0..1, of MODEL_THINKS, and of MODEL_LAW outside of items */
    const struct law_model *law; /* of MODEL_LAW */
    double law_accuracy;         /* in all tasks instead of the law's; -1: the law's */
    int64_t first_us;            /* until the first token */
    int64_t token_us;            /* between tokens */
    int64_t stall_us;            /* length of FAULT_STALL's silence */
    int64_t down_us;             /* FAULT_FLAP by time, when down_us + up_us > 0 */
    int64_t up_us;
    int64_t drip_us;       /* between the bytes of FAULT_DRIP */
    int64_t down_requests; /* FAULT_FLAP by count */
    int64_t up_requests;
    int64_t tokens;  /* words of the canonical answer */
    int64_t words;   /* mean number of words of MODEL_LAW about an item; 0: the task's */
    int64_t at;      /* token before which a mid-stream fault strikes */
    int64_t status;  /* of FAULT_STATUS */
    int64_t retry_s; /* Retry-After of 429, 503 and FAULT_STATUS; -1: the fault's own */
    bool early;      /* response head and role chunk go out before the wait for the first token */
    bool write_each; /* one write per event also without pacing */
    bool hangup;     /* close the connection after the reply without having announced it */
    bool fin;        /* FAULT_CUT ends with an end of file instead of a reset */
    bool zero;       /* FAULT_NO_INDEX: index 0 in every call instead of none */
    bool policy;     /* FAULT_FILTER: code content_policy_violation instead of content_filter */
};

struct model {
    char *id;
    char *family;
    double params;
    struct plan plan;
};

struct models;

/* The built-in table, and the models of the law. */
struct models *models_new(void);
void models_free(struct models *m);

/* Adds the models of a JSON file: a list of {id, accuracy, first_token_ms, per_token_ms, params,
 * family}; an id that exists is replaced. Returns 0, or -1 with a message in err. */
int models_load(struct models *m, const char *path, char *err, size_t err_len);

/* Resolves a name. False when it names no model or has a bad option. */
bool models_plan(const struct models *m, const char *name, struct plan *out);

size_t models_count(const struct models *m);
const struct model *models_at(const struct models *m, size_t i);

#endif
