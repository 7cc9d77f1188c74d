/* A table of cases for each kind, the known mistakes of other graders among them: boxes cut at the first
 * brace, the first box instead of the last, letters tried from A on, numbers compared as texts. */
#include "optimizer/grader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct graded {
    const char *answer;
    const char *ideal; /* NULL: none */
    double score;
    enum grade_reason reason;
};

#define TEN_A "aaaaaaaaaa"
#define RIGHT 1.0, GRADE_RIGHT
#define WRONG 0.0, GRADE_WRONG
#define NOTHING 0.0, GRADE_NO_ANSWER
#define NO_IDEAL 0.0, GRADE_NO_IDEAL

static struct grader *make(const char *json)
{
    struct errbuf err = {""};
    struct grader *g = grader_of_json(slice_of(json), &err);
    if (g == NULL) {
        fail_msg("%s: %s", json, err.text);
    }
    return g;
}

static void check(const char *json, const struct graded cases[], size_t count)
{
    struct grader *g = make(json);
    for (size_t i = 0; i < count; i++) {
        struct slice ideal = slice_of(cases[i].ideal);
        struct grade grade = grader_grade(g, slice_of(cases[i].answer), &ideal,
                                          cases[i].ideal != NULL ? 1 : 0);
        double off = grade.score - cases[i].score;
        if (off > 1e-9 || off < -1e-9 || grade.reason != cases[i].reason) {
            fail_msg("%s: \"%s\" for \"%s\" is %g, %s", json, cases[i].answer,
                     cases[i].ideal != NULL ? cases[i].ideal : "", grade.score,
                     grade_reason_name(grade.reason));
        }
    }
    grader_free(g);
}

#define CHECK(json, cases) check(json, cases, ARRAY_LEN(cases))

static void test_exact(void **state)
{
    static const struct graded cases[] = {
        {"Paris", "Paris", RIGHT},
        {"  Paris\n", "Paris ", RIGHT},
        {"<think>Rome? No.</think>\nParis", "Paris", RIGHT},
        {"paris", "Paris", WRONG},
        {"Paris.", "Paris", WRONG},
        {"", "Paris", NOTHING},
        {"<think>Paris", "Paris", NOTHING},
        {"Paris", "", NO_IDEAL},
        {"Paris", NULL, NO_IDEAL},
    };
    (void) state;
    CHECK("{\"type\":\"exact\"}", cases);
}

static void test_normalised(void **state)
{
    static const struct graded cases[] = {
        {"The  Eiffel Tower.", "eiffel tower", RIGHT},
        {"\"Don't panic!\"", "dont panic", RIGHT},
        {"**New-York**", "new york", RIGHT},
        {"an apple and the pear", "apple and pear", RIGHT},
        {"3,000", "3000", RIGHT},
        {"1.5", "15", WRONG}, /* a point is no punctuation there */
        {"1.5.", "1.5", RIGHT},
        {"-5", "5", WRONG},
        {"1/2", "12", WRONG},
        {"12:30", "1230", WRONG},
        {"C++", "C", WRONG},
        {"C#", "C", WRONG},
        {"A", "the", WRONG}, /* articles alone do not vanish into the same nothing */
        {"A", "a.", RIGHT},
        {"?", "!", WRONG},
        {"theatre", "atre", WRONG},
        {"Z\xC3\xBCrich", "z\xC3\xBCrich", RIGHT},
    };
    (void) state;
    CHECK("{\"type\":\"normalised\"}", cases);
}

