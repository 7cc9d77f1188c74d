#include "gateway/exchange.h"

#include "gateway/gzip.h"
#include "gateway/http1_bytes.h"
#include "gateway/reply.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST_BYTES = 512, ROOM_CAP_BYTES = 256 * 1024, REQUEST_ID_MAX = 128 };

static void on_exchange_end(void *arg);

uint64_t exchange_now_us(const struct exchange *x)
{
    return loop_now_us(x->server->loop);
}

/* ---- what is kept of the head ---- */

/* Headers that an upstream may see; everything else stays here, the client's key above all. */
static const char *const passed[] = {
    "openai-organization", "openai-project",          "openai-beta", "traceparent", "tracestate",
    "idempotency-key",     "x-stainless-retry-count",
};

static bool is_passed(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        if (slice_ieq_text(name, passed[i])) {
            return true;
        }
    }
    return false;
}

static void keep_passed(struct exchange *x, const struct http1_head *head)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        count += is_passed(head->fields[i].name) ? 1 : 0;
    }
    if (count == 0) {
        return;
    }
    const char **lines = arena_array(&x->room, count + 1, sizeof(*lines));
    size_t at = 0;
    for (size_t i = 0; lines && i < head->field_count; i++) {
        const struct http1_field *f = &head->fields[i];
        if (is_passed(f->name)) {
            /* libcurl drops a header that ends at the colon; ';' in its place would send it empty. */
            lines[at++] = arena_printf(&x->room, "%.*s: %.*s", (int) f->name.n, f->name.p,
                                       (int) f->value.n, f->value.p);
        }
    }
    x->pass_headers = lines;
}

static const char *keep_value(struct exchange *x, const struct http1_head *head, const char *name)
{
    struct slice value = http1_field_value(head, name);
    return value.n > 0 ? arena_dup_slice(&x->room, value).p : NULL;
}

static bool is_allowed_origin(const struct settings *settings, struct slice origin)
{
    for (const char *const *o = settings->config->cors; o && *o; o++) {
        if (slice_eq_text(origin, *o) || strcmp(*o, "*") == 0) {
            return true;
        }
    }
    return false;
}

static bool is_list_of_names(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (!http1_byte_is(text.p[i], HTTP1_TOKEN) && text.p[i] != ',' && text.p[i] != ' ') {
            return false;
        }
    }
    return text.n > 0;
}

static void keep_origin(struct exchange *x, const struct http1_head *head)
{
    struct slice origin = http1_field_value(head, "origin");
    struct slice headers = http1_field_value(head, "access-control-request-headers");
    if (origin.n == 0 || x->server->is_admin || !is_allowed_origin(x->settings, origin)) {
        return;
    }
    x->origin = arena_dup_slice(&x->room, origin).p;
    if (head->method == HTTP1_OPTIONS && is_list_of_names(headers)) {
        x->wanted_headers = arena_dup_slice(&x->room, headers).p;
    }
}

static void keep_head(struct exchange *x, const struct http1_head *head)
{
    x->method = head->method;
    x->minor = head->minor;
    x->keep_alive = head->keep_alive;
    x->accepts_gzip = http1_has_token(head, "accept-encoding", "gzip");
    x->host = keep_value(x, head, "host");
    x->session_name = keep_value(x, head, "x-sluice-session");
    x->task_header = keep_value(x, head, "x-sluice-task");
    struct slice request_id = http1_field_value(head, "x-client-request-id");
    if (request_id.n > 0 && request_id.n <= REQUEST_ID_MAX) {
        x->client_request_id = arena_dup_slice(&x->room, request_id).p;
    }
    keep_origin(x, head);
    keep_passed(x, head);
}

/* ---- may it come in ---- */

static void refuse(struct failure *f, enum end_reason reason, int status, const char *code,
                   const char *message)
{
    *f = (struct failure) {.reason = reason,
                           .status = status,
                           .type = "invalid_request_error",
                           .code = code,
                           .message = message};
}

