#include "router/assemble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAP = 1 << 16 };

static enum err feed(struct assemble *a, const char *json)
{
    struct errbuf err = {""};
    struct chunk chunk;
    if (chunk_parse(slice_of(json), ENDPOINT_CHAT, &chunk, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    return assemble_chunk(a, &chunk);
}

static enum err feed_choice(struct assemble *a, const char *choice)
{
    char *json = x_printf("{\"choices\":[%s]}", choice);
    enum err rc = feed(a, json);
    free(json);
    return rc;
}

/* One choice of index 0 with this delta. */
static enum err feed_delta(struct assemble *a, const char *delta)
{
    char *choice = x_printf("{\"index\":0,\"delta\":%s}", delta);
    enum err rc = feed_choice(a, choice);
    free(choice);
    return rc;
}

/* The reply, which is JSON of the dialect. */
static void expect_usage(const struct assemble *a, const char *usage, const char *json)
{
    struct errbuf err = {""};
    struct reply_buffer out;
    struct chunk c;
    reply_buffer_init(&out, 2 * CAP);
    assert_int_equal(assemble_reply(a, slice_of(usage), &out), ERR_NONE);
    struct slice got = {out.bytes, out.length};
    if (!slice_eq_text(got, json)) {
        fail_msg("%.*s\nis not\n%s", (int) got.n, got.p, json);
    }
    if (chunk_parse_reply(got, ENDPOINT_CHAT, &c, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    reply_buffer_fini(&out);
}

/* The members of the only choice's message; finish_reason null. */
static void expect_message(const struct assemble *a, const char *members)
{
    char *json = x_printf("{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
                          "\"message\":{%s},\"finish_reason\":null}]}",
                          members);
    expect_usage(a, NULL, json);
    free(json);
}

static void check_message(const char *const deltas[], const char *members)
{
    struct assemble *a = assemble_new(CAP);
    assert_non_null(a);
    for (size_t i = 0; deltas[i]; i++) {
        assert_int_equal(feed_delta(a, deltas[i]), ERR_NONE);
    }
    expect_message(a, members);
    assemble_free(a);
}

#define CHECK_MESSAGE(members, ...)                                                                \
    check_message((const char *const[]) {__VA_ARGS__, NULL}, members)

/* ---- a whole stream ---- */

#define HEAD                                                                                       \
    "{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":17,\"model\":\"m\","         \
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp\","

static void test_stream(void **state)
{
    static const char *const events[] = {
        " \n" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\","
        "\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null} ",
        HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Two and\"},\"logprobs\":null,"
             "\"finish_reason\":null}],\"usage\":null}",
        HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \\\"two\\\" \\u00e4\"},"
             "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}",
        HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]"
             ",\"usage\":null}",
        HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":3}}",
    };
    struct assemble *a = assemble_new(CAP);
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        assert_int_equal(feed(a, events[i]), ERR_NONE);
    }
#define REPLY                                                                                      \
    "{\"object\":\"chat.completion\",\"id\":\"c-1\",\"created\":17,\"model\":\"m\","               \
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,"        \
    "\"message\":{\"role\":\"assistant\",\"content\":\"Two and \\\"two\\\" \\u00e4\","             \
    "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}]"
    expect_usage(a, "{\"prompt_tokens\":9}", REPLY ",\"usage\":{\"prompt_tokens\":9}}");
    expect_usage(a, "", REPLY "}");
    assemble_free(a);
}

static void test_top_members_are_the_first_that_say_something(void **state)
{
    static const char *const events[] = {
        /* Azure's first event: what it thinks of the prompt. */
        "{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
        "\"prompt_filter_results\":[{\"prompt_index\":0}],\"x\":null,\"y\":null}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"created\":5,\"id\":\"one\","
        "\"model\":\"m\",\"object\":\"chat.completion.chunk\",\"x\":[1]}",
        "{\"choices\":[],\"created\":6,\"id\":\"two\",\"model\":\"\",\"x\":null}",
        "{\"choices\":null,\"created\":null,\"id\":\"\",\"x\":2}",
    };
    struct assemble *a = assemble_new(CAP);
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        assert_int_equal(feed(a, events[i]), ERR_NONE);
    }
    expect_usage(a, NULL,
                 "{\"object\":\"chat.completion\",\"created\":5,\"id\":\"one\",\"model\":\"m\","
                 "\"prompt_filter_results\":[{\"prompt_index\":0}],\"x\":[1],\"y\":null,"
                 "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                 "\"content\":\"a\"},\"finish_reason\":null}]}");
    assemble_free(a);
}

static void test_choices_in_the_order_of_their_indexes(void **state)
{
    struct assemble *a = assemble_new(CAP);
    (void) state;
    assert_int_equal(feed_choice(a, "{\"index\":2,\"delta\":{\"role\":\"assistant\",\"content\":"
                                    "\"c\"}}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":"
                                    "\"\"},{\"index\":2,\"delta\":{\"content\":\"C\"}}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":"
                                    "\"length\"},{\"index\":0,\"delta\":{\"content\":\"A\"}}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"delta\":{\"content\":\"!\"},\"finish_reason\":\"stop\"},"
                                    "{\"index\":null,\"delta\":null,\"finish_reason\":null},"
                                    "{\"index\":2,\"delta\":{},\"finish_reason\":\"stop\"}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":"
                                    "\"\"}"),
                     ERR_NONE);
    expect_usage(a, NULL,
                 "{\"object\":\"chat.completion\",\"choices\":["
                 "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"aA!\"},"
                 "\"finish_reason\":\"stop\"},"
                 "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"b\"},"
                 "\"finish_reason\":\"length\"},"
                 "{\"index\":2,\"message\":{\"role\":\"assistant\",\"content\":\"cC\"},"
                 "\"finish_reason\":\"stop\"}]}");
    assemble_free(a);
}

static void test_logprobs_are_joined(void **state)
{
    struct assemble *a = assemble_new(CAP);
    (void) state;
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":"
                                    "{\"content\":[],\"refusal\":null}}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":"
                                    "{\"content\":[{\"token\":\"a\"} , {\"token\":\"b\"}],"
                                    "\"refusal\":null}}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a,
                                 "{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":"
                                 "{\"content\":[{\"token\":\"c\"}]},\"finish_reason\":\"stop\"}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{},\"logprobs\":null}"), ERR_NONE);
    expect_usage(a, NULL,
                 "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":"
                 "{\"role\":\"assistant\",\"content\":\"aaa\"},\"logprobs\":{\"content\":["
                 "{\"token\":\"a\"},{\"token\":\"b\"},{\"token\":\"c\"}],\"refusal\":null},"
                 "\"finish_reason\":\"stop\"}]}");
    assemble_free(a);
}

