/* What the ledger is made of; private to router/ledger*.c. */
#ifndef ROUTER_LEDGER_STATE_H
#define ROUTER_LEDGER_STATE_H

#include "cache/base.h"
#include "cache/mailbox.h"
#include "router/breaker.h"
#include "router/bucket.h"
#include "router/ledger.h"
#include "router/turns.h"

/* uthash's default hash falls through its cases without saying so, which clang refuses. */
#define HASH_FUNCTION(key, length, value) HASH_SAX(key, length, value)
#include <uthash.h>

#include <pthread.h>

struct ledger {
    struct env env;
    pthread_mutex_t lock;                     /* guards everything but the tables */
    struct ledger_upstream *upstreams;        /* all, oldest first */
    struct ledger_upstream *upstream_by_name; /* uthash heads; the publishing thread's own */
    struct ledger_key *key_by_tag;
    struct ledger_model *model_by_name;
    struct ledger_tokens *tokens_by_names;
};

struct ledger_upstream {
    UT_hash_handle hh;
    struct ledger_upstream *prev; /* utlist */
    struct ledger_upstream *next;
    char *name;
    unsigned max_in_flight;
    unsigned queue;
    unsigned in_flight;
    struct turns waiting[LEDGER_CLASS_COUNT];
    struct breaker breaker;
    uint64_t granted;
};

/* Owned by the queue while it waits, then by the mail. */
struct ledger_ticket {
    struct mail mail;
    struct ledger *ledger;
    struct ledger_upstream *upstream;
    struct ledger_asker asker;
    struct turn turn;
    struct ledger_ticket *next; /* in a list of the answered, until it is posted */
    bool is_answered;
    bool is_withdrawn; /* after it was answered; only the asker's thread looks */
    enum ledger_answer answer;
    uint64_t retry_us;
};

struct ledger_key {
    UT_hash_handle hh;
    uint32_t tag;
    unsigned max_in_flight; /* 0: no limit */
    unsigned in_flight;
    struct bucket requests;
    struct bucket tokens;
};

void ledger_stats_fini(struct ledger *l); /* frees the entries of ledger_stats.c */

#endif
