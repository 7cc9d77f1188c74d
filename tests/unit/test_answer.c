#include "router/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { ROOM = 1 << 16, SHORT = 1 << 12, LONG = 1 << 15 };

/* NULL: no answer. */
struct row {
    const char *text;
    const char *expected;
};

/* A copy of exactly its size, so that a step beyond is seen. */
static struct answer extract(struct slice text, enum answer_kind kind, struct arena *room)
{
    char *copy = malloc(text.n > 0 ? text.n : 1);
    assert_non_null(copy);
    if (text.n > 0) {
        memcpy(copy, text.p, text.n);
    }
    struct answer a = answer_extract((struct slice) {copy, text.n}, kind, room);
    char *kept = arena_alloc(room, a.text.n + 1); /* the text may not point into the copy */
    if (kept && a.text.n > 0) {
        memcpy(kept, a.text.p, a.text.n);
    }
    memset(copy, '#', text.n);
    if (kept && a.text.n > 0) {
        assert_memory_equal(kept, a.text.p, a.text.n);
    }
    free(copy);
    return a;
}

static void expect_row(const struct row *row, enum answer_kind kind)
{
    struct arena room;
    arena_init(&room, 256, ROOM);
    struct answer a = extract(slice_of(row->text), kind, &room);
    bool is_right = row->expected ? a.kind != ANSWER_AUTO && slice_eq_text(a.text, row->expected)
                                  : a.kind == ANSWER_AUTO && a.text.n == 0;
    if (!is_right) {
        print_error("%s\n  gave     %.*s\n  expected %s\n", row->text, (int) a.text.n,
                    a.text.p ? a.text.p : "", row->expected ? row->expected : "(none)");
    }
    assert_true(is_right);
    arena_fini(&room);
    /* Cut anywhere, with room for anything or nothing. */
    for (size_t n = 0; n <= strlen(row->text); n++) {
        arena_init(&room, 64, ROOM);
        extract((struct slice) {row->text, n}, kind, &room);
        arena_fini(&room);
    }
    for (size_t cap = 0; cap < 512; cap += 16) {
        arena_init(&room, 16, cap);
        a = answer_extract(slice_of(row->text), kind, &room);
        assert_true(a.kind == ANSWER_AUTO || kind == ANSWER_AUTO ||
                    (row->expected && slice_eq_text(a.text, row->expected)));
        arena_fini(&room);
    }
}

static void expect_rows(const struct row *rows, size_t count, enum answer_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        expect_row(&rows[i], kind);
    }
}

/* ---- what is visible ---- */

