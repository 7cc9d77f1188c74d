#include "router/model.h"

#include "cache/record.h"

bool model_is_better(const struct model_def *a, const struct model_def *b)
{
    if (a->params != b->params) {
        return a->params > b->params;
    }
    return a->usd_per_mtok_input + a->usd_per_mtok_output <
           b->usd_per_mtok_input + b->usd_per_mtok_output;
}

double model_usd(const struct model_def *m, const struct token_usage *usage)
{
    uint64_t cached = usage->cached < usage->prompt ? usage->cached : usage->prompt;

    return ((double) (usage->prompt - cached) * m->usd_per_mtok_input +
            (double) cached * m->usd_per_mtok_cached +
            (double) usage->completion * m->usd_per_mtok_output) /
           1e6;
}