static void test_includes(void **state)
{
    static const struct graded plain[] = {
        {"It is Paris, in France.", "Paris", RIGHT},
        {"It is paris.", "Paris", WRONG},
        {"120", "12", RIGHT}, /* as OpenAI's does; whole_words is for that */
        {"Par", "Paris", WRONG},
        {"<think>Paris</think>Rome", "Paris", WRONG},
        {"anything", "", NO_IDEAL},
    };
    static const struct graded any_case[] = {
        {"It is paris.", "PARIS", RIGHT},
        {"It is Rome.", "PARIS", WRONG},
    };
    static const struct graded words[] = {
        {"120", "12", WRONG},        {"12 of 120", "12", RIGHT},       {"120 or 12", "12", RIGHT},
        {"12.5", "12", WRONG},       {"it is 12.", "12", RIGHT},       {"3.12", "12", WRONG},
        {"yesterday", "yes", WRONG}, {"yes, yesterday", "yes", RIGHT}, {"(a+b)", "(a+b)", RIGHT},
        {"x\xC3\xA9", "x", WRONG},
    };
    (void) state;
    CHECK("{\"type\":\"includes\"}", plain);
    CHECK("{\"type\":\"includes\",\"ignore_case\":true}", any_case);
    CHECK("{\"type\":\"includes\",\"whole_words\":true}", words);
}

static void test_startswith(void **state)
{
    static const struct graded plain[] = {
        {"Paris, of course", "Paris", RIGHT},
        {"It is Paris", "Paris", WRONG},
        {"Pa", "Paris", WRONG},
        {" \n Paris", "Paris", RIGHT},
        {"Banana", "B", RIGHT},
    };
    static const struct graded words[] = {
        {"Banana", "B", WRONG},
        {"b) Banana", "B", RIGHT},
        {"B", "B", RIGHT},
    };
    (void) state;
    CHECK("{\"type\":\"startswith\"}", plain);
    CHECK("{\"type\":\"startswith\",\"whole_words\":\"true\",\"ignore_case\":\"true\"}", words);
}

static void test_regex(void **state)
{
    static const struct graded pattern[] = {
        {"so\nanswer: 42\nbye", NULL, RIGHT},
        {"so answer: 42", NULL, WRONG}, /* ^ is a line's beginning */
        {"answer: x", "ignored", WRONG},
    };
    static const struct graded ideals[] = {
        {"colour", "colou?r", RIGHT},
        {"COLOR", "colou?r", RIGHT},
        {"color", "(", NO_IDEAL},
        {"{1}", "\\{1\\}", RIGHT},
    };
    static const char zero[] = "a\0b";
    struct slice behind = SLICE_LIT("b$");
    struct grader *g;

    (void) state;
    CHECK("{\"type\":\"regex\",\"pattern\":\"^answer: [0-9]+$\"}", pattern);
    CHECK("{\"type\":\"regex\",\"ignore_case\":true}", ideals);
    g = make("{\"type\":\"regex\"}");
    assert_int_equal(grader_grade(g, (struct slice) {zero, 3}, &behind, 1).reason, GRADE_RIGHT);
    grader_free(g);
}

static void test_numeric(void **state)
{
    static const struct graded exact[] = {
        {"The answer is 1,200.", "1200", RIGHT},
        {"The answer is $1,200.00", "1200", RIGHT},
        {"It is 0.5", "1/2", RIGHT},
        {"answer: \\frac{2}{6}", "1/3", RIGHT},
        {"12", "120", WRONG},
        {"answer: -5", "5", WRONG},
        {"1e3", "1000", RIGHT},
        {"First 7, then the answer is 8", "8", RIGHT},
        {"0.333", "1/3", WRONG},
        {"no idea", "8", NOTHING},
        {"8", "eight", NO_IDEAL},
    };
    static const struct graded absolute[] = {
        {"0.51", "0.5", RIGHT}, /* though the doubles are further apart than 0.01 */
        {"0.49", "0.5", RIGHT},  {"0.52", "0.5", WRONG},
        {"0.333", "1/3", RIGHT}, {"-0.333", "1/3", WRONG},
    };
    static const struct graded relative[] = {
        {"101", "100", RIGHT},     {"102", "100", WRONG},
        {"-99", "-100", RIGHT},    {"0.001", "0", WRONG}, /* a share of nothing */
        {"1e400", "2e400", WRONG},
    };
    (void) state;
    CHECK("{\"type\":\"numeric\"}", exact);
    CHECK("{\"type\":\"numeric\",\"absolute\":0.01}", absolute);
    CHECK("{\"type\":\"numeric\",\"relative\":\"1e-2\"}", relative);
}

