/* The one table of keys. It drives loading (config_fill), the commented sample and the manual: a key
 * that is not here does not exist.
 *
 * Paths are written as in messages, `[]` for any item: `upstreams[].timeouts.connect`. A list or map
 * stands before its members, and the order is that of the sample. */
#ifndef GATEWAY_CONFIG_KEYS_H
#define GATEWAY_CONFIG_KEYS_H

#include "cache/base.h"

#include <stdbool.h>

enum config_type {
    /* with members of their own */
    KEY_GROUP,  /* a map */
    KEY_LIST,   /* a list of maps: offset is of a struct draft_list */
    KEY_PAIRS,  /* a map of names to names: offset is of a struct draft_list of struct draft_pair */
    KEY_FILES,  /* the same of names to paths */
    KEY_PARAMS, /* the same of names to texts */
    /* lists of words */
    KEY_ORIGINS, /* const char *const *, NULL-terminated, as the next */
    KEY_CLIENT_NAMES,
    KEY_NAMES,
    KEY_TEXTS,
    KEY_FLAGS, /* unsigned, bits as in `words` */
    /* single values */
    KEY_TEXT,  /* const char *, as the following ones */
    KEY_PATH,  /* made absolute by the directory of the file */
    KEY_GRAPH, /* a path too, or graph/NAME as it stands */
    KEY_NAME,
    KEY_MODEL_NAME,  /* a new name for clients to use */
    KEY_CLIENT_NAME, /* a name that clients use: a model, an alias, auto */
    KEY_ENV,
    KEY_SHA256,
    KEY_URL,
    KEY_ADDRESS,
    KEY_WORD,     /* an enum, values as in `words` */
    KEY_BOOL,     /* bool */
    KEY_COUNT,    /* unsigned */
    KEY_COUNT64,  /* uint64_t */
    KEY_NUMBER,   /* double */
    KEY_DURATION, /* uint64_t, microseconds */
    KEY_SIZE,     /* size_t, bytes */
};

/* The struct that `offset` is counted in. */
enum config_base {
    BASE_CONFIG,
    BASE_DRAFT,
    BASE_KEY,
    BASE_UPSTREAM,
    BASE_MODEL,
    BASE_TASK,
    BASE_COUNT
};

/* A word of the file and the value that it stands for. The list ends with {NULL, 0}. */
struct config_word {
    const char *text;
    unsigned value;
};

struct config_key {
    const char *path;
    enum config_type type;
    enum config_base base;      /* the value goes to this struct … */
    enum config_base item_base; /* KEY_LIST: of its items */
    bool is_required;           /* where its list or map is there */
    bool is_secret;             /* what stands there is never repeated */
    bool can_be_off;            /* KEY_GROUP of durations: the word `off` makes them all 0 */
    bool is_later;              /* named in the design, not built yet: using it is an error */
    size_t offset;              /* … at this place */
    size_t item_bytes;
    const char *value;     /* the default, as it would stand in the file; NULL: see `otherwise` */
    const char *otherwise; /* what holds without the key, for a person; NULL with a default */
    const char *example;   /* a value for the sample; NULL: the default */
    double min;            /* of numbers in their unit (us, bytes), of lists in items */
    double max;
    const struct config_word *words;
    const char *help; /* sentences */
};

const struct config_key *config_keys(size_t *count);

/* The last part of the path: "connect". */
const char *config_key_leaf(const struct config_key *key);
/* Is it a member of `parent`: "", "limits", "upstreams[]", "upstreams[].timeouts"? */
bool config_key_is_in(const struct config_key *key, const char *parent);
const struct config_key *config_key_find(const char *parent, struct slice leaf); /* or NULL */
/* The word that stands for a value of this key (of KEY_WORD); the key exists. */
const char *config_key_word(const char *parent, const char *leaf, unsigned value);
/* What an unknown key was perhaps meant to be, or NULL. */
const struct config_key *config_key_nearest(const char *parent, struct slice leaf);

/* What may stand there, for a person: "a time from 1ms to 1h". */
enum { CONFIG_KEY_TEXT_BYTES = 320 };
const char *config_key_expected(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES]);
/* How it is written, for who got it wrong: ", such as 30s (units: ms s m h d)"; often empty. */
const char *config_key_hint(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES]);
/* What may stand there for one item of KEY_ORIGINS to KEY_FLAGS. */
const char *config_key_item_expected(const struct config_key *key, char out[CONFIG_KEY_TEXT_BYTES]);

#endif
