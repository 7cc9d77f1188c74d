#include "cache/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MAX_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *older;
    max_align_t memory[];
};

void arena_init(struct arena *a, size_t first_block_bytes, size_t cap_bytes)
{
    *a = (struct arena) {.next_block_bytes = first_block_bytes, .cap_bytes = cap_bytes};
}

void arena_fini(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *older = a->blocks->older;
        free(a->blocks);
        a->blocks = older;
    }
    *a = (struct arena) {0};
}

/* A block for at least `bytes`; what is left of the old one is given up. */
static bool add_block(struct arena *a, size_t bytes)
{
    size_t size = a->next_block_bytes > bytes ? a->next_block_bytes : bytes;
    size_t left = a->cap_bytes - a->used_bytes;
    if (size > left) {
        size = bytes; /* the cap counts blocks, so the last one is cut to what is asked */
    }
    bool fits = size <= left && size <= SIZE_MAX - sizeof(struct arena_block);
    struct arena_block *block = fits ? malloc(sizeof(*block) + size) : NULL;
    if (!block) {
        a->sour = true;
        return false;
    }
    block->older = a->blocks;
    a->blocks = block;
    a->at = (char *) block->memory;
    a->end = a->at + size;
    a->used_bytes += size;
    if (a->next_block_bytes < BLOCK_MAX_BYTES) {
        a->next_block_bytes *= 2;
    }
    return true;
}

static void *take(struct arena *a, size_t bytes)
{
    const size_t align = _Alignof(max_align_t);
    if (bytes > SIZE_MAX - align) {
        a->sour = true;
    }
    if (a->sour) {
        return NULL;
    }
    size_t rounded = bytes == 0 ? align : (bytes + align - 1) / align * align;
    if ((size_t) (a->end - a->at) < rounded && !add_block(a, rounded)) {
        return NULL;
    }
    void *p = a->at;
    a->at += rounded;
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    void *p = take(a, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t bytes)
{
    if (bytes > 0 && count > SIZE_MAX / bytes) {
        a->sour = true;
        return NULL;
    }
    return arena_alloc(a, count * bytes);
}

struct slice arena_dup_slice(struct arena *a, struct slice s)
{
    char *copy = take(a, s.n < SIZE_MAX ? s.n + 1 : SIZE_MAX);
    if (!copy) {
        return SLICE_NONE;
    }
    if (s.n > 0) {
        memcpy(copy, s.p, s.n);
    }
    copy[s.n] = '\0';
    return (struct slice) {copy, s.n};
}

char *arena_dup(struct arena *a, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = take(a, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = take(a, n >= 0 ? (size_t) n + 1 : SIZE_MAX); /* what has no text is sour too */
    if (text) {
        va_start(args, fmt);
        vsnprintf(text, (size_t) n + 1, fmt, args);
        va_end(args);
    }
    return text;
}