static void test_visible(void **state)
{
    static const struct row rows[] = {
        {" plain \n", "plain"},
        {"", ""},
        {"<think>2+2</think>\n\n4 ", "4"},
        {"\n<think>a</think><think>b</think> c", "c"},
        {"<think>never closed", ""},
        {"the prompt opened it</think>4", "4"},
        {"<think>a<think>b</think>c</think>d", "d"},
        {"Use <think> and </think> tags.", "Use <think> and </think> tags."},
        {"4 <think>open at the end", "4 <think>open at the end"},
        {"<thinking> is a word", "<thinking> is a word"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice s = answer_visible(slice_of(rows[i].text));
        assert_true(slice_eq_text(s, rows[i].expected));
    }
    static const struct row thoughts[] = {
        {"<think>The answer is 5.</think>The answer is 6.", "6"},
        {"<think>The answer is 5.", NULL},
    };
    expect_rows(thoughts, ARRAY_LEN(thoughts), ANSWER_NUMBER);
}

/* ---- boxes ---- */

static const struct row boxed_rows[] = {
    {"So \\boxed{42}.", "42"},
    /* Braces are matched: a fraction is not cut at its first brace. */
    {"$\\boxed{\\frac{1}{3}}$", "1/3"},
    {"\\boxed{\\frac{\\sqrt{3}}{2}}", "sqrt(3)/2"},
    {"\\boxed{\\dfrac{a+b}{2c}}", "(a+b)/(2c)"},
    /* Of several boxes the last, on both sides of a comparison. */
    {"First \\boxed{1}, no: \\boxed{2}", "2"},
    {"\\boxed{x = \\boxed{7}}", "7"},
    /* A box that is not closed or is empty is none. */
    {"\\boxed{5} and again \\boxed{\\frac{1}{2", "5"},
    {"\\boxed{5} \\boxed{}", "5"},
    {"\\boxed{ }", NULL},
    {"no box, 5", NULL},
    {"\\boxedtext{5}", NULL},
    {"\\boxed 5 apples", "5"},
    {"$\\fbox{12}$", "12"},
    {"\\boxed{\\{1, 2\\}}", "{1,2}"},
    {"\\boxed{a \\} b}", "a}b"},
    /* Numbers have one spelling. */
    {"\\boxed{.5}", "0.5"},
    {"\\boxed{0.50}", "0.5"},
    {"\\boxed{\\frac12}", "0.5"},
    {"\\boxed{\\frac{1}2}", "0.5"},
    {"\\boxed{\\frac1{72}}", "1/72"},
    {"\\boxed{\\tfrac{2}{6}}", "1/3"},
    {"\\boxed{1/2}", "0.5"},
    {"\\boxed{-\\frac{1}{2}}", "-0.5"},
    {"\\boxed{\\frac{-1}{2}}", "-0.5"},
    {"\\boxed{\xE2\x88\x92"
     "3}",
     "-3"},
    {"\\boxed{2\\frac{1}{2}}", "2.5"},
    {"\\boxed{2 1/2}", "2.5"},
    {"\\boxed{1,000}", "1000"},
    {"\\boxed{1{,}000}", "1000"},
    {"\\boxed{12\\,345\\,678}", "12345678"},
    {"\\boxed{1,234.50}", "1234.5"},
    {"\\boxed{1, 234}", "1,234"},
    {"\\boxed{1,2}", "1,2"},
    {"\\boxed{1.5 \\times 10^{3}}", "1500"},
    {"\\boxed{1.5\\cdot10^{-9}}", "15e-10"},
    {"\\boxed{+7}", "7"},
    {"\\boxed{007}", "7"},
    {"\\boxed{-0}", "0"},
    /* What stands around a number goes. */
    {"\\boxed{\\$18.00}", "18"},
    {"\\boxed{50\\%}", "50"},
    {"\\boxed{50%}", "50"},
    {"\\boxed{5\\text{ cm}}", "5"},
    {"\\boxed{5 \\text{ cm}^2}", "5"},
    {"\\boxed{5\\,\\mathrm{m/s}}", "5"},
    {"\\boxed{5 cm.}", "5"},
    {"\\boxed{12 \\text{ square units}}", "12"},
    {"\\boxed{12 square units}", "12"},
    {"\\boxed{x = 5\\text{ inches}}", "5"},
    {"\\boxed{90^\\circ}", "90"},
    {"\\boxed{90^{\\circ}}", "90"},
    {"\\boxed{90\xC2\xB0}", "90"},
    {"\\boxed{90 \\text{ degrees}}", "90"},
    {"\\boxed{42.}", "42"},
    {"\\boxed{ 42 }", "42"},
    {"\\boxed{$42$}", "42"},
    /* What looks like a unit and is none stays. */
    {"\\boxed{5x}", "5x"},
    {"\\boxed{3i}", "3i"},
    {"\\boxed{5\\text{ or }6}", "5or6"},
    {"\\boxed{5!}", "5!"},
    {"\\boxed{10\\pi}", "10pi"},
    /* Names, delimiters, spacing, powers, roots. */
    {"\\boxed{x=5}", "5"},
    {"\\boxed{y = 2x + 1}", "2x+1"},
    {"\\boxed{a=b=c}", "a=b=c"},
    {"\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}", "(3,pi/2)"},
    {"\\boxed{\\left[0,1\\right.}", "[0,1"},
    {"\\boxed{x^{2}\\!+\\;y^2}", "x^2+y^2"},
    {"\\boxed{x^{a+b}}", "x^(a+b)"},
    {"\\boxed{\\sqrt3}", "sqrt(3)"},
    {"\\boxed{\\sqrt{x+1}}", "sqrt(x+1)"},
    {"\\boxed{\\sqrt[3]{2}}", "sqrt[3](2)"},
    {"\\boxed{\\frac{1}{\\sqrt{2}}}", "1/sqrt(2)"},
    {"\\boxed{x \\leq 3}", "x<=3"},
    {"\\boxed{\\pm 2}", "+-2"},
    {"\\boxed{(-\\infty, 3)}", "(-infinity,3)"},
    /* Text is folded, variables are not. */
    {"\\boxed{\\text{Monday}}", "monday"},
    {"\\boxed{\\text{New York}}", "newyork"},
    {"\\boxed{\\textbf{(C)}}", "C"},
    {"\\boxed{(C)}", "C"},
    {"\\boxed{x}", "x"},
    {"\\boxed{X}", "X"},
};

static void test_boxed(void **state)
{
    (void) state;
    expect_rows(boxed_rows, ARRAY_LEN(boxed_rows), ANSWER_BOXED);
}

/* ---- numbers ---- */

static const struct row number_rows[] = {
    {"The total is 1,234,567.80 dollars.", "1234567.8"},
    {"It costs $18.00.", "18"},
    {"It falls to -$5", "-5"},
    {"x = -5", "-5"},
    {"x = -0 0/1", "0"},
    {"x = -0 1/2", "-0.5"},
    {"x = -1 0/2", "-1"},
    {"10 - 5 = 5", "5"},
    {"between 3-5", "5"},
    {"from 10 -5", "5"},
    {"- 5 apples", "5"},
    {"about 3/4 of it", "0.75"},
    {"about 2/3 of it", "2/3"},
    {"3 1/2 cups", "3.5"},
    {"4/0", "4/0"},
    {"12%", "12"},
    {"1.5e3 m", "1500"},
    {"6.02 x 10^23 of them", "602e21"},
    {"6.02 \xC3\x97 10^{2} of them", "602"},
    {"10\xE2\x80\xAF"
     "000 people",
     "10000"},
    {"it is $\\frac{3}{4}$.", "0.75"},
    {"it is $2\\frac{3}{4}$.", "2.75"},
    {"100000000000000000000000", "1e23"},
    {"123456789012345678901234567890", "12345678901234567890123456789e1"},
    {"1234567890123456789/3", "1234567890123456789/3"},
    {"0.00000001", "1e-8"},
    {"nothing here", NULL},
    {"", NULL},
    {".", NULL},
    /* Where an answer is stated, what follows is talk. */
    {"The answer is 42. I checked it 3 times.", "42"},
    {"The final answer is **42**, see step 2", "42"},
    {"**Answer:** $\\frac{1}{4}$ of 100", "0.25"},
    {"so 6*7=42\n#### 42\nTime: 10 s", "42"},
    {"The answer to question 3 is 42", "42"},
    {"Answer: 3 + 4 = 7", "7"},
    {"Answer: 3 \\times 4 = 12", "12"},
    {"The answer is 42 because 6*8 = 48", "42"},
    {"First I thought the answer is 4. No: the answer is 5.", "5"},
    {"Answer:\n\n 17", "17"},
    {"answer is near, 8", "8"},
    {"The answer is 9, no, \\boxed{10}", "10"},
    {"\\boxed{11 \\text{ of } 12}", "12"},
    /* What only looks like a number. */
    {"5 at 10:30", "5"},
    {"5 on 2024-01-05", "5"},
    {"5 on 1/2/2024", "5"},
    {"5 in version 1.2.3", "5"},
    {"5 of x2 and CO2 and a_7", "5"},
    {"5 in 4a7f", "5"},
    {"5kg", "5"},
    {"the 2nd", "2"},
};

static void test_number(void **state)
{
    (void) state;
    expect_rows(number_rows, ARRAY_LEN(number_rows), ANSWER_NUMBER);
}

/* ---- choices ---- */

static const struct row choice_rows[] = {
    {"C", "C"},
    {"c", "C"},
    {"(C)", "C"},
    {"**C**", "C"},
    {"C) Paris", "C"},
    {"C. Paris", "C"},
    {"**C) Paris**", "C"},
    {"The answer is (C).", "C"},
    {"The answer is C because it fits", "C"},
    {"the correct answer is option **B**", "B"},
    {"Answer: $\\boxed{\\text{D}}$", "D"},
    {"\\boxed{b}", "B"},
    {"\\boxed{B) 12}", "B"},
    {"Answer: b", "B"},
    {"Answer: b)", "B"},
    {"Final Answer: J", "J"},
    {"Therefore, the correct choice is \"E\".", "E"},
    {"I would go with (C) here", "C"},
    {"I choose option D, as said", "D"},
    {"So it must be A.", "A"},
    /* All options are spoken of; A is not found first because it is looked for first. */
    {"A. is wrong, B. is wrong too. Answer: C", "C"},
    {"Answer: C\nA is wrong since it is B that would be D", "C"},
    {"Option A is tempting, but (B) is right", "B"},
    {"A) 1\nB) 2\nC) 3\nD) 4\nThe answer is B", "B"},
    {"The options are:\nA) 1\nB) 2\nC) 3\n\nB", "B"},
    {"First I thought the answer is A. The answer is B.", "B"},
    /* A list is no answer, nor are words. */
    {"A) 1\nB) 2\nC) 3\nD) 4", NULL},
    {"The answer is A good idea", NULL},
    {"The answer I gave", NULL},
    {"Answer: A or B", NULL},
    {"Answer: A, B", NULL},
    {"Answer: A and C", NULL},
    {"Answer: Copper", NULL},
    {"Answer: K", NULL},
    {"A cat sat", NULL},
    {"I am", NULL},
    {"", NULL},
};

static void test_choice(void **state)
{
    (void) state;
    expect_rows(choice_rows, ARRAY_LEN(choice_rows), ANSWER_CHOICE);
}

/* ---- JSON ---- */

static const struct row json_rows[] = {
    {"{\"b\": 1, \"a\": [1.0, 2e0, 0.50]}", "{\"a\":[1,2,0.5],\"b\":1}"},
    {"Here:\n```json\n{\"a\" : \"x\"}\n```\nDone [1].", "{\"a\":\"x\"}"},
    {"{\"a\":1} then {\"a\":2}", "{\"a\":1}"},
    {"{\"a\":1}\n{\"a\":2}", "{\"a\":2}"},
    {"inline {\"a\":1}, or {\"a\":2}.", "{\"a\":2}"},
    {"set {x} and {\"a\":\"}\"} }", "{\"a\":\"}\"}"},
    {"{\"b\":{\"d\":null,\"c\":true},\"a\":false}", "{\"a\":false,\"b\":{\"c\":true,\"d\":null}}"},
    {"[]", "[]"},
    {"{}", "{}"},
    {"{\"\\u0061\":\"\\u00e9\\n\"}", "{\"a\":\"\xC3\xA9\\n\"}"},
    {"{\"a\":-0.0,\"b\":1E+400,\"c\":1e99999999999}", "{\"a\":0,\"b\":1e400,\"c\":1e100000000}"},
    {"{\"a\":2,\"a\":1}", "{\"a\":2,\"a\":1}"},
    {"{\"ab\":1,\"a\":2}", "{\"a\":2,\"ab\":1}"},
    {"{broken", NULL},
    {"{\"a\":1,}", NULL},
    {"42", NULL},
    {"", NULL},
};

static void test_json(void **state)
{
    (void) state;
    expect_rows(json_rows, ARRAY_LEN(json_rows), ANSWER_JSON);
}

/* ---- plain and auto ---- */

static void test_plain(void **state)
{
    static const struct row rows[] = {
        {"  The  Eiffel\nTower. ", "the eiffel tower"},
        {"**\"Paris\"**", "paris"},
        {"Paris!", "paris"},
        {"5!", "5!"},
        {".5", ".5"},
        {"-5", "-5"},
        {"C++", "c++"},
        {"f(x)", "f(x)"},
        {"\xC3\x89t\xC3\xA9", "\xC3\x89t\xC3\xA9"},
        {" ... ", NULL},
        {"", NULL},
    };
    (void) state;
    expect_rows(rows, ARRAY_LEN(rows), ANSWER_PLAIN);
}

static void test_auto(void **state)
{
    static const struct {
        const char *text;
        enum answer_kind kind;
        const char *expected;
    } rows[] = {
        {"A) no, \\boxed{7}", ANSWER_BOXED, "7"},
        {"```json\n{\"answer\": 4}\n```", ANSWER_JSON, "{\"answer\":4}"},
        {"{\"b\":1,\"a\":2}", ANSWER_JSON, "{\"a\":2,\"b\":1}"},
        {"The answer is (B)", ANSWER_CHOICE, "B"},
        {"The answer is 12 apples", ANSWER_NUMBER, "12"},
        {"12", ANSWER_NUMBER, "12"},
        {"$1,200.00", ANSWER_NUMBER, "1200"},
        {"So 3*4 = 12 apples.", ANSWER_NUMBER, "12"},
        {"The total is $12.", ANSWER_NUMBER, "12"},
        /* Different texts with the same number or letter in them are different answers. */
        {"Shakespeare (1564)", ANSWER_PLAIN, "shakespeare (1564)"},
        {"It was founded in 1969", ANSWER_PLAIN, "it was founded in 1969"},
        {"see (B) there", ANSWER_PLAIN, "see (b) there"},
        {"the list [1, 2] there", ANSWER_PLAIN, "the list [1, 2] there"},
        {"Paris.", ANSWER_PLAIN, "paris"},
        {" ", ANSWER_AUTO, ""},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena room;
        arena_init(&room, 256, ROOM);
        struct answer a = extract(slice_of(rows[i].text), ANSWER_AUTO, &room);
        assert_int_equal(a.kind, rows[i].kind);
        assert_true(slice_eq_text(a.text, rows[i].expected));
        arena_fini(&room);
        if (rows[i].expected[0] != '\0') {
            expect_row(&(struct row) {rows[i].text, rows[i].expected}, ANSWER_AUTO);
        }
    }
}

/* ---- long texts ---- */

/* What this thread has worked: what else the machine does is not in it. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* To extract every kind from `length` bytes of one piece over and over; the quicker of two times. */
static double seconds_for(const char *piece, size_t length)
{
    size_t n = strlen(piece);
    int rounds = getenv("UNIT_SLOW") ? 1 : 2; /* memcheck's own time drowns the noise */
    double best = 1e9;
    char *text = malloc(length);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++) {
        text[i] = piece[i % n];
    }
    for (int round = 0; round < rounds; round++) {
        double start = cpu_s();
        for (int kind = ANSWER_AUTO; kind <= ANSWER_PLAIN; kind++) {
            struct arena room;
            arena_init(&room, 4096, 64 * length);
            answer_extract((struct slice) {text, length}, (enum answer_kind) kind, &room);
            arena_fini(&room);
        }
        double took = cpu_s() - start;
        best = took < best ? took : best;
    }
    free(text);
    return best;
}

