#include "cache/record.h"

const char *end_reason_text(enum end_reason reason)
{
    static const char *const texts[END_REASON_COUNT] = {
#define X(name, text) [name] = text,
        END_REASONS(X)
#undef X
    };
    return (unsigned) reason < END_REASON_COUNT ? texts[reason] : "?";
}

const char *endpoint_text(enum endpoint endpoint)
{
    static const char *const texts[ENDPOINT_COUNT] = {
        [ENDPOINT_OTHER] = "other",
        [ENDPOINT_CHAT] = "chat",
        [ENDPOINT_COMPLETIONS] = "completions",
        [ENDPOINT_EMBEDDINGS] = "embeddings",
    };
    return (unsigned) endpoint < ENDPOINT_COUNT ? texts[endpoint] : "?";
}
