#include "tests/sim/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token(const char *s)
{
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char) *s;

        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return false;
        }
    }
    return true;
}

/* "METHOD SP TARGET SP HTTP/1.x", cut into strings in place. */
static int parse_request_line(struct http_request *r, char *line)
{
    char *target = strchr(line, ' ');
    char *version;

    if (target == NULL) {
        return 400;
    }
    *target++ = '\0';
    version = strchr(target, ' ');
    if (version == NULL || version == target) {
        return 400;
    }
    *version++ = '\0';
    if (strcmp(version, "HTTP/1.1") == 0) {
        r->minor = 1;
    } else if (strcmp(version, "HTTP/1.0") == 0) {
        r->minor = 0;
    } else {
        return 505;
    }
    r->method = line;
    r->target = target;
    r->keep_alive = r->minor == 1;
    return is_token(line) ? 0 : 400;
}

static int parse_header_line(struct http_request *r, char *line)
{
    char *colon = strchr(line, ':');
    char *value;
    size_t n;

    if (colon == NULL || r->n_headers == HTTP_MAX_HEADERS) {
        return colon == NULL ? 400 : 431;
    }
    *colon = '\0';
    value = colon + 1 + strspn(colon + 1, " \t");
    n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t')) {
        value[--n] = '\0';
    }
    if (!is_token(line)) {
        return 400;
    }
    r->headers[r->n_headers].name = line;
    r->headers[r->n_headers].value = value;
    r->n_headers++;
    return 0;
}

/* head holds the head with its final empty line; it is cut into NUL-terminated lines in place. */
static int parse_lines(struct http_request *r)
{
    char *line = buf_str(&r->head);
    int rc = 0;

    if (strlen(line) != r->head.len) {
        return 400;
    }
    for (size_t i = 0; rc == 0; i++) {
        char *end = strstr(line, "\r\n");

        if (end == NULL || end == line) {
            return i == 0 ? 400 : 0;
        }
        *end = '\0';
        if (strpbrk(line, "\r\n") != NULL) {
            return 400;
        }
        rc = i == 0 ? parse_request_line(r, line) : parse_header_line(r, line);
        line = end + 2;
    }
    return rc;
}

static int parse_length(struct http_parser *p, const char *v)
{
    uint64_t n = 0;

    if (*v == '\0') {
        return 400;
    }
    for (; *v != '\0'; v++) {
        if (*v < '0' || *v > '9') {
            return 400;
        }
        n = n * 10 + (uint64_t) (*v - '0');
        if (n > HTTP_MAX_BODY) {
            return 413;
        }
    }
    p->left = n;
    p->state = HTTP_BODY;
    return 0;
}

static int parse_framing(struct http_parser *p)
{
    struct http_request *r = p->req;
    bool has_length = false;
    bool has_te = false;
    bool has_host = false;
    int rc = 0;

    p->left = 0;
    p->state = HTTP_BODY;
    for (size_t i = 0; i < r->n_headers && rc == 0; i++) {
        const char *v = r->headers[i].value;

        if (strcasecmp(r->headers[i].name, "content-length") == 0) {
            rc = has_length ? 400 : parse_length(p, v);
            has_length = true;
        } else if (strcasecmp(r->headers[i].name, "transfer-encoding") == 0) {
            rc = has_te || strcasecmp(v, "chunked") != 0 ? 400 : 0;
            has_te = true;
        } else if (strcasecmp(r->headers[i].name, "connection") == 0) {
            r->keep_alive = strcasecmp(v, "close") == 0
                                ? false
                                : r->keep_alive || strcasecmp(v, "keep-alive") == 0;
        } else if (strcasecmp(r->headers[i].name, "expect") == 0) {
            r->expect_continue = strcasecmp(v, "100-continue") == 0;
        } else if (strcasecmp(r->headers[i].name, "host") == 0) {
            rc = has_host ? 400 : 0;
            has_host = true;
        }
    }
    if (rc == 0 &&
        ((has_length && has_te) || (r->minor == 1 && !has_host) || (has_te && r->minor == 0))) {
        rc = 400;
    }
    if (has_te) {
        p->state = HTTP_CHUNK_SIZE;
        p->line_len = 0;
    }
    if (rc == 0 && p->left > 0) {
        buf_reserve(&r->body, (size_t) p->left + 1);
    }
    return rc;
}

/* Takes bytes until the empty line. The end may be cut anywhere, so the search starts three bytes
 * back. */
