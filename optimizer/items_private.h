/* What items.c, the file and the set, and items_line.c, a line, share. */
#ifndef OPTIMIZER_ITEMS_PRIVATE_H
#define OPTIMIZER_ITEMS_PRIVATE_H

#include "cache/arena.h"
#include "optimizer/items.h"

/* Hashes of the lines read so far, those that are not kept too. */
struct items_names {
    uint64_t *all;
    size_t room; /* a power of two */
    size_t count;
};

struct items_keep {
    struct items items;
    struct items_options options;
    struct arena texts;
    size_t room; /* of items.all */
    uint64_t line;
    struct items_names names;
};

/* ERR_INPUT: it is there. ERR_NOMEM. `hash` is not 0. */
enum err items_names_add(struct items_names *names, uint64_t hash);

/* Reads a line; the item's texts go to `k->texts` if its split is wanted. ERR_INPUT with words: no item.
 * ERR_LIMIT: no room left. ERR_NOMEM. On ERR_NONE the item's grader is the caller's. */
enum err items_line(struct items_keep *k, struct slice line, struct eval_item *out,
                    struct errbuf *why) MUST_CHECK;

#endif
