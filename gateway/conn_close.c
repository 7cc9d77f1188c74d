#include "gateway/conn_ops.h"
#include "gateway/tls.h"

#include <event2/buffer.h>
#include <errno.h>
#include <unistd.h>

/* For a peer that is still sending: closing with its bytes unread would make the kernel reset the
 * connection, and the reset can overtake our reply. */
enum { LINGER_BYTES = 1024 * 1024, LINGER_US = 2 * 1000 * 1000 };

const char *conn_reason_text(enum conn_reason reason)
{
    switch (reason) {
    case CONN_OPEN:
        return "open";
    case CONN_CLOSED_BY_US:
        return "closed_by_us";
    case CONN_PEER_CLOSED:
        return "peer_closed";
    case CONN_PEER_RESET:
        return "peer_reset";
    case CONN_TLS_FAILED:
        return "tls_failed";
    case CONN_HANDSHAKE_TIMEOUT:
        return "handshake_timeout";
    case CONN_SEND_TIMEOUT:
        return "send_timeout";
    case CONN_FLOOD:
        return "flood";
    case CONN_IDLE:
        return "idle";
    case CONN_SHUTDOWN:
        return "shutdown";
    case CONN_REASON_COUNT:
        break;
    }
    return "unknown";
}

void conn_bury(struct conn *c)
{
    conn_end_begin(c);
    conn_silence(c);
    close(c->fd);
    c->fd = -1;
    c->owner = NULL;
    c->due = 0;
    c->state = CONN_DEAD;
    c->host->open--;
    c->host->closed[c->reason]++;
    /* One turn more: a caller up the stack, or an event of this turn, may still name it. */
    loop_post(c->host->loop, &c->task);
}

static void linger(struct conn *c)
{
    conn_silence(c);
    /* Alerts are out, and from here on only raw bytes are dropped. */
    tls_session_free(c->tls);
    c->tls = NULL;
    if (c->dropped_bytes >= LINGER_BYTES || shutdown(c->fd, SHUT_WR) == -1 ||
        !conn_set_reading(c, true)) {
        conn_bury(c);
        return;
    }
    c->state = CONN_LINGER;
    loop_timer_set(c->host->loop, &c->timer, LINGER_US);
}

/* One step of the state FLUSH. */
static void say_goodbye(struct conn *c)
{
    size_t before = evbuffer_get_length(c->output);
    enum conn_io io = before > 0 ? c->ops->write(c, CONN_SEND_BYTES) : CONN_IO_DONE;
    size_t left = evbuffer_get_length(c->output);
    if (!conn_io_is_failure(io) && left == 0 && c->ops->finish != NULL && !c->is_finished) {
        io = c->ops->finish(c);
        c->is_finished = io != CONN_IO_WANT_READ && io != CONN_IO_WANT_WRITE;
    }
    if (conn_io_is_failure(io)) {
        conn_bury(c);
    } else if (left > 0 || io != CONN_IO_DONE) {
        conn_await_output(c, io, left < before);
    } else {
        linger(c);
    }
}

void conn_close(struct conn *c, enum conn_reason reason)
{
    if (c->owner == NULL) {
        return;
    }
    c->owner = NULL;
    c->due = 0;
    if (c->reason == CONN_OPEN) {
        c->reason = reason;
    }
    if (c->state == CONN_LOST && c->reason == CONN_TLS_FAILED) {
        linger(c); /* so that the alert arrives, which says what was wrong */
        return;
    }
    if (c->state == CONN_LOST || (c->state == CONN_BEGIN && c->ops->handshake != NULL)) {
        conn_bury(c);
        return;
    }
    c->state = CONN_FLUSH;
    /* Reading goes on, into nothing: a client that is still busy sending must not block on us. */
    if (!conn_set_reading(c, true)) {
        conn_bury(c);
        return;
    }
    if (!c->is_waiting) {
        say_goodbye(c);
    }
}

void conn_abort(struct conn *c, enum conn_reason reason)
{
    if (c->state == CONN_DEAD) {
        return;
    }
    if (c->reason == CONN_OPEN) {
        c->reason = reason;
    }
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    conn_bury(c);
}

void conn_goodbye_writable(struct conn *c)
{
    if (c->state == CONN_FLUSH) {
        say_goodbye(c);
    }
}

void conn_goodbye_readable(struct conn *c)
{
    evbuffer_drain(c->input, evbuffer_get_length(c->input));
    ssize_t n = recv(c->fd, c->host->scratch, CONN_SCRATCH_BYTES, MSG_DONTWAIT);
    if (n == -1) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            conn_bury(c);
        }
        return;
    }
    c->dropped_bytes += (size_t) n;
    if (n > 0 && c->dropped_bytes < LINGER_BYTES) {
        return;
    }
    if (c->state == CONN_LINGER) {
        conn_bury(c);
        return;
    }
    /* A client may have closed its half and still read: the output goes on. */
    conn_set_reading(c, false);
}
