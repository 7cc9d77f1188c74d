/* The events of a stream may not depend on how its bytes were cut: the input is fed whole, byte by
 * byte, and in pieces whose lengths follow from its first four bytes; all must tell the same story. */
#include "router/sse_parse.h"

#include <stdlib.h>
#include <string.h>

enum { CAP = 256, STOP_AFTER = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    char *text;
    size_t length;
    size_t room;
    size_t events;
    enum err rc;
    bool is_clean;
};

static void tell(struct story *story, struct slice s)
{
    if (story->length + s.n + sizeof(s.n) > story->room) {
        story->room = 2 * story->room + s.n + 64;
        story->text = realloc(story->text, story->room);
        if (story->text == NULL) {
            abort();
        }
    }
    memcpy(story->text + story->length, &s.n, sizeof(s.n));
    story->length += sizeof(s.n);
    if (s.n > 0) {
        memcpy(story->text + story->length, s.p, s.n);
        story->length += s.n;
    }
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct story *story = arg;

    if (event->data.n > CAP || event->type.n > CAP) {
        abort();
    }
    tell(story, event->type);
    tell(story, event->data);
    story->events++;
    return story->events < STOP_AFTER;
}

/* A copy of exactly these bytes, so that the sanitizer sees a read past them. */
static enum err feed_copy(struct sse_parser *p, const uint8_t *bytes, size_t n, struct story *story)
{
    char *copy = malloc(n > 0 ? n : 1);
    enum err rc;

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, n);
    rc = sse_parse_feed(p, (struct slice) {copy, n}, on_event, story);
    free(copy);
    return rc;
}

/* No half event is pending. */
static bool is_clean(const struct sse_parser *p)
{
    return p->line_length == 0 && !p->has_data && p->type_length == 0;
}

/* Pieces of 1 to `longest` bytes; all in one where longest is 0. */
static struct story run(const uint8_t *bytes, size_t n, uint32_t seed, size_t longest)
{
    struct story story = {.text = NULL, .rc = ERR_NONE};
    struct sse_parser p;
    size_t at = 0;

    sse_parse_init(&p, CAP);
    while (at < n && story.rc == ERR_NONE) {
        size_t take = n - at;

        seed = seed * 1664525u + 1013904223u;
        if (longest > 0 && take > 1 + (seed >> 8) % longest) {
            take = 1 + (seed >> 8) % longest;
        }
        story.rc = feed_copy(&p, bytes + at, take, &story);
        at += take;
    }
    story.is_clean = story.rc == ERR_NONE && is_clean(&p);
    sse_parse_fini(&p);
    return story;
}

static bool same(const struct story *a, const struct story *b)
{
    return a->rc == b->rc && a->is_clean == b->is_clean && a->events == b->events &&
           a->length == b->length && (a->length == 0 || memcmp(a->text, b->text, a->length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story whole;
    uint32_t seed;
    size_t longest;

    if (size < sizeof(seed)) {
        return 0;
    }
    memcpy(&seed, data, sizeof(seed));
    data += sizeof(seed);
    size -= sizeof(seed);
    whole = run(data, size, seed, 0);
    for (longest = 1; longest <= 64; longest *= 8) {
        struct story cut = run(data, size, seed, longest);

        if (!same(&whole, &cut)) {
            abort();
        }
        free(cut.text);
    }
    free(whole.text);
    return 0;
}
