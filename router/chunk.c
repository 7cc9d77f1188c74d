/* One validating pass over the text (span_object), then short walks inside `choices` and `usage`. */
#include "router/chunk.h"

#include <string.h>

enum top_member {
    TOP_ID,
    TOP_MODEL,
    TOP_USAGE,
    TOP_ERROR,
    TOP_CHOICES,
    TOP_OBJECT,
    TOP_DATA,
    TOP_COUNT,
};

static const char *const top_names[TOP_COUNT] = {"id",      "model",  "usage", "error",
                                                 "choices", "object", "data"};

enum choice_member { CHOICE_INDEX, CHOICE_FINISH, CHOICE_PART, CHOICE_COUNT };

static const char *const choice_names_delta[] = {"index", "finish_reason", "delta"};
static const char *const choice_names_message[] = {"index", "finish_reason", "message"};
static const char *const choice_names_text[] = {"index", "finish_reason", "text"};

enum { CHOICE_INDEX_MAX = 31 };

struct walk {
    struct chunk *out;
    struct errbuf *err;
    const char *const *names; /* of a choice's members */
    size_t choice;            /* place in the array */
};

/* Members of a delta or message that are content, and the types they may have beside null. */
struct part {
    struct slice key; /* as it is usually spelt, in quotes */
    const char *name;
    unsigned types;
    bool is_calls;
};

#define PART(name, types, is_calls)                                                                \
    {                                                                                              \
        {"\"" name "\"", sizeof(name) + 1}, (name), (types), (is_calls)                            \
    }
#define STRING (1u << SPAN_STRING)
#define ARRAY (1u << SPAN_ARRAY)
#define OBJECT (1u << SPAN_OBJECT)

static const struct part parts[] = {
    PART("content", STRING | ARRAY, false), /* an array of parts where a model thinks (Mistral) */
    PART("tool_calls", ARRAY, true),
    PART("reasoning_content", STRING | ARRAY | OBJECT, false),
    PART("reasoning", STRING | ARRAY | OBJECT, false),
    PART("reasoning_details", STRING | ARRAY | OBJECT, false),
    PART("refusal", STRING, false),
    PART("function_call", OBJECT, false),
    PART("audio", OBJECT, false),
};

static bool is_null(const struct span_value *v)
{
    return v->type == SPAN_ABSENT || v->type == SPAN_NULL;
}

static bool is_filled(const struct span_value *v)
{
    struct span_cursor cursor = {0};
    struct span_value first;
    struct slice key;

    switch (v->type) {
    case SPAN_STRING:
        return v->text.n > 2;
    case SPAN_ARRAY:
    case SPAN_OBJECT:
        return span_next(v->text, &cursor, &key, &first);
    case SPAN_ABSENT:
    case SPAN_NULL:
    case SPAN_FALSE:
    case SPAN_TRUE:
    case SPAN_NUMBER:
        break;
    }
    return false;
}

static const struct part *find_part(struct slice key)
{
    bool is_escaped = memchr(key.p, '\\', key.n) != NULL;
    size_t i;

    for (i = 0; i < ARRAY_LEN(parts); i++) {
        if (is_escaped ? span_string_eq(key, parts[i].name) : slice_eq(key, parts[i].key)) {
            return &parts[i];
        }
    }
    return NULL;
}

static enum err take_tool_calls(struct walk *w, struct slice calls)
{
    struct span_cursor cursor = {0};
    struct span_value call;
    struct slice key;

    while (span_next(calls, &cursor, &key, &call)) {
        if (call.type != SPAN_OBJECT) {
            return err_set(w->err, ERR_INPUT, "choices[%zu]: a tool call is not an object",
                           w->choice);
        }
        w->out->has_tool_calls = true;
    }
    return ERR_NONE;
}

/* A delta or a message. */
static enum err take_parts(struct walk *w, const struct span_value *object)
{
    const char *where = w->names[CHOICE_PART];
    struct span_cursor cursor = {0};
    struct span_value value;
    struct slice key;

