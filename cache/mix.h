/* Mixing of 64-bit words: the finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
 * number generators", OOPSLA 2014; constants of Stafford's variant 13) and the generator made of it. For
 * draws that must be the same everywhere; no secret is safe behind it. */
#ifndef CACHE_MIX_H
#define CACHE_MIX_H

#include "cache/base.h"

static inline uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Two words into one; the order counts. */
static inline uint64_t mix64_pair(uint64_t a, uint64_t b)
{
    return mix64(mix64(a + UINT64_C(0x9e3779b97f4a7c15)) ^ b);
}

/* A text into one word. */
static inline uint64_t mix64_text(struct slice text)
{
    uint64_t mixed = 0;
    for (size_t i = 0; i < text.n; i++) {
        mixed = mix64_pair(mixed, (unsigned char) text.p[i]);
    }
    return mixed;
}

/* The next word of a sequence that begins at any *state. */
static inline uint64_t mix64_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix64(*state);
}

#endif
