#include "gateway/settings.h"

#include <stdlib.h>

struct settings *settings_new(struct config *config, struct ledger *ledger,
                              const struct install_key *install_key, uint64_t number,
                              struct errbuf *err)
{
    struct catalog *catalog = config->catalog;
    config->catalog = NULL;
    struct snapshot *snapshot = snapshot_new(catalog, ledger, config->timeouts.request_us, number,
                                             err);
    if (!snapshot) {
        config_free(config);
        return NULL;
    }
    auth_tag(&config->auth, install_key);
    for (size_t i = 0; i < config->auth.count; i++) {
        struct auth_key *key = &config->auth.keys[i];
        key->ledger = ledger_key(ledger, key->key_tag, &key->limits);
    }
    struct settings *s = x_alloc(sizeof(*s));
    s->refs = 1;
    s->config = config;
    s->snapshot = snapshot;
    s->task_tags = x_array(snapshot->task_count, sizeof(*s->task_tags));
    for (size_t i = 0; i < snapshot->task_count; i++) {
        s->task_tags[i] = crypt_tag(install_key, "task", slice_of(snapshot->tasks[i].name));
    }
    return s;
}

struct settings *settings_ref(struct settings *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void settings_unref(struct settings *s)
{
    if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        snapshot_unref(s->snapshot);
        config_free(s->config);
        free(s->task_tags);
        free(s);
    }
}
