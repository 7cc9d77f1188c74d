/* What an output node is asked, one function a member of the request (a row of the table): each adds the
 * edits that it needs to the client's text. What no row names passes as it is. */
#include "router/nodecall.h"

#include <string.h>

static const char *path_of(enum endpoint endpoint)
{
    switch (endpoint) {
    case ENDPOINT_CHAT:
        return "/chat/completions";
    case ENDPOINT_COMPLETIONS:
        return "/completions";
    case ENDPOINT_EMBEDDINGS:
        return "/embeddings";
    case ENDPOINT_OTHER:
    case ENDPOINT_COUNT:
        break;
    }
    return "";
}

/* `model`: what the upstream calls it. */
static enum err row_model(const struct request *r, const struct model_def *model,
                          struct arena *room, struct splice *edits)
{
    struct slice id = slice_of(model->id);
    size_t length = span_escaped_length(id);
    char *text = arena_alloc(room, length + 2);

    if (text == NULL) {
        return ERR_NOMEM;
    }
    text[0] = '"';
    span_escape(id, text + 1, length);
    text[length + 1] = '"';
    return splice_replace(edits, r->model.text, (struct slice) {text, length + 2});
}

/* `stream_options`: a stream always asks for usage, because ours is what keys and budgets are charged
 * by; the client's other options stay. */
static enum err row_stream_options(const struct request *r, struct splice *edits)
{
    static const char *const names[] = {"include_usage"};
    struct span_value usage;

    if (!r->is_stream || r->wants_usage) {
        return ERR_NONE;
    }
    if (r->stream_options.type == SPAN_ABSENT) {
        return splice_insert(edits, r->object,
                             SLICE_LIT("\"stream_options\":{\"include_usage\":true}"));
    }
    if (r->stream_options.type != SPAN_OBJECT) {
        return splice_replace(edits, r->stream_options.text, SLICE_LIT("{\"include_usage\":true}"));
    }
    span_find(r->stream_options.text, names, 1, &usage);
    if (usage.type == SPAN_ABSENT) {
        return splice_insert(edits, r->stream_options.text, SLICE_LIT("\"include_usage\":true"));
    }
    return splice_replace(edits, usage.text, SLICE_LIT("true"));
}

/* The key of a member, quotes included. None of ours has a quote inside, however it is spelt. */
static struct slice key_of(const struct span_value *v)
{
    const char *end = memchr(v->member.p + 1, '"', v->member.n - 1);

    return (struct slice) {v->member.p, (size_t) (end - v->member.p) + 1};
}

/* `max_tokens`, `max_completion_tokens`: spelt as the model wants it. A client that sends both knows
 * what it does. */
static enum err row_max_tokens(const struct request *r, const struct model_def *model,
                               struct splice *edits)
{
    bool has_old = r->max_tokens.type != SPAN_ABSENT;
    bool has_new = r->max_completion_tokens.type != SPAN_ABSENT;
    bool wants_new = (model->capabilities & CAPABILITY_MAX_COMPLETION_TOKENS) != 0;

    if (r->endpoint != ENDPOINT_CHAT || has_old == has_new || has_new == wants_new) {
        return ERR_NONE;
    }
    return wants_new ? splice_replace(edits, key_of(&r->max_tokens),
                                      SLICE_LIT("\"max_completion_tokens\""))
                     : splice_replace(edits, key_of(&r->max_completion_tokens),
                                      SLICE_LIT("\"max_tokens\""));
}

/* As many as there are: a call lives as long as its stream, and room for all possible ones is half a
 * kilobyte. */
static bool keep_pieces(const struct splice *edits, struct arena *room, struct nodecall *out)
{
    struct slice pieces[SPLICE_PIECES_MAX];
    struct slice *kept;

    out->count = splice_pieces(edits, pieces);
    kept = arena_array(room, out->count, sizeof(*kept));
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, pieces, out->count * sizeof(*kept));
    out->pieces = kept;
    return true;
}

static enum err build_single(const struct request *r, const struct model_def *model,
                             struct arena *room, struct nodecall *out)
{
    struct splice edits;
    enum err rc;

    splice_init(&edits, r->json);
    rc = row_model(r, model, room, &edits);
    if (rc == ERR_NONE) {
        rc = row_stream_options(r, &edits);
    }
    if (rc == ERR_NONE) {
        rc = row_max_tokens(r, model, &edits);
    }
    if (rc != ERR_NONE) {
        return rc;
    }
    if (!keep_pieces(&edits, room, out)) {
        return ERR_NOMEM;
    }
    out->path = path_of(r->endpoint);
    out->stream = r->is_stream;
    return ERR_NONE;
}

enum err nodecall_build(const struct request *r, const struct node_ask *ask,
                        const struct model_def *model, struct arena *room, struct nodecall *out)
{
    if (ask != NULL) {
        return ERR_USE; /* graphs of several nodes come with the job that runs them */
    }
    return build_single(r, model, room, out);
}