static void test_choice(void **state)
{
    static const struct graded cases[] = {
        {"A is wrong, B too. Answer: C", "C", RIGHT}, /* not the first letter that is there */
        {"Answer: A? No.\nAnswer: D", "D", RIGHT},
        {"Answer: A? No.\nAnswer: D", "A", WRONG},
        {"(b)", "B", RIGHT},
        {"**C) Paris**", "C) Paris", RIGHT},
        {"\\boxed{E}", "E", RIGHT},
        {"A cat sat there.", "A", NOTHING},
        {"C", "Paris", NO_IDEAL},
    };
    (void) state;
    CHECK("{\"type\":\"choice\"}", cases);
}

static void test_boxed(void **state)
{
    static const struct graded cases[] = {
        /* A regular expression without nested braces takes both for \frac{1. */
        {"\\boxed{\\frac{1}{2}}", "\\frac{1}{3}", WRONG},
        {"\\boxed{\\frac{1}{2}}", "\\boxed{\\frac{1}{2}}", RIGHT},
        {"\\boxed{\\frac{1}{2}}", "0.5", RIGHT},
        {"\\boxed{3} no, \\boxed{4}", "4", RIGHT},
        /* A solution may box a step first. */
        {"\\boxed{4}", "We get \\boxed{3}, hence \\boxed{4}", RIGHT},
        {"\\boxed{3}", "We get \\boxed{3}, hence \\boxed{4}", WRONG},
        {"\\boxed{12\\text{ cm}}", "12", RIGHT},
        {"\\boxed{x=5}", "5", RIGHT},
        {"It is 4", "4", NOTHING},
        {"\\boxed{", "4", NOTHING},
        {"\\boxed{4}", "4} or {5", NO_IDEAL},
        {"\\boxed{\\{1,2\\}}", "\\{1,2\\}", RIGHT},
    };
    (void) state;
    CHECK("{\"type\":\"boxed\"}", cases);
}

static void test_json(void **state)
{
    static const struct graded cases[] = {
        {"{\"b\": 2, \"a\": [1, 2.50]}", "{\"a\":[1.0,2.5],\"b\":2}", RIGHT},
        {"Here:\n```json\n{\"a\": 1}\n```\nDone.", "{\"a\":1}", RIGHT},
        {"{\"a\": \"\\u00e9\"}", "{\"a\":\"\xC3\xA9\"}", RIGHT},
        {"{\"a\": 1e2}", "{\"a\":100}", RIGHT},
        {"{\"a\": \"1\"}", "{\"a\":1}", WRONG},
        {"[1,2]", "[2,1]", WRONG},
        {"{\"a\":1,\"b\":null}", "{\"a\":1}", WRONG},
        {"{\"a\":1", "{\"a\":1}", NOTHING},
        {"{\"a\":1}", "{a:1}", NO_IDEAL},
    };
    (void) state;
    CHECK("{\"type\":\"json\"}", cases);
}

/* Small members take the most room to be sorted. */
static void test_json_of_small_members(void **state)
{
    static const char *const members[] = {"{\"\":1},", "{\"\\n\":[]},", "\"\\t\",", "{},"};
    enum { BYTES = 20000 };
    struct grader *g = make("{\"type\":\"json\"}");
    char *text = calloc(1, BYTES + 16);

    (void) state;
    assert_non_null(text);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        size_t n = 1, each = strlen(members[i]);
        text[0] = '[';
        for (; n < BYTES; n += each) {
            memcpy(text + n, members[i], each);
        }
        text[n - 1] = ']';
        struct slice json = {text, n};
        assert_int_equal(grader_grade(g, json, &json, 1).reason, GRADE_RIGHT);
    }
    free(text);
    grader_free(g);
}

