/* Private to conn*.c: what a connection is made of, and what differs between plain and TLS.
 *
 *     BEGIN ──► UP ──► LOST ──► DEAD     LOST: the peer ended it, the owner has been or will be told
 *       │        └► FLUSH ► LINGER ┘       FLUSH, LINGER: conn_close() ended it, there is no owner
 *       └──────────────────────────►       DEAD: the fd is closed, memory goes with this turn
 */
#ifndef GATEWAY_CONN_OPS_H
#define GATEWAY_CONN_OPS_H

#include "gateway/conn.h"
#include "gateway/sockaddr.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct tls_session;

enum conn_io {
    CONN_IO_DONE, /* or all that this turn's budget allows */
    CONN_IO_WANT_READ,
    CONN_IO_WANT_WRITE,
    CONN_IO_CLOSED,
    CONN_IO_RESET,
    CONN_IO_BROKEN, /* TLS */
    CONN_IO_NO_MEMORY,
};

static inline bool conn_io_is_failure(enum conn_io io)
{
    return io >= CONN_IO_CLOSED;
}

struct conn_ops {
    enum conn_io (*handshake)(struct conn *c); /* NULL: there is none */
    /* Adds at most `budget` bytes to input. After DONE the socket's next event tells of more, unless
     * has_pending. CLOSED and failures may come together with the last bytes. */
    enum conn_io (*read)(struct conn *c, size_t budget);
    bool (*has_pending)(const struct conn *c); /* NULL: never */
    /* Sends at most about `budget` bytes and drains them from output. */
    enum conn_io (*write)(struct conn *c, size_t budget);
    enum conn_io (*finish)(struct conn *c); /* says that no more comes; NULL: nothing to say */
};
extern const struct conn_ops conn_plain_ops;
extern const struct conn_ops conn_tls_ops;

enum conn_state {
    CONN_BEGIN = 0, /* handshake; on plain connections until CONN_READY */
    CONN_UP,
    CONN_LOST,
    CONN_FLUSH,
    CONN_LINGER,
    CONN_DEAD,
};

/* Created by conn_new(), owned by its host, ended by conn_bury() and freed by a task at the end of that
 * turn. The owner has a pointer until it calls conn_close() or conn_abort(). */
struct conn {
    const struct conn_ops *ops;
    struct conn_host *host;
    struct conn *next; /* of the host */
    struct conn **link;
    struct conn *again_next;
    struct conn **again_link;       /* NULL while not in the host's list */
    const struct conn_owner *owner; /* NULL after conn_close */
    void *arg;
    struct tls_session *tls;
    struct evbuffer *input;
    struct evbuffer *output;
    struct event read_event;  /* persistent */
    struct event write_event; /* once */
    struct loop_timer timer;  /* handshake, sending or lingering: only one at a time */
    struct loop_task task;
    struct conn_limits limits;
    size_t input_cap;
    size_t dropped_bytes; /* read after conn_close */
    enum conn_state state;
    enum conn_reason reason;
    unsigned due; /* events to tell, see deliver() */
    int fd;
    bool is_reading;
    bool is_waiting; /* write_event is on */
    bool read_wants_write;
    bool write_wants_read;
    bool was_full;
    bool is_finished; /* close_notify is out */
    bool is_loopback;
    char peer[SOCKADDR_TEXT_BYTES];
};

/* ---- conn.c ---- */

void conn_free(struct conn *c);

/* ---- conn_events.c: what happens on the socket, and telling the owner ---- */

void conn_init_events(struct conn *c);
void conn_on_again(evutil_socket_t fd, short what, void *arg); /* of the host's again_event */
void conn_update_reading(struct conn *c); /* reads or not, as the room in input says */
/* False: the event could not be added (no memory in the kernel). */
bool conn_set_reading(struct conn *c, bool on);
/* After `write` or `finish` with something left: waits for the socket, with the send deadline, which
 * starts again when bytes went out (`progress`). */
void conn_await_output(struct conn *c, enum conn_io io, bool progress);
void conn_silence(struct conn *c);   /* no event and no timer from here on */
void conn_end_begin(struct conn *c); /* leaves BEGIN: keeps the count of handshakes */

/* ---- conn_close.c: the states FLUSH and LINGER ---- */

void conn_bury(struct conn *c);
void conn_goodbye_readable(struct conn *c);
void conn_goodbye_writable(struct conn *c);

#endif
