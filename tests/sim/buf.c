#include "tests/sim/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *mem_check(void *p)
{
    if (p == NULL) {
        fputs("sim: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_zalloc(size_t n)
{
    return mem_check(calloc(1, n > 0 ? n : 1));
}

void *mem_grow(void *p, size_t n)
{
    return mem_check(realloc(p, n > 0 ? n : 1));
}

char *mem_copy(const char *p, size_t n)
{
    char *copy = mem_check(malloc(n + 1));

    if (n > 0) {
        memcpy(copy, p, n);
    }
    copy[n] = '\0';
    return copy;
}

void buf_fini(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
}

void buf_reserve(struct buf *b, size_t more)
{
    size_t need;
    size_t cap = b->cap > 0 ? b->cap : 256;

    if (more > SIZE_MAX / 4 - b->len) {
        mem_check(NULL);
    }
    need = b->len + more;
    if (need <= b->cap) {
        return;
    }
    while (cap < need) {
        cap += cap / 2;
    }
    b->data = mem_grow(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0) {
        return;
    }
    buf_reserve(b, n);
    memcpy(b->data + b->len, p, n);
    b->len += n;
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        abort();
    }
    buf_reserve(b, (size_t) n + 1);
    (void) vsnprintf(b->data + b->len, (size_t) n + 1, fmt, again);
    va_end(again);
    b->len += (size_t) n;
}

static void add_escape(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add(b, "\\\"", 2);
        break;
    case '\\':
        buf_add(b, "\\\\", 2);
        break;
    case '\n':
        buf_add(b, "\\n", 2);
        break;
    case '\r':
        buf_add(b, "\\r", 2);
        break;
    case '\t':
        buf_add(b, "\\t", 2);
        break;
    default:
        buf_addf(b, "\\u%04x", c);
        break;
    }
}

void buf_add_json_inner(struct buf *b, const char *p, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char) p[i];

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        buf_add(b, p + from, i - from);
        add_escape(b, c);
        from = i + 1;
    }
    buf_add(b, p + from, n - from);
}

void buf_add_json(struct buf *b, const char *p, size_t n)
{
    buf_add(b, "\"", 1);
    buf_add_json_inner(b, p, n);
    buf_add(b, "\"", 1);
}

void buf_drain(struct buf *b, size_t n)
{
    b->len -= n;
    if (b->len > 0) {
        memmove(b->data, b->data + n, b->len);
    }
}

char *buf_str(struct buf *b)
{
    buf_reserve(b, 1);
    b->data[b->len] = '\0';
    return b->data;
}
