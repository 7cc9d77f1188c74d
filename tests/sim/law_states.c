#include "tests/sim/law_states.h"

#include "cache/base.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64U

static void set_cap(struct law_states *s, size_t cap)
{
    s->cap = cap;
    s->bits = x_resize(s->bits, cap, sizeof(*s->bits));
    s->chance = x_resize(s->chance, cap, sizeof(*s->chance));
    free(s->slots);
    s->slots = x_array(2 * cap, sizeof(*s->slots));
}

void law_states_init(struct law_states *s)
{
    memset(s, 0, sizeof(*s));
    set_cap(s, FIRST_CAP);
}

void law_states_fini(struct law_states *s)
{
    free(s->bits);
    free(s->chance);
    free(s->slots);
    memset(s, 0, sizeof(*s));
}

/* cap is a power of two; multiplying spreads the bits over the upper half of the product. */
static uint32_t *find_slot(const struct law_states *s, uint32_t bits)
{
    size_t mask = 2 * s->cap - 1;
    size_t at = (size_t) (((uint64_t) bits * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;

    while (s->slots[at] != 0 && s->bits[s->slots[at] - 1] != bits) {
        at = (at + 1) & mask;
    }
    return &s->slots[at];
}

void law_states_clear(struct law_states *s)
{
    for (size_t i = s->n; i > 0; i--) {
        /* Last come, first gone: no probe passes over a slot that is empty already. */
        *find_slot(s, s->bits[i - 1]) = 0;
    }
    s->n = 0;
}

void law_states_add(struct law_states *s, uint32_t bits, double chance)
{
    uint32_t *slot;

    if (chance <= 0) {
        return;
    }
    slot = find_slot(s, bits);
    if (*slot != 0) {
        s->chance[*slot - 1] += chance;
        return;
    }
    if (s->n == s->cap) {
        set_cap(s, 2 * s->cap);
        for (size_t i = 0; i < s->n; i++) {
            *find_slot(s, s->bits[i]) = (uint32_t) (i + 1);
        }
        slot = find_slot(s, bits);
    }
    s->bits[s->n] = bits;
    s->chance[s->n] = chance;
    s->n++;
    *slot = (uint32_t) s->n;
}
