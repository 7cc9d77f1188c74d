/* One test a row of the table: first of a graph of one node, what the row changes, and that all other
 * bytes are the client's; then of the nodes of a larger one. */
#include "router/nodecall.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_def old_model = {.name = "m", .id = "llama3.2:1b"};
static const struct model_def new_model = {
    .name = "m", .id = "llama3.2:1b", .capabilities = CAPABILITY_MAX_COMPLETION_TOKENS};

static char made[4096];

/* The body that goes upstream, in `made`. */
static enum err build(enum endpoint endpoint, const char *json, const struct node_ask *ask,
                      const struct model_def *model, struct nodecall *call)
{
    struct reqbody *body = reqbody_new(strlen(json));
    struct errbuf err = {""};
    const char *param;
    struct arena room;
    struct request r;
    size_t length = 0;
    enum err rc;
    size_t i;

    assert_non_null(body);
    memcpy(body->bytes, json, body->length);
    arena_init(&room, 256, 65536);
    if (request_parse(&r, endpoint, body, &room, &param, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    rc = nodecall_build(&r, ask, model, &room, call);
    for (i = 0; rc == ERR_NONE && i < call->count; i++) {
        assert_true(length + call->pieces[i].n < sizeof(made));
        memcpy(made + length, call->pieces[i].p, call->pieces[i].n);
        length += call->pieces[i].n;
    }
    made[length] = '\0';
    request_fini(&r);
    arena_fini(&room);
    return rc;
}

static struct nodecall make(enum endpoint endpoint, const char *json, const struct model_def *model)
{
    struct nodecall call;

    assert_int_equal(build(endpoint, json, NULL, model, &call), ERR_NONE);
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

/* ---- a graph of several nodes ---- */

static const struct model_def no_system = {
    .name = "m", .id = "llama3.2:1b", .capabilities = CAPABILITY_NO_SYSTEM};

static struct node_ask ask_of(bool is_output)
{
    return (struct node_ask) {.is_output = is_output,
                              .temperature = (double) NAN,
                              .top_p = (double) NAN,
                              .max_tokens = 2048,
                              .seed = UINT32_MAX};
}

static void asks(const struct node_ask *ask, const char *json, const struct model_def *model,
                 const char *want)
{
    struct nodecall call;

    assert_int_equal(build(ENDPOINT_CHAT, json, ask, model, &call), ERR_NONE);
    assert_string_equal(made, want);
    assert_true(call.stream);
    assert_string_equal(call.path, "/chat/completions");
}

#define HI "{\"role\":\"user\",\"content\":\"hi\"}"
#define USAGE "\"stream_options\":{\"include_usage\":true}"
/* What a client sends, what the output node is sent of it, and what any other is: `messages` besides
 * `members`, and what is ours. */
#define SENT(members, messages) "{\"model\":\"auto\"," members "\"messages\":[" messages "]}"
#define OUTPUT(first, members, messages)                                                           \
    "{\"stream\":true," USAGE "," first "\"model\":\"llama3.2:1b\"," members                       \
    "\"messages\":[" messages "]}"
#define INNER_OF(messages, ours, cap, members)                                                     \
    "{\"model\":\"llama3.2:1b\",\"messages\":[" messages "],\"stream\":true," USAGE ours           \
    ",\"seed\":4294967295,\"" cap "\":2048" members "}"
#define INNER(messages, members) INNER_OF(messages, "", "max_tokens", members)

static void output_asks(const char *json, const char *want)
{
    struct node_ask ask = ask_of(true);

    asks(&ask, json, &old_model, want);
}

static void inner_asks(const char *json, const char *want)
{
    struct node_ask ask = ask_of(false);

    asks(&ask, json, &old_model, want);
}

static void test_row_model(void **state)
{
    static const struct model_def odd = {.id = "a\"b\\\n\xC3\xA4"};
    struct node_ask ask = ask_of(false);

    (void) state;
    output_asks(SENT("", HI), OUTPUT("", "", HI));
    inner_asks(SENT("", HI), INNER(HI, ""));
    asks(&ask, SENT("", HI), &odd,
         "{\"model\":\"a\\\"b\\\\\\n\xC3\xA4\",\"messages\":[" HI "],\"stream\":true," USAGE
         ",\"seed\":4294967295,\"max_tokens\":2048}");
}

static void test_row_stream(void **state)
{
    (void) state;
    output_asks(SENT("\"stream\" : false,", HI),
                "{" USAGE ",\"model\":\"llama3.2:1b\",\"stream\" : true,\"messages\":[" HI "]}");
    output_asks(SENT("\"stream\":null,", HI),
                "{" USAGE ",\"model\":\"llama3.2:1b\",\"stream\":true,\"messages\":[" HI "]}");
    output_asks(SENT("\"stream\": true,", HI),
                "{" USAGE ",\"model\":\"llama3.2:1b\",\"stream\": true,\"messages\":[" HI "]}");
    inner_asks(SENT("\"stream\":false,", HI), INNER(HI, ""));
    inner_asks(SENT("\"stream\":true,", HI), INNER(HI, ""));
}

static void test_row_stream_options(void **state)
{
#define WITH_OPTIONS(options)                                                                      \
    "{\"stream\":true,\"model\":\"llama3.2:1b\",\"stream_options\":" options ",\"messages\":[" HI  \
    "]}"
    (void) state;
    output_asks(SENT("\"stream_options\":{\"x\":1},", HI),
                WITH_OPTIONS("{\"include_usage\":true,\"x\":1}"));
    output_asks(SENT("\"stream_options\":{\"include_usage\" :false},", HI),
                WITH_OPTIONS("{\"include_usage\" :true}"));
    output_asks(SENT("\"stream_options\":null,", HI), WITH_OPTIONS("{\"include_usage\":true}"));
    output_asks(SENT("\"stream_options\":{\"include_usage\": true},", HI),
                WITH_OPTIONS("{\"include_usage\": true}"));
    inner_asks(SENT("\"stream_options\":{\"include_usage\":false,\"x\":1},", HI), INNER(HI, ""));
}

#define SAMPLING "\"temperature\" : 0.10,\"t\\u006fp_p\":null,"

static void test_row_temperature_and_top_p(void **state)
{
    struct node_ask output = ask_of(true);
    struct node_ask inner = ask_of(false);

    (void) state;
    /* NAN: as sent, or not at all. */
    output_asks(SENT(SAMPLING, HI), OUTPUT("", SAMPLING, HI));
    inner_asks(SENT(SAMPLING, HI), INNER(HI, ""));
    output.temperature = inner.temperature = 0.7;
    asks(&output, SENT(SAMPLING, HI), &old_model,
         OUTPUT("", "\"temperature\" : 0.7,\"t\\u006fp_p\":null,", HI));
    asks(&output, SENT("", HI), &old_model, OUTPUT("\"temperature\":0.7,", "", HI));
    asks(&inner, SENT(SAMPLING, HI), &old_model,
         INNER_OF(HI, ",\"temperature\":0.7", "max_tokens", ""));
    output.top_p = inner.top_p = 1.0 / 3;
    output.temperature = inner.temperature = 0.0;
    asks(&output, SENT(SAMPLING, HI), &old_model,
         OUTPUT("", "\"temperature\" : 0,\"t\\u006fp_p\":0.3333333333333333,", HI));
    asks(&output, SENT("", HI), &old_model,
         OUTPUT("\"temperature\":0,\"top_p\":0.3333333333333333,", "", HI));
    asks(&inner, SENT("", HI), &old_model,
         INNER_OF(HI, ",\"temperature\":0,\"top_p\":0.3333333333333333", "max_tokens", ""));
}

/* Of a row that the output node gets as sent and others do not get. */
static void only_output_gets(const char *members)
{
    char json[1024];
    char want[1024];

    snprintf(json, sizeof(json), SENT("%s", HI), members);
    snprintf(want, sizeof(want), OUTPUT("", "%s", HI), members);
    output_asks(json, want);
    inner_asks(json, INNER(HI, ""));
}

static void test_row_penalties_and_logit_bias(void **state)
{
    (void) state;
    only_output_gets(
        "\"presence_penalty\":0.50,\"frequency_penalty\":-1,\"logit_bias\":{\"1\":5},");
}

static void test_row_seed(void **state)
{
    struct node_ask ask = ask_of(false);

    (void) state;
    only_output_gets("\"seed\": 9007199254740993 ,");
    ask.seed = 0;
    asks(&ask, SENT("\"seed\":5,", HI), &old_model,
         "{\"model\":\"llama3.2:1b\",\"messages\":[" HI "],\"stream\":true," USAGE
         ",\"seed\":0,\"max_tokens\":2048}");
}

static void test_row_max_tokens(void **state)
{
    struct node_ask output = ask_of(true);
    struct node_ask inner = ask_of(false);

    (void) state;
    output_asks(SENT("\"max_tokens\":9,", HI), OUTPUT("", "\"max_tokens\":9,", HI));
    output_asks(SENT("\"max_completion_tokens\":9,", HI), OUTPUT("", "\"max_tokens\":9,", HI));
    asks(&output, SENT("\"max_tokens\":9,", HI), &new_model,
         OUTPUT("", "\"max_completion_tokens\":9,", HI));
    asks(&output, SENT("", HI), &new_model, OUTPUT("", "", HI));
    inner_asks(SENT("\"max_tokens\":9,", HI), INNER(HI, ""));
    inner_asks(SENT("\"max_completion_tokens\":9,", HI), INNER(HI, ""));
    asks(&inner, SENT("\"max_tokens\":9,", HI), &new_model,
         INNER_OF(HI, "", "max_completion_tokens", ""));
}

#define FORMAT "\"response_f\\u006frmat\" : { \"type\":\"json_object\"}"

static void test_row_response_format(void **state)
{
    struct node_ask ask = ask_of(false);

    (void) state;
    only_output_gets(FORMAT ",");
    ask.is_deliverable = true;
    asks(&ask, SENT(FORMAT ",", HI), &old_model, INNER(HI, "," FORMAT));
    asks(&ask, SENT("", HI), &old_model, INNER(HI, ""));
}

static void test_row_tools(void **state)
{
    struct node_ask ask = ask_of(false);

    (void) state;
    ask.is_deliverable = true;
    only_output_gets("\"tools\":[{\"type\":\"function\"}],\"tool_choice\":\"auto\","
                     "\"functions\":[],\"parallel_tool_calls\":false,");
    asks(&ask, SENT("\"tools\":[{}],\"tool_choice\":\"none\",", HI), &old_model, INNER(HI, ""));
}

static void test_row_reasoning_effort_and_pass(void **state)
{
    static const char *const pass[] = {"x-lora", "verbosity", "temperature", "seed",  "messages",
                                       "x-lora", "missing",   "n",           "tools", NULL};
    struct node_ask ask = ask_of(false);

    (void) state;
    output_asks(SENT("\"reasoning_effort\": \"low\",\"x-lora\":1,", HI),
                OUTPUT("", "\"reasoning_effort\": \"low\",\"x-lora\":1,", HI));
    inner_asks(SENT("\"verbosity\":\"low\",\"reasoning_effort\": \"low\",", HI),
               INNER(HI, ",\"reasoning_effort\": \"low\""));
    ask.pass = pass;
    asks(&ask,
         SENT("\"seed\":5,\"verbosity\":null,\"n\":1,\"tools\":[],\"temperature\":1,\"x-"
              "lor\\u0061\" :1.0e+2,",
              HI),
         &old_model, INNER(HI, ",\"x-lor\\u0061\" :1.0e+2,\"verbosity\":null"));
    asks(&ask, SENT("\"reasoning_effort\":null,", HI), &old_model,
         INNER(HI, ",\"reasoning_effort\":null"));
    ask.pass = pass + ARRAY_LEN(pass) - 1;
    asks(&ask, SENT("\"verbosity\":null,", HI), &old_model, INNER(HI, ""));
}

static void test_row_n(void **state)
{
    struct node_ask ask = ask_of(true);
    struct nodecall call;

    (void) state;
    only_output_gets("\"n\": 3,");
    assert_int_equal(build(ENDPOINT_CHAT, SENT("\"n\":3,", HI), &ask, &old_model, &call), ERR_NONE);
    assert_int_equal(call.choices, 3);
    ask.is_output = false;
    assert_int_equal(build(ENDPOINT_CHAT, SENT("\"n\":3,", HI), &ask, &old_model, &call), ERR_NONE);
    assert_int_equal(call.choices, 1);
    assert_int_equal(make(ENDPOINT_CHAT, SENT("\"n\":3,", HI), &old_model).choices, 3);
    assert_int_equal(make(ENDPOINT_CHAT, SENT("", HI), &old_model).choices, 1);
}

static void test_may_pass(void **state)
{
    (void) state;
    assert_true(nodecall_may_pass("top_k"));
    assert_true(nodecall_may_pass("stop"));
    assert_false(nodecall_may_pass("model"));
    assert_false(nodecall_may_pass("logit_bias"));
    assert_false(nodecall_may_pass("reasoning_effort"));
}

static void test_row_all_else(void **state)
{
    (void) state;
    only_output_gets("\"stop\":[\"\\n\"],\"logprobs\":true,\"top_logprobs\":2,"
                     "\"store\":true,\"metadata\":{\"a\":\"b\"},\"prediction\":null,"
                     "\"modalities\":[\"text\"],\"audio\":null,\"user\":\"u\",\"unknown\":[{}],");
}

/* ---- instruction and frame ---- */

#define SYSTEM(content) "{\"role\":\"system\",\"content\":" content "}"
#define USER(content) "{\"role\":\"user\",\"content\":" content "}"
#define ASSISTANT(content) "{\"role\":\"assistant\",\"content\":" content "}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define PICTURE "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,x\"}}"

/* Output and inner nodes are told the same. */
static void told(const char *instruction, const char *frame, const struct model_def *model,
                 const char *messages, const char *want_messages)
{
    struct node_ask ask = ask_of(true);
    char json[2048];
    char want[2048];

    ask.instruction = slice_of(instruction);
    ask.frame = slice_of(frame);
    snprintf(json, sizeof(json), SENT("\"seed\":9007199254740993,", "%s"), messages);
    snprintf(want, sizeof(want), OUTPUT("", "\"seed\":9007199254740993,", "%s"), want_messages);
    asks(&ask, json, model, want);
    ask.is_output = false;
    snprintf(want, sizeof(want), INNER("%s", ""), want_messages);
    asks(&ask, json, model, want);
}

static void test_instruction(void **state)
{
    (void) state;
    told("A \"B\"\n", NULL, &old_model, USER("\"q\"") "," SYSTEM("\"s\"") "," SYSTEM("\"t\""),
         USER("\"q\"") "," SYSTEM("\"A \\\"B\\\"\\n\\n\\ns\"") "," SYSTEM("\"t\""));
    told("A", NULL, &old_model, SYSTEM("\"\"") "," HI, SYSTEM("\"A\"") "," HI);
    told("A", NULL, &old_model, SYSTEM("[" TEXT("s") "]") "," HI,
         SYSTEM("[" TEXT("A\\n\\n") "," TEXT("s") "]") "," HI);
    told("A", NULL, &old_model, SYSTEM("[ ]") "," HI, SYSTEM("[" TEXT("A") " ]") "," HI);
    told("A", NULL, &old_model, "{\"content\":\"s\",\"role\":\"developer\"}," HI,
         "{\"content\":\"A\\n\\ns\",\"role\":\"developer\"}," HI);
}

static void test_instruction_without_system_message(void **state)
{
    (void) state;
    told("A", NULL, &old_model, HI, SYSTEM("\"A\"") "," HI);
    /* One that holds no text is none, and no user is needed. */
    told("A", NULL, &old_model, SYSTEM("null") "," ASSISTANT("\"x\""),
         SYSTEM("\"A\"") "," SYSTEM("null") "," ASSISTANT("\"x\""));
}

static void test_frame(void **state)
{
    (void) state;
    told(NULL, "F \"G\"", &old_model, USER("\"q\\u0041\"") "," USER("\"r\"") "," ASSISTANT("\"a\""),
         USER("\"q\\u0041\"") "," USER("\"r\\n\\nF \\\"G\\\"\"") "," ASSISTANT("\"a\""));
    told(NULL, "F", &old_model, USER("\"\""), USER("\"F\""));
    told(NULL, "F", &old_model, USER("[" TEXT("r") "," PICTURE " ]"),
         USER("[" TEXT("r") "," PICTURE " ," TEXT("\\n\\nF") "]"));
    told(NULL, "F", &old_model, USER("[]"), USER("[" TEXT("F") "]"));
}

static void test_both(void **state)
{
    (void) state;
    told("A", "F", &old_model, SYSTEM("\"s\"") "," HI,
         SYSTEM("\"A\\n\\ns\"") "," USER("\"hi\\n\\nF\""));
    told("A", "F", &old_model, HI, SYSTEM("\"A\"") "," USER("\"hi\\n\\nF\""));
}

static void test_both_without_system(void **state)
{
    (void) state;
    told("A", "F", &no_system, SYSTEM("\"s\"") "," HI "," ASSISTANT("\"a\"") "," HI,
         SYSTEM("\"s\"") "," HI "," ASSISTANT("\"a\"") "," USER("\"A\\n\\nhi\\n\\nF\""));
    told("A", NULL, &no_system, HI, USER("\"A\\n\\nhi\""));
    told("A", NULL, &no_system, USER("\"\""), USER("\"A\""));
    told("A", "F", &no_system, USER("\"\""), USER("\"A\\n\\nF\""));
    told("A", "F", &no_system, USER("[" PICTURE "]"),
         USER("[" TEXT("A\\n\\n") "," PICTURE "," TEXT("\\n\\nF") "]"));
    told("A", "F", &no_system, USER("[]"), USER("[" TEXT("A") "," TEXT("\\n\\nF") "]"));
}

static void test_no_place_for_it(void **state)
{
    static const char *const messages[] = {
        SENT("", ASSISTANT("\"a\"")),
        SENT("", HI "," USER("null")),
        SENT("", HI ",{\"role\":\"user\"}"),
    };
    struct node_ask frame = ask_of(false);
    struct node_ask instruction = ask_of(true);
    struct nodecall call;
    size_t i;

    (void) state;
    frame.frame = slice_of("F");
    instruction.instruction = slice_of("A");
    for (i = 0; i < ARRAY_LEN(messages); i++) {
        assert_int_equal(build(ENDPOINT_CHAT, messages[i], &frame, &old_model, &call), ERR_INPUT);
        assert_int_equal(build(ENDPOINT_CHAT, messages[i], &instruction, &no_system, &call),
                         ERR_INPUT);
        assert_int_equal(build(ENDPOINT_CHAT, messages[i], &instruction, &old_model, &call),
                         ERR_NONE);
    }
    assert_int_equal(build(ENDPOINT_COMPLETIONS, "{\"model\":\"auto\",\"prompt\":\"\"}", &frame,
                           &old_model, &call),
                     ERR_USE);
}

/* Every row at once, where splices might get into each other's way. */
static void test_all_rows_of_an_output(void **state)
{
    struct node_ask ask = ask_of(true);
    struct model_def model = new_model;

    (void) state;
    ask.temperature = 0.2;
    ask.top_p = 0.9;
    ask.instruction = slice_of("A");
    ask.frame = slice_of("F");
    asks(&ask, "{\"messages\":[" HI "],\"max_tokens\":5,\"model\":\"auto\"}", &model,
         "{\"stream\":true," USAGE
         ",\"temperature\":0.2,\"top_p\":0.9,\"messages\":[" SYSTEM("\"A\"") "," USER(
             "\"hi\\n\\nF\"") "],\"max_completion_tokens\":5,\"model\":\"llama3.2:1b\"}");
    model.capabilities |= CAPABILITY_NO_SYSTEM;
    asks(&ask,
         "{\"model\":\"auto\",\"messages\":[" HI "],\"stream_options\":{},\"max_tokens\":5,"
         "\"top_p\":1,\"temperature\":1,\"stream\":false}",
         &model,
         "{\"model\":\"llama3.2:1b\",\"messages\":[" USER(
             "\"A\\n\\nhi\\n\\nF\"") "]," USAGE ",\"max_completion_tokens\":5,\"top_p\":0.9,"
                                     "\"temperature\":0.2,"
                                     "\"stream\":true}");
}

/* ---- memory ---- */

static struct reqbody *body_with_picture(size_t bytes)
{
    static const char head[] = "{\"model\":\"auto\",\"response_format\":{},\"x\":1,\"messages\":["
                               "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                               "\"image_url\":{\"url\":\"data:image/png;base64,";
    static const char tail[] = "\"}}]}]}";
    struct reqbody *body = reqbody_new(sizeof(head) + sizeof(tail) - 2 + bytes);

    assert_non_null(body);
    memcpy(body->bytes, head, sizeof(head) - 1);
    memset(body->bytes + sizeof(head) - 1, 'A', bytes);
    memcpy(body->bytes + sizeof(head) - 1 + bytes, tail, sizeof(tail) - 1);
    return body;
}

/* Whatever the cap of the room, a call is whole or refused. */
static void check_room(const struct request *r, const struct node_ask *ask, size_t body_bytes)
{
    enum { ROOM_BYTES = 6000, STEP = 8 };
    size_t cap;

    for (cap = 0; cap < ROOM_BYTES; cap += STEP) {
        struct nodecall call;
        struct arena room;
        size_t length = 0;
        size_t i;
        enum err rc;

        arena_init(&room, 16, cap);
        rc = nodecall_build(r, ask, &old_model, &room, &call);
        assert_int_equal(rc, arena_is_sour(&room) ? ERR_NOMEM : ERR_NONE);
        for (i = 0; rc == ERR_NONE && i < call.count; i++) {
            length += call.pieces[i].n;
        }
        assert_true(rc != ERR_NONE || length > body_bytes);
        assert_true(cap > 0 || rc == ERR_NOMEM);
        assert_true(cap + STEP < ROOM_BYTES || rc == ERR_NONE);
        arena_fini(&room);
    }
}

/* The room is far smaller than the picture: its bytes are only pointed at. */
static void test_room(void **state)
{
    static const char *const pass[] = {"x", NULL};
    enum { PICTURE_BYTES = 300000 };
    struct node_ask ask = ask_of(false);
    struct errbuf err = {""};
    const char *param;
    struct arena strings;
    struct request r;

    (void) state;
    ask.temperature = ask.top_p = 0.5;
    ask.is_deliverable = true;
    ask.pass = pass;
    ask.instruction = slice_of("Be brief.");
    ask.frame = slice_of("One candidate.");
    arena_init(&strings, 256, 65536);
    assert_int_equal(
        request_parse(&r, ENDPOINT_CHAT, body_with_picture(PICTURE_BYTES), &strings, &param, &err),
        ERR_NONE);
    check_room(&r, &ask, PICTURE_BYTES);
    ask.is_output = true;
    check_room(&r, &ask, PICTURE_BYTES);
    request_fini(&r);
    arena_fini(&strings);
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
        cmocka_unit_test(test_row_model),
        cmocka_unit_test(test_row_stream),
        cmocka_unit_test(test_row_stream_options),
        cmocka_unit_test(test_row_temperature_and_top_p),
        cmocka_unit_test(test_row_penalties_and_logit_bias),
        cmocka_unit_test(test_row_seed),
        cmocka_unit_test(test_row_max_tokens),
        cmocka_unit_test(test_row_response_format),
        cmocka_unit_test(test_row_tools),
        cmocka_unit_test(test_row_reasoning_effort_and_pass),
        cmocka_unit_test(test_row_n),
        cmocka_unit_test(test_may_pass),
        cmocka_unit_test(test_row_all_else),
        cmocka_unit_test(test_instruction),
        cmocka_unit_test(test_instruction_without_system_message),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_both),
        cmocka_unit_test(test_both_without_system),
        cmocka_unit_test(test_no_place_for_it),
        cmocka_unit_test(test_all_rows_of_an_output),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
