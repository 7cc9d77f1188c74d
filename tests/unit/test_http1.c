#include "gateway/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parsed {
    enum http1_result result;
    size_t used;
    const char *what;
    struct http1_head head;
};

/* In memory of exactly that size, so that a sanitizer sees a byte too far. The caller frees *copy while
 * it still looks at slices. */
static struct parsed parse(struct slice bytes, char **copy)
{
    struct parsed p;
    *copy = malloc(bytes.n > 0 ? bytes.n : 1);
    assert_non_null(*copy);
    memcpy(*copy, bytes.p, bytes.n);
    p.result = http1_parse_head((struct slice) {*copy, bytes.n}, &p.head, &p.used, &p.what);
    return p;
}

static enum http1_result result_of(struct slice bytes, size_t *used, const char **what)
{
    char *copy;
    struct parsed p = parse(bytes, &copy);
    free(copy);
    *used = p.used;
    *what = p.what;
    return p.result;
}

/* Gives every prefix. Until the end it is HTTP1_MORE or already the final result, and it never changes
 * once it has been given. */
static void check_cuts(const char *name, struct slice bytes)
{
    size_t used;
    size_t cut_used;
    const char *what;
    const char *cut_what;
    enum http1_result whole = result_of(bytes, &used, &what);
    bool decided = false;
    for (size_t n = 0; n <= bytes.n; n++) {
        enum http1_result rc = result_of((struct slice) {bytes.p, n}, &cut_used, &cut_what);
        if (rc == HTTP1_MORE && !decided) {
            continue;
        }
        if (rc != whole || cut_used != used || cut_what != what) {
            fail_msg("%s: cut at %zu gives %d, whole gives %d", name, n, (int) rc, (int) whole);
        }
        if (rc == HTTP1_DONE && n < used) {
            fail_msg("%s: done at %zu, before its end", name, n);
        }
        decided = true;
    }
}

struct row {
    const char *name;
    struct slice bytes;
    enum http1_result result;
};

#define LINE "POST /v1/chat/completions HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define ROW(name, result, literal)                                                                 \
    {                                                                                              \
        name, SLICE_LIT(literal), result                                                           \
    }

