#include "router/request.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/arena.h"

struct parsed {
    struct request r;
    struct arena room;
    const char *param;
    struct errbuf err;
    enum err rc;
};

static struct reqbody *body_of(struct slice json)
{
    struct reqbody *b = reqbody_new(json.n);

    assert_non_null(b);
    memcpy(b->bytes, json.p, json.n);
    return b;
}

static void parse_slice(struct parsed *p, enum endpoint endpoint, struct slice json)
{
    arena_init(&p->room, 256, 65536);
    p->err.text[0] = '\0';
    p->rc = request_parse(&p->r, endpoint, body_of(json), &p->room, &p->param, &p->err);
}

static void done(struct parsed *p)
{
    request_fini(&p->r);
    arena_fini(&p->room);
}

static void good(struct parsed *p, enum endpoint endpoint, const char *json)
{
    parse_slice(p, endpoint, slice_of(json));
    if (p->rc != ERR_NONE) {
        fail_msg("%s: %s", json, p->err.text);
    }
    assert_null(p->param);
}

static void bad(enum endpoint endpoint, const char *json, const char *param, const char *words)
{
    struct parsed p;

    parse_slice(&p, endpoint, slice_of(json));
    if (p.rc != ERR_INPUT || strstr(p.err.text, words) == NULL) {
        fail_msg("%s: \"%s\" lacks \"%s\"", json, p.err.text, words);
    }
    if (param == NULL) {
        assert_null(p.param);
    } else {
        assert_non_null(p.param);
        assert_string_equal(p.param, param);
    }
    done(&p);
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    if (s.n > 0) {
        assert_memory_equal(s.p, text, s.n);
    }
}

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"

static void test_chat(void **state)
{
    struct parsed p;

    (void) state;
    good(&p, ENDPOINT_CHAT,
         "\n {\"seed\":9007199254740993,\"model\":\"a\\u002fb\",\"stream\":true,"
         "\"stream_options\":{\"include_usage\":true},\"n\":2,\"max_tokens\":7,"
         "\"tools\":[],\"user\":\"u\",\"x\":[{}]," HELLO "}\t");
    assert_slice(p.r.model_name, "a/b");
    assert_slice(p.r.model.text, "\"a\\u002fb\"");
    assert_slice(p.r.messages.text, "[{\"role\":\"user\",\"content\":\"Hello\"}]");
    assert_slice(p.r.user.text, "\"u\"");
    assert_int_equal(p.r.json.n, p.r.body->length);
    assert_ptr_equal(p.r.object.p, p.r.json.p + 2);
    assert_int_equal(p.r.object.n, p.r.json.n - 3);
    assert_int_equal(p.r.object.p[p.r.object.n - 1], '}');
    assert_true(p.r.is_stream);
    assert_true(p.r.wants_usage);
    assert_int_equal(p.r.choices, 2);
    assert_int_equal(p.r.tools.type, SPAN_ARRAY);
    done(&p);

    good(&p, ENDPOINT_CHAT, "{\"model\":\"m\"," HELLO "}");
    assert_false(p.r.is_stream);
    assert_false(p.r.wants_usage);
    assert_int_equal(p.r.choices, 1);
    assert_int_equal(p.r.stream.type, SPAN_ABSENT);
    done(&p);
}

static void test_nulls_are_defaults(void **state)
{
    struct parsed p;

    (void) state;
    good(&p, ENDPOINT_CHAT,
         "{\"model\":\"m\",\"stream\":null,\"stream_options\":null,\"n\":null,\"max_tokens\":null,"
         "\"max_completion_tokens\":null,\"tools\":null,\"user\":null,\"safety_identifier\":null,"
         "\"prompt_cache_key\":null," HELLO "}");
    assert_false(p.r.is_stream);
    assert_int_equal(p.r.choices, 1);
    assert_int_equal(p.r.stream.type, SPAN_NULL);
    done(&p);
    good(&p, ENDPOINT_CHAT,
         "{\"model\":\"m\",\"stream\":false,\"stream_options\":{\"include_usage\":null}," HELLO
         "}");
    assert_false(p.r.wants_usage);
    done(&p);
}

