#include "optimizer/items.h"

#include "cache/arena.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ALL_SPLITS = (1 << ITEMS_SPLITS) - 1, MUCH_BYTES = 1 << 24 };

static const struct install_key key = {"an installation's key of 32 byte"};

static struct grader *grader(const char *json)
{
    struct errbuf err = {""};
    struct grader *g = grader_of_json(slice_of(json), &err);
    assert_non_null(g);
    return g;
}

/* A file of these bytes, whose name the caller's room takes. */
static void write_file(char path[32], struct slice bytes)
{
    (void) snprintf(path, 32, "/tmp/test_items.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t) bytes.n);
    close(fd);
}

static enum err load(struct slice bytes, unsigned splits, size_t bytes_max, struct items **out,
                     struct errbuf *err)
{
    struct grader *g = grader("{\"type\":\"exact\"}");
    struct items_options options = {&key, splits, g, bytes_max};
    char path[32];
    write_file(path, bytes);
    enum err rc = items_load(path, &options, out, err);
    unlink(path);
    grader_free(g);
    assert_true((rc == ERR_NONE) == (*out != NULL));
    return rc;
}

static struct items *load_text(const char *text)
{
    struct errbuf err = {""};
    struct items *s = NULL;
    if (load(slice_of(text), ALL_SPLITS, MUCH_BYTES, &s, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    return s;
}

static void assert_slice(struct slice s, const char *text)
{
    if (!slice_eq_text(s, text)) {
        fail_msg("\"%.*s\" is not \"%s\"", (int) s.n, s.p, text);
    }
}

static void test_members(void **state)
{
    struct items *s = load_text(
        "\xEF\xBB\xBF{\"input\": \"2+\\u0033?\", \"ideal\": \"5\"}\r\n"
        "\n"
        "{\"note\": 1, \"input\": [{\"role\": \"user\", \"content\": \"q\"}], \"id\": \"s-1\","
        " \"ideal\": [\"5\", \"f\\u0069ve\"], \"task\": \"math\", \"tests\": \"assert 1\\n\","
        " \"grader\": {\"type\": \"numeric\"}}\n"
        "{\"input\": \"x\", \"ideal\": \"y\", \"id\": 7}");

    (void) state;
    assert_int_equal(s->count, 3);
    assert_int_equal(s->bad_lines + s->forced + s->note_count, 0);
    assert_int_equal(s->all[0].line, 1);
    assert_slice(s->all[0].messages, "[{\"role\":\"user\",\"content\":\"2+\\u0033?\"}]");
    assert_int_equal(s->all[0].ideal_count, 1);
    assert_slice(s->all[0].ideals[0], "5");
    assert_null(s->all[0].id.p);
    assert_null(s->all[0].grader);
    assert_int_equal(s->all[1].line, 3);
    assert_slice(s->all[1].messages, "[{\"role\": \"user\", \"content\": \"q\"}]");
    assert_slice(s->all[1].ideals[1], "five");
    assert_slice(s->all[1].id, "s-1");
    assert_slice(s->all[1].task, "math");
    assert_slice(s->all[1].tests, "assert 1\n");
    assert_int_equal(grader_grade(s->all[1].grader, SLICE_LIT("5.0"), s->all[1].ideals, 2).reason,
                     GRADE_RIGHT);
    assert_slice(s->all[2].id, "7");
    items_free(s);
    items_free(NULL);
}

static void test_bad_lines(void **state)
{
    static const struct {
        const char *line;
        const char *words;
    } cases[] = {
        {"{\"input\": \"a\", \"ideal\": \"b\"", "byte 28: "},
        {"[]", "byte 1: "},
        {"{\"ideal\": \"b\"}", "input: expected a text or an array of messages, there is none"},
        {"{\"input\": \"\", \"ideal\": \"b\"}", "input: expected a text"},
        {"{\"input\": 5, \"ideal\": \"b\"}", "input: expected a text"},
        {"{\"input\": [], \"ideal\": \"b\"}", "input: "},
        {"{\"input\": [1], \"ideal\": \"b\"}", "input: "},
        {"{\"input\": [{\"content\": \"a\"}], \"ideal\": \"b\"}", "the last message has no role"},
        {"{\"input\": \"a\"}", "ideal: there is none, and the grader needs one"},
        {"{\"input\": \"a\", \"ideal\": []}", "ideal: there is none, and the grader needs one"},
        {"{\"input\": \"a\", \"ideal\": 5}", "ideal: expected a text or a list of texts"},
        {"{\"input\": \"a\", \"ideal\": [\"b\", 5]}", "ideal: expected a text or a list"},
        {"{\"input\": \"a\", \"ideal\": [\"b\", \" \"]}", "ideal: an empty text"},
        {"{\"input\": \"a\", \"ideal\": \"b\", \"id\": \"\"}", "id: expected a text"},
        {"{\"input\": \"a\", \"ideal\": \"b\", \"task\": 1}", "task: expected a text"},
        {"{\"input\": \"a\", \"ideal\": \"b\", \"ideal\": \"c\"}", "duplicate member"},
        {"{\"input\": \"a\", \"ideal\": \"b\", \"grader\": \"exact\"}",
         "grader: expected an object"},
        {"{\"input\": \"a\", \"ideal\": \"b\", \"grader\": {\"type\": \"x\"}}",
         "grader: \"x\" is no"},
        {"\xFF", "byte 1: "},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = x_printf(
            "{\"input\":\"q\",\"ideal\":\"1\"}\n%s\n{\"input\":\"r\",\"ideal\":\"1\"}",
            cases[i].line);
        struct items *s = load_text(text);
        assert_int_equal(s->count, 2);
        assert_int_equal(s->bad_lines, 1);
        assert_int_equal(s->note_count, 1);
        assert_int_equal(s->notes[0].line, 2);
        assert_true(s->notes[0].is_bad);
        if (strstr(s->notes[0].text, cases[i].words) == NULL) {
            fail_msg("%s: %s", cases[i].line, s->notes[0].text);
        }
        items_free(s);
        free(text);
    }
}

/* The same item twice would be in two places of a comparison. */
static void test_twice(void **state)
{
    struct items *s = load_text(
        "{\"input\":\"q\",\"ideal\":\"1\"}\n"
        "{\"input\":[{\"content\":\"\\u0071\",\"role\":\"user\"}],\"ideal\":\"2\"}\n"
        "{\"input\":\"q\",\"ideal\":\"1\",\"id\":\"q\"}\n"
        "{\"input\":\"r\",\"ideal\":\"1\",\"id\":\"q\"}\n");
    (void) state;
    assert_int_equal(s->count, 2);
    assert_int_equal(s->bad_lines, 2);
    assert_string_equal(s->notes[0].text, "has the input of an earlier line");
    assert_int_equal(s->notes[1].line, 4);
    assert_string_equal(s->notes[1].text, "has the id of an earlier line");
    items_free(s);
}

/* `count` lines, each with an id of its own, from `first` on. */
static struct slice many(unsigned first, unsigned count, unsigned modulus)
{
    char *text = calloc(count, 64);
    size_t n = 0;
    assert_non_null(text);
    for (unsigned i = first; i < first + count; i++) {
        n += (size_t) snprintf(text + n, 64, "{\"input\":\"q\",\"ideal\":\"1\",\"id\":\"%u\"}\n",
                               i % modulus);
    }
    return (struct slice) {text, n};
}

/* However far the first one is back. */
static void test_twice_among_many(void **state)
{
    struct slice text = many(0, 600, 300);
    struct errbuf err = {""};
    struct items *s = NULL;

    (void) state;
    assert_int_equal(load(text, ALL_SPLITS, MUCH_BYTES, &s, &err), ERR_NONE);
    assert_int_equal(s->count, 300);
    assert_int_equal(s->bad_lines, 300);
    items_free(s);
    free((void *) (uintptr_t) text.p);
}

static void test_forced(void **state)
{
    struct items *s = load_text(
        "{\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":"
        "\"so\"}],"
        "\"ideal\":\"1\"}\n"
        "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
        "\"url\":"
        "\"https://example.invalid/a.png\"}}]}],\"ideal\":\"1\"}\n"
        "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{}}]"
        "}],"
        "\"ideal\":\"1\"}\n"
        "{\"input\":[{\"role\":\"user\",\"content\":\"q\"}],\"ideal\":\"1\"}\n");
    (void) state;
    assert_int_equal(s->count, 4);
    assert_int_equal(s->bad_lines, 0);
    assert_int_equal(s->forced, 3);
    assert_int_equal(s->all[0].force, ITEMS_LAST_ROLE);
    assert_int_equal(s->all[1].force, ITEMS_IMAGES);
    assert_int_equal(s->all[2].force, ITEMS_AUDIO);
    assert_int_equal(s->all[3].force, ITEMS_FREE);
    assert_int_equal(s->note_count, 3);
    assert_false(s->notes[0].is_bad);
    assert_non_null(strstr(s->notes[0].text, "its last message is not the user's"));
    items_free(s);
}

static struct items *load_many(unsigned first, unsigned count, unsigned splits)
{
    struct slice text = many(first, count, UINT_MAX);
    struct errbuf err = {""};
    struct items *s = NULL;
    assert_int_equal(load(text, splits, MUCH_BYTES, &s, &err), ERR_NONE);
    free((void *) (uintptr_t) text.p);
    return s;
}

/* Four standard deviations of a share of 500 are 9, 8 and 5 of 100. */
static void test_split_is_60_30_10(void **state)
{
    struct items *s = load_many(0, 500, ALL_SPLITS);
    (void) state;
    assert_int_equal(s->count, 500);
    assert_in_range(s->split_counts[ITEMS_SEARCH], 256, 344);
    assert_in_range(s->split_counts[ITEMS_GATE], 109, 191);
    assert_in_range(s->split_counts[ITEMS_AUDIT], 23, 77);
    items_free(s);
    assert_int_equal(items_split_at(0), ITEMS_SEARCH);
    assert_int_equal(items_split_at((uint64_t) 0x99999999 << 32), ITEMS_SEARCH);
    assert_int_equal(items_split_at((uint64_t) 0x9999999a << 32), ITEMS_GATE);
    assert_int_equal(items_split_at((uint64_t) 0xe6666666 << 32), ITEMS_GATE);
    assert_int_equal(items_split_at((uint64_t) 0xe6666667 << 32), ITEMS_AUDIT);
    assert_int_equal(items_split_at(UINT64_MAX), ITEMS_AUDIT);
}

/* What else is in the file moves no item; another key does. */
static void test_split_is_stable(void **state)
{
    struct items *a = load_many(0, 60, ALL_SPLITS), *b = load_many(30, 60, ALL_SPLITS);
    struct install_key other = key;
    struct slice text = many(0, 60, UINT_MAX);
    struct grader *g = grader("{\"type\":\"exact\"}");
    struct items_options options = {&other, ALL_SPLITS, g, MUCH_BYTES};
    struct items *c = NULL;
    struct errbuf err = {""};
    char path[32];
    unsigned moved = 0;

    (void) state;
    for (size_t i = 0; i < 30; i++) {
        assert_true(a->all[30 + i].hash == b->all[i].hash);
        assert_int_equal(a->all[30 + i].split, b->all[i].split);
    }
    other.bytes[0] ^= 1;
    write_file(path, text);
    assert_int_equal(items_load(path, &options, &c, &err), ERR_NONE);
    unlink(path);
    for (size_t i = 0; i < 60; i++) {
        moved += a->all[i].split != c->all[i].split ? 1 : 0;
    }
    assert_true(moved > 10);
    items_free(a);
    items_free(b);
    items_free(c);
    grader_free(g);
    free((void *) (uintptr_t) text.p);
}

static void test_only_wanted_splits_are_kept(void **state)
{
    struct items *all = load_many(0, 100, ALL_SPLITS);
    struct items *gate = load_many(0, 100, 1u << ITEMS_GATE);

    (void) state;
    assert_int_equal(gate->count, all->split_counts[ITEMS_GATE]);
    for (int i = 0; i < ITEMS_SPLITS; i++) {
        assert_int_equal(gate->split_counts[i], all->split_counts[i]);
    }
    for (size_t i = 0; i < gate->count; i++) {
        assert_int_equal(gate->all[i].split, ITEMS_GATE);
    }
    items_free(all);
    items_free(gate);
}

static void test_a_bad_line_is_told_before_forced_ones(void **state)
{
    static const char forced[] =
        "{\"input\":[{\"role\":\"system\",\"content\":\"%u\"}],\"ideal\":\"1\"}\n";
    char *text = calloc(40, 80);
    size_t n = 0;

    (void) state;
    assert_non_null(text);
    for (unsigned i = 0; i < 25; i++) {
        n += (size_t) snprintf(text + n, 80, forced, i);
    }
    n += (size_t) snprintf(text + n, 80, "{\n{\n");
    struct items *s = load_text(text);
    assert_int_equal(s->forced, 25);
    assert_int_equal(s->bad_lines, 2);
    assert_int_equal(s->note_count, ITEMS_NOTES_MAX);
    assert_int_equal(s->notes[ITEMS_NOTES_MAX - 3].line, 18);
    assert_int_equal(s->notes[ITEMS_NOTES_MAX - 2].line, 26);
    assert_int_equal(s->notes[ITEMS_NOTES_MAX - 1].line, 27);
    items_free(s);
    free(text);
}

static void test_long_line(void **state)
{
    size_t n = ITEMS_LINE_BYTES_MAX + 1, tail = 0;
    char *text = calloc(1, n + 128);
    struct errbuf err = {""};
    struct items *s = NULL;

    (void) state;
    assert_non_null(text);
    memset(text, ' ', n);
    tail = (size_t) snprintf(text + n, 128, "\n{\"input\":\"q\",\"ideal\":\"1\"}\n");
    assert_int_equal(load((struct slice) {text, n + tail}, ALL_SPLITS, MUCH_BYTES, &s, &err),
                     ERR_NONE);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->all[0].line, 2);
    assert_int_equal(s->bad_lines, 1);
    assert_string_equal(s->notes[0].text, "is longer than a mebibyte");
    items_free(s);
    /* One byte less is a line, a blank one. */
    assert_int_equal(
        load((struct slice) {text + 1, n - 1 + tail}, ALL_SPLITS, MUCH_BYTES, &s, &err), ERR_NONE);
    assert_int_equal(s->bad_lines, 0);
    items_free(s);
    free(text);
}

static void test_file_errors(void **state)
{
    struct items_options options = {&key, ALL_SPLITS, NULL, MUCH_BYTES};
    struct slice text = many(0, 100, UINT_MAX);
    struct errbuf err = {""};
    struct items *s = NULL;

    (void) state;
    assert_int_equal(items_load("/nonexistent/items.jsonl", &options, &s, &err), ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/items.jsonl: cannot be read: "));
    assert_int_equal(items_load("/tmp", &options, &s, &err), ERR_IO);
    assert_non_null(strstr(err.text, "/tmp: is no regular file"));
    assert_int_equal(load(SLICE_LIT("\n\n"), ALL_SPLITS, MUCH_BYTES, &s, &err), ERR_INPUT);
    assert_non_null(strstr(err.text, "there is no item in it"));
    assert_int_equal(load(SLICE_LIT("\n{"), ALL_SPLITS, MUCH_BYTES, &s, &err), ERR_INPUT);
    assert_non_null(strstr(err.text, "no item in it; line 2: byte "));
    assert_int_equal(load(text, ALL_SPLITS, 5000, &s, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "the items kept are over 5000 bytes"));
    free((void *) (uintptr_t) text.p);
}

/* Without a grader of the task an item needs one of its own, or an ideal for another's. */
static void test_no_task_grader(void **state)
{
    struct items_options options = {&key, ALL_SPLITS, NULL, MUCH_BYTES};
    struct errbuf err = {""};
    struct items *s = NULL;
    char path[32];

    (void) state;
    write_file(path,
               SLICE_LIT("{\"input\":\"a\"}\n"
                         "{\"input\":\"b\",\"grader\":{\"type\":\"json_schema\",\"schema\":{}}}\n"
                         "{\"input\":\"c\",\"grader\":{\"type\":\"exact\"}}\n"));
    assert_int_equal(items_load(path, &options, &s, &err), ERR_NONE);
    unlink(path);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->bad_lines, 2);
    assert_false(grader_needs_ideal(s->all[0].grader));
    items_free(s);
}

static void test_body(void **state)
{
    struct items *s = load_text("{\"input\":\"q\\\"\\n\",\"ideal\":\"1\"}");
    struct reqbody *body = items_body(&s->all[0], SLICE_LIT("a\"b"));
    struct request request = {0};
    struct errbuf err = {""};
    const char *param = NULL;
    struct arena room;

    (void) state;
    assert_non_null(body);
    assert_slice(
        (struct slice) {body->bytes, body->length},
        "{\"model\":\"a\\\"b\",\"messages\":[{\"role\":\"user\",\"content\":\"q\\\"\\n\"}]}");
    arena_init(&room, 1024, 65536);
    assert_int_equal(request_parse(&request, ENDPOINT_CHAT, body, &room, &param, &err), ERR_NONE);
    assert_slice(request.model_name, "a\"b");
    request_fini(&request);
    arena_fini(&room);
    items_free(s);
}

/* Whatever a file is cut to, it loads or says why; whole lines stay. */
static void test_cut_at_every_byte(void **state)
{
    static const char text[] =
        "{\"input\":\"q\",\"ideal\":[\"1\",\"\\u0032\"],\"id\":\"a\",\"task\":\"t\"}\r\n"
        "{\"input\":[{\"role\":\"user\",\"content\":\"x\"}],\"ideal\":\"1\","
        "\"grader\":{\"type\":\"numeric\"}}\n";
    size_t first = (size_t) (strchr(text, '\r') - text);

    (void) state;
    for (size_t n = 0; n < sizeof(text); n++) {
        struct errbuf err = {""};
        struct items *s = NULL;
        enum err rc = load((struct slice) {text, n}, ALL_SPLITS, MUCH_BYTES, &s, &err);
        assert_int_equal(rc, n < first ? ERR_INPUT : ERR_NONE);
        if (s != NULL) {
            assert_int_equal(s->count + s->bad_lines, n > first + 2 ? 2 : 1);
        }
        items_free(s);
    }
}

static void test_split_names(void **state)
{
    enum items_split split;
    (void) state;
    for (int i = 0; i < ITEMS_SPLITS; i++) {
        assert_true(items_split_of(slice_of(items_split_name((enum items_split) i)), &split));
        assert_int_equal(split, i);
    }
    assert_false(items_split_of(SLICE_LIT("all"), &split));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_twice_among_many),
        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_split_is_60_30_10),
        cmocka_unit_test(test_split_is_stable),
        cmocka_unit_test(test_only_wanted_splits_are_kept),
        cmocka_unit_test(test_a_bad_line_is_told_before_forced_ones),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_no_task_grader),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_split_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
