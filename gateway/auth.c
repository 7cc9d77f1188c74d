#include "gateway/auth.h"

void auth_tag(struct auth *auth, const struct install_key *key)
{
    for (size_t i = 0; i < auth->count; i++) {
        struct auth_key *k = &auth->keys[i];
        k->key_tag = crypt_tag(key, "key", slice_of(k->name));
    }
}

/* The token of `Bearer TOKEN`; empty when it is not of this form. */
static struct slice token_of(struct slice authorization)
{
    static const size_t scheme = sizeof("Bearer") - 1;
    if (authorization.n <= scheme || authorization.p[scheme] != ' ' ||
        !slice_ieq_text((struct slice) {authorization.p, scheme}, "Bearer")) {
        return SLICE_NONE;
    }
    struct slice token = {authorization.p + scheme, authorization.n - scheme};
    while (token.n > 0 && token.p[0] == ' ') {
        token.p++;
        token.n--;
    }
    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] <= ' ' || token.p[i] > '~') {
            return SLICE_NONE;
        }
    }
    return token;
}

const struct auth_key *auth_find(const struct auth *auth, struct slice authorization,
                                 enum auth_answer *answer)
{
    if (authorization.n == 0) {
        *answer = AUTH_MISSING;
        return NULL;
    }
    struct slice token = token_of(authorization);
    if (token.n == 0) {
        *answer = AUTH_MALFORMED;
        return NULL;
    }
    unsigned char digest[SHA256_BYTES];
    crypt_sha256(token, digest);
    const struct auth_key *found = NULL;
    for (size_t i = 0; i < auth->count; i++) {
        /* No way out before the last one. */
        if (crypt_equal(digest, auth->keys[i].sha256, SHA256_BYTES)) {
            found = &auth->keys[i];
        }
    }
    crypt_wipe(digest, sizeof(digest));
    *answer = found ? AUTH_OK : AUTH_UNKNOWN;
    return found;
}

bool auth_allows(const struct auth_key *key, struct slice model)
{
    if (!key || !key->allow || !key->allow[0]) {
        return true;
    }
    for (size_t i = 0; key->allow[i]; i++) {
        if (slice_eq_text(model, key->allow[i])) {
            return true;
        }
    }
    return false;
}

bool auth_anonymous_ok(bool is_loopback_peer, bool has_origin)
{
    return is_loopback_peer && !has_origin;
}
