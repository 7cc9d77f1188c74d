/*
 * What the simulator has seen: counters in all and per model name, the last request of each name,
 * fault state, and the request log. Only requests to models (POST /v1/...) count; the rest is
 * "other".
 */
#ifndef SIM_STATS_H
#define SIM_STATS_H

#include "tests/sim/calls.h"
#include "tests/sim/faults.h"
#include "tests/sim/http.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum outcome { OUTCOME_COMPLETE = 0, OUTCOME_CANCELLED, OUTCOME_FAULT };

struct counters {
    uint64_t requests;
    uint64_t in_flight;
    uint64_t max_in_flight;
    uint64_t completed;
    uint64_t cancelled;
    uint64_t faults;
    uint64_t prompt_tokens;     /* of completed requests */
    uint64_t completion_tokens; /* sent, whatever the outcome */
};

/* One model name as clients spelt it, options included. Lives until the process ends, so that
 * requests in flight survive a reset. */
struct stats_model {
    char *name;
    struct counters count;
    struct fault_state fault;
    struct http_request *last;
    struct stats_model *next; /* of the same bucket */
};

#define STATS_BUCKETS 256U

struct stats {
    struct counters total;
    uint64_t other;
    int64_t last_cancel_us; /* CLOCK_MONOTONIC */
    size_t n_models;
    struct stats_model *models[STATS_BUCKETS];
    struct stats_model *last; /* whose request came last */
    struct calls calls;
    FILE *log;
};

/* One finished request. */
struct stats_record {
    uint64_t call; /* its number, as stats_begin() gave it */
    const char *id;
    int64_t start_us;
    int64_t first_byte_us; /* 0: none was sent */
    int64_t end_us;
    int64_t tokens_sent;
    int64_t prompt_tokens;
    int64_t completion_tokens;
    int status; /* 0: no head was sent */
    enum outcome outcome;
};

int64_t stats_now_us(void);

void stats_fini(struct stats *s);

/* The entry of a name, made when new; names beyond 4096 share the entry "(others)". */
struct stats_model *stats_model(struct stats *s, const char *name);

/* Keeps req as the last request; takes ownership. */
void stats_keep(struct stats *s, struct stats_model *m, struct http_request *req);

/* Returns the number of the call in s->calls. */
uint64_t stats_begin(struct stats *s, struct stats_model *m, int64_t start_us);
void stats_end(struct stats *s, struct stats_model *m, const struct stats_record *record);

/* Zeroes counters and fault state, forgets the calls; in_flight stays true, max_in_flight restarts from it. */
void stats_reset(struct stats *s);

/* New references. */
json_t *stats_json(const struct stats *s);
json_t *stats_last_json(const struct http_request *req);

/* The last request of a model name, or of all when name is NULL; borrowed, NULL when there was
 * none. */
const struct http_request *stats_last(const struct stats *s, const char *name);

#endif
