#include "gateway/gzip.h"

#include <event2/buffer.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>

#include <cmocka.h>

enum { BIG_BYTES = 200 * 1000, CAP = 1 << 20 };

/* ---- an inflate of the test's own ---- */

struct reader {
    z_stream z;
    bool ended;
    char text[4096];
    size_t length;
};

static void reader_init(struct reader *r)
{
    memset(r, 0, sizeof(*r));
    assert_int_equal(inflateInit2(&r->z, 15 + 16), Z_OK);
}

/* Takes all of `packed`; what it holds is then in text[]. */
static void reader_feed(struct reader *r, struct evbuffer *packed)
{
    size_t n = evbuffer_get_length(packed);

    r->length = 0;
    if (n == 0) {
        return;
    }
    r->z.next_in = evbuffer_pullup(packed, -1);
    r->z.avail_in = (uInt) n;
    r->z.next_out = (Bytef *) r->text;
    r->z.avail_out = sizeof(r->text);
    r->ended = inflate(&r->z, Z_SYNC_FLUSH) == Z_STREAM_END;
    assert_int_equal(r->z.avail_in, 0);
    r->length = sizeof(r->text) - r->z.avail_out;
    assert_int_equal(evbuffer_drain(packed, n), 0);
}

static char *pseudo_text(size_t n)
{
    char *text = malloc(n + 1);
    uint32_t x = 1;

    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        text[i] = (char) ('a' + (x >> 27));
    }
    text[n] = '\0';
    return text;
}

static struct slice packed_slice(struct evbuffer *b)
{
    size_t n = evbuffer_get_length(b);

    return (struct slice) {(const char *) evbuffer_pullup(b, -1), n};
}

static void expect_unpack(struct slice packed, size_t cap, enum err want, struct slice text)
{
    char *out;
    size_t n;

    assert_int_equal(gzip_unpack(packed, cap, &out, &n), want);
    if (want != ERR_NONE) {
        assert_null(out);
        assert_int_equal(n, 0);
        return;
    }
    assert_non_null(out);
    assert_int_equal(n, text.n);
    if (n > 0) {
        assert_memory_equal(out, text.p, n);
    }
    free(out);
}

/* ---- whole texts ---- */

static void test_whole_comes_back(void **state)
{
    static const size_t sizes[] = {0,    1,     255,   256,   257,   511,   512,      513,
                                   1024, 32767, 32768, 32769, 65536, 70000, BIG_BYTES};
    char *text = pseudo_text(BIG_BYTES);

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct evbuffer *out = evbuffer_new();
        struct slice all = {text, sizes[i]};

        assert_int_equal(gzip_whole(all, out), ERR_NONE);
        expect_unpack(packed_slice(out), CAP, ERR_NONE, all);
        evbuffer_free(out);
    }
    free(text);
}

static void test_whole_is_appended_and_small(void **state)
{
    struct evbuffer *out = evbuffer_new();
    char same[8192];
    size_t n;

    (void) state;
    memset(same, 's', sizeof(same));
    assert_int_equal(evbuffer_add(out, "before", 6), 0);
    assert_int_equal(gzip_whole((struct slice) {same, sizeof(same)}, out), ERR_NONE);
    n = evbuffer_get_length(out);
    assert_true(n < 6 + 100);
    assert_memory_equal(evbuffer_pullup(out, 8), "before\x1f\x8b", 8);
    evbuffer_free(out);
}

/* ---- unpacking what may be anything ---- */

static void test_cap_is_exact(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
    char *text = pseudo_text(BIG_BYTES);

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct evbuffer *out = evbuffer_new();
        struct slice all = {text, sizes[i]};

        assert_int_equal(gzip_whole(all, out), ERR_NONE);
        expect_unpack(packed_slice(out), sizes[i], ERR_NONE, all);
        expect_unpack(packed_slice(out), sizes[i] + 1, ERR_NONE, all);
        if (sizes[i] > 0) {
            expect_unpack(packed_slice(out), sizes[i] - 1, ERR_LIMIT, SLICE_NONE);
            expect_unpack(packed_slice(out), 0, ERR_LIMIT, SLICE_NONE);
        }
        evbuffer_free(out);
    }
    free(text);
}

