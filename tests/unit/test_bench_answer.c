/* The load generator's reader of answers: whatever a proxy does to a reply must be noticed, and how
 * the reply is cut into reads must not matter. Also the percentiles that are made of it. */
#include "tests/bench/answer.c"
#include "tests/bench/stats.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct seen {
    unsigned events;
    uint64_t last_sent_ns;
};

static void on_event(void *arg, uint64_t sent_ns)
{
    struct seen *s = arg;
    s->events++;
    s->last_sent_ns = sent_ns ? sent_ns : s->last_sent_ns;
}

#define STREAM_HEAD                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define ROLE "data: {\"delta\":{}}\n\n"

/* Two events, a comment and the end, in chunks that cut them. */
static const char stream[] = STREAM_HEAD "14\r\n" ROLE "\r\n"
                                         "a\r\ndata: {\"de\r\n"
                                         "25\r\nlta\":{\"content\":\"t000000000000ff\"}}\n\n\r\n"
                                         "11\r\n: a comment \n\ndat\r\n"
                                         "b\r\na: [DONE]\n\n\r\n"
                                         "0\r\n\r\n";

static const char document[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
                               "{\"a\":\"}\"}";

/* Reads `text` in two parts; the answer is in `a`. */
static size_t read_cut(struct answer *a, const char *text, size_t cut, struct seen *seen)
{
    size_t used = 0;
    *a = (struct answer) {.state = ANSWER_STATUS};
    *seen = (struct seen) {0};
    used = answer_read(a, text, cut, on_event, seen);
    if (used == cut) {
        used += answer_read(a, text + cut, strlen(text) - cut, on_event, seen);
    }
    return used;
}

static void stream_cut_everywhere(void **state)
{
    struct answer a;
    struct seen seen;
    (void) state;
    for (size_t cut = 0; cut <= sizeof(stream) - 1; cut++) {
        assert_int_equal(read_cut(&a, stream, cut, &seen), sizeof(stream) - 1);
        assert_int_equal(a.state, ANSWER_WHOLE);
        assert_true(a.is_stream && a.has_content);
        assert_int_equal(a.events, 2);
        assert_int_equal(seen.events, 2);
        assert_int_equal(seen.last_sent_ns, 0xff);
    }
}

static void document_cut_everywhere(void **state)
{
    struct answer a;
    struct seen seen;
    (void) state;
    for (size_t cut = 0; cut <= sizeof(document) - 1; cut++) {
        assert_int_equal(read_cut(&a, document, cut, &seen), sizeof(document) - 1);
        assert_int_equal(a.state, ANSWER_WHOLE);
        assert_true(!a.is_stream && a.closes);
    }
}

static void unfinished_is_not_whole(void **state)
{
    struct answer a;
    struct seen seen;
    (void) state;
    for (size_t n = 0; n < sizeof(stream) - 1; n++) {
        a = (struct answer) {.state = ANSWER_STATUS};
        answer_read(&a, stream, n, on_event, &seen);
        assert_true(a.state != ANSWER_WHOLE && a.state != ANSWER_BAD);
    }
}

static void bytes_after_the_end_are_left(void **state)
{
    struct answer a = {.state = ANSWER_STATUS};
    struct seen seen = {0};
    char two[2 * sizeof(document)];
    (void) state;
    memcpy(two, document, sizeof(document) - 1);
    memcpy(two + sizeof(document) - 1, document, sizeof(document));
    assert_int_equal(answer_read(&a, two, strlen(two), on_event, &seen), sizeof(document) - 1);
}

static void wrong_answers(void **state)
{
    static const char *const wrong[] = {
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{\"",
        STREAM_HEAD "14\r\n" ROLE "\r\n0\r\n\r\n",
        STREAM_HEAD "e\r\ndata: [DONE]\n\n\r\n14\r\n" ROLE "\r\n0\r\n\r\n",
        STREAM_HEAD "14\r\ndata: {\"error\":{}} \n\r\n0\r\n\r\n",
    };
    struct answer a;
    struct seen seen;
    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        for (size_t cut = 0; cut <= strlen(wrong[i]); cut++) {
            read_cut(&a, wrong[i], cut, &seen);
            assert_int_equal(a.state, ANSWER_BAD);
            assert_non_null(a.why);
        }
    }
}

static void another_status_may_be_wanted(void **state)
{
    static const char refused[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";
    struct answer a = {.wants_status = 404};
    struct seen seen = {0};
    (void) state;
    answer_read(&a, refused, sizeof(refused) - 1, on_event, &seen);
    assert_int_equal(a.state, ANSWER_WHOLE);
    a = (struct answer) {.wants_status = 404};
    answer_read(&a, document, sizeof(document) - 1, on_event, &seen);
    assert_int_equal(a.state, ANSWER_BAD);
}

static void quantiles(void **state)
{
    static struct stats s;
    (void) state;
    assert_int_equal(stats_quantile_ns(&s, 0.5), 0);
    assert_int_equal(stats_mean_ns(&s), 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        stats_add(&s, i * 1000);
    }
    assert_in_range(stats_quantile_ns(&s, 0.5), 496000, 504000);
    assert_in_range(stats_quantile_ns(&s, 0.99), 982000, 998000);
    assert_int_equal(s.max_ns, 1000000);
    assert_int_equal(stats_mean_ns(&s), 500500);
    stats_add(&s, UINT64_MAX); /* the last bucket exists */
    assert_int_equal(s.count, 1001);
    for (uint64_t ns = 1; ns < UINT64_MAX / 3; ns = ns * 3 + 1) {
        uint64_t value = value_of(bucket_of(ns));
        assert_true((value > ns ? value - ns : ns - value) <= ns / 128);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_cut_everywhere),
        cmocka_unit_test(document_cut_everywhere),
        cmocka_unit_test(unfinished_is_not_whole),
        cmocka_unit_test(bytes_after_the_end_are_left),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(another_status_may_be_wanted),
        cmocka_unit_test(quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
