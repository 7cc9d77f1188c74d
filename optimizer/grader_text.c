/* Kinds that look at the text as it is: normalised, includes, startswith, regex. */
#include "optimizer/grader_private.h"

#include <string.h>

#include "router/answer_parts.h"

/* ---- normalised ---- */

static bool is_punctuation(char c)
{
    return c > ' ' && c < 0x7f && !answer_is_letter(c) && !answer_is_digit(c);
}

/* What gives a number another value is no punctuation: 1.5 is not 15, -5 is not 5. Neither are signs
 * that make names: C++ and C# are not C. */
static bool is_kept(struct slice s, size_t at)
{
    char c = s.p[at];
    bool before_digit = answer_is_digit(answer_at(s, at + 1));
    bool behind_digit = at > 0 && answer_is_digit(s.p[at - 1]);
    switch (c) {
    case '.':
    case '/':
    case ':':
        return before_digit && (behind_digit || c == '.');
    case '-':
        return before_digit && (at == 0 || !answer_is_word(s.p[at - 1]));
    case '+':
    case '#':
    case '%':
        return at > 0 && (answer_is_word(s.p[at - 1]) || s.p[at - 1] == '+');
    default:
        return !is_punctuation(c);
    }
}

/* Words in lower case with one blank between them. Apostrophes and the commas of thousands join, other
 * punctuation parts. */
static struct slice words_of(struct slice s, struct arena *room)
{
    char *out = arena_alloc(room, s.n + 1);
    size_t n = 0;
    bool is_parted = false;
    for (size_t i = 0; out != NULL && i < s.n; i++) {
        bool is_comma = s.p[i] == ',' && i > 0 && answer_is_digit(s.p[i - 1]) &&
                        answer_is_digit(answer_at(s, i + 1));
        if (s.p[i] == '\'' || is_comma) {
            continue;
        }
        if (answer_is_space(s.p[i]) || !is_kept(s, i)) {
            is_parted = n > 0;
            continue;
        }
        if (is_parted) {
            out[n++] = ' ';
            is_parted = false;
        }
        out[n++] = answer_lower(s.p[i]);
    }
    return (struct slice) {out, n};
}

static bool is_article(struct slice word)
{
    return slice_eq_text(word, "a") || slice_eq_text(word, "an") || slice_eq_text(word, "the");
}

static struct slice drop_articles(struct slice words, struct arena *room)
{
    char *out = arena_alloc(room, words.n + 1);
    size_t n = 0;
    for (size_t at = 0; out != NULL && at < words.n;) {
        const char *blank = memchr(words.p + at, ' ', words.n - at);
        size_t end = blank != NULL ? (size_t) (blank - words.p) : words.n;
        struct slice word = answer_sub(words, at, end);
        if (!is_article(word)) {
            if (n > 0) {
                out[n++] = ' ';
            }
            memcpy(out + n, word.p, word.n);
            n += word.n;
        }
        at = end + 1;
    }
    return (struct slice) {out, n};
}

/* Where nothing would be left, what there was stays: the answer "A" is no article, "?" no
 * punctuation. */
static struct slice normalise(struct slice s, struct arena *room)
{
    struct slice words = words_of(s, room);
    struct slice bare = drop_articles(words, room);
    return bare.n > 0 ? bare : words.n > 0 ? words : s;
}

struct grade grader_normalised(struct slice text, struct slice ideal, struct arena *room)
{
    return grader_verdict(slice_eq(normalise(text, room), normalise(ideal, room)));
}

/* ---- includes, startswith ---- */

static struct slice lower(struct slice s, struct arena *room)
{
    char *out = arena_alloc(room, s.n + 1);
    for (size_t i = 0; out != NULL && i < s.n; i++) {
        out[i] = answer_lower(s.p[i]);
    }
    return (struct slice) {out, out != NULL ? s.n : 0};
}

