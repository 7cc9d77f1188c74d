#include "cache/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

enum err err_set(struct errbuf *e, enum err code, const char *fmt, ...)
{
    if (e) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, args);
        va_end(args);
    }
    return code;
}

/* ---- slices ---- */

struct slice slice_of(const char *text)
{
    return text ? (struct slice) {text, strlen(text)} : SLICE_NONE;
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_eq_text(struct slice a, const char *text)
{
    return slice_eq(a, slice_of(text));
}

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char) c;
    return u >= 'A' && u <= 'Z' ? (unsigned char) (u + ('a' - 'A')) : u;
}

/* Not strncasecmp: that follows the locale, and protocols do not. */
bool slice_ieq_text(struct slice a, const char *text)
{
    struct slice b = slice_of(text);
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool slice_starts(struct slice a, const char *text)
{
    size_t n = strlen(text);
    return a.n >= n && (n == 0 || memcmp(a.p, text, n) == 0);
}

bool slice_to_u64(struct slice a, uint64_t *out)
{
    uint64_t value = 0;
    if (a.n == 0) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] < '0' || a.p[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t) (a.p[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* ---- memory ---- */

static void *or_abort(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

void *x_alloc(size_t bytes)
{
    return or_abort(calloc(1, bytes > 0 ? bytes : 1));
}

void *x_array(size_t count, size_t bytes)
{
    return or_abort(calloc(count > 0 ? count : 1, bytes > 0 ? bytes : 1));
}

void *x_resize(void *old, size_t count, size_t bytes)
{
    return or_abort(reallocarray(old, count > 0 ? count : 1, bytes > 0 ? bytes : 1));
}

char *x_dup(const char *text)
{
    return x_dup_slice(slice_of(text));
}

char *x_dup_slice(struct slice s)
{
    char *copy = or_abort(malloc(s.n + 1));
    if (s.n > 0) {
        memcpy(copy, s.p, s.n);
    }
    copy[s.n] = '\0';
    return copy;
}

char *x_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    return n < 0 ? or_abort(NULL) : text;
}

/* ---- time and randomness ---- */

static uint64_t system_mono_us(void *arg)
{
    struct timespec t;
    (void) arg;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000u + (uint64_t) t.tv_nsec / 1000u;
}

static int64_t system_wall_us(void *arg)
{
    struct timespec t;
    (void) arg;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void system_random(void *arg, void *out, size_t n)
{
    char *at = out;
    (void) arg;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR) {
            abort(); /* no kernel that we run on lacks it; keys without randomness would be worse */
        }
        if (got > 0) {
            at += got;
            n -= (size_t) got;
        }
    }
}

struct env env_system(void)
{
    return (struct env) {system_mono_us, system_wall_us, system_random, NULL};
}

double env_uniform(const struct env *e)
{
    uint64_t bits;
    e->random(e->arg, &bits, sizeof(bits));
    return (double) (bits >> 11) * 0x1.0p-53;
}
