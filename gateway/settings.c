#include "gateway/settings.h"

#include <stdlib.h>
#include <string.h>

static bool is_learnt(const struct settings *previous, const unsigned char digest[SHA256_BYTES])
{
    return previous && previous->snapshot->classifier &&
           memcmp(previous->examples_digest, digest, SHA256_BYTES) == 0;
}

static enum err learn(struct settings *s, const struct settings_ground *ground, struct errbuf *err)
{
    const struct config_examples *e = s->config->examples;
    struct classify_model *model;
    if (!e) {
        return ERR_NONE;
    }
    classifier_digest(e, s->examples_digest);
    if (is_learnt(ground->previous, s->examples_digest)) {
        model = classify_model_ref(ground->previous->snapshot->classifier);
    } else {
        model = classifier_train(e, ground->env, &s->training, err);
    }
    if (!model) {
        return ERR_NOMEM;
    }
    snapshot_classify_by(s->snapshot, model, e->names);
    classify_model_unref(model);
    config_examples_free(s->config->examples);
    s->config->examples = NULL;
    return ERR_NONE;
}

static void tag(struct settings *s, const struct settings_ground *ground)
{
    struct auth *auth = &s->config->auth;
    auth_tag(auth, ground->install_key);
    for (size_t i = 0; i < auth->count; i++) {
        struct auth_key *key = &auth->keys[i];
        key->ledger = ledger_key(ground->ledger, key->key_tag, &key->limits);
    }
    s->task_tags = x_array(s->snapshot->task_count, sizeof(*s->task_tags));
    for (size_t i = 0; i < s->snapshot->task_count; i++) {
        s->task_tags[i] = crypt_tag(ground->install_key, "task",
                                    slice_of(s->snapshot->tasks[i].name));
    }
}

struct settings *settings_new(struct config *config, const struct settings_ground *ground,
                              struct errbuf *err)
{
    struct catalog *catalog = config->catalog;
    config->catalog = NULL;
    struct settings *s = x_alloc(sizeof(*s));
    s->refs = 1;
    s->config = config;
    s->snapshot = snapshot_new(catalog, ground->ledger, config->timeouts.request_us, ground->number,
                               err);
    if (!s->snapshot || learn(s, ground, err) != ERR_NONE) {
        settings_unref(s);
        return NULL;
    }
    tag(s, ground);
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
