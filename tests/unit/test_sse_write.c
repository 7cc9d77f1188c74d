#include "gateway/sse_write.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* libevent's allocations above this size fail. */
static size_t most_bytes = SIZE_MAX;

static void *allocate(size_t bytes)
{
    return bytes > most_bytes ? NULL : malloc(bytes);
}

static void *reallocate(void *old, size_t bytes)
{
    return bytes > most_bytes ? NULL : realloc(old, bytes);
}

static void expect_bytes(struct evbuffer *b, const char *want, size_t n)
{
    assert_int_equal(evbuffer_get_length(b), n);
    assert_memory_equal(evbuffer_pullup(b, -1), want, n);
}

static void expect_text(struct evbuffer *b, const char *want)
{
    expect_bytes(b, want, strlen(want));
}

static void test_event(void **state)
{
    const struct slice pieces[] = {SLICE_LIT("{\"id\":"), SLICE_LIT("\"x\""), SLICE_NONE,
                                   SLICE_LIT("}")};
    struct evbuffer *b = evbuffer_new();

    (void) state;
    assert_int_equal(sse_write_event(b, pieces, ARRAY_LEN(pieces)), ERR_NONE);
    expect_text(b, "data: {\"id\":\"x\"}\n\n");
    evbuffer_free(b);
}

static void test_events_follow_one_another(void **state)
{
    const struct slice one = SLICE_LIT("{\"a\":1}");
    struct evbuffer *b = evbuffer_new();

    (void) state;
    sse_write_comment(b, SLICE_LIT("keep-alive"));
    assert_int_equal(sse_write_event(b, &one, 1), ERR_NONE);
    assert_int_equal(sse_write_event(b, &one, 1), ERR_NONE);
    sse_write_done(b);
    expect_text(b, ": keep-alive\n\ndata: {\"a\":1}\n\ndata: {\"a\":1}\n\ndata: [DONE]\n\n");
    evbuffer_free(b);
}

/* JSON between tokens may hold line ends; in an event they would end the data line. */
static void test_line_ends_become_spaces(void **state)
{
    const struct slice pieces[] = {SLICE_LIT("{\n\"a\":\r\n"), SLICE_LIT("\n1\r"),
                                   SLICE_LIT("}\n")};
    struct evbuffer *b = evbuffer_new();

    (void) state;
    assert_int_equal(sse_write_event(b, pieces, ARRAY_LEN(pieces)), ERR_NONE);
    expect_text(b, "data: { \"a\":   1 } \n\n");
    evbuffer_free(b);
}

/* Events of every size around the buffer's own chunk sizes, and one of a megabyte. */
static void test_sizes(void **state)
{
    enum { MAX = 1 << 20 };
    char *text = malloc(MAX);
    char *want = malloc(MAX + 8);

    (void) state;
    assert_non_null(text);
    assert_non_null(want);
    memset(text, 'x', MAX);
    for (size_t n = 0; n <= MAX; n = n < 2100 ? n + 1 : n < MAX ? MAX : MAX + 1) {
        const struct slice pieces[] = {{text, n / 2}, {text + n / 2, n - n / 2}};
        struct evbuffer *b = evbuffer_new();

        assert_int_equal(sse_write_event(b, pieces, 2), ERR_NONE);
        memcpy(want, "data: ", 6);
        memcpy(want + 6, text, n);
        memcpy(want + 6 + n, "\n\n", 2);
        expect_bytes(b, want, n + 8);
        evbuffer_free(b);
    }
    free(text);
    free(want);
}

/* An event for which there is no memory leaves no trace, and those before it are whole. */
static void test_no_memory(void **state)
{
    static char big[64 * 1024];
    const struct slice one = SLICE_LIT("{\"a\":1}");
    const struct slice pieces[] = {{big, 100}, {big, sizeof(big)}};
    struct evbuffer *b = evbuffer_new();

    (void) state;
    memset(big, 'x', sizeof(big));
    assert_int_equal(sse_write_event(b, &one, 1), ERR_NONE);
    most_bytes = 4096;
    assert_int_equal(sse_write_event(b, pieces, 2), ERR_NOMEM);
    expect_text(b, "data: {\"a\":1}\n\n");
    assert_int_equal(sse_write_event(b, &one, 1), ERR_NONE);
    most_bytes = SIZE_MAX;
    expect_text(b, "data: {\"a\":1}\n\ndata: {\"a\":1}\n\n");
    evbuffer_free(b);
}

int main(void)
{
    event_set_mem_functions(allocate, reallocate, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_events_follow_one_another),
        cmocka_unit_test(test_line_ends_become_spaces),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
