/*
 * What the program does instead of serving: writing items, and saying how accurate a graph is by
 * the law.
 */
#ifndef SIM_OFFLINE_H
#define SIM_OFFLINE_H

#include <stdint.h>

struct offline {
    const char *items;  /* task whose items are to be written, or NULL */
    const char *expect; /* file of the graph whose accuracy is to be told, or NULL */
    const char *task;   /* of expect */
    const char *out;    /* where items go; NULL: standard output */
    uint64_t count;
    uint64_t first;     /* of expect: the number of the first item */
    uint64_t seed;      /* of items: which ones; of expect: the law's */
    double temperature; /* of expect: what the client sends; NAN: nothing */
};

/* Both print what is wrong and return the exit code. */
int offline_items(const struct offline *o);

/*
 * Prints {"task", "first", "count", "accuracy", "sd"}: the exact mean over the items, and the
 * standard deviation of the share of right answers when each is asked once. Models of the graph are
 * those of the law, with or without options behind a colon.
 */
int offline_expect(const struct offline *o);

#endif
