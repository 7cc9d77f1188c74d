/* A circuit breaker: whether calls to an upstream pass. The rules are in router/ledger.h; this is its
 * arithmetic, without a clock and without a lock. */
#ifndef ROUTER_BREAKER_H
#define ROUTER_BREAKER_H

#include "cache/base.h"
#include "router/ledger.h"

struct breaker {
    enum ledger_breaker state;
    unsigned failures; /* in a row; not forgotten before it closes */
    unsigned streak;   /* openings since a call ended healthy */
    uint64_t until_us; /* while not closed: from then on the next caller is a probe */
    uint64_t openings; /* since start */
    uint64_t random;   /* state of the generator of the jitter */
};

void breaker_init(struct breaker *b, uint64_t seed);

enum breaker_gate {
    GATE_PASS,
    GATE_PROBE, /* may pass, with breaker_probe, when there is a slot */
    GATE_SHUT,
};

/* What a caller meets; *retry_us is set for GATE_SHUT. */
enum breaker_gate breaker_gate(const struct breaker *b, uint64_t now_us, uint64_t *retry_us);

void breaker_probe(struct breaker *b, uint64_t now_us);

/* A call has ended. `now_us` matters for LEDGER_FAILED only. True: this opened it. */
bool breaker_end(struct breaker *b, enum ledger_outcome outcome, uint64_t now_us) MUST_CHECK;

void breaker_alive(struct breaker *b);

#endif