/* ThreadSanitizer's memmem reads the whole text each time, however near the tag is: nothing is linear there. */
#ifdef __SANITIZE_THREAD__
enum { IS_TIMED = 0 };
#else
enum { IS_TIMED = 1 };
#endif

/* Eight times the text may take eight times as long, and not the 64 times of a quadratic step. */
static void expect_linear(const char *piece)
{
    double few = seconds_for(piece, SHORT);
    double many = seconds_for(piece, LONG);
    if (IS_TIMED && many > 24 * few + 0.005) {
        print_error("%s: %g s, and of eight times as much %g s\n", piece, few, many);
    }
    assert_true(!IS_TIMED || many <= 24 * few + 0.005);
}

static void test_long_texts(void **state)
{
    static const char *const pieces[] = {"a",
                                         "1",
                                         " ",
                                         "\n",
                                         "\\boxed{",
                                         "\\boxed{1}",
                                         "{",
                                         "[",
                                         "[1,",
                                         "{\"a\":",
                                         "[\"",
                                         "\"",
                                         "[1] ",
                                         "answer ",
                                         "answer:",
                                         "####",
                                         "#",
                                         "answer is A",
                                         "A ",
                                         "A.",
                                         "(A)",
                                         "A) x\n",
                                         "<think>",
                                         "</think>",
                                         "\\frac",
                                         "\\frac{1}{",
                                         "1/",
                                         "1,",
                                         "1,000,",
                                         "1 ",
                                         "1.",
                                         ".",
                                         "1:",
                                         "1-1 ",
                                         "\\",
                                         "\\text{",
                                         "^{",
                                         "\\sqrt[",
                                         "\\frac{",
                                         "}",
                                         "x1",
                                         "1e",
                                         "5x10^",
                                         "*",
                                         "**A",
                                         "-",
                                         "\xE2\x88\x92",
                                         "$",
                                         "= 1 ",
                                         "answer: 1 + ",
                                         "```\n",
                                         "\\boxed ",
                                         "answer the ",
                                         "1\\text{a}",
                                         "{}",
                                         "{\"a\":1} "};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        expect_linear(pieces[i]);
    }
}

