/* Server-sent events, the receiving side (WHATWG HTML, "Interpreting an event stream"): bytes in any
 * cut, whole events out. CR, LF and CRLF; several data lines; comments; event, id and retry fields; a
 * byte order mark; UTF-8 split anywhere. An event whose blank line has not come is never delivered.
 *
 * The common event, one `data:` line that lies whole in the bytes given, is delivered without a copy.
 * What must be kept between calls lives in a buffer with the cap given at creation. */
#ifndef ROUTER_SSE_PARSE_H
#define ROUTER_SSE_PARSE_H

#include "cache/base.h"

struct sse_event {
    struct slice type; /* `event:` field; empty when absent */
    struct slice data; /* lines joined by LF; borrowed for the call */
};

struct sse_parser {
    char *line; /* the unfinished line */
    size_t line_length;
    size_t line_room;
    char *data; /* data lines of the unfinished event */
    size_t data_length;
    size_t data_room;
    char *type;
    size_t type_length;
    size_t type_room;
    size_t cap_bytes; /* of line and of data each */
    bool has_data;
    bool after_cr; /* a LF that comes next belongs to the CR before it */
    bool at_start; /* a byte order mark may come */
    bool stopped;
};

void sse_parse_init(struct sse_parser *p, size_t cap_bytes);
void sse_parse_fini(struct sse_parser *p);

/* Calls on_event for every event that these bytes complete; when on_event returns false the rest is
 * dropped and every later call too (ERR_GONE). ERR_LIMIT: a line or an event passed the cap;
 * ERR_NOMEM. on_event may not free the parser. */
enum err sse_parse_feed(struct sse_parser *p, struct slice bytes,
                        bool (*on_event)(void *arg, const struct sse_event *event),
                        void *arg) MUST_CHECK;

#endif
