/* Chat requests to the server in gateway_fixture.h, and what the scripted upstream answers them. */
#ifndef TESTS_UNIT_GATEWAY_CHAT_H
#define TESTS_UNIT_GATEWAY_CHAT_H

#include "tests/unit/gateway_client.h"

#define CHAT "/v1/chat/completions"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define ASK_JSON "{\"model\":\"m\"," MESSAGES "}"
#define ASK_STREAM "{\"model\":\"m\",\"stream\":true," MESSAGES "}"
#define ANSWER                                                                                     \
    "{\"id\":\"up-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"            \
    "\"assistant\",\"content\":\"Hello\"},\"finish_reason\":\"stop\"}],\"usage\":{"                \
    "\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}"
#define USAGE_EVENT                                                                                \
    "data: {\"id\":\"up-1\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"        \
    "\"completion_tokens\":2,\"total_tokens\":5}}\n\n"

/* The upstream says the head of a stream, without content. */
static inline void upstream_begins(struct gate *g)
{
    script_head(&g->script, 200, STREAM, UINT64_MAX);
    gate_settle(g);
}

static inline enum transfer_flow upstream_says(struct gate *g, const char *events)
{
    enum transfer_flow flow = script_body(&g->script, events);
    gate_settle(g);
    return flow;
}

static inline void upstream_ends(struct gate *g, enum transfer_end how)
{
    script_ends(&g->script, how);
    gate_settle(g);
}

/* A whole JSON reply. */
static inline void upstream_answers(struct gate *g, int status, const char *json)
{
    script_head(&g->script, status, JSON, UINT64_MAX);
    upstream_says(g, json);
    upstream_ends(g, TRANSFER_COMPLETE);
}

static inline void client_chat(struct client *c, const char *ask)
{
    client_post(c, CHAT, "", ask);
}

/* Asks for a stream and gets its first word. The reply's head and what of its body has come is in *r. */
static inline void client_chat_to_word(struct client *c, struct reply *r)
{
    client_chat(c, ASK_STREAM);
    upstream_begins(c->gate);
    upstream_says(c->gate, WORD("one"));
    assert_true(client_take_head(c, r));
    assert_int_equal(r->status, 200);
    assert_false(client_chunks(c, r));
}

#endif
