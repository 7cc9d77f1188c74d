/*
 * Tool calls of a simulated model: it calls a weather tool when asked about the weather, and
 * whatever tool it must call when tool_choice leaves it no choice.
 */
#ifndef SIM_TOOLS_H
#define SIM_TOOLS_H

#include "tests/sim/ask.h"
#include "tests/sim/reply.h"

#include <stdbool.h>
#include <stdint.h>

/* True when the answer to a must be tool calls. always: call whenever the request has tools or
 * not. */
bool tools_wanted(const struct ask *a, bool always);

/* Adds one call to c, or two when the user's text says "and" and parallel calls are allowed. Ids
 * come from h. */
void tools_call(struct choice *c, const struct ask *a, uint64_t h);

#endif
