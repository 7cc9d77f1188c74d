/* One test a row of the output node's table: what the row changes, and that all
 * other bytes are the client's. */
#include "router/nodecall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_def old_model = {.name = "m", .id = "llama3.2:1b"};
static const struct model_def new_model = {
    .name = "m", .id = "llama3.2:1b", .capabilities = CAPABILITY_MAX_COMPLETION_TOKENS};

static char made[2048];

/* The body that goes upstream, in `made`. */
static struct nodecall make(enum endpoint endpoint, const char *json, const struct model_def *model)
{
    struct reqbody *body = reqbody_new(strlen(json));
    struct errbuf err = {""};
    const char *param;
    struct arena room;
    struct nodecall call;
    struct request r;
    size_t length = 0;
    size_t i;

    assert_non_null(body);
    memcpy(body->bytes, json, body->length);
    arena_init(&room, 256, 65536);
    if (request_parse(&r, endpoint, body, &room, &param, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    assert_int_equal(nodecall_build(&r, NULL, model, &room, &call), ERR_NONE);
    for (i = 0; i < call.count; i++) {
        assert_true(length + call.pieces[i].n < sizeof(made));
        memcpy(made + length, call.pieces[i].p, call.pieces[i].n);
        length += call.pieces[i].n;
    }
    made[length] = '\0';
    request_fini(&r);
    arena_fini(&room);
    return call;
}

static void becomes(enum endpoint endpoint, const char *json, const struct model_def *model,
                    const char *want)
{
    make(endpoint, json, model);
    assert_string_equal(made, want);
}

/* A chat request around one changing part. The rest is spelt as no serialiser of ours would. */
#define BEFORE " {\n\t\"seed\": 9007199254740993 , \"x\\u0079\":[1.0e+05,-0.0,\"\\u00e4\\/\"],"
#define AFTER                                                                                      \
    "\"messages\" :[ {\"role\":\"user\",\"content\":\"model stream \\\"max_tokens\\\"\"} ],"       \
    "\"seed\":1}\r\n"
#define FROM(part) BEFORE "\"model\":\"auto\"," part AFTER
#define TO(part) BEFORE "\"model\":\"llama3.2:1b\"," part AFTER
/* As inserted members go first. */
#define TO_FIRST(first, part)                                                                      \
    " {" first ",\n\t\"seed\": 9007199254740993 , \"x\\u0079\":[1.0e+05,-0.0,\"\\u00e4\\/\"],"     \
    "\"model\":\"llama3.2:1b\"," part AFTER

static void test_model(void **state)
{
    static const struct model_def odd = {.id = "a\"b\\\n\xC3\xA4"};

    (void) state;
    becomes(ENDPOINT_CHAT, FROM(""), &old_model, TO(""));
    becomes(ENDPOINT_EMBEDDINGS, "{\"input\":\"x\",\"mod\\u0065l\" : \"au\\u0074o\" }", &old_model,
            "{\"input\":\"x\",\"mod\\u0065l\" : \"llama3.2:1b\" }");
    becomes(ENDPOINT_EMBEDDINGS, "{\"input\":\"x\",\"model\":\"auto\"}", &odd,
            "{\"input\":\"x\",\"model\":\"a\\\"b\\\\\\n\xC3\xA4\"}");
}

static void test_stream_of_json_client_is_as_sent(void **state)
{
    (void) state;
    assert_false(make(ENDPOINT_CHAT, FROM(""), &old_model).stream);
    assert_string_equal(made, TO(""));
    assert_false(make(ENDPOINT_CHAT, FROM("\"stream\":false,"), &old_model).stream);
    assert_string_equal(made, TO("\"stream\":false,"));
    assert_false(make(ENDPOINT_CHAT, FROM("\"stream\" : null,"), &old_model).stream);
    assert_string_equal(made, TO("\"stream\" : null,"));
    becomes(ENDPOINT_CHAT, FROM("\"stream_options\":{\"include_usage\":false},"), &old_model,
            TO("\"stream_options\":{\"include_usage\":false},"));
}

#define STREAM "\"stream\":true,"

static void test_stream_asks_for_usage(void **state)
{
    (void) state;
    assert_true(make(ENDPOINT_CHAT, FROM(STREAM), &old_model).stream);
    assert_string_equal(made, TO_FIRST("\"stream_options\":{\"include_usage\":true}", STREAM));
    becomes(ENDPOINT_CHAT, FROM(STREAM "\"stream_options\": null ,"), &old_model,
            TO(STREAM "\"stream_options\": {\"include_usage\":true} ,"));
    becomes(ENDPOINT_CHAT, FROM(STREAM "\"stream_options\":{},"), &old_model,
            TO(STREAM "\"stream_options\":{\"include_usage\":true},"));
    becomes(
        ENDPOINT_CHAT, FROM(STREAM "\"stream_options\":{ \"include_obfuscation\":false },"),
        &old_model,
        TO(STREAM "\"stream_options\":{\"include_usage\":true, \"include_obfuscation\":false },"));
    becomes(ENDPOINT_CHAT,
            FROM(STREAM "\"stream_options\":{\"a\":1,\"include_usage\" : false,\"b\":2},"),
            &old_model,
            TO(STREAM "\"stream_options\":{\"a\":1,\"include_usage\" : true,\"b\":2},"));
    becomes(ENDPOINT_CHAT, FROM(STREAM "\"stream_options\":{\"include_usage\":null},"), &old_model,
            TO(STREAM "\"stream_options\":{\"include_usage\":true},"));
    becomes(ENDPOINT_CHAT, FROM(STREAM "\"stream_options\":{\"include_usage\": true},"), &old_model,
            TO(STREAM "\"stream_options\":{\"include_usage\": true},"));
    becomes(
        ENDPOINT_COMPLETIONS, "{\"model\":\"auto\",\"prompt\":\"\",\"stream\":true}", &old_model,
        "{\"stream_options\":{\"include_usage\":true},\"model\":\"llama3.2:1b\",\"prompt\":\"\","
        "\"stream\":true}");
}

static void test_embeddings_do_not_stream(void **state)
{
    (void) state;
    assert_false(make(ENDPOINT_EMBEDDINGS, "{\"model\":\"auto\",\"input\":\"x\",\"stream\":true}",
                      &old_model)
                     .stream);
    assert_string_equal(made, "{\"model\":\"llama3.2:1b\",\"input\":\"x\",\"stream\":true}");
}

static void test_max_tokens_is_spelt_as_the_model_wants(void **state)
{
    (void) state;
    becomes(ENDPOINT_CHAT, FROM("\"max_tokens\" : 100,"), &old_model, TO("\"max_tokens\" : 100,"));
    becomes(ENDPOINT_CHAT, FROM("\"max_tokens\" : 100,"), &new_model,
            TO("\"max_completion_tokens\" : 100,"));
    becomes(ENDPOINT_CHAT, FROM("\"max\\u005ftokens\":100,"), &new_model,
            TO("\"max_completion_tokens\":100,"));
    becomes(ENDPOINT_CHAT, FROM("\"max_completion_tokens\":100,"), &new_model,
            TO("\"max_completion_tokens\":100,"));
    becomes(ENDPOINT_CHAT, FROM("\"max_completion_tokens\":null,"), &old_model,
            TO("\"max_tokens\":null,"));
    becomes(ENDPOINT_CHAT, FROM("\"max_tokens\":1,\"max_completion_tokens\":2,"), &old_model,
            TO("\"max_tokens\":1,\"max_completion_tokens\":2,"));
    becomes(ENDPOINT_CHAT, FROM("\"max_tokens\":1,\"max_completion_tokens\":2,"), &new_model,
            TO("\"max_tokens\":1,\"max_completion_tokens\":2,"));
    /* /v1/completions knows one spelling only. */
    becomes(ENDPOINT_COMPLETIONS, "{\"model\":\"auto\",\"prompt\":\"\",\"max_tokens\":1}",
            &new_model, "{\"model\":\"llama3.2:1b\",\"prompt\":\"\",\"max_tokens\":1}");
}

/* All rows at once, and everything that no row names. */
static void test_all_else_is_as_sent(void **state)
{
    static const char rest[] =
        "\"temperature\":0.70,\"top_p\":1.0,\"logit_bias\":{\"50256\":-100},\"response_format\":"
        "{\"type\":\"json_schema\",\"json_schema\":{\"model\":\"x\",\"stream\":false}},\"tools\":"
        "[{\"type\":\"function\",\"max_tokens\":3}],\"stop\":[\"\\n\"],\"logprobs\":true,"
        "\"metadata\":{\"stream_options\":null},\"unknown\":{\"deep\":[[[{}]]]},";
    char from[2048];
    char want[2048];

    (void) state;
    snprintf(from, sizeof(from), "%s%s%s", BEFORE "\"model\":\"auto\"," STREAM, rest,
             "\"max_tokens\":5," AFTER);
    snprintf(want, sizeof(want), "%s%s%s",
             " {\"stream_options\":{\"include_usage\":true},\n\t\"seed\": 9007199254740993 , "
             "\"x\\u0079\":[1.0e+05,-0.0,\"\\u00e4\\/\"],\"model\":\"llama3.2:1b\"," STREAM,
             rest, "\"max_completion_tokens\":5," AFTER);
    becomes(ENDPOINT_CHAT, from, &new_model, want);
}

static void test_paths(void **state)
{
    (void) state;
    assert_string_equal(make(ENDPOINT_CHAT, FROM(""), &old_model).path, "/chat/completions");
    assert_string_equal(
        make(ENDPOINT_COMPLETIONS, "{\"model\":\"a\",\"prompt\":\"\"}", &old_model).path,
        "/completions");
    assert_string_equal(
        make(ENDPOINT_EMBEDDINGS, "{\"model\":\"a\",\"input\":\"\"}", &old_model).path,
        "/embeddings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_stream_of_json_client_is_as_sent),
        cmocka_unit_test(test_stream_asks_for_usage),
        cmocka_unit_test(test_embeddings_do_not_stream),
        cmocka_unit_test(test_max_tokens_is_spelt_as_the_model_wants),
        cmocka_unit_test(test_all_else_is_as_sent),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
