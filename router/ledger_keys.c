#include "router/ledger.h"

#include "router/ledger_state.h"

#include <assert.h>

struct ledger_key *ledger_key(struct ledger *l, uint32_t key_tag,
                              const struct ledger_key_limits *limits)
{
    uint64_t now_us = env_mono_us(&l->env);
    struct ledger_key *key;
    HASH_FIND(hh, l->key_by_tag, &key_tag, sizeof(key_tag), key);
    if (!key) {
        key = x_alloc(sizeof(*key));
        key->tag = key_tag;
        bucket_init(&key->requests, limits->requests_per_minute, now_us);
        bucket_init(&key->tokens, limits->tokens_per_minute, now_us);
        HASH_ADD(hh, l->key_by_tag, tag, sizeof(key->tag), key);
    }
    pthread_mutex_lock(&l->lock);
    bucket_resize(&key->requests, limits->requests_per_minute, now_us);
    bucket_resize(&key->tokens, limits->tokens_per_minute, now_us);
    key->max_in_flight = limits->max_in_flight;
    pthread_mutex_unlock(&l->lock);
    return key;
}

/* Names the limit that refuses, the first if several do, and the longest of their waits. */
static void refuse(struct ledger_admission *out, enum ledger_limit limit, uint64_t retry_us)
{
    if (out->refused == LIMIT_NONE) {
        out->refused = limit;
    }
    if (out->retry_us < retry_us) {
        out->retry_us = retry_us;
    }
}

static void judge(const struct ledger_key *key, uint64_t tokens, struct ledger_admission *out)
{
    uint64_t requests_us = bucket_wait_us(&key->requests, 1);
    uint64_t tokens_us = bucket_wait_us(&key->tokens, tokens);
    if (requests_us > 0) {
        refuse(out, LIMIT_REQUESTS, requests_us);
    }
    if (tokens_us > 0) {
        refuse(out, LIMIT_TOKENS, tokens_us);
    }
    if (key->max_in_flight > 0 && key->in_flight >= key->max_in_flight) {
        refuse(out, LIMIT_IN_FLIGHT, LEDGER_IN_FLIGHT_RETRY_MS * UINT64_C(1000));
    }
}

static void describe(const struct ledger_key *key, struct ledger_admission *out)
{
    out->limits = (struct ledger_key_limits) {
        .requests_per_minute = key->requests.capacity,
        .tokens_per_minute = key->tokens.capacity,
        .max_in_flight = key->max_in_flight,
    };
    out->requests_left = bucket_left(&key->requests);
    out->tokens_left = bucket_left(&key->tokens);
    out->requests_reset_us = bucket_reset_us(&key->requests);
    out->tokens_reset_us = bucket_reset_us(&key->tokens);
}

void ledger_key_enter(struct ledger *l, struct ledger_key *key, uint64_t tokens,
                      struct ledger_admission *out)
{
    *out = (struct ledger_admission) {.refused = LIMIT_NONE};
    uint64_t now_us = env_mono_us(&l->env);
    pthread_mutex_lock(&l->lock);
    bucket_refill(&key->requests, now_us);
    bucket_refill(&key->tokens, now_us);
    judge(key, tokens, out);
    if (out->refused == LIMIT_NONE) {
        bucket_take(&key->requests, 1);
        bucket_take(&key->tokens, tokens);
        key->in_flight++;
    }
    describe(key, out);
    pthread_mutex_unlock(&l->lock);
}

void ledger_key_leave(struct ledger *l, struct ledger_key *key, uint64_t estimated_tokens,
                      uint64_t real_tokens)
{
    uint64_t now_us = env_mono_us(&l->env);
    pthread_mutex_lock(&l->lock);
    assert(key->in_flight > 0);
    key->in_flight--;
    bucket_refill(&key->tokens, now_us);
    bucket_correct(&key->tokens, estimated_tokens, real_tokens);
    pthread_mutex_unlock(&l->lock);
}