/* What the upstream judges, and we look at or write. */
static void test_members_of_any_type(void **state)
{
    static const char json[] =
        "{\"model\":\"m\",\"temperature\":\"hot\",\"top_p\":null,\"response_format\":7,"
        "\"reasoning_effort\":[1],\"logprobs\":true,\"functions\":{},\"modalities\":false,"
        "\"audio\":1e2," HELLO "}";
    struct parsed p;

    (void) state;
    good(&p, ENDPOINT_CHAT, json);
    assert_slice(p.r.temperature.text, "\"hot\"");
    assert_int_equal(p.r.top_p.type, SPAN_NULL);
    assert_slice(p.r.response_format.text, "7");
    assert_slice(p.r.reasoning_effort.member, "\"reasoning_effort\":[1]");
    assert_int_equal(p.r.logprobs.type, SPAN_TRUE);
    assert_slice(p.r.functions.text, "{}");
    assert_int_equal(p.r.modalities.type, SPAN_FALSE);
    assert_slice(p.r.audio.text, "1e2");
    done(&p);
    bad(ENDPOINT_CHAT, "{\"model\":\"m\",\"temperature\":1,\"temp\\u0065rature\":2," HELLO "}",
        NULL, "duplicate");
    good(&p, ENDPOINT_COMPLETIONS,
         "{\"model\":\"m\",\"prompt\":\"\",\"temperature\":1,\"temperature\":2}");
    assert_int_equal(p.r.temperature.type, SPAN_ABSENT);
    done(&p);
    /* But a key that is limited to certain models must see `models` in all of them. */
    good(&p, ENDPOINT_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"a\",\"mod\\u0065ls\":[\"x\"]}");
    assert_slice(p.r.models.text, "[\"x\"]");
    done(&p);
}

static void test_other_endpoints(void **state)
{
    struct parsed p;

    (void) state;
    good(&p, ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"Once\",\"messages\":7}");
    assert_slice(p.r.input.text, "\"Once\"");
    assert_int_equal(p.r.messages.type, SPAN_ABSENT);
    done(&p);
    good(&p, ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":[[1,2]]}");
    done(&p);
    /* What is no member of this endpoint passes, whatever it is. */
    good(&p, ENDPOINT_EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"a\"],\"stream\":1,\"n\":0}");
    assert_slice(p.r.input.text, "[\"a\"]");
    assert_false(p.r.is_stream);
    assert_int_equal(p.r.choices, 1);
    done(&p);
}

static void test_no_json(void **state)
{
    struct parsed p;
    const char *param = "x";
    struct errbuf err = {""};

    (void) state;
    bad(ENDPOINT_CHAT, "", NULL, "empty");
    bad(ENDPOINT_CHAT, "[1]", NULL, "at byte 0");
    bad(ENDPOINT_CHAT, "{\"model\":\"m\",}", NULL, "at byte 13");
    bad(ENDPOINT_CHAT, "{\"model\":\"m\"} x", NULL, "at byte 14");
    bad(ENDPOINT_CHAT, "{\"model\":\"a\",\"model\":\"b\"," HELLO "}", NULL, "duplicate");
    bad(ENDPOINT_CHAT, "{\"model\":\"\xFF\"}", NULL, "at byte 10");
    /* No body at all. */
    arena_init(&p.room, 256, 4096);
    assert_int_equal(request_parse(&p.r, ENDPOINT_CHAT, NULL, &p.room, &param, &err), ERR_INPUT);
    assert_null(param);
    done(&p);
}

