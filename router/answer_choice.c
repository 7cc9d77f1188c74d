/* Which letter of a multiple choice is stated. A reply may discuss all of them, restate the list,
 * or use the article "a" and the word "I": what is looked for is where an answer stands. */
#include "router/answer_parts.h"

#include <string.h>

enum { REACH = 120 }; /* from "answer" to its letter */

static bool is_choice(char c)
{
    return c >= 'A' && c <= 'J';
}

static char upper(char c)
{
    return answer_is_letter(c) ? (char) (c & ~0x20) : c;
}

/* Over markup and brackets in front of a letter. */
static size_t skip_dress(struct slice s, size_t at, size_t limit)
{
    static const char *const macros[] = {"\\boxed", "\\textbf", "\\text", "\\mathbf", "\\mathrm"};
    while (at < limit) {
        size_t from = at;
        if (answer_is_space(s.p[at]) || strchr("*_`\"'([{$<:=", s.p[at])) {
            at++;
        }
        for (size_t i = 0; i < ARRAY_LEN(macros) && from == at; i++) {
            at += answer_has_at(s, at, macros[i]) ? strlen(macros[i]) : 0;
        }
        if (from == at) {
            break;
        }
    }
    return at;
}

static size_t back_over_space(struct slice s, size_t at)
{
    while (at > 0 && answer_is_space(s.p[at - 1])) {
        at--;
    }
    return at;
}

/* "A or B", "A, B": the second of two that are named. */
static bool is_second(struct slice s, size_t at)
{
    size_t joint = back_over_space(s, at);
    if (joint > 0 && (s.p[joint - 1] == ',' || s.p[joint - 1] == '/')) {
        joint--;
    } else if (joint >= 2 && answer_has_word_at(s, joint - 2, "or")) {
        joint -= 2;
    } else if (joint >= 3 && answer_has_word_at(s, joint - 3, "and")) {
        joint -= 3;
    } else {
        return false;
    }
    joint = back_over_space(s, joint);
    return joint > 0 && is_choice(s.p[joint - 1]) &&
           (joint == 1 || !answer_is_word(s.p[joint - 2]));
}

/* Whether the letter at `at` is a word of its own and meant as a letter: "A good idea" begins with
 * an article, "I think" with a person, and "A or B" names two. */
static bool is_lone(struct slice s, size_t at)
{
    static const char *const reasons[] = {"because", "since", "as", "is", "for", "with", NULL};
    static const char *const joints[] = {"or", "and", NULL};
    if (!is_choice(answer_at(s, at)) || answer_is_word(answer_at(s, at + 1)) || is_second(s, at) ||
        (at > 0 && answer_is_word(s.p[at - 1]) && s.p[at - 1] != '_')) {
        return false;
    }
    size_t next = answer_skip_space(s, at + 1);
    size_t second = answer_skip_words(s, next, joints);
    if (answer_at(s, next) == ',' || answer_at(s, next) == '/' || second > 0) {
        second = answer_skip_space(s, second > 0 ? second : next + 1);
        if (is_choice(answer_at(s, second)) && !answer_is_word(answer_at(s, second + 1))) {
            return false;
        }
    }
    bool is_word = (s.p[at] == 'A' || s.p[at] == 'I') && next > at + 1 &&
                   answer_is_letter(answer_at(s, next));
    return !is_word || answer_skip_words(s, next, reasons) > 0 ||
           memchr(s.p + at, '\n', next - at) != NULL;
}

/* ---- behind "answer" ---- */

/* A small letter counts only where nothing can follow it. */
static bool is_lone_small(struct slice s, size_t at)
{
    char c = answer_at(s, at);
    return c >= 'a' && c <= 'j' && (at + 1 == s.n || strchr(").\n*", s.p[at + 1])) &&
           (at == 0 || !answer_is_word(s.p[at - 1]));
}

/* The letter's place behind the marker at `at`; 0: there is none. *end: how far was looked. */
static size_t marked_letter(struct slice s, size_t at, size_t *end)
{
    static const char *const markers[] = {"answer",
                                          "correct option",
                                          "correct choice",
                                          "correct letter",
                                          "right option",
                                          "right choice",
                                          NULL};
    static const char *const fill[] = {
        "is",  "be",     "would",    "should", "must",    "therefore", "thus",  "hence",
        "the", "option", "choice",   "letter", "answer",  "number",    "most",  "likely",
        "to",  "this",   "question", "here",   "clearly", "correct",   "final", NULL};
    size_t limit = s.n - at < REACH ? s.n : at + REACH;
    at = answer_skip_words(s, at, markers);
    while (at > 0 && at < limit) {
        at = skip_dress(s, at, limit);
        *end = at;
        if (is_lone(s, at) || is_lone_small(s, at)) {
            return at;
        }
        at += answer_at(s, at) == ',' ? 1 : 0;
        at = answer_skip_words(s, answer_skip_space(s, at), fill);
    }
    return 0;
}

