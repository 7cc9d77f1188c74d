/* What the file says, before the cross-checks make a configuration of it: names that are not looked up
 * yet, secrets that are not read yet. Lives in one arena and dies when loading ends. */
#ifndef GATEWAY_CONFIG_DRAFT_H
#define GATEWAY_CONFIG_DRAFT_H

#include "gateway/config.h"
#include "gateway/config_yaml.h"

/* Every item begins with its node, so that a later check can say where. */
struct draft_list {
    void *items;
    size_t count;
};

struct draft_key {
    const struct config_node *node;
    const char *name;
    const char *sha256;
    const char *token_env;
    const char *const *allow; /* NULL: everything */
    struct ledger_key_limits limits;
};

struct draft_upstream {
    const struct config_node *node;
    struct upstream_def def;
    const char *key_env;
    const char *key_file;
};

struct draft_model {
    const struct config_node *node;
    struct model_def def;
    const char *upstream;
    const char *fallback;
};

struct draft_alias {
    const struct config_node *node; /* the target; node->key is the alias */
    const char *name;
    const char *target;
};

enum draft_compress { DRAFT_COMPRESS_JSON, DRAFT_COMPRESS_STREAMS };

struct draft {
    struct arena arena;
    const struct config_node *root;
    const char *admin_token_env;
    enum draft_compress compress;
    struct draft_list keys;
    struct draft_list upstreams;
    struct draft_list models;
    struct draft_list aliases;
};

#endif
