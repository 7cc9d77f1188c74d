/*
 * Seeded hashing: all "chance" in the simulator is a hash of what was asked, so the same seed
 * gives the same answers in any order and at any concurrency. FNV-1a over the bytes, finished
 * with the splitmix64 mixer.
 */
#ifndef SIM_HASH_H
#define SIM_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(uint64_t seed, const void *p, size_t n);
uint64_t hash_str(uint64_t seed, const char *s);
uint64_t hash_u64(uint64_t seed, uint64_t v);

/* Maps a hash to [0, 1). */
double hash_unit(uint64_t h);

#endif
