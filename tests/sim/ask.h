/*
 * What a client asked for: the members of a chat or completion request that shape a simulated
 * answer. Everything else in the body is ignored, as a lenient provider does.
 */
#ifndef SIM_ASK_H
#define SIM_ASK_H

#include "tests/sim/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASK_MAX_CHOICES 64U

enum tool_choice { TOOLS_NONE = 0, TOOLS_AUTO, TOOLS_REQUIRED };

/* Strings and json_t are borrowed from root, except user_text and system_text, which are owned; one ask lives as
 * long as its reply. */
struct ask {
    json_t *root;
    bool is_chat;
    const char *model;
    bool stream;
    bool include_usage;
    bool logprobs;
    bool echo;
    bool prefilled; /* the last message is from the assistant */
    bool parallel_calls;
    enum tool_choice tool_choice;
    const char *tool_name; /* the tool that tool_choice names, or NULL */
    json_t *tools;
    json_t *schema;     /* of response_format json_schema, or NULL */
    bool wants_json;    /* response_format asks for JSON */
    size_t n;           /* choices; for a completion: prompts x n */
    int64_t max_tokens; /* -1: none */
    uint64_t seed;
    double temperature; /* NAN: not given */
    const char *stops[4];
    size_t n_stops;
    json_t *prompts; /* completion: list of prompts */
    char *user_text; /* text of the last user message, NUL-terminated */
    size_t user_len;
    struct buf system_text;  /* of all system and developer messages */
    const char *tool_result; /* content of the last message when its role is tool, or NULL */
    unsigned images;
    size_t image_bytes;
    int64_t prompt_tokens;
};

/* Why a request was refused; param may be NULL. */
struct ask_error {
    const char *message;
    const char *param;
};

/*
 * Reads a body. Returns 0, or -1 with *error filled (HTTP 400). a is to be released with
 * ask_fini() in both cases; a->model is set as soon as it is known, so that a refusal can be
 * counted for its model.
 */
int ask_parse_chat(struct ask *a, const char *body, size_t n, struct ask_error *error);
int ask_parse_completion(struct ask *a, const char *body, size_t n, struct ask_error *error);
/* Only root and model, for the other endpoints. */
int ask_parse_root(struct ask *a, const char *body, size_t n, struct ask_error *error);
void ask_fini(struct ask *a);

/* The prompt of choice i of a completion as text ("" for token lists). */
const char *ask_prompt(const struct ask *a, size_t i);

/* The tokens of a prompt in an embeddings or completion request: about four bytes each, or the
 * length of a token list. */
int64_t ask_count_tokens(const json_t *prompt);

#endif
