/* Which of a text's numbers is the answer. */
#include "router/answer_parts.h"

#include <string.h>

/* How far behind "answer" a number is looked for. */
enum { REACH = 200 };

/* ---- what is no number ---- */

/* Behind a time, date, version or address that begins at `at`: digits joined twice by the same
 * sign, or once by a colon. 0: none. */
static size_t skip_chain(struct slice s, size_t at)
{
    size_t joints = 0;
    char joint = '\0';
    for (;;) {
        while (answer_is_digit(answer_at(s, at))) {
            at++;
        }
        char c = answer_at(s, at);
        if (c == '\0' || !strchr(".:/-", c) || (joint != '\0' && c != joint) ||
            !answer_is_digit(answer_at(s, at + 1))) {
            return joints >= 2 || (joints == 1 && joint == ':') ? at : 0;
        }
        joint = c;
        joints++;
        at++;
    }
}

/* Digits in a word: "x2", "4a7f". Behind the word; 0: none. */
static size_t skip_word(struct slice s, size_t at, size_t end)
{
    char before = at > 0 ? s.p[at - 1] : '\0';
    bool is_word = answer_is_letter(before) || before == '_';
    size_t behind = end;
    while (answer_is_letter(answer_at(s, behind))) {
        behind++;
    }
    is_word = is_word || (behind > end && answer_is_digit(answer_at(s, behind)));
    while (is_word && (answer_is_letter(answer_at(s, behind)) || answer_at(s, behind) == '_' ||
                       answer_is_digit(answer_at(s, behind)))) {
        behind++;
    }
    return is_word ? behind : 0;
}

/* ---- signs ---- */

static size_t back_over(struct slice s, size_t at, const char *sign)
{
    size_t n = strlen(sign);
    return at >= n && memcmp(s.p + at - n, sign, n) == 0 ? at - n : at;
}

/* Where the number's currency sign begins. */
static size_t back_over_currency(struct slice s, size_t at)
{
    static const char *const signs[] = {"$", "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5"};
    size_t from = at;
    for (size_t i = 0; i < ARRAY_LEN(signs) && from == at; i++) {
        from = back_over(s, at, signs[i]);
    }
    return back_over(s, from, "\\");
}

/* A minus that belongs to the number, and is not between two of them. */
static bool is_negative(struct slice s, size_t at)
{
    size_t currency = back_over_currency(s, at);
    size_t minus = back_over(s, currency, "-");
    if (minus == currency) {
        minus = back_over(s, currency, "\xE2\x88\x92");
    }
    if (minus == currency) {
        return false;
    }
    size_t before = minus;
    while (before > 0 && answer_is_space(s.p[before - 1])) {
        before--;
    }
    char c = before > 0 ? s.p[before - 1] : '\0';
    bool is_joined = before == minus && answer_is_word(c);
    return !is_joined && !answer_is_digit(c) && c != ')' && c != ']' && c != '}' && c != '%';
}

/* The first number from `from` that begins before `to`, and where it ends; signs, currency and what
 * is no number are seen to. 0: none. */
static size_t next_number(struct slice s, size_t from, size_t to, struct answer_number *out)
{
    size_t at = from;
    while (at < to) {
        char c = s.p[at];
        if (!answer_is_digit(c) && c != '.' && c != '\\') {
            at++;
            continue;
        }
        size_t chain = answer_is_digit(c) ? skip_chain(s, at) : 0;
        size_t end = chain > 0 ? 0 : answer_number_at(s, at, out);
        size_t word = end > 0 && c != '\\' ? skip_word(s, at, end) : 0;
        if (end > 0 && word == 0) {
            out->is_negative = is_negative(s, at);
            return end;
        }
        at = chain > 0 ? chain : word > 0 ? word : at + 1;
    }
    return 0;
}

/* ---- the one that is stated ---- */

static size_t line_end(struct slice s, size_t at)
{
    const char *end = at < s.n ? memchr(s.p + at, '\n', s.n - at) : NULL;
    return end ? (size_t) (end - s.p) : s.n;
}

/* Behind "####", or behind "answer" and the "is", colon or sign that follows it on the line; 0: no
 * such place at `at`. */
static size_t skip_marker(struct slice s, size_t at, size_t limit)
{
    if (answer_has_at(s, at, "####")) {
        while (answer_at(s, at) == '#') {
            at++;
        }
        return at;
    }
    if (!answer_has_word_at(s, at, "answer")) {
        return 0;
    }
    for (at += strlen("answer"); at < limit && s.p[at] != '\n'; at++) {
        if (answer_has_word_at(s, at, "is") || answer_has_word_at(s, at, "be")) {
            return at + 2;
        }
        if (s.p[at] == ':' || s.p[at] == '=') {
            return at + 1;
        }
    }
    return 0;
}

