#include "router/model.h"

#include "cache/record.h"

double model_usd(const struct model_def *m, const struct token_usage *usage)
{
    uint64_t cached = usage->cached < usage->prompt ? usage->cached : usage->prompt;

    return ((double) (usage->prompt - cached) * m->usd_per_mtok_input +
            (double) cached * m->usd_per_mtok_cached +
            (double) usage->completion * m->usd_per_mtok_output) /
           1e6;
}
