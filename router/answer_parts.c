#include "router/answer_parts.h"

#include <string.h>

bool answer_has_at(struct slice s, size_t at, const char *word)
{
    size_t i = 0;
    while (word[i] != '\0' && answer_lower(answer_at(s, at + i)) == word[i]) {
        i++;
    }
    return word[i] == '\0';
}

bool answer_has_word_at(struct slice s, size_t at, const char *word)
{
    return answer_has_at(s, at, word) && (at == 0 || !answer_is_word(s.p[at - 1])) &&
           !answer_is_word(answer_at(s, at + strlen(word)));
}

size_t answer_skip_words(struct slice s, size_t at, const char *const words[])
{
    for (size_t i = 0; words[i]; i++) {
        if (answer_has_word_at(s, at, words[i])) {
            return at + strlen(words[i]);
        }
    }
    return 0;
}

size_t answer_skip_space(struct slice s, size_t at)
{
    while (answer_is_space(answer_at(s, at))) {
        at++;
    }
    return at;
}

struct slice answer_trim(struct slice s)
{
    size_t from = answer_skip_space(s, 0);
    size_t to = s.n;
    while (to > from && answer_is_space(s.p[to - 1])) {
        to--;
    }
    return to > from ? answer_sub(s, from, to) : SLICE_NONE;
}

struct slice answer_unfence(struct slice s)
{
    const char *line = s.n > 6 && slice_starts(s, "```") ? memchr(s.p, '\n', s.n) : NULL;
    if (!line || memcmp(s.p + s.n - 3, "```", 3) != 0) {
        return s;
    }
    size_t from = (size_t) (line + 1 - s.p);
    return from < s.n - 3 ? answer_trim(answer_sub(s, from, s.n - 3)) : SLICE_NONE;
}

/* ---- a text that grows ---- */

static bool has_room(struct answer_buffer *b, size_t more)
{
    enum { FIRST_BYTES = 64 };
    if (b->is_short || more > SIZE_MAX / 4 - b->n) {
        b->is_short = true;
        return false;
    }
    if (b->n + more > b->cap) {
        size_t cap = 2 * (b->n + more) > FIRST_BYTES ? 2 * (b->n + more) : FIRST_BYTES;
        char *p = arena_alloc(b->room, cap);
        b->is_short = !p;
        if (!p) {
            return false;
        }
        if (b->n > 0) {
            memcpy(p, b->p, b->n);
        }
        b->p = p;
        b->cap = cap;
    }
    return true;
}

void answer_put(struct answer_buffer *b, struct slice s)
{
    if (s.n > 0 && has_room(b, s.n)) {
        memcpy(b->p + b->n, s.p, s.n);
        b->n += s.n;
    }
}

void answer_put_byte(struct answer_buffer *b, char c)
{
    answer_put(b, (struct slice) {&c, 1});
}