/* ---- messages ---- */

static void test_text(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":\"\"", "{\"content\":\"\"}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null", "{\"content\":null}", "{}");
    CHECK_MESSAGE("\"role\":\"model\",\"content\":\"ab\"", "{\"role\":null}", "{\"role\":\"\"}",
                  "{\"content\":\"a\"}", "{\"role\":\"model\",\"content\":null}",
                  "{\"role\":\"other\",\"content\":\"b\"}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":\"ab\"", "{\"c\\u006fntent\":\"a\"}",
                  "{\"content\":\"b\"}");
}

static void test_text_cut_anywhere_is_whole_again(void **state)
{
    static const char *const characters[] = {"a",      "\\n",  "\xC3\xA4",         "\\u00e4",
                                             "\\\\",   "\\\"", "\xF0\x9F\x98\x80", "\\ud83d\\ude00",
                                             "\\u0000"};
    enum { COUNT = ARRAY_LEN(characters) };
    char whole[256] = "";
    (void) state;
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(whole + strlen(whole), sizeof(whole) - strlen(whole), "%s", characters[i]);
    }
    size_t at = 0;
    for (size_t cut = 0; cut <= COUNT; cut++) {
        char *first = x_printf("{\"content\":\"%.*s\"}", (int) at, whole);
        char *second = x_printf("{\"content\":\"%s\"}", whole + at);
        char *members = x_printf("\"role\":\"assistant\",\"content\":\"%s\"", whole);
        CHECK_MESSAGE(members, first, second);
        at += cut < COUNT ? strlen(characters[cut]) : 0;
        free(first);
        free(second);
        free(members);
    }
}

