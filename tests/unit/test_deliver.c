#include "router/deliver.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/chunk.h"

static const struct delivery answer = {
    .text = {"So \"4\"\n\xE2\x82\xAC", 10}, .is_cut = false, .created_s = 1700000000};

static const struct graph_usage used = {.prompt = 20,
                                        .cached = 8,
                                        .completion = 5,
                                        .calls = 4,
                                        .all_prompt = 310,
                                        .all_completion = 77,
                                        .usd = 0.00125};

#define HEAD                                                                                       \
    "{\"id\":\"\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"\""
#define USAGE                                                                                      \
    "{\"prompt_tokens\":20,\"completion_tokens\":5,\"total_tokens\":25,"                           \
    "\"prompt_tokens_details\":{\"cached_tokens\":8},"                                             \
    "\"sluice\":{\"calls\":4,\"prompt_tokens\":310,\"completion_tokens\":77,\"usd\":0.00125}}"

static struct slice text_of(const struct reply_buffer *b)
{
    return (struct slice) {b->bytes, b->length};
}

static void expect(struct reply_buffer *b, const char *json)
{
    if (!slice_eq_text(text_of(b), json)) {
        fail_msg("%.*s\nis not\n%s", (int) b->length, b->bytes ? b->bytes : "", json);
    }
}

static struct chunk parsed(struct reply_buffer *b)
{
    struct errbuf err = {""};
    struct chunk c;
    if (chunk_parse(text_of(b), ENDPOINT_CHAT, &c, &err) != ERR_NONE) {
        fail_msg("%.*s: %s", (int) b->length, b->bytes, err.text);
    }
    assert_int_equal(c.error.type, SPAN_ABSENT);
    return c;
}

static void expect_choice(const struct chunk *c, bool has_content, bool is_finished)
{
    assert_int_equal(c->choices_seen, 1);
    assert_int_equal(c->choices_finished, is_finished);
    assert_int_equal(c->has_content, has_content);
    assert_true(slice_eq_text(c->id.text, "\"\""));
    assert_true(slice_eq_text(c->model.text, "\"\""));
}

static void test_stream(void **state)
{
    struct reply_buffer b;
    (void) state;
    reply_buffer_init(&b, 4096);

    assert_int_equal(deliver_role(&answer, &b), ERR_NONE);
    expect(&b,
           HEAD ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                "\"logprobs\":null,\"finish_reason\":null}]}");
    struct chunk c = parsed(&b);
    expect_choice(&c, false, false);
    reply_buffer_fini(&b);

    assert_int_equal(deliver_content(&answer, &b), ERR_NONE);
    expect(&b, HEAD
           ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"So \\\"4\\\"\\n\xE2\x82\xAC\"},"
           "\"logprobs\":null,\"finish_reason\":null}]}");
    c = parsed(&b);
    expect_choice(&c, true, false);
    reply_buffer_fini(&b);

    assert_int_equal(deliver_finish(&answer, &b), ERR_NONE);
    expect(&b, HEAD ",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
                    "\"finish_reason\":\"stop\"}]}");
    c = parsed(&b);
    expect_choice(&c, true, true);
    reply_buffer_fini(&b);
}

static void test_cut_answer_says_so(void **state)
{
    struct delivery d = answer;
    struct reply_buffer b;
    (void) state;
    d.is_cut = true;
    reply_buffer_init(&b, 4096);
    assert_int_equal(deliver_finish(&d, &b), ERR_NONE);
    expect(&b, HEAD ",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
                    "\"finish_reason\":\"length\"}]}");
    reply_buffer_fini(&b);
}

static void test_usage_event(void **state)
{
    struct reply_buffer b;
    (void) state;
    reply_buffer_init(&b, 4096);
    assert_int_equal(deliver_usage_event(&used, 1700000000, &b), ERR_NONE);
    expect(&b, HEAD ",\"choices\":[],\"usage\":" USAGE "}");
    struct chunk c = parsed(&b);
    assert_false(c.has_choices);
    assert_true(c.tokens.known);
    assert_int_equal(c.tokens.prompt, 20);
    assert_int_equal(c.tokens.cached, 8);
    assert_int_equal(c.tokens.completion, 5);
    reply_buffer_fini(&b);
}

