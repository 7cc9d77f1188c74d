/* The answer inside a model's text: extracted and normalised, so that equal answers are equal
 * texts. Used by `vote` and by graders. Pure; nothing fails: "none" is a result, also when memory
 * is gone. Time and room are linear in the text, whatever it holds. */
#ifndef ROUTER_ANSWER_H
#define ROUTER_ANSWER_H

#include "cache/arena.h"

/* Normalised numbers of every kind: exact decimals (`.50` and `1/2` are 0.5, `1,000` and `1e3` are
 * 1000), fractions in lowest terms where no decimal is exact (`2/6` is 1/3). Currency signs,
 * percent signs and units go: `50%` is 50, as the question says what is asked for. */
enum answer_kind {
    /* The first that there is of: a box; the whole text as JSON object or array, fenced or not; a
     * choice on the marked places but not inside a sentence; a number that is stated (the whole
     * text, behind "answer" or "####", or at the text's end behind "=", ":" or "is"); the text as
     * plain. Numbers and letters inside other prose do not count: different texts would be
     * equal. */
    ANSWER_AUTO,
    /* The last \boxed{…} or \fbox{…} that is closed and not empty, braces matched; of boxes in one
     * another the innermost. Light TeX is normalised: fractions, text, spacing, degrees, `x=` in
     * front, units behind a number, thousands separators. */
    ANSWER_BOXED,
    /* One letter A to J, the last one stated: in a box; else behind "answer"; else alone on a line
     * or beginning the only line of its form ("C) Paris"); else in parentheses or bold, behind
     * "option" or "choice", or as the last word. A restated list of options is no answer. */
    ANSWER_CHOICE,
    /* In a box, else behind the last "answer is", "answer:" or "####", else the last number that
     * stands alone. Times, dates, versions and digits in words ("x2") are none. */
    ANSWER_NUMBER,
    /* The last object or array that begins a line, else the last one; keys sorted, numbers by
     * value, strings by characters. */
    ANSWER_JSON,
    /* ASCII letters in lower case, white space collapsed, quotes, markup and punctuation around it
     * taken away. */
    ANSWER_PLAIN,
};

struct answer {
    enum answer_kind kind; /* what was found; ANSWER_AUTO: nothing */
    struct slice text;     /* normalised; in `room` */
};

/* The visible text of a reply: <think>…</think> at its beginning cut, closed or not, also when the
 * opening tag was in the prompt; outer white space removed. */
struct slice answer_visible(struct slice text);

/* From the visible text. Room for 16 times the text is enough but for JSON of many small members,
 * whose sorting needs more; where `room` ends, there is no answer. */
struct answer answer_extract(struct slice text, enum answer_kind kind, struct arena *room);

/* By text, not by kind: a boxed 5 and the number 5 are the same answer. Where there is none, it
 * equals no other, not even another none. */
bool answer_equal(const struct answer *a, const struct answer *b);

/* Majority of normalised answers. votes[i].kind ANSWER_AUTO abstains. The result is the index of
 * the first vote for the most frequent answer; ties go to the answer voted for first. -1: all
 * abstain. */
int answer_vote(const struct answer votes[], size_t count);

/* True when the `left` votes still out cannot change the winner, wherever in the order they stand
 * (those still out may be in `votes` as abstaining). */
bool answer_is_decided(const struct answer votes[], size_t count, size_t left);

#endif
