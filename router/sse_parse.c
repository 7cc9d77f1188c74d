/* Lines are found by memchr in the bytes given; only what a call leaves unfinished is copied.
 *
 *      bytes:  data: {"a":1}⏎⏎data: {"b":2}⏎⏎data: {"c
 *              └ borrowed ┘    └ borrowed ┘    └ kept in `line`
 *
 * The first data line of an event stays borrowed while its call lasts (struct feed.first); a second
 * line, or the end of the call, moves it into `data`. So one event per read costs two memchr. */
#include "router/sse_parse.h"

#include <stdlib.h>
#include <string.h>

struct feed {
    struct sse_parser *p;
    bool (*on_event)(void *arg, const struct sse_event *event);
    void *arg;
    const char *at;
    const char *end;
    const char *next_lf; /* first LF at or after `at`, or `end`; stale when before `at` */
    const char *next_cr;
    struct slice first; /* the event's only data line so far, still in bytes or `line` */
    bool has_first;
};

void sse_parse_init(struct sse_parser *p, size_t cap_bytes)
{
    memset(p, 0, sizeof(*p));
    p->cap_bytes = cap_bytes;
    p->at_start = true;
}

void sse_parse_fini(struct sse_parser *p)
{
    free(p->line);
    free(p->data);
    free(p->type);
    memset(p, 0, sizeof(*p));
    p->stopped = true;
}

static enum err append(const struct sse_parser *p, char **to, size_t *length, size_t *room,
                       struct slice bytes)
{
    size_t need;

    if (bytes.n > p->cap_bytes - *length) {
        return ERR_LIMIT;
    }
    if (bytes.n == 0) {
        return ERR_NONE;
    }
    need = *length + bytes.n;
    if (need > *room) {
        size_t more = *room > p->cap_bytes / 2 ? p->cap_bytes : *room * 2;
        char *grown;

        if (more < need) {
            more = need;
        }
        grown = realloc(*to, more);
        if (grown == NULL) {
            return ERR_NOMEM;
        }
        *to = grown;
        *room = more;
    }
    memcpy(*to + *length, bytes.p, bytes.n);
    *length = need;
    return ERR_NONE;
}

static enum err append_data(struct sse_parser *p, struct slice value)
{
    enum err rc;

    if (p->has_data) {
        rc = append(p, &p->data, &p->data_length, &p->data_room, SLICE_LIT("\n"));
        if (rc != ERR_NONE) {
            return rc;
        }
    }
    p->has_data = true;
    return append(p, &p->data, &p->data_length, &p->data_room, value);
}

static enum err keep_first(struct feed *f)
{
    if (!f->has_first) {
        return ERR_NONE;
    }
    f->has_first = false;
    return append_data(f->p, f->first);
}

static enum err take_data(struct feed *f, struct slice value)
{
    enum err rc;

    if (!f->has_first && !f->p->has_data) {
        f->first = value;
        f->has_first = true;
        return ERR_NONE;
    }
    rc = keep_first(f);
    return rc == ERR_NONE ? append_data(f->p, value) : rc;
}

static enum err dispatch(struct feed *f)
{
    struct sse_parser *p = f->p;
    struct sse_event event = {{p->type, p->type_length}, {p->data, p->data_length}};
    bool has_event = p->has_data || f->has_first;

    if (f->has_first) {
        event.data = f->first;
    }
    f->has_first = false;
    p->has_data = false;
    p->data_length = 0;
    p->type_length = 0;
    if (has_event && !f->on_event(f->arg, &event)) {
        return ERR_GONE;
    }
    return ERR_NONE;
}

/* Fields id and retry serve reconnecting browsers; they and unknown ones are passed over. */
static enum err take_field(struct feed *f, struct slice name, struct slice value)
{
    struct sse_parser *p = f->p;

    if (slice_eq_text(name, "data")) {
        return take_data(f, value);
    }
    if (slice_eq_text(name, "event")) {
        p->type_length = 0;
        return append(p, &p->type, &p->type_length, &p->type_room, value);
    }
    return ERR_NONE;
}

