/* One validating pass finds the members that the table names; then each is checked on its own. */
#include "router/request.h"

#include <string.h>

#include "cache/arena.h"

enum {
    MODEL_NAME_MAX = 256,
    CHOICES_MAX = 128,
    BYTES_PER_TOKEN = 4,
    /* A data: URL names its type and encoding within this many bytes. */
    DATA_URL_HEAD_MAX = 128,
};

#define CHAT (1u << ENDPOINT_CHAT)
#define COMPLETIONS (1u << ENDPOINT_COMPLETIONS)
#define EMBEDDINGS (1u << ENDPOINT_EMBEDDINGS)
#define GENERATING (CHAT | COMPLETIONS)
#define ALL (GENERATING | EMBEDDINGS)

#define NULLABLE (1u << SPAN_NULL)
#define BOOL (1u << SPAN_FALSE | 1u << SPAN_TRUE | NULLABLE)
#define NUMBER (1u << SPAN_NUMBER | NULLABLE)
#define STRING (1u << SPAN_STRING)
#define ARRAY (1u << SPAN_ARRAY)
#define OBJECT (1u << SPAN_OBJECT)
/* The upstream's to judge; named here because we may write it, so it must not stand twice. */
#define ANYTHING (BOOL | NUMBER | STRING | ARRAY | OBJECT)

struct member {
    const char *name;
    unsigned endpoints;
    unsigned types;
    bool is_required;
    const char *expected;
    size_t offset; /* of the span in struct request */
};

#define AT(field) offsetof(struct request, field)

static const struct member members[] = {
    {"model", ALL, STRING, true, "a non-empty string", AT(model)},
    {"models", ALL, ANYTHING, false, "", AT(models)},
    {"messages", CHAT, ARRAY, true, "a non-empty array of objects", AT(messages)},
    {"prompt", COMPLETIONS, STRING | ARRAY, true, "a string or a non-empty array", AT(input)},
    {"input", EMBEDDINGS, STRING | ARRAY, true, "a string or a non-empty array", AT(input)},
    {"stream", GENERATING, BOOL, false, "true, false or null", AT(stream)},
    {"stream_options", GENERATING, OBJECT | NULLABLE, false, "an object or null",
     AT(stream_options)},
    {"max_tokens", GENERATING, NUMBER, false, "a number or null", AT(max_tokens)},
    {"max_completion_tokens", CHAT, NUMBER, false, "a number or null", AT(max_completion_tokens)},
    {"n", GENERATING, NUMBER, false, "a whole number from 1 to 128, or null", AT(n)},
    {"temperature", CHAT, ANYTHING, false, "", AT(temperature)},
    {"top_p", CHAT, ANYTHING, false, "", AT(top_p)},
    {"response_format", CHAT, ANYTHING, false, "", AT(response_format)},
    {"reasoning_effort", CHAT, ANYTHING, false, "", AT(reasoning_effort)},
    {"logprobs", CHAT, ANYTHING, false, "", AT(logprobs)},
    {"functions", CHAT, ANYTHING, false, "", AT(functions)},
    {"modalities", CHAT, ANYTHING, false, "", AT(modalities)},
    {"audio", CHAT, ANYTHING, false, "", AT(audio)},
    {"tools", CHAT, ARRAY | NULLABLE, false, "an array or null", AT(tools)},
    {"user", ALL, STRING | NULLABLE, false, "a string or null", AT(user)},
    {"safety_identifier", ALL, STRING | NULLABLE, false, "a string or null", AT(safety_identifier)},
    {"prompt_cache_key", ALL, STRING | NULLABLE, false, "a string or null", AT(prompt_cache_key)},
};

enum { MEMBER_COUNT = ARRAY_LEN(members) };

static const char *type_text(enum span_type type)
{
    switch (type) {
    case SPAN_ABSENT:
        return "nothing";
    case SPAN_NULL:
        return "null";
    case SPAN_FALSE:
        return "false";
    case SPAN_TRUE:
        return "true";
    case SPAN_NUMBER:
        return "a number";
    case SPAN_STRING:
        return "a string";
    case SPAN_ARRAY:
        return "an array";
    case SPAN_OBJECT:
        return "an object";
    }
    return "nothing";
}

static size_t offset_in(const struct request *r, struct slice text)
{
    return (size_t) (text.p - r->json.p);
}

static bool is_given(const struct span_value *v)
{
    return v->type != SPAN_ABSENT && v->type != SPAN_NULL;
}

