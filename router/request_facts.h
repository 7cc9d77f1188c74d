/* What routing by content and eligibility look at: found by one walk over the messages, and only when
 * asked for, because most requests go straight to a model. */
#ifndef ROUTER_REQUEST_FACTS_H
#define ROUTER_REQUEST_FACTS_H

#include "cache/arena.h"
#include "router/request.h"

enum request_role {
    REQUEST_ROLE_NONE,
    REQUEST_ROLE_SYSTEM,
    REQUEST_ROLE_USER,
    REQUEST_ROLE_ASSISTANT,
    REQUEST_ROLE_TOOL,
    REQUEST_ROLE_OTHER
};

struct request_facts {
    enum request_role last_role; /* of the last message; `developer` counts as system */
    struct span_value
        last_user; /* content of the last user message: a string or an array of parts */
    struct span_value first_system; /* content of the first system (or developer) message */
    bool has_tools;                 /* `tools` or `functions` that are not empty */
    bool has_json_schema;           /* response_format json_schema or json_object */
    bool has_images;                /* in any message */
    bool has_audio;                 /* in any message */
    bool wants_audio;               /* asked for: modalities, audio */
    bool has_logprobs;
    bool has_code; /* ``` in the last user message */
};

/* Of a chat request; of any other all is absent and false. */
void request_facts(const struct request *r, struct request_facts *out);

/* Of a message's member `role`. NONE: it is no string. */
enum request_role request_role_of(const struct span_value *role);

/* The text of a message's content, decoded: the string, or its text parts with a line feed between them.
 * Of a text longer than max_bytes its beginning and its end, half each, cut between characters. Lives in
 * `room`; empty where there is none, or no memory. */
struct slice request_text(const struct span_value *content, struct arena *room, size_t max_bytes);

#endif
