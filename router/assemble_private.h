/* What the files of assemble share: assemble.c (life, what an event adds), assemble_content.c (text or parts),
 * assemble_write.c (the reply).
 *
 * What is held mirrors the reply: objects of members, of which some hold objects or lists of objects again,
 * no deeper than the shapes in assemble.c say. */
#ifndef ROUTER_ASSEMBLE_PRIVATE_H
#define ROUTER_ASSEMBLE_PRIVATE_H

#include "router/assemble.h"

/* What is done with the values of a member that come one after another. Null never replaces anything. */
enum assemble_how {
    HOW_DROP,   /* not ours to tell */
    HOW_FIRST,  /* the first that is not blank: "", 0 */
    HOW_FILLED, /* the last that is not blank */
    HOW_LAST,
    HOW_NAME,    /* strings are joined; the same one again is a repetition */
    HOW_TEXT,    /* strings are joined; so are arrays, where that is what comes */
    HOW_LIST,    /* arrays are joined */
    HOW_CONTENT, /* strings and arrays of parts, see assemble_content.c */
    HOW_OBJECT,  /* objects are merged */
    HOW_ITEMS,   /* arrays of objects are merged by `index` */
};

struct assemble_shape;

struct assemble_rule {
    const char *name;
    enum assemble_how how;
    const struct assemble_shape *inside; /* of objects and items */
};

enum { ASSEMBLE_RULES_MAX = 9 };

struct assemble_shape {
    struct assemble_rule rules[ASSEMBLE_RULES_MAX]; /* up to the first without a name */
    struct assemble_rule rest;                      /* of members without a rule of their own */
    uint64_t index_max;                             /* of items of this shape */
};

/* What a member holds, by what came. */
enum assemble_kind {
    KIND_NULL,
    KIND_RAW,
    KIND_TEXT,
    KIND_LIST,
    KIND_PARTS,
    KIND_OBJECT,
    KIND_ITEMS
};

struct assemble_object {
    struct assemble_member *members; /* utlist, in the order in which they came */
    unsigned count;
};

struct assemble_item {
    struct assemble_item *prev; /* utlist, in the order of their indexes */
    struct assemble_item *next;
    uint64_t index;
    struct assemble_object object;
};

enum assemble_part { PART_OTHER, PART_TEXT, PART_THINKING };

struct assemble_member {
    struct assemble_member *prev;
    struct assemble_member *next;
    const struct assemble_rule *rule;
    enum assemble_kind kind;
    /* Raw JSON; of a text what is between its quotes, of a list or parts between the brackets. */
    struct reply_buffer value;
    struct assemble_object object;
    struct assemble_item *items;
    struct slice key; /* with its quotes; lies behind this struct */

    /* Of parts. */
    enum assemble_part part; /* the last one; text and thinking are still open */
    bool is_array;           /* an array came: it is one in the reply too */
    bool has_part;           /* the first one has begun ... */
    bool opens_as_text; /* ... with a text, whose opening is not in `value`: it may stay a string */
};

struct assemble {
    size_t cap_bytes;
    size_t left_bytes;
    struct assemble_object top;
};

#define ASSEMBLE_TEXT_OPEN "{\"type\":\"text\",\"text\":\""
#define ASSEMBLE_THINKING_OPEN "{\"type\":\"thinking\",\"thinking\":[" ASSEMBLE_TEXT_OPEN

/* What ends the part that is open. */
static inline struct slice assemble_part_close(const struct assemble_member *m)
{
    switch (m->part) {
    case PART_TEXT:
        return SLICE_LIT("\"}");
    case PART_THINKING:
        return SLICE_LIT("\"}]}");
    case PART_OTHER:
        break;
    }
    return SLICE_NONE;
}

/* Adds to the member's value, against the cap. */
enum err assemble_add(struct assemble *a, struct assemble_member *m, struct slice bytes) MUST_CHECK;

/* Content: a string or an array. */
enum err assemble_content(struct assemble *a, struct assemble_member *m,
                          const struct span_value *value) MUST_CHECK;

#endif
