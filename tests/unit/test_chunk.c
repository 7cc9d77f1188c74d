#include "router/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/arena.h"
#include "cache/splice.h"

static struct chunk good(const char *json, enum endpoint endpoint)
{
    struct errbuf err = {""};
    struct chunk c;

    if (chunk_parse(slice_of(json), endpoint, &c, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    return c;
}

static struct chunk good_reply(const char *json, enum endpoint endpoint)
{
    struct errbuf err = {""};
    struct chunk c;

    if (chunk_parse_reply(slice_of(json), endpoint, &c, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    return c;
}

static void bad(const char *json, enum endpoint endpoint, const char *words)
{
    struct errbuf err = {""};
    struct chunk c;

    assert_int_equal(chunk_parse(slice_of(json), endpoint, &c, &err), ERR_INPUT);
    if (strstr(err.text, words) == NULL) {
        fail_msg("%s: \"%s\" lacks \"%s\"", json, err.text, words);
    }
}

static void bad_reply(const char *json, enum endpoint endpoint, const char *words)
{
    struct errbuf err = {""};
    struct chunk c;

    assert_int_equal(chunk_parse_reply(slice_of(json), endpoint, &c, &err), ERR_INPUT);
    if (strstr(err.text, words) == NULL) {
        fail_msg("%s: \"%s\" lacks \"%s\"", json, err.text, words);
    }
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    if (s.n > 0) {
        assert_memory_equal(s.p, text, s.n);
    }
}

static void test_spans(void **state)
{
    struct chunk c = good(
        " {\"id\":\"up-1\",\"object\":\"chat.completion.chunk\",\"model\" : \"m\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},"
        "\"finish_reason\":null}],\"usage\":null} ",
        ENDPOINT_CHAT);

    (void) state;
    assert_slice(c.id.text, "\"up-1\"");
    assert_slice(c.model.text, "\"m\"");
    assert_int_equal(c.usage.type, SPAN_NULL);
    assert_slice(c.usage.member, "\"usage\":null");
    assert_int_equal(c.error.type, SPAN_ABSENT);
    assert_true(c.has_choices);
    assert_true(c.has_content);
    assert_false(c.has_tool_calls);
    assert_int_equal(c.choices_seen, 1);
    assert_int_equal(c.choices_finished, 0);
    assert_false(c.tokens.known);
}

#define DELTA(delta) "{\"choices\":[{\"index\":0,\"delta\":" delta "}]}"

static void test_content_or_not(void **state)
{
    static const struct {
        const char *json;
        bool has_content;
    } rows[] = {
        {DELTA("{\"content\":\"x\"}"), true},
        {DELTA("{\"con\\u0074ent\":\"x\"}"), true},
        {DELTA("{\"content\":\"\"}"), false},
        {DELTA("{\"content\":null}"), false},
        {DELTA("{\"content\":[]}"), false},
        {DELTA("{\"content\":[{\"type\":\"thinking\"}]}"), true},
        {DELTA("{\"role\":\"assistant\"}"), false},
        {DELTA("{\"role\":\"assistant\",\"content\":\"\"}"), false},
        {DELTA("{}"), false},
        {DELTA("null"), false},
        {DELTA("{\"reasoning_content\":\"t\"}"), true},
        {DELTA("{\"reasoning_content\":\"\"}"), false},
        {DELTA("{\"reasoning\":\"t\"}"), true},
        {DELTA("{\"reasoning\":\"\",\"reasoning_details\":[]}"), false},
        {DELTA("{\"reasoning\":null,\"reasoning_details\":[{}]}"), true},
        {DELTA("{\"refusal\":\"no\"}"), true},
        {DELTA("{\"refusal\":null}"), false},
        {DELTA("{\"tool_calls\":[{\"index\":0}]}"), true},
        {DELTA("{\"tool_calls\":[]}"), false},
        {DELTA("{\"function_call\":{\"name\":\"f\"}}"), true},
        {DELTA("{\"function_call\":{}}"), false},
        {DELTA("{\"audio\":{\"data\":\"\"}}"), true},
        {DELTA("{\"x_content\":\"x\",\"contents\":\"x\",\"conten\":\"x\"}"), false},
        {"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}", true},
        {"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"\"}]}", false},
        {"{\"choices\":[{\"index\":0}]}", false},
        {"{\"choices\":[{\"index\":0,\"text\":\"x\"}]}", false},
        {"{\"choices\":[]}", false},
        {"{\"choices\":null}", false},
        {"{}", false},
    };
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct chunk c = good(rows[i].json, ENDPOINT_CHAT);

        if (c.has_content != rows[i].has_content) {
            fail_msg("%s", rows[i].json);
        }
    }
}

static void test_completions(void **state)
{
    struct chunk c = good("{\"choices\":[{\"index\":0,\"text\":\"x\"}]}", ENDPOINT_COMPLETIONS);

    (void) state;
    assert_true(c.has_content);
    c = good("{\"choices\":[{\"index\":0,\"text\":\"\",\"delta\":{\"content\":\"x\"}}]}",
             ENDPOINT_COMPLETIONS);
    assert_false(c.has_content);
    c = good("{\"choices\":[{\"index\":1,\"text\":null,\"finish_reason\":\"length\"}]}",
             ENDPOINT_COMPLETIONS);
    assert_true(c.has_content);
    assert_int_equal(c.choices_finished, 2);
    bad("{\"choices\":[{\"index\":0,\"text\":5}]}", ENDPOINT_COMPLETIONS, "choices[0].text");
}

static void test_indexes(void **state)
{
    struct chunk c = good("{\"choices\":[{\"index\":3,\"finish_reason\":\"stop\"},{\"index\":31},"
                          "{\"index\":0,\"finish_reason\":null}]}",
                          ENDPOINT_CHAT);

    (void) state;
    assert_true(c.choices_seen == (1u << 31 | 1u << 3 | 1u));
    assert_int_equal(c.choices_finished, 1u << 3);

    c = good("{\"choices\":[{\"index\":32,\"finish_reason\":\"stop\"}]}", ENDPOINT_CHAT);
    assert_int_equal(c.choices_seen, 0);
    assert_int_equal(c.choices_finished, 0);

    c = good("{\"choices\":[{\"index\":18446744073709551615}]}", ENDPOINT_CHAT);
    assert_int_equal(c.choices_seen, 0);

    c = good("{\"choices\":[{},{\"index\":null,\"finish_reason\":\"stop\"}]}", ENDPOINT_CHAT);
    assert_int_equal(c.choices_seen, 3);
    assert_int_equal(c.choices_finished, 2);
}

static void test_wrong_types(void **state)
{
    (void) state;
    bad("", ENDPOINT_CHAT, "byte 0");
    bad("[DONE]", ENDPOINT_CHAT, "byte");
    bad("[]", ENDPOINT_CHAT, "byte 0");
    bad("{\"choices\":[{]}", ENDPOINT_CHAT, "byte 13");
    bad("{\"id\":1,\"id\":2}", ENDPOINT_CHAT, "duplicate");
    bad("{\"choices\":{}}", ENDPOINT_CHAT, "choices is not");
    bad("{\"choices\":[{\"index\":0},7]}", ENDPOINT_CHAT, "choices[1] is not");
    bad("{\"choices\":[{\"index\":\"0\"}]}", ENDPOINT_CHAT, "choices[0].index");
    bad("{\"choices\":[{\"index\":-1}]}", ENDPOINT_CHAT, "choices[0].index");
    bad("{\"choices\":[{\"index\":0,\"finish_reason\":1}]}", ENDPOINT_CHAT, "finish_reason");
    bad("{\"choices\":[{\"index\":0,\"delta\":[]}]}", ENDPOINT_CHAT, "choices[0].delta is not");
    bad(DELTA("{\"content\":1}"), ENDPOINT_CHAT, "choices[0].delta.content");
    bad(DELTA("{\"content\":{}}"), ENDPOINT_CHAT, "choices[0].delta.content");
    bad(DELTA("{\"refusal\":true}"), ENDPOINT_CHAT, "choices[0].delta.refusal");
    bad(DELTA("{\"tool_calls\":{}}"), ENDPOINT_CHAT, "choices[0].delta.tool_calls");
    bad(DELTA("{\"tool_calls\":[1]}"), ENDPOINT_CHAT, "tool call");
    bad("{\"usage\":1}", ENDPOINT_CHAT, "usage is not");
    bad("{\"usage\":{\"prompt_tokens\":\"1\"}}", ENDPOINT_CHAT, "usage.prompt_tokens");
    bad("{\"usage\":{\"completion_tokens\":-1}}", ENDPOINT_CHAT, "usage.completion_tokens");
    bad("{\"usage\":{\"completion_tokens\":1.5}}", ENDPOINT_CHAT, "usage.completion_tokens");
    bad("{\"usage\":{\"completion_tokens\":1e300}}", ENDPOINT_CHAT, "usage.completion_tokens");
    bad("{\"usage\":{\"prompt_tokens_details\":1}}", ENDPOINT_CHAT, "prompt_tokens_details");
    bad("{\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":[]}}}", ENDPOINT_CHAT,
        "cached_tokens");
}

