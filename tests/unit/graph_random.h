/* Numbers and permutations for the tests of graphs: the same on every machine. */
#ifndef TESTS_UNIT_GRAPH_RANDOM_H
#define TESTS_UNIT_GRAPH_RANDOM_H

#include <stdint.h>

/* SplitMix64; the state may be anything. */
static inline uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 to n - 1, as even as tests need. */
static inline unsigned draw_below(uint64_t *state, unsigned n)
{
    return (unsigned) (draw(state) >> 33) % n;
}

static inline void draw_permutation(uint64_t *state, unsigned n, unsigned out[])
{
    unsigned i;

    for (i = 0; i < n; i++) {
        unsigned j = draw_below(state, i + 1);

        out[i] = out[j];
        out[j] = i;
    }
}

static inline void swap(unsigned *a, unsigned *b)
{
    unsigned kept = *a;

    *a = *b;
    *b = kept;
}

/* The next permutation in lexicographic order; 0 after the last. */
static inline int next_permutation(unsigned p[], unsigned n)
{
    unsigned i = n - 1;
    unsigned j = n - 1;

    while (i > 0 && p[i - 1] > p[i]) {
        i--;
    }
    if (i == 0) {
        return 0;
    }
    while (p[j] < p[i - 1]) {
        j--;
    }
    swap(&p[i - 1], &p[j]);
    for (j = n - 1; i < j; i++, j--) {
        swap(&p[i], &p[j]);
    }
    return 1;
}

/* A set of nodes where each goes to its place. */
static inline uint32_t permuted(uint32_t set, const unsigned place[])
{
    uint32_t out = 0;

    for (; set != 0; set &= set - 1) {
        out |= (uint32_t) 1 << place[__builtin_ctz(set)];
    }
    return out;
}

#endif
