/*
 * The last calls to models, one record each from its coming to its end: what tests prove streaming
 * and cancellation with. All times are CLOCK_MONOTONIC in microseconds, 0: not (yet).
 */
#ifndef SIM_CALLS_H
#define SIM_CALLS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CALLS_KEPT 8192U

struct call_record {
    const char *model; /* lives as long as the process */
    int64_t start_us;
    int64_t first_token_us;
    int64_t last_token_us;
    int64_t end_us;
    int64_t tokens; /* sent */
    unsigned candidates;
    unsigned candidates_right;
    bool is_select;
    const char *outcome; /* "running", "complete", "cancelled", "fault" */
};

/* Zero-initialised. Call number n is in ring[n % CALLS_KEPT]. */
struct calls {
    struct call_record *ring;
    uint64_t from; /* the first call that is still to be shown */
    uint64_t next;
};

void calls_fini(struct calls *c);

/* Returns the call's number. */
uint64_t calls_begin(struct calls *c, const char *model, int64_t start_us);
/* NULL when it is too long ago, or was before a reset. */
struct call_record *calls_get(struct calls *c, uint64_t number);
/* Running calls are forgotten, too. */
void calls_reset(struct calls *c);

/* {"calls": [...]}, the oldest first, of a model or of all when it is NULL. A new reference. */
json_t *calls_json(const struct calls *c, const char *model);

#endif
