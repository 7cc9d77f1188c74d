/* A chat completion put together from its stream: what a JSON client gets of a graph's output node.
 *
 * Of each choice: role, content, reasoning (both spellings) and refusal are joined; tool calls are joined by
 * index; logprobs' arrays are joined; finish_reason is the last one sent; a member that is not known keeps
 * the last value sent. Content is null where there was a tool call, a refusal or audio and no text; a string
 * where only strings came, else an array of parts. Of the top level: id, created, model, system_fingerprint,
 * service_tier and unknown members as first sent (null, "" and 0 do not count); `usage` is the caller's.
 * What only ever was null is null. */
#ifndef ROUTER_ASSEMBLE_H
#define ROUTER_ASSEMBLE_H

#include "router/chunk.h"
#include "router/reply_buffer.h"

struct assemble;

/* `cap_bytes` bounds what is held, with what each member takes; the memory used is at most about twice as
 * much, as buffers double. NULL: no memory. */
struct assemble *assemble_new(size_t cap_bytes);
void assemble_free(struct assemble *a); /* NULL allowed */

/* ERR_LIMIT: more than the cap, or than 32 choices, 64 tool calls of one, or 64 members of an object;
 * ERR_NOMEM. After an error only assemble_free may follow. The events were checked by chunk_parse. */
enum err assemble_chunk(struct assemble *a, const struct chunk *chunk) MUST_CHECK;

/* Appends the whole reply to `out`, or nothing: object chat.completion. `usage_json`: the value of `usage`,
 * empty: none. ERR_LIMIT, ERR_NOMEM as reply_buffer_add. */
enum err assemble_reply(const struct assemble *a, struct slice usage_json,
                        struct reply_buffer *out) MUST_CHECK;

#endif
