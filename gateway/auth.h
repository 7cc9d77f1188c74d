/* API keys: who a request is from, and which models it may name. The limits of a key are the ledger's.
 *
 * Filled by the configuration's loader, in its arena; immutable then, but for `key_tag` and `ledger`,
 * which are set before it is published. We keep digests of keys only. A key has enough randomness of
 * its own, so a plain SHA-256 of it is as good as a slow one. */
#ifndef GATEWAY_AUTH_H
#define GATEWAY_AUTH_H

#include "cache/base.h"
#include "cache/crypt.h"
#include "router/ledger.h"

struct auth_key {
    const char *name;
    unsigned char sha256[SHA256_BYTES]; /* of the token as the client sends it */
    const char *const *allow; /* model names as clients send them, NULL-terminated; NULL: all */
    struct ledger_key_limits limits;
    uint32_t key_tag;          /* auth_tag */
    struct ledger_key *ledger; /* set when the configuration is published */
    bool usage_sum;            /* `usage` of a graph's answer speaks of all its calls */
};

struct auth {
    struct auth_key *keys;
    size_t count; /* 0: see auth_anonymous_ok */
};

/* Sets the tags of all keys: crypt_tag of "key" and the name. */
void auth_tag(struct auth *auth, const struct install_key *key);

enum auth_answer {
    AUTH_OK,
    AUTH_MISSING,   /* no Authorization header, or an empty one */
    AUTH_MALFORMED, /* not `Bearer TOKEN`, the token being visible ASCII without spaces */
    AUTH_UNKNOWN,   /* no such key */
};

/* `authorization` is the header's value, p NULL where there is none. The scheme may be in any case. The
 * key, or NULL and *answer says why. The token's digest is compared with every key's in constant time,
 * so neither which key it was nor how near it came shows in the time taken. */
const struct auth_key *auth_find(const struct auth *auth, struct slice authorization,
                                 enum auth_answer *answer);

/* May this key (NULL: anonymous, who may everything) name this model? Exact names. */
bool auth_allows(const struct auth_key *key, struct slice model);

/* Without any configured key only programs on this machine are served, and no web pages: those of any
 * site could otherwise use the models from the browser of whoever visits them. */
bool auth_anonymous_ok(bool is_loopback_peer, bool has_origin);

#endif