static void test_model(void **state)
{
    char json[400];

    (void) state;
    bad(ENDPOINT_CHAT, "{" HELLO "}", "model", "`model` is missing");
    bad(ENDPOINT_CHAT, "{\"model\":null," HELLO "}", "model", "is null at byte 9");
    bad(ENDPOINT_CHAT, "{\"model\":5," HELLO "}", "model",
        "`model` must be a non-empty string, but is a number at byte 9");
    bad(ENDPOINT_CHAT, "{\"model\":\"\"," HELLO "}", "model",
        "1 to 256 bytes, but has 0 at byte 9");
    snprintf(json, sizeof(json), "{\"model\":\"%0257d\"," HELLO "}", 0);
    bad(ENDPOINT_CHAT, json, "model", "has 257 at byte 9");
    snprintf(json, sizeof(json), "{\"model\":\"%0256d\",\"input\":\"x\"}", 0);
    {
        struct parsed p;

        good(&p, ENDPOINT_EMBEDDINGS, json);
        assert_int_equal(p.r.model_name.n, 256);
        done(&p);
    }
}

static void test_messages(void **state)
{
    (void) state;
    bad(ENDPOINT_CHAT, "{\"model\":\"m\"}", "messages", "`messages` is missing");
    bad(ENDPOINT_CHAT, "{\"model\":\"m\",\"messages\":null}", "messages", "is null at byte 24");
    bad(ENDPOINT_CHAT, "{\"model\":\"m\",\"messages\":\"x\"}", "messages",
        "is a string at byte 24");
    bad(ENDPOINT_CHAT, "{\"model\":\"m\",\"messages\":[]}", "messages", "empty at byte 24");
    bad(ENDPOINT_CHAT, "{\"model\":\"m\",\"messages\":[{},7]}", "messages",
        "`messages[1]` must be an object, but is a number at byte 28");
    bad(ENDPOINT_COMPLETIONS, "{\"model\":\"m\"}", "prompt", "`prompt` is missing");
    bad(ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":{}}", "prompt", "an object at byte 22");
    bad(ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":[ ]}", "prompt", "empty at byte 22");
    bad(ENDPOINT_EMBEDDINGS, "{\"model\":\"m\"}", "input", "`input` is missing");
    bad(ENDPOINT_EMBEDDINGS, "{\"model\":\"m\",\"input\":[]}", "input", "empty at byte 21");
}

#define WITH(member) "{" member ",\"model\":\"m\"," HELLO "}"

static void test_options(void **state)
{
    (void) state;
    bad(ENDPOINT_CHAT, WITH("\"stream\":\"true\""), "stream",
        "`stream` must be true, false or null, but is a string at byte 10");
    bad(ENDPOINT_CHAT, WITH("\"stream\":1"), "stream", "a number");
    bad(ENDPOINT_CHAT, WITH("\"stream_options\":true"), "stream_options", "is true at byte 18");
    bad(ENDPOINT_CHAT, WITH("\"stream_options\":{\"include_usage\":1}"), "stream_options",
        "`stream_options.include_usage` must be true, false or null, but is a number at byte 35");
    bad(ENDPOINT_CHAT, WITH("\"stream_options\":{\"include_usage\":true,\"include_usage\":false}"),
        "stream_options", "duplicate member at byte 40");
    bad(ENDPOINT_CHAT, WITH("\"tools\":{}"), "tools", "`tools` must be an array or null");
    bad(ENDPOINT_CHAT, WITH("\"user\":1"), "user", "`user` must be a string or null");
    bad(ENDPOINT_CHAT, WITH("\"safety_identifier\":[]"), "safety_identifier", "an array");
    bad(ENDPOINT_CHAT, WITH("\"prompt_cache_key\":false"), "prompt_cache_key", "is false");
}

static void test_numbers(void **state)
{
    struct parsed p;

    (void) state;
    bad(ENDPOINT_CHAT, WITH("\"n\":0"), "n", "from 1 to 128, but is 0 at byte 5");
    bad(ENDPOINT_CHAT, WITH("\"n\":129"), "n", "but is 129");
    bad(ENDPOINT_CHAT, WITH("\"n\":1.5"), "n", "but is 1.5");
    bad(ENDPOINT_CHAT, WITH("\"n\":\"1\""), "n", "a string");
    bad(ENDPOINT_CHAT, WITH("\"n\":-1"), "n", "but is -1");
    bad(ENDPOINT_CHAT, WITH("\"max_tokens\":true"), "max_tokens", "is true");
    bad(ENDPOINT_CHAT, WITH("\"max_completion_tokens\":\"5\""), "max_completion_tokens",
        "a number or null, but is a string");
    good(&p, ENDPOINT_CHAT, WITH("\"n\":128"));
    assert_int_equal(p.r.choices, 128);
    done(&p);
}