static void test_cut_at_every_byte(void **state)
{
    char *text = pseudo_text(2000);
    struct evbuffer *out = evbuffer_new();
    struct slice packed;

    (void) state;
    assert_int_equal(gzip_whole((struct slice) {text, 2000}, out), ERR_NONE);
    packed = packed_slice(out);
    for (size_t n = 0; n < packed.n; n++) {
        /* A copy of exactly these bytes: the sanitizer sees a read past them. */
        char *copy = malloc(n > 0 ? n : 1);

        assert_non_null(copy);
        memcpy(copy, packed.p, n);
        expect_unpack((struct slice) {copy, n}, CAP, ERR_INPUT, SLICE_NONE);
        free(copy);
    }
    evbuffer_free(out);
    free(text);
}

static void test_bytes_after_the_end(void **state)
{
    struct evbuffer *out = evbuffer_new();

    (void) state;
    assert_int_equal(gzip_whole(SLICE_LIT("{}"), out), ERR_NONE);
    assert_int_equal(evbuffer_add(out, "x", 1), 0);
    expect_unpack(packed_slice(out), CAP, ERR_INPUT, SLICE_NONE);
    assert_int_equal(evbuffer_drain(out, evbuffer_get_length(out)), 0);
    assert_int_equal(gzip_whole(SLICE_LIT("{}"), out), ERR_NONE);
    assert_int_equal(gzip_whole(SLICE_LIT("{}"), out), ERR_NONE);
    expect_unpack(packed_slice(out), CAP, ERR_INPUT, SLICE_NONE);
    evbuffer_free(out);
}

static void test_damage_is_found(void **state)
{
    struct evbuffer *out = evbuffer_new();
    struct slice packed;
    char *copy;

    (void) state;
    assert_int_equal(gzip_whole(SLICE_LIT("{\"model\":\"auto\",\"messages\":[]}"), out), ERR_NONE);
    packed = packed_slice(out);
    copy = malloc(packed.n);
    assert_non_null(copy);
    /* The check sum and the length, the last eight bytes, see any change; the head's time, flags and
     * system are no part of the text. */
    for (size_t i = packed.n - 8; i < packed.n; i++) {
        memcpy(copy, packed.p, packed.n);
        copy[i] = (char) (copy[i] ^ 1);
        expect_unpack((struct slice) {copy, packed.n}, CAP, ERR_INPUT, SLICE_NONE);
    }
    memcpy(copy, packed.p, packed.n);
    copy[1] = 'x';
    expect_unpack((struct slice) {copy, packed.n}, CAP, ERR_INPUT, SLICE_NONE);
    expect_unpack(SLICE_LIT("{\"model\":\"auto\"}"), CAP, ERR_INPUT, SLICE_NONE);
    expect_unpack(SLICE_NONE, CAP, ERR_INPUT, SLICE_NONE);
    free(copy);
    evbuffer_free(out);
}

/* zlib's own format, without gzip's head, is another content coding. */
static void test_deflate_is_not_gzip(void **state)
{
    Bytef packed[64];
    uLongf n = sizeof(packed);

    (void) state;
    assert_int_equal(compress(packed, &n, (const Bytef *) "{}", 2), Z_OK);
    expect_unpack((struct slice) {(const char *) packed, n}, CAP, ERR_INPUT, SLICE_NONE);
}

static long resident_kib(void)
{
    struct rusage u;

    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return u.ru_maxrss;
}

/* 256 MiB of nothing in 256 KiB: refused at the cap, before memory is taken for it. */
static void test_bomb(void **state)
{
    struct gzip_stream *g = gzip_stream_new();
    struct evbuffer *out = evbuffer_new();
    char *zeros = calloc(1, 1 << 20);
    struct slice packed;
    long before;

    (void) state;
    assert_non_null(g);
    assert_non_null(zeros);
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(gzip_stream_write(g, (struct slice) {zeros, 1 << 20}, out), ERR_NONE);
    }
    assert_int_equal(gzip_stream_end(g, out), ERR_NONE);
    packed = packed_slice(out);
    assert_true(packed.n < 2 << 20);
    before = resident_kib();
    expect_unpack(packed, CAP, ERR_LIMIT, SLICE_NONE);
    assert_true(resident_kib() - before < 16 * 1024);
    gzip_stream_free(g);
    evbuffer_free(out);
    free(zeros);
}

