/* Which requests run through a graph, and which as one call: what a graph of several nodes cannot do
 * honestly is done by one model, and the answer says so (x-sluice-degraded). Pure. */
#ifndef ROUTER_ELIGIBLE_H
#define ROUTER_ELIGIBLE_H

#include "router/cost.h"
#include "router/request_facts.h"
#include "router/route.h"

/* NULL: the graph runs. Else why it does not, the first of this order that holds, a static word:
 *   completions    the request came through /v1/completions
 *   tools          it carries tools and the task does not say `tools: graph`, or the output, which alone
 *                  is sent them, votes or selects
 *   last_message   its last message is not the user's: a tool's result, a prefill; or has no text and no
 *                  parts that candidates could be added to
 *   choices        n > 1 and the output votes or selects
 *   logprobs, audio    asked for, and the output votes or selects
 *   capability     a node's model lacks one that what it is sent needs: every node's for images, audio and
 *                  system messages, those of texts that the client may get for response_format, the
 *                  output's for tools, logprobs and audio asked for
 *   context        estimated prompt, candidates (as long as their caps) and the node's own cap exceed its
 *                  model's context
 * A single-node graph always runs. */
const char *eligible_reason(const struct request *r, const struct request_facts *facts,
                            const struct task *task, const struct graph *graph);

/* A model whose context the candidates' caps and its own exceed by themselves, so that whatever is asked runs
 * as one call; NULL: there is none. */
const struct model_def *eligible_never(const struct task *task, const struct graph *graph);

/* Who answers a request that runs as one call: the graph's output model if it has the capabilities and
 * the context, else the best model that has them among those that chat and that, their fallbacks included,
 * stay within the task's `data` (of a graph asked for by name under a task without written `data`: within
 * the upstreams of the graph's own models): most parameters, then cheaper, then first named. Where none has
 * them the output model (of a vote: of its predecessor with the most parameters): it is not for us to refuse
 * what its upstream may well do. */
const struct model_def *eligible_model(const struct request *r, const struct request_facts *facts,
                                       const struct route *route, const struct catalog *catalog);

#endif