/* Every proper prefix is refused, and no byte past it is looked at. */
static void test_cut_at_every_byte(void **state)
{
    static const char json[] =
        "{\"model\":\"m\\u00e4\xC3\xA4\",\"stream\":true,\"stream_options\":{\"include_usage\":"
        "false,\"x\":[1]},\"n\":1,\"max_tokens\":5," HELLO ",\"seed\":9007199254740993}";
    struct parsed p;
    size_t n;

    (void) state;
    for (n = 0; n < sizeof(json) - 1; n++) {
        parse_slice(&p, ENDPOINT_CHAT, (struct slice) {json, n});
        assert_int_equal(p.rc, ERR_INPUT);
        assert_null(p.param);
        assert_true(p.err.text[0] != '\0');
        done(&p);
    }
    good(&p, ENDPOINT_CHAT, json);
    done(&p);
}

static uint64_t estimated(enum endpoint endpoint, const char *json)
{
    struct parsed p;
    uint64_t tokens;

    good(&p, endpoint, json);
    tokens = p.r.estimated_tokens;
    done(&p);
    return tokens;
}

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static void test_estimate(void **state)
{
    const uint64_t hello = (sizeof(HELLO) - sizeof("\"messages\":")) / 4 + 1;
    uint64_t plain;
    uint64_t picture;

    (void) state;
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"x\":0")), hello + REQUEST_ANSWER_TOKENS);
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"max_tokens\":100")), hello + 100);
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"max_tokens\":0")), hello);
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"max_tokens\":-1")),
                     hello + REQUEST_ANSWER_TOKENS);
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"max_completion_tokens\":1.5")),
                     hello + REQUEST_ANSWER_TOKENS);
    assert_int_equal(
        estimated(ENDPOINT_CHAT, WITH("\"max_tokens\":9,\"max_completion_tokens\":20")),
        hello + 20);
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"n\":3,\"max_tokens\":10")), hello + 30);
    assert_int_equal(estimated(ENDPOINT_CHAT, WITH("\"tools\":[\"" A64 "\"],\"max_tokens\":1")),
                     hello + (64 + 4) / 4 + 1);
    assert_int_equal(estimated(ENDPOINT_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"" A64 "\"}"),
                     66 / 4 + 1);
    assert_int_equal(estimated(ENDPOINT_COMPLETIONS,
                               "{\"model\":\"m\",\"prompt\":\"" A64 "\",\"max_tokens\":2}"),
                     66 / 4 + 1 + 2);
    assert_true(estimated(ENDPOINT_CHAT, WITH("\"max_tokens\":18446744073709551615")) ==
                UINT32_MAX);
    assert_true(estimated(ENDPOINT_CHAT, WITH("\"max_tokens\":4294967295")) == UINT32_MAX);
    assert_true(estimated(ENDPOINT_CHAT, WITH("\"n\":128,\"max_tokens\":4294967296")) ==
                UINT32_MAX);

    /* Pictures are left out, text that looks like them is not. */
    plain = estimated(ENDPOINT_CHAT, "{\"model\":\"m\",\"messages\":[{\"a\":\"\"}]}");
    picture = estimated(ENDPOINT_CHAT, "{\"model\":\"m\",\"messages\":[{\"a\":\"data:image\\/png;"
                                       "base64," A64 A64 "\"}]}");
    assert_int_equal(picture, plain);
    picture = estimated(ENDPOINT_CHAT,
                        "{\"model\":\"m\",\"messages\":[{\"a\":\"data:" A64 A64 "\"}]}");
    assert_int_equal(picture, plain + (5 + 128 + 3) / 4 - 1);
}