/* From a number to the last one that an equation of numbers makes of it: "3 + 4 = 7". */
static void follow_equation(struct slice s, size_t end, size_t limit, struct answer_number *out)
{
    bool is_equation = false;
    while (end < limit) {
        char c = s.p[end];
        struct answer_number next;
        if (answer_is_digit(c)) {
            end = next_number(s, end, end + 1, &next);
            if (end == 0) {
                return;
            }
            *out = is_equation ? next : *out;
        } else if (c != '\n' && (strchr(" $+-*/=()", c) || answer_has_at(s, end, "\xC3\x97"))) {
            is_equation = is_equation || c == '=';
            end += c == '\xC3' ? 2 : 1;
        } else if (answer_has_at(s, end, "\\times") || answer_has_at(s, end, "\\cdot")) {
            end += strlen("\\cdot");
            end += answer_at(s, end) == 's' ? 1 : 0;
        } else {
            return;
        }
    }
}

/* The number that the last marker points at. It may stand on the next line that is not empty. */
static bool find_marked(struct slice s, struct answer_number *out)
{
    bool is_found = false;
    for (size_t at = 0; at < s.n; at++) {
        if (s.p[at] != '#' && answer_lower(s.p[at]) != 'a') {
            continue;
        }
        size_t reach = s.n - at < REACH ? s.n : at + REACH;
        size_t from = skip_marker(s, at, reach);
        if (from == 0) {
            continue;
        }
        while (from < reach && (answer_is_space(s.p[from]) || s.p[from] == '*')) {
            from++;
        }
        size_t limit = from + REACH < s.n ? from + REACH : s.n;
        size_t line = line_end(answer_sub(s, 0, limit), from);
        struct answer_number number;
        size_t end = next_number(s, from, line, &number);
        if (end > 0) {
            follow_equation(s, end, line, &number);
            *out = number;
            is_found = true;
        }
        at = from - 1;
    }
    return is_found;
}

/* Behind what may stand between a number and the end of its text: a unit, punctuation, markup. */
static bool is_end_of_text(struct slice s, size_t at)
{
    unsigned words = 0;
    while (at < s.n) {
        if (answer_is_word(s.p[at])) {
            words++;
            while (at < s.n && answer_is_word(s.p[at])) {
                at++;
            }
        } else if (answer_is_space(s.p[at]) || strchr("%$.*_!`)\\", s.p[at])) {
            at++;
        } else {
            return false;
        }
    }
    return words <= 1;
}

/* Whether "=", ":" or "is" stands before a number whose first byte is before `at`. */
static bool is_stated(struct slice s, size_t at)
{
    while (at > 0 && (answer_is_space(s.p[at - 1]) || (unsigned char) s.p[at - 1] >= 0x80 ||
                      strchr("$*_`(-\\", s.p[at - 1]))) {
        at--;
    }
    return at == 0 || s.p[at - 1] == '=' || s.p[at - 1] == ':' ||
           (at >= 2 && answer_has_word_at(s, at - 2, "is"));
}

/* Behind the last number; 0: none. */
static size_t find_last(struct slice s, struct answer_number *out)
{
    struct answer_number next;
    size_t last = 0, end = 0;
    while ((end = next_number(s, end, s.n, &next)) > 0) {
        *out = next;
        last = end;
    }
    return last;
}

static bool find_number(struct slice text, bool is_strict, struct arena *room,
                        struct answer_number *out)
{
    struct slice box;
    if (answer_box(text, &box)) {
        struct slice inside = answer_tex(box, room);
        if (inside.n > 0 && (answer_number_whole(inside, out) || find_last(inside, out) > 0)) {
            return true;
        }
    }
    if (find_marked(text, out)) {
        return true;
    }
    size_t end = find_last(text, out);
    if (end == 0 || !is_strict) {
        return end > 0;
    }
    return is_stated(text, (size_t) (out->begin - text.p)) && is_end_of_text(text, end);
}

bool answer_number(struct slice text, bool is_strict, struct arena *room, struct slice *out)
{
    struct answer_buffer b = {.room = room};
    struct answer_number number;
    if (!find_number(text, is_strict, room, &number)) {
        return false;
    }
    answer_number_put(&b, &number);
    *out = answer_written(&b);
    return !b.is_short;
}
