/* The ledger: the live state that all threads share: slots and wait queues of upstreams, their
 * breakers, and the limits of API keys. One mutex; no I/O, no allocation and no callback under it.
 *
 * `max_in_flight: 2` means 2 for the whole process, whichever front asks. Entries are made when a
 * snapshot is published and live as long as the ledger, so that a reload neither forgets what is
 * running nor leaves a pointer behind. Only the thread that publishes makes them; every other
 * function may be called by any thread. */
#ifndef ROUTER_LEDGER_H
#define ROUTER_LEDGER_H

#include "cache/base.h"
#include "cache/mailbox.h"

struct ledger;
struct ledger_upstream;
struct ledger_key;
struct ledger_ticket;

struct ledger *ledger_new(const struct env *env);
/* After the mailboxes of the askers: one that is freed gives back the slots that lie in it. */
void ledger_free(struct ledger *l);

/* ---- upstreams: slots ---- */

enum ledger_class { LEDGER_LIVE, LEDGER_LAB, LEDGER_CLASS_COUNT }; /* live goes before lab */

/* The entry of this name, made when absent; its limits are set anew (a larger max_in_flight wakes
 * waiters, a smaller one takes effect as calls end). `queue` bounds the waiters of each class. */
struct ledger_upstream *ledger_upstream(struct ledger *l, const char *name, unsigned max_in_flight,
                                        unsigned queue);

enum ledger_answer {
    LEDGER_GRANTED, /* a slot is the caller's; give it back with ledger_release */
    LEDGER_QUEUED,  /* `ticket` is set; the answer arrives as mail */
    LEDGER_FULL,    /* the queue is full */
    LEDGER_BROKEN,  /* the breaker is not closed; ask again after *retry_us */
};

/* Who asks. Within a class, keys take turns, and a key's callers go in order. */
struct ledger_asker {
    enum ledger_class class;
    uint32_t key_tag;
    struct mailbox *mailbox; /* of the asker's thread; answers use mailbox_post_must */
    /* Called once by that thread: LEDGER_GRANTED, or LEDGER_BROKEN when the breaker opened. The
     * ticket is gone by then. */
    void (*on_answer)(void *arg, enum ledger_answer answer, uint64_t retry_us);
    void *arg;
};

/* A queued caller sets its own timer and calls ledger_withdraw when it runs out. Nobody waits for a
 * breaker: callers have other models to turn to. */
enum ledger_answer ledger_ask(struct ledger *l, struct ledger_upstream *up,
                              const struct ledger_asker *asker, struct ledger_ticket **ticket,
                              uint64_t *retry_us) MUST_CHECK;

/* Leaves the queue. Only by the asker's thread, before on_answer was called; after this on_answer is
 * never called: the slot of a grant that is in the mail already goes back at once. Frees the ticket.
 * Every queued caller is answered or withdraws before its mailbox is freed. */
void ledger_withdraw(struct ledger_ticket *ticket);

enum ledger_outcome {
    LEDGER_HEALTHY, /* the upstream answered as it should, 4xx included */
    LEDGER_FAILED,  /* refused, reset, cut, timed out, 5xx, not the protocol */
    LEDGER_NEUTRAL, /* says nothing of its health: we cancelled, or 429 */
};

void ledger_release(struct ledger *l, struct ledger_upstream *up, enum ledger_outcome outcome);

/* ---- upstreams: breaker ----
 *
 *               ended healthy       ended failed                       ended neutral
 *   closed      failures = 0        5 failures in a row: open          -
 *   open        -                   -                                  -
 *   half open   closed              open                               the next caller probes
 *
 * Open lasts 1 s, twice as long each time it opens again until a call has ended healthy, at most
 * 30 s, each time drawn uniformly from 3/4 to 5/4 of that. Opening tells all waiters LEDGER_BROKEN,
 * so there are waiters only while it is closed, and nothing has to be woken by time. The first
 * caller after that time who finds a free slot is the probe: half open; other callers are told
 * LEDGER_BROKEN until it has ended or got content. 30 s after the last probe the next caller is
 * one too: a probe may be slow, or be drained for a client who has left.
 *
 * Calls granted before it opened end at any time. While open nothing they say counts; while half
 * open whoever ends first speaks for the upstream, since both tell how it is now, and the probe
 * that ends after it opened again no longer counts. */
enum { LEDGER_BREAKER_FAILURES = 5, LEDGER_BREAKER_MIN_MS = 1000, LEDGER_BREAKER_MAX_MS = 30000 };

/* A call has got its first content: closes a half-open breaker at once, so that other callers need
 * not wait for the end of a long stream. Nothing otherwise; the call still ends by ledger_release. */
void ledger_alive(struct ledger *l, struct ledger_upstream *up);

enum ledger_breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct ledger_upstream_state {
    const char *name; /* lives as long as the ledger */
    unsigned max_in_flight;
    unsigned in_flight;
    unsigned waiting;
    enum ledger_breaker breaker;
    uint64_t openings;
    uint64_t granted; /* slots given since start */
};

/* Copies up to `cap` entries, oldest first, for metrics and tests; returns how many there are. */
size_t ledger_upstreams(struct ledger *l, struct ledger_upstream_state *out, size_t cap);

/* ---- API keys ---- */

struct ledger_key_limits {
    unsigned requests_per_minute; /* 0: no limit, here and below */
    unsigned tokens_per_minute;
    unsigned max_in_flight;
};

/* The entry of this tag, made with full buckets when absent; its limits are set anew. */
struct ledger_key *ledger_key(struct ledger *l, uint32_t key_tag,
                              const struct ledger_key_limits *limits);

enum ledger_limit { LIMIT_NONE, LIMIT_REQUESTS, LIMIT_TOKENS, LIMIT_IN_FLIGHT };

/* Token buckets: with C per minute, level(t) = min(C, level(s) + (t - s) * C / 60 s); a cost c is
 * admitted when level >= min(c, C), and level -= c may leave a debt that refilling pays first.
 * left = max(0, floor(level)); reset = (C - level) * 60 s / C; retry = (min(c, C) - level) * 60 s / C,
 * rounded up. */
enum { LEDGER_IN_FLIGHT_RETRY_MS = 1000 }; /* nobody knows when a call will end */

/* What the x-ratelimit-* headers say, after the admission. `left` and `reset` are 0 where `limits`
 * says no limit. */
struct ledger_admission {
    enum ledger_limit refused; /* LIMIT_NONE: admitted; else the first in the enum's order */
    struct ledger_key_limits limits;
    unsigned requests_left;
    unsigned tokens_left;
    uint64_t requests_reset_us;
    uint64_t tokens_reset_us;
    uint64_t retry_us; /* when refused: until nothing refuses this request any more */
};

/* Takes one request and `tokens` (an estimate) from the buckets, or nothing at all. A request larger
 * than the whole bucket is admitted when the bucket is full, and leaves it in debt. */
void ledger_key_enter(struct ledger *l, struct ledger_key *key, uint64_t tokens,
                      struct ledger_admission *out);

/* Ends what ledger_key_enter admitted: corrects the estimate by what was really used (more than that
 * goes into debt; a bucket never holds more than C). */
void ledger_key_leave(struct ledger *l, struct ledger_key *key, uint64_t estimated_tokens,
                      uint64_t real_tokens);

#endif
