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

enum draft_usage { DRAFT_USAGE_CLIENT, DRAFT_USAGE_SUM };

struct draft_key {
    const struct config_node *node;
    const char *name;
    const char *sha256;
    const char *token_env;
    const char *const *allow; /* NULL: everything */
    struct ledger_key_limits limits;
    enum draft_usage usage;
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

/* An alias and its target, a graph's name and its file. */
struct draft_pair {
    const struct config_node *node; /* the value; node->key is the name */
    const char *name;
    const char *value;
};

enum draft_tools { DRAFT_TOOLS_SINGLE, DRAFT_TOOLS_GRAPH };

struct draft_task {
    const struct config_node *node;
    struct task def;          /* a limit of the budget that is not written is 0 */
    const char *graph;        /* as in KEY_GRAPH */
    const char *examples;     /* a path */
    const char *prompts;      /* a directory */
    const char *eval;         /* a path */
    struct draft_list grader; /* of struct draft_pair */
    const char *const *data;  /* names of upstreams */
    enum draft_tools tools;
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
    struct draft_list graphs;
    struct draft_list tasks;
};

#endif
