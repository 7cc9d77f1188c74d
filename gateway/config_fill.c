#include "gateway/config_fill.h"

#include "gateway/config_keys.h"
#include "gateway/config_store.h"

#include <stdio.h>
#include <string.h>

/* As much of a word of the file is repeated in a message. */
enum { SHOWN_BYTES = 60, PLACE_BYTES = 512, PARENT_BYTES = 64 };

struct filler {
    struct config *config;
    struct draft *draft;
    struct config_faults *faults;
    char *bases[BASE_COUNT];
    char place[PLACE_BYTES]; /* "upstreams[2].timeouts" */
};

static void fill_map(struct filler *f, const char *parent, const struct config_node *map);

/* As many bytes as are shown of a text, whole characters. */
static int shown(struct slice text)
{
    size_t n = text.n;
    if (n > SHOWN_BYTES) {
        n = SHOWN_BYTES;
        while (n > 0 && ((unsigned char) text.p[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    return (int) n;
}

/* ---- where we are ---- */

static size_t enter(struct filler *f, struct slice name)
{
    size_t old = strlen(f->place);
    snprintf(f->place + old, sizeof(f->place) - old, "%s%.*s", old > 0 ? "." : "", shown(name),
             name.p);
    return old;
}

static size_t enter_item(struct filler *f, size_t i)
{
    size_t old = strlen(f->place);
    snprintf(f->place + old, sizeof(f->place) - old, "[%zu]", i);
    return old;
}

static void leave(struct filler *f, size_t old)
{
    f->place[old] = '\0';
}

/* ---- what is wrong ---- */

static void describe(const struct config_key *key, const struct config_node *node, char *out,
                     size_t cap)
{
    if (config_node_is_nothing(node)) {
        snprintf(out, cap, "nothing");
    } else if (node->kind != NODE_TEXT) {
        snprintf(out, cap, node->kind == NODE_LIST ? "a list" : "a map");
    } else if (key->is_secret) {
        snprintf(out, cap, "something else");
    } else {
        snprintf(out, cap, "\"%.*s%s\"%s", shown(node->text), node->text.p,
                 node->text.n > SHOWN_BYTES ? "…" : "", node->is_plain ? "" : " in quotes");
    }
}

static void unexpected(struct filler *f, const struct config_key *key,
                       const struct config_node *node, const char *expected)
{
    char found[SHOWN_BYTES + 32];
    char hint[CONFIG_KEY_TEXT_BYTES];
    describe(key, node, found, sizeof(found));
    config_fault(f->faults, node, f->place, "expected %s%s, found %s", expected,
                 config_key_hint(key, hint), found);
}

/* `why` NULL: that it is not what is expected says it all. */
static void wrong_value(struct filler *f, const struct config_key *key,
                        const struct config_node *node, const char *why)
{
    char expected[CONFIG_KEY_TEXT_BYTES];
    if (why) {
        config_fault(f->faults, node, f->place, "expected %s: %s",
                     config_key_expected(key, expected), why);
    } else {
        unexpected(f, key, node, config_key_expected(key, expected));
    }
}

static void wrong_item(struct filler *f, const struct config_key *key,
                       const struct config_node *node, size_t i)
{
    char expected[CONFIG_KEY_TEXT_BYTES];
    size_t old = enter_item(f, i);
    unexpected(f, key, node, config_key_item_expected(key, expected));
    leave(f, old);
}

static void unknown_key(struct filler *f, const char *parent, const struct config_node *node)
{
    const struct config_key *near = config_key_nearest(parent, node->key->text);
    if (near) {
        config_fault(f->faults, node->key, f->place, "unknown key; did you mean %s?",
                     config_key_leaf(near));
    } else {
        config_fault(f->faults, node->key, f->place,
                     "unknown key; `sluice check --defaults` prints all that there are");
    }
}

/* ---- lists ---- */

static struct config_slot slot_of(struct filler *f, const struct config_key *key)
{
    struct config_slot slot = {f->bases[key->base] + key->offset, &f->draft->arena,
                               f->config->file};
    switch (key->base) {
    case BASE_CONFIG:
    case BASE_KEY:
        slot.arena = &f->config->arena;
        break;
    case BASE_UPSTREAM:
    case BASE_MODEL:
    case BASE_TASK:
        slot.arena = &f->config->catalog->arena;
        break;
    case BASE_DRAFT:
    case BASE_COUNT:
        break;
    }
    return slot;
}

static bool is_list(struct filler *f, const struct config_key *key, const struct config_node *node,
                    enum config_node_kind kind)
{
    if (node->kind != kind) {
        wrong_value(f, key, node, NULL);
        return false;
    }
    if ((double) node->count >= key->min && (double) node->count <= key->max) {
        return true;
    }
    config_fault(f->faults, node, f->place, "expected %.0f to %.0f items, found %zu", key->min,
                 key->max, node->count);
    return false;
}

static void fill_list(struct filler *f, const struct config_key *key,
                      const struct config_node *node)
{
    char parent[PARENT_BYTES];
    struct draft_list *list = slot_of(f, key).at;
    if (!is_list(f, key, node, NODE_LIST)) {
        return;
    }
    list->items = arena_array(&f->draft->arena, node->count, key->item_bytes);
    if (!list->items) {
        return;
    }
    snprintf(parent, sizeof(parent), "%s[]", key->path);
    for (const struct config_node *n = node->first; n; n = n->next) {
        char *item = (char *) list->items + list->count * key->item_bytes;
        size_t old = enter_item(f, list->count++);
        memcpy(item, &n, sizeof(n)); /* every item begins with its node */
        f->bases[key->item_base] = item;
        if (n->kind == NODE_MAP) {
            fill_map(f, parent, n);
        } else {
            unexpected(f, key, n, "a map of keys");
        }
        leave(f, old);
    }
}

static void fill_texts(struct filler *f, const struct config_key *key,
                       const struct config_node *node)
{
    struct config_slot slot = slot_of(f, key);
    if (!is_list(f, key, node, NODE_LIST)) {
        return;
    }
    const char **texts = arena_array(slot.arena, node->count + 1, sizeof(*texts));
    size_t i = 0;
    for (const struct config_node *n = node->first; n && texts; n = n->next, i++) {
        if (config_store_is_item(key, n)) {
            texts[i] = arena_dup_slice(slot.arena, n->text).p;
        } else {
            wrong_item(f, key, n, i);
        }
    }
    memcpy(slot.at, &texts, sizeof(texts));
}

static void fill_flags(struct filler *f, const struct config_key *key,
                       const struct config_node *node)
{
    unsigned flags = 0;
    size_t i = 0;
    if (node->kind != NODE_LIST) {
        wrong_value(f, key, node, NULL);
        return;
    }
    for (const struct config_node *n = node->first; n; n = n->next, i++) {
        const struct config_word *word = config_store_word(key, n);
        if (word) {
            flags |= word->value;
        } else {
            wrong_item(f, key, n, i);
        }
    }
    memcpy(slot_of(f, key).at, &flags, sizeof(flags));
}

/* Is the node's key that of an earlier member of the map too? */
static bool is_repeated(const struct config_node *map, const struct config_node *node)
{
    const struct config_node *n = map->first;
    while (n != node && !slice_eq(n->key->text, node->key->text)) {
        n = n->next;
    }
    return n != node;
}

static void fill_pair(struct filler *f, const struct config_key *key,
                      const struct config_node *node, struct draft_pair *pair)
{
    static const struct config_key names[] = {{.type = KEY_MODEL_NAME}, {.type = KEY_CLIENT_NAME}};
    static const struct config_key files[] = {{.type = KEY_NAME}, {.type = KEY_PATH}};
    static const struct config_key params[] = {{.type = KEY_NAME}, {.type = KEY_TEXT}};
    const struct config_key *types = key->type == KEY_FILES    ? files
                                     : key->type == KEY_PARAMS ? params
                                                               : names;
    struct arena *arena = &f->config->catalog->arena;
    struct config_slot name_slot = {&pair->name, arena, f->config->file};
    struct config_slot value_slot = {&pair->value, arena, f->config->file};
    const char *why;
    pair->node = node;
    if (!config_store(&name_slot, &types[0], node->key, &why)) {
        wrong_value(f, &types[0], node->key, NULL);
    }
    if (!config_store(&value_slot, &types[1], node, &why)) {
        wrong_value(f, &types[1], node, NULL);
    }
}

static void fill_pairs(struct filler *f, const struct config_key *key,
                       const struct config_node *node)
{
    struct draft_list *list = slot_of(f, key).at;
    if (!is_list(f, key, node, NODE_MAP)) {
        return;
    }
    struct draft_pair *pairs = arena_array(&f->draft->arena, node->count, sizeof(*pairs));
    list->items = pairs;
    for (const struct config_node *n = node->first; n && pairs; n = n->next) {
        size_t old = enter(f, n->key->text);
        if (is_repeated(node, n)) {
            config_fault(f->faults, n->key, f->place, "is given twice");
        }
        fill_pair(f, key, n, &pairs[list->count++]);
        leave(f, old);
    }
}

/* ---- maps ---- */

static void fill_group(struct filler *f, const struct config_key *key,
                       const struct config_node *node)
{
    if (node->kind == NODE_MAP) {
        fill_map(f, key->path, node);
    } else if (!key->can_be_off || !slice_eq_text(node->text, "off")) {
        wrong_value(f, key, node, NULL); /* off: the members stay 0 */
    }
}

static void fill_value(struct filler *f, const struct config_key *key,
                       const struct config_node *node)
{
    struct config_slot slot;
    const char *why;
    switch (key->type) {
    case KEY_GROUP:
        fill_group(f, key, node);
        break;
    case KEY_LIST:
        fill_list(f, key, node);
        break;
    case KEY_PAIRS:
    case KEY_FILES:
    case KEY_PARAMS:
        fill_pairs(f, key, node);
        break;
    case KEY_ORIGINS:
    case KEY_CLIENT_NAMES:
    case KEY_NAMES:
    case KEY_TEXTS:
        fill_texts(f, key, node);
        break;
    case KEY_FLAGS:
        fill_flags(f, key, node);
        break;
    default:
        slot = slot_of(f, key);
        if (!config_store(&slot, key, node, &why)) {
            wrong_value(f, key, node, why);
        }
        break;
    }
}

static void fill_member(struct filler *f, const char *parent, const struct config_node *map,
                        const struct config_node *node)
{
    const struct config_key *key = config_key_find(parent, node->key->text);
    size_t old = enter(f, node->key->text);
    if (is_repeated(map, node)) {
        config_fault(f->faults, node->key, f->place, "is given twice");
    } else if (!key) {
        unknown_key(f, parent, node);
    } else if (key->is_later) {
        config_fault(f->faults, node->key, f->place, "not in this version");
    } else {
        fill_value(f, key, node);
    }
    leave(f, old);
}

/* `map` NULL: the whole map is not there. */
static void fill_absent(struct filler *f, const struct config_key *key,
                        const struct config_node *map)
{
    size_t old = enter(f, slice_of(config_key_leaf(key)));
    if (key->type == KEY_GROUP && !key->is_later) {
        fill_map(f, key->path, NULL);
    } else if (key->value) {
        struct config_node node = {
            .kind = NODE_TEXT, .text = slice_of(key->value), .is_plain = true};
        fill_value(f, key, &node);
    } else if (key->is_required && map) {
        char expected[CONFIG_KEY_TEXT_BYTES];
        config_fault(f->faults, map, f->place, "is missing: expected %s",
                     config_key_expected(key, expected));
    }
    leave(f, old);
}

static void fill_map(struct filler *f, const char *parent, const struct config_node *map)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    if (map) {
        for (const struct config_node *n = map->first; n && !config_faults_full(f->faults);
             n = n->next) {
            fill_member(f, parent, map, n);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (config_key_is_in(&keys[i], parent) &&
            !config_node_member(map, config_key_leaf(&keys[i]))) {
            fill_absent(f, &keys[i], map);
        }
    }
}

void config_fill(struct config *config, struct draft *draft, struct config_faults *faults)
{
    struct filler f = {.config = config, .draft = draft, .faults = faults};
    f.bases[BASE_CONFIG] = (char *) config;
    f.bases[BASE_DRAFT] = (char *) draft;
    if (draft->root->kind == NODE_MAP) {
        fill_map(&f, "", draft->root);
    } else {
        config_fault(faults, draft->root, NULL, "expected a map of keys, found %s",
                     draft->root->kind == NODE_LIST ? "a list" : "a single value");
    }
}
