/* What the files of `answer` share: bytes, a growing text in an arena, and one function a kind. */
#ifndef ROUTER_ANSWER_PARTS_H
#define ROUTER_ANSWER_PARTS_H

#include "router/answer.h"

/* ASCII, whatever the locale says. */
static inline bool answer_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char answer_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static inline bool answer_is_letter(char c)
{
    return answer_lower(c) >= 'a' && answer_lower(c) <= 'z';
}

static inline bool answer_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool answer_is_word(char c)
{
    return answer_is_letter(c) || answer_is_digit(c) || c == '_' || (unsigned char) c >= 0x80;
}

/* The byte at `at`, or 0 outside of the text: 0 is nothing that anybody looks for. */
static inline char answer_at(struct slice s, size_t at)
{
    return at < s.n ? s.p[at] : '\0';
}

static inline struct slice answer_sub(struct slice s, size_t from, size_t to)
{
    return (struct slice) {s.p + from, to - from};
}

/* `word` in lower case; compares letters of either case. */
bool answer_has_at(struct slice s, size_t at, const char *word);
/* The same as a word of its own. */
bool answer_has_word_at(struct slice s, size_t at, const char *word);
/* Behind one of them, which may be a word of several; 0: none. NULL ends `words`. */
size_t answer_skip_words(struct slice s, size_t at, const char *const words[]);
size_t answer_skip_space(struct slice s, size_t at);
struct slice answer_trim(struct slice s);
/* Without the first or last line that is a Markdown fence. */
struct slice answer_unfence(struct slice s);

/* ---- a text that grows ---- */

struct answer_buffer {
    struct arena *room;
    char *p;
    size_t n;
    size_t cap;
    bool is_short; /* the room ended; what is in it means nothing */
};

void answer_put(struct answer_buffer *b, struct slice s);
void answer_put_byte(struct answer_buffer *b, char c);
static inline struct slice answer_written(const struct answer_buffer *b)
{
    return (struct slice) {b->p, b->n};
}

/* ---- numbers ---- */

/* A number's spelling. `whole` only in mixed numbers, `bottom` only in fractions. */
struct answer_number {
    const char *begin; /* its first byte, behind sign and currency */
    bool is_negative;
    struct slice whole;
    struct slice top;
    struct slice bottom;
};

/* Reads the number, without sign, that begins at `at` with a digit, a point and a digit, or \frac.
 * Returns the place behind it, 0 when there is none. */
size_t answer_number_at(struct slice s, size_t at, struct answer_number *out);
/* The normal form. */
void answer_number_put(struct answer_buffer *b, const struct answer_number *number);
/* The whole text is one number, with or without sign. */
bool answer_number_whole(struct slice s, struct answer_number *out);

/* ---- kinds: false when the text holds none ---- */

/* What is inside the last box. */
bool answer_box(struct slice text, struct slice *inside);
/* Normal form of a piece of TeX; empty when nothing is left or the room has ended. */
struct slice answer_tex(struct slice tex, struct arena *room);

bool answer_choice(struct slice text, bool is_strict, struct arena *room, struct slice *out);
bool answer_number(struct slice text, bool is_strict, struct arena *room, struct slice *out);
bool answer_json(struct slice text, struct arena *room, struct slice *out);
/* The whole text is one object or array. */
bool answer_json_whole(struct slice text, struct arena *room, struct slice *out);

#endif
