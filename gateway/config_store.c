#include "gateway/config_store.h"

#include "cache/crypt.h"
#include "gateway/config_value.h"

#include <string.h>

enum { TEXT_MAX = 255, PATH_BYTES_MAX = 4000 };

/* memcpy because the table knows a member's type and the compiler does not. */
#define STORE(slot, value) memcpy((slot)->at, &(value), sizeof(value))

static bool is_in_range(const struct config_key *key, double value)
{
    return value >= key->min && value <= key->max;
}

/* ---- numbers ---- */

static bool store_size(const struct config_slot *slot, const struct config_key *key,
                       struct slice text)
{
    uint64_t bytes;
    if (!config_value_size(text, &bytes) || !is_in_range(key, (double) bytes)) {
        return false;
    }
    size_t size = (size_t) bytes; /* ranges end below 4 GiB */
    STORE(slot, size);
    return true;
}

static bool store_duration(const struct config_slot *slot, const struct config_key *key,
                           struct slice text)
{
    uint64_t us;
    if (!config_value_duration(text, &us) || !is_in_range(key, (double) us)) {
        return false;
    }
    STORE(slot, us);
    return true;
}

static bool store_count(const struct config_slot *slot, const struct config_key *key,
                        struct slice text)
{
    uint64_t number;
    if (!slice_to_u64(text, &number) || !is_in_range(key, (double) number)) {
        return false;
    }
    if (key->type == KEY_COUNT64) {
        STORE(slot, number);
    } else {
        unsigned small = (unsigned) number;
        STORE(slot, small);
    }
    return true;
}

static bool store_number(const struct config_slot *slot, const struct config_key *key,
                         struct slice text)
{
    double number;
    if (!config_value_number(text, &number) || !is_in_range(key, number)) {
        return false;
    }
    STORE(slot, number);
    return true;
}

static bool store_bool(const struct config_slot *slot, struct slice text)
{
    bool value;
    if (!config_value_bool(text, &value)) {
        return false;
    }
    STORE(slot, value);
    return true;
}

/* ---- words ---- */

const struct config_word *config_store_word(const struct config_key *key,
                                            const struct config_node *node)
{
    for (const struct config_word *w = key->words; node->kind == NODE_TEXT && w->text; w++) {
        if (slice_eq_text(node->text, w->text)) {
            return w;
        }
    }
    return NULL;
}

static bool store_word(const struct config_slot *slot, const struct config_key *key,
                       const struct config_node *node)
{
    const struct config_word *word = config_store_word(key, node);
    if (word) {
        STORE(slot, word->value);
    }
    return word != NULL;
}

/* Relative to the directory of the file, not to wherever the program was started. */
static bool store_path(const struct config_slot *slot, const char *prefix, const char *path)
{
    const char *slash = strrchr(slot->file, '/');
    int directory = path[0] == '/' || !slash ? 0 : (int) (slash - slot->file) + 1;
    size_t length = strlen(path);
    if (length == 0 || length > PATH_BYTES_MAX) {
        return false;
    }
    const char *kept = arena_printf(slot->arena, "%s%.*s%s", prefix, directory, slot->file, path);
    STORE(slot, kept);
    return true;
}

static bool store_text(const struct config_slot *slot, struct slice text)
{
    const char *kept = arena_dup_slice(slot->arena, text).p;
    STORE(slot, kept);
    return true;
}

static bool store_address(const struct config_slot *slot, struct slice text)
{
    if (slice_starts(text, "unix:")) {
        return store_path(slot, "unix:", text.p + strlen("unix:"));
    }
    return text.n > 0 && text.n <= TEXT_MAX && store_text(slot, text);
}

static bool is_sha256(struct slice text)
{
    unsigned char digest[SHA256_BYTES];
    return crypt_unhex(text, digest, sizeof(digest));
}

/* May this text stand there? */
static bool is_text(enum config_type type, struct slice text, const char **why)
{
    switch (type) {
    case KEY_NAME:
    case KEY_NAMES:
        return config_value_is_name(text);
    case KEY_MODEL_NAME:
        return config_value_is_model_name(text) && !config_value_is_reserved(text);
    case KEY_CLIENT_NAME:
    case KEY_CLIENT_NAMES:
        return config_value_is_client_name(text);
    case KEY_ORIGINS:
        return config_value_is_origin(text);
    case KEY_ENV:
        return config_value_is_env_name(text);
    case KEY_SHA256:
        return is_sha256(text);
    case KEY_URL:
        *why = config_value_url_fault(text);
        return !*why;
    default:
        return text.n > 0 && text.n <= TEXT_MAX;
    }
}

bool config_store_is_item(const struct config_key *key, const struct config_node *node)
{
    const char *why;
    return node->kind == NODE_TEXT && is_text(key->type, node->text, &why);
}

bool config_store(const struct config_slot *slot, const struct config_key *key,
                  const struct config_node *node, const char **why)
{
    *why = NULL;
    if (node->kind != NODE_TEXT || config_node_is_nothing(node)) {
        return false;
    }
    switch (key->type) {
    case KEY_SIZE:
        return store_size(slot, key, node->text);
    case KEY_DURATION:
        return store_duration(slot, key, node->text);
    case KEY_COUNT:
    case KEY_COUNT64:
        return node->is_plain && store_count(slot, key, node->text);
    case KEY_NUMBER:
        return node->is_plain && store_number(slot, key, node->text);
    case KEY_BOOL:
        return node->is_plain && store_bool(slot, node->text);
    case KEY_WORD:
        return store_word(slot, key, node);
    case KEY_PATH:
        return store_path(slot, "", node->text.p);
    case KEY_GRAPH:
        return slice_starts(node->text, "graph/")
                   ? is_text(KEY_TEXT, node->text, why) && store_text(slot, node->text)
                   : store_path(slot, "", node->text.p);
    case KEY_ADDRESS:
        return store_address(slot, node->text);
    default:
        return is_text(key->type, node->text, why) && store_text(slot, node->text);
    }
}
