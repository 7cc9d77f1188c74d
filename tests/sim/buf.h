/*
 * A growing byte buffer and the allocation policy of the simulator: it is a test tool, so running
 * out of memory ends the process with a message instead of being handled.
 */
#ifndef SIM_BUF_H
#define SIM_BUF_H

#include <stddef.h>

/* Zero-initialise to get an empty buffer. data is NOT NUL-terminated unless buf_str() was called
 * last. */
struct buf {
    char *data;
    size_t len;
    size_t cap;
};

/* calloc, realloc and a NUL-terminated copy of n bytes; never return NULL, release with free(). */
void *mem_zalloc(size_t n);
void *mem_grow(void *p, size_t n);
char *mem_copy(const char *p, size_t n);

void buf_fini(struct buf *b);
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds n bytes as a JSON string with quotes. Bytes >= 0x80 are copied: the caller answers for
 * valid UTF-8. */
void buf_add_json(struct buf *b, const char *p, size_t n);
/* The same without the quotes. */
void buf_add_json_inner(struct buf *b, const char *p, size_t n);

/* Removes the first n bytes. */
void buf_drain(struct buf *b, size_t n);

/* NUL-terminates (the NUL is not counted in len) and returns data. */
char *buf_str(struct buf *b);

#endif
