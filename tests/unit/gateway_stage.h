/* A server in gateway_fixture.h whose handler does nothing by itself: the test holds the exchange and
 * says its replies, in the handler's place. One exchange at a time. */
#ifndef TESTS_UNIT_GATEWAY_STAGE_H
#define TESTS_UNIT_GATEWAY_STAGE_H

#include "tests/unit/gateway_client.h"

struct stage {
    struct gate *gate;
    struct client *client;
    struct exchange *x; /* under way; NULL once released */
    unsigned started, drained, stopped, released;
    enum end_reason stop_reason;
    void (*in_stop)(struct exchange *x); /* what the handler does when it is stopped */
};

static void stage_start(struct exchange *x)
{
    struct stage *s = x->server->owner;
    assert_null(s->x);
    s->x = x;
    s->started++;
}

static void stage_drained(struct exchange *x)
{
    ((struct stage *) x->server->owner)->drained++;
}

static void stage_stop(struct exchange *x, enum end_reason reason)
{
    struct stage *s = x->server->owner;
    s->stopped++;
    s->stop_reason = reason;
    if (s->in_stop) {
        s->in_stop(x);
    }
}

static void stage_release(struct exchange *x)
{
    struct stage *s = x->server->owner;
    s->released++;
    s->x = NULL;
}

/* GET /free and /free/REST; POST /body and /keyed, which needs a key. */
static inline const struct routes *stage_routes(void)
{
    static const struct handler free_one = {.start = stage_start,
                                            .drained = stage_drained,
                                            .stop = stage_stop,
                                            .release = stage_release};
    static const struct handler body = {
        .takes_body = true, .start = stage_start, .stop = stage_stop, .release = stage_release};
    static const struct handler keyed = {.endpoint = ENDPOINT_EMBEDDINGS,
                                         .needs_key = true,
                                         .takes_body = true,
                                         .start = stage_start,
                                         .stop = stage_stop,
                                         .release = stage_release};
    static const struct route_entry entries[] = {
        {HTTP1_GET, "/free", &free_one},
        {HTTP1_GET, "/free/*", &free_one},
        {HTTP1_POST, "/body", &body},
        {HTTP1_POST, "/keyed", &keyed},
    };
    static const struct routes routes = {entries, ARRAY_LEN(entries), "what the stage has"};
    return &routes;
}

static inline struct stage *stage_open(const char *text)
{
    struct stage *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->gate = gate_open_with(text, stage_routes());
    s->gate->server.owner = s;
    s->client = client_open(s->gate);
    return s;
}

static inline void stage_close(struct stage *s)
{
    client_close(s->client);
    gate_close(s->gate);
    assert_null(s->x);
    free(s);
}

/* A request that reaches the handler. */
static inline struct exchange *stage_request(struct stage *s, const char *bytes)
{
    client_say(s->client, bytes);
    assert_non_null(s->x);
    return s->x;
}

/* `headers`: whole lines, or "". */
static inline struct exchange *stage_get(struct stage *s, const char *headers)
{
    char text[1024];
    snprintf(text, sizeof(text), "GET /free HTTP/1.1\r\n" HOST "%s\r\n", headers);
    return stage_request(s, text);
}

static inline void stage_reply(struct stage *s, struct reply *r)
{
    gate_settle(s->gate);
    client_reply(s->client, r);
}

#endif
