#include "router/request_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct looked {
    struct request r;
    struct arena room;
    struct request_facts f;
};

static void look_at(struct looked *l, enum endpoint endpoint, const char *json)
{
    struct reqbody *body = reqbody_new(strlen(json));
    struct errbuf err = {""};
    const char *param;

    assert_non_null(body);
    memcpy(body->bytes, json, body->length);
    arena_init(&l->room, 256, 65536);
    if (request_parse(&l->r, endpoint, body, &l->room, &param, &err) != ERR_NONE) {
        fail_msg("%s: %s", json, err.text);
    }
    request_facts(&l->r, &l->f);
}

static void done(struct looked *l)
{
    request_fini(&l->r);
    arena_fini(&l->room);
}

#define CHAT(members, messages) "{\"model\":\"m\"," members "\"messages\":[" messages "]}"
#define MESSAGE(role, content) "{\"role\":\"" role "\",\"content\":" content "}"
#define USER(content) MESSAGE("user", content)
#define HI USER("\"hi\"")

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    if (s.n > 0) {
        assert_memory_equal(s.p, text, s.n);
    }
}

/* ---- roles ---- */

static enum request_role last_role(const char *messages)
{
    struct looked l;
    char json[512];
    enum request_role role;

    snprintf(json, sizeof(json), CHAT("", "%s"), messages);
    look_at(&l, ENDPOINT_CHAT, json);
    role = l.f.last_role;
    done(&l);
    return role;
}

static void test_last_role(void **state)
{
    (void) state;
    assert_int_equal(last_role(HI), REQUEST_ROLE_USER);
    assert_int_equal(last_role("{\"content\":\"x\",\"r\\u006fle\":\"\\u0075ser\"}"),
                     REQUEST_ROLE_USER);
    assert_int_equal(last_role(HI "," MESSAGE("assistant", "\"Once\"")), REQUEST_ROLE_ASSISTANT);
    assert_int_equal(last_role(HI "," MESSAGE("tool", "\"4\"")), REQUEST_ROLE_TOOL);
    assert_int_equal(last_role(HI "," MESSAGE("function", "\"4\"")), REQUEST_ROLE_TOOL);
    assert_int_equal(last_role(HI "," MESSAGE("system", "\"4\"")), REQUEST_ROLE_SYSTEM);
    assert_int_equal(last_role(HI "," MESSAGE("developer", "\"4\"")), REQUEST_ROLE_SYSTEM);
    assert_int_equal(last_role(HI "," MESSAGE("User", "\"4\"")), REQUEST_ROLE_OTHER);
    assert_int_equal(last_role(HI ",{\"content\":\"x\"}"), REQUEST_ROLE_NONE);
    assert_int_equal(last_role(HI ",{\"role\":7}"), REQUEST_ROLE_NONE);
}

static void test_contents(void **state)
{
    struct looked l;

    (void) state;
    look_at(&l, ENDPOINT_CHAT,
            CHAT("", USER("\"one\"") "," MESSAGE("developer", "\"be brief\"") "," MESSAGE(
                         "system",
                         "\"be long\"") "," USER("[{\"type\":\"text\"}]") "," MESSAGE("assistant",
                                                                                      "\"a\"")));
    assert_slice(l.f.last_user.text, "[{\"type\":\"text\"}]");
    assert_int_equal(l.f.last_user.type, SPAN_ARRAY);
    assert_slice(l.f.first_system.text, "\"be brief\"");
    done(&l);

    look_at(&l, ENDPOINT_CHAT, CHAT("", MESSAGE("assistant", "\"a\"")));
    assert_int_equal(l.f.last_user.type, SPAN_ABSENT);
    assert_int_equal(l.f.first_system.type, SPAN_ABSENT);
    done(&l);

    /* A last user message without content is still the last. */
    look_at(&l, ENDPOINT_CHAT, CHAT("", HI ",{\"role\":\"user\"}"));
    assert_int_equal(l.f.last_user.type, SPAN_ABSENT);
    done(&l);
}

/* ---- one fact at a time ---- */

enum fact { TOOLS, JSON_SCHEMA, IMAGES, AUDIO, WANTS_AUDIO, LOGPROBS, CODE };

static bool has(enum fact fact, const char *json)
{
    struct looked l;
    bool facts[] = {false, false, false, false, false, false, false};

    look_at(&l, ENDPOINT_CHAT, json);
    facts[TOOLS] = l.f.has_tools;
    facts[JSON_SCHEMA] = l.f.has_json_schema;
    facts[IMAGES] = l.f.has_images;
    facts[AUDIO] = l.f.has_audio;
    facts[WANTS_AUDIO] = l.f.wants_audio;
    facts[LOGPROBS] = l.f.has_logprobs;
    facts[CODE] = l.f.has_code;
    done(&l);
    return facts[fact];
}

