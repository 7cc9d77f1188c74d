/* What a thread serves by: a configuration and the routing snapshot made of it. Immutable, counted by
 * reference (atomic), replaced whole on reload; an exchange keeps the one it started with. */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "gateway/classifier.h"
#include "gateway/config.h"
#include "router/snapshot.h"

struct settings {
    unsigned refs;         /* atomic; use the functions */
    struct config *config; /* owned */
    struct snapshot *snapshot;
    uint32_t *task_tags; /* of the snapshot's tasks, in their order: part of request ids */
    /* Of the classifier's training; `classes` 0: there is no classifier, or it was taken over. */
    struct classifier_report training;
    unsigned char examples_digest[SHA256_BYTES]; /* of what it has learnt */
};

struct ledger;

/* What settings are made with. Borrowed for the call. */
struct settings_ground {
    struct ledger *ledger;
    const struct install_key *install_key;
    const struct env *env;
    const struct settings
        *previous;   /* its classifier is taken over where the examples are the same; NULL:
                                        there are none */
    uint64_t number; /* of the snapshot */
};

/* Takes the configuration, also on failure. Registers its keys and upstreams in the ledger, and trains the
 * classifier of its tasks, which takes a millisecond or two an example; the examples are freed. */
struct settings *settings_new(struct config *config, const struct settings_ground *ground,
                              struct errbuf *err);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL allowed */

/* `task` is one of the snapshot's. */
static inline uint32_t settings_task_tag(const struct settings *s, const struct task *task)
{
    return s->task_tags[task - s->snapshot->tasks];
}

#endif
