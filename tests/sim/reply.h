/*
 * A reply as the simulated model "generated" it, and its rendering in both dialects, as JSON and
 * as server-sent events. A token is the unit of pacing, of counting and of truncation: one word
 * of text with the space before it, the opening of a tool call, or a fragment of its arguments.
 */
#ifndef SIM_REPLY_H
#define SIM_REPLY_H

#include "tests/sim/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_MAX_CALLS 2U

enum token_kind { TOKEN_TEXT = 0, TOKEN_CALL, TOKEN_ARGS };

/* TEXT: choice.text[off, off + len). ARGS: the same of the call's args. CALL: opens the call. */
struct token {
    uint32_t off;
    uint32_t len;
    uint8_t kind; /* enum token_kind */
    uint8_t call;
};

struct call {
    char id[40];
    char *name;
    struct buf args;
};

struct choice {
    struct buf text;
    struct token *tokens;
    size_t n_tokens;
    struct call calls[REPLY_MAX_CALLS];
    unsigned n_calls;
    bool is_cut; /* by max_tokens */
};

/* Owned by its job. The flags below prefix are deviations that faults ask for. */
struct reply {
    bool is_chat;
    bool include_usage;
    bool logprobs;
    char id[48];
    int64_t created;
    char *model;
    size_t n;
    struct choice *choices;
    size_t longest; /* tokens of the longest choice */
    int64_t prompt_tokens;
    int64_t completion_tokens;
    struct buf prefix; /* what every event begins with */
    bool no_finish;
    bool no_index;
    bool zero_index;
    bool usage_choices;
    bool dialect_crlf; /* CRLF lines, comments, event: and id: lines, no space after data: */
};

void reply_init(struct reply *r, bool is_chat, const char *model, size_t n, uint64_t number);
void reply_fini(struct reply *r);

/* Cuts choice.text into tokens, replacing those it had. */
void choice_tokenize(struct choice *c);
/* Appends the tokens of a tool call whose args are complete: its opening, then args in fragments.
 * */
void choice_add_call(struct choice *c, const char *id, const char *name, const char *args);
/* Keeps the first max tokens. */
void choice_cut(struct choice *c, size_t max);

/* Sets longest and completion_tokens after the choices are made. */
void reply_count(struct reply *r);

/* Server-sent events, each with its empty line. reply_token() adds nothing for a choice that has
 * no token i. */
void reply_role(struct reply *r, struct buf *out);
void reply_token(struct reply *r, size_t i, struct buf *out);
void reply_finish(struct reply *r, struct buf *out);
void reply_usage(struct reply *r, struct buf *out);
void reply_done(struct reply *r, struct buf *out);
/* An event with the given data. */
void reply_event(struct reply *r, const char *data, size_t n, struct buf *out);

/* The whole reply as one JSON document. */
void reply_json(struct reply *r, struct buf *out);

#endif
