#include "gateway/api.h"

#include "gateway/relay.h"
#include "gateway/reply.h"

const struct handler api_chat = {ENDPOINT_CHAT, true,       true,         relay_start,
                                 relay_drained, relay_stop, relay_release};
const struct handler api_completions = {ENDPOINT_COMPLETIONS, true,       true,         relay_start,
                                        relay_drained,        relay_stop, relay_release};
const struct handler api_embeddings = {ENDPOINT_EMBEDDINGS, true,       true,         relay_start,
                                       relay_drained,       relay_stop, relay_release};

static void say_alive(struct exchange *x)
{
    reply_whole(x, 200, "text/plain", SLICE_LIT("ok\n"));
}

static void say_ready(struct exchange *x)
{
    if (x->server->draining) {
        reply_header(x, "retry-after", "1");
        reply_whole(x, 503, "text/plain", SLICE_LIT("draining\n"));
    } else {
        reply_whole(x, 200, "text/plain", SLICE_LIT("ready\n"));
    }
}

const struct handler api_healthz = {.start = say_alive};
const struct handler api_readyz = {.start = say_ready};
