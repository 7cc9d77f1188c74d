/* The configuration file: YAML to checked values. One table of keys (config_keys) drives loading,
 * cross-checks, `check --defaults` and the manual; every message names file, line, column, key and
 * what was expected. Immutable once loaded. */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include "cache/arena.h"
#include "gateway/auth.h"
#include "gateway/config_examples.h"
#include "gateway/listener.h"
#include "gateway/log.h"
#include "optimizer/grader.h"
#include "router/catalog.h"

struct config_limits {
    size_t body_bytes;   /* of a request, unpacked; also of a whole JSON reply from upstream */
    size_t answer_bytes; /* one event or line of a stream, and events before content */
    size_t stream_buffer_bytes; /* output waiting for a slow client before the upstream is paused */
    unsigned connections;       /* open at once per front; further ones wait in the kernel */
};

struct config_timeouts {
    uint64_t handshake_us;
    uint64_t head_us;       /* first byte to end of a request's head */
    uint64_t body_us;       /* between bytes of a request's body */
    uint64_t keep_alive_us; /* between requests */
    uint64_t send_us;       /* a client that accepts no byte for so long is gone */
    uint64_t request_us;    /* the whole of a request, of tasks without a deadline */
};

/* What a task's graphs are measured by. */
struct config_eval {
    const char *task;
    const char *file;        /* of items */
    const char *grader_text; /* as it is written; NULL: items need their own */
    struct grader *grader;   /* owned; NULL too then */
};

struct config {
    struct arena arena;
    const char *file;
    const char *listen_text;
    struct listener_address listen;
    const char *admin_text; /* NULL: no admin listener */
    struct listener_address admin;
    const char *admin_token; /* secret; NULL: changes by TCP are refused */
    unsigned workers;        /* fronts, >= 1 */
    const char *data;        /* directory; NULL: nothing is remembered */
    const char *tls_cert;    /* NULL: plain */
    const char *tls_key;
    struct auth auth;
    struct config_limits limits;
    struct config_timeouts timeouts;
    uint64_t heartbeat_first_us; /* 0: off */
    uint64_t heartbeat_every_us;
    uint64_t drain_us;
    const char *const *cors; /* origins, NULL-terminated; empty: no CORS */
    bool compress_streams;
    enum log_level log_level;
    const char *log_file; /* NULL: standard error */
    bool log_access;
    struct catalog *catalog; /* taken by the snapshot (then NULL) */
    /* What the classifier learns from; NULL: nothing, or it has been learnt. */
    struct config_examples *examples;
    struct config_eval *evals; /* of the tasks that have a file of items */
    size_t eval_count;
};

/* Messages of a load, in the order of the file: "sluice.yaml:12:5: upstreams[0].url: expected …". */
struct config_report {
    struct arena arena;
    const char **messages;
    size_t count;
};

/* NULL when anything is wrong; the report has every fault found, not only the first (at most 50).
 * Secrets named by *_env keys are read with `getenv_fn` (getenv in the program). */
struct config *config_load(const char *file, const char *(*getenv_fn)(const char *name),
                           struct config_report *report);
/* The same of a text in memory; `file` is what messages call it and where relative paths begin. */
struct config *config_load_text(const char *file, struct slice text,
                                const char *(*getenv_fn)(const char *name),
                                struct config_report *report);
const char *config_getenv(const char *name); /* getenv, in the form that config_load takes */
void config_free(struct config *c); /* NULL allowed; the catalog too where nobody took it */
const struct config_eval *config_eval_of(const struct config *c, const char *task); /* or NULL */
void config_report_fini(struct config_report *r);

#endif