    if (is_null(object)) {
        return ERR_NONE;
    }
    if (object->type != SPAN_OBJECT) {
        return err_set(w->err, ERR_INPUT, "choices[%zu].%s is not an object", w->choice, where);
    }
    while (span_next(object->text, &cursor, &key, &value)) {
        const struct part *part = is_null(&value) ? NULL : find_part(key);

        if (part == NULL) {
            continue;
        }
        if ((part->types & (1u << value.type)) == 0) {
            return err_set(w->err, ERR_INPUT, "choices[%zu].%s.%s has the wrong type", w->choice,
                           where, part->name);
        }
        w->out->has_content = w->out->has_content || is_filled(&value);
        if (part->is_calls) {
            enum err rc = take_tool_calls(w, value.text);

            if (rc != ERR_NONE) {
                return rc;
            }
        }
    }
    return ERR_NONE;
}

static enum err take_text(struct walk *w, const struct span_value *text)
{
    if (is_null(text)) {
        return ERR_NONE;
    }
    if (text->type != SPAN_STRING) {
        return err_set(w->err, ERR_INPUT, "choices[%zu].text is not a string", w->choice);
    }
    w->out->has_content = w->out->has_content || is_filled(text);
    return ERR_NONE;
}

/* `bit`: the choice's place in the masks, 0 when it has none. */
static enum err take_index(struct walk *w, const struct span_value *index, unsigned *bit)
{
    uint64_t number = w->choice;

    *bit = 0;
    if (!is_null(index) && !span_to_u64(index, &number)) {
        return err_set(w->err, ERR_INPUT, "choices[%zu].index is not a whole number", w->choice);
    }
    if (number <= CHOICE_INDEX_MAX) {
        *bit = 1u << number;
    }
    w->out->choices_seen |= *bit;
    return ERR_NONE;
}

static enum err take_choice(struct walk *w, const struct span_value *choice)
{
    struct span_value m[CHOICE_COUNT];
    unsigned bit;
    enum err rc;

    if (choice->type != SPAN_OBJECT) {
        return err_set(w->err, ERR_INPUT, "choices[%zu] is not an object", w->choice);
    }
    span_find(choice->text, w->names, CHOICE_COUNT, m);
    rc = take_index(w, &m[CHOICE_INDEX], &bit);
    if (rc != ERR_NONE) {
        return rc;
    }
    if (!is_null(&m[CHOICE_FINISH])) {
        if (m[CHOICE_FINISH].type != SPAN_STRING) {
            return err_set(w->err, ERR_INPUT, "choices[%zu].finish_reason is not a string",
                           w->choice);
        }
        /* Some servers send "" until the end. */
        if (is_filled(&m[CHOICE_FINISH])) {
            w->out->has_content = true;
            w->out->choices_finished |= bit;
        }
    }
    return w->names == choice_names_text ? take_text(w, &m[CHOICE_PART])
                                         : take_parts(w, &m[CHOICE_PART]);
}

static enum err take_choices(struct walk *w)
{
    const struct span_value *choices = &w->out->choices;
    struct span_cursor cursor = {0};
    struct span_value choice;
    struct slice key;

    if (is_null(choices)) {
        return ERR_NONE;
    }
    if (choices->type != SPAN_ARRAY) {
        return err_set(w->err, ERR_INPUT, "choices is not an array");
    }
    for (w->choice = 0; span_next(choices->text, &cursor, &key, &choice); w->choice++) {
        enum err rc = take_choice(w, &choice);

        if (rc != ERR_NONE) {
            return rc;
        }
        w->out->has_choices = true;
    }
    return ERR_NONE;
}

/* Servers in languages with one kind of number may write 12.0. */
static enum err take_count(const struct span_value *v, const char *name, uint64_t *out,
                           struct errbuf *err)
{
    double number;

    *out = 0;
    if (is_null(v) || span_to_u64(v, out)) {
        return ERR_NONE;
    }
    if (!span_to_double(v, &number) || !(number >= 0.0 && number <= 0x1p53) ||
        number != (double) (uint64_t) number) {
        return err_set(err, ERR_INPUT, "usage.%s is not a whole number", name);
    }
    *out = (uint64_t) number;
    return ERR_NONE;
}

static enum err take_cached(const struct span_value *details, struct token_usage *tokens,
                            struct errbuf *err)
{
    static const char *const names[] = {"cached_tokens"};
    struct span_value cached;
    enum err rc;

