/* The payload of a chunked body, and whether it is one, may not depend on how its bytes were cut: fed
 * whole, byte by byte, and in pieces whose lengths follow from the bytes themselves. A second reading,
 * which looks for line ends in the whole text, must find the same payload. */
#include "gateway/http1.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http1_result result;
    size_t used;
    const char *what;
    char *payload;
    size_t length;
};

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Feeds one piece, in memory of exactly its size. */
static void feed(struct http1_chunked *d, struct outcome *o, const uint8_t *bytes, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);
    size_t at = 0;
    check(copy != NULL);
    memcpy(copy, bytes, n);
    while (at < n && o->result == HTTP1_MORE) {
        size_t used;
        struct slice payload;
        struct slice rest = {copy + at, n - at};
        o->result = http1_chunked_feed(d, rest, &used, &payload, &o->what);
        check(used <= rest.n && (used > 0 || o->result != HTTP1_MORE));
        if (payload.n > 0) {
            check(payload.p >= rest.p && payload.p + payload.n <= rest.p + used);
            memcpy(o->payload + o->length, payload.p, payload.n);
            o->length += payload.n;
        }
        at += used;
    }
    o->used += at;
    free(copy);
}

static struct outcome decode(const uint8_t *data, size_t size, size_t (*step)(const uint8_t *at))
{
    struct outcome o = {.result = HTTP1_MORE, .payload = malloc(size > 0 ? size : 1)};
    struct http1_chunked d;
    check(o.payload != NULL);
    http1_chunked_init(&d);
    while (o.used < size && o.result == HTTP1_MORE) {
        size_t n = step != NULL ? step(data + o.used) : size;
        feed(&d, &o, data + o.used, n < size - o.used ? n : size - o.used);
    }
    return o;
}

static size_t single(const uint8_t *at)
{
    (void) at;
    return 1;
}

static size_t chosen(const uint8_t *at)
{
    return 1 + *at % 13;
}

static const char *line_end(const char *at, const char *end)
{
    for (; at + 1 < end; at++) {
        if (at[0] == '\r' && at[1] == '\n') {
            return at;
        }
    }
    return NULL;
}

/* Reads a body that is known to be whole and valid. */
static void check_payload(const char *at, const char *end, const struct outcome *o)
{
    size_t length = 0;
    for (;;) {
        const char *stop = line_end(at, end);
        char *digits_end;
        check(stop != NULL);
        size_t n = (size_t) strtoull(at, &digits_end, 16);
        check(digits_end <= stop && (*digits_end == ';' || digits_end == stop));
        at = stop + 2;
        if (n == 0) {
            break;
        }
        check((size_t) (end - at) >= n && length + n <= o->length);
        check(memcmp(o->payload + length, at, n) == 0);
        length += n;
        at += n;
        check(line_end(at, end) == at);
        at += 2;
    }
    check(length == o->length);
    while (line_end(at, end) != at) {
        at = line_end(at, end);
        check(at != NULL);
        at += 2;
    }
    check(at + 2 == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t (*const steps[])(const uint8_t *) = {single, chosen};
    struct outcome whole = decode(data, size, NULL);
    check(whole.result != HTTP1_MORE || whole.used == size);
    check((whole.what != NULL) == (whole.result == HTTP1_BAD || whole.result == HTTP1_TOO_BIG));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct outcome cut = decode(data, size, steps[i]);
        check(cut.result == whole.result && cut.used == whole.used && cut.what == whole.what);
        check(cut.length == whole.length);
        check(memcmp(cut.payload, whole.payload, cut.length) == 0);
        free(cut.payload);
    }
    if (whole.result == HTTP1_DONE) {
        char *text = malloc(whole.used + 1); /* terminated, for strtoull */
        check(text != NULL);
        memcpy(text, data, whole.used);
        text[whole.used] = '\0';
        check_payload(text, text + whole.used, &whole);
        free(text);
    }
    free(whole.payload);
    return 0;
}
