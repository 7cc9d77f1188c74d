/* A text that grows: for what is written for people and files, never for what a peer sends. */
#ifndef ROUTER_TEXTBUF_H
#define ROUTER_TEXTBUF_H

#include "cache/base.h"

/* {0} is an empty text. */
struct textbuf {
    char *bytes; /* not terminated before textbuf_take */
    size_t length;
    size_t room;
};

void textbuf_add(struct textbuf *t, struct slice s);
void textbuf_add_text(struct textbuf *t, const char *s);
void textbuf_addf(struct textbuf *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The terminated text, the caller's to free; `t` is empty again. */
char *textbuf_take(struct textbuf *t);

#endif
