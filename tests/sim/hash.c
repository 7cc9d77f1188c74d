#include "tests/sim/hash.h"

#include <string.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* FNV's and splitmix's multiplications wrap on purpose. */
uint64_t hash_bytes(uint64_t seed, const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ mix(seed + UINT64_C(0x9e3779b97f4a7c15));

    for (size_t i = 0; i < n; i++) {
        h = (h ^ s[i]) * UINT64_C(0x100000001b3);
    }
    return mix(h);
}

uint64_t hash_str(uint64_t seed, const char *s)
{
    return hash_bytes(seed, s, strlen(s));
}

uint64_t hash_u64(uint64_t seed, uint64_t v)
{
    return mix(seed ^ mix(v + UINT64_C(0x9e3779b97f4a7c15)));
}

double hash_unit(uint64_t h)
{
    return (double) (h >> 11) * (1.0 / 9007199254740992.0);
}
