#include "tests/sim/calls.h"

#include "tests/sim/buf.h"

#include <stdlib.h>
#include <string.h>

void calls_fini(struct calls *c)
{
    free(c->ring);
    memset(c, 0, sizeof(*c));
}

uint64_t calls_begin(struct calls *c, const char *model, int64_t start_us)
{
    struct call_record *r;

    if (c->ring == NULL) {
        c->ring = mem_zalloc(CALLS_KEPT * sizeof(*c->ring));
    }
    r = &c->ring[c->next % CALLS_KEPT];
    memset(r, 0, sizeof(*r));
    r->model = model;
    r->start_us = start_us;
    r->outcome = "running";
    c->next++;
    if (c->next - c->from > CALLS_KEPT) {
        c->from = c->next - CALLS_KEPT;
    }
    return c->next - 1;
}

struct call_record *calls_get(struct calls *c, uint64_t number)
{
    return number >= c->from && number < c->next ? &c->ring[number % CALLS_KEPT] : NULL;
}

void calls_reset(struct calls *c)
{
    c->from = c->next;
}

static json_t *record_json(const struct call_record *r)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:b, s:s}", "model", r->model,
                     "start_us", (json_int_t) r->start_us, "first_token_us",
                     (json_int_t) r->first_token_us, "last_token_us", (json_int_t) r->last_token_us,
                     "end_us", (json_int_t) r->end_us, "tokens", (json_int_t) r->tokens,
                     "candidates", (int) r->candidates, "candidates_right",
                     (int) r->candidates_right, "is_select", r->is_select, "outcome", r->outcome);
}

json_t *calls_json(const struct calls *c, const char *model)
{
    json_t *list = json_array();

    for (uint64_t i = c->from; i < c->next; i++) {
        const struct call_record *r = &c->ring[i % CALLS_KEPT];

        if (model == NULL || strcmp(model, r->model) == 0) {
            json_array_append_new(list, record_json(r));
        }
    }
    return json_pack("{s:o}", "calls", list);
}
