/* text_similarity, of bytes or of words; words are runs of ASCII letters and digits in lower case, and
 * of bytes beyond ASCII. */
#include "optimizer/grader_private.h"

#include <stdlib.h>
#include <string.h>

#include "router/answer_parts.h"

enum { GLEU_WORDS_MAX = 4, WORD_BITS = 64 };

struct words {
    struct slice *all;
    uint32_t *ids; /* the same for the same word, from 0 */
    size_t n;
};

/* ---- words ---- */

static bool is_part(char c)
{
    return answer_is_letter(c) || answer_is_digit(c) || (unsigned char) c >= 0x80;
}

static struct words split(struct slice s, struct arena *room)
{
    struct words w = {arena_array(room, s.n / 2 + 1, sizeof(*w.all)),
                      arena_array(room, s.n / 2 + 1, sizeof(*w.ids)), 0};
    char *text = arena_alloc(room, s.n + 1);
    if (arena_is_sour(room)) {
        return (struct words) {NULL, NULL, 0};
    }
    for (size_t at = 0; at < s.n;) {
        size_t from = at;
        while (at < s.n && is_part(s.p[at])) {
            text[at] = answer_lower(s.p[at]);
            at++;
        }
        if (at > from) {
            w.all[w.n++] = (struct slice) {text + from, at - from};
        } else {
            at++;
        }
    }
    return w;
}

struct named {
    struct slice word;
    uint32_t *id;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    size_t n = x->word.n < y->word.n ? x->word.n : y->word.n;
    int order = memcmp(x->word.p, y->word.p, n);
    return order != 0 ? order : (x->word.n > y->word.n) - (x->word.n < y->word.n);
}

/* Gives both texts' words their numbers; returns how many there are. */
static size_t number_words(struct words *a, struct words *b, struct arena *room)
{
    struct named *all = arena_array(room, a->n + b->n + 1, sizeof(*all));
    uint32_t id = 0;
    if (all == NULL) {
        return 0;
    }
    for (size_t i = 0; i < a->n; i++) {
        all[i] = (struct named) {a->all[i], &a->ids[i]};
    }
    for (size_t i = 0; i < b->n; i++) {
        all[a->n + i] = (struct named) {b->all[i], &b->ids[i]};
    }
    qsort(all, a->n + b->n, sizeof(*all), compare_named);
    for (size_t i = 0; i < a->n + b->n; i++) {
        id += i > 0 && !slice_eq(all[i].word, all[i - 1].word) ? 1 : 0;
        *all[i].id = id;
    }
    return (size_t) id + 1;
}

/* ---- longest common subsequence ---- */

/* Bit-parallel (Hyyrö, Bit-parallel LCS-length computation revisited, 2004): 64 of a's places a step. */
static size_t common(const uint32_t *a, size_t n, const uint32_t *b, size_t m, size_t ids,
                     struct arena *room)
{
    size_t words = (n + WORD_BITS - 1) / WORD_BITS, length = 0;
    uint64_t *places = arena_array(room, ids * words, sizeof(*places));
    uint64_t *row = arena_array(room, words, sizeof(*row));
    if (arena_is_sour(room) || n == 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        places[a[i] * words + i / WORD_BITS] |= (uint64_t) 1 << i % WORD_BITS;
    }
    memset(row, 0xff, words * sizeof(*row));
    for (size_t j = 0; j < m; j++) {
        uint64_t carry = 0;
        for (size_t k = 0; k < words; k++) {
            uint64_t v = row[k], u = v & places[b[j] * words + k];
            uint64_t sum = v + u + carry;
            carry = sum < v || (carry > 0 && sum == v) ? 1 : 0;
            row[k] = sum | (v - u);
        }
    }
    for (size_t i = 0; i < n; i++) {
        length += (row[i / WORD_BITS] >> i % WORD_BITS & 1) == 0 ? 1 : 0;
    }
    return length;
}

/* 2 common / (n + m), the F1 of both shares. */
static double f1(size_t shared, size_t n, size_t m)
{
    return n + m > 0 ? 2.0 * (double) shared / (double) (n + m) : 0.0;
}

