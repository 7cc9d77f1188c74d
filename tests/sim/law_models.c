/*
 * The models of the law. Llama's accuracies are those printed with Agent-REINFORCE, the others are
 * made up in their proportion: nothing here is a measurement of a real model.
 */
#include "tests/sim/law.h"

#include <string.h>

static const struct law_model table[] = {
    {"llama-1b", "llama", 1e9, 16, 2048, 0.05, 0.10, 60, 4, {0.31, 0.31, 0.31}, 0.047, 1},
    {"llama-3b", "llama", 3e9, 28, 3072, 0.08, 0.15, 90, 6, {0.40, 0.43, 0.49}, 0.011, 1},
    {"llama-8b", "llama", 8e9, 32, 4096, 0.15, 0.30, 150, 10, {0.49, 0.64, 0.60}, 0.0077, 1},
    {"llama-70b", "llama", 70e9, 80, 8192, 0.80, 1.20, 400, 25, {0.68, 0.84, 0.68}, 0.0039, 1},
    {"qwen-3b", "qwen", 3e9, 36, 2048, 0.08, 0.15, 90, 6, {0.46, 0.42, 0.52}, 0.012, 1},
    {"qwen-7b", "qwen", 7e9, 28, 3584, 0.14, 0.28, 140, 9, {0.56, 0.57, 0.62}, 0.0085, 1},
    {"qwen-32b", "qwen", 32e9, 64, 5120, 0.45, 0.80, 260, 17, {0.66, 0.74, 0.70}, 0.0055, 1},
    {"gemma-2b", "gemma", 2e9, 26, 2304, 0.06, 0.12, 75, 5, {0.27, 0.37, 0.34}, 0.030, 1},
    {"gemma-9b", "gemma", 9e9, 42, 3584, 0.16, 0.32, 160, 11, {0.46, 0.66, 0.58}, 0.0075, 1},
    {"gemma-27b", "gemma", 27e9, 46, 4608, 0.40, 0.70, 240, 16, {0.55, 0.72, 0.65}, 0.0058, 1},
    {"mistral-7b", "mistral", 7e9, 32, 4096, 0.14, 0.28, 140, 9, {0.33, 0.55, 0.42}, 0.010, 1},
    {"persuasive",
     "persuasive",
     7e9,
     32,
     4096,
     0.14,
     0.28,
     140,
     9,
     {0.06, 0.08, 0.06},
     0.010,
     LAW_PERSUASION},
};

size_t law_models_count(void)
{
    return sizeof(table) / sizeof(table[0]);
}

const struct law_model *law_models_at(size_t i)
{
    return &table[i];
}

const struct law_model *law_models_find(const char *name)
{
    size_t n = strcspn(name, ":");

    for (size_t i = 0; i < law_models_count(); i++) {
        if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0) {
            return &table[i];
        }
    }
    return NULL;
}
