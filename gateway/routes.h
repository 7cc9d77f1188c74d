/* Which handler serves a path. Paths are matched with or without /v1 in front and with or without a
 * trailing slash, because applications' base URLs differ in both. */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include "gateway/http1.h"
#include "cache/record.h"

struct exchange;

struct handler {
    enum endpoint endpoint;
    bool needs_key;  /* an API key, or the admin's token for what changes things */
    bool takes_body; /* else a body is read and dropped */
    /* The request is whole. Must lead to one complete reply, now or later. */
    void (*start)(struct exchange *x);
    /* Output has drained after reply functions said SINK_FULL. NULL: never says so. */
    void (*drained)(struct exchange *x);
    /* The client has left, or (`shutdown`) time is up: stop working for it. NULL: nothing to stop. */
    void (*stop)(struct exchange *x, enum end_reason reason);
    /* The exchange ends: free x->state and complete the record. Called once, outside other callbacks. */
    void (*release)(struct exchange *x);
};

struct route_entry {
    enum http1_method method;
    const char *path; /* "/chat/completions"; a trailing '*' takes the rest */
    const struct handler *handler;
};

struct routes {
    const struct route_entry *entries;
    size_t count;
    const char *served; /* what a 404 names */
};

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/* `*rest` is what '*' took. For ROUTE_NO_METHOD, *entry is one that has the path. HEAD finds GET. */
enum route_match routes_find(const struct routes *r, enum http1_method method, struct slice path,
                             const struct route_entry **entry, struct slice *rest);

/* "GET, HEAD, OPTIONS" for a path, for the Allow header. */
void routes_allow(const struct routes *r, struct slice path, char *out, size_t cap);

const struct routes *routes_public(void);

#endif