static void test_usage(void **state)
{
    struct chunk c = good(
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34,"
        "\"total_tokens\":46,\"prompt_tokens_details\":{\"cached_tokens\":5}}}",
        ENDPOINT_CHAT);

    (void) state;
    assert_false(c.has_choices);
    assert_true(c.tokens.known);
    assert_int_equal(c.tokens.prompt, 12);
    assert_int_equal(c.tokens.completion, 34);
    assert_int_equal(c.tokens.cached, 5);

    c = good("{\"usage\":{\"prompt_tokens\":3.0,\"completion_tokens\":null,"
             "\"prompt_tokens_details\":{\"cached_tokens\":9}}}",
             ENDPOINT_CHAT);
    assert_true(c.tokens.known);
    assert_int_equal(c.tokens.prompt, 3);
    assert_int_equal(c.tokens.cached, 3); /* a part of the prompt, whatever the upstream says */

    c = good("{\"usage\":{\"prompt_tokens_details\":null}}", ENDPOINT_CHAT);
    assert_false(c.tokens.known);
}

static void test_error_goes_first(void **state)
{
    struct chunk c = good("{\"id\":\"a\",\"error\":{\"code\":502},\"choices\":7}", ENDPOINT_CHAT);

    (void) state;
    assert_int_equal(c.error.type, SPAN_OBJECT);
    assert_false(c.has_choices);
    c = good_reply("{\"error\":\"text\"}", ENDPOINT_EMBEDDINGS);
    assert_int_equal(c.error.type, SPAN_STRING);
    c = good("{\"error\":null,\"choices\":[{\"index\":0}]}", ENDPOINT_CHAT);
    assert_int_equal(c.error.type, SPAN_ABSENT);
    assert_true(c.has_choices);
}

