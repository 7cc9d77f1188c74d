/* The input's first byte chooses the endpoint; its lines are the events of one stream. Besides not
 * crashing: what is taken for an event lies inside it; a mended event is one again; and a stream that
 * was mended needs no mending. */
#include "router/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "cache/arena.h"
#include "cache/splice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

static void must_lie_inside(struct slice text, struct slice s)
{
    must(s.n == 0 || (s.p >= text.p && s.p + s.n <= text.p + text.n));
}

static void check(const struct chunk *c)
{
    must_lie_inside(c->json, c->id.member);
    must_lie_inside(c->json, c->model.member);
    must_lie_inside(c->json, c->usage.member);
    must_lie_inside(c->json, c->error.member);
    must_lie_inside(c->json, c->choices.member);
    must((c->choices_finished & ~c->choices_seen) == 0);
    must(c->tokens.cached <= c->tokens.prompt);
    must(c->error.type == SPAN_ABSENT || !c->has_choices);
}

/* The event after mending, from malloc; the event itself where it needs none. */
static struct slice mend(struct chunk_mender *m, const struct chunk *c, bool *is_same)
{
    struct splice edits;
    struct arena room;
    struct slice out;
    char *copy;

    arena_init(&room, 256, 1 << 20);
    splice_init(&edits, c->json);
    must(chunk_mend(m, c, &edits, &room) != ERR_NOMEM);
    *is_same = edits.count == 0;
    out.n = splice_length(&edits);
    copy = malloc(out.n + 1);
    must(copy != NULL);
    must(splice_write(&edits, copy, out.n) == out.n);
    out.p = copy;
    arena_fini(&room);
    return out;
}

static void run_event(struct slice json, enum endpoint endpoint, struct chunk_mender *once,
                      struct chunk_mender *twice)
{
    struct chunk_error error;
    struct errbuf err;
    struct chunk c;
    struct chunk again;
    struct slice first;
    struct slice second;
    bool is_same;

    if (chunk_error(json, &error)) {
        must_lie_inside(json, error.message);
        must_lie_inside(json, error.type);
        must_lie_inside(json, error.param);
        must_lie_inside(json, error.code);
    }
    if (chunk_parse_reply(json, endpoint, &c, &err) == ERR_NONE) {
        check(&c);
    }
    if (chunk_parse(json, endpoint, &c, &err) != ERR_NONE) {
        return;
    }
    check(&c);
    first = mend(once, &c, &is_same);
    must(chunk_parse(first, endpoint, &again, &err) == ERR_NONE);
    must(again.has_tool_calls == c.has_tool_calls && again.has_content == c.has_content);
    second = mend(twice, &again, &is_same);
    must(is_same);
    free((char *) (uintptr_t) first.p);
    free((char *) (uintptr_t) second.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum endpoint endpoints[] = {ENDPOINT_CHAT, ENDPOINT_COMPLETIONS,
                                              ENDPOINT_EMBEDDINGS};
    struct chunk_mender once = {.calls = NULL};
    struct chunk_mender twice = {.calls = NULL};
    enum endpoint endpoint;

    if (size == 0) {
        return 0;
    }
    endpoint = endpoints[data[0] % ARRAY_LEN(endpoints)];
    data++;
    size--;
    while (size > 0) {
        const uint8_t *stop = memchr(data, '\n', size);
        size_t n = stop != NULL ? (size_t) (stop - data) : size;
        char *event = malloc(n > 0 ? n : 1);

        must(event != NULL);
        memcpy(event, data, n);
        run_event((struct slice) {event, n}, endpoint, &once, &twice);
        free(event);
        n += stop != NULL;
        data += n;
        size -= n;
    }
    chunk_mender_fini(&once);
    chunk_mender_fini(&twice);
    return 0;
}
