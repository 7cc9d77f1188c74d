#include "gateway/config_keys.h"

#include "gateway/config_value.h"

#include <stdio.h>
#include <string.h>

/* ---- what may stand there ---- */

static const char *list_words(const struct config_word *words, char *out, size_t cap)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i].text && n < cap; i++) {
        const char *gap = i == 0 ? "" : words[i + 1].text ? ", " : " or ";
        n += (size_t) snprintf(out + n, cap - n, "%s%s", gap, words[i].text);
    }
    return out;
}

static const char *bound(const struct config_key *key, double value,
                         char out[CONFIG_VALUE_TEXT_BYTES])
{
    switch (key->type) {
    case KEY_DURATION:
        return config_value_duration_text((uint64_t) value, out);
    case KEY_SIZE:
        return config_value_size_text((uint64_t) value, out);
    case KEY_COUNT:
    case KEY_COUNT64:
        snprintf(out, CONFIG_VALUE_TEXT_BYTES, "%.0f", value);
        return out;
    default:
        return config_value_number_text(value, out);
    }
}

static const char *ranged(const struct config_key *key, const char *what,
                          char out[CONFIG_KEY_TEXT_BYTES])
{
    char low[CONFIG_VALUE_TEXT_BYTES];
    char high[CONFIG_VALUE_TEXT_BYTES];
    snprintf(out, CONFIG_KEY_TEXT_BYTES, "%s from %s to %s", what, bound(key, key->min, low),
             bound(key, key->max, high));
    return out;
}

static const char *listed(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES])
{
    char words[CONFIG_KEY_TEXT_BYTES / 2];
    list_words(key->words, words, sizeof(words));
    snprintf(out, CONFIG_KEY_TEXT_BYTES, "a list of %s", words);
    return out;
}

static const char *fixed(const struct config_key *key)
{
    switch (key->type) {
    case KEY_GROUP:
        return key->can_be_off ? "a map of keys, or off" : "a map of keys";
    case KEY_LIST:
        return "a list of maps";
    case KEY_PAIRS:
        return "a map of names";
    case KEY_FILES:
        return "a map of names to paths";
    case KEY_PARAMS:
        return "a map of names to texts";
    case KEY_ORIGINS:
        return "a list of origins";
    case KEY_CLIENT_NAMES:
        return "a list of model names";
    case KEY_NAMES:
        return "a list of names";
    case KEY_TEXTS:
        return "a list of texts";
    case KEY_PATH:
        return "a path";
    case KEY_GRAPH:
        return "a path, or graph/NAME with a NAME of graphs";
    case KEY_NAME:
        return "a name: at most 63 letters, digits and . _ -, a letter or digit first";
    case KEY_MODEL_NAME:
        return "a name: at most 63 letters, digits and . _ - : / @ +, a letter or digit first; not "
               "auto, auto/... or graph/...";
    case KEY_CLIENT_NAME:
        return "the name of a model";
    case KEY_ENV:
        return "the name of an environment variable";
    case KEY_SHA256:
        return "the SHA-256 of the key in 64 hex digits";
    case KEY_URL:
        return "http(s)://HOST[:PORT][/PATH]";
    case KEY_ADDRESS:
        return "HOST:PORT, :PORT or unix:PATH";
    case KEY_BOOL:
        return "true or false";
    default:
        return "a text of at most 255 characters";
    }
}

const char *config_key_expected(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES])
{
    switch (key->type) {
    case KEY_WORD:
        return list_words(key->words, out, CONFIG_KEY_TEXT_BYTES);
    case KEY_FLAGS:
        return listed(key, out);
    case KEY_COUNT:
    case KEY_COUNT64:
        return ranged(key, "a whole number", out);
    case KEY_NUMBER:
        return ranged(key, "a number", out);
    case KEY_DURATION:
        return ranged(key, "a time", out);
    case KEY_SIZE:
        return ranged(key, "a size", out);
    default:
        return fixed(key);
    }
}

const char *config_key_hint(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES])
{
    const char *units = key->type == KEY_DURATION ? "ms s m h d"
                        : key->type == KEY_SIZE   ? "B KB KiB MB MiB GB GiB"
                                                  : NULL;
    if (!units) {
        return "";
    }
    snprintf(out, CONFIG_KEY_TEXT_BYTES, ", such as %s (units: %s)",
             key->value ? key->value : key->example, units);
    return out;
}

const char *config_key_item_expected(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES])
{
    switch (key->type) {
    case KEY_ORIGINS:
        return "http(s)://HOST[:PORT] in lower case, or *";
    case KEY_CLIENT_NAMES:
        return "the name of a model";
    case KEY_NAMES:
        return "a name";
    case KEY_TEXTS:
        return "a text of at most 255 characters";
    default:
        return list_words(key->words, out, CONFIG_KEY_TEXT_BYTES);
    }
}

/* ---- what an unknown key was meant to be ---- */

enum { LEAF_MAX = 31 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from one word to the other: optimal string
 * alignment, row by row. */
static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][LEAF_MAX + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b.n; j++) {
        above[j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = a.p[i - 1] == b.p[j - 1];
            row[j] = min_size(min_size(above[j], row[j - 1]) + 1, above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1]) {
                row[j] = min_size(row[j], before[j - 2] + 1);
            }
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b.n];
}

const struct config_key *config_key_nearest(const char *parent, struct slice leaf)
{
    const struct config_key *best = NULL;
    size_t best_distance = leaf.n / 3 + 2; /* farther is another word */
    size_t count;
    const struct config_key *keys = config_keys(&count);
    if (leaf.n > LEAF_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_of(config_key_leaf(&keys[i]));
        if (keys[i].is_later || !config_key_is_in(&keys[i], parent)) {
            continue;
        }
        /* `key` for `key_env` is far by edits, but meant. */
        bool begins = leaf.n >= 3 && name.n > leaf.n && memcmp(name.p, leaf.p, leaf.n) == 0;
        size_t d = begins ? 1 : distance(leaf, name);
        /* Half a word wrong is another word: `foo` is no `log`. */
        if (d < best_distance && 2 * d <= max_size(leaf.n, name.n)) {
            best = &keys[i];
            best_distance = d;
        }
    }
    return best;
}
