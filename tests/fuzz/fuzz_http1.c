/* A head may not depend on how much of it had come when it was first looked at: every prefix gives
 * HTTP1_MORE until the result is decided, and then never another. Slices lie inside what was used. */
#include "gateway/http1.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http1_result result;
    size_t used;
    const char *what;
    struct http1_head head;
    char *copy; /* of exactly the bytes, so that the sanitizer sees a read past them */
};

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void parse(struct outcome *o, const uint8_t *data, size_t n)
{
    o->copy = malloc(n > 0 ? n : 1);
    check(o->copy != NULL);
    memcpy(o->copy, data, n);
    o->result = http1_parse_head((struct slice) {o->copy, n}, &o->head, &o->used, &o->what);
}

static void check_slice(const struct outcome *o, struct slice s)
{
    check(s.p >= o->copy && s.n <= o->used && s.p + s.n <= o->copy + o->used);
}

static bool has_byte(struct slice s, char byte)
{
    return s.n > 0 && memchr(s.p, byte, s.n) != NULL;
}

static void check_fields(const struct outcome *o)
{
    unsigned lengths = 0;
    unsigned codings = 0;
    unsigned hosts = 0;
    check(o->head.field_count <= HTTP1_FIELDS_MAX);
    for (size_t i = 0; i < o->head.field_count; i++) {
        const struct http1_field *f = &o->head.fields[i];
        check_slice(o, f->name);
        check_slice(o, f->value);
        check(f->name.n > 0);
        check(!has_byte(f->name, ' ') && !has_byte(f->name, '\n') && !has_byte(f->name, ':'));
        check(!has_byte(f->value, '\n') && !has_byte(f->value, '\r') && !has_byte(f->value, '\0'));
        lengths += slice_ieq_text(f->name, "content-length");
        codings += slice_ieq_text(f->name, "transfer-encoding");
        hosts += slice_ieq_text(f->name, "host");
    }
    check(lengths + codings <= 1);
    check(hosts == 1 || (hosts == 0 && o->head.minor == 0));
    check((o->head.framing == HTTP1_LENGTH) == (lengths == 1));
    check((o->head.framing == HTTP1_CHUNKED) == (codings == 1));
    check(codings == 0 || o->head.minor > 0);
    (void) http1_has_token(&o->head, "accept-encoding", "gzip");
}

static void check_done(const struct outcome *o, size_t n)
{
    check(o->used > 0 && o->used <= n && o->used <= HTTP1_HEAD_MAX && o->what == NULL);
    check(memcmp(o->copy + o->used - 4, "\r\n\r\n", 4) == 0);
    check_slice(o, o->head.method_text);
    check_slice(o, o->head.target);
    check_slice(o, o->head.query);
    if (!slice_eq_text(o->head.path, "/")) { /* which may stand for an empty path */
        check_slice(o, o->head.path);
    }
    check(o->head.path.n > 0 && !has_byte(o->head.target, ' '));
    check_fields(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole;
    static struct outcome cut;
    parse(&whole, data, size);
    if (whole.result == HTTP1_DONE) {
        check_done(&whole, size);
    } else {
        check(whole.used == 0 && (whole.result == HTTP1_MORE) == (whole.what == NULL));
    }
    bool is_decided = false;
    /* All cuts of a short head; of a long one those that its bytes choose. */
    size_t step = size < 512 ? 1 : 1 + data[size / 2];
    for (size_t n = 0; n <= size; n += step) {
        parse(&cut, data, n);
        if (cut.result != HTTP1_MORE || is_decided) {
            check(cut.result == whole.result && cut.used == whole.used && cut.what == whole.what);
            check(cut.result != HTTP1_DONE || cut.used <= n);
            is_decided = true;
        }
        free(cut.copy);
    }
    free(whole.copy);
    return 0;
}
