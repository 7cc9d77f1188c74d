#include "gateway/conn_ops.h"
#include "gateway/tls.h"

#include <event2/buffer.h>

static enum conn_io io_of(enum tls_result result)
{
    switch (result) {
    case TLS_DONE:
        return CONN_IO_DONE;
    case TLS_WANT_READ:
        return CONN_IO_WANT_READ;
    case TLS_WANT_WRITE:
        return CONN_IO_WANT_WRITE;
    case TLS_CLOSED:
        return CONN_IO_CLOSED;
    case TLS_RESET:
        return CONN_IO_RESET;
    case TLS_FAILED:
        break;
    }
    return CONN_IO_BROKEN;
}

static enum conn_io handshake(struct conn *c)
{
    return io_of(tls_handshake(c->tls));
}

static bool has_pending(const struct conn *c)
{
    return tls_has_pending(c->tls);
}

static enum conn_io tls_input(struct conn *c, size_t budget)
{
    struct conn_host *host = c->host;
    while (budget > 0) {
        size_t got;
        enum tls_result result = tls_read(
            c->tls, host->scratch, budget < CONN_SCRATCH_BYTES ? budget : CONN_SCRATCH_BYTES, &got);
        if (result == TLS_WANT_READ) {
            return CONN_IO_DONE;
        }
        if (result != TLS_DONE) {
            return io_of(result);
        }
        if (evbuffer_add(c->input, host->scratch, got) == -1) {
            return CONN_IO_NO_MEMORY;
        }
        host->received_bytes += got;
        budget -= got;
        if (got < TLS_RECORD_BYTES && !tls_has_pending(c->tls)) {
            return CONN_IO_DONE; /* a short record is mostly the last: spares a recv() for nothing */
        }
    }
    return CONN_IO_DONE;
}

/* `n` bytes from the start of output in one piece, so that many small ones travel in one record. */
static const void *front_of(struct conn *c, size_t n)
{
    struct evbuffer_iovec piece;
    if (evbuffer_peek(c->output, (ev_ssize_t) n, NULL, &piece, 1) == 1) {
        return piece.iov_base;
    }
    evbuffer_copyout(c->output, c->host->scratch, n);
    return c->host->scratch;
}

static enum conn_io tls_output(struct conn *c, size_t budget)
{
    while (budget > 0 && evbuffer_get_length(c->output) > 0) {
        size_t waiting = evbuffer_get_length(c->output);
        size_t n = waiting < TLS_RECORD_BYTES ? waiting : TLS_RECORD_BYTES;
        size_t put;
        enum tls_result result = tls_write(c->tls, front_of(c, n), n, &put);
        if (result != TLS_DONE) {
            return io_of(result);
        }
        evbuffer_drain(c->output, put);
        c->host->sent_bytes += put;
        budget -= put < budget ? put : budget;
    }
    return CONN_IO_DONE;
}

static enum conn_io finish(struct conn *c)
{
    return io_of(tls_close_notify(c->tls));
}

const struct conn_ops conn_tls_ops = {
    .handshake = handshake,
    .read = tls_input,
    .has_pending = has_pending,
    .write = tls_output,
    .finish = finish,
};
