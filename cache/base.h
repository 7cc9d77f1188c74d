/* Ground of every floor: attributes, result codes, error text, byte slices, memory policy, time and
 * randomness handed in as operations.
 *
 * Memory policy. Small fixed structs come from x_alloc() and friends, which abort when memory is
 * gone: a gateway that cannot allocate 200 bytes cannot answer anybody. Whatever a peer chooses the
 * size of comes from malloc() through a buffer with a cap, and its failure is an ordinary error.
 *
 * Errors. A function that can fail returns ERR_NONE or one of the codes below, and where the reason
 * is worth words it takes a struct errbuf and fills it at the place that knows most. */
#ifndef CACHE_BASE_H
#define CACHE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *) (void *) (((char *) (ptr)) - offsetof(type, member)))

enum err {
    ERR_NONE = 0,
    ERR_NOMEM = -1, /* a peer-sized allocation failed */
    ERR_IO = -2,    /* the system said no; errno is in the text */
    ERR_INPUT = -3, /* bytes from outside are not what they must be */
    ERR_LIMIT = -4, /* a cap given at creation was reached */
    ERR_AGAIN = -5, /* not now: full, busy, or more bytes needed */
    ERR_GONE = -6,  /* the peer or the object has ended */
    ERR_USE = -7,   /* a person used the program wrongly */
};

/* Text of an error for a person. Always terminated; longer text is cut. */
struct errbuf {
    char text[512];
};

/* Writes the text and returns `code`, so that a failing function can `return err_set(...)`.
 * `e` may be NULL when the caller does not want words. */
enum err err_set(struct errbuf *e, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Borrowed bytes, not terminated. Valid as long as the owner of the bytes says. */
struct slice {
    const char *p;
    size_t n;
};

#define SLICE_LIT(literal) ((struct slice) {(literal), sizeof(literal) - 1})
#define SLICE_NONE ((struct slice) {NULL, 0})

struct slice slice_of(const char *text); /* NULL gives SLICE_NONE */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_text(struct slice a, const char *text);
bool slice_ieq_text(struct slice a, const char *text); /* ASCII letters of either case */
bool slice_starts(struct slice a, const char *text);
/* Strict decimal without sign, space or leading plus; false on overflow or any other byte. */
bool slice_to_u64(struct slice a, uint64_t *out) MUST_CHECK;

/* Abort when memory is gone (see the policy above). x_alloc gives zeroed memory. */
void *x_alloc(size_t bytes);
void *x_array(size_t count, size_t bytes);
void *x_resize(void *old, size_t count, size_t bytes);
char *x_dup(const char *text);
char *x_dup_slice(struct slice s); /* terminated copy */
char *x_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Time and randomness, handed in so that everything below the gateway runs without a clock.
 * Wall time is for people and ids; every duration uses the monotonic clock. */
struct env {
    uint64_t (*mono_us)(void *arg);
    int64_t (*wall_us)(void *arg); /* since 1970-01-01 UTC */
    void (*random)(void *arg, void *out, size_t n);
    void *arg;
};

/* The system's clocks and getrandom(2). */
struct env env_system(void);

static inline uint64_t env_mono_us(const struct env *e)
{
    return e->mono_us(e->arg);
}

static inline int64_t env_wall_us(const struct env *e)
{
    return e->wall_us(e->arg);
}

/* Uniform in [0, 1). */
double env_uniform(const struct env *e);

#endif
