/* The input's first byte chooses the endpoint and the model's spelling of max_tokens; the rest is a
 * body. Besides not crashing: what goes upstream is a good request again that names the upstream's
 * model and asks for usage when it streams, and asking with it once more changes no byte. What a node of
 * a larger graph is asked is JSON to jansson too, with the members and texts that the table says. */
#include "router/request.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cache/arena.h"
#include "router/nodecall.h"
#include "router/request_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char model_id[] = "up/\"model\"\\1";

static void must(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

static struct reqbody *body_of(const void *bytes, size_t n)
{
    struct reqbody *b = reqbody_new(n);

    must(b != NULL);
    memcpy(b->bytes, bytes, n);
    return b;
}

static struct reqbody *join(const struct nodecall *call)
{
    struct reqbody *b;
    size_t n = 0;
    size_t i;

    for (i = 0; i < call->count; i++) {
        n += call->pieces[i].n;
    }
    b = reqbody_new(n);
    must(b != NULL);
    for (i = 0, n = 0; i < call->count; i++) {
        memcpy(b->bytes + n, call->pieces[i].p, call->pieces[i].n);
        n += call->pieces[i].n;
    }
    return b;
}

/* ---- nodes of a larger graph ---- */

static const char instruction[] = "Be \"brief\".\n\x01";
static const char frame[] = "[candidate]\\ \xF0\x9F\x98\x80";

static json_t *load(struct slice text, size_t flags)
{
    return json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | flags, NULL);
}