/* The estimate's parts by themselves. */
static void test_estimated_parts(void **state)
{
    struct parsed p;

    (void) state;
    good(&p, ENDPOINT_CHAT, WITH("\"n\":3,\"max_tokens\":10,\"tools\":[\"" A64 "\"]"));
    assert_int_equal(p.r.prompt_tokens, (sizeof(HELLO) - sizeof("\"messages\":")) / 4 + 1);
    assert_int_equal(p.r.tools_tokens, (64 + 4) / 4);
    assert_int_equal(p.r.answer_tokens, 10);
    done(&p);
    good(&p, ENDPOINT_CHAT, WITH("\"max_tokens\":18446744073709551615"));
    assert_true(p.r.answer_tokens == UINT32_MAX);
    done(&p);
    good(&p, ENDPOINT_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"" A64 "\"}");
    assert_int_equal(p.r.prompt_tokens, 66 / 4 + 1);
    assert_int_equal(p.r.answer_tokens, 0);
    done(&p);
}

static void test_bodies(void **state)
{
    struct reqbody *b = reqbody_new(3);
    struct reqbody *grown;

    (void) state;
    assert_non_null(b);
    memcpy(b->bytes, "abc", 3);
    assert_ptr_equal(reqbody_ref(b), b);
    reqbody_unref(b);
    grown = reqbody_grow(b, 4096);
    assert_non_null(grown);
    assert_int_equal(grown->length, 3);
    assert_memory_equal(grown->bytes, "abc", 3);
    reqbody_unref(grown);
    reqbody_unref(NULL);
    assert_null(reqbody_new(SIZE_MAX));
}

/* ---- the unit ---- */

static const struct install_key key = {{1, 2, 3}};

static uint64_t unit(enum endpoint endpoint, const char *json, uint32_t key_tag,
                     const char *session)
{
    struct parsed p;
    uint64_t u;

    good(&p, endpoint, json);
    u = request_unit(&p.r, &key, key_tag, slice_of(session));
    done(&p);
    return u;
}

#define CHAT_JSON(members, messages) "{\"model\":\"m\"," members "\"messages\":[" messages "]}"
#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define SYSTEM(text) "{\"role\":\"system\",\"content\":\"" text "\"}"
#define ASSISTANT(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"

static void test_unit_of_conversation(void **state)
{
    uint64_t first = unit(ENDPOINT_CHAT, CHAT_JSON("", SYSTEM("s") "," USER("q")), 1, NULL);

    (void) state;
    /* Later turns, another system text and other settings change nothing. */
    assert_true(
        unit(ENDPOINT_CHAT,
             CHAT_JSON("\"seed\":1,", SYSTEM("t") "," USER("q") "," ASSISTANT("a") "," USER("r")),
             1, NULL) == first);
    /* Another question or another key is another unit. */
    assert_true(unit(ENDPOINT_CHAT, CHAT_JSON("", USER("other")), 1, NULL) != first);
    assert_true(unit(ENDPOINT_CHAT, CHAT_JSON("", USER("q")), 2, NULL) != first);
    assert_true(unit(ENDPOINT_CHAT, CHAT_JSON("", USER("q")), 1u << 24, NULL) != first);
    assert_true(unit(ENDPOINT_CHAT, CHAT_JSON("", ASSISTANT("q")), 1, NULL) != first);
    assert_true(unit(ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"a\"}", 1, NULL) !=
                unit(ENDPOINT_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"b\"}", 1, NULL));
}

