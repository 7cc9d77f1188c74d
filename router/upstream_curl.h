/* Transfers by libcurl: one multi handle per thread, driven by libevent (multi_socket_action). The only
 * file that knows libcurl. HTTP/1.1 unless libcurl is 8.17 or newer.
 *
 * libcurl is called only from the loop's level: resume and cancel are posted (loop.h), because libcurl
 * calls our write callback from inside curl_easy_pause and refuses calls from inside callbacks. */
#ifndef ROUTER_UPSTREAM_CURL_H
#define ROUTER_UPSTREAM_CURL_H

#include "cache/loop.h"
#include "router/transfer.h"

struct event_base;
struct upstream_curl;

/* Once in the process before any thread, and after the last. */
enum err upstream_curl_global_init(struct errbuf *err) MUST_CHECK;
void upstream_curl_global_fini(void);

/* `user_agent` is sent upstream. NULL: libcurl could not start, `err` says why. */
struct upstream_curl *upstream_curl_new(struct event_base *base, struct loop *loop,
                                        const char *user_agent, struct errbuf *err);
/* Every transfer must have ended or been cancelled; drained ones are aborted. */
void upstream_curl_free(struct upstream_curl *u);

struct transfers upstream_curl_transfers(struct upstream_curl *u);

size_t
upstream_curl_open(const struct upstream_curl *u); /* exchanges under way, drained ones too */

#endif
