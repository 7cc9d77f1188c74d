/* What an output node is asked, one function a member of the request (a row of the table): each adds the
 * edits that it needs to the client's text. What no row names passes as it is. */
#include "router/nodecall.h"

#include <math.h>
#include <string.h>

#include "router/nodecall_private.h"

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

/* ---- rows ---- */

/* `model`: what the upstream calls it. */
static enum err row_model(struct nodecall_draft *c)
{
    struct slice id;
    enum err rc = nodecall_text(c->room, "\"", slice_of(c->model->id), "\"", &id);

    return rc != ERR_NONE ? rc : splice_replace(&c->edits, c->r->model.text, id);
}

/* `stream`: a node of several always streams, because deadlines, caps and early cancel need bytes. */
static enum err row_stream(struct nodecall_draft *c)
{
    if (c->ask == NULL || c->r->is_stream) {
        return ERR_NONE;
    }
    return c->r->stream.type == SPAN_ABSENT
               ? splice_insert(&c->edits, c->r->object, SLICE_LIT("\"stream\":true"))
               : splice_replace(&c->edits, c->r->stream.text, SLICE_LIT("true"));
}

/* `stream_options`: a stream always asks for usage, because ours is what keys and budgets are charged
 * by; the client's other options stay. */
static enum err row_stream_options(struct nodecall_draft *c)
{
    static const char *const names[] = {"include_usage"};
    const struct request *r = c->r;
    struct span_value usage;

    if ((c->ask == NULL && !r->is_stream) || r->wants_usage) {
        return ERR_NONE;
    }
    if (r->stream_options.type == SPAN_ABSENT) {
        return splice_insert(&c->edits, r->object,
                             SLICE_LIT("\"stream_options\":{\"include_usage\":true}"));
    }
    if (r->stream_options.type != SPAN_OBJECT) {
        return splice_replace(&c->edits, r->stream_options.text,
                              SLICE_LIT("{\"include_usage\":true}"));
    }
    span_find(r->stream_options.text, names, 1, &usage);
    if (usage.type == SPAN_ABSENT) {
        return splice_insert(&c->edits, r->stream_options.text,
                             SLICE_LIT("\"include_usage\":true"));
    }
    return splice_replace(&c->edits, usage.text, SLICE_LIT("true"));
}

/* A number that the graph sets, in place of the client's. NAN: it does not. */
static enum err put_number(struct nodecall_draft *c, const char *name,
                           const struct span_value *sent, double number)
{
    const char *text;
    const char *member;

    if (isnan(number)) {
        return ERR_NONE;
    }
    text = nodecall_number(number, c->room);
    if (text == NULL) {
        return ERR_NOMEM;
    }
    if (sent->type != SPAN_ABSENT) {
        return splice_replace(&c->edits, sent->text, slice_of(text));
    }
    member = arena_printf(c->room, "\"%s\":%s", name, text);
    return member == NULL ? ERR_NOMEM : splice_insert(&c->edits, c->r->object, slice_of(member));
}

static enum err row_temperature(struct nodecall_draft *c)
{
    return c->ask == NULL ? ERR_NONE
                          : put_number(c, "temperature", &c->r->temperature, c->ask->temperature);
}

static enum err row_top_p(struct nodecall_draft *c)
{
    return c->ask == NULL ? ERR_NONE : put_number(c, "top_p", &c->r->top_p, c->ask->top_p);
}

/* The key of a member, quotes included. None of ours has a quote inside, however it is spelt. */
static struct slice key_of(const struct span_value *v)
{
    const char *end = memchr(v->member.p + 1, '"', v->member.n - 1);

    return (struct slice) {v->member.p, (size_t) (end - v->member.p) + 1};
}

/* `max_tokens`, `max_completion_tokens`: spelt as the model wants it. A client that sends both knows
 * what it does. */
static enum err row_max_tokens(struct nodecall_draft *c)
{
    const struct request *r = c->r;
    bool has_old = r->max_tokens.type != SPAN_ABSENT;
    bool has_new = r->max_completion_tokens.type != SPAN_ABSENT;
    bool wants_new = nodecall_wants_new_spelling(c->model);

    if (r->endpoint != ENDPOINT_CHAT || has_old == has_new || has_new == wants_new) {
        return ERR_NONE;
    }
    return wants_new ? splice_replace(&c->edits, key_of(&r->max_tokens),
                                      SLICE_LIT("\"max_completion_tokens\""))
                     : splice_replace(&c->edits, key_of(&r->max_completion_tokens),
                                      SLICE_LIT("\"max_tokens\""));
}

/* `messages`: with what the node is told besides. */
static enum err row_messages(struct nodecall_draft *c)
{
    return c->ask == NULL ? ERR_NONE : nodecall_messages(c);
}

static enum err (*const rows[])(struct nodecall_draft *c) = {
    row_model, row_stream,     row_stream_options, row_temperature,
    row_top_p, row_max_tokens, row_messages,
};

/* As many as there are: a call lives as long as its stream, and room for all possible ones is half a
 * kilobyte. */
static enum err build_spliced(struct nodecall_draft *c, struct nodecall *out)
{
    struct slice pieces[SPLICE_PIECES_MAX];
    struct slice *kept;
    size_t i;

    splice_init(&c->edits, c->r->json);
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        enum err rc = rows[i](c);

        if (rc != ERR_NONE) {
            return rc;
        }
    }
    out->count = splice_pieces(&c->edits, pieces);
    kept = arena_array(c->room, out->count, sizeof(*kept));
    if (kept == NULL) {
        return ERR_NOMEM;
    }
    memcpy(kept, pieces, out->count * sizeof(*kept));
    out->pieces = kept;
    return ERR_NONE;
}

/* ---- both ---- */

enum err nodecall_build(const struct request *r, const struct node_ask *ask,
                        const struct model_def *model, struct arena *room, struct nodecall *out)
{
    struct nodecall_draft c = {.r = r, .ask = ask, .model = model, .room = room};

    if (ask != NULL && r->endpoint != ENDPOINT_CHAT) {
        return ERR_USE;
    }
    out->path = path_of(r->endpoint);
    out->stream = ask != NULL || r->is_stream;
    if (ask != NULL && !ask->is_output) {
        out->choices = 1;
        return nodecall_inner(&c, out);
    }
    out->choices = r->choices;
    return build_spliced(&c, out);
}