/* One box around it all. */
static void test_long_boxes(void **state)
{
    static const char *const pieces[] = {"1", "{}", "^2", "\\frac12", "\\text{a}", "(", "x ", "1,"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct arena room;
        size_t n = strlen(pieces[i]), at = 7;
        char *text = malloc(LONG);
        assert_non_null(text);
        memcpy(text, "\\boxed{", 7);
        for (; at + n + 1 < LONG; at += n) {
            memcpy(text + at, pieces[i], n);
        }
        text[at++] = '}';
        arena_init(&room, 4096, (size_t) 16 * LONG);
        struct answer a = answer_extract((struct slice) {text, at}, ANSWER_BOXED, &room);
        assert_false(arena_is_sour(&room));
        assert_int_equal(a.kind, strcmp(pieces[i], "{}") == 0 ? ANSWER_AUTO : ANSWER_BOXED);
        arena_fini(&room);
        free(text);
    }
}

/* ---- votes ---- */

/* Letters are answers, '-' abstains. */
static size_t votes_of(const char *letters, struct answer votes[])
{
    size_t n = 0;
    for (; letters[n]; n++) {
        votes[n] = letters[n] == '-' ? (struct answer) {ANSWER_AUTO, SLICE_NONE}
                                     : (struct answer) {ANSWER_CHOICE, {letters + n, 1}};
    }
    return n;
}