static void test_replies(void **state)
{
    struct chunk c = good_reply("{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                                "\"assistant\",\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],"
                                "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
                                ENDPOINT_CHAT);

    (void) state;
    assert_true(c.has_choices && c.has_content && c.tokens.known);
    assert_int_equal(c.choices_finished, 1);

    c = good_reply("{\"choices\":[{\"text\":\"Hi\"}]}", ENDPOINT_COMPLETIONS);
    assert_true(c.has_content);

    c = good_reply("{\"data\":[{\"embedding\":[0.1],\"index\":0}],"
                   "\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
                   ENDPOINT_EMBEDDINGS);
    assert_true(c.has_choices && c.has_content && c.tokens.known);
    assert_int_equal(c.tokens.prompt, 8);
    assert_int_equal(c.tokens.completion, 0);

    bad_reply("{\"choices\":[]}", ENDPOINT_CHAT, "choices");
    bad_reply("{}", ENDPOINT_CHAT, "choices");
    bad_reply("{\"error\":null}", ENDPOINT_COMPLETIONS, "choices");
    bad_reply("{\"choices\":[{\"message\":5}]}", ENDPOINT_CHAT, "choices[0].message");
    bad_reply("{\"data\":[]}", ENDPOINT_EMBEDDINGS, "data");
    bad_reply("{\"choices\":[{\"index\":0}]}", ENDPOINT_EMBEDDINGS, "data");
    bad_reply("<html>", ENDPOINT_CHAT, "byte 0");
}

