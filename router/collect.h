/* The answer of a node that no client reads: the text of its stream's first choice, gathered up to a cap. */
#ifndef ROUTER_COLLECT_H
#define ROUTER_COLLECT_H

#include "router/chunk.h"
#include "router/reply_buffer.h"

struct collect {
    struct reply_buffer text; /* content, decoded; reasoning is left out */
    bool is_refused;          /* a refusal, or finish_reason content_filter */
    bool has_tool_call;
    bool is_cut;  /* finish_reason length, or the cap was reached */
    bool is_full; /* the cap was reached: no more is taken */
};

void collect_init(struct collect *c, size_t cap_bytes);
void collect_fini(struct collect *c);

/* One event of the stream. ERR_LIMIT: the cap is reached; what fits, whole characters, is kept and is_cut
 * set: the caller ends the call and uses what there is. ERR_NOMEM. */
enum err collect_chunk(struct collect *c, const struct chunk *chunk) MUST_CHECK;

/* The visible text (answer_visible); empty: no answer, as are a refusal and a tool call. Borrowed. */
struct slice collect_answer(const struct collect *c);

#endif