static void test_unit_takes_the_first_present(void **state)
{
    static const char all[] = CHAT_JSON("\"prompt_cache_key\":\"p\",\"safety_identifier\":\"i\","
                                        "\"user\":\"u\",",
                                        USER("q"));
    static const char all_other_text[] = CHAT_JSON(
        "\"prompt_cache_key\":\"p\",\"safety_identifier\":\"j\",", USER("r"));
    uint64_t session = unit(ENDPOINT_CHAT, all, 1, "s");
    uint64_t cache_key = unit(ENDPOINT_CHAT, all, 1, NULL);
    uint64_t safety = unit(ENDPOINT_CHAT,
                           CHAT_JSON("\"safety_identifier\":\"i\",\"user\":\"u\",", USER("q")), 1,
                           NULL);
    uint64_t user = unit(ENDPOINT_CHAT, CHAT_JSON("\"user\":\"u\",", USER("q")), 1, NULL);
    uint64_t none = unit(ENDPOINT_CHAT, CHAT_JSON("", USER("q")), 1, NULL);

    (void) state;
    assert_true(session == unit(ENDPOINT_CHAT, all_other_text, 1, "s"));
    assert_true(session != unit(ENDPOINT_CHAT, all, 1, "t"));
    assert_true(cache_key == unit(ENDPOINT_CHAT, all_other_text, 1, NULL));
    assert_true(safety == unit(ENDPOINT_CHAT,
                               CHAT_JSON("\"safety_identifier\":\"i\",\"user\":\"v\",", USER("q")),
                               1, NULL));
    /* With a person goes the first message: people have several conversations. */
    assert_true(safety !=
                unit(ENDPOINT_CHAT, CHAT_JSON("\"safety_identifier\":\"i\",", USER("r")), 1, NULL));
    assert_true(user != unit(ENDPOINT_CHAT, CHAT_JSON("\"user\":\"u\",", USER("r")), 1, NULL));
    assert_true(session != cache_key && cache_key != safety && safety != user && user != none);
    /* An empty one is none. */
    assert_true(none == unit(ENDPOINT_CHAT,
                             CHAT_JSON("\"user\":\"\",\"prompt_cache_key\":\"\",", USER("q")), 1,
                             ""));
    /* The same word in another place is another unit. */
    assert_true(unit(ENDPOINT_CHAT, CHAT_JSON("\"user\":\"w\",", USER("q")), 1, NULL) !=
                unit(ENDPOINT_CHAT, CHAT_JSON("\"safety_identifier\":\"w\",", USER("q")), 1, NULL));
}

static uint64_t unit_of_long(size_t length, size_t change_at)
{
    static char json[20000];
    size_t n = (size_t) snprintf(json, sizeof(json),
                                 "{\"model\":\"m\",\"messages\":[{\"role\":"
                                 "\"user\",\"content\":\"");

    memset(json + n, 'x', length);
    json[n + change_at] = 'y';
    snprintf(json + n + length, sizeof(json) - n - length, "\"}]}");
    return unit(ENDPOINT_CHAT, json, 1, NULL);
}

/* Long messages count by both ends and their length. */
static void test_unit_of_long_message(void **state)
{
    uint64_t base = unit_of_long(10000, 5000);

    (void) state;
    assert_true(unit_of_long(10000, 0) != base);
    assert_true(unit_of_long(10000, 9999) != base);
    assert_true(unit_of_long(10001, 5000) != base);
    assert_true(unit_of_long(10256, 5000) != base);
    assert_true(unit_of_long(10000, 5000) == base);
    assert_true(unit_of_long(4000, 2000) != unit_of_long(4000, 2001));
}

static void test_unit_depends_on_the_installation(void **state)
{
    static const struct install_key other = {{1, 2, 4}};
    struct parsed p;

    (void) state;
    good(&p, ENDPOINT_CHAT, "{\"model\":\"m\"," HELLO "}");
    assert_true(request_unit(&p.r, &key, 1, SLICE_NONE) !=
                request_unit(&p.r, &other, 1, SLICE_NONE));
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_nulls_are_defaults),
        cmocka_unit_test(test_members_of_any_type),
        cmocka_unit_test(test_other_endpoints),
        cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_estimated_parts),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_unit_of_conversation),
        cmocka_unit_test(test_unit_takes_the_first_present),
        cmocka_unit_test(test_unit_of_long_message),
        cmocka_unit_test(test_unit_depends_on_the_installation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
