#include "router/upstream_curl.h"

#include "router/pieces.h"
#include "router/reply_head.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

/* How libcurl is driven: it tells us which sockets to watch (on_socket) and when to call it next
 * (on_curl_timer); we call curl_multi_socket_action and then collect what has ended. Its callbacks
 * (write, header, read) run inside that call, hence everything that would call libcurl again from
 * them is a posted task. */

enum {
    RECEIVE_BYTES = 2 * 1024,    /* held by every open stream; ten events a read are enough */
    FLAT_BODY_BYTES = 16 * 1024, /* smaller bodies go out with the head in one send */
    IDLE_HANDLES = 64,           /* about 7 KiB each */
    IDLE_CONNECTIONS = 512,
    CONNECTION_AGE_S = 55, /* idle; just under the minute after which many servers close */
};

struct upstream_curl {
    struct event_base *base;
    struct loop *loop;
    CURLM *multi;
    char *user_agent;
    struct loop_timer timer;
    struct loop_task kick;  /* libcurl asked for a call "now" */
    struct transfer *first; /* under way, drained ones too */
    size_t open;
    CURL *idle[IDLE_HANDLES];
    size_t idle_count;
};

struct transfer {
    struct upstream_curl *u;
    struct transfer *next;
    struct transfer **link;
    CURL *easy;
    struct curl_slist *headers;
    const struct transfer_events *events; /* NULL once cancelled: nobody listens */
    void *arg;
    void (*drop)(void *arg);
    void *drop_arg;

    char *flat; /* the whole small body, or NULL and the pieces are read */
    struct pieces pieces;

    struct reply_head *head; /* NULL before the first line and after the last */
    bool head_done;          /* on_head was called; later header lines are trailers */
    bool paused;             /* libcurl holds bytes back because we said so */
    bool draining;
    bool one_off; /* the handle carries a CA file, which it cannot forget */
    uint64_t drain_limit_us;

    struct loop_task resume;
    struct loop_task cancel;
    struct loop_timer drain_limit;
    char detail[CURL_ERROR_SIZE];
};

enum err upstream_curl_global_init(struct errbuf *err)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_ALL);
    if (code != CURLE_OK) {
        return err_set(err, ERR_IO, "libcurl does not start: %s", curl_easy_strerror(code));
    }
    return ERR_NONE;
}

void upstream_curl_global_fini(void)
{
    curl_global_cleanup();
}

/* ---- the end of a transfer ---- */

static void give_back_handle(struct upstream_curl *u, CURL *easy)
{
    if (u->idle_count == IDLE_HANDLES) {
        curl_easy_cleanup(easy);
        return;
    }
    /* Options that belong to no transfer stay; those that point into one must not. */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    u->idle[u->idle_count++] = easy;
}

static void transfer_free(struct transfer *t)
{
    struct upstream_curl *u = t->u;
    loop_unpost(u->loop, &t->resume);
    loop_unpost(u->loop, &t->cancel);
    loop_timer_clear(u->loop, &t->drain_limit);
    *t->link = t->next;
    if (t->next) {
        t->next->link = t->link;
    }
    u->open--;
    if (t->one_off) {
        curl_easy_cleanup(t->easy);
    } else {
        give_back_handle(u, t->easy);
    }
    curl_slist_free_all(t->headers);
    free(t->head);
    free(t->flat);
    free(t);
}

static enum transfer_end end_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TRANSFER_COMPLETE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        return TRANSFER_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSFER_CONNECT_TIMEOUT; /* the only time limit that libcurl is given */
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
        return TRANSFER_CUT;
    case CURLE_WRITE_ERROR:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_URL_MALFORMAT:
        return TRANSFER_FAILED;
    default:
        return TRANSFER_MALFORMED; /* weird reply, too large a head, HTTP/0.9, … */
    }
}

static void finish(struct transfer *t, CURLcode code)
{
    const struct transfer_events *events = t->events;
    void *arg = t->arg;
    void (*drop)(void *) = t->drop;
    void *drop_arg = t->drop_arg;
    enum transfer_end end = end_of(code);
    char detail[CURL_ERROR_SIZE];
    snprintf(detail, sizeof(detail), "%s",
             t->detail[0] != '\0' || code == CURLE_OK ? t->detail : curl_easy_strerror(code));
    transfer_free(t);
    if (events) {
        events->on_end(arg, end, detail);
    } else if (drop) {
        drop(drop_arg);
    }
}

static void collect(struct upstream_curl *u)
{
    for (;;) {
        int left;
        CURLMsg *message = curl_multi_info_read(u->multi, &left);
        if (!message) {
            return;
        }
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct transfer *t = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
        curl_multi_remove_handle(u->multi, easy); /* `message` is gone after this */
        finish(t, code);
    }
}

/* ---- driving the multi handle ---- */