static void test_schema(void **state)
{
    static const struct graded cases[] = {
        {"{\"n\": 5, \"s\": \"ab\", \"l\": [\"x\"]}", NULL, RIGHT},
        {"{\"n\": 5}", NULL, RIGHT},
        {"{\"n\": 5.0}", NULL, RIGHT},
        {"{\"n\": 5.5}", NULL, WRONG},
        {"{\"n\": \"5\"}", NULL, WRONG},
        {"{\"n\": null}", NULL, RIGHT},
        {"{\"n\": 10}", NULL, RIGHT},
        {"{\"n\": 11}", NULL, WRONG},
        {"{\"n\": 0}", NULL, WRONG}, /* exclusiveMinimum */
        {"{\"n\": 1e-400}", NULL, WRONG},
        {"{\"s\": \"ab\"}", NULL, WRONG}, /* n is required */
        {"{\"n\": 5, \"s\": \"a\"}", NULL, WRONG},
        {"{\"n\": 5, \"s\": \"\xC3\xA9\xC3\xA9\"}", NULL, RIGHT}, /* characters, not bytes */
        {"{\"n\": 5, \"s\": \"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\"}", NULL, WRONG},
        {"{\"n\": 5, \"l\": []}", NULL, WRONG},
        {"{\"n\": 5, \"l\": [\"x\", \"y\", \"x\"]}", NULL, WRONG},
        {"{\"n\": 5, \"l\": [\"z\"]}", NULL, WRONG},
        {"{\"n\": 5, \"more\": 1}", NULL, WRONG},
        {"{\"n\": 5, \"q\\\"q\": true}", NULL, RIGHT},
        {"{\"n\": 5, \"q\\\"q\": false}", NULL, WRONG},
        {"[1]", NULL, WRONG},
        {"none", NULL, NOTHING},
    };
    static const struct graded others[] = {
        {"{\"a\": {\"b\": 1}, \"c\": \"x\"}", NULL, RIGHT},
        {"{\"a\": {\"b\": \"x\"}, \"c\": \"x\"}", NULL, WRONG},
        {"{\"a\": {\"b\": 1}, \"c\": 1}", NULL, WRONG},
    };
    (void) state;
    CHECK("{\"type\":\"json_schema\",\"schema\":{\"title\":\"t\",\"type\":\"object\","
          "\"required\":[\"n\"],\"additionalProperties\":false,\"properties\":{"
          "\"n\":{\"type\":[\"integer\",\"null\"],\"exclusiveMinimum\":0,\"maximum\":10},"
          "\"s\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3},\"q\\\"q\":{\"const\":true},"
          "\"l\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"enum\":[\"x\","
          "\"y\"]}}"
          "}}}",
          cases);
    CHECK(
        "{\"type\":\"json_schema\",\"schema\":\"{\\\"properties\\\":{\\\"a\\\":{\\\"properties\\\":"
        "{\\\"b\\\":{\\\"type\\\":\\\"number\\\",\\\"minimum\\\":1,\\\"exclusiveMaximum\\\":2}}}},"
        "\\\"additionalProperties\\\":{\\\"type\\\":\\\"string\\\"}}\"}",
        others);
}

static void test_string_check(void **state)
{
    static const struct graded eq[] = {{"yes", "yes", RIGHT}, {"Yes", "yes", WRONG}};
    static const struct graded ne[] = {
        {"yes", "yes", WRONG}, {"Yes", "yes", RIGHT}, {"", "yes", NOTHING}, {"x", "", NO_IDEAL}};
    static const struct graded like[] = {{"oh yes", "yes", RIGHT}, {"oh Yes", "yes", WRONG}};
    static const struct graded ilike[] = {{"oh Yes", "yEs", RIGHT}, {"oh", "yes", WRONG}};
    struct slice two[] = {SLICE_LIT("a"), SLICE_LIT("b")};
    struct grader *g = make("{\"type\":\"string_check\",\"operation\":\"ne\"}");

    (void) state;
    CHECK("{\"type\":\"string_check\",\"operation\":\"eq\"}", eq);
    CHECK("{\"type\":\"string_check\",\"operation\":\"ne\"}", ne);
    CHECK("{\"type\":\"string_check\",\"operation\":\"like\"}", like);
    CHECK("{\"type\":\"string_check\",\"operation\":\"ilike\"}", ilike);
    /* Not equal is equal to none. */
    assert_int_equal(grader_grade(g, SLICE_LIT("b"), two, 2).reason, GRADE_WRONG);
    assert_int_equal(grader_grade(g, SLICE_LIT("c"), two, 2).reason, GRADE_RIGHT);
    grader_free(g);
}

