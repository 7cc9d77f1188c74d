#include "router/ledger.h"

#include "router/ledger_state.h"

#include <utlist.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct ledger *ledger_new(const struct env *env)
{
    struct ledger *l = x_alloc(sizeof(*l));
    l->env = *env;
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

static unsigned waiting(const struct ledger_upstream *up)
{
    unsigned count = 0;
    for (size_t i = 0; i < LEDGER_CLASS_COUNT; i++) {
        count += up->waiting[i].count;
    }
    return count;
}

void ledger_free(struct ledger *l)
{
    if (!l) {
        return;
    }
    struct ledger_upstream *up;
    struct ledger_upstream *next_up;
    HASH_ITER (hh, l->upstream_by_name, up, next_up) {
        assert(waiting(up) == 0);
        HASH_DEL(l->upstream_by_name, up);
        free(up->name);
        free(up);
    }
    struct ledger_key *key;
    struct ledger_key *next_key;
    HASH_ITER (hh, l->key_by_tag, key, next_key) {
        HASH_DEL(l->key_by_tag, key);
        free(key);
    }
    ledger_stats_fini(l);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- answers ----
 *
 * Tickets are answered under the lock and posted after it: posting takes the mailbox's lock and may
 * write to its eventfd. In between the asker may withdraw, which leaves the ticket to the mail. */

struct answers {
    struct ledger_ticket *first;
    struct ledger_ticket **end;
};

static void answers_init(struct answers *a)
{
    a->first = NULL;
    a->end = &a->first;
}

static void answer_next(struct answers *a, struct ledger_upstream *up, enum ledger_class class,
                        enum ledger_answer answer, uint64_t retry_us)
{
    struct ledger_ticket *t = CONTAINER_OF(turns_take(&up->waiting[class]), struct ledger_ticket,
                                           turn);
    t->is_answered = true;
    t->answer = answer;
    t->retry_us = retry_us;
    t->next = NULL;
    *a->end = t;
    a->end = &t->next;
}

static void answers_post(struct answers *a)
{
    struct ledger_ticket *t = a->first;
    while (t) {
        struct ledger_ticket *next = t->next; /* once posted it is the receiver's */
        mailbox_post_must(t->asker.mailbox, &t->mail);
        t = next;
    }
}

/* ---- under the lock ---- */

static void take_slot(struct ledger_upstream *up)
{
    up->in_flight++;
    up->granted++;
}

static void grant_waiters(struct ledger_upstream *up, struct answers *answers)
{
    for (size_t i = 0; i < LEDGER_CLASS_COUNT; i++) {
        while (up->waiting[i].count > 0 && up->in_flight < up->max_in_flight) {
            take_slot(up);
            answer_next(answers, up, (enum ledger_class) i, LEDGER_GRANTED, 0);
        }
    }
}

static void evict_waiters(struct ledger_upstream *up, struct answers *answers, uint64_t now_us)
{
    for (size_t i = 0; i < LEDGER_CLASS_COUNT; i++) {
        while (up->waiting[i].count > 0) {
            answer_next(answers, up, (enum ledger_class) i, LEDGER_BROKEN,
                        up->breaker.until_us - now_us);
        }
    }
}

static void give_slot_back(struct ledger_upstream *up)
{
    assert(up->in_flight > 0);
    up->in_flight--;
}

/* ---- tickets ---- */

/* A slot was granted to a caller who had left: it was not used, so it says nothing of health. */
static void return_unused(struct ledger_ticket *t)
{
    struct ledger *l = t->ledger;
    struct answers answers;
    answers_init(&answers);
    pthread_mutex_lock(&l->lock);
    give_slot_back(t->upstream);
    grant_waiters(t->upstream, &answers);
    pthread_mutex_unlock(&l->lock);
    answers_post(&answers);
}

static void ticket_deliver(struct mail *mail, void *receiver)
{
    struct ledger_ticket *t = CONTAINER_OF(mail, struct ledger_ticket, mail);
    (void) receiver;
    struct ledger_asker asker = t->asker;
    enum ledger_answer answer = t->answer;
    uint64_t retry_us = t->retry_us;
    bool is_withdrawn = t->is_withdrawn;
    free(t);
    if (!is_withdrawn) {
        asker.on_answer(asker.arg, answer, retry_us);
    }
}

static void ticket_discard(struct mail *mail)
{
    struct ledger_ticket *t = CONTAINER_OF(mail, struct ledger_ticket, mail);
    if (!t->is_withdrawn && t->answer == LEDGER_GRANTED) {
        return_unused(t);
    }
    free(t);
}

static struct ledger_ticket *ticket_new(struct ledger *l, struct ledger_upstream *up,
                                        const struct ledger_asker *asker)
{
    struct ledger_ticket *t = x_alloc(sizeof(*t));
    t->mail.deliver = ticket_deliver;
    t->mail.discard = ticket_discard;
    t->ledger = l;
    t->upstream = up;
    t->asker = *asker;
    return t;
}

/* ---- the interface ---- */

struct ledger_upstream *ledger_upstream(struct ledger *l, const char *name, unsigned max_in_flight,
                                        unsigned queue)
{
    struct answers answers;
    answers_init(&answers);
    struct ledger_upstream *up;
    struct ledger_upstream *made = NULL;
    HASH_FIND_STR(l->upstream_by_name, name, up);
    if (!up) {
        uint64_t seed;
        l->env.random(l->env.arg, &seed, sizeof(seed));
        made = x_alloc(sizeof(*made));
        made->name = x_dup(name);
        breaker_init(&made->breaker, seed);
        HASH_ADD_KEYPTR(hh, l->upstream_by_name, made->name, strlen(made->name), made);
        up = made;
    }
    pthread_mutex_lock(&l->lock);
    if (made) {
        DL_APPEND(l->upstreams, made);
    }
    up->max_in_flight = max_in_flight;
    up->queue = queue;
    grant_waiters(up, &answers);
    pthread_mutex_unlock(&l->lock);
    answers_post(&answers);
    return up;
}

/* LEDGER_QUEUED without a ticket to put into the queue changes nothing. */
static enum ledger_answer ask_locked(struct ledger_upstream *up, const struct ledger_asker *asker,
                                     struct ledger_ticket *ticket, uint64_t now_us,
                                     uint64_t *retry_us)
{
    enum breaker_gate gate = breaker_gate(&up->breaker, now_us, retry_us);
    if (gate == GATE_SHUT) {
        return LEDGER_BROKEN;
    }
    if (up->in_flight < up->max_in_flight) {
        if (gate == GATE_PROBE) {
            breaker_probe(&up->breaker, now_us);
        }
        take_slot(up);
        return LEDGER_GRANTED;
    }
    if (gate == GATE_PROBE) {
        /* Calls from before it opened hold every slot, perhaps until they time out. */
        *retry_us = LEDGER_BREAKER_MIN_MS * UINT64_C(1000);
        return LEDGER_BROKEN;
    }
    struct turns *queue = &up->waiting[asker->class];
    if (queue->count >= up->queue) {
        return LEDGER_FULL;
    }
    if (ticket) {
        turns_add(queue, &ticket->turn, asker->key_tag);
    }
    return LEDGER_QUEUED;
}

enum ledger_answer ledger_ask(struct ledger *l, struct ledger_upstream *up,
                              const struct ledger_asker *asker, struct ledger_ticket **ticket,
                              uint64_t *retry_us)
{
    uint64_t now_us = env_mono_us(&l->env);
    pthread_mutex_lock(&l->lock);
    enum ledger_answer answer = ask_locked(up, asker, NULL, now_us, retry_us);
    pthread_mutex_unlock(&l->lock);
    if (answer != LEDGER_QUEUED) {
        return answer;
    }
    /* Not under the lock, and most callers need none; so the question is asked again with it. */
    struct ledger_ticket *t = ticket_new(l, up, asker);
    pthread_mutex_lock(&l->lock);
    answer = ask_locked(up, asker, t, now_us, retry_us);
    pthread_mutex_unlock(&l->lock);
    if (answer == LEDGER_QUEUED) {
        *ticket = t;
    } else {
        free(t);
    }
    return answer;
}

void ledger_withdraw(struct ledger_ticket *ticket)
{
    struct ledger *l = ticket->ledger;
    struct ledger_upstream *up = ticket->upstream;
    pthread_mutex_lock(&l->lock);
    bool is_answered = ticket->is_answered;
    if (!is_answered) {
        turns_remove(&up->waiting[ticket->asker.class], &ticket->turn);
    }
    pthread_mutex_unlock(&l->lock);
    if (!is_answered) {
        free(ticket);
        return;
    }
    /* It is in our own mail, or about to be put there; this thread alone can take it out. */
    ticket->is_withdrawn = true;
    if (ticket->answer == LEDGER_GRANTED) {
        return_unused(ticket);
    }
}

void ledger_release(struct ledger *l, struct ledger_upstream *up, enum ledger_outcome outcome)
{
    struct answers answers;
    answers_init(&answers);
    uint64_t now_us = outcome == LEDGER_FAILED ? env_mono_us(&l->env) : 0;
    pthread_mutex_lock(&l->lock);
    give_slot_back(up);
    if (breaker_end(&up->breaker, outcome, now_us)) {
        evict_waiters(up, &answers, now_us);
    } else {
        grant_waiters(up, &answers);
    }
    pthread_mutex_unlock(&l->lock);
    answers_post(&answers);
}

void ledger_alive(struct ledger *l, struct ledger_upstream *up)
{
    pthread_mutex_lock(&l->lock);
    breaker_alive(&up->breaker);
    pthread_mutex_unlock(&l->lock);
}

size_t ledger_upstreams(struct ledger *l, struct ledger_upstream_state *out, size_t cap)
{
    size_t count = 0;
    const struct ledger_upstream *up;
    pthread_mutex_lock(&l->lock);
    DL_FOREACH (l->upstreams, up) {
        if (count < cap) {
            out[count] = (struct ledger_upstream_state) {
                .name = up->name,
                .max_in_flight = up->max_in_flight,
                .in_flight = up->in_flight,
                .waiting = waiting(up),
                .breaker = up->breaker.state,
                .openings = up->breaker.openings,
                .granted = up->granted,
            };
        }
        count++;
    }
    pthread_mutex_unlock(&l->lock);
    return count;
}