static void test_reply(void **state)
{
    struct errbuf err = {""};
    struct reply_buffer b;
    struct chunk c;
    (void) state;
    reply_buffer_init(&b, 4096);
    assert_int_equal(deliver_reply(&answer, SLICE_LIT(USAGE), &b), ERR_NONE);
    expect(&b, "{\"id\":\"\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"\","
               "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
               "\"content\":\"So \\\"4\\\"\\n\xE2\x82\xAC\",\"refusal\":null},\"logprobs\":null,"
               "\"finish_reason\":\"stop\"}],\"usage\":" USAGE "}");
    assert_int_equal(chunk_parse_reply(text_of(&b), ENDPOINT_CHAT, &c, &err), ERR_NONE);
    expect_choice(&c, true, true);
    assert_int_equal(c.tokens.prompt, 20);
    reply_buffer_fini(&b);

    assert_int_equal(deliver_reply(&answer, SLICE_NONE, &b), ERR_NONE);
    assert_int_equal(chunk_parse_reply(text_of(&b), ENDPOINT_CHAT, &c, &err), ERR_NONE);
    assert_int_equal(c.usage.type, SPAN_ABSENT);
    reply_buffer_fini(&b);
}

/* Models send what they like; a wrong byte must not break the JSON around it. */
static void test_any_bytes_are_text(void **state)
{
    struct delivery d = answer;
    struct reply_buffer b;
    char bytes[256];
    (void) state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char) i;
    }
    d.text = (struct slice) {bytes, sizeof(bytes)};
    reply_buffer_init(&b, 4096);
    assert_int_equal(deliver_content(&d, &b), ERR_NONE);
    struct chunk c = parsed(&b);
    expect_choice(&c, true, false);
    reply_buffer_fini(&b);
    d.text = SLICE_NONE;
    assert_int_equal(deliver_content(&d, &b), ERR_NONE);
    c = parsed(&b);
    expect_choice(&c, false, false);
    reply_buffer_fini(&b);
}

static void expect_usd(double usd, const char *text)
{
    struct graph_usage u = used;
    struct span_error bad;
    struct reply_buffer b;
    u.usd = usd;
    reply_buffer_init(&b, 4096);
    assert_int_equal(deliver_usage(&u, &b), ERR_NONE);
    assert_int_equal(span_check(text_of(&b), &bad), ERR_NONE);
    assert_int_equal(reply_buffer_add(&b, SLICE_LIT("\0")), ERR_NONE);
    const char *at = strstr(b.bytes, "\"usd\":");
    assert_non_null(at);
    assert_string_equal(at + strlen("\"usd\":"), text);
    reply_buffer_fini(&b);
}

static void test_usd(void **state)
{
    (void) state;
    expect_usd(0, "0}}");
    expect_usd(0.1, "0.1}}");
    expect_usd(0.123456789123, "0.123456789}}");
    expect_usd(12, "12}}");
    expect_usd(1.25e-5, "1.25e-05}}");
    expect_usd(1e12, "1e+12}}");
    expect_usd(NAN, "null}}");
    expect_usd(INFINITY, "null}}");
}

static void test_numbers_of_any_size(void **state)
{
    struct graph_usage u = {.prompt = UINT64_MAX / 2,
                            .cached = UINT64_MAX,
                            .completion = UINT64_MAX / 2,
                            .calls = UINT32_MAX,
                            .all_prompt = UINT64_MAX,
                            .all_completion = UINT64_MAX,
                            .usd = -1.23456789e-300};
    struct span_error bad;
    struct reply_buffer b;
    (void) state;
    reply_buffer_init(&b, 4096);
    assert_int_equal(deliver_usage_event(&u, INT64_MIN, &b), ERR_NONE);
    assert_int_equal(span_check(text_of(&b), &bad), ERR_NONE);
    reply_buffer_fini(&b);
}

enum { WAYS = 6 };

static enum err deliver(unsigned way, struct reply_buffer *b)
{
    switch (way) {
    case 0:
        return deliver_role(&answer, b);
    case 1:
        return deliver_content(&answer, b);
    case 2:
        return deliver_finish(&answer, b);
    case 3:
        return deliver_reply(&answer, SLICE_LIT(USAGE), b);
    case 4:
        return deliver_usage(&used, b);
    default:
        return deliver_usage_event(&used, 1700000000, b);
    }
}

static void test_appended_whole_or_not_at_all(void **state)
{
    (void) state;
    for (unsigned way = 0; way < WAYS; way++) {
        enum err rc = ERR_LIMIT;
        for (size_t cap = 4; rc == ERR_LIMIT; cap++) {
            struct reply_buffer b;
            reply_buffer_init(&b, cap);
            assert_int_equal(reply_buffer_add(&b, SLICE_LIT("data")), ERR_NONE);
            rc = deliver(way, &b);
            assert_true(cap < 4096);
            assert_int_equal(b.length, rc == ERR_NONE ? cap : 4);
            assert_memory_equal(b.bytes, "data", 4);
            reply_buffer_fini(&b);
        }
        assert_int_equal(rc, ERR_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_cut_answer_says_so),
        cmocka_unit_test(test_usage_event),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_any_bytes_are_text),
        cmocka_unit_test(test_usd),
        cmocka_unit_test(test_numbers_of_any_size),
        cmocka_unit_test(test_appended_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