static void test_vote(void **state)
{
    static const struct {
        const char *votes;
        int winner;
    } rows[] = {
        {"", -1},   {"-", -1},   {"---", -1}, {"a", 0},      {"-a", 1},    {"aab", 0},
        {"baa", 1}, {"ab", 0},   {"ba", 0},   {"-ba", 1},    {"abab", 0},  {"abba", 0},
        {"abc", 0}, {"abcc", 2}, {"a--b", 0}, {"abbccc", 3}, {"-bb-a", 1},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer votes[8];
        assert_int_equal(answer_vote(votes, votes_of(rows[i].votes, votes)), rows[i].winner);
    }
}

/* Against trying out all that could still come, in every place of the order. */
static void test_decided(void **state)
{
    static const char answers[] = "abc-";
    (void) state;
    for (unsigned code = 0; code < 4 * 4 * 4 * 4 * 4; code++) {
        char all[6] = "";
        for (unsigned i = 0, rest = code; i < 5; i++, rest /= 4) {
            all[i] = answers[rest % 4];
        }
        for (unsigned out = 0; out < 32; out++) {
            struct answer now[5], then[5];
            char known[6];
            size_t left = 0;
            for (unsigned i = 0; i < 6; i++) {
                bool is_out = i < 5 && (out >> i & 1) != 0;
                known[i] = is_out ? '-' : all[i];
                left += is_out ? 1 : 0;
            }
            votes_of(known, now);
            votes_of(all, then);
            if (answer_is_decided(now, 5, left)) {
                int early = answer_vote(now, 5), late = answer_vote(then, 5);
                assert_true(left == 0 || (early >= 0 && late >= 0));
                assert_true(early < 0 || answer_equal(&now[early], &then[late]));
            }
        }
    }
    struct answer votes[5];
    assert_true(answer_is_decided(votes, votes_of("aaa", votes), 2));
    assert_true(answer_is_decided(votes, votes_of("aaab", votes), 1));
    assert_false(answer_is_decided(votes, votes_of("aaab", votes), 2));
    assert_false(answer_is_decided(votes, votes_of("aa", votes), 2));
    assert_false(answer_is_decided(votes, votes_of("", votes), 3));
    assert_true(answer_is_decided(votes, votes_of("--", votes), 0));
}

static void test_equal(void **state)
{
    struct answer none = {ANSWER_AUTO, SLICE_NONE};
    struct answer boxed = {ANSWER_BOXED, SLICE_LIT("5")};
    struct answer number = {ANSWER_NUMBER, SLICE_LIT("5")};
    struct answer other = {ANSWER_NUMBER, SLICE_LIT("6")};
    (void) state;
    assert_true(answer_equal(&boxed, &number));
    assert_false(answer_equal(&other, &number));
    assert_false(answer_equal(&none, &none));
    assert_false(answer_equal(&none, &boxed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visible),    cmocka_unit_test(test_boxed),
        cmocka_unit_test(test_number),     cmocka_unit_test(test_choice),
        cmocka_unit_test(test_json),       cmocka_unit_test(test_plain),
        cmocka_unit_test(test_auto),       cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_long_boxes), cmocka_unit_test(test_vote),
        cmocka_unit_test(test_decided),    cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