static enum err check_type(const struct request *r, const struct member *m,
                           const struct span_value *v, struct errbuf *err)
{
    if (v->type == SPAN_ABSENT) {
        return m->is_required
                   ? err_set(err, ERR_INPUT, "`%s` is missing: it must be %s", m->name, m->expected)
                   : ERR_NONE;
    }
    if ((m->types & 1u << v->type) == 0) {
        return err_set(err, ERR_INPUT, "`%s` must be %s, but is %s at byte %zu", m->name,
                       m->expected, type_text(v->type), offset_in(r, v->text));
    }
    return ERR_NONE;
}

static enum err read_members(struct request *r, const char **param, struct errbuf *err)
{
    const struct member *wanted[MEMBER_COUNT];
    const char *names[MEMBER_COUNT];
    struct span_value values[MEMBER_COUNT];
    struct span_error bad;
    size_t count = 0;
    size_t i;

    for (i = 0; i < MEMBER_COUNT; i++) {
        if ((members[i].endpoints & 1u << r->endpoint) != 0) {
            wanted[count] = &members[i];
            names[count++] = members[i].name;
        }
    }
    if (span_object(r->json, names, count, values, &bad) != ERR_NONE) {
        return err_set(err, ERR_INPUT, "the request body must be one JSON object: %s at byte %zu",
                       bad.what, bad.offset);
    }
    for (i = 0; i < count; i++) {
        enum err rc = check_type(r, wanted[i], &values[i], err);

        if (rc != ERR_NONE) {
            *param = wanted[i]->name;
            return rc;
        }
        memcpy((char *) r + wanted[i]->offset, &values[i], sizeof(values[i]));
    }
    return ERR_NONE;
}

/* The validated body without the white space around it. */
static struct slice trim(struct slice s)
{
    while (*s.p != '{') {
        s.p++;
        s.n--;
    }
    while (s.p[s.n - 1] != '}') {
        s.n--;
    }
    return s;
}

static enum err read_model(struct request *r, struct arena *room, struct errbuf *err)
{
    size_t length = span_decode(r->model.text, NULL, 0);
    char *name;

    if (length == 0 || length > MODEL_NAME_MAX) {
        return err_set(err, ERR_INPUT,
                       "`model` must be a string of 1 to %d bytes, but has %zu at byte %zu",
                       MODEL_NAME_MAX, length, offset_in(r, r->model.text));
    }
    name = arena_alloc(room, length + 1);
    if (name == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    span_decode(r->model.text, name, length);
    r->model_name = (struct slice) {name, length};
    return ERR_NONE;
}

static enum err check_messages(const struct request *r, struct errbuf *err)
{
    struct span_cursor cursor = {0};
    struct span_value message;
    struct slice key;
    size_t i;

    for (i = 0; span_next(r->messages.text, &cursor, &key, &message); i++) {
        if (message.type != SPAN_OBJECT) {
            return err_set(err, ERR_INPUT,
                           "`messages[%zu]` must be an object, but is %s at byte %zu", i,
                           type_text(message.type), offset_in(r, message.text));
        }
    }
    if (i == 0) {
        return err_set(err, ERR_INPUT,
                       "`messages` must be a non-empty array of objects, but is empty at byte %zu",
                       offset_in(r, r->messages.text));
    }
    return ERR_NONE;
}

static enum err check_input(const struct request *r, const char *name, struct errbuf *err)
{
    struct span_cursor cursor = {0};
    struct span_value first;
    struct slice key;

    if (r->input.type == SPAN_ARRAY && !span_next(r->input.text, &cursor, &key, &first)) {
        return err_set(err, ERR_INPUT,
                       "`%s` must be a string or a non-empty array, but is empty at byte %zu", name,
                       offset_in(r, r->input.text));
    }
    return ERR_NONE;
}

static enum err read_stream_options(struct request *r, struct errbuf *err)
{
    static const char *const names[] = {"include_usage"};
    struct span_value usage;
    struct span_error bad;
    struct slice text = r->stream_options.text;

    if (!is_given(&r->stream_options)) {
        return ERR_NONE;
    }
    if (span_object(text, names, 1, &usage, &bad) != ERR_NONE) {
        return err_set(err, ERR_INPUT, "`stream_options`: %s at byte %zu", bad.what,
                       offset_in(r, text) + bad.offset);
    }
    if (is_given(&usage) && usage.type != SPAN_TRUE && usage.type != SPAN_FALSE) {
        return err_set(err, ERR_INPUT,
                       "`stream_options.include_usage` must be true, false or null, but is %s at "
                       "byte %zu",
                       type_text(usage.type), offset_in(r, usage.text));
    }
    r->wants_usage = usage.type == SPAN_TRUE;
    return ERR_NONE;
}

static enum err read_choices(struct request *r, struct errbuf *err)
{
    const struct span_value *n = &r->n;
    uint64_t number;

