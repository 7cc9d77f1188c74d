#include "tests/bench/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A line of the head, or of the stream, without its end. */
struct line {
    const char *text;
    size_t len;
};

static void bad(struct answer *a, const char *why)
{
    a->state = ANSWER_BAD;
    a->why = why;
}

/* Takes bytes up to the end of a line; true when `out` is a line, valid until the next call. */
static bool take_line(struct answer *a, struct answer_part *part, const char **data,
                      const char *end, struct line *out)
{
    const char *at = *data;
    const char *newline = memchr(at, '\n', (size_t) (end - at));
    size_t len = (size_t) ((newline ? newline : end) - at);
    *data = newline ? newline + 1 : end;
    *out = (struct line) {at, len};
    if (!newline || part->len > 0) {
        if (len > sizeof(part->text) - part->len) {
            bad(a, "a line is too long");
            return false;
        }
        memcpy(part->text + part->len, at, len);
        part->len += len;
        *out = (struct line) {part->text, part->len};
    }
    if (!newline) {
        return false;
    }
    part->len = 0;
    if (out->len > 0 && out->text[out->len - 1] == '\r') {
        out->len--;
    }
    return true;
}

/* What follows a number is no digit: a CR at least. */
static uint64_t number(const char *text, int base)
{
    return strtoull(text, NULL, base);
}

static bool starts(struct line line, const char *what)
{
    size_t n = strlen(what);
    return line.len >= n && strncasecmp(line.text, what, n) == 0;
}

static bool contains(struct line line, const char *what)
{
    return memmem(line.text, line.len, what, strlen(what)) != NULL;
}

/* ---- the stream ---- */

static void on_stream_line(struct answer *a, struct line line, answer_on_event *on_event, void *arg)
{
    static const char stamp[] = "\"content\":\"t";
    if (!starts(line, "data: ")) {
        return; /* an empty line or a comment */
    }
    if (a->is_done) {
        bad(a, "an event after [DONE]");
    } else if (starts(line, "data: [DONE]")) {
        a->is_done = true;
    } else if (contains(line, "\"error\"")) {
        bad(a, "an error event");
    } else {
        const char *at = memmem(line.text, line.len, stamp, sizeof(stamp) - 1);
        a->events++;
        a->has_content = a->has_content || at;
        on_event(arg, at ? number(at + sizeof(stamp) - 1, 16) : 0);
    }
}

static void on_body(struct answer *a, const char *data, size_t len, answer_on_event *on_event,
                    void *arg)
{
    const char *end = data + len;
    struct line line;
    if (len == 0) {
        return;
    }
    a->has_content = a->has_content || !a->is_stream;
    a->last = end[-1];
    while (a->is_stream && data < end && a->state != ANSWER_BAD) {
        if (take_line(a, &a->stream, &data, end, &line)) {
            on_stream_line(a, line, on_event, arg);
        }
    }
}

static void on_end(struct answer *a)
{
    if (a->is_stream ? !a->is_done : a->last != '}') {
        bad(a, "cut off");
    } else {
        a->state = ANSWER_WHOLE;
    }
}

/* ---- the head ---- */

static void on_status(struct answer *a, struct line line)
{
    if (line.len < 12 || !starts(line, "HTTP/1.1 ")) {
        bad(a, "not HTTP/1.1");
    } else if (number(line.text + 9, 10) != (a->wants_status ? a->wants_status : 200)) {
        bad(a, "another status than wanted");
    } else {
        a->state = ANSWER_FIELDS;
    }
}

static void on_field(struct answer *a, struct line line)
{
    if (starts(line, "content-length:")) {
        a->left = number(line.text + 15, 10);
    } else if (starts(line, "transfer-encoding:")) {
        a->is_chunked = contains(line, "chunked");
    } else if (starts(line, "content-type:")) {
        a->is_stream = contains(line, "text/event-stream");
    } else if (starts(line, "connection:")) {
        a->closes = contains(line, "close");
    } else if (line.len == 0 && a->is_chunked) {
        a->state = ANSWER_CHUNK_SIZE;
    } else if (line.len == 0 && a->left > 0) {
        a->state = ANSWER_BODY;
    } else if (line.len == 0) {
        bad(a, "neither a length nor chunks");
    }
}

static void on_line(struct answer *a, struct line line)
{
    switch (a->state) {
    case ANSWER_STATUS:
        on_status(a, line);
        break;
    case ANSWER_FIELDS:
        on_field(a, line);
        break;
    case ANSWER_CHUNK_SIZE:
        a->left = number(line.text, 16);
        a->state = a->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILER;
        break;
    case ANSWER_CHUNK_END:
        a->state = ANSWER_CHUNK_SIZE;
        break;
    case ANSWER_TRAILER:
        if (line.len == 0) {
            on_end(a);
        }
        break;
    case ANSWER_BODY:
    case ANSWER_CHUNK:
    case ANSWER_WHOLE:
    case ANSWER_BAD:
        break;
    }
}

size_t answer_read(struct answer *a, const char *data, size_t len, answer_on_event *on_event,
                   void *arg)
{
    const char *at = data;
    const char *end = data + len;
    struct line line;
    while (at < end && a->state != ANSWER_WHOLE && a->state != ANSWER_BAD) {
        if (a->state == ANSWER_BODY || a->state == ANSWER_CHUNK) {
            size_t n = (size_t) (end - at) < a->left ? (size_t) (end - at) : (size_t) a->left;
            on_body(a, at, n, on_event, arg);
            at += n;
            a->left -= n;
            if (a->left == 0 && a->state == ANSWER_BODY) {
                on_end(a);
            } else if (a->left == 0 && a->state == ANSWER_CHUNK) {
                a->state = ANSWER_CHUNK_END;
            }
        } else if (take_line(a, &a->framing, &at, end, &line)) {
            on_line(a, line);
        }
    }
    return (size_t) (at - data);
}