static void test_similarity(void **state)
{
    static const struct graded fuzzy[] = {
        {"kitten", "kitten", RIGHT},
        {"kitten", "sitting", 2.0 * 4 / 13, GRADE_PARTLY}, /* i t t n */
        {"abc", "xyz", WRONG},
        /* A carry through a whole word: 140 places, of which one is common. */
        {"a", TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A,
         2.0 / 141, GRADE_PARTLY},
        /* Over 64 places, the common ones on both sides of the border. */
        {"0123456789012345678901234567890123456789012345678901234567890123456789",
         "x0123456789012345678901234567890123456789012345678901234567890123456789y", 140.0 / 142,
         GRADE_PARTLY},
    };
    static const struct graded rouge1[] = {
        {"The cat sat", "the cat", 2.0 * 2 / 5, GRADE_PARTLY},
        {"the the the", "the cat", 2.0 * 1 / 5, GRADE_PARTLY}, /* counted as often as in both */
        {"?!", "the cat", WRONG},
    };
    static const struct graded rouge2[] = {
        {"the cat sat down", "the cat lay down", 2.0 * 1 / 6, GRADE_PARTLY},
        {"cat", "cat", WRONG}, /* has no pair */
    };
    static const struct graded rouge_l[] = {
        {"police killed the gunman", "police kill the gunman", 0.75, GRADE_PARTLY},
        {"the gunman kill police", "police kill the gunman", 0.5, GRADE_PARTLY},
    };
    static const struct graded gleu[] = {
        {"the cat sat", "the cat sat", RIGHT},
        {"the cat", "the cat sat", 3.0 / 6, GRADE_PARTLY},
        {"the cat sat on", "the cat", 3.0 / 10, GRADE_PARTLY},
    };
    static const struct graded pass[] = {
        {"the cat", "the cat sat", RIGHT},
        {"a cat", "the cat sat", WRONG},
    };
    (void) state;
    CHECK("{\"type\":\"text_similarity\",\"evaluation_metric\":\"fuzzy_match\"}", fuzzy);
    CHECK("{\"type\":\"text_similarity\",\"evaluation_metric\":\"rouge_1\"}", rouge1);
    CHECK("{\"type\":\"text_similarity\",\"evaluation_metric\":\"rouge_2\"}", rouge2);
    CHECK("{\"type\":\"text_similarity\",\"evaluation_metric\":\"rouge_l\"}", rouge_l);
    CHECK("{\"type\":\"text_similarity\",\"evaluation_metric\":\"gleu\"}", gleu);
    CHECK("{\"type\":\"text_similarity\",\"evaluation_metric\":\"gleu\",\"pass_threshold\":0.5}",
          pass);
}

enum { LONG_BYTES = 150 };

/* The textbook's recurrence. */
static size_t common(const char *a, size_t n, const char *b, size_t m)
{
    size_t best[LONG_BYTES + 1] = {0};
    for (size_t i = 0; i < n; i++) {
        size_t corner = 0;
        for (size_t j = 0; j < m; j++) {
            size_t above = best[j + 1];
            best[j + 1] = a[i] == b[j] ? corner + 1 : above > best[j] ? above : best[j];
            corner = above;
        }
    }
    return best[m];
}

/* Two or three machine words long, of letters so few that much is common. */
static void test_similarity_of_long_texts(void **state)
{
    struct grader *g = make("{\"type\":\"text_similarity\",\"evaluation_metric\":\"fuzzy_match\"}");
    uint64_t random = 1;

    (void) state;
    for (size_t round = 0; round < 20; round++) {
        char text[2][LONG_BYTES];
        size_t n[2];
        for (size_t k = 0; k < 2; k++) {
            n[k] = LONG_BYTES - (round * (k + 3)) % 70;
            for (size_t i = 0; i < n[k]; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                text[k][i] = (char) ('a' + (random >> 60) % 3);
            }
        }
        struct slice ideal = {text[1], n[1]};
        double got = grader_grade(g, (struct slice) {text[0], n[0]}, &ideal, 1).score;
        double want = 2.0 * (double) common(text[0], n[0], text[1], n[1]) / (double) (n[0] + n[1]);
        assert_true(got - want < 1e-9 && want - got < 1e-9);
    }
    grader_free(g);
}