/* Every proper prefix of an event is no JSON object and must be refused. */
static void test_cut_at_every_byte(void **state)
{
    static const char json[] = "{\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                               "\"\\u00e4\xC3\xA4\"},\"finish_reason\":null}],\"usage\":"
                               "{\"prompt_tokens\":1,\"completion_tokens\":2}}";
    size_t n;

    (void) state;
    for (n = 0; n < sizeof(json) - 1; n++) {
        char *copy = malloc(n + 1);
        struct errbuf err = {""};
        struct chunk c;

        assert_non_null(copy);
        memcpy(copy, json, n);
        assert_int_equal(chunk_parse((struct slice) {copy, n}, ENDPOINT_CHAT, &c, &err), ERR_INPUT);
        assert_true(err.text[0] != '\0');
        free(copy);
    }
    good(json, ENDPOINT_CHAT);
}

static void test_errors(void **state)
{
    struct chunk_error e;

    (void) state;
    assert_true(
        chunk_error(SLICE_LIT(" {\"error\":{\"message\":\"too \\\"long\\\"\",\"type\":\"t\","
                              "\"param\":null,\"code\":\"context_length_exceeded\"}}\n"),
                    &e));
    assert_slice(e.message, "\"too \\\"long\\\"\"");
    assert_slice(e.type, "\"t\"");
    assert_slice(e.param, "null");
    assert_slice(e.code, "\"context_length_exceeded\"");

    assert_true(chunk_error(SLICE_LIT("{\"error\":\"text\"}"), &e));
    assert_slice(e.message, "\"text\"");
    assert_slice(e.type, "");

    assert_true(
        chunk_error(SLICE_LIT("{\"error\":{\"message\":{},\"type\":[1],\"code\":429}}"), &e));
    assert_slice(e.message, "");
    assert_slice(e.type, "");
    assert_slice(e.code, "429");

    assert_true(
        chunk_error(SLICE_LIT("{\"object\":\"error\",\"message\":\"m\",\"code\":404}"), &e));
    assert_slice(e.message, "\"m\"");
    assert_slice(e.code, "404");

    assert_true(chunk_error(SLICE_LIT(" [ {\"error\":{\"message\":\"g\"}} ] "), &e));
    assert_slice(e.message, "\"g\"");
}

static void test_no_errors(void **state)
{
    static const char *const texts[] = {
        "",
        "  ",
        "<html>",
        "{}",
        "[]",
        "[1]",
        "7",
        "null",
        "{\"error\":null}",
        "{\"error\":true}",
        "{\"error\":{\"message\":\"cut",
        "{\"message\":\"m\",\"type\":\"t\",\"code\":1}",
        "[{\"error\":\"a\"},{\"error\":\"b\"}]",
        "[[{\"error\":\"a\"}]]",
        "{\"detail\":\"d\"}",
    };
    struct chunk_error e;
    size_t i;

    (void) state;
    for (i = 0; i < ARRAY_LEN(texts); i++) {
        if (chunk_error(slice_of(texts[i]), &e)) {
            fail_msg("%s", texts[i]);
        }
        assert_slice(e.message, "");
    }
}

/* ---- the mender ---- */

struct mend {
    struct chunk_mender m;
    struct arena room;
};

static void mend_begin(struct mend *t)
{
    memset(&t->m, 0, sizeof(t->m));
    arena_init(&t->room, 256, 1u << 20);
}

static void mend_end(struct mend *t)
{
    chunk_mender_fini(&t->m);
    arena_fini(&t->room);
}

