#include "gateway/conn_ops.h"

#include <event2/buffer.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PIECES_MAX = 16 };

/* One recv() a turn: what remains makes the next turn's event at once, and most requests come whole. No
 * evbuffer_read(), which asks FIONREAD first. */
static enum conn_io plain_read(struct conn *c, size_t budget)
{
    struct conn_host *host = c->host;
    ssize_t n;
    do {
        n = recv(c->fd, host->scratch, budget < CONN_SCRATCH_BYTES ? budget : CONN_SCRATCH_BYTES,
                 MSG_DONTWAIT);
    } while (n == -1 && errno == EINTR);
    if (n == 0) {
        return CONN_IO_CLOSED;
    }
    if (n == -1) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? CONN_IO_DONE : CONN_IO_RESET;
    }
    if (evbuffer_add(c->input, host->scratch, (size_t) n) == -1) {
        return CONN_IO_NO_MEMORY;
    }
    host->received_bytes += (uint64_t) n;
    return CONN_IO_DONE;
}

/* Sends up to `budget` bytes from the start of output by one call. *asked: how many it tried. */
static ssize_t send_some(struct conn *c, size_t budget, size_t *asked)
{
    struct evbuffer_iovec pieces[PIECES_MAX];
    int count = evbuffer_peek(c->output, (ev_ssize_t) budget, NULL, pieces, PIECES_MAX);
    size_t total = 0;
    int used = 0;
    while (used < count && used < PIECES_MAX && total < budget) {
        if (pieces[used].iov_len > budget - total) {
            pieces[used].iov_len = budget - total;
        }
        total += pieces[used].iov_len;
        used++;
    }
    struct msghdr message = {.msg_iov = pieces};
    /* size_t in glibc, int in musl. */
    message.msg_iovlen = (__typeof__(message.msg_iovlen)) used;
    *asked = total;
    ssize_t n;
    do {
        n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n == -1 && errno == EINTR);
    return n;
}

static enum conn_io plain_write(struct conn *c, size_t budget)
{
    while (budget > 0 && evbuffer_get_length(c->output) > 0) {
        size_t asked;
        ssize_t n = send_some(c, budget, &asked);
        if (n == -1) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? CONN_IO_WANT_WRITE : CONN_IO_RESET;
        }
        evbuffer_drain(c->output, (size_t) n);
        c->host->sent_bytes += (uint64_t) n;
        budget -= (size_t) n;
        if ((size_t) n < asked) {
            return CONN_IO_WANT_WRITE;
        }
    }
    return CONN_IO_DONE;
}

const struct conn_ops conn_plain_ops = {
    .read = plain_read,
    .write = plain_write,
};