/* ---- what all kinds share ---- */

static void test_best_ideal_counts(void **state)
{
    struct slice ideals[] = {SLICE_LIT("eight"), SLICE_LIT(" "), SLICE_LIT("9"), SLICE_LIT("8")};
    struct grader *g = make("{\"type\":\"numeric\"}");

    (void) state;
    assert_int_equal(grader_grade(g, SLICE_LIT("8"), ideals, 4).reason, GRADE_RIGHT);
    assert_int_equal(grader_grade(g, SLICE_LIT("8"), ideals, 3).reason, GRADE_WRONG);
    assert_int_equal(grader_grade(g, SLICE_LIT("8"), ideals, 2).reason, GRADE_NO_IDEAL);
    grader_free(g);
}

static void test_too_long(void **state)
{
    struct slice ideal = SLICE_LIT("x");
    struct grader *exact = make("{\"type\":\"exact\"}");
    struct grader *similar = make(
        "{\"type\":\"text_similarity\",\"evaluation_metric\":\"fuzzy_match\"}");
    char *text = calloc(1, GRADER_TEXT_BYTES_MAX + 1);

    (void) state;
    assert_non_null(text);
    memset(text, 'x', GRADER_TEXT_BYTES_MAX + 1);
    assert_int_equal(
        grader_grade(exact, (struct slice) {text, GRADER_TEXT_BYTES_MAX + 1}, &ideal, 1).reason,
        GRADE_TOO_LONG);
    assert_int_equal(
        grader_grade(exact, (struct slice) {text, GRADER_TEXT_BYTES_MAX}, &ideal, 1).reason,
        GRADE_WRONG);
    assert_int_equal(
        grader_grade(similar, (struct slice) {text, GRADER_SIMILAR_BYTES_MAX + 1}, &ideal, 1)
            .reason,
        GRADE_TOO_LONG);
    free(text);
    grader_free(exact);
    grader_free(similar);
}

static void test_what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *json;
        const char *words;
    } cases[] = {
        {"{}", "a grader needs a type, one of exact, normalised, "},
        {"{\"type\":\"python\"}", "\"python\" is no type of grader; there are exact, "},
        {"{\"type\":\"exact\",\"absolute\":1}", "exact has no \"absolute\""},
        {"{\"type\":\"numeric\",\"absolute\":-1}", "absolute: expected a number of at least 0"},
        {"{\"type\":\"numeric\",\"absolute\":\"1x\"}", "absolute: expected a number"},
        {"{\"type\":\"numeric\",\"absolute\":1,\"absolute\":1}", "absolute stands twice"},
        {"{\"type\":\"exact\",\"type\":\"exact\"}", "type stands twice"},
        {"{\"type\":\"includes\",\"ignore_case\":\"yes\"}", "expected true or false, got \"yes\""},
        {"{\"type\":\"regex\",\"pattern\":\"(\"}", "is no extended regular expression"},
        {"{\"type\":\"regex\",\"pattern\":\"\"}", "pattern: expected 1 to 4096 bytes"},
        {"{\"type\":\"string_check\"}", "string_check needs operation: eq ne like ilike"},
        {"{\"type\":\"string_check\",\"operation\":\"gt\"}", "one of eq ne like ilike, got \"gt\""},
        {"{\"type\":\"text_similarity\",\"evaluation_metric\":\"bleu\"}", "one of fuzzy_match "},
        {"{\"type\":\"text_similarity\",\"evaluation_metric\":\"gleu\",\"pass_threshold\":1.1}",
         "a number from 0 to 1"},
        {"{\"type\":\"json_schema\"}", "json_schema needs schema"},
        {"{\"type\":\"json_schema\",\"schema\":\"{\"}", "schema: byte 1: "},
        {"{\"type\":\"json_schema\",\"schema\":\"[]\"}", "schema: byte 0: "},
        {"{\"type\":\"json_schema\",\"schema\":{\"oneOf\":[]}}",
         "\"oneOf\" is not in this version"},
        {"{\"type\":\"json_schema\",\"schema\":{\"type\":\"text\"}}", "schema: type: expected"},
        {"{\"type\":\"json_schema\",\"schema\":{\"items\":{\"minimum\":\"1\"}}}",
         "minimum: expected a number"},
        {"{\"type\":\"json_schema\",\"schema\":{\"properties\":{\"a\":1}}}",
         "property \"a\" is no schema"},
        {"{\"type\":\"json_schema\",\"schema\":{\"type\":\"array\",\"type\":\"array\"}}",
         "\"type\" stands twice"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct errbuf err = {""};
        assert_null(grader_of_json(slice_of(cases[i].json), &err));
        if (strstr(err.text, cases[i].words) == NULL) {
            fail_msg("%s: %s", cases[i].json, err.text);
        }
    }
}