static char *mended(struct mend *t, const char *json)
{
    static char out[16384];
    struct chunk c = good(json, ENDPOINT_CHAT);
    struct splice edits;
    size_t n;

    splice_init(&edits, c.json);
    assert_int_equal(chunk_mend(&t->m, &c, &edits, &t->room), ERR_NONE);
    assert_true(splice_length(&edits) < sizeof(out));
    n = splice_write(&edits, out, sizeof(out));
    out[n] = '\0';
    return out;
}

static void mends(struct mend *t, const char *json, const char *want)
{
    assert_string_equal(mended(t, json), want);
}

#define CALLS(calls) DELTA("{\"tool_calls\":[" calls "]}")
#define OPEN(members, name) "{" members "\"function\":{\"name\":\"" name "\",\"arguments\":\"\"}}"
#define MORE(members, text) "{" members "\"function\":{\"arguments\":\"" text "\"}}"

static void test_right_streams_are_left_alone(void **state)
{
    static const char *const events[] = {
        DELTA("{\"role\":\"assistant\"}"),
        CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")),
        CALLS(MORE("\"index\":0,", "x")),
        CALLS(OPEN("\"index\":1,\"id\":\"b\",", "f")),
        CALLS(MORE("\"index\":0,", "y") "," MORE("\"index\":1,", "z")),
        CALLS(MORE("\"index\":0,\"id\":\"a\",", "again")),
        CALLS(MORE("\"index\":1,\"id\":null,", "n")),
        CALLS(MORE("\"index\":1,\"id\":\"\",", "e")),
        /* an id of its own for every fragment, as one server did */
        CALLS(MORE("\"index\":1,\"id\":\"fresh\",", "e")),
        CALLS(OPEN("\"index\":5,\"id\":\"c\",", "gap")),
        CALLS(OPEN("\"index\":3,\"id\":\"d\",", "back")),
        CALLS(OPEN("\"index\":7,", "no id")),
        CALLS(MORE("\"index\":7,\"id\":\"late\",", "x")),
        CALLS(OPEN("\"index\":64,\"id\":\"far\",", "f")),
        CALLS(OPEN("\"index\":64,\"id\":\"far2\",", "f")),
        CALLS(OPEN("\"index\":\"0\",\"id\":\"what\",", "f")),
        "{\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[" OPEN("\"index\":0,\"id\":\"z\",",
                                                                      "other choice") "]}}]}",
    };
    struct mend t;
    size_t i;

    (void) state;
    mend_begin(&t);
    for (i = 0; i < ARRAY_LEN(events); i++) {
        mends(&t, events[i], events[i]);
    }
    mend_end(&t);
}

