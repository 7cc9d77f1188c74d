#include "router/attempt_private.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEND_ROOM_BYTES = 256, /* of the strings that mend one event */
    MEND_ROOM_CAP = 256 * 1024,
};

void attempt_stream_note(struct attempt *a, const struct chunk *c)
{
    a->choices_seen |= c->choices_seen;
    a->choices_finished |= c->choices_finished;
    if (c->tokens.known) {
        a->record->usage = c->tokens;
    }
    if (a->record->upstream_id[0] == '\0' && c->id.type == SPAN_STRING) {
        size_t n = span_decode(c->id.text, a->record->upstream_id, RECORD_ID_BYTES - 1);
        a->record->upstream_id[n < RECORD_ID_BYTES - 1 ? n : RECORD_ID_BYTES - 1] = '\0';
    }
}

/* The first content: from here on the answer is this attempt's, for better or worse. */
static bool commit(struct attempt *a)
{
    a->committed = true;
    a->record->first_content_us = loop_now_us(a->host->loop);
    ledger_alive(a->host->ledger, a->upstream->ledger);
    attempt_watch(a);
    a->events->on_commit(a->arg);
    struct slice rest = {a->held.bytes, a->held.length};
    while (a->events && rest.n > 0) {
        uint32_t length;
        struct chunk held;
        memcpy(&length, rest.p, sizeof(length));
        struct slice json = {rest.p + sizeof(length), length};
        /* It parsed when it came. */
        if (chunk_parse(json, a->endpoint, &held, NULL) == ERR_NONE) {
            a->events->on_chunk(a->arg, &held);
        }
        rest = (struct slice) {json.p + length, rest.n - sizeof(length) - length};
    }
    reply_buffer_fini(&a->held);
    return a->events != NULL;
}

static void hold(struct attempt *a, struct slice json)
{
    uint32_t length = (uint32_t) json.n;
    if (reply_buffer_add(&a->held, (struct slice) {(const char *) &length, sizeof(length)}) !=
            ERR_NONE ||
        reply_buffer_add(&a->held, json) != ERR_NONE) {
        attempt_fail(a, END_UPSTREAM_LIMIT, 502, "the model sent too much before any content");
    }
}

/* Some servers number all tool calls 0. The mended text replaces the event's. */
static bool mend(struct attempt *a, struct chunk *c, char **mended)
{
    struct arena strings;
    struct splice edits;
    bool ok = true;
    arena_init(&strings, MEND_ROOM_BYTES, MEND_ROOM_CAP);
    splice_init(&edits, c->json);
    if (chunk_mend(&a->mender, c, &edits, &strings) != ERR_NONE) {
        ok = false;
    } else if (edits.count > 0) {
        size_t length = splice_length(&edits);
        *mended = malloc(length + 1);
        ok = *mended != NULL;
        if (ok) {
            splice_write(&edits, *mended, length);
            ok = chunk_parse((struct slice) {*mended, length}, a->endpoint, c, NULL) == ERR_NONE;
        }
    }
    arena_fini(&strings);
    if (!ok) {
        attempt_fail(a, END_MALFORMED, 502, "the model sent tool calls that cannot be told apart");
    }
    return ok;
}

static void take_chunk(struct attempt *a, struct chunk *c)
{
    char *mended = NULL;
    if (c->has_tool_calls && !mend(a, c, &mended)) {
        free(mended);
        return;
    }
    attempt_stream_note(a, c);
    if (!a->committed && !c->has_content) {
        hold(a, c->json);
    } else if (a->committed || commit(a)) {
        a->events->on_chunk(a->arg, c);
    }
    free(mended);
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct attempt *a = arg;
    struct chunk c;
    struct errbuf why;
    if (a->said_done || event->data.n == 0) {
        return true; /* nothing counts after [DONE]; an event may be empty */
    }
    if (slice_eq_text(event->data, "[DONE]")) {
        a->said_done = true;
        a->done_us = loop_now_us(a->host->loop);
        attempt_watch(a);
        return true;
    }
    if (chunk_parse(event->data, a->endpoint, &c, &why) != ERR_NONE) {
        attempt_fail(
            a, END_MALFORMED, 502,
            arena_printf(a->room, "the model sent an event that is not understood: %s", why.text));
    } else if (c.error.type != SPAN_ABSENT && c.error.type != SPAN_NULL) {
        attempt_report_provider(a, event->data, 502);
        attempt_leave(a, false);
    } else {
        take_chunk(a, &c);
    }
    return a->events != NULL;
}

enum transfer_flow attempt_stream_take(struct attempt *a, struct slice bytes)
{
    if (a->paused) {
        return TRANSFER_PAUSE;
    }
    a->last_byte_us = loop_now_us(a->host->loop);
    enum err rc = sse_parse_feed(&a->parser, bytes, on_event, a);
    if (a->events && (rc == ERR_LIMIT || rc == ERR_NOMEM)) {
        attempt_fail(a, END_UPSTREAM_LIMIT, 502, "the model sent a line longer than limits.answer");
    }
    return TRANSFER_OK;
}

bool attempt_stream_is_whole(const struct attempt *a, enum transfer_end end)
{
    bool is_finished = a->choices_seen != 0 && a->choices_finished == a->choices_seen;
    bool is_ended = a->said_done || end == TRANSFER_COMPLETE;
    return is_finished &&
           (is_ended || (uint64_t) __builtin_popcount(a->choices_seen) >= a->choices_asked);
}
