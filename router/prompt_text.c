#include "router/prompt_text.h"

#include <string.h>

/* Length of `{name}` at `at`; 0: any other brace is text. */
static size_t placeholder_length(struct slice s, size_t at)
{
    size_t end = at + 1;
    while (end < s.n && ((s.p[end] >= 'a' && s.p[end] <= 'z') || s.p[end] == '_')) {
        end++;
    }
    return end > at + 1 && end < s.n && s.p[end] == '}' ? end + 1 - at : 0;
}

bool prompt_piece_next(struct slice text, size_t *at, struct prompt_piece *out)
{
    static const char *const names[] = {[PROMPT_PIECE_TEXT] = "",
                                        [PROMPT_PIECE_COUNT] = "{count}",
                                        [PROMPT_PIECE_MARK] = "{mark}",
                                        [PROMPT_PIECE_CANDIDATES] = "{candidates}"};
    if (*at >= text.n) {
        return false;
    }
    size_t length = text.p[*at] == '{' ? placeholder_length(text, *at) : 0;
    out->kind = PROMPT_PIECE_TEXT;
    out->text = (struct slice) {text.p + *at, length};
    if (length > 0) {
        out->kind = PROMPT_PIECE_UNKNOWN;
        for (unsigned i = PROMPT_PIECE_COUNT; i < ARRAY_LEN(names); i++) {
            if (slice_eq_text(out->text, names[i])) {
                out->kind = (enum prompt_piece_kind) i;
            }
        }
        *at += length;
        return true;
    }
    /* A brace that is text is a piece of its own; of two the second is swallowed. */
    if (text.p[*at] == '{') {
        out->text.n = 1;
        *at += *at + 1 < text.n && text.p[*at + 1] == '{' ? 2 : 1;
        return true;
    }
    const char *brace = memchr(text.p + *at, '{', text.n - *at);
    out->text.n = brace ? (size_t) (brace - (text.p + *at)) : text.n - *at;
    *at += out->text.n;
    return true;
}
