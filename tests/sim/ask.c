#include "tests/sim/ask.h"

#include "tests/sim/buf.h"
#include "tests/sim/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_TOKENS 85
#define MESSAGE_TOKENS 4

static int refuse(struct ask_error *error, const char *message, const char *param)
{
    error->message = message;
    error->param = param;
    return -1;
}

static int64_t text_tokens(size_t bytes)
{
    return (int64_t) ((bytes + 3) / 4);
}

int ask_parse_root(struct ask *a, const char *body, size_t n, struct ask_error *error)
{
    json_error_t je;

    a->root = json_loadb(body, n, JSON_ALLOW_NUL, &je);
    if (!json_is_object(a->root)) {
        return refuse(error, "We could not parse the JSON body of your request.", NULL);
    }
    a->model = json_string_value(json_object_get(a->root, "model"));
    if (a->model == NULL) {
        return refuse(error, "you must provide a model parameter", "model");
    }
    return 0;
}

static int parse_stops(struct ask *a, struct ask_error *error)
{
    json_t *stop = json_object_get(a->root, "stop");
    json_t *entry;
    size_t i;

    if (json_is_string(stop)) {
        a->stops[a->n_stops++] = json_string_value(stop);
        return 0;
    }
    if (json_array_size(stop) > 4) {
        return refuse(error, "stop: at most 4 sequences", "stop");
    }
    json_array_foreach(stop, i, entry)
    {
        if (json_is_string(entry) && json_string_length(entry) > 0) {
            a->stops[a->n_stops++] = json_string_value(entry);
        }
    }
    return 0;
}

/* The members that both dialects share. */
static int parse_common(struct ask *a, struct ask_error *error)
{
    json_t *seed = json_object_get(a->root, "seed");
    json_t *n = json_object_get(a->root, "n");
    json_t *max = json_object_get(a->root, "max_completion_tokens");
    json_t *stream = json_object_get(a->root, "stream");
    json_t *options = json_object_get(a->root, "stream_options");
    json_t *logprobs = json_object_get(a->root, "logprobs");
    json_t *temperature = json_object_get(a->root, "temperature");

    if (stream != NULL && !json_is_boolean(stream) && !json_is_null(stream)) {
        return refuse(error, "stream must be a boolean", "stream");
    }
    a->stream = json_is_true(stream);
    a->include_usage = json_is_true(json_object_get(options, "include_usage"));
    a->logprobs = json_is_true(logprobs) || json_is_integer(logprobs);
    a->n = 1;
    if (json_is_integer(n)) {
        if (json_integer_value(n) < 1 || json_integer_value(n) > 16) {
            return refuse(error, "n must be from 1 to 16", "n");
        }
        a->n = (size_t) json_integer_value(n);
    }
    if (!json_is_integer(max)) {
        max = json_object_get(a->root, "max_tokens");
    }
    a->max_tokens = -1;
    if (json_is_integer(max)) {
        a->max_tokens = json_integer_value(max);
        if (a->max_tokens < 0) {
            return refuse(error, "max_tokens must not be negative", "max_tokens");
        }
    }
    if (json_is_integer(seed)) {
        a->seed = hash_u64(1, (uint64_t) json_integer_value(seed));
    } else if (json_is_real(seed)) {
        double v = json_real_value(seed);

        a->seed = hash_bytes(2, &v, sizeof(v));
    }
    a->temperature = json_is_number(temperature) ? json_number_value(temperature) : (double) NAN;
    return parse_stops(a, error);
}

static void parse_part(struct ask *a, json_t *part, struct buf *text, int64_t *tokens)
{
    json_t *s = json_object_get(part, "text");
    json_t *image = json_object_get(part, "image_url");
    json_t *url = json_is_string(image) ? image : json_object_get(image, "url");

    if (json_is_string(s)) {
        if (text->len > 0) {
            buf_add(text, "\n", 1);
        }
        buf_add(text, json_string_value(s), json_string_length(s));
    }
    if (json_is_string(url)) {
        a->images++;
        a->image_bytes += json_string_length(url);
        *tokens += IMAGE_TOKENS;
    }
}

/* Collects a message's text; content is a string, a list of parts, or null. */
static int64_t parse_content(struct ask *a, json_t *content, struct buf *text)
{
    int64_t tokens = MESSAGE_TOKENS;
    json_t *part;
    size_t i;

    if (json_is_string(content)) {
        buf_add(text, json_string_value(content), json_string_length(content));
    }
    json_array_foreach(content, i, part)
    {
        parse_part(a, part, text, &tokens);
    }
    return tokens + text_tokens(text->len);
}

