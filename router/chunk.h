/* One event of an upstream's stream, or its whole JSON reply, understood just as far as needed: the
 * spans that we replace, the facts that decide (content? finished? an error?), the tokens used. */
#ifndef ROUTER_CHUNK_H
#define ROUTER_CHUNK_H

#include "cache/base.h"
#include "cache/record.h"
#include "cache/span.h"

struct chunk {
    struct slice json; /* the whole text; borrowed */
    struct span_value id;
    struct span_value model;
    struct span_value usage; /* absent, null or an object */
    struct span_value
        error; /* absent where the upstream sent null; of {"object": "error"} that word */
    struct span_value choices;
    bool has_choices; /* at least one element */
    /* First of content, reasoning, refusal, tool call or finish_reason with something in it: what the
     * commit of a stream waits for. Text of /v1/completions counts as content. */
    bool has_content;
    /* Bit i: choice index i (0..31) is in this event. Where it is absent its place in the array counts;
     * one above 31 is passed over. */
    unsigned choices_seen;
    unsigned choices_finished;
    bool has_tool_calls;
    struct token_usage tokens;
};

/* Parses one stream event's data (not `[DONE]`). ERR_INPUT when it is no JSON object or its parts have
 * the wrong type; the text says which. Where there is an error nothing else is looked at. */
enum err chunk_parse(struct slice json, enum endpoint endpoint, struct chunk *out,
                     struct errbuf *err) MUST_CHECK;

/* Parses a whole JSON reply (`choices[].message`, `data[]` of embeddings): an object with a non-empty
 * array `choices` (or `data`) or an `error`. */
enum err chunk_parse_reply(struct slice json, enum endpoint endpoint, struct chunk *out,
                           struct errbuf *err) MUST_CHECK;

/* What /v1 errors carry. Raw JSON values, empty where the upstream sent none. */
struct chunk_error {
    struct slice message; /* JSON string, quotes included */
    struct slice type;
    struct slice param;
    struct slice code;
};

/* Reads {"error": {…}} or {"error": "text"} from a reply's body, also as the only element of an array
 * (Gemini), and {"object": "error", "message": …} (vLLM); false when it is none of them. */
bool chunk_error(struct slice json, struct chunk_error *out);

/* Tool-call deltas of some servers carry no `index`, or always 0, and differ only by `id`. The mender
 * gives each new id of a choice its own index and keeps it for the fragments that follow; a stream that
 * numbers its calls is left as it is. State of one stream: zeroed at its start, and allocates nothing
 * before the first tool call. At most 64 calls a choice and 256 a stream, further ones pass as they are. */
struct chunk_call;
struct chunk_mender {
    struct chunk_call *calls; /* used last first */
    unsigned count;
    unsigned room;
};

void chunk_mender_fini(struct chunk_mender *m); /* zeroes it too: ready for another stream */

/* Appends to `edits` (of c->json) the replacements that `c` needs; none unless c->has_tool_calls. Their
 * strings live in `room`. ERR_NOMEM, ERR_LIMIT: too many edits. */
struct splice;
struct arena;
enum err chunk_mend(struct chunk_mender *m, const struct chunk *c, struct splice *edits,
                    struct arena *room) MUST_CHECK;

#endif
