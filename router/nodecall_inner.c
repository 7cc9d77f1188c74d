/* What a node that is not the output is asked: a body of our own with slices of the client's in it, so that
 * what no row names is not sent. */
#include "router/nodecall_private.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With as few digits as give the same number again. */
const char *nodecall_number(double number, struct arena *room)
{
    char digits[32];
    int precision = 0;

    do {
        precision++;
        snprintf(digits, sizeof(digits), "%.*g", precision, number);
    } while (precision < DBL_DECIMAL_DIG && strtod(digits, NULL) != number);
    return arena_dup(room, digits);
}

bool nodecall_may_pass(const char *name)
{
    static const char *const rows[] = {
        "model",
        "messages",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "n",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "reasoning_effort",
    };
    size_t i;

    for (i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(name, rows[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* Room was counted for all. */
static void add(struct slice *pieces, size_t *count, struct slice piece)
{
    pieces[(*count)++] = piece;
}

static void add_member(struct slice *pieces, size_t *count, const struct span_value *v)
{
    if (v->type != SPAN_ABSENT) {
        add(pieces, count, SLICE_LIT(","));
        add(pieces, count, v->member);
    }
}

/* `,"name":number`, or nothing for NAN; NULL: no memory. */
static const char *setting(const char *name, double number, struct arena *room)
{
    const char *text;

    if (isnan(number)) {
        return "";
    }
    text = nodecall_number(number, room);
    return text == NULL ? NULL : arena_printf(room, ",\"%s\":%s", name, text);
}

/* What is ours, between the messages and the client's members. */
static enum err settings(const struct nodecall_draft *c, struct slice *out)
{
    const struct node_ask *ask = c->ask;
    const char *temperature = setting("temperature", ask->temperature, c->room);
    const char *top_p = setting("top_p", ask->top_p, c->room);
    const char *text;

    if (temperature == NULL || top_p == NULL) {
        return ERR_NOMEM;
    }
    text = arena_printf(
        c->room,
        ",\"stream\":true,\"stream_options\":{\"include_usage\":true}%s%s,\"seed\":%" PRIu32
        ",\"%s\":%" PRIu32,
        temperature, top_p, ask->seed,
        nodecall_wants_new_spelling(c->model) ? "max_completion_tokens" : "max_tokens",
        ask->max_tokens);
    *out = slice_of(text);
    return text == NULL ? ERR_NOMEM : ERR_NONE;
}

/* The members of the request that the task's list names, as sent. */
static enum err find_passed(const struct nodecall_draft *c, size_t count, struct span_value **out)
{
    struct span_value *found = arena_array(c->room, count, sizeof(*found));
    size_t i;

    if (found == NULL) {
        return ERR_NOMEM;
    }
    if (count > 0) {
        span_find(c->r->object, c->ask->pass, count, found);
    }
    for (i = 0; i < count; i++) {
        if (!nodecall_may_pass(c->ask->pass[i])) {
            found[i].type = SPAN_ABSENT;
        }
    }
    *out = found;
    return ERR_NONE;
}

static size_t count_of(const char *const *names)
{
    size_t count = 0;

    while (names != NULL && names[count] != NULL) {
        count++;
    }
    return count;
}

enum err nodecall_inner(struct nodecall_draft *c, struct nodecall *out)
{
    size_t pass_count = count_of(c->ask->pass);
    struct slice *pieces = arena_array(c->room, SPLICE_PIECES_MAX + 7 + 2 * pass_count,
                                       sizeof(*pieces));
    struct span_value *passed;
    struct slice text;
    enum err rc;
    size_t i;

    if (pieces == NULL) {
        return ERR_NOMEM;
    }
    rc = nodecall_text(c->room, "{\"model\":\"", slice_of(c->model->id), "\",\"messages\":", &text);
    if (rc != ERR_NONE) {
        return rc;
    }
    out->count = 0;
    add(pieces, &out->count, text);
    splice_init(&c->edits, c->r->messages.text);
    rc = nodecall_messages(c);
    if (rc != ERR_NONE) {
        return rc;
    }
    out->count += splice_pieces(&c->edits, pieces + out->count);
    rc = settings(c, &text);
    if (rc != ERR_NONE) {
        return rc;
    }
    add(pieces, &out->count, text);
    if (c->ask->is_deliverable) {
        add_member(pieces, &out->count, &c->r->response_format);
    }
    add_member(pieces, &out->count, &c->r->reasoning_effort);
    rc = find_passed(c, pass_count, &passed);
    if (rc != ERR_NONE) {
        return rc;
    }
    for (i = 0; i < pass_count; i++) {
        add_member(pieces, &out->count, &passed[i]);
    }
    add(pieces, &out->count, SLICE_LIT("}"));
    out->pieces = pieces;
    return ERR_NONE;
}