static void act(struct upstream_curl *u, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(u->multi, fd, what, &running);
    collect(u);
}

static void on_kick(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct upstream_curl *u = arg;
    (void) multi;
    if (timeout_ms < 0) {
        loop_unpost(u->loop, &u->kick);
        loop_timer_clear(u->loop, &u->timer);
    } else if (timeout_ms == 0) {
        loop_post(u->loop, &u->kick); /* never from in here: libcurl is still on the stack */
    } else {
        loop_timer_set(u->loop, &u->timer, (uint64_t) timeout_ms * 1000);
    }
    return 0;
}

static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
    int flags = ((what & EV_READ) ? CURL_CSELECT_IN : 0) |
                ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    act(arg, fd, flags);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct upstream_curl *u = arg;
    struct event *watch = socket_arg;
    (void) easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) { /* absent for a socket that was never announced */
            event_del(watch);
            free(watch);
            curl_multi_assign(u->multi, fd, NULL);
        }
        return 0;
    }
    if (watch) {
        event_del(watch);
    } else {
        watch = x_alloc(sizeof(*watch));
        curl_multi_assign(u->multi, fd, watch);
    }
    short flags = (short) (EV_PERSIST | ((what & CURL_POLL_IN) ? EV_READ : 0) |
                           ((what & CURL_POLL_OUT) ? EV_WRITE : 0));
    event_assign(watch, u->base, fd, flags, on_socket_ready, u);
    event_add(watch, NULL);
    return 0;
}

/* ---- callbacks of one transfer, inside libcurl ---- */

static size_t on_write(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count;
    if (!t->events) {
        return t->draining ? n : CURL_WRITEFUNC_ERROR;
    }
    switch (t->events->on_body(t->arg, (struct slice) {bytes, n})) {
    case TRANSFER_OK:
        return n;
    case TRANSFER_PAUSE:
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return CURL_WRITEFUNC_ERROR;
}

static void end_head(struct transfer *t)
{
    struct reply_head *lines = t->head;
    t->head = NULL;
    t->head_done = true;
    struct transfer_head head = {
        .status = lines->status,
        .content_type = slice_of(lines->content_type),
        .content_encoding = slice_of(lines->content_encoding),
        .request_id = slice_of(lines->request_id),
        .retry_after_us = lines->retry_after_us,
    };
    t->events->on_head(t->arg, &head);
    free(lines);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct slice line = {bytes, size * count};
    if (!t->events) {
        return t->draining ? line.n : 0;
    }
    if (t->head_done) {
        return line.n; /* a trailer */
    }
    if (!t->head) {
        t->head = x_alloc(sizeof(*t->head));
    }
    if (reply_head_take(t->head, line, loop_env(t->u->loop))) {
        end_head(t);
    }
    return t->events || t->draining ? line.n : 0; /* on_head may have cancelled */
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    return pieces_read(&t->pieces, to, size * count);
}

/* libcurl sends the body again when a reused connection turns out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET || offset != 0) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    pieces_rewind(&t->pieces);
    return CURL_SEEKFUNC_OK;
}

/* ---- starting ---- */

static CURL *new_handle(struct upstream_curl *u)
{
    CURL *easy = curl_easy_init();
    if (!easy) {
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A cancel must not wait for the thread that resolves a name (measured: 3.7 s without). */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long) RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long) FLAT_BODY_BYTES);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) CONNECTION_AGE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, u->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    return easy;
}

static bool add_header(struct transfer *t, const char *line)
{
    struct curl_slist *grown = curl_slist_append(t->headers, line);
    if (!grown) {
        return false;
    }
    t->headers = grown;
    return true;
}

static bool set_headers(struct transfer *t, const struct transfer_spec *spec)
{
    bool ok = add_header(t, "content-type: application/json") && add_header(t, "Expect:") &&
              add_header(t,
                         spec->stream ? "accept: text/event-stream" : "accept: application/json");
    if (ok && spec->upstream->key) {
        char *line = x_printf("authorization: Bearer %s", spec->upstream->key);
        ok = add_header(t, line);
        free(line);
    }
    for (size_t i = 0; ok && spec->headers && spec->headers[i]; i++) {
        ok = add_header(t, spec->headers[i]);
    }
    return ok;
}

static bool set_body(struct transfer *t, const struct transfer_spec *spec)
{
    t->pieces = pieces_of(spec->pieces, spec->piece_count);
    size_t total = pieces_total(&t->pieces);
    if (total <= FLAT_BODY_BYTES) {
        t->flat = malloc(total + 1);
        if (!t->flat) {
            return false;
        }
        pieces_read(&t->pieces, t->flat, total);
    }
    /* NULL makes libcurl read the pieces by on_read. */
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->flat);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) total);
    return true;
}

