#include "router/collect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum err feed(struct collect *c, const char *json)
{
    struct errbuf err = {""};
    struct chunk chunk;
    if (chunk_parse(slice_of(json), ENDPOINT_CHAT, &chunk, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    return collect_chunk(c, &chunk);
}

/* One choice of index 0 with this delta. */
static enum err feed_delta(struct collect *c, const char *delta)
{
    char json[1024];
    snprintf(json, sizeof(json), "{\"choices\":[{\"index\":0,\"delta\":%s}]}", delta);
    return feed(c, json);
}

static void good(struct collect *c, const char *delta)
{
    assert_int_equal(feed_delta(c, delta), ERR_NONE);
}

static void expect(const struct collect *c, const char *answer)
{
    struct slice got = collect_answer(c);
    if (!slice_eq_text(got, answer)) {
        fail_msg("\"%.*s\" is not \"%s\"", (int) got.n, got.p ? got.p : "", answer);
    }
}

static int set_up(void **state)
{
    struct collect *c = calloc(1, sizeof(*c));
    if (!c) {
        return -1;
    }
    collect_init(c, 1 << 16);
    *state = c;
    return 0;
}

static int tear_down(void **state)
{
    collect_fini(*state);
    free(*state);
    return 0;
}

static void test_text_is_joined(void **state)
{
    struct collect *c = *state;
    expect(c, "");
    good(c, "{\"role\":\"assistant\",\"content\":\"\"}");
    expect(c, "");
    good(c, "{\"content\":\"The answer\"}");
    good(c, "{\"content\":\" is \"}");
    good(c, "{\"content\":null}");
    good(c, "{\"content\":\"42.\"}");
    good(c, "null");
    assert_int_equal(
        feed(c, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"), ERR_NONE);
    assert_int_equal(feed(c, "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"), ERR_NONE);
    expect(c, "The answer is 42.");
    assert_false(c->is_cut);
    assert_false(c->is_refused);
    assert_false(c->has_tool_call);
}

static void test_escapes_are_decoded(void **state)
{
    struct collect *c = *state;
    good(c, "{\"content\":\"a\\n\\\"b\\\"\\\\ \\u00e4\\/\\t\\u0041\"}");
    good(c, "{\"content\":\"\\ud83d\\uDE00\\uD7ff\\uE000 \xC3\xBC\\uD83D\\uDE00end\"}");
    expect(c, "a\n\"b\"\\ \xC3\xA4/\tA\xF0\x9F\x98\x80\xED\x9F\xBF\xEE\x80\x80 \xC3\xBC"
              "\xF0\x9F\x98\x80"
              "end");
}

static void test_zero_byte_is_a_character(void **state)
{
    struct collect *c = *state;
    good(c, "{\"content\":\"a\\u0000b\"}");
    struct slice got = collect_answer(c);
    assert_int_equal(got.n, 3);
    assert_memory_equal(got.p, "a\0b", 3);
}

static void test_first_choice_only(void **state)
{
    struct collect *c = *state;
    assert_int_equal(
        feed(c, "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"},\"finish_reason\":"
                "\"length\"},{\"index\":0,\"delta\":{\"content\":\"yes\"}},{\"index\":2,\"delta\":"
                "{\"refusal\":\"no\",\"tool_calls\":[{\"id\":\"1\"}]}}]}"),
        ERR_NONE);
    expect(c, "yes");
    assert_false(c->is_cut);
}

static void test_choice_without_index_has_that_of_its_place(void **state)
{
    struct collect *c = *state;
    assert_int_equal(feed(c, "{\"choices\":[{\"delta\":{\"content\":\"first\"}},"
                             "{\"index\":null,\"delta\":{\"content\":\"second\"}}]}"),
                     ERR_NONE);
    expect(c, "first");
}

static void test_parts(void **state)
{
    struct collect *c = *state;
    good(c, "{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
            "\"hm\"}]}]}");
    expect(c, "");
    good(c, "{\"content\":[{\"type\":\"text\",\"text\":\"4\"},{\"type\":\"text\",\"text\":\"\\u0032"
            "\"},{\"type\":\"image\",\"text\":\"no\"},\"no\",{\"type\":\"text\"},{\"text\":\"no\"}]"
            "}");
    good(c, "{\"content\":\"!\"}");
    expect(c, "42!");
}

static void test_reasoning_is_left_out(void **state)
{
    struct collect *c = *state;
    good(c, "{\"reasoning_content\":\"one\",\"reasoning\":\"two\"}");
    good(c, "{\"content\":\"<think>thr\"}");
    good(c, "{\"content\":\"ee</think>\\n\\nfour \"}");
    expect(c, "four");
}

static void test_refusal_is_no_answer(void **state)
{
    struct collect *c = *state;
    good(c, "{\"content\":\"I\",\"refusal\":null}");
    good(c, "{\"refusal\":\"\"}");
    expect(c, "I");
    good(c, "{\"refusal\":\"No.\"}");
    assert_true(c->is_refused);
    expect(c, "");
}

static void test_filtered_text_is_no_answer(void **state)
{
    struct collect *c = *state;
    good(c, "{\"content\":\"I\"}");
    assert_int_equal(feed(c, "{\"choices\":[{\"index\":0,\"delta\":{},"
                             "\"finish_reason\":\"content_filter\"}]}"),
                     ERR_NONE);
    assert_true(c->is_refused);
    expect(c, "");
}

static void test_tool_call_is_no_answer(void **state)
{
    static const char *const calls[] = {
        "{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\"}}]}",
        "{\"function_call\":{\"name\":\"f\"}}",
    };
    struct collect *c = *state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        good(c, "{\"content\":\"Let me see.\",\"tool_calls\":[],\"function_call\":null}");
        expect(c, "Let me see.");
        good(c, calls[i]);
        assert_true(c->has_tool_call);
        expect(c, "");
        collect_fini(c);
        expect(c, "");
        assert_false(c->has_tool_call);
    }
}

static void test_length_is_cut(void **state)
{
    struct collect *c = *state;
    assert_int_equal(feed(c, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"begun\"},"
                             "\"finish_reason\":\"\"}]}"),
                     ERR_NONE);
    assert_false(c->is_cut);
    assert_int_equal(feed(c, "{\"choices\":[{\"index\":0,\"delta\":{},"
                             "\"finish_reason\":\"length\"}]}"),
                     ERR_NONE);
    assert_true(c->is_cut);
    assert_false(c->is_full);
    expect(c, "begun");
}

/* What of the text is kept under every cap: whole characters, as many as fit, and then no more. */
static void test_cap_cuts_between_characters(void **state)
{
    static const char parts[] =
        "{\"content\":[{\"type\":\"text\",\"text\":\"a\xC3\xA4\"},{\"type\":\"text\",\"text\":"
        "\"\xE2\x82\xAC\\ud83d\\ude00z\"}]}";
    static const char *const deltas[] = {
        "{\"content\":\"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z\"}",
        "{\"content\":\"a\\u00e4\\u20ac\\ud83d\\ude00z\"}",
        parts,
    };
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(deltas); i++) {
        for (size_t cap = 0; cap < ARRAY_LEN(kept); cap++) {
            struct collect c;
            collect_init(&c, cap);
            bool fits = cap >= 11;
            assert_int_equal(feed_delta(&c, deltas[i]), fits ? ERR_NONE : ERR_LIMIT);
            assert_int_equal(c.is_cut, !fits);
            assert_int_equal(c.is_full, !fits);
            assert_int_equal(collect_answer(&c).n, kept[cap]);
            if (!fits) {
                /* A later, shorter character would fit, and would not belong there. */
                assert_int_equal(feed_delta(&c, "{\"content\":\"x\"}"), ERR_LIMIT);
                assert_int_equal(collect_answer(&c).n, kept[cap]);
            }
            collect_fini(&c);
        }
    }
}

static void test_the_event_that_passes_the_cap_is_read_all_the_same(void **state)
{
    struct collect c;
    (void) state;
    collect_init(&c, 4);
    assert_int_equal(feed_delta(&c, "{\"content\":\"longer\",\"refusal\":\"No.\"}"), ERR_LIMIT);
    assert_true(c.is_refused);
    collect_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_is_joined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_escapes_are_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zero_byte_is_a_character, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_choice_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_choice_without_index_has_that_of_its_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reasoning_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusal_is_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filtered_text_is_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tool_call_is_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_length_is_cut, set_up, tear_down),
        cmocka_unit_test(test_cap_cuts_between_characters),
        cmocka_unit_test(test_the_event_that_passes_the_cap_is_read_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
