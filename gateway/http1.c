#include "gateway/http1.h"

#include "gateway/http1_bytes.h"

#include <string.h>
#include <strings.h>

/* A walk over one head. What it decides at a byte depends on the bytes up to there only, never on how
 * many more have come already: so a head that is cut anywhere and given again ends the same way. */
struct walk {
    const char *at;
    const char *end;
    bool is_at_limit; /* `end` is where the longest allowed head would end */
    const char *what;
    struct http1_head *head;
    struct slice authority; /* of an absolute-form target */
    struct slice host;
    bool has_host;
    bool has_length;
    bool has_coding;
    bool says_close;
    bool says_keep_alive;
};

/* Below, HTTP1_DONE from a step means "go on". */

static enum http1_result bad(struct walk *w, const char *what)
{
    w->what = what;
    return HTTP1_BAD;
}

static enum http1_result out_of_bytes(struct walk *w)
{
    if (!w->is_at_limit) {
        return HTTP1_MORE;
    }
    w->what = "the request head is longer than 16 KiB";
    return HTTP1_TOO_BIG;
}

static enum http1_result take_line_end(struct walk *w, const char *what_else)
{
    if (w->at == w->end) {
        return out_of_bytes(w);
    }
    if (*w->at == '\n') {
        return bad(w, "a line ends in LF without CR");
    }
    if (*w->at != '\r') {
        return bad(w, what_else);
    }
    if (w->at + 1 == w->end) {
        return out_of_bytes(w);
    }
    if (w->at[1] != '\n') {
        return bad(w, "a CR without LF");
    }
    w->at += 2;
    return HTTP1_DONE;
}

/* A run of bytes of one kind, at least one, with one space after it. */
static enum http1_result take_word(struct walk *w, enum http1_byte kind, struct slice *word,
                                   const char *what)
{
    const char *stop = http1_skip(w->at, w->end, kind);
    *word = (struct slice) {w->at, (size_t) (stop - w->at)};
    w->at = stop;
    if (stop == w->end) {
        return out_of_bytes(w);
    }
    if (*stop == '\r' || *stop == '\n') {
        return bad(w, "the request line is not: method, target, version");
    }
    if (word->n == 0 || *stop != ' ') {
        return bad(w, what);
    }
    w->at++;
    return HTTP1_DONE;
}