static void test_reasoning_and_refusal(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"one two\"",
                  "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":null}",
                  "{\"reasoning_content\":\"one\"}", "{\"reasoning_content\":\" two\"}",
                  "{\"content\":\"x\",\"reasoning_content\":null}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":\"x\",\"reasoning\":\"ab\","
                  "\"reasoning_details\":[{\"t\":1},{\"t\":2}]",
                  "{\"reasoning\":\"a\",\"reasoning_details\":[{\"t\":1}]}",
                  "{\"reasoning\":\"b\",\"reasoning_details\":[{\"t\":2}],\"content\":\"\"}",
                  "{\"content\":\"x\"}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"refusal\":\"No, thanks.\"",
                  "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}",
                  "{\"refusal\":\"No\"}", "{\"refusal\":\", thanks.\"}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":\"\",\"refusal\":\"\"",
                  "{\"content\":\"\",\"refusal\":\"\"}");
}

static void test_unknown_members_keep_their_last_value(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"x\":{\"b\":[2]},\"y\":null,\"z\":0",
                  "{\"x\":[1,2,3,4,5,6,7,8,9],\"y\":null,\"z\":1}", "{\"x\":\"\"}",
                  "{\"x\":{\"b\":[2]},\"z\":0}", "{\"x\":null}");
    struct assemble *a = assemble_new(CAP);
    assert_int_equal(feed_choice(a, "{\"index\":0,\"delta\":{\"content\":\"a\"},\"filter\":{},"
                                    "\"message\":{\"content\":\"a\"}}"),
                     ERR_NONE);
    assert_int_equal(feed_choice(a,
                                 "{\"index\":0,\"delta\":{\"content\":\"b\"},\"filter\":{\"x\":1},"
                                 "\"stop_reason\":null}"),
                     ERR_NONE);
    expect_usage(a, NULL,
                 "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":"
                 "{\"role\":\"assistant\",\"content\":\"ab\"},\"filter\":{\"x\":1},"
                 "\"stop_reason\":null,\"finish_reason\":null}]}");
    assemble_free(a);
}

/* ---- tool calls ---- */

static void test_calls_are_joined_by_index(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
                  "{\"type\":\"function\",\"id\":\"c1\",\"function\":{\"name\":\"get\","
                  "\"arguments\":\"{\\\"city\\\":\\\"K\\u00f6ln\\\"}\"}},"
                  "{\"type\":\"function\",\"id\":\"c2\",\"function\":{\"name\":\"put\","
                  "\"arguments\":\"{}\"}}]",
                  "{\"role\":\"assistant\",\"content\":null}",
                  "{\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":\"function\",\"function\":"
                  "{\"name\":\"put\",\"arguments\":\"\"}}]}",
                  "{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":"
                  "{\"name\":\"get\",\"arguments\":\"\"}}]}",
                  "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\"\"}},"
                  "{\"index\":1,\"function\":{\"arguments\":\"{\"}}]}",
                  "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":\\\"K\\u00f6\"}}]}",
                  "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"}\"}},"
                  "{\"index\":0,\"function\":{\"arguments\":\"ln\\\"}\"}}]}");
}

static void test_what_servers_repeat_in_each_fragment(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":\"function\","
                  "\"id\":\"c1\",\"function\":{\"name\":\"get\",\"arguments\":\"{}\"}}]",
                  "{\"content\":\"\",\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":"
                  "\"function\",\"function\":{\"name\":\"get\",\"arguments\":\"{\"}}]}",
                  "{\"content\":\"\",\"tool_calls\":[{\"index\":0,\"id\":\"c9\",\"type\":"
                  "\"function\",\"function\":{\"name\":\"get\",\"arguments\":\"}\"}}]}",
                  "{\"tool_calls\":[{\"index\":0,\"id\":\"\",\"type\":null,\"function\":"
                  "{\"name\":null,\"arguments\":\"\"}}]}");
}

static void test_name_in_fragments_and_late_id(void **state)
{
    (void) state;
    CHECK_MESSAGE(
        "\"role\":\"assistant\",\"content\":\"See:\",\"tool_calls\":[{\"type\":"
        "\"function\",\"id\":\"c1\",\"function\":{\"name\":\"get_all\","
        "\"arguments\":\"\"},\"extra\":7}]",
        "{\"content\":\"See:\"}",
        "{\"tool_calls\":[{\"id\":null,\"function\":{\"name\":\"get\",\"arguments\":\"\"}}]"
        "}",
        "{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"_all\"},"
        "\"extra\":7}]}");
}