static void test_nothing(void **state)
{
    enum fact fact;

    (void) state;
    for (fact = TOOLS; fact <= CODE; fact++) {
        assert_false(has(fact, CHAT("", HI)));
        assert_false(has(fact, CHAT("\"tools\":null,\"functions\":null,\"response_format\":null,"
                                    "\"modalities\":null,\"audio\":null,\"logprobs\":null,",
                                    USER("null"))));
    }
}

static void test_tools(void **state)
{
    (void) state;
    assert_true(has(TOOLS, CHAT("\"tools\":[{}],", HI)));
    assert_true(has(TOOLS, CHAT("\"functions\":[{\"name\":\"f\"}],", HI)));
    assert_false(has(TOOLS, CHAT("\"tools\":[ ],\"functions\":[],", HI)));
    assert_false(has(TOOLS, CHAT("\"functions\":{\"name\":\"f\"},", HI)));
}

static void test_json_schema(void **state)
{
    (void) state;
    assert_true(has(JSON_SCHEMA, CHAT("\"response_format\":{\"type\":\"json_schema\"},", HI)));
    assert_true(has(JSON_SCHEMA, CHAT("\"response_format\":{\"type\":\"json_object\"},", HI)));
    assert_false(has(JSON_SCHEMA, CHAT("\"response_format\":{\"type\":\"text\"},", HI)));
    assert_false(has(JSON_SCHEMA, CHAT("\"response_format\":{\"type\":null},", HI)));
    assert_false(has(JSON_SCHEMA, CHAT("\"response_format\":\"json_schema\",", HI)));
}

static void test_images(void **state)
{
    (void) state;
    assert_true(
        has(IMAGES, CHAT("", USER("[7,{\"type\":\"text\",\"text\":\"?\"},{\"type\":"
                                  "\"image_url\",\"image_url\":{\"url\":\"data:\"}}]") "," HI)));
    assert_true(has(IMAGES, CHAT("", USER("[{\"type\":\"input_image\"}]"))));
    assert_false(has(IMAGES, CHAT("", USER("[{\"text\":\"image_url\",\"type\":\"text\"}]"))));
    assert_false(has(IMAGES, CHAT("", USER("{\"type\":\"image_url\"}"))));
}

static void test_audio(void **state)
{
    (void) state;
    assert_true(has(AUDIO, CHAT("", USER("[{\"type\":\"input_audio\"}]"))));
    assert_true(
        has(AUDIO, CHAT("", "{\"role\":\"assistant\",\"audio\":{\"id\":\"audio_1\"}}," HI)));
    assert_false(has(AUDIO, CHAT("", "{\"role\":\"assistant\",\"audio\":null}," HI)));
    assert_false(has(AUDIO, CHAT("\"modalities\":[\"text\",\"audio\"],", HI)));
    assert_true(has(WANTS_AUDIO, CHAT("\"modalities\":[\"text\",\"audio\"],", HI)));
    assert_true(has(WANTS_AUDIO, CHAT("\"audio\":{\"voice\":\"v\"},", HI)));
    assert_false(has(WANTS_AUDIO, CHAT("\"modalities\":[\"text\",7],", HI)));
    assert_false(has(WANTS_AUDIO, CHAT("", USER("[{\"type\":\"input_audio\"}]"))));
}

static void test_logprobs(void **state)
{
    (void) state;
    assert_true(has(LOGPROBS, CHAT("\"logprobs\":true,", HI)));
    assert_false(has(LOGPROBS, CHAT("\"logprobs\":false,\"top_logprobs\":5,", HI)));
}

static void test_code(void **state)
{
    (void) state;
    assert_true(has(CODE, CHAT("", USER("\"fix\\n```c\\nint x\\n```\""))));
    assert_true(has(CODE, CHAT("", USER("\"fix \\u0060\\u0060\\u0060\""))));
    assert_true(has(CODE, CHAT("", USER("\"\\\\\\\\\\u0060\\u0060\\u0060\""))));
    assert_true(has(CODE, CHAT("", USER("[7,{\"text\":\"a\"},{\"text\":\"```\"}]"))));
    assert_false(has(CODE, CHAT("", USER("\"``x`\""))));
    /* A text about escapes, an answer, and what is no text. */
    assert_false(has(CODE, CHAT("", USER("\"\\\\u0060\\u0060\\u0060\""))));
    assert_false(has(CODE, CHAT("", MESSAGE("assistant", "\"```\"") "," HI)));
    assert_false(has(CODE, CHAT("", USER("[{\"image_url\":\"```\"}]"))));
}

static void test_other_endpoints_have_none(void **state)
{
    static const struct request_facts none;
    struct looked l;

    (void) state;
    look_at(&l, ENDPOINT_COMPLETIONS,
            "{\"model\":\"m\",\"prompt\":\"```\",\"logprobs\":true,\"messages\":[]}");
    assert_int_equal(l.f.last_role, none.last_role);
    assert_int_equal(l.f.last_user.type, SPAN_ABSENT);
    assert_false(l.f.has_logprobs || l.f.has_code);
    done(&l);
}

