/* The scanning of single values, for span.c and span_find.c only: `at` moves over what was read. */
#ifndef CACHE_SPAN_SCAN_H
#define CACHE_SPAN_SCAN_H

#include "cache/span.h"

struct span_scan {
    const char *begin;
    const char *at;
    const char *end;
    const char *what; /* why a scan failed; `at` is where */
};

static inline void span_skip_space(struct span_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) {
        s->at++;
    }
}

/* `at` is the opening quote. */
bool span_scan_string(struct span_scan *s);
/* Any value that begins at `at`, nested ones too, up to `depth_left` containers deep. */
bool span_scan_value(struct span_scan *s, unsigned depth_left, enum span_type *type);

#endif