static void test_other_calls(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":\"custom\","
                  "\"id\":\"c\",\"custom\":{\"name\":\"sh\",\"input\":\"ls -l\"}}]",
                  "{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"custom\":{\"name\":\"sh\","
                  "\"input\":\"ls\"}}]}",
                  "{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\" -l\"}}]}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\","
                  "\"arguments\":\"{}\"}",
                  "{\"content\":\"\",\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}",
                  "{\"function_call\":{\"arguments\":\"}\"}}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"audio\":{\"id\":\"a\","
                  "\"transcript\":\"Hi you\",\"data\":\"AAAA\",\"expires_at\":9}",
                  "{\"content\":\"\",\"audio\":{\"id\":\"a\",\"transcript\":\"Hi\"}}",
                  "{\"audio\":{\"data\":\"AA\",\"transcript\":\" you\",\"expires_at\":8}}",
                  "{\"audio\":{\"data\":\"AA\",\"expires_at\":9}}");
    CHECK_MESSAGE(
        "\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[],\"function_call\":null",
        "{\"content\":\"\",\"tool_calls\":[],\"function_call\":null}");
    /* Arguments that are no string are kept as they are. */
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":\"function\","
                  "\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]",
                  "{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":"
                  "{\"a\":1}}}]}");
}

/* ---- parts ---- */

#define TEXT_PART(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define THOUGHT(text) "{\"type\":\"thinking\",\"thinking\":[" TEXT_PART(text) "]}"

static void test_parts(void **state)
{
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":[" THOUGHT("hm, so") "," TEXT_PART("42!") "]",
                  "{\"content\":\"\"}", "{\"content\":[" THOUGHT("hm") "]}",
                  "{\"content\":[" THOUGHT(",") "," THOUGHT(" so") "]}", "{\"content\":\"4\"}",
                  "{\"content\":[" TEXT_PART("2") "]}", "{\"content\":\"!\"}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":[" TEXT_PART("ab") "," THOUGHT("c") "]",
                  "{\"content\":\"a\"}", "{\"content\":\"b\"}", "{\"content\":[" THOUGHT("c") "]}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":[" TEXT_PART("ab") "]",
                  "{\"content\":[" TEXT_PART("a") "]}", "{\"content\":[" TEXT_PART("b") "]}");
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":[]", "{\"content\":[]}");
}

static void test_other_parts_stay_as_they_are(void **state)
{
#define REFERENCE "{\"type\":\"reference\",\"reference_ids\":[1]}"
#define MARKED "{\"type\":\"text\",\"text\":\"a\",\"annotations\":[]}"
#define CLOSED "{\"type\":\"thinking\",\"thinking\":[],\"closed\":true}"
    (void) state;
    CHECK_MESSAGE("\"role\":\"assistant\",\"content\":[" REFERENCE
                  "," TEXT_PART("see") "," REFERENCE "," MARKED "," TEXT_PART("b") "," CLOSED ",7]",
                  "{\"content\":[" REFERENCE "]}", "{\"content\":\"see\"}",
                  "{\"content\":[" REFERENCE "," MARKED "," TEXT_PART("b") "," CLOSED ",7]}");
}

/* ---- bounds ---- */

static const char *const bounded[] = {
    "{\"role\":\"assistant\",\"content\":\"some text\",\"x\":[1]}",
    "{\"content\":\" and more\",\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":"
    "{\"name\":\"get\",\"arguments\":\"{}\"}}]}",
    "{\"content\":[" THOUGHT("hm") "],\"reasoning\":\"why\"}",
};

static enum err feed_bounded(struct assemble *a)
{
    enum err rc = ERR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(bounded) && rc == ERR_NONE; i++) {
        rc = feed_delta(a, bounded[i]);
    }
    return rc;
}

static void test_every_cap(void **state)
{
    enum err rc = ERR_LIMIT;
    (void) state;
    for (size_t cap = 0; rc == ERR_LIMIT; cap++) {
        struct assemble *a = assemble_new(cap);
        rc = feed_bounded(a);
        assert_true(rc == ERR_NONE || rc == ERR_LIMIT);
        assert_true(cap < 8192);
        assemble_free(a);
    }
}

/* What is replaced gives its room back; what is joined fills it. */
static void test_cap_counts_what_is_held(void **state)
{
    struct assemble *a = assemble_new(4096);
    enum err rc = ERR_NONE;
    size_t fed = 0;
    (void) state;
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(feed_delta(a, "{\"x\":\"a value of forty bytes, or so, or more\"}"),
                         ERR_NONE);
    }
    while (rc == ERR_NONE && fed < 8192) {
        rc = feed_delta(a, "{\"content\":\"sixteen letters.\"}");
        fed += 16;
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_in_range(fed, 2048, 4096);
    assemble_free(a);
}

