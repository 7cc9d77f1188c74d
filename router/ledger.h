/* The ledger: the live state that all threads share: slots and wait queues of upstreams, their
 * breakers, and the limits of API keys. One mutex; no I/O, no allocation and no callback under it.
 *
 * `max_in_flight: 2` means 2 for the whole process, whichever front asks. Entries are made when a
 * snapshot is published and live as long as the ledger, so that a reload neither forgets what is
 * running nor leaves a pointer behind. */
#ifndef ROUTER_LEDGER_H
#define ROUTER_LEDGER_H

#include "cache/base.h"
#include "cache/mailbox.h"

struct ledger;
struct ledger_upstream;
struct ledger_key;
struct ledger_ticket;

struct ledger *ledger_new(const struct env *env);
void ledger_free(struct ledger *l);

/* ---- upstreams: slots ---- */

enum ledger_class { LEDGER_LIVE, LEDGER_LAB, LEDGER_CLASS_COUNT }; /* live goes before lab */

/* The entry of this name, made when absent; its limits are set anew (a larger max_in_flight wakes
 * waiters, a smaller one takes effect as calls end). */
struct ledger_upstream *ledger_upstream(struct ledger *l, const char *name, unsigned max_in_flight,
                                        unsigned queue);

enum ledger_answer {
    LEDGER_GRANTED, /* a slot is the caller's; give it back with ledger_release */
    LEDGER_QUEUED,  /* `ticket` is set; the grant arrives as mail */
    LEDGER_FULL,    /* the queue is full */
    LEDGER_BROKEN,  /* the breaker is open; *retry_us says for how long */
};

/* Who asks. Within a class, keys take turns, and a key's callers go in order. */
struct ledger_asker {
    enum ledger_class class;
    uint32_t key_tag;
    struct mailbox *mailbox; /* of the asker's thread; answers use mailbox_post_must */
    /* Called once by that thread: LEDGER_GRANTED, or LEDGER_BROKEN when the breaker opened. */
    void (*on_answer)(void *arg, enum ledger_answer answer, uint64_t retry_us);
    void *arg;
};

/* A queued caller sets its own timer and calls ledger_withdraw when it runs out. While the breaker is
 * half open one probe is granted and the others are told LEDGER_BROKEN. A queue whose breaker opens
 * keeps its waiters: they are granted when it closes or leave by their own timers. */
enum ledger_answer ledger_ask(struct ledger *l, struct ledger_upstream *up,
                              const struct ledger_asker *asker, struct ledger_ticket **ticket,
                              uint64_t *retry_us) MUST_CHECK;

/* Leaves the queue. Only by the asker's thread, before on_grant was called; after this on_grant is
 * never called: a grant already in the mail goes back by itself. Frees the ticket. */
void ledger_withdraw(struct ledger_ticket *ticket);

enum ledger_outcome {
    LEDGER_HEALTHY, /* the upstream answered as it should, 4xx included */
    LEDGER_FAILED,  /* refused, reset, cut, timed out, 5xx, not the protocol */
    LEDGER_NEUTRAL, /* says nothing of its health: we cancelled, or 429 */
};

void ledger_release(struct ledger *l, struct ledger_upstream *up, enum ledger_outcome outcome);

/* ---- upstreams: breaker ----
 * Closed: calls pass; LEDGER_BREAKER_FAILURES failures in a row open it. Open: for a time that
 * doubles with each opening from 1 s to 30 s, with jitter of a quarter. Half open: one probe; healthy
 * closes, failed opens again, neutral lets the next caller probe. */
enum { LEDGER_BREAKER_FAILURES = 5, LEDGER_BREAKER_MIN_MS = 1000, LEDGER_BREAKER_MAX_MS = 30000 };

enum ledger_breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct ledger_upstream_state {
    const char *name;
    unsigned max_in_flight;
    unsigned in_flight;
    unsigned waiting;
    enum ledger_breaker breaker;
    uint64_t openings;
    uint64_t granted; /* slots given since start */
};

/* Copies up to `cap` entries, for metrics and tests; returns how many there are. */
size_t ledger_upstreams(struct ledger *l, struct ledger_upstream_state *out, size_t cap);

/* ---- API keys ---- */

struct ledger_key_limits {
    unsigned requests_per_minute; /* 0: no limit, here and below */
    unsigned tokens_per_minute;
    unsigned max_in_flight;
};

struct ledger_key *ledger_key(struct ledger *l, uint32_t key_tag,
                              const struct ledger_key_limits *limits);

enum ledger_limit { LIMIT_NONE, LIMIT_REQUESTS, LIMIT_TOKENS, LIMIT_IN_FLIGHT };

/* What the x-ratelimit-* headers say, after the admission. Buckets hold one minute's worth and refill
 * evenly; reset_us is the time until full, retry_us until this request would be admitted. */
struct ledger_admission {
    enum ledger_limit refused; /* LIMIT_NONE: admitted */
    struct ledger_key_limits limits;
    unsigned requests_left;
    unsigned tokens_left;
    uint64_t requests_reset_us;
    uint64_t tokens_reset_us;
    uint64_t retry_us; /* when refused */
};

/* Takes one request and `tokens` (an estimate) from the buckets, or nothing at all. A request larger
 * than the whole bucket is admitted when the bucket is full, and leaves it in debt. */
void ledger_key_enter(struct ledger *l, struct ledger_key *key, uint64_t tokens,
                      struct ledger_admission *out);

/* Ends what ledger_key_enter admitted: corrects the estimate by what was really used. */
void ledger_key_leave(struct ledger *l, struct ledger_key *key, uint64_t estimated_tokens,
                      uint64_t real_tokens);

#endif
