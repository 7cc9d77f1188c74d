/* Texts in the dialect's form that no upstream sent: the answer of a vote, a select or a rescue, and the
 * usage of a graph. Members `id` and `model` are empty strings for the sink to fill.
 *
 * Each function appends one JSON text to `out`: ERR_LIMIT, ERR_NOMEM as reply_buffer_add; then nothing is
 * appended. */
#ifndef ROUTER_DELIVER_H
#define ROUTER_DELIVER_H

#include "router/reply_buffer.h"

struct delivery {
    struct slice text; /* plain */
    bool is_cut;       /* finish_reason length, else stop */
    int64_t created_s;
};

/* The three events of a stream, in order: the role, the content, the finish. */
enum err deliver_role(const struct delivery *d, struct reply_buffer *out) MUST_CHECK;
enum err deliver_content(const struct delivery *d, struct reply_buffer *out) MUST_CHECK;
enum err deliver_finish(const struct delivery *d, struct reply_buffer *out) MUST_CHECK;

/* The whole reply of a JSON client; `usage_json`: the value of `usage`, empty: none. */
enum err deliver_reply(const struct delivery *d, struct slice usage_json,
                       struct reply_buffer *out) MUST_CHECK;

/* What a graph used. */
struct graph_usage {
    uint64_t prompt;     /* as the client sees it: what it sent */
    uint64_t cached;     /* part of it */
    uint64_t completion; /* what it got */
    unsigned calls;      /* over all nodes, from here on: attempts counted */
    uint64_t all_prompt;
    uint64_t all_completion;
    double usd; /* null in the text unless it is finite */
};

/* The value of `usage`: prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details.cached_tokens
 * and sluice: {calls, prompt_tokens, completion_tokens, usd}. */
enum err deliver_usage(const struct graph_usage *u, struct reply_buffer *out) MUST_CHECK;

/* The last event of a stream whose client asked for usage: no choices. */
enum err deliver_usage_event(const struct graph_usage *u, int64_t created_s,
                             struct reply_buffer *out) MUST_CHECK;

#endif
