/* The upstreams of a graph under test, which say what the test says; a node's call is found by its model. */
#ifndef TESTS_UNIT_RUN_UPSTREAMS_H
#define TESTS_UNIT_RUN_UPSTREAMS_H

#include "tests/unit/run_world.h"

/* The latest call to the model; NULL: none was made. */
static inline struct transfer *call_of(struct world *w, const char *model)
{
    for (size_t i = w->call_count; i-- > 0;) {
        if (strcmp(w->calls[i].model, model) == 0) {
            return &w->calls[i];
        }
    }
    return NULL;
}

static inline struct transfer *live(struct world *w, const char *model)
{
    struct transfer *t = call_of(w, model);
    assert_non_null(t);
    assert_non_null(t->events);
    return t;
}

static inline void begins(struct world *w, const char *model)
{
    struct transfer *t = live(w, model);
    struct transfer_head head = {.status = 200,
                                 .content_type = SLICE_LIT("text/event-stream"),
                                 .retry_after_us = UINT64_MAX};
    t->events->on_head(t->arg, &head);
}

/* An event with this delta and finish_reason, both JSON. */
static inline enum transfer_flow says(struct world *w, const char *model, const char *delta,
                                      const char *finish)
{
    struct transfer *t = live(w, model);
    char text[8192];
    snprintf(text, sizeof(text),
             "data: {\"id\":\"up-%s\",\"object\":\"chat.completion.chunk\",\"created\":7,"
             "\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n",
             model, model, delta, finish);
    return t->events->on_body(t->arg, slice_of(text));
}

static inline void ends(struct world *w, const char *model, unsigned prompt, unsigned completion)
{
    struct transfer *t = live(w, model);
    const struct transfer_events *events = t->events;
    char text[512];
    snprintf(text, sizeof(text),
             "data: {\"id\":\"up-%s\",\"choices\":[],\"usage\":{\"prompt_tokens\":%u,"
             "\"completion_tokens\":%u,\"total_tokens\":%u}}\n\ndata: [DONE]\n\n",
             model, prompt, completion, prompt + completion);
    events->on_body(t->arg, slice_of(text));
    t->events = NULL;
    events->on_end(t->arg, TRANSFER_COMPLETE, "");
    pass_us(w, 0);
}

/* The whole answer, of so many tokens. */
static inline void answers_in(struct world *w, const char *model, const char *content,
                              const char *finish, unsigned prompt, unsigned completion)
{
    char delta[4096];
    snprintf(delta, sizeof(delta), "{\"role\":\"assistant\",\"content\":\"%s\"}", content);
    begins(w, model);
    says(w, model, delta, "null");
    says(w, model, "{}", finish);
    ends(w, model, prompt, completion);
}

/* The whole answer, of 10 tokens of prompt and 2 of answer. */
static inline void answers(struct world *w, const char *model, const char *content)
{
    answers_in(w, model, content, "\"stop\"", 10, 2);
}

/* Breaks off, as often as it is tried. */
static inline void breaks(struct world *w, const char *model)
{
    for (unsigned i = 0; i < 8; i++) {
        struct transfer *t = call_of(w, model);
        if (t && t->events) {
            const struct transfer_events *events = t->events;
            t->events = NULL;
            events->on_end(t->arg, TRANSFER_CUT, "cut");
        }
        pass_us(w, 700 * MS);
    }
}

#endif