static void check_key(struct exchange *x, const struct http1_head *head, struct failure *refusal)
{
    const struct auth *auth = &x->settings->config->auth;
    struct slice authorization = http1_field_value(head, "authorization");
    if (auth->count == 0) {
        bool has_origin = http1_field_value(head, "origin").p != NULL;
        if (!auth_anonymous_ok(conn_is_loopback(session_conn(x->session)), has_origin)) {
            refuse(refusal, END_FORBIDDEN, 403, "no_keys_configured",
                   "without configured API keys only programs on this machine are served, and no "
                   "web pages: add `keys:` to the configuration");
        }
        return;
    }
    enum auth_answer answer;
    x->key = auth_find(auth, authorization, &answer);
    if (answer == AUTH_OK) {
        snprintf(x->record.key, sizeof(x->record.key), "%s", x->key->name);
        return;
    }
    refuse(refusal, END_UNAUTHORIZED, 401, "invalid_api_key",
           answer == AUTH_MISSING     ? "no API key: send it as `Authorization: Bearer KEY`"
           : answer == AUTH_MALFORMED ? "the Authorization header is not of the form `Bearer KEY`"
                                      : "the API key is not one of this gateway's");
}

/* A web page that has its own name point here (DNS rebinding) cannot send an address as Host: only names
 * are suspect. */
