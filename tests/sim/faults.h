/*
 * The faults that a model name selects. A fault either takes the place of the reply
 * (faults_refuse), or it bends the stream or the JSON document of a reply that was generated as
 * usual.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "tests/sim/model.h"
#include "tests/sim/script.h"

#include <stdbool.h>
#include <stdint.h>

/* What a fault remembers between requests, one for each distinct model name; zeroed by POST
 * /sim/reset. */
struct fault_state {
    uint64_t requests; /* before this one */
    int64_t first_us;  /* when the first came, CLOCK_MONOTONIC */
};

/* Writes the whole script when the fault answers instead of the model: errors, resets, silence,
 * HTML, nothing. prefilled: the request's last message is from the assistant. False when the
 * model answers. */
bool faults_refuse(struct script *s, const struct plan *p, const struct fault_state *state,
                   bool prefilled, bool stream, int64_t now_us);

/* Sets the flags of r that deviating events need, before anything is rendered. */
void faults_prepare(struct reply *r, const struct plan *p);

/* Writes the whole script of a stream or of a document whose head or body as a whole is bent.
 * False: not this fault. */
bool faults_stream(struct script *s, struct reply *r, const struct plan *p);
bool faults_json(struct script *s, const struct buf *body, const struct plan *p);

/* Writes what happens in the middle of a stream, before token p->at. True when the reply ends
 * there. */
bool faults_middle(struct script *s, struct reply *r, const struct plan *p);

#endif
