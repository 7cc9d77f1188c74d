/* What the failure of an attempt is, and what it means: for the caller (what may follow), for the
 * ledger (is the upstream well?) and for the client (in whose words?). Nothing here has a state. */
#ifndef ROUTER_ATTEMPT_FAILURE_H
#define ROUTER_ATTEMPT_FAILURE_H

#include "router/attempt.h"

/* One of our own making. `message` is borrowed. */
struct failure attempt_failure_make(enum end_reason reason, int status, const char *message);

/* The exchange ended like this before the answer was whole. */
struct failure attempt_failure_by_end(enum transfer_end end);

/* The provider said so: a body or an event with its error, whose words are kept, unless they repeat
 * `key`, the upstream's own (NULL: none; a short one is a placeholder and no secret). `status` is the
 * reply's. `is_event`: the error is inside a 200, and its code may name the status. Strings live in
 * `room`. */
struct failure attempt_failure_by_provider(struct slice json, int status, bool is_event,
                                           const char *key, struct arena *room);

enum ledger_outcome attempt_failure_outcome(const struct failure *f);

/* Of a failure before the first content. */
enum attempt_advice attempt_failure_advice(const struct failure *f);

#endif
