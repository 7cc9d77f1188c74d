/* A front: one thread with an event loop, a listener of its own (SO_REUSEPORT), its connections, jobs
 * and transfers. Created and freed by main, which talks to it by mail only; functions marked [main] are
 * called from the main thread. */
#ifndef GATEWAY_FRONT_H
#define GATEWAY_FRONT_H

#include "gateway/server.h"

struct front;

struct front_spec {
    unsigned number;           /* 0, 1, …: part of the ids it makes */
    uint32_t boot;             /* drawn at start, part of ids */
    struct settings *settings; /* one reference is taken */
    struct tls_context *tls;   /* moves to the front; NULL: plain */
    struct ledger *ledger;
    struct log *log;
    const struct install_key *install_key;
    struct mailbox *main_box;           /* for what it reports */
    void (*on_drained)(void *main_arg); /* in main: it has no connection left */
    void *main_arg;
};

struct front *front_new(const struct front_spec *spec, struct errbuf *err); /* [main] */
enum err front_listen(struct front *f, const struct listener_address *address, bool reuse_port,
                      struct errbuf *err) MUST_CHECK;             /* [main], before front_start */
void front_address(const struct front *f, char *out, size_t cap); /* [main], before front_start */
enum err front_start(struct front *f, struct errbuf *err) MUST_CHECK; /* [main] */

/* [main] Mail. References move. */
void front_renew(struct front *f, struct settings *settings, struct tls_context *tls);
void front_drain(struct front *f);
void front_abort(struct front *f);         /* end what is left now; on_drained follows */
void front_stop_and_free(struct front *f); /* waits for the thread; NULL allowed */

/* [main] Asks for a copy of the counters; `answer` is called in main with it. */
struct front_question {
    void (*answer)(void *arg, const struct metrics *copy);
    void *arg;
};
void front_ask_metrics(struct front *f, const struct front_question *question);

#endif
