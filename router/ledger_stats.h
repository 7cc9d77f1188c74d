/* What the ledger has learnt of models: mean tokens per (task, model, in-degree) and latency per model.
 *
 * Entries are made when a snapshot is published, live as long as the ledger and keep what they know over
 * reloads; noting and reading allocate nothing. Means forget: the weight of what was noted n notes ago is
 * (1 - 1/512)^n once there are many. Latencies are a histogram with buckets of 1/8 octave from 1 ms to
 * 35 minutes whose counts are halved when they reach 4096 together, so quantiles are right within 9 %.
 * Room: under 0.5 KiB for each model, 1.1 KiB for each (task, model) that was ever published. */
#ifndef ROUTER_LEDGER_STATS_H
#define ROUTER_LEDGER_STATS_H

#include "router/ledger.h"

enum {
    LEDGER_IN_DEGREE_MAX = 31,
    LEDGER_LATENCY_LEAST = 20 /* calls, before quantiles are believed */
};

struct ledger_model;  /* latency of one model */
struct ledger_tokens; /* token means of one (task, model), by in-degree */

/* The entry of these names, made when absent. NULL never: memory is x_alloc's, as for upstreams. Only by
 * the thread that publishes. */
struct ledger_model *ledger_model(struct ledger *l, const char *model);
struct ledger_tokens *ledger_tokens(struct ledger *l, const char *task, const char *model);

/* A call that answered: its times from its start. `answer_tokens` 0: not known. */
void ledger_note_latency(struct ledger *l, struct ledger_model *m, uint64_t first_us,
                         uint64_t total_us, uint64_t answer_tokens);
void ledger_note_tokens(struct ledger *l, struct ledger_tokens *t, unsigned in_degree,
                        uint64_t prompt_tokens, uint64_t cached_tokens, uint64_t answer_tokens);

/* A call that is over, as it was: says nothing unless it is complete and the model itself answered it. Its
 * times are those of the last attempt, from its slot on.
 * `has_times`: it was a stream, for else it has no first token, and no reader held it back. */
struct call_record;
void ledger_note_call(struct ledger *l, struct ledger_model *m, struct ledger_tokens *t,
                      unsigned in_degree, bool has_times, const struct call_record *c);

struct ledger_latency {
    uint64_t count;          /* of calls noted since the process began */
    uint64_t p50_us, p95_us; /* of the total; 0 while count < LEDGER_LATENCY_LEAST */
    double first_s;          /* means, 0 while count is 0 */
    double per_token_s;      /* for each of the answers' tokens after the first; 0: none yet */
};
void ledger_latency(struct ledger *l, struct ledger_model *m, struct ledger_latency *out);

struct ledger_token_means {
    uint64_t count; /* 0: the rest is 0 */
    double prompt, cached, answer;
};
void ledger_token_means(struct ledger *l, struct ledger_tokens *t, unsigned in_degree,
                        struct ledger_token_means *out);

#endif
