/* Upstreams and models as configured: immutable facts, owned by a catalog. */
#ifndef ROUTER_MODEL_H
#define ROUTER_MODEL_H

#include "cache/base.h"

struct ledger_upstream;
struct ledger_model;

/* All in microseconds; the deadline of the request cuts each of them short. */
struct upstream_timeouts {
    uint64_t connect_us;     /* name, TCP and TLS */
    uint64_t first_token_us; /* from the request sent to the first content */
    uint64_t idle_us;        /* between bytes after that */
    uint64_t total_us;       /* one attempt */
};

enum on_abandon {
    ON_ABANDON_ABORT, /* close the connection: most servers stop generating */
    ON_ABANDON_DRAIN, /* read the rest and throw it away: for servers that crash on a cut */
};

struct upstream_def {
    const char *name;
    const char *url; /* http://host:port/v1, no trailing slash */
    const char *key; /* secret sent as Bearer; NULL: none. Never logged */
    const char *ca;  /* file of CA certificates; NULL: the system's */
    unsigned max_in_flight;
    unsigned queue; /* callers that may wait for a slot */
    struct upstream_timeouts timeouts;
    unsigned retries; /* further attempts after the first */
    enum on_abandon on_abandon;
    size_t index;                   /* in the catalog */
    struct ledger_upstream *ledger; /* set when a snapshot is made; lives as long as the process */
};

enum capability {
    CAPABILITY_TOOLS = 1u << 0,
    CAPABILITY_VISION = 1u << 1,
    CAPABILITY_AUDIO = 1u << 2,
    CAPABILITY_JSON_SCHEMA = 1u << 3,
    CAPABILITY_LOGPROBS = 1u << 4,
    CAPABILITY_NO_SYSTEM = 1u << 5, /* lacks: refuses system messages */
    CAPABILITY_EMBEDDINGS = 1u << 6,
    CAPABILITY_MAX_COMPLETION_TOKENS = 1u << 7, /* wants this spelling of max_tokens */
};

struct model_def {
    const char *name; /* what clients and graphs say */
    const char *id;   /* what the upstream is told */
    const struct upstream_def *upstream;
    const struct model_def *fallback; /* tried when this one fails before content; NULL: none */
    double params;                    /* count; 0: unknown */
    unsigned layers;
    unsigned hidden;
    uint64_t context;      /* tokens; 0: unknown */
    unsigned capabilities; /* of enum capability */
    double usd_per_mtok_input;
    double usd_per_mtok_cached;
    double usd_per_mtok_output;
    uint64_t first_token_us;     /* what is expected before anything was measured; 0: not known */
    uint64_t token_us;           /* and of each further token */
    size_t index;                /* in the catalog */
    struct ledger_model *ledger; /* set when a snapshot is made; lives as long as the process */
};

/* Has the configuration said how fast it is? */
static inline bool model_has_speed(const struct model_def *m)
{
    return m->first_token_us > 0 && m->token_us > 0;
}

/* One that only makes embeddings cannot. */
static inline bool model_can_chat(const struct model_def *m)
{
    return m->capabilities != CAPABILITY_EMBEDDINGS;
}

/* Has more parameters, or as many and is the cheaper. */
bool model_is_better(const struct model_def *a, const struct model_def *b);

/* Dollars for one call's tokens. Cached prompt tokens are charged at their own price. */
struct token_usage;
double model_usd(const struct model_def *m, const struct token_usage *usage);

#endif