static enum http1_method method_of(struct slice m)
{
    switch (m.n) {
    case 3:
        return memcmp(m.p, "GET", 3) == 0 ? HTTP1_GET : HTTP1_OTHER;
    case 4:
        if (memcmp(m.p, "POST", 4) == 0) {
            return HTTP1_POST;
        }
        return memcmp(m.p, "HEAD", 4) == 0 ? HTTP1_HEAD : HTTP1_OTHER;
    case 7:
        return memcmp(m.p, "OPTIONS", 7) == 0 ? HTTP1_OPTIONS : HTTP1_OTHER;
    default:
        return HTTP1_OTHER;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/D.D, byte by byte so that a wrong one is refused as soon as it is wrong. */
static enum http1_result take_version(struct walk *w)
{
    static const char shape[] = "HTTP/D.D";
    const char *text = w->at;
    for (size_t i = 0; i < sizeof(shape) - 1; i++, w->at++) {
        if (w->at == w->end) {
            return out_of_bytes(w);
        }
        if (shape[i] == 'D' ? !is_digit(*w->at) : *w->at != shape[i]) {
            return bad(w, "the request line does not end in a version such as HTTP/1.1");
        }
    }
    if (text[5] != '1') {
        w->what = "only HTTP/1.0 and HTTP/1.1 are spoken here";
        return HTTP1_VERSION;
    }
    w->head->minor = (unsigned) (text[7] - '0');
    return take_line_end(w, "something stands after the version in the request line");
}

static void split_query(struct http1_head *head, const char *path, const char *end)
{
    const char *mark = memchr(path, '?', (size_t) (end - path));
    head->path = (struct slice) {path, (size_t) ((mark != NULL ? mark : end) - path)};
    head->query = (struct slice) {end, 0};
    if (mark != NULL) {
        head->query = (struct slice) {mark + 1, (size_t) (end - mark - 1)};
    }
}

static bool is_host(struct slice text)
{
    return http1_skip(text.p, text.p + text.n, HTTP1_HOST) == text.p + text.n;
}

/* http://authority/path?query, as a client sends it that takes us for a proxy. */
static enum http1_result read_absolute_form(struct walk *w, struct slice target,
                                            size_t scheme_bytes)
{
    const char *host = target.p + scheme_bytes;
    const char *end = target.p + target.n;
    const char *at = host;
    while (at < end && *at != '/' && *at != '?') {
        at++;
    }
    w->authority = (struct slice) {host, (size_t) (at - host)};
    if (w->authority.n == 0 || !is_host(w->authority)) {
        return bad(w, "the host in the request target is not valid");
    }
    split_query(w->head, at, end);
    if (w->head->path.n == 0) {
        w->head->path = SLICE_LIT("/");
    }
    return HTTP1_DONE;
}

static enum http1_result read_target(struct walk *w)
{
    struct http1_head *head = w->head;
    struct slice target = head->target;
    if (target.p[0] == '/') {
        split_query(head, target.p, target.p + target.n);
        return HTTP1_DONE;
    }
    if (target.n > 7 && strncasecmp(target.p, "http://", 7) == 0) {
        return read_absolute_form(w, target, 7);
    }
    if (target.n > 8 && strncasecmp(target.p, "https://", 8) == 0) {
        return read_absolute_form(w, target, 8);
    }
    /* The asterisk of OPTIONS and the host:port of CONNECT; the latter is refused by its method. */
    head->path = target;
    head->query = (struct slice) {target.p + target.n, 0};
    if (head->method == HTTP1_OPTIONS && slice_eq_text(target, "*")) {
        return HTTP1_DONE;
    }
    if (slice_eq_text(head->method_text, "CONNECT") && is_host(target)) {
        return HTTP1_DONE;
    }
    return bad(w, "the request target is not a path");
}

static enum http1_result take_request_line(struct walk *w)
{
    struct http1_head *head = w->head;
    if (w->at < w->end && *w->at == 0x16) {
        return bad(w, "this is TLS, and plain HTTP is spoken here");
    }
    if (w->at < w->end && *w->at == '\r') {
        enum http1_result rc = take_line_end(w, "");
        if (rc != HTTP1_DONE) {
            return rc;
        }
    }
    enum http1_result rc = take_word(w, HTTP1_TOKEN, &head->method_text,
                                     "the request does not begin with a method");
    if (rc != HTTP1_DONE) {
        return rc;
    }
    head->method = method_of(head->method_text);
    rc = take_word(w, HTTP1_TARGET, &head->target,
                   "the request target is missing or has a byte that must be percent-encoded");
    if (rc != HTTP1_DONE) {
        return rc;
    }
    /* Version before target: `PRI * HTTP/2.0` is to be told about the version. */
    rc = take_version(w);
    return rc != HTTP1_DONE ? rc : read_target(w);
}

/* `name` is a token and `lower` has letters and '-' only, hence or-ing the case bit is exact. */
static bool is_name(struct slice name, const char *lower)
{
    for (size_t i = 0; i < name.n; i++) {
        if ((name.p[i] | 0x20) != lower[i]) {
            return false;
        }
    }
    return true;
}

static enum http1_result read_host(struct walk *w, struct slice value)
{
    if (w->has_host) {
        return bad(w, "two Host fields");
    }
    if (!is_host(value)) {
        return bad(w, "the Host field is not host or host:port");
    }
    w->has_host = true;
    w->host = value;
    return HTTP1_DONE;
}

static enum http1_result read_length(struct walk *w, struct slice value)
{
    if (w->has_length) {
        return bad(w, "two Content-Length fields");
    }
    if (w->has_coding) {
        return bad(w, "Content-Length together with Transfer-Encoding");
    }
    if (!slice_to_u64(value, &w->head->content_length)) {
        return bad(w, "Content-Length is not a plain decimal number");
    }
    w->has_length = true;
    w->head->framing = HTTP1_LENGTH;
    return HTTP1_DONE;
}

static enum http1_result read_coding(struct walk *w, struct slice value)
{
    if (w->head->minor == 0) {
        return bad(w, "Transfer-Encoding in HTTP/1.0");
    }
    if (w->has_coding) {
        return bad(w, "two Transfer-Encoding fields");
    }
    if (w->has_length) {
        return bad(w, "Content-Length together with Transfer-Encoding");
    }
    if (value.n == 0) {
        return bad(w, "Transfer-Encoding is empty");
    }
    if (!slice_ieq_text(value, "chunked")) {
        w->what = "the only transfer coding understood here is chunked";
        return HTTP1_CODING;
    }
    w->has_coding = true;
    w->head->framing = HTTP1_CHUNKED;
    return HTTP1_DONE;
}

static enum http1_result read_expect(struct walk *w, struct slice value)
{
    if (!slice_ieq_text(value, "100-continue")) {
        w->what = "the only expectation understood here is 100-continue";
        return HTTP1_EXPECT;
    }
    /* A client of HTTP/1.0 cannot read a 100 (RFC 9110 §10.1.1). */
    w->head->expect_continue = w->head->minor > 0;
    return HTTP1_DONE;
}

/* Fields that decide about framing and the connection; the others are the session's. */
static enum http1_result read_field(struct walk *w, const struct http1_field *f)
{
    switch (f->name.n) {
    case 4:
        return is_name(f->name, "host") ? read_host(w, f->value) : HTTP1_DONE;
    case 6:
        return is_name(f->name, "expect") ? read_expect(w, f->value) : HTTP1_DONE;
    case 10:
        if (is_name(f->name, "connection")) {
            w->says_close = w->says_close || http1_list_has(f->value, "close");
            w->says_keep_alive = w->says_keep_alive || http1_list_has(f->value, "keep-alive");
        }
        return HTTP1_DONE;
    case 14:
        return is_name(f->name, "content-length") ? read_length(w, f->value) : HTTP1_DONE;
    case 17:
        return is_name(f->name, "transfer-encoding") ? read_coding(w, f->value) : HTTP1_DONE;
    default:
        return HTTP1_DONE;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum http1_result take_field(struct walk *w)
{
    const char *name = w->at;
    const char *colon = http1_skip(name, w->end, HTTP1_TOKEN);
    w->at = colon;
    if (colon == name && is_blank(*name)) {
        return bad(w, "a folded header field, or a space before its name");
    }
    if (colon == w->end) {
        return out_of_bytes(w);
    }
    if (*colon == '\n') {
        return bad(w, "a line ends in LF without CR");
    }
    if (*colon != ':' || colon == name) {
        return bad(w, is_blank(*colon) ? "a space in or after the name of a header field"
                                       : "a header field is not: name, colon, value");
    }
    const char *value = colon + 1;
    const char *stop = http1_skip(value, w->end, HTTP1_VALUE);
    w->at = stop;
    enum http1_result rc = take_line_end(w, "a control byte in the value of a header field");
    if (rc != HTTP1_DONE) {
        return rc;
    }
    while (value < stop && is_blank(*value)) {
        value++;
    }
    while (stop > value && is_blank(stop[-1])) {
        stop--;
    }
    if (w->head->field_count == HTTP1_FIELDS_MAX) {
        w->what = "more than 64 header fields";
        return HTTP1_TOO_BIG;
    }
    struct http1_field *f = &w->head->fields[w->head->field_count++];
    f->name = (struct slice) {name, (size_t) (colon - name)};
    f->value = (struct slice) {value, (size_t) (stop - value)};
    return read_field(w, f);
}

static bool same_host(struct slice a, struct slice b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* What can be said only when all fields are known. */
static enum http1_result conclude(struct walk *w)
{
    struct http1_head *head = w->head;
    if (!w->has_host && head->minor > 0) {
        return bad(w, "no Host field, which HTTP/1.1 requires");
    }
    if (w->authority.n > 0 && w->has_host && !same_host(w->authority, w->host)) {
        return bad(w, "the request target names another host than the Host field");
    }
    head->keep_alive = !w->says_close && (head->minor > 0 || w->says_keep_alive);
    head->expect_continue = head->expect_continue && head->framing != HTTP1_NO_BODY;
    return HTTP1_DONE;
}

static enum http1_result walk_head(struct walk *w)
{
    enum http1_result rc = take_request_line(w);
    while (rc == HTTP1_DONE) {
        if (w->at == w->end) {
            return out_of_bytes(w);
        }
        if (*w->at == '\r') {
            rc = take_line_end(w, "");
            return rc != HTTP1_DONE ? rc : conclude(w);
        }
        rc = take_field(w);
    }
    return rc;
}

enum http1_result http1_parse_head(struct slice bytes, struct http1_head *head, size_t *used,
                                   const char **what)
{
    bool is_at_limit = bytes.n >= HTTP1_HEAD_MAX;
    struct walk w = {
        .at = bytes.p,
        .end = bytes.p + (is_at_limit ? HTTP1_HEAD_MAX : bytes.n),
        .is_at_limit = is_at_limit,
        .head = head,
    };
    /* Not the whole struct: its fields are 2 KiB that are written as they are found. */
    head->keep_alive = false;
    head->expect_continue = false;
    head->framing = HTTP1_NO_BODY;
    head->content_length = 0;
    head->field_count = 0;
    enum http1_result rc = walk_head(&w);
    *used = rc == HTTP1_DONE ? (size_t) (w.at - bytes.p) : 0;
    *what = w.what;
    return rc;
}