static int feed_head(struct http_parser *p, const char *data, size_t n, size_t *used)
{
    struct buf *head = &p->req->head;
    size_t had = head->len;
    size_t room = HTTP_MAX_HEAD - had;
    size_t take = n < room ? n : room;
    size_t back = had < 3 ? had : 3;
    char *end;
    int rc;

    buf_add(head, data, take);
    end = memmem(head->data + had - back, head->len - had + back, "\r\n\r\n", 4);
    if (end == NULL) {
        *used = take;
        return head->len == HTTP_MAX_HEAD ? 431 : HTTP_MORE;
    }
    head->len = (size_t) (end + 4 - head->data);
    *used = head->len - had;
    rc = parse_lines(p->req);
    if (rc == 0) {
        rc = parse_framing(p);
    }
    if (rc != 0) {
        return rc;
    }
    return p->state == HTTP_BODY && p->left == 0 ? HTTP_DONE : HTTP_HEAD_DONE;
}

static int feed_body(struct http_parser *p, const char *data, size_t n, size_t *used)
{
    size_t take = n < p->left ? n : (size_t) p->left;

    buf_add(&p->req->body, data, take);
    p->left -= take;
    *used = take;
    if (p->left > 0) {
        return HTTP_MORE;
    }
    if (p->state == HTTP_BODY) {
        return HTTP_DONE;
    }
    p->state = HTTP_CHUNK_END;
    p->line_len = 0;
    return HTTP_MORE;
}

static int chunk_size(struct http_parser *p)
{
    size_t i = 0;
    uint64_t n = 0;

    for (; i < p->line_len; i++) {
        const char *digits = "0123456789abcdef";
        const char *d = strchr(digits, p->line[i] | 0x20);

        if (p->line[i] == '\0' || d == NULL || (p->line[i] < '0')) {
            break;
        }
        n = n * 16 + (uint64_t) (d - digits);
        if (n > HTTP_MAX_BODY) {
            return 413;
        }
    }
    if (i == 0 || (i < p->line_len && p->line[i] != ';')) {
        return 400;
    }
    if (p->req->body.len + n > HTTP_MAX_BODY) {
        return 413;
    }
    p->left = n;
    p->state = n > 0 ? HTTP_CHUNK_DATA : HTTP_TRAILER;
    p->line_len = 0;
    return 0;
}

/* A complete line of chunk framing, without its CRLF. */
static int chunk_line(struct http_parser *p)
{
    if (p->state == HTTP_CHUNK_SIZE) {
        return chunk_size(p);
    }
    if (p->state == HTTP_CHUNK_END) {
        p->state = HTTP_CHUNK_SIZE;
        return p->line_len == 0 ? 0 : 400;
    }
    if (p->line_len == 0) {
        return HTTP_DONE;
    }
    p->line_len = 0;
    return 0;
}

static int feed_line(struct http_parser *p, const char *data, size_t n, size_t *used)
{
    for (size_t i = 0; i < n; i++) {
        *used = i + 1;
        if (data[i] != '\n') {
            if (p->line_len == sizeof(p->line)) {
                return 400;
            }
            p->line[p->line_len++] = data[i];
            continue;
        }
        if (p->line_len == 0 || p->line[p->line_len - 1] != '\r') {
            return 400;
        }
        p->line_len--;
        return chunk_line(p);
    }
    return HTTP_MORE;
}

int http_feed(struct http_parser *p, const char *data, size_t n, size_t *used)
{
    size_t total = 0;
    int rc = HTTP_MORE;

    if (p->req == NULL) {
        p->req = mem_zalloc(sizeof(*p->req));
        p->state = HTTP_HEAD;
    }
    while (rc == HTTP_MORE && total < n) {
        size_t step = 0;

        if (p->state == HTTP_HEAD) {
            rc = feed_head(p, data + total, n - total, &step);
        } else if (p->state == HTTP_BODY || p->state == HTTP_CHUNK_DATA) {
            rc = feed_body(p, data + total, n - total, &step);
        } else {
            rc = feed_line(p, data + total, n - total, &step);
        }
        total += step;
    }
    *used = total;
    return rc;
}

struct http_request *http_take(struct http_parser *p)
{
    struct http_request *r = p->req;

    p->req = NULL;
    p->state = HTTP_HEAD;
    buf_str(&r->body);
    return r;
}

void http_parser_fini(struct http_parser *p)
{
    http_request_free(p->req);
    p->req = NULL;
}

void http_request_free(struct http_request *r)
{
    if (r == NULL) {
        return;
    }
    buf_fini(&r->head);
    buf_fini(&r->body);
    free(r);
}

const char *http_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0) {
            return r->headers[i].value;
        }
    }
    return NULL;
}
