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

const char *task_by_text(enum task_by by)
{
    static const char *const texts[TASK_BY_COUNT] = {
        [TASK_BY_NONE] = "none",
        [TASK_BY_NAME] = "name",
        [TASK_BY_HEADER] = "header",
        [TASK_BY_RULE] = "rule",
        [TASK_BY_CLASSIFIER] = "classifier",
        [TASK_BY_DEFAULT] = "default",
    };
    return (unsigned) by < TASK_BY_COUNT ? texts[by] : "?";
}