static void test_reply_whole_or_not_at_all(void **state)
{
    struct assemble *a = assemble_new(CAP);
    enum err rc = ERR_LIMIT;
    (void) state;
    assert_int_equal(feed_bounded(a), ERR_NONE);
    for (size_t cap = 4; rc == ERR_LIMIT; cap++) {
        struct reply_buffer out;
        reply_buffer_init(&out, cap);
        assert_int_equal(reply_buffer_add(&out, SLICE_LIT("data")), ERR_NONE);
        rc = assemble_reply(a, SLICE_LIT("{}"), &out);
        assert_true(cap < 4096);
        assert_int_equal(out.length, rc == ERR_NONE ? cap : 4);
        assert_memory_equal(out.bytes, "data", 4);
        reply_buffer_fini(&out);
    }
    assert_int_equal(rc, ERR_NONE);
    assemble_free(a);
}

static void test_bounds_of_counts(void **state)
{
    struct assemble *a = assemble_new(CAP);
    char delta[128];
    (void) state;
    assert_int_equal(feed_choice(a, "{\"index\":31,\"delta\":{}}"), ERR_NONE);
    assert_int_equal(feed_choice(a, "{\"index\":32,\"delta\":{}}"), ERR_LIMIT);
    assert_int_equal(feed_delta(a, "{\"tool_calls\":[{\"index\":63}]}"), ERR_NONE);
    assert_int_equal(feed_delta(a, "{\"tool_calls\":[{\"index\":64}]}"), ERR_LIMIT);
    assert_int_equal(feed_delta(a, "{\"tool_calls\":[{\"index\":-1}]}"), ERR_LIMIT);
    assemble_free(a);
    a = assemble_new(CAP);
    for (unsigned i = 0; i < 64; i++) {
        snprintf(delta, sizeof(delta), "{\"member%u\":1}", i);
        assert_int_equal(feed_delta(a, delta), ERR_NONE);
    }
    assert_int_equal(feed_delta(a, "{\"member0\":2}"), ERR_NONE);
    assert_int_equal(feed_delta(a, "{\"member64\":1}"), ERR_LIMIT);
    assemble_free(a);
    assemble_free(NULL);
}

/* chunk_parse looks at the first of two members of one name: the second one may be anything. */
static void test_members_that_stand_twice(void **state)
{
    static const char event[] =
        "{\"choices\":[{\"delta\":{\"content\":[1]},\"delta\":{\"content\":1,\"content\":[1]}}]}";
    struct assemble *a = assemble_new(CAP);
    struct reply_buffer out;
    struct span_error bad;
    struct chunk c;
    (void) state;
    assert_non_null(a);
    assert_int_equal(chunk_parse(slice_of(event), ENDPOINT_CHAT, &c, NULL), ERR_NONE);
    assert_int_equal(assemble_chunk(a, &c), ERR_NONE);
    reply_buffer_init(&out, 2 * CAP);
    assert_int_equal(assemble_reply(a, SLICE_LIT("{}"), &out), ERR_NONE);
    assert_int_equal(span_check((struct slice) {out.bytes, out.length}, &bad), ERR_NONE);
    reply_buffer_fini(&out);
    assemble_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_members_that_stand_twice),
        cmocka_unit_test(test_top_members_are_the_first_that_say_something),
        cmocka_unit_test(test_choices_in_the_order_of_their_indexes),
        cmocka_unit_test(test_logprobs_are_joined),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_cut_anywhere_is_whole_again),
        cmocka_unit_test(test_reasoning_and_refusal),
        cmocka_unit_test(test_unknown_members_keep_their_last_value),
        cmocka_unit_test(test_calls_are_joined_by_index),
        cmocka_unit_test(test_what_servers_repeat_in_each_fragment),
        cmocka_unit_test(test_name_in_fragments_and_late_id),
        cmocka_unit_test(test_other_calls),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_other_parts_stay_as_they_are),
        cmocka_unit_test(test_every_cap),
        cmocka_unit_test(test_cap_counts_what_is_held),
        cmocka_unit_test(test_reply_whole_or_not_at_all),
        cmocka_unit_test(test_bounds_of_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
