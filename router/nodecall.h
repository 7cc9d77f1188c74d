/* What a node is asked: the request's body with the members that a node needs otherwise. One table in
 * code, one test per row.
 *
 *                          output node                    every other node (a select, too)
 *   model                  the upstream's id              the same
 *   stream                 true                           true
 *   stream_options         include_usage                  include_usage alone
 *   messages               as sent, with instruction      the same
 *                          and frame
 *   temperature, top_p     the graph's, else as sent      the graph's, else the task's
 *   penalties, logit_bias  as sent                        not sent
 *   seed                   as sent                        the ask's
 *   max_tokens             as sent, spelt for the model   the ask's cap, spelt for the model
 *   response_format        as sent                        as sent if the text may be delivered verbatim
 *   n                      as sent                        not sent
 *   tools, tool_choice,    as sent                        not sent
 *   functions and _call
 *   reasoning_effort       as sent                        as sent, as are the task's `pass:` members
 *   all else               as sent                        not sent
 *
 * The output of a graph of one node is asked what the client asked, stream or not. */
#ifndef ROUTER_NODECALL_H
#define ROUTER_NODECALL_H

#include "cache/arena.h"
#include "cache/splice.h"
#include "router/model.h"
#include "router/request.h"

struct nodecall {
    const struct slice *pieces; /* in `room`, as what they point at */
    size_t count;
    const char *path; /* of the upstream's API */
    bool stream;
    uint64_t choices; /* asked for: n; an inner node gives one answer */
};

/* What a graph of several nodes asks of one of them. Borrowed: outlives the call. */
struct node_ask {
    bool is_output;      /* llm or assistant, whose answer streams to the client */
    bool is_deliverable; /* not the output, but its text may be delivered verbatim */
    double temperature;  /* NAN: the output gets the client's, another none */
    double top_p;        /* as temperature */
    uint32_t max_tokens; /* of an inner node */
    uint32_t seed;       /* of an inner node */
    /* Further members of the request, of an inner node; NULL-terminated or NULL. Those that have a row of
     * their own are left out. */
    const char *const *pass;
    /* Plain text in front of the first system message's text, or, where there is none, a message in front;
     * for models with no_system in front of the last user message's text. Empty: none. */
    struct slice instruction;
    /* Plain text behind the last user message's text. Empty: none. Both go inside a string, or are one
     * more text part of an array; an empty line separates them from what is there. */
    struct slice frame;
};

/* Whether a task's `pass` may name this member: it has no row of its own. */
bool nodecall_may_pass(const char *name);

/* The call of a node. `ask` NULL: of a graph of one node: `model` becomes the upstream's id; a stream asks
 * for usage; max_tokens is spelt as the model wants it; all else is the client's bytes. Pieces point into
 * the request's body and into `room`, which holds what is new: little more than the ask's two texts.
 * ERR_NOMEM. ERR_INPUT: there is an ask whose frame, or whose instruction for a model with no_system, has
 * no last user message with text or parts to go into. ERR_USE: an ask, but no chat request. */
enum err nodecall_build(const struct request *r, const struct node_ask *ask,
                        const struct model_def *model, struct arena *room,
                        struct nodecall *out) MUST_CHECK;

#endif
