/* Puzzles about strings: one or two steps applied to a word. */
#include "tests/sim/items_parts.h"

#include <string.h>

#define WORD_MAX 64U

struct word {
    char s[WORD_MAX];
    size_t n;
};

enum twist {
    TWIST_REVERSE = 0,
    TWIST_ROTATE_LEFT,
    TWIST_ROTATE_RIGHT,
    TWIST_DROP_VOWELS,
    TWIST_DOUBLE_VOWELS,
    TWIST_SWAP_ENDS,
    TWIST_SORT,
    TWIST_EVERY_SECOND,
    TWIST_SHIFT,
    TWIST_MIRROR,
    TWIST_VOWELS_LAST,
    TWIST_SWAP_PAIRS,
    TWIST_DROP_FIRST,
    TWIST_REPEAT_LAST,
    TWIST_HALVES,
    TWISTS
};

/* Two wordings of each, to follow "first" and "then". */
static const char *const wordings[TWISTS][2] = {
    {"reverse it", "write it backwards"},
    {"move its first letter to the end", "rotate it by one place to the left"},
    {"move its last letter to the front", "rotate it by one place to the right"},
    {"remove every vowel (a, e, i, o, u)", "leave out all the vowels"},
    {"write every vowel twice", "double each of the letters a, e, i, o and u"},
    {"swap its first and its last letter", "exchange the letters at both ends"},
    {"sort its letters alphabetically", "put the letters into alphabetical order"},
    {"keep only the first, third, fifth letter and so on", "drop every second letter"},
    {"replace each letter by the next one in the alphabet (z becomes a)",
     "shift all letters by one, so that a becomes b"},
    {"append its own reversal", "write it forwards and then backwards"},
    {"move all vowels behind the consonants, keeping both in order",
     "write the consonants first and the vowels after them"},
    {"swap the letters in each pair (first with second, third with fourth)",
     "exchange neighbours two by two"},
    {"delete its first letter", "take away the letter at the front"},
    {"repeat its last letter once more", "double the final letter"},
    {"exchange its two halves (the first half is the shorter one when the length is odd)",
     "cut it in the middle, the shorter half first, and put the halves together the other way "
     "round"},
};

static bool is_vowel(char c)
{
    return strchr("aeiou", c) != NULL;
}

static void add(struct word *w, char c)
{
    if (w->n < WORD_MAX) {
        w->s[w->n++] = c;
    }
}

static void add_kind(struct word *out, const struct word *w, bool vowels)
{
    for (size_t i = 0; i < w->n; i++) {
        if (is_vowel(w->s[i]) == vowels) {
            add(out, w->s[i]);
        }
    }
}

static void add_range(struct word *out, const struct word *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        add(out, w->s[i]);
    }
}

static void add_reversed(struct word *out, const struct word *w)
{
    for (size_t i = w->n; i > 0; i--) {
        add(out, w->s[i - 1]);
    }
}

static void sort(struct word *w)
{
    for (size_t i = 1; i < w->n; i++) {
        for (size_t j = i; j > 0 && w->s[j - 1] > w->s[j]; j--) {
            char c = w->s[j];

            w->s[j] = w->s[j - 1];
            w->s[j - 1] = c;
        }
    }
}

/* Steps that look at one letter after the other. */
static void apply_each(enum twist twist, const struct word *w, struct word *out)
{
    for (size_t i = 0; i < w->n; i++) {
        char c = w->s[i];
        size_t other = i % 2 == 0 ? i + 1 : i - 1;

        if (twist == TWIST_DOUBLE_VOWELS && is_vowel(c)) {
            add(out, c);
        }
        if (twist == TWIST_SHIFT) {
            c = c == 'z' ? 'a' : (char) (c + 1);
        } else if (twist == TWIST_SWAP_PAIRS && other < w->n) {
            c = w->s[other];
        } else if (twist == TWIST_SWAP_ENDS && (i == 0 || i == w->n - 1)) {
            c = w->s[w->n - 1 - i];
        }
        if (twist != TWIST_EVERY_SECOND || i % 2 == 0) {
            add(out, c);
        }
    }
}

/* w has at least two letters. */
static struct word apply(enum twist twist, const struct word *w)
{
    struct word out = {{0}, 0};

    switch (twist) {
    case TWIST_REVERSE:
        add_reversed(&out, w);
        break;
    case TWIST_ROTATE_LEFT:
        add_range(&out, w, 1, w->n);
        add(&out, w->s[0]);
        break;
    case TWIST_ROTATE_RIGHT:
        add(&out, w->s[w->n - 1]);
        add_range(&out, w, 0, w->n - 1);
        break;
    case TWIST_DROP_VOWELS:
        add_kind(&out, w, false);
        break;
    case TWIST_VOWELS_LAST:
        add_kind(&out, w, false);
        add_kind(&out, w, true);
        break;
    case TWIST_SORT:
        out = *w;
        sort(&out);
        break;
    case TWIST_MIRROR:
        out = *w;
        add_reversed(&out, w);
        break;
    case TWIST_DROP_FIRST:
        add_range(&out, w, 1, w->n);
        break;
    case TWIST_REPEAT_LAST:
        out = *w;
        add(&out, w->s[w->n - 1]);
        break;
    case TWIST_HALVES:
        add_range(&out, w, w->n / 2, w->n);
        add_range(&out, w, 0, w->n / 2);
        break;
    case TWIST_DOUBLE_VOWELS:
    case TWIST_SWAP_ENDS:
    case TWIST_EVERY_SECOND:
    case TWIST_SHIFT:
    case TWIST_SWAP_PAIRS:
    case TWISTS:
        apply_each(twist, w, &out);
        break;
    }
    return out;
}

