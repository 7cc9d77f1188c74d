/* Digests and encodings: SHA-256, HMAC-SHA256 (RFC 2104), constant-time compare, hex, base32.
 * The only file below the gateway that knows mbedTLS. */
#ifndef CACHE_CRYPT_H
#define CACHE_CRYPT_H

#include "cache/base.h"

enum { SHA256_BYTES = 32, INSTALL_KEY_BYTES = 32 };

/* The installation's key: 32 random bytes under which texts are hashed and ids are signed. */
struct install_key {
    unsigned char bytes[INSTALL_KEY_BYTES];
};

void crypt_sha256(struct slice text, unsigned char out[SHA256_BYTES]);
void crypt_hmac(const struct install_key *key, struct slice text, unsigned char out[SHA256_BYTES]);

/* First 32 bits of the HMAC of (purpose, name): how names are tagged in ids and records. */
uint32_t crypt_tag(const struct install_key *key, const char *purpose, struct slice name);

/* Time depends on n only. */
bool crypt_equal(const void *a, const void *b, size_t n);

/* Wipes memory in a way that the compiler cannot drop. */
void crypt_wipe(void *p, size_t n);

/* Reads hex of either case; false unless exactly 2n digits. */
bool crypt_unhex(struct slice hex, void *out, size_t n) MUST_CHECK;

/* Base32 of RFC 4648 in lower case without padding: (8n+4)/5 characters, terminated. Reading is
 * strict: exact length, alphabet a-z2-7, unused bits zero. */
enum { CRYPT_BASE32_LEN_30 = 48 };
void crypt_base32(const void *bytes, size_t n, char *out);
bool crypt_unbase32(struct slice text, void *out, size_t n) MUST_CHECK;

/* Reads the key from `dir`/key, or makes it there (mode 0600, written, synced, renamed) when
 * absent, the directory too (mode 0700) when only that is missing. A file of another size or readable by others is an error that says what to do. */
enum err crypt_install_key(const char *dir, const struct env *env, struct install_key *out,
                           struct errbuf *err) MUST_CHECK;

#endif