static bool set_target(struct transfer *t, const struct transfer_spec *spec)
{
    char *url = x_printf("%s%s", spec->upstream->url, spec->path);
    CURLcode code = curl_easy_setopt(t->easy, CURLOPT_URL, url);
    free(url);
    uint64_t connect_ms = spec->connect_timeout_us / 1000;
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) (connect_ms > 0 ? connect_ms : 1));
    if (spec->upstream->ca) {
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, spec->upstream->ca);
    }
    return code == CURLE_OK;
}

static void set_back_pointers(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void on_resume(void *arg)
{
    struct transfer *t = arg;
    if (t->paused) {
        t->paused = false; /* first: on_write runs inside the next call and may pause again */
        curl_easy_pause(t->easy, CURLPAUSE_CONT);
    }
}

static void abort_now(struct transfer *t)
{
    void (*drop)(void *) = t->drop;
    void *drop_arg = t->drop_arg;
    curl_multi_remove_handle(t->u->multi, t->easy);
    transfer_free(t);
    if (drop) {
        drop(drop_arg);
    }
}

static void on_cancel(void *arg)
{
    struct transfer *t = arg;
    if (t->draining) {
        on_resume(t);
    } else {
        abort_now(t);
    }
}

static void on_drain_limit(void *arg)
{
    abort_now(arg);
}

static void link_in(struct upstream_curl *u, struct transfer *t)
{
    t->next = u->first;
    t->link = &u->first;
    if (t->next) {
        t->next->link = &t->next;
    }
    u->first = t;
    u->open++;
}

static CURL *take_handle(struct upstream_curl *u, bool fresh)
{
    if (u->idle_count > 0 && !fresh) {
        return u->idle[--u->idle_count];
    }
    return new_handle(u);
}

static struct transfer *curl_start(void *pool, const struct transfer_spec *spec,
                                   const struct transfer_events *events, void *arg)
{
    struct upstream_curl *u = pool;
    bool one_off = spec->upstream->ca != NULL;
    CURL *easy = take_handle(u, one_off);
    if (!easy) {
        return NULL;
    }
    struct transfer *t = x_alloc(sizeof(*t));
    t->u = u;
    t->easy = easy;
    t->one_off = one_off;
    t->drain_limit_us = spec->upstream->timeouts.total_us;
    t->events = events;
    t->arg = arg;
    loop_task_init(&t->resume, on_resume, t);
    loop_task_init(&t->cancel, on_cancel, t);
    loop_timer_init(&t->drain_limit, on_drain_limit, t);
    link_in(u, t);
    bool ok = set_headers(t, spec) && set_body(t, spec) && set_target(t, spec);
    if (ok) {
        set_back_pointers(t);
        ok = curl_multi_add_handle(u->multi, easy) == CURLM_OK;
    }
    if (!ok) {
        transfer_free(t);
        return NULL;
    }
    return t;
}

static void curl_resume(struct transfer *t)
{
    loop_post(t->u->loop, &t->resume);
}

static void curl_cancel(struct transfer *t, bool drain, void (*drop)(void *arg), void *drop_arg)
{
    t->events = NULL;
    t->drop = drop;
    t->drop_arg = drop_arg;
    t->draining = drain;
    loop_post(t->u->loop, &t->cancel);
    if (drain) {
        loop_timer_set(t->u->loop, &t->drain_limit, t->drain_limit_us);
    }
}

/* ---- the pool ---- */

struct upstream_curl *upstream_curl_new(struct event_base *base, struct loop *loop,
                                        const char *user_agent, struct errbuf *err)
{
    struct upstream_curl *u = x_alloc(sizeof(*u));
    u->base = base;
    u->loop = loop;
    u->user_agent = x_dup(user_agent);
    u->multi = curl_multi_init();
    if (!u->multi) {
        err_set(err, ERR_NOMEM, "libcurl gives no multi handle");
        free(u->user_agent);
        free(u);
        return NULL;
    }
    loop_timer_init(&u->timer, on_kick, u);
    loop_task_init(&u->kick, on_kick, u);
    curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
    curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
    curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, (long) IDLE_CONNECTIONS);
    curl_multi_setopt(u->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
    return u;
}

void upstream_curl_free(struct upstream_curl *u)
{
    if (!u) {
        return;
    }
    while (u->first) {
        u->first->events = NULL;
        abort_now(u->first);
    }
    while (u->idle_count > 0) {
        curl_easy_cleanup(u->idle[--u->idle_count]);
    }
    curl_multi_cleanup(u->multi);
    loop_unpost(u->loop, &u->kick);
    loop_timer_clear(u->loop, &u->timer);
    free(u->user_agent);
    free(u);
}

struct transfers upstream_curl_transfers(struct upstream_curl *u)
{
    static const struct transfer_ops ops = {curl_start, curl_resume, curl_cancel};
    return (struct transfers) {&ops, u};
}

size_t upstream_curl_open(const struct upstream_curl *u)
{
    return u->open;
}
