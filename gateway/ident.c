#include "gateway/ident.h"

#include <assert.h>
#include <string.h>

enum {
    AT_TIME = 0,
    AT_KEY_TAG = 6,
    AT_TASK_TAG = 10,
    AT_BOOT = 14,
    AT_FRONT = 18,
    AT_SEQUENCE = 19,
    AT_MAC = 22,
    MAC_BYTES = IDENT_BYTES - AT_MAC,
};

static_assert((size_t) IDENT_TEXT < RECORD_ID_BYTES, "an id fits into a record");

/* The low bits of `value`, as many as there is room for. */
static void put(unsigned char *bytes, size_t from, size_t to, uint64_t value)
{
    for (size_t i = to; i > from; i--) {
        bytes[i - 1] = (unsigned char) value;
        value >>= 8;
    }
}

static uint64_t get(const unsigned char *bytes, size_t from, size_t to)
{
    uint64_t value = 0;
    for (size_t i = from; i < to; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void sign(const struct install_key *key, const unsigned char *bytes,
                 unsigned char mac[SHA256_BYTES])
{
    /* The purpose in front keeps apart what else is hashed under this key. */
    char text[3 + AT_MAC] = "id";
    memcpy(text + 3, bytes, AT_MAC);
    crypt_hmac(key, (struct slice) {text, sizeof(text)}, mac);
}

void ident_maker_init(struct ident_maker *m, const struct install_key *key, uint32_t boot,
                      unsigned front)
{
    assert(front < IDENT_FRONTS);
    *m = (struct ident_maker) {.key = key, .boot = boot, .front = front};
}

void ident_make(struct ident_maker *m, int64_t wall_us, uint32_t key_tag, uint32_t task_tag,
                char out[RECORD_ID_BYTES])
{
    unsigned char bytes[IDENT_BYTES];
    unsigned char mac[SHA256_BYTES];
    put(bytes, AT_TIME, AT_KEY_TAG, wall_us > 0 ? (uint64_t) wall_us / 1000 : 0);
    put(bytes, AT_KEY_TAG, AT_TASK_TAG, key_tag);
    put(bytes, AT_TASK_TAG, AT_BOOT, task_tag);
    put(bytes, AT_BOOT, AT_FRONT, m->boot);
    put(bytes, AT_FRONT, AT_SEQUENCE, m->front);
    put(bytes, AT_SEQUENCE, AT_MAC, m->sequence);
    m->sequence++;
    sign(m->key, bytes, mac);
    memcpy(bytes + AT_MAC, mac, MAC_BYTES);
    crypt_base32(bytes, IDENT_BYTES, out);
}

static struct slice without_prefix(struct slice text)
{
    static const char *const prefixes[] = {"chatcmpl-", "cmpl-"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (slice_starts(text, prefixes[i])) {
            size_t n = strlen(prefixes[i]);
            return (struct slice) {text.p + n, text.n - n};
        }
    }
    return text;
}

enum err ident_check(const struct install_key *key, struct slice text, struct ident *out)
{
    unsigned char bytes[IDENT_BYTES];
    unsigned char mac[SHA256_BYTES];
    if (!crypt_unbase32(without_prefix(text), bytes, IDENT_BYTES)) {
        return ERR_INPUT;
    }
    sign(key, bytes, mac);
    if (!crypt_equal(mac, bytes + AT_MAC, MAC_BYTES)) {
        return ERR_INPUT;
    }
    *out = (struct ident) {
        .wall_ms = get(bytes, AT_TIME, AT_KEY_TAG),
        .key_tag = (uint32_t) get(bytes, AT_KEY_TAG, AT_TASK_TAG),
        .task_tag = (uint32_t) get(bytes, AT_TASK_TAG, AT_BOOT),
        .boot = (uint32_t) get(bytes, AT_BOOT, AT_FRONT),
        .front = (unsigned) get(bytes, AT_FRONT, AT_SEQUENCE),
        .sequence = (uint32_t) get(bytes, AT_SEQUENCE, AT_MAC),
    };
    return ERR_NONE;
}