static void test_all_zero(void **state)
{
    struct mend t;

    (void) state;
    mend_begin(&t);
    mends(&t, CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")),
          CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")));
    mends(&t, CALLS(MORE("\"index\":0,", "1")), CALLS(MORE("\"index\":0,", "1")));
    mends(&t, CALLS(OPEN("\"index\":0,\"id\":\"b\",", "f")),
          CALLS(OPEN("\"index\":1,\"id\":\"b\",", "f")));
    mends(&t, CALLS(MORE("\"index\": 0 ,", "2")), CALLS(MORE("\"index\": 1 ,", "2")));
    mends(&t, CALLS(OPEN("\"index\":0,\"id\":\"c\",", "f")),
          CALLS(OPEN("\"index\":2,\"id\":\"c\",", "f")));
    mends(&t, CALLS(MORE("\"index\":0,", "3")), CALLS(MORE("\"index\":2,", "3")));
    /* an id that comes again names its call, and what follows stays with it */
    mends(&t, CALLS(MORE("\"index\":0,\"id\":\"b\",", "4")),
          CALLS(MORE("\"index\":1,\"id\":\"b\",", "4")));
    mends(&t, CALLS(MORE("\"index\":0,", "5")), CALLS(MORE("\"index\":1,", "5")));
    /* the server's own 1 is taken by then */
    mends(&t, CALLS(OPEN("\"index\":1,\"id\":\"d\",", "f")),
          CALLS(OPEN("\"index\":3,\"id\":\"d\",", "f")));
    mends(&t, CALLS(MORE("\"index\":1,", "6")), CALLS(MORE("\"index\":3,", "6")));
    mend_end(&t);
}

static void test_no_index(void **state)
{
    struct mend t;

    (void) state;
    mend_begin(&t);
    mends(&t, CALLS(OPEN("\"id\":\"a\",", "f")), CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")));
    mends(&t, CALLS(MORE("", "1")), CALLS(MORE("\"index\":0,", "1")));
    mends(&t, CALLS(OPEN("\"index\":null,\"id\":\"b\",", "f")),
          CALLS(OPEN("\"index\":1,\"id\":\"b\",", "f")));
    mends(&t, CALLS(MORE("\"id\":null,", "2")), CALLS(MORE("\"index\":1,\"id\":null,", "2")));
    mends(&t, CALLS(MORE("\"id\":\"a\",", "3")), CALLS(MORE("\"index\":0,\"id\":\"a\",", "3")));
    /* no id either: a name opens */
    mends(&t, CALLS(OPEN("", "g") "," OPEN("", "h")),
          CALLS(OPEN("\"index\":2,", "g") "," OPEN("\"index\":3,", "h")));
    mends(&t, CALLS("{}"), CALLS("{\"index\":3}"));
    mend_end(&t);
}

/* An id that comes late belongs to the call that is open; the next id does not. */
static void test_late_id(void **state)
{
    struct mend t;

    (void) state;
    mend_begin(&t);
    mends(&t, CALLS(OPEN("\"index\":0,", "f")), CALLS(OPEN("\"index\":0,", "f")));
    mends(&t, CALLS(MORE("\"index\":0,\"id\":\"a\",", "1")),
          CALLS(MORE("\"index\":0,\"id\":\"a\",", "1")));
    mends(&t, CALLS(OPEN("\"index\":0,\"id\":\"b\",", "g")),
          CALLS(OPEN("\"index\":1,\"id\":\"b\",", "g")));
    mend_end(&t);
}

/* Numbers in the openers alone, or in all but the opener. */
static void test_half_numbered(void **state)
{
    struct mend t;

    (void) state;
    mend_begin(&t);
    mends(&t, CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")),
          CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")));
    mends(&t, CALLS(MORE("", "1")), CALLS(MORE("\"index\":0,", "1")));
    mends(&t, CALLS(OPEN("\"index\":1,\"id\":\"b\",", "f")),
          CALLS(OPEN("\"index\":1,\"id\":\"b\",", "f")));
    mends(&t, CALLS(MORE("", "2")), CALLS(MORE("\"index\":1,", "2")));
    mend_end(&t);

    mend_begin(&t);
    mends(&t, CALLS(OPEN("\"id\":\"a\",", "f")), CALLS(OPEN("\"index\":0,\"id\":\"a\",", "f")));
    mends(&t, CALLS(MORE("\"index\":0,", "1")), CALLS(MORE("\"index\":0,", "1")));
    mends(&t, CALLS(OPEN("\"id\":\"b\",", "f")), CALLS(OPEN("\"index\":1,\"id\":\"b\",", "f")));
    mends(&t, CALLS(MORE("\"index\":0,", "2")), CALLS(MORE("\"index\":1,", "2")));
    mend_end(&t);
}

#define IN_CHOICE(i, calls) "{\"index\":" i ",\"delta\":{\"tool_calls\":[" calls "]}}"

static void test_choices_are_apart(void **state)
{
    struct mend t;

    (void) state;
    mend_begin(&t);
    mends(&t,
          "{\"choices\":[" IN_CHOICE("0", OPEN("\"id\":\"a\",", "f")) "," IN_CHOICE(
              "1", OPEN("\"id\":\"b\",", "f")) "]}",
          "{\"choices\":[" IN_CHOICE("0", OPEN("\"index\":0,\"id\":\"a\",", "f")) "," IN_CHOICE(
              "1", OPEN("\"index\":0,\"id\":\"b\",", "f")) "]}");
    mends(&t, "{\"choices\":[" IN_CHOICE("1", OPEN("\"id\":\"c\",", "f")) "]}",
          "{\"choices\":[" IN_CHOICE("1", OPEN("\"index\":1,\"id\":\"c\",", "f")) "]}");
    mends(&t, "{\"choices\":[" IN_CHOICE("0", MORE("", "1")) "]}",
          "{\"choices\":[" IN_CHOICE("0", MORE("\"index\":0,", "1")) "]}");
    mends(&t, "{\"choices\":[" IN_CHOICE("1", MORE("", "2")) "]}",
          "{\"choices\":[" IN_CHOICE("1", MORE("\"index\":1,", "2")) "]}");
    /* Ids may come again in another choice. */
    mends(&t, "{\"choices\":[" IN_CHOICE("1", OPEN("\"id\":\"a\",", "f")) "]}",
          "{\"choices\":[" IN_CHOICE("1", OPEN("\"index\":2,\"id\":\"a\",", "f")) "]}");
    mend_end(&t);
}

/* More calls in one event than there are edits. */
static void test_many_calls_in_one_event(void **state)
{
    char json[8192] = "{\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[";
    char want[8192];
    struct mend t;
    char *out;
    int i;

    (void) state;
    mend_begin(&t);
    memcpy(want, json, sizeof(json));
    for (i = 0; i < 70; i++) {
        size_t n = strlen(json);
        size_t m = strlen(want);

        snprintf(json + n, sizeof(json) - n, "%s{\"id\":\"i%d\",\"function\":{\"name\":\"f\"}}",
                 i > 0 ? " ,\n" : "", i);
        if (i < 64) {
            snprintf(want + m, sizeof(want) - m,
                     "%s{\"index\":%d,\"id\":\"i%d\",\"function\":{\"name\":\"f\"}}",
                     i > 0 ? " ,\n" : "", i, i);
        } else {
            snprintf(want + m, sizeof(want) - m,
                     " ,\n{\"id\":\"i%d\",\"function\":{\"name\":\"f\"}}", i);
        }
    }
    snprintf(json + strlen(json), 32, "]}}],\"z\":1}");
    snprintf(want + strlen(want), 32, "]}}],\"z\":1}");
    out = mended(&t, json);
    assert_string_equal(out, want);
    assert_int_equal(t.m.count, 64);
    mend_end(&t);
}

static void test_mender_limits(void **state)
{
    char json[256];
    struct mend t;
    struct chunk c;
    struct splice edits;
    int choice;
    int i;

    (void) state;
    mend_begin(&t);
    for (choice = 0; choice < 8; choice++) {
        for (i = 0; i < 70; i++) {
            snprintf(
                json, sizeof(json),
                "{\"choices\":[{\"index\":%d,\"delta\":{\"tool_calls\":[{\"id\":\"%d-%d\"}]}}]}",
                choice, choice, i);
            mended(&t, json);
        }
    }
    assert_int_equal(t.m.count, 256);
    mend_end(&t);

    memset(&t.m, 0, sizeof(t.m));
    arena_init(&t.room, 1, 1);
    c = good(CALLS(OPEN("\"id\":\"a\",", "f")), ENDPOINT_CHAT);
    splice_init(&edits, c.json);
    assert_int_equal(chunk_mend(&t.m, &c, &edits, &t.room), ERR_NOMEM);
    mend_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_content_or_not),
        cmocka_unit_test(test_completions),
        cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_error_goes_first),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_errors),
        cmocka_unit_test(test_right_streams_are_left_alone),
        cmocka_unit_test(test_all_zero),
        cmocka_unit_test(test_no_index),
        cmocka_unit_test(test_late_id),
        cmocka_unit_test(test_half_numbered),
        cmocka_unit_test(test_choices_are_apart),
        cmocka_unit_test(test_many_calls_in_one_event),
        cmocka_unit_test(test_mender_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
