/* Request ids: made without any shared state, and recognised later as ours without looking them up, so
 * that feedback can name a request whose record is long gone or has not arrived yet.
 *
 * 48 characters of base32 (a-z2-7) are 30 bytes, numbers with the most significant byte first:
 *
 *      0   6  milliseconds since 1970
 *      6   4  tag of the API key's name (crypt_tag "key"), 0: anonymous
 *     10   4  tag of the task's name (crypt_tag "task"), 0: none
 *     14   4  boot: drawn at random when the process started
 *     18   1  front
 *     19   3  sequence of the front; runs over after 16.7 million requests, in another millisecond
 *     22   8  the first 64 bits of HMAC-SHA256 of "id", a zero byte and the above
 *
 * The tags let a key's own requests be told from another's, whatever the order of the configuration.
 * The time and the tags can be read by anybody; the MAC makes them true. */
#ifndef GATEWAY_IDENT_H
#define GATEWAY_IDENT_H

#include "cache/base.h"
#include "cache/crypt.h"
#include "cache/record.h"

enum { IDENT_BYTES = 30, IDENT_TEXT = CRYPT_BASE32_LEN_30, IDENT_FRONTS = 256 };

/* Of one thread. */
struct ident_maker {
    const struct install_key *key; /* outlives the maker */
    uint32_t boot;
    unsigned front; /* below IDENT_FRONTS; every maker of a process has another */
    uint32_t sequence;
};

void ident_maker_init(struct ident_maker *m, const struct install_key *key, uint32_t boot,
                      unsigned front);

/* IDENT_TEXT characters, terminated. A wall clock before 1970 counts as 1970. */
void ident_make(struct ident_maker *m, int64_t wall_us, uint32_t key_tag, uint32_t task_tag,
                char out[RECORD_ID_BYTES]);

struct ident {
    uint64_t wall_ms;
    uint32_t key_tag;
    uint32_t task_tag;
    uint32_t boot;
    unsigned front;
    uint32_t sequence;
};

/* Reads an id as it was sent to a client: the characters alone (x-request-id), or behind `chatcmpl-`
 * or `cmpl-`. ERR_INPUT: another form, or not made under this key; *out is not touched. The time that
 * the comparison of the MAC takes says nothing of it. */
enum err ident_check(const struct install_key *key, struct slice text,
                     struct ident *out) MUST_CHECK;

#endif
