/* The log: one `key=value` line an event, to standard error (systemd and procd collect it) or a file.
 *
 * A write to a pipe can block, and a front must not: lines go to a block of the calling thread's
 * `struct log_tap`, blocks go by mailbox to one writer thread, and when that is behind, lines are dropped
 * and their number is logged. Values with spaces, quotes, '=' or control bytes are quoted and escaped, so
 * that a client cannot forge a line. */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

#include "cache/loop.h"
#include "cache/record.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log;     /* the writer thread; one in the process */
struct log_tap; /* one thread's way to it */

/* `file` NULL: standard error. A file is reopened by log_reopen (after rotation). */
struct log *log_new(const char *file, enum log_level level, struct errbuf *err);
void log_free(struct log *l); /* writes all that waits; after the taps are freed */
void log_reopen(struct log *l);
uint64_t log_dropped(const struct log *l);

/* Flushes a full block at once, a part-filled one after 50 ms by a timer on `loop`; LOG_WARN and above
 * are flushed at the end of the turn. */
struct log_tap *log_tap_new(struct log *l, struct loop *loop);
void log_tap_free(struct log_tap *t);

/* log_write(t, LOG_INFO, "listening", "address", text, "workers", "4", NULL): event, then pairs of
 * strings. Adds time and level. A key ending in '!' has a value that is already safe. */
void log_write(struct log_tap *t, enum log_level level, const char *event, ...)
    __attribute__((sentinel));

/* The access line of a finished request: every phase's time and the reason it ended. */
void log_access(struct log_tap *t, const struct record *r);
/* A line for the call of a node, which its graph calls `name`, for request `id`; written when access lines
 * are. */
void log_node_call(struct log_tap *t, const char *id, const char *name,
                   const struct call_record *c);
void log_set_access(struct log *l, bool on);
void log_set_level(struct log *l, enum log_level level);

#endif
