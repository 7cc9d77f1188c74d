/* One line of the log in the making: `key=value` pairs in a fixed room, never a half pair.
 *
 * A value that holds anything but harmless printable ASCII is quoted and escaped (\n \r \t \" \\ \xNN), so
 * that no value can end its pair, forge another or break the line. A pair that no longer fits is left
 * out whole, and the line then ends in `cut=true`. A long value is shortened to LOG_VALUE_MAX bytes, its
 * end marked by three dots. */
#ifndef GATEWAY_LOG_LINE_H
#define GATEWAY_LOG_LINE_H

#include "cache/base.h"

struct record;

enum { LOG_LINE_MAX = 4096, LOG_VALUE_MAX = 1024 };

struct log_line {
    size_t length;
    bool cut;
    char text[LOG_LINE_MAX];
};

/* Keeps the text of the last second seen, because a calendar for each line would cost the most. */
struct log_clock {
    int64_t second; /* -1 at first */
    char text[20];  /* "2026-01-31T23:59:59" */
};

void log_clock_init(struct log_clock *c);

/* Begins with `time=…Z level=… event=…`, the time in UTC with microseconds. `event` is our own word. */
void log_line_begin(struct log_line *l, struct log_clock *clock, int64_t wall_us, const char *level,
                    const char *event);

/* Keys are our own words. */
void log_line_text(struct log_line *l, const char *key, struct slice value);
void log_line_safe(struct log_line *l, const char *key,
                   struct slice value); /* unquoted, as it is */
void log_line_u64(struct log_line *l, const char *key, uint64_t value);
void log_line_ms(struct log_line *l, const char *key,
                 uint64_t us); /* milliseconds, three decimals */
void log_line_usd(struct log_line *l, const char *key, double usd); /* nine decimals */

/* The pairs of a finished request; absent facts have no pair. See log_access() in log.h. */
void log_line_record(struct log_line *l, const struct record *r);

/* The pairs of one node's call within the graph of request `id`; `name` is what the graph's file calls the
 * node. Phases count from the node's start. */
struct call_record;
void log_line_call(struct log_line *l, const char *id, const char *name,
                   const struct call_record *c);

void log_line_end(struct log_line *l); /* the newline; nothing may follow */

#endif