static const struct row rows[] = {
    /* What is allowed. */
    ROW("plain", HTTP1_DONE, LINE HOST "\r\n"),
    ROW("value without space", HTTP1_DONE, LINE "Host:a\r\n\r\n"),
    ROW("value with outer white space", HTTP1_DONE, LINE "Host: \t a \t \r\n\r\n"),
    ROW("empty value", HTTP1_DONE, LINE HOST "X:\r\n\r\n"),
    ROW("value of blanks", HTTP1_DONE, LINE HOST "X:   \r\n\r\n"),
    ROW("bytes above ASCII in a value", HTTP1_DONE, LINE HOST "X: \xc3\xa4\xff\r\n\r\n"),
    ROW("tab in a value", HTTP1_DONE, LINE HOST "X: a\tb\r\n\r\n"),
    ROW("every token byte in a name", HTTP1_DONE, LINE HOST "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n"),
    ROW("length", HTTP1_DONE, LINE HOST "Content-Length: 12\r\n\r\n"),
    ROW("length zero", HTTP1_DONE, LINE HOST "Content-Length: 0\r\n\r\n"),
    ROW("chunked", HTTP1_DONE, LINE HOST "Transfer-Encoding: chunked\r\n\r\n"),
    ROW("chunked in capitals", HTTP1_DONE, LINE HOST "TRANSFER-ENCODING: CHUNKED\r\n\r\n"),
    ROW("GET with a body", HTTP1_DONE, "GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n"),
    ROW("empty line first", HTTP1_DONE, "\r\n" LINE HOST "\r\n"),
    ROW("HTTP/1.0 without host", HTTP1_DONE, "GET / HTTP/1.0\r\n\r\n"),
    ROW("HTTP/1.2", HTTP1_DONE, "GET / HTTP/1.2\r\n" HOST "\r\n"),
    ROW("unknown method", HTTP1_DONE, "BREW / HTTP/1.1\r\n" HOST "\r\n"),
    ROW("CONNECT", HTTP1_DONE, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ROW("absolute-form", HTTP1_DONE, "GET http://a/x HTTP/1.1\r\n" HOST "\r\n"),
    ROW("OPTIONS *", HTTP1_DONE, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
    ROW("host with port", HTTP1_DONE, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    ROW("empty host", HTTP1_DONE, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ROW("expectation", HTTP1_DONE, LINE HOST "Expect: 100-Continue\r\n\r\n"),
    ROW("body behind", HTTP1_DONE, LINE HOST "Content-Length: 2\r\n\r\n{}GET"),

    /* Two lengths of the body: the smuggler's ways. */
    ROW("length and coding", HTTP1_BAD,
        LINE HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("coding and length", HTTP1_BAD,
        LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    ROW("two lengths, different", HTTP1_BAD,
        LINE HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ROW("two lengths, equal", HTTP1_BAD,
        LINE HOST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n"),
    ROW("two lengths in one field", HTTP1_BAD, LINE HOST "Content-Length: 5, 5\r\n\r\n"),
    ROW("length with plus", HTTP1_BAD, LINE HOST "Content-Length: +2\r\n\r\n"),
    ROW("length with minus", HTTP1_BAD, LINE HOST "Content-Length: -2\r\n\r\n"),
    ROW("length in hex", HTTP1_BAD, LINE HOST "Content-Length: 0x10\r\n\r\n"),
    ROW("length with a fraction", HTTP1_BAD, LINE HOST "Content-Length: 5.0\r\n\r\n"),
    ROW("length with an exponent", HTTP1_BAD, LINE HOST "Content-Length: 1e3\r\n\r\n"),
    ROW("length with a space inside", HTTP1_BAD, LINE HOST "Content-Length: 1 0\r\n\r\n"),
    ROW("length over 64 bits", HTTP1_BAD, LINE HOST "Content-Length: 18446744073709551616\r\n\r\n"),
    ROW("length empty", HTTP1_BAD, LINE HOST "Content-Length:\r\n\r\n"),
    ROW("length quoted", HTTP1_BAD, LINE HOST "Content-Length: \"5\"\r\n\r\n"),
    ROW("two codings", HTTP1_BAD,
        LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("coding twice in one field", HTTP1_CODING,
        LINE HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    ROW("coding gzip", HTTP1_CODING, LINE HOST "Transfer-Encoding: gzip\r\n\r\n"),
    ROW("coding gzip, chunked", HTTP1_CODING, LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    ROW("coding identity", HTTP1_CODING, LINE HOST "Transfer-Encoding: identity\r\n\r\n"),
    ROW("coding xchunked", HTTP1_CODING, LINE HOST "Transfer-Encoding: xchunked\r\n\r\n"),
    ROW("coding with a parameter", HTTP1_CODING,
        LINE HOST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
    ROW("coding quoted", HTTP1_CODING, LINE HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    ROW("coding with a comma", HTTP1_CODING, LINE HOST "Transfer-Encoding: ,chunked\r\n\r\n"),
    ROW("coding empty", HTTP1_BAD, LINE HOST "Transfer-Encoding:\r\n\r\n"),
    ROW("coding behind a vertical tab", HTTP1_BAD,
        LINE HOST "Transfer-Encoding: \x0b"
                  "chunked\r\n\r\n"),
    ROW("coding in HTTP/1.0", HTTP1_BAD, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("coding with a space before the colon", HTTP1_BAD,
        LINE HOST "Transfer-Encoding : chunked\r\n\r\n"),
    ROW("length with a tab before the colon", HTTP1_BAD, LINE HOST "Content-Length\t: 5\r\n\r\n"),
    ROW("name with a control byte", HTTP1_BAD, LINE HOST "Content\x01-Length: 5\r\n\r\n"),
    ROW("name with a space before it", HTTP1_BAD, LINE " Host: a\r\n\r\n"),
    ROW("name with a byte above ASCII", HTTP1_BAD, LINE HOST "X\xe9: 5\r\n\r\n"),

    /* Lines. */
    ROW("folded field", HTTP1_BAD, LINE HOST "X: a\r\n b\r\n\r\n"),
    ROW("folded by a tab", HTTP1_BAD, LINE HOST "X: a\r\n\tb\r\n\r\n"),
    ROW("bare LF after the request line", HTTP1_BAD, "GET / HTTP/1.1\n" HOST "\r\n"),
    ROW("bare LF after a field", HTTP1_BAD, LINE "Host: a\n\r\n"),
    ROW("bare LF at the end", HTTP1_BAD, LINE HOST "\n"),
    ROW("bare LF inside a name", HTTP1_BAD, LINE HOST "X\nY: a\r\n\r\n"),
    ROW("bare LF first", HTTP1_BAD, "\n" LINE HOST "\r\n"),
    ROW("CR inside a value", HTTP1_BAD, LINE HOST "X: a\rb\r\n\r\n"),
    ROW("CR CR LF", HTTP1_BAD, LINE HOST "X: a\r\r\n\r\n"),
    ROW("CR at the end", HTTP1_BAD, LINE HOST "\rX"),
    ROW("NUL in a value", HTTP1_BAD, LINE HOST "X: a\0b\r\n\r\n"),
    ROW("NUL in a name", HTTP1_BAD, LINE HOST "X\0: b\r\n\r\n"),
    ROW("DEL in a value", HTTP1_BAD, LINE HOST "X: a\x7f\r\n\r\n"),
    ROW("escape in a value", HTTP1_BAD, LINE HOST "X: \x1b[31m\r\n\r\n"),
    ROW("two empty lines first", HTTP1_BAD, "\r\n\r\n" LINE HOST "\r\n"),
    ROW("field without colon", HTTP1_BAD, LINE HOST "X\r\n\r\n"),
    ROW("field without name", HTTP1_BAD, LINE HOST ": x\r\n\r\n"),

    /* Host. */
    ROW("no host", HTTP1_BAD, LINE "\r\n"),
    ROW("two hosts", HTTP1_BAD, LINE HOST "Host: b\r\n\r\n"),
    ROW("two equal hosts", HTTP1_BAD, LINE HOST HOST "\r\n"),
    ROW("two hosts in HTTP/1.0", HTTP1_BAD, "GET / HTTP/1.0\r\n" HOST HOST "\r\n"),
    ROW("host with a user", HTTP1_BAD, LINE "Host: u@a\r\n\r\n"),
    ROW("host with a path", HTTP1_BAD, LINE "Host: a/b\r\n\r\n"),
    ROW("host list", HTTP1_BAD, LINE "Host: a, b\r\n\r\n"),
    ROW("host list without space", HTTP1_BAD, LINE "Host: a,b\r\n\r\n"),
    ROW("target names another host", HTTP1_BAD, "GET http://b/ HTTP/1.1\r\n" HOST "\r\n"),

    /* The request line. */
    ROW("no method", HTTP1_BAD, " / HTTP/1.1\r\n" HOST "\r\n"),
    ROW("method with a bracket", HTTP1_BAD, "GE(T / HTTP/1.1\r\n" HOST "\r\n"),
    ROW("two spaces before the target", HTTP1_BAD, "GET  / HTTP/1.1\r\n" HOST "\r\n"),
    ROW("two spaces after the target", HTTP1_BAD, "GET /  HTTP/1.1\r\n" HOST "\r\n"),
    ROW("tab after the method", HTTP1_BAD, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"),
    ROW("space after the version", HTTP1_BAD, "GET / HTTP/1.1 \r\n" HOST "\r\n"),
    ROW("space in the target", HTTP1_BAD, "GET /a b HTTP/1.1\r\n" HOST "\r\n"),
    ROW("fragment in the target", HTTP1_BAD, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"),
    ROW("backslash in the target", HTTP1_BAD, "GET /a\\b HTTP/1.1\r\n" HOST "\r\n"),
    ROW("byte above ASCII in the target", HTTP1_BAD, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"),
    ROW("NUL in the target", HTTP1_BAD, "GET /\0 HTTP/1.1\r\n" HOST "\r\n"),
    ROW("relative target", HTTP1_BAD, "GET v1/models HTTP/1.1\r\n" HOST "\r\n"),
    ROW("GET *", HTTP1_BAD, "GET * HTTP/1.1\r\n" HOST "\r\n"),
    ROW("another scheme", HTTP1_BAD, "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n"),
    ROW("absolute-form without host", HTTP1_BAD, "GET http:///x HTTP/1.1\r\n" HOST "\r\n"),
    ROW("absolute-form with a user", HTTP1_BAD, "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n"),
    ROW("CONNECT with a path", HTTP1_BAD, "CONNECT x/y HTTP/1.1\r\n" HOST "\r\n"),
    ROW("no target", HTTP1_BAD, "GET HTTP/1.1\r\n" HOST "\r\n"),
    ROW("HTTP/0.9", HTTP1_BAD, "GET /\r\n"),
    ROW("HTTP/0.9 with version", HTTP1_VERSION, "GET / HTTP/0.9\r\n\r\n"),
    ROW("HTTP/2 preface", HTTP1_VERSION, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ROW("HTTP/3.0", HTTP1_VERSION, "GET / HTTP/3.0\r\n" HOST "\r\n"),
    ROW("version in lower case", HTTP1_BAD, "GET / http/1.1\r\n" HOST "\r\n"),
    ROW("version with two digits", HTTP1_BAD, "GET / HTTP/1.10\r\n" HOST "\r\n"),
    ROW("version without minor", HTTP1_BAD, "GET / HTTP/1\r\n" HOST "\r\n"),
    ROW("another protocol", HTTP1_BAD, "OPTIONS /a RTSP/1.0\r\n\r\n"),
    ROW("TLS", HTTP1_BAD, "\x16\x03\x01\x02\x00\x01"),
    ROW("SSH", HTTP1_BAD, "SSH-2.0-client\r\n"),

    /* Expectations. */
    ROW("unknown expectation", HTTP1_EXPECT, LINE HOST "Expect: 200-ok\r\n\r\n"),
    ROW("two expectations", HTTP1_EXPECT, LINE HOST "Expect: 100-continue, x\r\n\r\n"),
    ROW("empty expectation", HTTP1_EXPECT, LINE HOST "Expect:\r\n\r\n"),
};

static void test_rows(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t used;
        const char *what;
        enum http1_result rc = result_of(rows[i].bytes, &used, &what);
        if (rc != rows[i].result) {
            fail_msg("%s: %d (%s), not %d", rows[i].name, (int) rc, what ? what : "",
                     (int) rows[i].result);
        }
        if ((rc == HTTP1_DONE) != (what == NULL) || (rc == HTTP1_DONE) != (used > 0)) {
            fail_msg("%s: words and length do not fit the result", rows[i].name);
        }
    }
}

static void test_every_cut_of_every_row(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_cuts(rows[i].name, rows[i].bytes);
    }
}

/* The likely mistakes are told apart. */
static void test_words(void **state)
{
    (void) state;
    static const struct {
        struct slice bytes;
        const char *word;
    } cases[] = {
        {SLICE_LIT(LINE HOST "X: a\r\n b\r\n\r\n"), "folded"},
        {SLICE_LIT(LINE HOST "X : a\r\n\r\n"), "space"},
        {SLICE_LIT("GET / HTTP/1.1\n"), "LF without CR"},
        {SLICE_LIT("GET / HTTP/1.1\r\nHost\n"), "LF without CR"},
        {SLICE_LIT("GET / HTTP/1.1\r\n\r\n"), "Host"},
        {SLICE_LIT("GET /\r\n"), "method, target, version"},
        {SLICE_LIT("GET /ä HTTP/1.1\r\n"), "percent-encoded"},
        {SLICE_LIT("\x16\x03\x01"), "TLS"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t used;
        const char *what;
        assert_int_equal(result_of(cases[i].bytes, &used, &what), HTTP1_BAD);
        if (strstr(what, cases[i].word) == NULL) {
            fail_msg("\"%s\" has not \"%s\"", what, cases[i].word);
        }
    }
}

static void assert_slice(struct slice s, const char *text)
{
    if (!slice_eq_text(s, text)) {
        fail_msg("\"%.*s\", not \"%s\"", (int) s.n, s.p, text);
    }
}

static void test_parts_of_a_head(void **state)
{
    (void) state;
    static const struct slice bytes = SLICE_LIT("\r\nPOST /v1/chat/completions?a=b?c HTTP/1.1\r\n"
                                                "HOST: example.com:80\r\n"
                                                "Authorization:\tBearer x y \r\n"
                                                "Content-Length: 18446744073709551615\r\n"
                                                "Expect: 100-continue\r\n"
                                                "X-Empty:\r\n"
                                                "\r\nrest");
    char *copy;
    struct parsed p = parse(bytes, &copy);
    assert_int_equal(p.result, HTTP1_DONE);
    assert_int_equal(p.used, bytes.n - 4);
    assert_int_equal(p.head.method, HTTP1_POST);
    assert_slice(p.head.method_text, "POST");
    assert_slice(p.head.target, "/v1/chat/completions?a=b?c");
    assert_slice(p.head.path, "/v1/chat/completions");
    assert_slice(p.head.query, "a=b?c");
    assert_int_equal(p.head.minor, 1);
    assert_true(p.head.keep_alive);
    assert_true(p.head.expect_continue);
    assert_int_equal(p.head.framing, HTTP1_LENGTH);
    assert_true(p.head.content_length == UINT64_MAX);
    assert_int_equal(p.head.field_count, 5);
    assert_slice(p.head.fields[0].name, "HOST");
    assert_slice(p.head.fields[1].value, "Bearer x y");
    assert_slice(http1_field_value(&p.head, "host"), "example.com:80");
    assert_slice(http1_field_value(&p.head, "x-empty"), "");
    assert_non_null(http1_field_value(&p.head, "x-empty").p);
    assert_null(http1_field_value(&p.head, "x-absent").p);
    free(copy);
}

static void test_methods(void **state)
{
    (void) state;
    static const struct {
        struct slice bytes;
        enum http1_method method;
    } methods[] = {
        {SLICE_LIT("GET / HTTP/1.0\r\n\r\n"), HTTP1_GET},
        {SLICE_LIT("HEAD / HTTP/1.0\r\n\r\n"), HTTP1_HEAD},
        {SLICE_LIT("POST / HTTP/1.0\r\n\r\n"), HTTP1_POST},
        {SLICE_LIT("OPTIONS / HTTP/1.0\r\n\r\n"), HTTP1_OPTIONS},
        {SLICE_LIT("get / HTTP/1.0\r\n\r\n"), HTTP1_OTHER},
        {SLICE_LIT("PUT / HTTP/1.0\r\n\r\n"), HTTP1_OTHER},
        {SLICE_LIT("PATCH / HTTP/1.0\r\n\r\n"), HTTP1_OTHER},
        {SLICE_LIT("OPTIONZ / HTTP/1.0\r\n\r\n"), HTTP1_OTHER},
    };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        char *copy;
        struct parsed p = parse(methods[i].bytes, &copy);
        assert_int_equal(p.result, HTTP1_DONE);
        assert_int_equal(p.head.method, methods[i].method);
        free(copy);
    }
}

static void check_target(const char *line, const char *path, const char *query)
{
    char text[256];
    char *copy;
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: ex.com:81\r\n\r\n", line);
    struct parsed p = parse(slice_of(text), &copy);
    if (p.result != HTTP1_DONE) {
        fail_msg("%s: %s", line, p.what);
    }
    assert_slice(p.head.path, path);
    assert_slice(p.head.query, query);
    check_cuts(line, slice_of(text));
    free(copy);
}

static void test_forms_of_the_target(void **state)
{
    (void) state;
    check_target("GET /", "/", "");
    check_target("GET /?", "/", "");
    check_target("GET //a//b", "//a//b", "");
    check_target("GET /v1/models/llama3.2:1b?x=%20&y[]=1", "/v1/models/llama3.2:1b", "x=%20&y[]=1");
    check_target("GET http://ex.com:81/v1/models?a", "/v1/models", "a");
    check_target("GET HTTP://EX.COM:81", "/", "");
    check_target("GET https://ex.com:81?q", "/", "q");
    check_target("OPTIONS *", "*", "");
    check_target("CONNECT ex.com:81", "ex.com:81", "");
}

static void check_keep_alive(const char *version, const char *fields, bool keep_alive)
{
    char text[256];
    char *copy;
    snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", version, fields);
    struct parsed p = parse(slice_of(text), &copy);
    assert_int_equal(p.result, HTTP1_DONE);
    if (p.head.keep_alive != keep_alive) {
        fail_msg("HTTP/%s with %s: %d", version, fields, p.head.keep_alive);
    }
    free(copy);
}

static void test_keep_alive(void **state)
{
    (void) state;
    check_keep_alive("1.1", "", true);
    check_keep_alive("1.1", "Connection: close\r\n", false);
    check_keep_alive("1.1", "connection: CLOSE\r\n", false);
    check_keep_alive("1.1", "Connection: te , close\r\n", false);
    check_keep_alive("1.1", "Connection: te\r\nConnection: close\r\n", false);
    check_keep_alive("1.1", "Connection: closed\r\n", true);
    check_keep_alive("1.1", "Connection: keep-alive, close\r\n", false);
    check_keep_alive("1.1", "Proxy-Connection: close\r\n", true);
    check_keep_alive("1.0", "", false);
    check_keep_alive("1.0", "Connection: Keep-Alive\r\n", true);
    check_keep_alive("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false);
}

static void test_expectations(void **state)
{
    (void) state;
    static const struct {
        struct slice bytes;
        bool expect;
    } cases[] = {
        {SLICE_LIT(LINE HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"), true},
        {SLICE_LIT(LINE HOST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"), true},
        {SLICE_LIT(LINE HOST "Expect: 100-continue\r\n\r\n"), false},
        {SLICE_LIT("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *copy;
        struct parsed p = parse(cases[i].bytes, &copy);
        assert_int_equal(p.result, HTTP1_DONE);
        assert_int_equal(p.head.expect_continue, cases[i].expect);
        free(copy);
    }
}

static void check_token(const char *value, const char *token, bool has)
{
    if (http1_list_has(slice_of(value), token) != has) {
        fail_msg("\"%s\" and %s", value, token);
    }
}

static void test_tokens(void **state)
{
    (void) state;
    check_token("gzip", "gzip", true);
    check_token("GZip", "gzip", true);
    check_token("deflate, gzip;q=1.0, *;q=0.5", "gzip", true);
    check_token("br ,\tgzip", "gzip", true);
    check_token("gzip;q=0", "gzip", false);
    check_token("gzip; Q=0.000", "gzip", false);
    check_token("gzip ;q=0.", "gzip", false);
    check_token("gzip;q=0.001", "gzip", true);
    check_token("gzip;q=00", "gzip", false);
    check_token("gzip;q=", "gzip", true);
    check_token("gzip;level=0;q=0", "gzip", false);
    check_token("xgzip, gzipx", "gzip", false);
    check_token("", "gzip", false);
    check_token(",,", "gzip", false);
    check_token(",,gzip", "gzip", true);
    check_token("a;gzip", "gzip", false);
    assert_false(http1_list_has(SLICE_NONE, "gzip"));

    char *copy;
    struct parsed p = parse((struct slice) SLICE_LIT(LINE HOST "Accept-Encoding: br\r\n"
                                                               "accept-encoding: gzip\r\n\r\n"),
                            &copy);
    assert_int_equal(p.result, HTTP1_DONE);
    assert_true(http1_has_token(&p.head, "Accept-Encoding", "gzip"));
    assert_false(http1_has_token(&p.head, "Accept-Encoding", "zstd"));
    assert_false(http1_has_token(&p.head, "Accept", "gzip"));
    free(copy);
}

/* A head of exactly this many bytes. */
static char *head_of(size_t length)
{
    static const char before[] = LINE HOST "X: ";
    static const char after[] = "\r\n\r\n";
    char *text = malloc(length + 1);
    assert_non_null(text);
    memset(text, 'x', length);
    memcpy(text, before, sizeof(before) - 1);
    memcpy(text + length - (sizeof(after) - 1), after, sizeof(after));
    return text;
}

static void test_the_longest_head(void **state)
{
    (void) state;
    size_t used;
    const char *what;
    char *text = head_of(HTTP1_HEAD_MAX);
    struct slice bytes = {text, HTTP1_HEAD_MAX};
    assert_int_equal(result_of(bytes, &used, &what), HTTP1_DONE);
    assert_int_equal(used, HTTP1_HEAD_MAX);
    bytes.n--;
    assert_int_equal(result_of(bytes, &used, &what), HTTP1_MORE);
    free(text);
}

static void test_a_head_too_long(void **state)
{
    (void) state;
    size_t used;
    const char *what;
    char *text = head_of(HTTP1_HEAD_MAX + 1);
    for (size_t n = HTTP1_HEAD_MAX - 1; n <= HTTP1_HEAD_MAX + 1; n++) {
        enum http1_result rc = result_of((struct slice) {text, n}, &used, &what);
        assert_int_equal(rc, n < HTTP1_HEAD_MAX ? HTTP1_MORE : HTTP1_TOO_BIG);
    }
    memset(text, 'G', HTTP1_HEAD_MAX); /* a method without end */
    assert_int_equal(result_of((struct slice) {text, HTTP1_HEAD_MAX}, &used, &what), HTTP1_TOO_BIG);
    free(text);
}

static enum http1_result with_fields(unsigned count)
{
    char text[4096];
    size_t used;
    const char *what;
    size_t n = (size_t) snprintf(text, sizeof(text), "%s%s", LINE, HOST);
    for (unsigned i = 1; i < count; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "X-%u: y\r\n", i);
    }
    n += (size_t) snprintf(text + n, sizeof(text) - n, "\r\n");
    check_cuts("fields", (struct slice) {text, n});
    return result_of((struct slice) {text, n}, &used, &what);
}

static void test_count_of_fields(void **state)
{
    (void) state;
    assert_int_equal(with_fields(HTTP1_FIELDS_MAX), HTTP1_DONE);
    assert_int_equal(with_fields(HTTP1_FIELDS_MAX + 1), HTTP1_TOO_BIG);
}

static void test_status_texts(void **state)
{
    (void) state;
    assert_string_equal(http1_status_text(200), "OK");
    assert_string_equal(http1_status_text(429), "Too Many Requests");
    assert_string_equal(http1_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(http1_status_text(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_every_cut_of_every_row),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_parts_of_a_head),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_forms_of_the_target),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_the_longest_head),
        cmocka_unit_test(test_a_head_too_long),
        cmocka_unit_test(test_count_of_fields),
        cmocka_unit_test(test_status_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
