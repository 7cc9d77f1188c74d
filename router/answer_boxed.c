#include "router/answer_parts.h"

#include <string.h>

/* How many boxes are tried, from the last: each is looked through to its end, and a text can hold
 * one unfinished box behind the other. */
enum { TRIES_MAX = 8 };

/* The place of the brace that closes the one before `at`; 0: none. */
static size_t closing_brace(struct slice s, size_t at)
{
    size_t depth = 1;
    for (; at < s.n; at++) {
        if (s.p[at] == '\\') {
            at++; /* an escaped brace is text */
        } else if (s.p[at] == '{') {
            depth++;
        } else if (s.p[at] == '}' && --depth == 0) {
            return at;
        }
    }
    return 0;
}

/* `at` is behind \boxed. Without braces the box holds what follows up to a space or dollar sign. */
static bool read_box(struct slice s, size_t at, struct slice *inside)
{
    if (answer_is_letter(answer_at(s, at))) {
        return false;
    }
    at = answer_skip_space(s, at);
    size_t end = at;
    if (answer_at(s, at) == '{') {
        end = closing_brace(s, ++at);
    } else {
        while (end < s.n && !answer_is_space(s.p[end]) && s.p[end] != '$' && s.p[end] != '}') {
            end++;
        }
    }
    if (end <= at) {
        return false;
    }
    *inside = answer_trim(answer_sub(s, at, end));
    return inside->n > 0;
}

bool answer_box(struct slice text, struct slice *inside)
{
    unsigned tries = 0;
    for (size_t at = text.n; at-- > 0 && tries < TRIES_MAX;) {
        if (text.p[at] != '\\') {
            continue;
        }
        size_t behind = answer_has_at(text, at + 1, "boxed")  ? at + 6
                        : answer_has_at(text, at + 1, "fbox") ? at + 5
                                                              : 0;
        if (behind > 0) {
            if (read_box(text, behind, inside)) {
                return true;
            }
            tries++;
        }
    }
    return false;
}
