/* What a node is asked: the request's body with the members that a node needs otherwise. One table in
 * code, one test per row. */
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
};

/* The call of an output node that gets the client's request: `model` becomes the upstream's id; a
 * stream asks for usage; max_tokens is spelt as the model wants it; all else is the client's bytes.
 * Pieces point into the request's body and into `room`. ERR_NOMEM, ERR_LIMIT. */
enum err nodecall_output(const struct request *r, const struct model_def *model, struct arena *room,
                         struct nodecall *out) MUST_CHECK;

#endif
