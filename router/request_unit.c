/* The unit of experiments: who speaks in which conversation, as 64 bits under the installation's key. */
#include "router/request.h"

#include <string.h>

/* Of a long part its length and both ends stand for the whole: a picture in the first message must not
 * cost a hash over megabytes. */
enum { PART_END_BYTES = 2048, PART_MAX = 1 + 8 + 2 * PART_END_BYTES, PARTS_MAX = 3 };

/* What is hashed: tag, length and bytes of each part, so that no two lists of parts look alike. */
struct parts {
    size_t length;
    char bytes[PARTS_MAX * PART_MAX];
};

static void add_bytes(struct parts *p, const char *bytes, size_t n)
{
    memcpy(p->bytes + p->length, bytes, n);
    p->length += n;
}

static void add_part(struct parts *p, char tag, struct slice part)
{
    uint64_t length = part.n;
    char head[9] = {tag};
    size_t i;

    for (i = 1; i < sizeof(head); i++) {
        head[i] = (char) (length & 0xff);
        length >>= 8;
    }
    add_bytes(p, head, sizeof(head));
    if (part.n <= 2 * (size_t) PART_END_BYTES) {
        add_bytes(p, part.n > 0 ? part.p : "", part.n);
        return;
    }
    add_bytes(p, part.p, PART_END_BYTES);
    add_bytes(p, part.p + part.n - PART_END_BYTES, PART_END_BYTES);
}

static bool is_user(struct slice message, struct slice *content)
{
    static const char *const names[] = {"role", "content"};
    struct span_value m[ARRAY_LEN(names)];

    span_find(message, names, ARRAY_LEN(names), m);
    *content = m[1].text;
    return m[0].type == SPAN_STRING && span_string_eq(m[0].text, "user") &&
           m[1].type != SPAN_ABSENT;
}

/* All messages where none is from the user; the input where there are no messages. */
static struct slice first_user_message(const struct request *r)
{
    struct span_cursor cursor = {0};
    struct span_value message;
    struct slice content;
    struct slice key;

    if (r->endpoint != ENDPOINT_CHAT) {
        return r->input.text;
    }
    while (span_next(r->messages.text, &cursor, &key, &message)) {
        if (is_user(message.text, &content)) {
            return content;
        }
    }
    return r->messages.text;
}

static bool has_text(const struct span_value *v)
{
    return v->type == SPAN_STRING && v->text.n > 2;
}

uint64_t request_unit(const struct request *r, const struct install_key *key, uint32_t key_tag,
                      struct slice session)
{
    const char tag[] = {(char) (key_tag & 0xff), (char) (key_tag >> 8 & 0xff),
                        (char) (key_tag >> 16 & 0xff), (char) (key_tag >> 24 & 0xff)};
    unsigned char digest[SHA256_BYTES];
    struct parts p;
    uint64_t unit = 0;
    size_t i;

    p.length = 0;
    add_part(&p, 'k', (struct slice) {tag, sizeof(tag)});
    if (session.n > 0) {
        add_part(&p, 's', session);
    } else if (has_text(&r->prompt_cache_key)) {
        add_part(&p, 'c', r->prompt_cache_key.text);
    } else {
        if (has_text(&r->safety_identifier)) {
            add_part(&p, 'i', r->safety_identifier.text);
        } else if (has_text(&r->user)) {
            add_part(&p, 'u', r->user.text);
        }
        add_part(&p, 'm', first_user_message(r));
    }
    crypt_hmac(key, (struct slice) {p.bytes, p.length}, digest);
    for (i = 0; i < 8; i++) {
        unit = unit << 8 | digest[i];
    }
    return unit;
}