/* No word goes on over either end of [from, to). */
static bool is_bounded(struct slice s, size_t from, size_t to)
{
    bool goes_before = from > 0 && answer_is_word(s.p[from - 1]) && answer_is_word(s.p[from]);
    bool goes_behind = to < s.n && answer_is_word(s.p[to - 1]) && answer_is_word(s.p[to]);
    /* 3.5 is a word too: 3 is not in it, nor 5. */
    bool is_decimal_before = from > 1 && s.p[from - 1] == '.' && answer_is_digit(s.p[from - 2]) &&
                             answer_is_digit(s.p[from]);
    bool is_decimal_behind = to + 1 < s.n && s.p[to] == '.' && answer_is_digit(s.p[to - 1]) &&
                             answer_is_digit(s.p[to + 1]);
    return !goes_before && !goes_behind && !is_decimal_before && !is_decimal_behind;
}

struct grade grader_contains(struct slice text, struct slice ideal, bool at_begin, bool ignore_case,
                             bool whole_words, struct arena *room)
{
    struct slice s = ignore_case ? lower(text, room) : text;
    struct slice wanted = ignore_case ? lower(ideal, room) : ideal;
    if (s.p == NULL || wanted.p == NULL) {
        return grader_none(GRADE_NO_MEMORY);
    }
    for (size_t at = 0; at + wanted.n <= s.n; at++) {
        const char *hit = at_begin ? s.p : memmem(s.p + at, s.n - at, wanted.p, wanted.n);
        if (hit == NULL || (at_begin && memcmp(hit, wanted.p, wanted.n) != 0)) {
            break;
        }
        at = (size_t) (hit - s.p);
        if (!whole_words || is_bounded(s, at, at + wanted.n)) {
            return grader_verdict(true);
        }
        if (at_begin) {
            break;
        }
    }
    return grader_verdict(false);
}

/* ---- regex ---- */

bool grader_regex_compile(regex_t *out, const char *pattern, bool ignore_case, struct errbuf *err)
{
    char why[128];
    int rc = regcomp(out, pattern,
                     REG_EXTENDED | REG_NOSUB | REG_NEWLINE | (ignore_case ? REG_ICASE : 0));
    if (rc == 0) {
        return true;
    }
    regerror(rc, out, why, sizeof(why));
    err_set(err, ERR_INPUT, "pattern: \"%.60s\" is no extended regular expression: %s", pattern,
            why);
    return false;
}

/* Terminated, zero bytes made blanks: the C library would stop at them. */
static char *terminated(struct slice s, struct arena *room)
{
    char *out = arena_alloc(room, s.n + 1);
    for (size_t i = 0; out != NULL && i < s.n; i++) {
        out[i] = s.p[i];
        if (s.p[i] == '\0') {
            out[i] = ' ';
        }
    }
    return out;
}

static struct grade match(const regex_t *regex, const char *text)
{
    int rc = regexec(regex, text, 0, NULL, 0);
    return rc == REG_ESPACE ? grader_none(GRADE_NO_MEMORY) : grader_verdict(rc == 0);
}

struct grade grader_regex(const struct grader *g, struct slice text, struct slice ideal,
                          struct arena *room)
{
    char *subject = terminated(text, room);
    if (subject == NULL) {
        return grader_none(GRADE_NO_MEMORY);
    }
    if (g->is_set[GRADER_AT_PATTERN]) {
        return match(&g->regex, subject);
    }
    if (ideal.n > GRADER_PATTERN_BYTES_MAX || memchr(ideal.p, '\0', ideal.n) != NULL) {
        return grader_none(GRADE_NO_IDEAL);
    }
    char *pattern = terminated(ideal, room);
    regex_t regex;
    if (pattern == NULL) {
        return grader_none(GRADE_NO_MEMORY);
    }
    if (!grader_regex_compile(&regex, pattern, g->values[GRADER_AT_IGNORE_CASE] > 0.0, NULL)) {
        return grader_none(GRADE_NO_IDEAL);
    }
    struct grade grade = match(&regex, subject);
    regfree(&regex);
    return grade;
}
