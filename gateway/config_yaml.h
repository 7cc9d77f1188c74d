/* YAML text to a tree whose every node knows where it stands. The only file that knows libyaml.
 *
 * A configuration needs no more than maps, lists and words, hence anchors, aliases, tags, second
 * documents, keys that are no words and control characters are refused: they are mistakes or attacks
 * (an alias can make a small file huge). Depth and number of values are bounded. */
#ifndef GATEWAY_CONFIG_YAML_H
#define GATEWAY_CONFIG_YAML_H

#include "cache/arena.h"

enum { CONFIG_YAML_DEPTH_MAX = 16, CONFIG_YAML_NODES_MAX = 50000 };

enum config_node_kind { NODE_TEXT, NODE_LIST, NODE_MAP };

struct config_node {
    enum config_node_kind kind;
    unsigned line; /* of its first character, both from 1 */
    unsigned column;
    struct slice text;             /* NODE_TEXT: terminated too, without control bytes, UTF-8 */
    bool is_plain;                 /* NODE_TEXT: stands without quotes */
    const struct config_node *key; /* of a member of a map: a NODE_TEXT; else NULL */
    struct config_node *first;     /* NODE_LIST, NODE_MAP: in the order of the file */
    struct config_node *next;
    size_t count; /* of children */
};

/* Where and why a text was refused. */
struct config_yaml_error {
    unsigned line;
    unsigned column;
    struct errbuf why;
};

/* The root, or NULL with `error` filled. An empty text gives an empty map. Nodes and their texts live
 * in `arena`. */
const struct config_node *config_yaml_parse(struct slice text, struct arena *arena,
                                            struct config_yaml_error *error);

/* The member of a map with this key, or NULL (also for a node that is no map). */
const struct config_node *config_node_member(const struct config_node *map, const char *key);

/* `key:` with nothing behind it, `~` or `null`. */
bool config_node_is_nothing(const struct config_node *node);

#endif