    if (!is_given(n)) {
        return ERR_NONE;
    }
    if (!span_to_u64(n, &number) || number < 1 || number > CHOICES_MAX) {
        return err_set(
            err, ERR_INPUT, "`n` must be a whole number from 1 to %d, but is %.*s at byte %zu",
            CHOICES_MAX, (int) (n->text.n < 40 ? n->text.n : 40), n->text.p, offset_in(r, n->text));
    }
    r->choices = number;
    return ERR_NONE;
}

/* What we cannot count by is the upstream's to judge: -1 means no cap to llama.cpp and LM Studio, and 0 is
 * what completions with `echo` ask for. */
static void read_answer_cap(const struct span_value *v, uint64_t *tokens)
{
    uint64_t number;

    if (span_to_u64(v, &number)) {
        *tokens = number;
    }
}

/* Bytes of base64 data: URLs, which are pictures and sound and no text. */
static size_t data_url_bytes(struct slice text)
{
    static const char open[] = "\"data:";
    static const char mark[] = ";base64,";
    const char *end = text.p + text.n;
    const char *at = text.p;
    size_t bytes = 0;

    while (at < end && (at = memmem(at, (size_t) (end - at), open, sizeof(open) - 1)) != NULL) {
        const char *url = at + 1;
        size_t head = (size_t) (end - url) < DATA_URL_HEAD_MAX ? (size_t) (end - url)
                                                               : (size_t) DATA_URL_HEAD_MAX;
        const char *close;

        at = url;
        if (memmem(url, head, mark, sizeof(mark) - 1) == NULL) {
            continue;
        }
        close = memchr(url, '"', (size_t) (end - url));
        if (close == NULL) {
            break;
        }
        bytes += (size_t) (close - url);
        at = close;
    }
    return bytes;
}

/* Saturates at 32 bits: a bucket has no use for more, and debts stay payable. */
static void estimate(struct request *r, uint64_t answer)
{
    const struct span_value *prompt = r->endpoint == ENDPOINT_CHAT ? &r->messages : &r->input;
    uint64_t tokens;

    r->prompt_tokens = (prompt->text.n - data_url_bytes(prompt->text)) / BYTES_PER_TOKEN + 1;
    r->tools_tokens = r->tools.text.n / BYTES_PER_TOKEN;
    if (r->endpoint != ENDPOINT_EMBEDDINGS) {
        r->answer_tokens = answer < UINT32_MAX ? answer : UINT32_MAX;
    }
    tokens = r->prompt_tokens + r->tools_tokens + r->answer_tokens * r->choices;
    r->estimated_tokens = tokens < UINT32_MAX ? tokens : UINT32_MAX;
}

/* One step for each member that needs more than its type; stops at the first fault. */
static enum err read_values(struct request *r, struct arena *room, const char **param,
                            struct errbuf *err)
{
    uint64_t answer = REQUEST_ANSWER_TOKENS;
    enum err rc;

    *param = "model";
    rc = read_model(r, room, err);
    if (rc == ERR_NONE && r->endpoint == ENDPOINT_CHAT) {
        *param = "messages";
        rc = check_messages(r, err);
    }
    if (rc == ERR_NONE) {
        *param = r->endpoint == ENDPOINT_EMBEDDINGS ? "input" : "prompt";
        rc = check_input(r, *param, err);
    }
    if (rc == ERR_NONE) {
        *param = "stream_options";
        rc = read_stream_options(r, err);
    }
    if (rc == ERR_NONE) {
        *param = "n";
        rc = read_choices(r, err);
    }
    read_answer_cap(&r->max_tokens, &answer);
    read_answer_cap(&r->max_completion_tokens, &answer);
    if (rc == ERR_NONE) {
        *param = NULL;
        estimate(r, answer);
    }
    return rc;
}

enum err request_parse(struct request *r, enum endpoint endpoint, struct reqbody *body,
                       struct arena *room, const char **param, struct errbuf *err)
{
    enum err rc;

    memset(r, 0, sizeof(*r));
    *param = NULL;
    r->endpoint = endpoint;
    r->body = body;
    r->choices = 1;
    if (body == NULL || body->length == 0) {
        return err_set(err, ERR_INPUT, "the request body is empty: it must be one JSON object");
    }
    r->json = (struct slice) {body->bytes, body->length};
    rc = read_members(r, param, err);
    if (rc != ERR_NONE) {
        return rc;
    }
    r->object = trim(r->json);
    r->is_stream = r->stream.type == SPAN_TRUE;
    return read_values(r, room, param, err);
}

void request_fini(struct request *r)
{
    reqbody_unref(r->body);
    memset(r, 0, sizeof(*r));
}
