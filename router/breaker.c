#include "router/breaker.h"

static const uint64_t us_per_ms = 1000;

void breaker_init(struct breaker *b, uint64_t seed)
{
    *b = (struct breaker) {.state = BREAKER_CLOSED, .random = seed};
}

/* splitmix64: the ledger may not ask the system for randomness while it holds its lock. */
static uint32_t draw(struct breaker *b)
{
    b->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = b->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t) ((z ^ (z >> 31)) >> 32);
}

static void open_up(struct breaker *b, uint64_t now_us)
{
    uint64_t base_us = LEDGER_BREAKER_MAX_MS * us_per_ms;
    if (b->streak < 32 && (LEDGER_BREAKER_MIN_MS * us_per_ms << b->streak) < base_us) {
        base_us = LEDGER_BREAKER_MIN_MS * us_per_ms << b->streak;
    }
    /* 3/4 + [0, 1/2) */
    uint64_t time_us = base_us / 4 * 3 + (base_us / 2 * draw(b) >> 32);
    b->state = BREAKER_OPEN;
    b->streak++;
    b->openings++;
    b->until_us = now_us + time_us;
}

enum breaker_gate breaker_gate(const struct breaker *b, uint64_t now_us, uint64_t *retry_us)
{
    if (b->state == BREAKER_CLOSED) {
        return GATE_PASS;
    }
    if (now_us >= b->until_us) {
        return GATE_PROBE;
    }
    /* While half open the answer may come at any moment. */
    *retry_us = b->state == BREAKER_OPEN ? b->until_us - now_us : LEDGER_BREAKER_MIN_MS * us_per_ms;
    return GATE_SHUT;
}

void breaker_probe(struct breaker *b, uint64_t now_us)
{
    b->state = BREAKER_HALF_OPEN;
    b->until_us = now_us + LEDGER_BREAKER_MAX_MS * us_per_ms;
}

bool breaker_end(struct breaker *b, enum ledger_outcome outcome, uint64_t now_us)
{
    if (b->state == BREAKER_OPEN) {
        return false;
    }
    switch (outcome) {
    case LEDGER_HEALTHY:
        b->state = BREAKER_CLOSED;
        b->failures = 0;
        b->streak = 0;
        return false;
    case LEDGER_FAILED:
        b->failures++;
        if (b->failures < LEDGER_BREAKER_FAILURES) {
            return false;
        }
        open_up(b, now_us);
        return true;
    case LEDGER_NEUTRAL:
        break;
    }
    if (b->state == BREAKER_HALF_OPEN) {
        b->state = BREAKER_OPEN;
        b->until_us = 0; /* its time is over already */
    }
    return false;
}

void breaker_alive(struct breaker *b)
{
    if (b->state == BREAKER_HALF_OPEN) {
        b->state = BREAKER_CLOSED;
        b->failures = 0;
    }
}
