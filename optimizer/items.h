/* Evaluation items: a file of OpenAI evals' JSON lines, read line by line.
 *
 *      {"input": [{"role": "user", "content": "2+3?"}], "ideal": "5"}
 *      {"input": "2+3?", "ideal": ["5", "five"], "id": "sum-1", "grader": {"type": "numeric"}}
 *
 * `input` is a user's text or a `messages` array, `ideal` a text or a list of texts, which may be left
 * out where the grader needs none. `id`, `task`, `tests` (texts) and `grader` (an object) are optional;
 * other members are let pass, as such files carry notes. A bad line is reported and the others go on.
 *
 * Each item belongs to one of three splits for good, whatever else is in the file and in whatever order:
 * its keyed hash says which. */
#ifndef OPTIMIZER_ITEMS_H
#define OPTIMIZER_ITEMS_H

#include "optimizer/grader.h"
#include "router/request.h"

enum {
    ITEMS_LINE_BYTES_MAX = 1 << 20, /* without its line feed */
    ITEMS_IDEALS_MAX = 64,
    ITEMS_NOTES_MAX = 20 /* lines that are reported with words; all are counted */
};

enum items_split { ITEMS_SEARCH, ITEMS_GATE, ITEMS_AUDIT, ITEMS_SPLITS };

/* Why an item runs as one call whatever the graph is. */
enum items_force {
    ITEMS_FREE,
    ITEMS_LAST_ROLE, /* the last message is not the user's */
    ITEMS_IMAGES,
    ITEMS_AUDIO,
    ITEMS_FORCES
};

/* Its texts live as long as the items. */
struct eval_item {
    uint64_t hash; /* keyed, of the id, else of the input: the item's name in store and seeds */
    enum items_split split;
    enum items_force force;
    uint64_t line;         /* from 1 */
    struct slice id;       /* SLICE_NONE: the file gives none */
    struct slice task;     /* the same */
    struct slice tests;    /* the same */
    struct slice messages; /* a JSON array */
    const struct slice *ideals;
    size_t ideal_count;
    struct grader *grader; /* its own; NULL: the task's */
};

/* A line that is no item, or an item that runs as one call. */
struct items_note {
    uint64_t line;
    bool is_bad; /* the line gave no item */
    char text[160];
};

struct items {
    struct eval_item *all; /* in the file's order; of the wanted splits only */
    size_t count;
    size_t split_counts[ITEMS_SPLITS]; /* of the whole file */
    uint64_t bad_lines;
    uint64_t forced; /* of the whole file */
    struct items_note notes[ITEMS_NOTES_MAX];
    size_t note_count;
    struct items_keep *keep; /* what the texts live in */
};

struct items_options {
    const struct install_key *key;
    unsigned splits;             /* bit 1 << ITEMS_GATE: the gate's are kept; … */
    const struct grader *grader; /* the task's, NULL: none. Without one an item needs its own and an
                                    `ideal`, else the line is bad */
    size_t bytes_max;            /* of all texts kept; over it: ERR_LIMIT */
};

/* The file's items. ERR_IO, ERR_LIMIT, ERR_NOMEM with words; a file without any item is ERR_INPUT, with
 * the first bad line's words. On failure *out is NULL. */
enum err items_load(const char *path, const struct items_options *options, struct items **out,
                    struct errbuf *err) MUST_CHECK;
void items_free(struct items *all); /* NULL allowed */

/* The body of the item's chat request to `model`: {"model":…,"messages":…}; NULL: no memory. */
struct reqbody *items_body(const struct eval_item *item, struct slice model);

/* "search", "gate", "audit"; static. */
const char *items_split_name(enum items_split split);
/* False: it is none. */
bool items_split_of(struct slice name, enum items_split *out) MUST_CHECK;
/* Of 100 hashes 60 go to search, 30 to gate, 10 to audit. */
enum items_split items_split_at(uint64_t hash);

#endif