static enum err take_line(struct feed *f, struct slice line)
{
    const char *colon;
    struct slice name = line;
    struct slice value = SLICE_NONE;

    if (line.n > f->p->cap_bytes) {
        return ERR_LIMIT;
    }
    if (f->p->at_start) {
        f->p->at_start = false;
        if (slice_starts(line, "\xEF\xBB\xBF")) {
            line.p += 3;
            line.n -= 3;
        }
    }
    if (line.n == 0) {
        return dispatch(f);
    }
    if (line.n > 5 && memcmp(line.p, "data:", 5) == 0) {
        size_t skip = line.p[5] == ' ' ? 6 : 5;

        return take_data(f, (struct slice) {line.p + skip, line.n - skip});
    }
    colon = memchr(line.p, ':', line.n);
    if (colon != NULL) {
        size_t at = (size_t) (colon - line.p);

        name = (struct slice) {line.p, at};
        value = (struct slice) {colon + 1, line.n - at - 1};
        if (value.n > 0 && value.p[0] == ' ') {
            value.p++;
            value.n--;
        }
    }
    return take_field(f, name, value);
}

static const char *find(const struct feed *f, char c)
{
    const char *hit = memchr(f->at, c, (size_t) (f->end - f->at));

    return hit != NULL ? hit : f->end;
}

/* The next line's end, or `end`. Both kinds are looked for ahead and remembered: looking anew for each
 * line would cost the square of the bytes where a stream uses only one of them. */
static const char *line_end(struct feed *f)
{
    if (f->next_lf < f->at) {
        f->next_lf = find(f, '\n');
    }
    if (f->next_cr < f->at) {
        f->next_cr = find(f, '\r');
    }
    return f->next_lf < f->next_cr ? f->next_lf : f->next_cr;
}

/* Moves past the line end at `stop`; a LF that belongs to a last CR may come with the next bytes. */
static void skip_line_end(struct feed *f, const char *stop)
{
    f->at = stop + 1;
    if (*stop != '\r') {
        return;
    }
    if (f->at == f->end) {
        f->p->after_cr = true;
    } else if (*f->at == '\n') {
        f->at++;
    }
}

static enum err feed_lines(struct feed *f)
{
    struct sse_parser *p = f->p;
    enum err rc;

    while (f->at < f->end) {
        const char *stop = line_end(f);
        struct slice line = {f->at, (size_t) (stop - f->at)};

        if (stop == f->end) {
            break;
        }
        if (p->line_length > 0) {
            rc = append(p, &p->line, &p->line_length, &p->line_room, line);
            if (rc != ERR_NONE) {
                return rc;
            }
            line = (struct slice) {p->line, p->line_length};
            p->line_length = 0;
        }
        skip_line_end(f, stop);
        rc = take_line(f, line);
        if (rc != ERR_NONE) {
            return rc;
        }
    }
    /* In this order: the first data line may still lie in `line`. */
    rc = keep_first(f);
    if (rc != ERR_NONE) {
        return rc;
    }
    return append(p, &p->line, &p->line_length, &p->line_room,
                  (struct slice) {f->at, (size_t) (f->end - f->at)});
}

enum err sse_parse_feed(struct sse_parser *p, struct slice bytes,
                        bool (*on_event)(void *arg, const struct sse_event *event), void *arg)
{
    struct feed f = {.p = p, .on_event = on_event, .arg = arg};
    enum err rc;

    if (p->stopped) {
        return ERR_GONE;
    }
    if (bytes.n == 0) {
        return ERR_NONE;
    }
    f.at = bytes.p;
    f.end = bytes.p + bytes.n;
    if (p->after_cr && *f.at == '\n') {
        f.at++;
    }
    p->after_cr = false;
    f.next_lf = find(&f, '\n');
    f.next_cr = find(&f, '\r');
    rc = feed_lines(&f);
    p->stopped = rc != ERR_NONE;
    return rc;
}