/* ---- texts ---- */

static void becomes(const char *json, size_t max_bytes, const char *want)
{
    struct span_value v = {.type = json[0] == '"' ? SPAN_STRING : SPAN_ARRAY,
                           .text = slice_of(json)};
    struct arena room;

    arena_init(&room, 64, 4096);
    assert_slice(request_text(&v, &room, max_bytes), want);
    arena_fini(&room);
}

static void test_text(void **state)
{
    (void) state;
    becomes("\"\"", 100, "");
    becomes("\"a\\u00e4\\n\\ud83d\\ude00\\\\\\\"\\/z\"", 100, "a\xC3\xA4\n\xF0\x9F\x98\x80\\\"/z");
    becomes("[]", 100, "");
    becomes("[{\"type\":\"text\",\"text\":\"one\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
            "\"x\"}},7,\"no part\",{\"type\":\"text\",\"text\":\"\\ttwo\"},{\"text\":5},"
            "{\"text\":\"\"}]",
            100, "one\n\ttwo\n");
}

static void test_text_that_is_long(void **state)
{
    (void) state;
    becomes("\"0123456789\"", 10, "0123456789");
    becomes("\"0123456789\"", 9, "012356789");
    becomes("\"0123456789\"", 4, "0189");
    becomes("\"0123456789\"", 1, "9");
    becomes("\"0\"", 1, "0");
    becomes("\"0123456789\"", 0, "");
    becomes("[{\"text\":\"abc\"},{\"text\":\"def\"},{\"text\":\"ghi\"}]", 11, "abc\ndef\nghi");
    becomes("[{\"text\":\"abc\"},{\"text\":\"def\"},{\"text\":\"ghi\"}]", 10, "abc\ndf\nghi");
    becomes("\"\\t\\t\\t\\t\\t\\t\\t\\u0041\"", 4, "\t\t\tA");
}

/* Two halves of any character that lay on the cut are gone, and nothing else is. */
static void test_text_is_cut_between_characters(void **state)
{
    (void) state;
    becomes("\"a\xC3\xA4xxx\xC3\xA4"
            "b\"",
            6,
            "a\xC3\xA4\xC3\xA4"
            "b");
    becomes("\"a\xC3\xA4xxx\xC3\xA4"
            "b\"",
            4, "ab");
    becomes("\"\xE2\x82\xACxxxx\xE2\x82\xAC\"", 6, "\xE2\x82\xAC\xE2\x82\xAC");
    becomes("\"\xE2\x82\xACxxxx\xE2\x82\xAC\"", 4, "");
    becomes("\"\\ud83d\\ude00xxxx\\ud83d\\ude00\"", 8, "\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
    becomes("\"\\ud83d\\ude00xxxx\\ud83d\\ude00\"", 6, "");
}

/* Against a cut of the whole, for every length. */
static void test_text_of_every_length(void **state)
{
    static const char whole[] = "ab\nc\"d\\e/f\tgh\nij\x01kl";
    static const char parts[] =
        "[{\"text\":\"ab\"},{\"text\":\"c\\\"d\\\\e\\/f\\tgh\"},{\"text\":\"ij\\u0001kl\"}]";
    size_t max;

    (void) state;
    for (max = 1; max < 2 * sizeof(whole); max++) {
        char want[sizeof(whole)];
        size_t n = sizeof(whole) - 1;
        size_t head = max / 2;

        if (max >= n) {
            becomes(parts, max, whole);
            continue;
        }
        memcpy(want, whole, head);
        memcpy(want + head, whole + n - (max - head), max - head);
        want[max] = '\0';
        becomes(parts, max, want);
    }
}

static void test_text_without_room(void **state)
{
    struct span_value v = {.type = SPAN_STRING, .text = SLICE_LIT("\"0123456789\"")};
    struct span_value absent = {.type = SPAN_ABSENT};
    struct span_value null = {.type = SPAN_NULL, .text = SLICE_LIT("null")};
    struct arena room;

    (void) state;
    arena_init(&room, 1, 4);
    assert_int_equal(request_text(&v, &room, 100).n, 0);
    arena_fini(&room);
    arena_init(&room, 1, 1000);
    assert_int_equal(request_text(&absent, &room, 100).n, 0);
    assert_int_equal(request_text(&null, &room, 100).n, 0);
    arena_fini(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_role),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_json_schema),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_audio),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_other_endpoints_have_none),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_that_is_long),
        cmocka_unit_test(test_text_is_cut_between_characters),
        cmocka_unit_test(test_text_of_every_length),
        cmocka_unit_test(test_text_without_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