struct recipe {
    enum twist twists[2];
    unsigned n;
};

static struct word follow(const struct recipe *r, const char *text)
{
    struct word w = {{0}, 0};

    for (; *text != '\0'; text++) {
        add(&w, *text);
    }
    for (unsigned i = 0; i < r->n; i++) {
        w = apply(r->twists[i], &w);
    }
    return w;
}

static void add_test(struct item *it, const char *input, const struct word *output)
{
    buf_adds(&it->tests, it->tests.len == 0 ? "[" : ", ");
    buf_addf(&it->tests, "{\"input\": \"%s\", \"output\": \"", input);
    buf_add(&it->tests, output->s, output->n);
    buf_adds(&it->tests, "\"}");
}

static void tell(struct item *it, struct dice *d, const struct recipe *r, const char *word)
{
    static const char *const openings[] = {
        "Take the word \"%s\"",
        "Start with the string \"%s\"",
        "You are given \"%s\"",
        "A program receives the text \"%s\"",
        "Consider the word \"%s\"",
        "Here is a word: \"%s\"",
        "Puzzle. The input is \"%s\"",
        "Let s be the string \"%s\"",
        NULL,
    };
    static const char *const joints[] = {". First %s, then %s.", ": %s, and after that %s.",
                                         ". Now %s. Next, %s.", " and %s. With the outcome, %s.",
                                         NULL};
    static const char *const singles[] = {". Now %s.", " and %s.", ": %s.", ". Your task: %s.",
                                          NULL};
    const char *parts[2];
    const char *form = dice_pick(d, openings);
    unsigned part = 0;

    for (unsigned i = 0; i < 2; i++) {
        parts[i] = wordings[r->twists[i]][dice_below(d, 2)];
    }
    for (int round = 0; round < 2; round++) {
        for (const char *at = form; *at != '\0'; at++) {
            if (at[0] != '%') {
                buf_add(&it->text, at, 1);
                continue;
            }
            buf_adds(&it->text, round == 0 ? word : parts[part++ % 2]);
            at++;
        }
        form = dice_pick(d, r->n == 2 ? joints : singles);
    }
}

static void show_example(struct item *it, struct dice *d, const char *input,
                         const struct word *output)
{
    static const char *const forms[] = {" For instance, ", " As an example, ",
                                        " (Check: ", " In the same way ", NULL};
    const char *form = dice_pick(d, forms);

    buf_addf(&it->text, "%s\"%s\" becomes \"", form, input);
    buf_add(&it->text, output->s, output->n);
    buf_adds(&it->text, strchr(form, '(') != NULL ? "\".)" : "\".");
}

/* A letter too few, too many, in the wrong place, or another one. */
static void add_wrong(struct item *it, struct dice *d, const struct word *right)
{
    while (it->n_wrong < LAW_WRONG_MAX) {
        struct word w = *right;
        size_t at = (size_t) dice_below(d, w.n);
        size_t kind = (size_t) dice_below(d, 4);
        char c = w.s[at];

        if (kind == 0 && w.n > 1) {
            memmove(w.s + at, w.s + at + 1, w.n - at - 1);
            w.n--;
        } else if (kind == 1 && at + 1 < w.n) {
            w.s[at] = w.s[at + 1];
            w.s[at + 1] = c;
        } else if (kind == 2 && w.n < WORD_MAX) {
            memmove(w.s + at + 1, w.s + at, w.n - at);
            w.n++;
        } else {
            w.s[at] = (char) ('a' + dice_below(d, 26));
        }
        items_add_wrong(it, w.s, w.n);
    }
}

void items_strings(struct item *it, struct dice *d)
{
    static const char *const requests[] = {
        " Give the resulting string in \\boxed{}.",
        " What comes out? Put it into \\boxed{}.",
        " Write only lower-case letters, in \\boxed{}.",
        "\nEnd with the string in \\boxed{}.",
        " Explain the steps if you like, and finish with the result in \\boxed{}.",
        "\n\nReturn the final text as \\boxed{text}.",
        NULL,
    };
    struct recipe r;
    const char *words[3];
    struct word out;

    r.twists[0] = (enum twist) dice_below(d, TWISTS);
    r.twists[1] = (enum twist)((r.twists[0] + 1 + dice_below(d, TWISTS - 1)) % TWISTS);
    r.n = dice_below(d, 3) == 0 ? 1 : 2;
    words[0] = dice_pick(d, words_short);
    for (size_t i = 1; i < 3; i++) {
        /* An example of the word in question would give it away. */
        do {
            words[i] = dice_pick(d, words_short);
        } while (words[i] == words[0]);
    }
    tell(it, d, &r, words[0]);
    for (size_t i = 1; i < 3; i++) {
        out = follow(&r, words[i]);
        add_test(it, words[i], &out);
        if (i == 1 && dice_below(d, 2) == 0) {
            show_example(it, d, words[i], &out);
        }
    }
    buf_adds(&it->text, dice_pick(d, requests));
    out = follow(&r, words[0]);
    add_test(it, words[0], &out);
    buf_adds(&it->tests, "]");
    buf_add(&it->right, out.s, out.n);
    add_wrong(it, d, &out);
}
