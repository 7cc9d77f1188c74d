/* A request's body: both framings, cut at every byte, caps, and what is dropped. */
#include "gateway/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <event2/buffer.h>

#define CHUNKED "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nt: v\r\n\r\n"

static struct http1_head by_length(uint64_t length)
{
    return (struct http1_head) {.framing = HTTP1_LENGTH, .content_length = length};
}

static const struct http1_head by_chunks = {.framing = HTTP1_CHUNKED};

static enum body_result give(struct body *b, struct evbuffer *input, const char *bytes, size_t n)
{
    const char *what = NULL;
    evbuffer_add(input, bytes, n);
    return body_take(b, input, &what);
}

/* Takes `text` in two pieces; what follows the body must be left in the input. */
static void expect_whole(const struct http1_head *head, const char *text, size_t cut)
{
    struct body b;
    struct evbuffer *input = evbuffer_new();
    size_t n = strlen(text);
    body_init(&b, head, 64, false);
    if (cut < n) {
        assert_int_equal(give(&b, input, text, cut), BODY_MORE);
    } else {
        cut = 0;
    }
    assert_int_equal(give(&b, input, text + cut, n - cut), BODY_DONE);
    struct reqbody *bytes = body_release(&b);
    assert_int_equal(bytes->length, 8);
    assert_memory_equal(bytes->bytes, "abcdefgh", 8);
    assert_int_equal(evbuffer_get_length(input), 0);
    reqbody_unref(bytes);
    body_fini(&b);
    evbuffer_free(input);
}

static void every_cut_gives_the_same_body(void **state)
{
    struct http1_head head = by_length(8);
    (void) state;
    for (size_t cut = 0; cut <= 8; cut++) {
        expect_whole(&head, "abcdefgh", cut);
    }
    for (size_t cut = 0; cut <= sizeof(CHUNKED) - 1; cut++) {
        expect_whole(&by_chunks, CHUNKED, cut);
    }
}

static void the_next_request_stays_in_the_input(void **state)
{
    static const char *const texts[] = {"abcdefghGET /", CHUNKED "GET /"};
    const struct http1_head heads[] = {by_length(8), by_chunks};
    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct body b;
        struct evbuffer *input = evbuffer_new();
        body_init(&b, &heads[i], 64, false);
        assert_int_equal(give(&b, input, texts[i], strlen(texts[i])), BODY_DONE);
        assert_int_equal(evbuffer_get_length(input), 5);
        body_fini(&b);
        evbuffer_free(input);
    }
}

static void the_cap_holds_for_both_framings(void **state)
{
    const struct http1_head heads[] = {by_length(8), by_chunks};
    static const char *const texts[] = {"abcdefgh", CHUNKED};
    (void) state;
    for (size_t i = 0; i < 2; i++) {
        for (size_t cap = 7; cap <= 8; cap++) {
            struct body b;
            struct evbuffer *input = evbuffer_new();
            body_init(&b, &heads[i], cap, false);
            assert_int_equal(give(&b, input, texts[i], strlen(texts[i])),
                             cap == 8 ? BODY_DONE : BODY_TOO_LARGE);
            body_fini(&b);
            evbuffer_free(input);
        }
    }
}

static void what_is_dropped_has_a_bound_too(void **state)
{
    struct body b;
    struct evbuffer *input = evbuffer_new();
    (void) state;
    body_init(&b, &by_chunks, 8, true);
    assert_int_equal(give(&b, input, CHUNKED, sizeof(CHUNKED) - 1), BODY_DONE);
    assert_null(body_release(&b));
    body_init(&b, &by_chunks, 7, true);
    assert_int_equal(give(&b, input, CHUNKED, sizeof(CHUNKED) - 1), BODY_TOO_LARGE);
    body_fini(&b);
    evbuffer_free(input);
}

static void chunks_that_are_none_are_bad(void **state)
{
    const char *what = NULL;
    struct body b;
    struct evbuffer *input = evbuffer_new();
    (void) state;
    body_init(&b, &by_chunks, 64, false);
    evbuffer_add(input, "3\r\nabcd", 7);
    assert_int_equal(body_take(&b, input, &what), BODY_BAD);
    assert_non_null(what);
    body_fini(&b);
    evbuffer_free(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same_body),
        cmocka_unit_test(the_next_request_stays_in_the_input),
        cmocka_unit_test(the_cap_holds_for_both_framings),
        cmocka_unit_test(what_is_dropped_has_a_bound_too),
        cmocka_unit_test(chunks_that_are_none_are_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
