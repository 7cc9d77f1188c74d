/* What the files of nodecall share: nodecall.c (the output node's rows), nodecall_inner.c (every other node)
 * and nodecall_messages.c (what both are told besides the client's messages). */
#ifndef ROUTER_NODECALL_PRIVATE_H
#define ROUTER_NODECALL_PRIVATE_H

#include "router/nodecall.h"

/* A call being made: whose text the edits belong to is up to who makes it. */
struct nodecall_draft {
    const struct request *r;
    const struct node_ask *ask; /* NULL: of a graph of one node */
    const struct model_def *model;
    struct arena *room;
    struct splice edits;
};

static inline bool nodecall_wants_new_spelling(const struct model_def *m)
{
    return (m->capabilities & CAPABILITY_MAX_COMPLETION_TOKENS) != 0;
}

/* ---- nodecall_inner.c ---- */

/* A number as JSON; NULL: no memory. */
const char *nodecall_number(double number, struct arena *room);

/* Fills pieces and count. */
enum err nodecall_inner(struct nodecall_draft *c, struct nodecall *out) MUST_CHECK;

/* ---- nodecall_messages.c ---- */

/* `before`, `text` as the inside of a JSON string, `after`; in `room`. */
enum err nodecall_text(struct arena *room, const char *before, struct slice text, const char *after,
                       struct slice *out) MUST_CHECK;

/* Adds the edits for the ask's instruction and frame, at most two; there is an ask, and the edits' text
 * contains the messages. Errors as nodecall_build. */
enum err nodecall_messages(struct nodecall_draft *c) MUST_CHECK;

#endif
