/* What a node with predecessors is told: an instruction, which goes in front of the first system
 * message (or into the user text of models without one), and a frame with the candidates, which
 * goes inside the last user message. Each candidate stands between lines that carry a mark drawn at
 * random for this call, because predecessors' answers are data and never instructions.
 *
 *     [candidate 1 of 2, mark 7f3a…]
 *     Paris
 *     [end of candidate 1, mark 7f3a…]
 *
 * The instruction is the same for every call of a node, so that upstreams that keep prefixes find
 * it. */
#ifndef ROUTER_PROMPT_H
#define ROUTER_PROMPT_H

#include "cache/arena.h"

enum prompt_template { PROMPT_IMPROVE, PROMPT_FUSE, PROMPT_SELECT, PROMPT_COUNT };

/* Placeholders: {count} in both parts; in the frame {mark}, and {candidates} exactly once. `{{` is
 * a brace, as in \boxed{{answer}; any other brace is itself. A select's instruction asks for one
 * number. */
struct prompt_set {
    const char *instruction[PROMPT_COUNT];
    const char *frame[PROMPT_COUNT];
};

/* Ours; they hold for any task and any language. */
const struct prompt_set *prompt_defaults(void);

enum { PROMPT_FILE_BYTES_MAX = 64 * 1024 };

/* The defaults with a task's own from `directory`: improve.txt, fuse.txt and select.txt, each an
 * instruction, a line `---` and a frame; empty lines around both parts go, and CRLF is LF. Files
 * that are missing keep the default; other names that end in .txt are errors, as are unknown or
 * misplaced placeholders, none or two {candidates}, an empty part, text that is no UTF-8 (each with
 * file and line) and a directory that cannot be read. ERR_USE or ERR_IO; `out` is whole only on
 * success. Strings live in `room`. */
enum err prompt_load(const char *directory, struct arena *room, struct prompt_set *out,
                     struct errbuf *err) MUST_CHECK;

struct prompt_candidate {
    struct slice text;
    bool is_cut; /* finish_reason was length: said to the reader */
};

/* Renders for `count` candidates in the order given, whose bytes come through as they are. `mark`
 * is random text of the call, one line. Both results are plain text in `room`. ERR_AGAIN when a
 * candidate contains the mark: draw another. ERR_NOMEM when `room` ends. */
enum err prompt_render(const struct prompt_set *set, enum prompt_template which,
                       const struct prompt_candidate candidates[], size_t count, const char *mark,
                       struct arena *room, struct slice *instruction,
                       struct slice *frame) MUST_CHECK;

/* The candidate that a select's reply names, 0-based; -1 unless it is one number from 1 to `count`,
 * in nothing more than markup, punctuation and words such as "candidate". Thoughts are cut. */
int prompt_selected(struct slice reply, size_t count);

#endif
