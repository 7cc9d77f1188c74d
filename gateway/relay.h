/* Runs a generation request (chat, completions, embeddings) through a job and hands its answer to the
 * client: the sink of the job, the limits of the API key, the heartbeat, ids and usage as the client
 * must see them. */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include "gateway/exchange.h"

/* As handler members: start parses, admits, routes and starts the job. */
void relay_start(struct exchange *x);
void relay_drained(struct exchange *x);
void relay_stop(struct exchange *x, enum end_reason reason);
void relay_release(struct exchange *x);

#endif