    if (is_null(details)) {
        return ERR_NONE;
    }
    if (details->type != SPAN_OBJECT) {
        return err_set(err, ERR_INPUT, "usage.prompt_tokens_details is not an object");
    }
    span_find(details->text, names, 1, &cached);
    rc = take_count(&cached, "prompt_tokens_details.cached_tokens", &tokens->cached, err);
    if (tokens->cached > tokens->prompt) {
        tokens->cached = tokens->prompt;
    }
    return rc;
}

static enum err take_usage(struct chunk *out, struct errbuf *err)
{
    static const char *const names[] = {"prompt_tokens", "completion_tokens",
                                        "prompt_tokens_details"};
    struct span_value m[ARRAY_LEN(names)];
    enum err rc;

    if (is_null(&out->usage)) {
        return ERR_NONE;
    }
    if (out->usage.type != SPAN_OBJECT) {
        return err_set(err, ERR_INPUT, "usage is not an object");
    }
    span_find(out->usage.text, names, ARRAY_LEN(names), m);
    rc = take_count(&m[0], names[0], &out->tokens.prompt, err);
    if (rc == ERR_NONE) {
        rc = take_count(&m[1], names[1], &out->tokens.completion, err);
    }
    if (rc == ERR_NONE) {
        rc = take_cached(&m[2], &out->tokens, err);
    }
    out->tokens.known = rc == ERR_NONE && (!is_null(&m[0]) || !is_null(&m[1]));
    return rc;
}

/* The top-level members; `count` leaves out what is not wanted. */
static enum err take_top(struct slice json, size_t count, struct span_value top[TOP_COUNT],
                         struct chunk *out, struct errbuf *err)
{
    struct span_error bad;

    memset(out, 0, sizeof(*out));
    out->json = json;
    if (span_object(json, top_names, count, top, &bad) != ERR_NONE) {
        return err_set(err, ERR_INPUT, "%s at byte %zu", bad.what, bad.offset);
    }
    out->id = top[TOP_ID];
    out->model = top[TOP_MODEL];
    out->usage = top[TOP_USAGE];
    out->choices = top[TOP_CHOICES];
    if (!is_null(&top[TOP_ERROR])) {
        out->error = top[TOP_ERROR];
    } else if (top[TOP_OBJECT].type == SPAN_STRING &&
               span_string_eq(top[TOP_OBJECT].text, "error")) {
        out->error =
            top[TOP_OBJECT]; /* vLLM: message and code stand beside it, see chunk_error() */
    }
    return ERR_NONE;
}

enum err chunk_parse(struct slice json, enum endpoint endpoint, struct chunk *out,
                     struct errbuf *err)
{
    struct walk w = {.out = out, .err = err, .names = choice_names_delta};
    struct span_value top[TOP_COUNT];
    enum err rc = take_top(json, TOP_DATA, top, out, err);

    if (rc != ERR_NONE || out->error.type != SPAN_ABSENT) {
        return rc;
    }
    if (endpoint == ENDPOINT_COMPLETIONS) {
        w.names = choice_names_text;
    }
    rc = take_choices(&w);
    return rc == ERR_NONE ? take_usage(out, err) : rc;
}

static enum err take_embeddings(const struct span_value *data, struct chunk *out,
                                struct errbuf *err)
{
    if (data->type != SPAN_ARRAY || !is_filled(data)) {
        return err_set(err, ERR_INPUT, "data is not an array with something in it");
    }
    out->has_choices = true;
    out->has_content = true;
    return ERR_NONE;
}

enum err chunk_parse_reply(struct slice json, enum endpoint endpoint, struct chunk *out,
                           struct errbuf *err)
{
    struct walk w = {.out = out, .err = err, .names = choice_names_message};
    struct span_value top[TOP_COUNT];
    enum err rc = take_top(json, TOP_COUNT, top, out, err);

    if (rc != ERR_NONE || out->error.type != SPAN_ABSENT) {
        return rc;
    }
    if (endpoint == ENDPOINT_EMBEDDINGS) {
        rc = take_embeddings(&top[TOP_DATA], out, err);
    } else {
        if (endpoint == ENDPOINT_COMPLETIONS) {
            w.names = choice_names_text;
        }
        rc = take_choices(&w);
        if (rc == ERR_NONE && !out->has_choices) {
            rc = err_set(err, ERR_INPUT, "choices is not an array with something in it");
        }
    }
    return rc == ERR_NONE ? take_usage(out, err) : rc;
}
