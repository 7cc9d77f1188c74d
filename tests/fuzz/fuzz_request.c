/* The input's first byte chooses the endpoint and the model's spelling of max_tokens; the rest is a
 * body. Besides not crashing: what goes upstream is a good request again that names the upstream's
 * model and asks for usage when it streams, and asking with it once more changes no byte. */
#include "router/request.h"

#include <stdlib.h>
#include <string.h>

#include "cache/arena.h"
#include "router/nodecall.h"

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
