/* One value of the file into one member of a struct, as the table of keys says. No words about it:
 * whoever walks the file knows the place. */
#ifndef GATEWAY_CONFIG_STORE_H
#define GATEWAY_CONFIG_STORE_H

#include "cache/arena.h"
#include "gateway/config_keys.h"
#include "gateway/config_yaml.h"

/* Where a value goes. */
struct config_slot {
    void *at;            /* a member of the type that the key's type asks for */
    struct arena *arena; /* of the texts; goes sour when memory is gone */
    const char *file;    /* relative paths begin at its directory */
};

/* A key with a single value. False: the node is not what the key expects; `*why` is then words to add, or
 * NULL. */
bool config_store(const struct config_slot *slot, const struct config_key *key,
                  const struct config_node *node, const char **why);

/* The word of the key's `words` that stands there, or NULL. */
const struct config_word *config_store_word(const struct config_key *key,
                                            const struct config_node *node);
/* Is it one of the texts that KEY_ORIGINS, KEY_CLIENT_NAMES, KEY_NAMES or KEY_TEXTS lists? */
bool config_store_is_item(const struct config_key *key, const struct config_node *node);

#endif
