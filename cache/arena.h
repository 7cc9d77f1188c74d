/* A bump allocator for memory that dies together: a configuration, a request's small strings.
 *
 * The cap is given at creation. When it or the system's memory is exhausted the arena goes sour:
 * that call and all later ones return NULL and arena_is_sour() says so, hence a caller may do a
 * dozen allocations and look once. The first block is small, later ones double up to 64 KiB.
 * Not thread-safe; owned by whoever embeds it. */
#ifndef CACHE_ARENA_H
#define CACHE_ARENA_H

#include "cache/base.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *at;
    char *end;
    size_t used_bytes; /* handed out by blocks so far, against the cap */
    size_t cap_bytes;
    size_t next_block_bytes;
    bool sour;
};

void arena_init(struct arena *a, size_t first_block_bytes, size_t cap_bytes);
void arena_fini(struct arena *a); /* frees everything; the arena may be initialised again */

void *arena_alloc(struct arena *a, size_t bytes); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t bytes);
char *arena_dup(struct arena *a, const char *text);
struct slice arena_dup_slice(struct arena *a, struct slice s); /* copy, terminated too */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline bool arena_is_sour(const struct arena *a)
{
    return a->sour;
}

#endif