static int parse_messages(struct ask *a, struct ask_error *error)
{
    json_t *messages = json_object_get(a->root, "messages");
    json_t *message;
    const char *role = "";
    size_t i;

    if (!json_is_array(messages) || json_array_size(messages) == 0) {
        return refuse(error, "messages must be a list with at least one message", "messages");
    }
    json_array_foreach(messages, i, message)
    {
        json_t *content = json_object_get(message, "content");
        struct buf text = {0};

        role = json_string_value(json_object_get(message, "role"));
        if (role == NULL) {
            return refuse(error, "every message needs a role", "messages");
        }
        a->prompt_tokens += parse_content(a, content, &text);
        a->tool_result = strcmp(role, "tool") == 0 ? json_string_value(content) : NULL;
        if (strcmp(role, "user") == 0) {
            free(a->user_text);
            a->user_len = text.len;
            a->user_text = buf_str(&text);
        } else {
            if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0) {
                buf_add(&a->system_text, text.data, text.len);
            }
            buf_fini(&text);
        }
    }
    a->prefilled = strcmp(role, "assistant") == 0;
    return 0;
}

static int parse_tools(struct ask *a, struct ask_error *error)
{
    json_t *choice = json_object_get(a->root, "tool_choice");
    const char *word = json_string_value(choice);

    a->tools = json_object_get(a->root, "tools");
    a->parallel_calls = !json_is_false(json_object_get(a->root, "parallel_tool_calls"));
    if (a->tools == NULL || json_is_null(a->tools)) {
        a->tools = NULL;
        return 0;
    }
    if (!json_is_array(a->tools) || json_array_size(a->tools) == 0) {
        return refuse(error, "tools must be a list with at least one tool", "tools");
    }
    a->tool_choice = TOOLS_AUTO;
    a->tool_name = json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
    if (word != NULL && strcmp(word, "none") == 0) {
        a->tool_choice = TOOLS_NONE;
    } else if (a->tool_name != NULL || (word != NULL && strcmp(word, "required") == 0)) {
        a->tool_choice = TOOLS_REQUIRED;
    }
    return 0;
}

static void parse_format(struct ask *a)
{
    json_t *format = json_object_get(a->root, "response_format");
    const char *type = json_string_value(json_object_get(format, "type"));

    if (type == NULL) {
        return;
    }
    a->wants_json = strcmp(type, "json_object") == 0 || strcmp(type, "json_schema") == 0;
    if (strcmp(type, "json_schema") == 0) {
        a->schema = json_object_get(json_object_get(format, "json_schema"), "schema");
    }
}

int ask_parse_chat(struct ask *a, const char *body, size_t n, struct ask_error *error)
{
    int rc = ask_parse_root(a, body, n, error);

    a->is_chat = true;
    if (rc == 0) {
        rc = parse_common(a, error);
    }
    if (rc == 0) {
        rc = parse_messages(a, error);
    }
    if (rc == 0) {
        rc = parse_tools(a, error);
    }
    if (rc == 0) {
        parse_format(a);
    }
    return rc;
}

int64_t ask_count_tokens(const json_t *prompt)
{
    if (json_is_string(prompt)) {
        return text_tokens(json_string_length(prompt));
    }
    return (int64_t) json_array_size(prompt);
}

/* A string, a list of strings, a list of tokens, or a list of lists of tokens, brought to a list
 * of prompts. */
static int parse_prompts(struct ask *a, struct ask_error *error)
{
    json_t *prompt = json_object_get(a->root, "prompt");
    json_t *entry;
    size_t i;

    if (prompt == NULL || (json_is_array(prompt) && json_array_size(prompt) == 0)) {
        return refuse(error, "you must provide a prompt", "prompt");
    }
    if (json_is_array(prompt) && !json_is_integer(json_array_get(prompt, 0))) {
        a->prompts = json_incref(prompt);
    } else {
        a->prompts = json_pack("[O]", prompt);
    }
    json_array_foreach(a->prompts, i, entry)
    {
        if (!json_is_string(entry) && !json_is_array(entry)) {
            return refuse(error, "a prompt must be a string or a list of tokens", "prompt");
        }
        a->prompt_tokens += ask_count_tokens(entry);
    }
    if (json_array_size(a->prompts) * a->n > ASK_MAX_CHOICES) {
        return refuse(error, "too many prompts times n", "prompt");
    }
    return 0;
}

int ask_parse_completion(struct ask *a, const char *body, size_t n, struct ask_error *error)
{
    int rc = ask_parse_root(a, body, n, error);

    if (rc == 0) {
        rc = parse_common(a, error);
    }
    if (rc == 0) {
        rc = parse_prompts(a, error);
    }
    if (rc == 0) {
        const char *first = ask_prompt(a, 0);

        a->n *= json_array_size(a->prompts);
        a->echo = json_is_true(json_object_get(a->root, "echo"));
        a->user_len = strlen(first);
        a->user_text = mem_copy(first, a->user_len);
    }
    return rc;
}

const char *ask_prompt(const struct ask *a, size_t i)
{
    size_t per_prompt = a->n / json_array_size(a->prompts);
    json_t *prompt = json_array_get(a->prompts, per_prompt > 0 ? i / per_prompt : 0);

    return json_is_string(prompt) ? json_string_value(prompt) : "";
}

void ask_fini(struct ask *a)
{
    json_decref(a->prompts);
    json_decref(a->root);
    free(a->user_text);
    buf_fini(&a->system_text);
    memset(a, 0, sizeof(*a));
}
