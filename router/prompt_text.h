/* The text of a template in pieces: what stands there and what is put in. */
#ifndef ROUTER_PROMPT_TEXT_H
#define ROUTER_PROMPT_TEXT_H

#include "cache/base.h"

enum prompt_piece_kind {
    PROMPT_PIECE_TEXT,
    PROMPT_PIECE_COUNT,
    PROMPT_PIECE_MARK,
    PROMPT_PIECE_CANDIDATES,
    PROMPT_PIECE_UNKNOWN, /* a name in braces that is none of ours */
};

struct prompt_piece {
    enum prompt_piece_kind kind;
    struct slice text; /* for a placeholder with its braces */
};

/* The piece at *at, which moves behind it; false at the end. */
bool prompt_piece_next(struct slice text, size_t *at, struct prompt_piece *out);

#endif
