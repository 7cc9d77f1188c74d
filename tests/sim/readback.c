#include "tests/sim/readback.h"

#include "router/answer.h"
#include "tests/sim/hash.h"
#include "tests/sim/speech.h"

#include <stdio.h>
#include <string.h>

#define TOLD "candidate answers to it"
#define SELECT "Reply with one number"
#define CUT ", which was cut off here by a limit of length"
#define ROOM_BYTES (4U << 20)

static bool contains(struct slice s, const char *words)
{
    return s.n > 0 && memmem(s.p, s.n, words, strlen(words)) != NULL;
}

/* Moves s behind the words when it begins with them. */
static bool skip(struct slice *s, const char *words)
{
    size_t n = strlen(words);

    if (!slice_starts(*s, words)) {
        return false;
    }
    s->p += n;
    s->n -= n;
    return true;
}

static bool skip_number(struct slice *s, unsigned *out)
{
    size_t n = 0;
    uint64_t v;

    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
        n++;
    }
    if (!slice_to_u64((struct slice) {s->p, n}, &v) || v > READBACK_MAX) {
        return false;
    }
    *out = (unsigned) v;
    s->p += n;
    s->n -= n;
    return true;
}

/* "[candidate 2 of 3, mark M]", with the line's end. */
static bool skip_opening(struct slice *s, unsigned *index, struct slice *mark)
{
    unsigned of;
    const char *end;

    if (!skip(s, "[candidate ") || !skip_number(s, index) || !skip(s, " of ") ||
        !skip_number(s, &of) || !skip(s, ", mark ")) {
        return false;
    }
    end = memmem(s->p, s->n, "]\n", 2);
    if (end == NULL) {
        return false;
    }
    *mark = (struct slice) {s->p, (size_t) (end - s->p)};
    s->n -= mark->n + 2;
    s->p = end + 2;
    return true;
}

/* Finds the closing line of this candidate; *s goes behind its mark. */
static bool find_closing(struct slice *s, unsigned index, struct slice mark, struct slice *text)
{
    char opening[48];
    const char *from = s->p;

    (void) snprintf(opening, sizeof(opening), "\n[end of candidate %u", index);
    for (;;) {
        const char *at = memmem(s->p, s->n, opening, strlen(opening));

        if (at == NULL) {
            return false;
        }
        s->n -= (size_t) (at - s->p) + strlen(opening);
        s->p = at + strlen(opening);
        (void) skip(s, CUT);
        if (skip(s, ", mark ") && s->n > mark.n && memcmp(s->p, mark.p, mark.n) == 0 &&
            s->p[mark.n] == ']') {
            *text = (struct slice) {from, (size_t) (at - from)};
            return true;
        }
    }
}

static enum answer_kind kind_of(enum law_task task)
{
    return task == LAW_FACTS ? ANSWER_CHOICE : ANSWER_BOXED;
}

/* What extraction makes of the right answer in the task's own form. */
static struct answer right_answer(const struct item *it, struct arena *room)
{
    char *text = it->task == LAW_FACTS
                     ? arena_printf(room, "Answer: %.*s", (int) it->right.len, it->right.data)
                     : arena_printf(room, "\\boxed{%.*s}", (int) it->right.len, it->right.data);

    return answer_extract(slice_of(text), kind_of(it->task), room);
}

static void count(struct readback *rb, struct slice text, const struct item *it)
{
    struct law_seen *seen = &rb->seen;
    struct arena room;
    struct answer right;
    struct answer found;
    unsigned round = speech_round(text) + 1;
    bool is_right;

    arena_init(&room, 4096, ROOM_BYTES);
    right = right_answer(it, &room);
    found = answer_extract(answer_visible(text), kind_of(it->task), &room);
    is_right = answer_equal(&found, &right);
    arena_fini(&room);
    rb->right[seen->count++] = is_right;
    if (is_right) {
        seen->right++;
    } else {
        seen->wrong_weight += speech_is_persuasive(text) ? LAW_PERSUASION : 1;
    }
    seen->round = round > seen->round ? round : seen->round;
    rb->inputs += hash_bytes(1, text.p, text.n);
}

void readback_read(struct readback *rb, struct slice instructions, struct slice prompt,
                   const struct item *it)
{
    struct slice told = contains(instructions, TOLD) ? instructions : prompt;

    memset(rb, 0, sizeof(*rb));
    if (!contains(told, TOLD)) {
        return;
    }
    rb->is_select = contains(told, SELECT);
    while (prompt.n > 0 && rb->seen.count < READBACK_MAX) {
        const char *at = memmem(prompt.p, prompt.n, "[candidate ", strlen("[candidate "));
        struct slice rest;
        struct slice mark;
        struct slice text;
        unsigned index;

        if (at == NULL) {
            break;
        }
        rest = (struct slice) {at, prompt.n - (size_t) (at - prompt.p)};
        prompt = (struct slice) {at + 1, rest.n - 1};
        if (skip_opening(&rest, &index, &mark) && find_closing(&rest, index, mark, &text)) {
            count(rb, text, it);
            prompt = rest;
        }
    }
    if (rb->seen.count == 0) {
        return;
    }
    rb->seen.first = rb->right[0] ? 1 : 0;
    /* An assistant and a fuser of one model that read the same draw for themselves. Not so when they
     * are told in the prompt: there the marks, which are random, would be part of the hash. */
    if (told.p == instructions.p) {
        rb->inputs += hash_bytes(2, told.p, told.n);
    }
}
