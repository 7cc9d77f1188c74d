/* Where an answer goes. Pull, not push: SINK_FULL asks for a pause until told to resume, SINK_GONE for the
 * end of everything. After a cancel, and after `end`, a sink is never called again. */
#ifndef ROUTER_SINK_H
#define ROUTER_SINK_H

#include "router/chunk.h"
#include "router/failure.h"

enum sink_flow { SINK_OK, SINK_FULL, SINK_GONE };

struct sink_ops {
    /* One event of the answer, complete JSON with the upstream's id and model still in it. */
    enum sink_flow (*chunk)(void *arg, const struct chunk *chunk);
    /* The whole answer of a JSON client. */
    enum sink_flow (*reply)(void *arg, const struct chunk *reply);
    /* Exactly once unless cancelled. `failure` NULL: the answer is complete. */
    void (*end)(void *arg, const struct failure *failure);
};

#endif
