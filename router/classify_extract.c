#include "router/classify.h"

#include <math.h>

enum {
    SLOTS = 4 * CLASSIFY_FEATURES_MAX, /* a power of two, mostly empty */
    GRAM = 4,
};

/* Kinds of features, so that the same bytes of different kinds meet only by chance. */
enum { SEED_GRAM = 1, SEED_WORD = 2, SEED_PAIR = 3, SEED_SYSTEM = 4 };

/* Counts features: while they are counted, a value is its count with the sign of the hash. */
struct counter {
    struct classify_features *out;
    uint16_t slots[SLOTS]; /* index into `out` plus one; 0 is empty */
};

/* The finaliser of MurmurHash3 (Appleby, public domain), which mixes all bits into all. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    h ^= h >> 33;
    return h;
}

static void count_feature(struct counter *c, uint64_t key, unsigned seed)
{
    uint64_t h = mix(key ^ (uint64_t) seed << 56);
    uint32_t bucket = (uint32_t) h & (CLASSIFY_BUCKETS - 1);
    float sign = h >> 63 ? -1.0f : 1.0f;
    size_t slot = (size_t) (h >> 20) & (SLOTS - 1);
    for (;; slot = (slot + 1) & (SLOTS - 1)) {
        if (c->slots[slot] == 0) {
            break;
        }
        struct classify_feature *f = &c->out->at[c->slots[slot] - 1];
        if (f->bucket == bucket && (f->value < 0) == (sign < 0)) {
            f->value += sign;
            return;
        }
    }
    if (c->out->count < CLASSIFY_FEATURES_MAX) {
        c->out->at[c->out->count++] = (struct classify_feature) {bucket, sign};
        c->slots[slot] = (uint16_t) c->out->count;
    }
}

/* Words are letters, digits and whatever is not ASCII; other bytes stand between them. */
static unsigned char fold(char byte, bool *is_word)
{
    unsigned char c = (unsigned char) byte;
    *is_word = true;
    if (c >= 'A' && c <= 'Z') {
        return (unsigned char) (c + ('a' - 'A'));
    }
    if (c >= '0' && c <= '9') {
        return '0';
    }
    if ((c >= 'a' && c <= 'z') || c >= 0x80) {
        return c;
    }
    *is_word = false;
    return c <= ' ' ? ' ' : c;
}

/* `seed` tells the user's text from the system's. */
static void count_text(struct counter *c, struct slice text, unsigned seed)
{
    uint64_t word = 0, before = 0;
    uint32_t gram = ' ';
    size_t length = 1;
    for (size_t i = 0; i <= text.n; i++) {
        bool is_word;
        unsigned char byte = fold(i < text.n ? text.p[i] : ' ', &is_word);
        if (is_word) {
            word = (word ^ byte) * 0x100000001b3u + 0x9e3779b97f4a7c15u;
        } else if (word != 0) {
            count_feature(c, word, SEED_WORD | seed);
            if (before != 0) {
                count_feature(c, word + before * 31, SEED_PAIR | seed);
            }
            before = word;
            word = 0;
        }
        if (byte == ' ' && (gram & 0xff) == ' ') {
            continue;
        }
        gram = gram << 8 | byte;
        length++;
        if (length >= GRAM) {
            count_feature(c, gram, SEED_GRAM | seed);
        }
    }
}

static struct slice part(struct slice s, size_t from, size_t n)
{
    return (struct slice) {s.p + from, n};
}

/* One rounding a statement, see the header. */
static void normalise(struct classify_features *f)
{
    float squares = 0.0f;
    for (size_t i = 0; i < f->count; i++) {
        squares += fabsf(f->at[i].value); /* the square of a count's root */
    }
    float length = classify_root(squares);
    for (size_t i = 0; i < f->count; i++) {
        float root = classify_root(fabsf(f->at[i].value));
        float value = root / length;
        f->at[i].value = f->at[i].value < 0 ? -value : value;
    }
}

void classify_extract(struct slice user_text, struct slice system_text,
                      struct classify_features *out)
{
    enum { END = CLASSIFY_USER_BYTES };
    struct counter c = {.out = out};
    out->count = 0;
    if (user_text.n > (size_t) 2 * END) {
        count_text(&c, part(user_text, 0, END), 0);
        count_text(&c, part(user_text, user_text.n - END, END), 0);
    } else if (user_text.n > 0) {
        count_text(&c, user_text, 0);
    }
    if (system_text.n > 0) {
        size_t n = system_text.n < CLASSIFY_SYSTEM_BYTES ? system_text.n : CLASSIFY_SYSTEM_BYTES;
        count_text(&c, part(system_text, 0, n), SEED_SYSTEM);
    }
    normalise(out);
}
