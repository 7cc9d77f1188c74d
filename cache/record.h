/* What is remembered of a finished request: one struct record, filled by the job and the gateway,
 * turned into an access-log line and metrics by the gateway and, later, stored.
 *
 * Times are microseconds of the monotonic clock, 0 for "did not happen"; `wall_us` alone is wall
 * time. Everything is by value, so that a record can be handed to another thread as it is. */
#ifndef CACHE_RECORD_H
#define CACHE_RECORD_H

#include "cache/base.h"

/* Why something ended. One list for requests, calls and log lines; the first reason wins. */
#define END_REASONS(X)                                                                             \
    X(END_NONE, "none")                                                                            \
    X(END_COMPLETE, "complete")                                                                    \
    X(END_CLIENT_GONE, "client_gone") /* closed, reset, or stopped reading */                      \
    X(END_BAD_REQUEST, "bad_request")                                                              \
    X(END_UNAUTHORIZED, "unauthorized")                                                            \
    X(END_FORBIDDEN, "forbidden")                                                                  \
    X(END_NOT_FOUND, "not_found")                                                                  \
    X(END_TOO_LARGE, "too_large")                                                                  \
    X(END_RATE_LIMITED, "rate_limited") /* one of the API key's own limits */                      \
    X(END_OVERLOADED, "overloaded")     /* no slot of the upstream in time */                      \
    X(END_BREAKER_OPEN, "breaker_open")                                                            \
    X(END_DEADLINE, "deadline")        /* the request's own */                                     \
    X(END_CONNECT, "upstream_connect") /* refused, unreachable, no name, TLS */                    \
    X(END_CONNECT_TIMEOUT, "upstream_connect_timeout")                                             \
    X(END_FIRST_TOKEN_TIMEOUT, "upstream_first_token_timeout")                                     \
    X(END_IDLE_TIMEOUT, "upstream_idle_timeout")                                                   \
    X(END_TOTAL_TIMEOUT, "upstream_total_timeout")                                                 \
    X(END_CUT, "upstream_cut")                  /* ended before it was complete */                 \
    X(END_MALFORMED, "upstream_malformed")      /* not the protocol we asked for */                \
    X(END_UPSTREAM_LIMIT, "upstream_too_large") /* passed a cap of ours */                         \
    X(END_UPSTREAM_STATUS, "upstream_status")   /* an honest HTTP or stream error */               \
    X(END_STRAGGLER, "straggler")               /* a node that others no longer waited for */      \
    X(END_UNWANTED, "unwanted") /* a node whose answer could change nothing any more */            \
    X(END_BUDGET, "budget")     /* a node that would have cost too much */                         \
    X(END_SHUTDOWN, "shutdown") /* `drain` ran out */                                              \
    X(END_INTERNAL, "internal")

enum end_reason {
#define X(name, text) name,
    END_REASONS(X)
#undef X
        END_REASON_COUNT
};

const char *end_reason_text(enum end_reason reason);

enum endpoint {
    ENDPOINT_OTHER = 0, /* models, health, unknown paths */
    ENDPOINT_CHAT,
    ENDPOINT_COMPLETIONS,
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_COUNT
};

const char *endpoint_text(enum endpoint endpoint);

/* What made a request its task's. */
enum task_by {
    TASK_BY_NONE,       /* it has no task */
    TASK_BY_NAME,       /* auto/TASK */
    TASK_BY_HEADER,     /* x-sluice-task */
    TASK_BY_RULE,       /* a rule or a text of the task's `match` */
    TASK_BY_CLASSIFIER, /* the one trained from the tasks' examples */
    TASK_BY_DEFAULT,    /* nothing else */
    TASK_BY_COUNT
};

const char *task_by_text(enum task_by by);

struct token_usage {
    bool known; /* reported by the upstream, not estimated */
    uint64_t prompt;
    uint64_t cached; /* part of prompt */
    uint64_t completion;
};

enum { RECORD_NAME_BYTES = 64, RECORD_ID_BYTES = 64, RECORD_DETAIL_BYTES = 96 };

/* One call of a node: all attempts, fallbacks included. */
struct call_record {
    uint32_t node;
    uint32_t attempts;
    uint32_t fallbacks;
    char model[RECORD_NAME_BYTES]; /* that answered, or was tried last */
    char upstream[RECORD_NAME_BYTES];
    char upstream_id[RECORD_ID_BYTES]; /* the id in the last answer, or of the failed request */
    enum end_reason reason;
    int status;                       /* last HTTP status from the upstream, 0 for none */
    char detail[RECORD_DETAIL_BYTES]; /* what was wrong with the last attempt, for the log */
    uint64_t start_us;
    uint64_t slot_us;       /* the ledger gave a slot */
    uint64_t first_byte_us; /* response head of the last attempt */
    uint64_t first_content_us;
    uint64_t end_us;
    struct token_usage usage;
    double usd;
};

struct record {
    char id[RECORD_ID_BYTES];
    enum endpoint endpoint;
    int status; /* sent to the client */
    bool stream;
    enum end_reason reason;
    char peer[48];                /* the client's address */
    char target[RECORD_ID_BYTES]; /* method and path, cut to fit */
    char key[RECORD_NAME_BYTES];
    char model[RECORD_NAME_BYTES]; /* as the client named it */
    char task[RECORD_NAME_BYTES];
    enum task_by task_by;
    float task_p; /* the classifier's probability of its first choice; 0: it was not asked */
    uint64_t graph_id;
    float propensity;
    char degraded[32];
    int64_t wall_us;
    uint64_t head_us;    /* request head complete */
    uint64_t body_us;    /* request body complete */
    uint64_t route_us;   /* parsed, admitted and routed */
    uint64_t commit_us;  /* status sent to the client */
    uint64_t content_us; /* first content sent to the client */
    uint64_t end_us;
    uint64_t request_bytes;
    uint64_t reply_bytes;
    uint32_t heartbeats;
    uint32_t pauses;          /* times a slow reader paused the upstream */
    struct call_record call;  /* the output node's */
    uint32_t calls;           /* of all nodes, attempts counted */
    struct token_usage usage; /* sum over nodes */
    double usd;               /* sum over nodes */
};

#endif