static bool is_admin_host(const struct exchange *x, struct slice host)
{
    char text[128];
    unsigned char address[16];
    if (slice_eq_text(host, x->settings->config->admin_text)) {
        return true;
    }
    size_t n = host.n;
    const char *colon = n > 0 && host.p[0] != '[' ? memchr(host.p, ':', n) : NULL;
    const char *bracket = n > 0 && host.p[0] == '[' ? memchr(host.p, ']', n) : NULL;
    struct slice name = {host.p, colon ? (size_t) (colon - host.p) : n};
    if (bracket) {
        name = (struct slice) {host.p + 1, (size_t) (bracket - host.p - 1)};
    }
    if (name.n == 0 || name.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1 ||
           (slice_ieq_text(name, "localhost") && conn_is_loopback(session_conn(x->session)));
}

/* The admin's listener: the Host must be the configured one or an address, and what
 * changes things needs the bearer token, except on the unix socket, which has file permissions. */
static void check_admin(struct exchange *x, const struct http1_head *head, struct failure *refusal)
{
    const struct config *c = x->settings->config;
    struct slice bearer = http1_field_value(head, "authorization");
    if (!c->admin.is_unix && !is_admin_host(x, http1_field_value(head, "host"))) {
        refuse(refusal, END_FORBIDDEN, 403, "wrong_host",
               "the Host header names another host than `admin:` in the configuration");
        return;
    }
    if (c->admin_token && bearer.n > 7 && slice_ieq_text((struct slice) {bearer.p, 7}, "bearer ")) {
        unsigned char sent[SHA256_BYTES], real[SHA256_BYTES];
        crypt_sha256((struct slice) {bearer.p + 7, bearer.n - 7}, sent);
        crypt_sha256(slice_of(c->admin_token), real);
        x->has_token = crypt_equal(sent, real, SHA256_BYTES);
    }
    if (x->handler->needs_key && !c->admin.is_unix && !x->has_token) {
        refuse(refusal, END_UNAUTHORIZED, 401, "admin_token_needed",
               c->admin_token && bearer.n > 0
                   ? "the token is not the one that `admin_token_env` names"
                   : "changes over TCP need `Authorization: Bearer TOKEN` with the token that "
                     "`admin_token_env` names; the unix socket needs none");
    }
}

static void check_body_type(struct exchange *x, const struct http1_head *head,
                            struct failure *refusal)
{
    struct slice coding = http1_field_value(head, "content-encoding");
    if (coding.n == 0 || slice_ieq_text(coding, "identity")) {
        return;
    }
    x->gzip_body = slice_ieq_text(coding, "gzip");
    if (!x->gzip_body) {
        refuse(refusal, END_BAD_REQUEST, 415, "unsupported_encoding",
               "the request's Content-Encoding is neither gzip nor identity");
    }
}

/* ---- finding the handler ---- */

static void answer_options(struct exchange *x);
static const struct handler options_handler = {.start = answer_options};

static void answer_options(struct exchange *x)
{
    if (x->origin) {
        reply_header(x, "access-control-allow-methods", "GET, POST, OPTIONS");
        /* An origin that may ask at all may ask with any header: the official clients send a dozen of
         * their own (x-stainless-...), and the next version of them others. */
        if (x->wanted_headers) {
            reply_header(x, "access-control-allow-headers", x->wanted_headers);
        }
        reply_header(x, "access-control-max-age", "86400");
    }
    reply_whole(x, 204, NULL, SLICE_NONE);
}

static void find_handler(struct exchange *x, const struct http1_head *head, struct failure *refusal)
{
    const struct routes *routes = x->server->routes;
    const struct route_entry *entry = NULL;
    struct slice rest;
    enum route_match match = routes_find(routes, head->method, head->path, &entry, &rest);
    if (head->method == HTTP1_OPTIONS) {
        char allow[64];
        x->handler = &options_handler;
        routes_allow(routes, head->path, allow, sizeof(allow));
        reply_header(x, "allow", allow);
    } else if (match == ROUTE_NO_PATH) {
        refuse(refusal, END_NOT_FOUND, 404, "unknown_url", NULL);
        refusal->message = arena_printf(&x->room, "no such path: %.*s. Served are %s",
                                        (int) (head->path.n < 200 ? head->path.n : 200),
                                        head->path.p, routes->served);
    } else if (match == ROUTE_NO_METHOD) {
        char allow[64];
        routes_allow(routes, head->path, allow, sizeof(allow));
        reply_header(x, "allow", allow);
        refuse(refusal, END_BAD_REQUEST, 405, "method_not_allowed",
               "this path does not take this method; the Allow header names those it takes");
    } else {
        x->handler = entry->handler;
        x->record.endpoint = entry->handler->endpoint;
        x->rest = arena_dup_slice(&x->room, rest);
    }
}

struct exchange *exchange_new(struct server *server, struct session *session,
                              const struct http1_head *head, struct failure *refusal)
{
    struct exchange *x = x_alloc(sizeof(*x));
    x->server = server;
    x->session = session;
    x->settings = settings_ref(server->settings);
    arena_init(&x->room, ROOM_FIRST_BYTES, ROOM_CAP_BYTES);
    x->reply.last = &x->reply.headers;
    x->record.head_us = loop_now_us(server->loop);
    x->record.wall_us = env_wall_us(loop_env(server->loop));
    loop_task_init(&x->end, on_exchange_end, x);
    server->exchange_count++;
    snprintf(x->record.peer, sizeof(x->record.peer), "%s", conn_peer(session_conn(session)));
    *refusal = (struct failure) {0};
    if (head->path.n == 0) {
        return x; /* bytes that are no request; the caller has the words */
    }
    snprintf(x->record.target, sizeof(x->record.target), "%.*s %.*s", (int) head->method_text.n,
             head->method_text.p, (int) head->path.n, head->path.p);
    keep_head(x, head);
    find_handler(x, head, refusal);
    if (refusal->status == 0 && server->is_admin) {
        check_admin(x, head, refusal);
    } else if (refusal->status == 0 && x->handler->needs_key) {
        check_key(x, head, refusal);
    }
    if (refusal->status == 0 && x->handler->takes_body) {
        check_body_type(x, head, refusal);
    }
    return x;
}

/* ---- the body is there ---- */

static bool unpack(struct exchange *x, struct reqbody *packed, struct failure *f)
{
    size_t cap = x->settings->config->limits.body_bytes;
    char *text = NULL;
    size_t length = 0;
    enum err rc = gzip_unpack((struct slice) {packed->bytes, packed->length}, cap, &text, &length);
    if (rc == ERR_NONE) {
        x->body = reqbody_new(length);
        if (x->body) {
            memcpy(x->body->bytes, text, length);
        }
    }
    free(text);
    if (rc == ERR_LIMIT) {
        refuse(f, END_TOO_LARGE, 413, "request_too_large",
               "the unpacked body of the request is longer than limits.body");
    } else if (rc == ERR_INPUT) {
        refuse(f, END_BAD_REQUEST, 400, "bad_gzip", "the body of the request is not whole gzip");
    } else if (!x->body) {
        refuse(f, END_INTERNAL, 503, "out_of_memory", "no memory for this request");
    }
    return f->status == 0;
}

void exchange_start(struct exchange *x, struct reqbody *body)
{
    struct failure f = {0};
    x->record.body_us = exchange_now_us(x);
    x->record.request_bytes = body ? body->length : 0;
    if (body && x->gzip_body) {
        bool ok = unpack(x, body, &f);
        reqbody_unref(body);
        if (!ok) {
            reply_failure(x, &f);
            return;
        }
    } else {
        x->body = body;
    }
    x->handler->start(x);
}

void exchange_drained(struct exchange *x)
{
    x->reply.full = false;
    if (x->handler && x->handler->drained && !x->reply.over) {
        x->handler->drained(x);
    }
}

/* ---- the end ---- */

void exchange_over(struct exchange *x, enum session_next next)
{
    if (!x->reply.over) {
        x->reply.over = true;
        x->next = next;
        loop_post(x->server->loop, &x->end);
    }
}

static void stop_handler(struct exchange *x, enum end_reason reason)
{
    if (x->handler && x->handler->stop && !x->reply.over) {
        x->handler->stop(x, reason);
    }
}

void exchange_gone(struct exchange *x, enum end_reason reason)
{
    x->session = NULL;
    stop_handler(x, reason);
    if (x->record.reason == END_NONE) {
        x->record.reason = reason;
    }
    exchange_over(x, SESSION_ABORT);
}

void exchange_shutdown(struct exchange *x)
{
    struct failure f = {.reason = END_SHUTDOWN,
                        .status = 503,
                        .type = "server_error",
                        .code = "shutting_down",
                        .message = "the gateway is shutting down",
                        .retry_after_us = 1000000};
    if (x->reply.over) {
        return;
    }
    stop_handler(x, END_SHUTDOWN);
    x->keep_alive = false;
    if (x->reply.stream) {
        reply_stream_abort(x, &f);
    } else {
        reply_failure(x, &f);
    }
}

static void on_exchange_end(void *arg)
{
    struct exchange *x = arg;
    struct server *server = x->server;
    struct session *session = x->session;
    enum session_next next = x->next;
    if (x->handler && x->handler->release) {
        x->handler->release(x);
    }
    if (x->record.reason == END_NONE) {
        x->record.reason = END_COMPLETE;
    }
    x->record.end_us = exchange_now_us(x);
    exchange_id(x);
    metrics_record(&server->metrics, &x->record);
    if (!server->is_admin) {
        log_access(server->log, &x->record);
    }
    loop_unpost(server->loop, &x->reply.flush);
    gzip_stream_free(x->reply.gzip);
    if (x->reply.staging) {
        evbuffer_free(x->reply.staging);
        server->stream_count--;
    }
    reqbody_unref(x->body);
    settings_unref(x->settings);
    arena_fini(&x->room);
    free(x);
    server->exchange_count--;
    if (session) {
        session_exchange_over(session, next);
    }
}

/* ---- ids ---- */

static void make_id(struct exchange *x, uint32_t task_tag)
{
    uint32_t key_tag = x->key ? x->key->key_tag : 0;
    ident_make(&x->server->ident, x->record.wall_us, key_tag, task_tag, x->record.id);
}

const char *exchange_id(struct exchange *x)
{
    if (x->record.id[0] == '\0') {
        make_id(x, 0);
    }
    return x->record.id;
}

void exchange_set_task(struct exchange *x, const struct task *task)
{
    make_id(x, settings_task_tag(x->settings, task));
}