static bool is_one_of(const char *name, const char *const names[])
{
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

static json_t *last_content(const json_t *messages, const char *role)
{
    size_t i = json_array_size(messages);

    while (i-- > 0) {
        const json_t *m = json_array_get(messages, i);
        const json_t *r = json_object_get(m, "role");

        if (json_is_string(r) && json_string_length(r) == strlen(role) &&
            strcmp(json_string_value(r), role) == 0) {
            return json_object_get(m, "content");
        }
    }
    return NULL;
}

/* The frame ends the content, or is its last part. */
static void check_frame(const json_t *content)
{
    const json_t *text = content;
    size_t n;

    if (json_is_array(content)) {
        text = json_object_get(json_array_get(content, json_array_size(content) - 1), "text");
    }
    must(json_is_string(text));
    n = json_string_length(text);
    must(n >= sizeof(frame) - 1 &&
         memcmp(json_string_value(text) + n - (sizeof(frame) - 1), frame, sizeof(frame) - 1) == 0);
}

static void check_ours(const json_t *tree)
{
    const json_t *id = json_object_get(tree, "model");

    must(json_is_string(id) && strcmp(json_string_value(id), model_id) == 0);
    must(json_is_true(json_object_get(tree, "stream")));
    must(json_is_true(json_object_get(json_object_get(tree, "stream_options"), "include_usage")));
    must(json_number_value(json_object_get(tree, "temperature")) == 0.7);
}

/* What no row changes is the client's in an output node's call, and not in any other's. */
static void check_others(json_t *sent, json_t *made, const struct node_ask *ask)
{
    static const char *const written[] = {"model",
                                          "messages",
                                          "stream",
                                          "stream_options",
                                          "temperature",
                                          "max_tokens",
                                          "max_completion_tokens",
                                          NULL};
    static const char *const inner[] = {"seed", "reasoning_effort", "x", NULL};
    const char *key;
    json_t *value;

    if (ask->is_output) {
        json_object_foreach(sent, key, value)
        {
            must(is_one_of(key, written) || json_equal(value, json_object_get(made, key)));
        }
        return;
    }
    must(json_integer_value(json_object_get(made, "seed")) == 7);
    json_object_foreach(made, key, value)
    {
        must(is_one_of(key, written) || is_one_of(key, inner) ||
             (strcmp(key, "response_format") == 0 && ask->is_deliverable));
    }
}

/* Where a member stands twice in the client's text, parsers differ in which they take. */
static void check_tree(struct slice sent, struct slice made, const struct node_ask *ask)
{
    json_t *before = load(sent, JSON_REJECT_DUPLICATES);
    json_t *after;

    if (before == NULL) {
        before = load(sent, 0);
        after = load(made, 0);
        must(before == NULL || after != NULL);
    } else {
        after = load(made, JSON_REJECT_DUPLICATES);
        must(after != NULL);
        check_ours(after);
        check_others(before, after, ask);
        check_frame(last_content(json_object_get(after, "messages"), "user"));
    }
    json_decref(before);
    json_decref(after);
}

static void check_ask(const struct request *r, const struct node_ask *ask,
                      const struct model_def *model)
{
    struct request_facts facts;
    struct span_error error;
    struct nodecall call;
    struct arena room;
    struct reqbody *body;
    enum err rc;

    request_facts(r, &facts);
    arena_init(&room, 256, 1 << 20);
    request_text(&facts.last_user, &room, 16);
    rc = nodecall_build(r, ask, model, &room, &call);
    must((rc == ERR_NONE) ==
         (facts.last_user.type == SPAN_STRING || facts.last_user.type == SPAN_ARRAY));
    if (rc == ERR_NONE) {
        must(call.stream);
        body = join(&call);
        must(span_check((struct slice) {body->bytes, body->length}, &error) == ERR_NONE);
        check_tree(r->json, (struct slice) {body->bytes, body->length}, ask);
        reqbody_unref(body);
    }
    arena_fini(&room);
}

static void check_asks(const struct request *r, const struct model_def *model)
{
    static const char *const pass[] = {"x", "model", NULL};
    struct node_ask ask = {.is_output = true,
                           .temperature = 0.7,
                           .top_p = (double) NAN,
                           .max_tokens = 9,
                           .seed = 7,
                           .pass = pass,
                           .instruction = SLICE_LIT(instruction),
                           .frame = SLICE_LIT(frame)};
    struct model_def other = *model;

    other.capabilities |= CAPABILITY_NO_SYSTEM;
    check_ask(r, &ask, model);
    check_ask(r, &ask, &other);
    ask.is_output = false;
    check_ask(r, &ask, model);
    ask.is_deliverable = true;
    check_ask(r, &ask, &other);
}

/* ---- a graph of one node ---- */

/* The body of the call that the request becomes; NULL when it is refused. */
static struct reqbody *ask(enum endpoint endpoint, struct reqbody *body,
                           const struct model_def *model, bool is_ours)
{
    static const struct install_key key = {{0}};
    struct reqbody *out = NULL;
    struct nodecall call;
    struct errbuf err;
    struct arena room;
    struct request r;
    const char *param;

    arena_init(&room, 256, 1 << 20);
    if (request_parse(&r, endpoint, body, &room, &param, &err) == ERR_NONE) {
        must(param == NULL && r.choices >= 1 && r.estimated_tokens <= UINT32_MAX);
        must(r.object.p[0] == '{' && r.object.p[r.object.n - 1] == '}');
        request_unit(&r, &key, 1, SLICE_NONE);
        must(nodecall_build(&r, NULL, model, &room, &call) == ERR_NONE);
        must(call.stream == r.is_stream);
        if (endpoint == ENDPOINT_CHAT && !is_ours) {
            check_asks(&r, model);
        }
        if (is_ours) {
            must(slice_eq_text(r.model_name, model_id));
            must(!r.is_stream || r.wants_usage);
        }
        out = join(&call);
    }
    request_fini(&r);
    arena_fini(&room);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum endpoint endpoints[] = {ENDPOINT_CHAT, ENDPOINT_COMPLETIONS,
                                              ENDPOINT_EMBEDDINGS};
    struct model_def model = {.id = model_id};
    struct reqbody *once;
    struct reqbody *twice;
    enum endpoint endpoint;

    if (size == 0) {
        return 0;
    }
    endpoint = endpoints[data[0] % ARRAY_LEN(endpoints)];
    model.capabilities = (data[0] & 0x80) != 0 ? CAPABILITY_MAX_COMPLETION_TOKENS : 0;
    once = ask(endpoint, body_of(data + 1, size - 1), &model, false);
    if (once == NULL) {
        return 0;
    }
    twice = ask(endpoint, reqbody_ref(once), &model, true);
    must(twice != NULL && twice->length == once->length &&
         memcmp(twice->bytes, once->bytes, once->length) == 0);
    reqbody_unref(once);
    reqbody_unref(twice);
    return 0;
}
