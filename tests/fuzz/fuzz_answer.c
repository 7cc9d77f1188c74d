/* Any text has an answer or none, of every kind, twice the same; a normal form is stable where it
 * is itself a text of the kind (numbers and JSON, unless a string in it ends a thought); with less room
 * there is the same answer or none.
 * The first byte says how much room. */
#include "router/answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_kind(struct slice text, enum answer_kind kind, size_t cap)
{
    struct arena room, small;
    arena_init(&room, 64, (size_t) 1 << 24);
    arena_init(&small, 16, cap);
    struct answer a = answer_extract(text, kind, &room);
    struct answer again = answer_extract(text, kind, &room);
    struct answer poor = answer_extract(text, kind, &small);
    must(a.kind == again.kind && slice_eq(a.text, again.text));
    must((a.kind == ANSWER_AUTO) == (a.text.n == 0));
    must(kind == ANSWER_AUTO || a.kind == kind || a.kind == ANSWER_AUTO);
    must(kind == ANSWER_AUTO || poor.kind == ANSWER_AUTO || slice_eq(a.text, poor.text));
    if ((a.kind == ANSWER_NUMBER || a.kind == ANSWER_JSON) &&
        memmem(a.text.p, a.text.n, "</think>", 8) == NULL) {
        struct answer normal = answer_extract(a.text, a.kind, &room);
        must(normal.kind == a.kind && slice_eq(normal.text, a.text));
    }
    arena_fini(&room);
    arena_fini(&small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    /* Memory of exactly these bytes, so that the sanitizer sees a read past them. */
    struct slice text = {NULL, size - 1};
    char *copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    text.p = copy;
    for (int kind = ANSWER_AUTO; kind <= ANSWER_PLAIN; kind++) {
        check_kind(text, (enum answer_kind) kind, (size_t) data[0] * 16);
    }
    free(copy);
    return 0;
}