static char find_marked(struct slice s)
{
    char found = '\0';
    for (size_t at = 0; at < s.n; at++) {
        char c = answer_lower(s.p[at]);
        if (c == 'a' || c == 'c' || c == 'r') {
            size_t end = at;
            size_t letter = marked_letter(s, at, &end);
            found = letter > 0 ? s.p[letter] : found;
            at = end > at ? end - 1 : at;
        }
    }
    return found;
}

/* ---- on a line ---- */

/* A line that is a letter ("**C**") or begins with one as options do ("C) Paris"). */
static char letter_of_line(struct slice line, bool *is_alone)
{
    size_t at = skip_dress(line, 0, line.n);
    char c = answer_at(line, at);
    bool is_small = c >= 'a' && c <= 'j';
    if ((!is_choice(c) && !is_small) || answer_is_word(answer_at(line, at + 1))) {
        return '\0';
    }
    size_t end = at + 1;
    while (end < line.n && strchr("*_`\"')]}$>.:!\\", line.p[end])) {
        end++;
    }
    *is_alone = answer_skip_space(line, end) == line.n;
    bool is_option = !is_small && strchr(").:", answer_at(line, at + 1)) && at + 1 < line.n;
    return *is_alone || is_option ? c : '\0';
}

/* The last letter alone on a line, else the letter that all option lines begin with. */
static char find_line(struct slice s)
{
    char alone = '\0', option = '\0';
    bool is_list = false;
    for (size_t at = 0; at < s.n;) {
        const char *end = memchr(s.p + at, '\n', s.n - at);
        size_t stop = end ? (size_t) (end - s.p) : s.n;
        bool is_alone = false;
        char c = letter_of_line(answer_sub(s, at, stop), &is_alone);
        if (c != '\0' && is_alone) {
            alone = c;
        } else if (c != '\0') {
            is_list = is_list || (option != '\0' && option != c);
            option = c;
        }
        at = stop + 1;
    }
    return alone != '\0' ? alone : is_list ? '\0' : option;
}

/* ---- in a sentence ---- */

static bool is_dressed(struct slice s, size_t at)
{
    char before = at > 0 ? s.p[at - 1] : '\0';
    char behind = answer_at(s, at + 1);
    return (before == '(' && behind == ')') ||
           (before == '*' && (behind == '*' || behind == ')' || behind == '.' || behind == ':'));
}

static bool is_named(struct slice s, size_t at)
{
    static const char *const names[] = {"option", "choice", "letter"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]) + 1;
        if (at >= n && answer_is_space(s.p[at - 1]) && answer_has_word_at(s, at - n, names[i])) {
            return true;
        }
    }
    return false;
}

/* Nothing but punctuation up to the end. */
static bool is_last_word(struct slice s, size_t at)
{
    while (++at < s.n) {
        if (!answer_is_space(s.p[at]) && !strchr(".!*_`\"')]}$", s.p[at])) {
            return false;
        }
    }
    return true;
}

static char find_in_sentence(struct slice s)
{
    char found = '\0';
    for (size_t at = 0; at < s.n; at++) {
        if (is_choice(s.p[at]) &&
            (is_dressed(s, at) || (is_lone(s, at) && (is_named(s, at) || is_last_word(s, at))))) {
            found = s.p[at];
        }
    }
    return found;
}

/* ---- in a box ---- */

static char find_boxed(struct slice text, struct arena *room)
{
    struct slice box, tex;
    if (!answer_box(text, &box)) {
        return '\0';
    }
    tex = answer_tex(box, room);
    size_t at = answer_at(tex, 0) == '(' ? 1 : 0;
    char c = answer_at(tex, at);
    if (tex.n == 1) {
        c = upper(c);
    }
    return is_choice(c) && (tex.n == 1 || strchr(").:", answer_at(tex, at + 1))) ? c : '\0';
}

bool answer_choice(struct slice text, bool is_strict, struct arena *room, struct slice *out)
{
    char c = find_boxed(text, room);
    struct answer_buffer b = {.room = room};
    c = c != '\0' ? c : find_marked(text);
    c = c != '\0' ? c : find_line(text);
    c = c != '\0' || is_strict ? c : find_in_sentence(text);
    if (c == '\0') {
        return false;
    }
    answer_put_byte(&b, upper(c));
    *out = answer_written(&b);
    return !b.is_short;
}
