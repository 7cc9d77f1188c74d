/* What a thread serves by: a configuration and the routing snapshot made of it. Immutable, counted by
 * reference (atomic), replaced whole on reload; an exchange keeps the one it started with. */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "gateway/config.h"
#include "router/snapshot.h"

struct settings {
    unsigned refs;         /* atomic; use the functions */
    struct config *config; /* owned */
    struct snapshot *snapshot;
    uint32_t *task_tags; /* of the snapshot's tasks, in their order: part of request ids */
};

struct ledger;
struct install_key;

/* Takes the configuration, also on failure. Registers its keys and upstreams in the ledger. */
struct settings *settings_new(struct config *config, struct ledger *ledger,
                              const struct install_key *install_key, uint64_t number,
                              struct errbuf *err);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL allowed */

/* `task` is one of the snapshot's. */
static inline uint32_t settings_task_tag(const struct settings *s, const struct task *task)
{
    return s->task_tags[task - s->snapshot->tasks];
}

#endif
