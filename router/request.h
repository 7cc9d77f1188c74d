/* A client's request, understood just as far as needed: the strict scanner's spans of the members that
 * routing and the node table look at. The body exists once; nodes read slices of it. */
#ifndef ROUTER_REQUEST_H
#define ROUTER_REQUEST_H

#include "cache/base.h"
#include "cache/crypt.h"
#include "cache/record.h"
#include "cache/span.h"

/* The bytes of a request body, counted by reference within one thread: an abandoned call that drains
 * still sends from it after its job has ended. */
struct reqbody {
    unsigned refs;
    size_t length;
    char bytes[];
};

/* Room for `length` bytes, to be filled by the caller; NULL: no memory. */
struct reqbody *reqbody_new(size_t length);
/* Moves the bytes to larger room, as realloc does; `length` stays. Only while refs is 1. NULL: no memory, and
 * the old body still stands. */
struct reqbody *reqbody_grow(struct reqbody *b, size_t room);
struct reqbody *reqbody_ref(struct reqbody *b);
void reqbody_unref(struct reqbody *b); /* NULL allowed */

/* Assumed for an answer without a cap, when tokens are estimated. */
enum { REQUEST_ANSWER_TOKENS = 512 };

struct request {
    enum endpoint endpoint;
    struct reqbody *body; /* one reference is the request's */
    struct slice json;    /* the body as a text, white space around it included */
    struct slice object;  /* from the opening brace to the closing one */

    struct span_value model;
    struct span_value models; /* of any type: more models, to upstreams that route themselves */
    struct span_value stream;
    struct span_value stream_options;
    struct span_value messages; /* chat */
    struct span_value input;    /* embeddings; prompt of completions */
    struct span_value max_tokens;
    struct span_value max_completion_tokens;
    struct span_value n;
    struct span_value temperature; /* from here to `audio`: chat, of any type */
    struct span_value top_p;
    struct span_value response_format;
    struct span_value reasoning_effort;
    struct span_value logprobs;
    struct span_value functions;
    struct span_value modalities;
    struct span_value audio;
    struct span_value tools;
    struct span_value user;
    struct span_value safety_identifier;
    struct span_value prompt_cache_key;

    struct slice model_name; /* decoded; lives in `room` */
    bool is_stream;
    bool wants_usage; /* stream_options.include_usage */
    uint64_t choices; /* n; 1 when absent */

    /* Estimates of ~4 bytes a token. */
    uint64_t prompt_tokens;    /* messages or input, the bytes of data: URLs left out */
    uint64_t tools_tokens;     /* of `tools`, which are part of the upstream's prompt */
    uint64_t answer_tokens;    /* of one choice: its cap or a default; at most 2^32-1 */
    uint64_t estimated_tokens; /* prompt, tools and the answers of all choices; at most 2^32-1 */
};

struct arena;

/* Takes over the caller's reference of `body` (NULL: an empty body), also on failure; request_fini gives
 * it back. On ERR_INPUT `err` says what is wrong and where (byte offset), and *param names the member at
 * fault or is NULL: a 400. ERR_NOMEM. */
enum err request_parse(struct request *r, enum endpoint endpoint, struct reqbody *body,
                       struct arena *room, const char **param, struct errbuf *err) MUST_CHECK;
void request_fini(struct request *r); /* a zeroed one too */

/* The conversation's keyed hash, the unit of experiments: the API key with the first
 * present of `session` (x-sluice-session), prompt_cache_key, safety_identifier or user with the first
 * user message, the first user message. */
uint64_t request_unit(const struct request *r, const struct install_key *key, uint32_t key_tag,
                      struct slice session);

#endif
