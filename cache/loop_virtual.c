#include "cache/loop.h"

#include <string.h>

static uint64_t virtual_mono_us(void *arg)
{
    const struct loop_virtual *v = arg;
    return v->now_us;
}

static int64_t virtual_wall_us(void *arg)
{
    const struct loop_virtual *v = arg;
    return (int64_t) v->now_us;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static void virtual_random(void *arg, void *out, size_t n)
{
    struct loop_virtual *v = arg;
    char *at = out;
    while (n > 0) {
        v->random_state += 0x9e3779b97f4a7c15u;
        uint64_t z = v->random_state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        size_t put = n < sizeof(z) ? n : sizeof(z);
        memcpy(at, &z, put);
        at += put;
        n -= put;
    }
}

struct env loop_virtual_env(struct loop_virtual *v, uint64_t seed)
{
    *v = (struct loop_virtual) {.now_us = 1000000, .random_state = seed};
    return (struct env) {virtual_mono_us, virtual_wall_us, virtual_random, v};
}

void loop_advance(struct loop *loop, struct loop_virtual *v, uint64_t until_us)
{
    for (;;) {
        uint64_t due_us = loop_run(loop);
        if (due_us > until_us) {
            break;
        }
        if (due_us > v->now_us) {
            v->now_us = due_us;
        }
    }
    if (v->now_us < until_us) {
        v->now_us = until_us;
    }
}
