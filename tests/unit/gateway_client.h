/* A client of the server in gateway_fixture.h: says bytes, and takes replies apart strictly by their
 * framing, so that one byte too much or too little in a reply shows in the next. */
#ifndef TESTS_UNIT_GATEWAY_CLIENT_H
#define TESTS_UNIT_GATEWAY_CLIENT_H

#include "tests/unit/gateway_peer.h"

/* The value of a header (name in lower case), to the end of its line; NULL: not there. */
static inline const char *reply_value(const struct reply *r, const char *name)
{
    char line[64];
    snprintf(line, sizeof(line), "\n%s: ", name);
    const char *at = strstr(r->head, line);
    return at ? at + strlen(line) : NULL;
}

static inline bool reply_says(const struct reply *r, const char *name, const char *value)
{
    const char *at = reply_value(r, name);
    size_t n = strlen(value);
    return at && strncmp(at, value, n) == 0 && (at[n] == '\r' || at[n] == '\0');
}

static inline void client_drop(struct client *c, size_t n)
{
    assert_true(n <= c->n);
    memmove(c->got, c->got + n, c->n - n + 1);
    c->n -= n;
}

static inline bool client_take_head(struct client *c, struct reply *r)
{
    client_hear(c);
    const char *end = strstr(c->got, "\r\n\r\n");
    *r = (struct reply) {.status = 0};
    if (!end) {
        return false;
    }
    size_t n = (size_t) (end - c->got);
    assert_true(n < sizeof(r->head));
    memcpy(r->head, c->got, n);
    assert_memory_equal(r->head, "HTTP/1.1 ", 9);
    r->status = (int) strtol(r->head + 9, NULL, 10);
    client_drop(c, n + 4);
    return true;
}

static inline void reply_add(struct reply *r, const char *bytes, size_t n)
{
    assert_true(r->length + n < sizeof(r->body));
    memcpy(r->body + r->length, bytes, n);
    r->length += n;
    r->body[r->length] = '\0';
}

/* Takes the whole chunks that have come, adds their bytes. True: the last one was among them. */
static inline bool client_chunks(struct client *c, struct reply *r)
{
    client_hear(c);
    for (;;) {
        char *rest;
        unsigned long size = strtoul(c->got, &rest, 16);
        size_t line = (size_t) (rest - c->got);
        if (line == 0 || c->n < line + 2 + size + 2) {
            return false;
        }
        assert_memory_equal(rest, "\r\n", 2);
        assert_memory_equal(rest + 2 + size, "\r\n", 2);
        reply_add(r, rest + 2, size);
        client_drop(c, line + 2 + size + 2);
        if (size == 0) {
            return true;
        }
    }
}

/* The next reply, whole; `to_head`: of a HEAD request. */
static inline void client_reply_to(struct client *c, struct reply *r, bool to_head)
{
    assert_true(client_take_head(c, r));
    const char *length = reply_value(r, "content-length");
    if (reply_says(r, "transfer-encoding", "chunked")) {
        assert_null(length);
        assert_true(client_chunks(c, r));
    } else if (length && !to_head) {
        size_t n = strtoul(length, NULL, 10);
        assert_true(c->n >= n);
        reply_add(r, c->got, n);
        client_drop(c, n);
    } else if (!length && r->status >= 200 && r->status != 204) {
        assert_true(c->ended); /* HTTP/1.0: to the end */
        reply_add(r, c->got, c->n);
        client_drop(c, c->n);
    }
}

static inline void client_reply(struct client *c, struct reply *r)
{
    client_reply_to(c, r, false);
}

/* Nothing has come that was not taken, and the connection is `open` or has ended. */
static inline void client_expect_silence(struct client *c, bool open)
{
    client_hear(c);
    assert_string_equal(c->got, "");
    assert_int_equal(c->ended, !open);
}

#endif