/* A byte is its own number; 256 rows of places. */
static double fuzzy(struct slice text, struct slice ideal, struct arena *room)
{
    uint32_t *a = arena_array(room, ideal.n, sizeof(*a));
    uint32_t *b = arena_array(room, text.n, sizeof(*b));
    if (arena_is_sour(room)) {
        return 0.0;
    }
    for (size_t i = 0; i < ideal.n; i++) {
        a[i] = (unsigned char) ideal.p[i];
    }
    for (size_t i = 0; i < text.n; i++) {
        b[i] = (unsigned char) text.p[i];
    }
    return f1(common(a, ideal.n, b, text.n, 256, room), ideal.n, text.n);
}

/* ---- runs of words ---- */

static int compare_runs(const uint32_t *a, const uint32_t *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

struct run {
    const uint32_t *ids;
    size_t length;
};

static int compare_each(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    return compare_runs(x->ids, y->ids, x->length);
}

/* The runs of `length` words, sorted; their count. */
static size_t runs_of(const struct words *w, size_t length, struct run **out, struct arena *room)
{
    size_t count = w->n >= length ? w->n - length + 1 : 0;
    *out = arena_array(room, count + 1, sizeof(**out));
    if (*out == NULL) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = (struct run) {w->ids + i, length};
    }
    qsort(*out, count, sizeof(**out), compare_each);
    return count;
}

struct overlap {
    size_t shared;
    size_t in_text;
    size_t in_ideal;
};

/* Adds the runs of `length` words: each counts as often as it is in both. */
static void overlap_add(struct overlap *o, const struct words *text, const struct words *ideal,
                        size_t length, struct arena *room)
{
    struct run *a, *b;
    size_t n = runs_of(text, length, &a, room), m = runs_of(ideal, length, &b, room);
    size_t i = 0, j = 0;
    while (i < n && j < m) {
        int order = compare_runs(a[i].ids, b[j].ids, length);
        o->shared += order == 0 ? 1 : 0;
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
    }
    o->in_text += n;
    o->in_ideal += m;
}

/* GLEU (Wu et al., 2016): of all runs of one to four words the smaller of precision and recall. */
static double gleu(const struct words *text, const struct words *ideal, struct arena *room)
{
    struct overlap o = {0};
    for (size_t length = 1; length <= GLEU_WORDS_MAX; length++) {
        overlap_add(&o, text, ideal, length, room);
    }
    size_t most = o.in_text > o.in_ideal ? o.in_text : o.in_ideal;
    return most > 0 ? (double) o.shared / (double) most : 0.0;
}

static double by_words(unsigned metric, struct slice text, struct slice ideal, struct arena *room)
{
    struct words a = split(text, room), b = split(ideal, room);
    size_t ids = number_words(&a, &b, room);
    struct overlap o = {0};
    if (arena_is_sour(room)) {
        return 0.0;
    }
    if (metric == GRADER_GLEU) {
        return gleu(&a, &b, room);
    }
    if (metric == GRADER_ROUGE_L) {
        return f1(common(b.ids, b.n, a.ids, a.n, ids, room), b.n, a.n);
    }
    /* ROUGE-N (Lin, 2004) as F1. */
    overlap_add(&o, &a, &b, metric - GRADER_ROUGE_1 + 1, room);
    return f1(o.shared, o.in_text, o.in_ideal);
}

/* Of words up to half as many ids as bytes, and as many places: more than the room of one comparison. */
static double score_of(unsigned metric, struct slice text, struct slice ideal, bool *is_short)
{
    struct arena room;
    arena_init(&room, 65536, (size_t) 32 << 20);
    double score = metric == GRADER_FUZZY ? fuzzy(text, ideal, &room)
                                          : by_words(metric, text, ideal, &room);
    *is_short = arena_is_sour(&room);
    arena_fini(&room);
    return score;
}

struct grade grader_similar(const struct grader *g, struct slice text, struct slice ideal)
{
    bool is_short = false;
    if (text.n > GRADER_SIMILAR_BYTES_MAX || ideal.n > GRADER_SIMILAR_BYTES_MAX) {
        return grader_none(GRADE_TOO_LONG);
    }
    double score = score_of((unsigned) g->values[GRADER_AT_METRIC], text, ideal, &is_short);
    if (is_short) {
        return grader_none(GRADE_NO_MEMORY);
    }
    if (g->is_set[GRADER_AT_PASS]) {
        return grader_verdict(score >= g->values[GRADER_AT_PASS]);
    }
    return (struct grade) {score, score >= 1.0  ? GRADE_RIGHT
                                  : score > 0.0 ? GRADE_PARTLY
                                                : GRADE_WRONG};
}