static uint64_t version(const char *json)
{
    struct grader *g = make(json);
    uint64_t v = grader_version(g);
    grader_free(g);
    return v;
}

static void test_version(void **state)
{
    static const char *const all[] = {
        "{\"type\":\"exact\"}",
        "{\"type\":\"numeric\"}",
        "{\"type\":\"numeric\",\"absolute\":0.1}",
        "{\"type\":\"numeric\",\"relative\":0.1}",
        "{\"type\":\"regex\"}",
        "{\"type\":\"regex\",\"pattern\":\"a\"}",
        "{\"type\":\"regex\",\"pattern\":\"b\"}",
        "{\"type\":\"json_schema\",\"schema\":{}}",
        "{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}",
        "{\"type\":\"string_check\",\"operation\":\"eq\"}",
        "{\"type\":\"string_check\",\"operation\":\"ne\"}",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_true(version(all[i]) != version(all[j]));
        }
    }
    assert_true(version("{\"type\":\"numeric\",\"absolute\":0.1,\"relative\":0}") ==
                version(all[2]));
    assert_true(version("{\"absolute\":\"1e-1\",\"type\":\"numeric\"}") == version(all[2]));
    assert_true(version("{\"type\":\"json_schema\",\"schema\":\" { } \"}") == version(all[7]));
}

static void test_which_need_ideals(void **state)
{
    struct grader *schema = make("{\"type\":\"json_schema\",\"schema\":{}}");
    struct grader *pattern = make("{\"type\":\"regex\",\"pattern\":\"a\"}");
    struct grader *ideals = make("{\"type\":\"regex\"}");

    (void) state;
    assert_false(grader_needs_ideal(schema));
    assert_false(grader_needs_ideal(pattern));
    assert_true(grader_needs_ideal(ideals));
    grader_free(schema);
    grader_free(pattern);
    grader_free(ideals);
    grader_free(NULL);
}

/* Every kind of the table can be made from what the table says. */
static void test_table(void **state)
{
    (void) state;
    for (size_t i = 0; i < GRADER_KINDS; i++) {
        struct grader_pair pairs[GRADER_PARAMS_MAX + 1];
        struct errbuf err = {""};
        size_t n = 0;

        pairs[n++] = (struct grader_pair) {SLICE_LIT("type"), slice_of(grader_kinds[i].name)};
        for (const struct grader_param *p = grader_kinds[i].params; p->name != NULL; p++) {
            const char *text = p->default_text != NULL          ? p->default_text
                               : p->type == GRADER_PARAM_SCHEMA ? "{}"
                               : p->type == GRADER_PARAM_WORD   ? p->words
                                                                : "1";
            size_t length = p->type == GRADER_PARAM_WORD ? strcspn(text, " ") : strlen(text);
            assert_non_null(p->help);
            pairs[n++] = (struct grader_pair) {slice_of(p->name), {text, length}};
        }
        struct grader *g = grader_new(pairs, n, &err);
        assert_string_equal(err.text, "");
        assert_non_null(g);
        grader_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_normalised),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_startswith),
        cmocka_unit_test(test_regex),
        cmocka_unit_test(test_numeric),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_boxed),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_of_small_members),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_string_check),
        cmocka_unit_test(test_similarity),
        cmocka_unit_test(test_similarity_of_long_texts),
        cmocka_unit_test(test_best_ideal_counts),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_which_need_ideals),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