/* ---- event streams ---- */

static void test_each_event_is_readable_at_once(void **state)
{
    struct gzip_stream *g = gzip_stream_new();
    struct evbuffer *out = evbuffer_new();
    struct reader r;
    char event[600];

    (void) state;
    assert_non_null(g);
    reader_init(&r);
    for (int i = 0; i < 500; i++) {
        int n = snprintf(event, sizeof(event), "data: {\"number\":%d,\"pad\":\"%*d\"}\n\n", i,
                         1 + i % 500, i);

        assert_int_equal(gzip_stream_write(g, (struct slice) {event, (size_t) n}, out), ERR_NONE);
        reader_feed(&r, out);
        assert_int_equal(r.length, n);
        assert_memory_equal(r.text, event, (size_t) n);
        assert_false(r.ended);
    }
    assert_int_equal(gzip_stream_end(g, out), ERR_NONE);
    reader_feed(&r, out);
    assert_int_equal(r.length, 0);
    assert_true(r.ended);
    assert_int_equal(inflateEnd(&r.z), Z_OK);
    gzip_stream_free(g);
    evbuffer_free(out);
}

static void test_big_and_empty_writes(void **state)
{
    struct gzip_stream *g = gzip_stream_new();
    struct evbuffer *out = evbuffer_new();
    char *text = pseudo_text(BIG_BYTES);

    (void) state;
    assert_non_null(g);
    assert_int_equal(gzip_stream_write(g, SLICE_NONE, out), ERR_NONE);
    assert_int_equal(gzip_stream_write(g, (struct slice) {text, BIG_BYTES / 2}, out), ERR_NONE);
    assert_int_equal(gzip_stream_write(g, SLICE_NONE, out), ERR_NONE);
    assert_int_equal(
        gzip_stream_write(g, (struct slice) {text + BIG_BYTES / 2, BIG_BYTES - BIG_BYTES / 2}, out),
        ERR_NONE);
    assert_int_equal(gzip_stream_end(g, out), ERR_NONE);
    expect_unpack(packed_slice(out), CAP, ERR_NONE, (struct slice) {text, BIG_BYTES});
    gzip_stream_free(g);
    evbuffer_free(out);
    free(text);
}

static void test_stream_may_be_left_unfinished(void **state)
{
    struct gzip_stream *g = gzip_stream_new();
    struct evbuffer *out = evbuffer_new();

    (void) state;
    assert_non_null(g);
    assert_int_equal(gzip_stream_write(g, SLICE_LIT("data: 1\n\n"), out), ERR_NONE);
    gzip_stream_free(g);
    gzip_stream_free(NULL);
    evbuffer_free(out);
}

/* What gzip.h promises; a state of zlib's defaults has 268 KiB. */
static void test_memory_of_a_stream(void **state)
{
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    enum { STREAMS = 64, PROMISED_BYTES = 24 * 1024 };
    struct gzip_stream *g[STREAMS];
    struct mallinfo2 before = mallinfo2();
    struct mallinfo2 after;
    size_t each;

    (void) state;
    for (unsigned i = 0; i < STREAMS; i++) {
        g[i] = gzip_stream_new();
        assert_non_null(g[i]);
    }
    after = mallinfo2();
    each = (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / STREAMS;
    print_message("a compressed stream takes %zu bytes\n", each);
    assert_true(each <= PROMISED_BYTES);
    for (unsigned i = 0; i < STREAMS; i++) {
        gzip_stream_free(g[i]);
    }
#else
    (void) state;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_of_a_stream),
        cmocka_unit_test(test_whole_comes_back),
        cmocka_unit_test(test_whole_is_appended_and_small),
        cmocka_unit_test(test_cap_is_exact),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_bytes_after_the_end),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_deflate_is_not_gzip),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_each_event_is_readable_at_once),
        cmocka_unit_test(test_big_and_empty_writes),
        cmocka_unit_test(test_stream_may_be_left_unfinished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
