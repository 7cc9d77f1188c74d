#include "router/textbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `n` bytes more. */
static char *reserve(struct textbuf *t, size_t n)
{
    if (t->room - t->length < n) {
        t->room = 2 * (t->length + n);
        t->bytes = x_resize(t->bytes, t->room, 1);
    }
    return t->bytes + t->length;
}

void textbuf_add(struct textbuf *t, struct slice s)
{
    if (s.n > 0) {
        memcpy(reserve(t, s.n), s.p, s.n);
        t->length += s.n;
    }
}

void textbuf_add_text(struct textbuf *t, const char *s)
{
    textbuf_add(t, slice_of(s));
}

void textbuf_addf(struct textbuf *t, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        abort(); /* a format of ours that cannot be */
    }
    reserve(t, (size_t) n + 1);
    va_start(args, fmt);
    vsnprintf(t->bytes + t->length, (size_t) n + 1, fmt, args);
    va_end(args);
    t->length += (size_t) n;
}

char *textbuf_take(struct textbuf *t)
{
    char *text;

    *reserve(t, 1) = '\0';
    text = t->bytes;
    *t = (struct textbuf) {NULL, 0, 0};
    return text;
}
