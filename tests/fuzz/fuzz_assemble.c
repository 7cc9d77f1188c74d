/* The input's lines are the events of one stream. Whatever they are: the reply put together from them is
 * JSON; under any cap nothing but ERR_LIMIT happens; and of the text that is collected under a cap, whole
 * characters of the same beginning are kept. The first two bytes choose the cap. */
#include "router/assemble.h"

#include <stdlib.h>
#include <string.h>

#include "router/collect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 1 << 20 };

struct stream {
    struct assemble *whole;
    struct assemble *bounded;
    struct collect text;
    struct collect bounded_text;
    bool is_over; /* a bound was reached */
    bool is_bounded_over;
};

static void must(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

static void run_event(struct stream *s, struct slice json)
{
    struct errbuf err;
    struct chunk c;
    enum err rc;

    if (chunk_parse(json, ENDPOINT_CHAT, &c, &err) != ERR_NONE || c.error.type != SPAN_ABSENT) {
        return;
    }
    if (!s->is_over) {
        rc = assemble_chunk(s->whole, &c);
        must(rc == ERR_NONE || rc == ERR_LIMIT);
        s->is_over = rc != ERR_NONE;
    }
    if (!s->is_bounded_over) {
        rc = assemble_chunk(s->bounded, &c);
        must(rc == ERR_NONE || rc == ERR_LIMIT);
        s->is_bounded_over = rc != ERR_NONE;
    }
    must(collect_chunk(&s->text, &c) == ERR_NONE);
    rc = collect_chunk(&s->bounded_text, &c);
    must(rc == ERR_NONE || (rc == ERR_LIMIT && s->bounded_text.is_cut));
}

static void check_reply(const struct assemble *a)
{
    struct span_error bad;
    struct reply_buffer out;

    reply_buffer_init(&out, 4 * CAP);
    must(assemble_reply(a, SLICE_LIT("{}"), &out) == ERR_NONE);
    must(span_check((struct slice) {out.bytes, out.length}, &bad) == ERR_NONE);
    reply_buffer_fini(&out);
}

static void check_text(const struct stream *s)
{
    const struct reply_buffer *text = &s->text.text;
    const struct reply_buffer *kept = &s->bounded_text.text;

    must(kept->length <= text->length && kept->length <= kept->cap_bytes);
    must(kept->length == 0 || memcmp(kept->bytes, text->bytes, kept->length) == 0);
    if (s->bounded_text.is_full) {
        /* One character more would not have fitted, and half of one is not there. */
        must(kept->length < text->length && kept->cap_bytes - kept->length < 4);
        must(((unsigned char) text->bytes[kept->length] & 0xC0) != 0x80);
    } else {
        must(kept->length == text->length);
    }
    must(collect_answer(&s->text).n <= text->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream s = {.is_over = false};
    size_t cap;

    if (size < 2) {
        return 0;
    }
    cap = (size_t) data[0] << 4 | (data[1] & 15);
    s.whole = assemble_new(CAP);
    s.bounded = assemble_new(cap);
    must(s.whole != NULL && s.bounded != NULL);
    collect_init(&s.text, CAP);
    collect_init(&s.bounded_text, cap);
    data += 2;
    size -= 2;
    while (size > 0) {
        const uint8_t *stop = memchr(data, '\n', size);
        size_t n = stop != NULL ? (size_t) (stop - data) : size;
        char *event = malloc(n > 0 ? n : 1);

        must(event != NULL);
        memcpy(event, data, n);
        run_event(&s, (struct slice) {event, n});
        free(event);
        n += stop != NULL;
        data += n;
        size -= n;
    }
    if (!s.is_over) {
        check_reply(s.whole);
    }
    if (!s.is_bounded_over) {
        check_reply(s.bounded);
    }
    check_text(&s);
    collect_fini(&s.text);
    collect_fini(&s.bounded_text);
    assemble_free(s.whole);
    assemble_free(s.bounded);
    return 0;
}
