#include "gateway/conn_ops.h"

#include <event2/buffer.h>

/* What the owner is to be told. Told in this order; CONN_GONE is the last. */
enum conn_due {
    DUE_READY = 1 << 0,
    DUE_INPUT = 1 << 1,
    DUE_DRAINED = 1 << 2,
    DUE_GONE = 1 << 3,
};

/* ---- telling the owner ---- */

/* Between the moment an event became due and now, the owner may have added output. */
static bool take_due(struct conn *c, enum conn_due due, enum conn_event *event)
{
    size_t waiting = evbuffer_get_length(c->output);
    switch (due) {
    case DUE_READY:
        *event = CONN_READY;
        return c->state == CONN_UP;
    case DUE_INPUT:
        *event = CONN_INPUT;
        return true;
    case DUE_DRAINED:
        *event = CONN_DRAINED;
        c->was_full = waiting > 0 && waiting >= c->limits.low_bytes;
        return c->state == CONN_UP && !c->was_full;
    case DUE_GONE:
        *event = CONN_GONE;
        return true;
    }
    return false;
}

/* Only where the owner cannot be on the stack: in libevent's callbacks, tasks and timers. The owner may
 * close the connection at any of them; its memory stays until the end of the turn. */
static void deliver(struct conn *c)
{
    while (c->due != 0 && c->owner != NULL) {
        unsigned lowest = c->due & (~c->due + 1);
        c->due &= ~lowest;
        enum conn_event event;
        if (take_due(c, (enum conn_due) lowest, &event)) {
            c->owner->on_event(c->arg, c, event);
        }
    }
}

static void post(struct conn *c)
{
    loop_post(c->host->loop, &c->task);
}

void conn_end_begin(struct conn *c)
{
    if (c->state == CONN_BEGIN && c->ops->handshake != NULL) {
        c->host->handshaking--;
    }
}

static void lose(struct conn *c, enum conn_reason reason)
{
    conn_end_begin(c);
    if (c->reason == CONN_OPEN) {
        c->reason = reason;
    }
    c->state = CONN_LOST;
    c->due |= DUE_GONE;
    conn_silence(c);
}

static enum conn_reason reason_of(enum conn_io io)
{
    switch (io) {
    case CONN_IO_CLOSED:
        return CONN_PEER_CLOSED;
    case CONN_IO_RESET:
        return CONN_PEER_RESET;
    case CONN_IO_BROKEN:
        return CONN_TLS_FAILED;
    case CONN_IO_NO_MEMORY:
    case CONN_IO_DONE:
    case CONN_IO_WANT_READ:
    case CONN_IO_WANT_WRITE:
        break;
    }
    return CONN_CLOSED_BY_US;
}

/* ---- reading again without an event ---- */

static void forget_again(struct conn *c)
{
    if (c->again_link == NULL) {
        return;
    }
    *c->again_link = c->again_next;
    if (c->again_next != NULL) {
        c->again_next->again_link = c->again_link;
    } else {
        c->host->again_end = c->again_link;
    }
    c->again_link = NULL;
    c->host->again_count--;
}

static void read_again(struct conn *c)
{
    struct conn_host *host = c->host;
    if (c->again_link != NULL) {
        return;
    }
    c->again_next = NULL;
    c->again_link = host->again_end;
    *host->again_end = c;
    host->again_end = &c->again_next;
    host->again_count++;
    /* A timer and not a task: tasks run in this turn, and a client that keeps mbedTLS filled would then
     * hold the loop. */
    event_add(host->again_event, &(struct timeval) {0, 0});
}

/* ---- events on the socket ---- */

bool conn_set_reading(struct conn *c, bool on)
{
    if (c->is_reading == on) {
        return true;
    }
    if (on && event_add(&c->read_event, NULL) == -1) {
        return false;
    }
    if (!on) {
        event_del(&c->read_event);
    }
    c->is_reading = on;
    return true;
}

static void wait_writable(struct conn *c)
{
    if (!c->is_waiting && event_add(&c->write_event, NULL) == 0) {
        c->is_waiting = true;
    }
}

void conn_silence(struct conn *c)
{
    event_del(&c->read_event);
    event_del(&c->write_event);
    c->is_reading = false;
    c->is_waiting = false;
    forget_again(c);
    loop_timer_clear(c->host->loop, &c->timer);
}

void conn_await_output(struct conn *c, enum conn_io io, bool progress)
{
    if (progress || !loop_timer_is_set(&c->timer)) {
        loop_timer_set(c->host->loop, &c->timer, c->limits.send_timeout_us);
    }
    c->write_wants_read = io == CONN_IO_WANT_READ;
    if (!c->write_wants_read) {
        wait_writable(c);
    }
}

static size_t input_room(const struct conn *c)
{
    size_t held = evbuffer_get_length(c->input);
    return held < c->input_cap ? c->input_cap - held : 0;
}

void conn_update_reading(struct conn *c)
{
    if (c->state != CONN_UP) {
        return;
    }
    bool has_room = input_room(c) > 0;
    if (!conn_set_reading(c, has_room)) {
        lose(c, CONN_CLOSED_BY_US);
        post(c);
        return;
    }
    if (has_room && c->ops->has_pending != NULL && c->ops->has_pending(c)) {
        read_again(c);
    }
}

static void read_input(struct conn *c)
{
    size_t room = input_room(c);
    if (room == 0) {
        return;
    }
    size_t before = evbuffer_get_length(c->input);
    enum conn_io io = c->ops->read(c, room < CONN_TURN_BYTES ? room : CONN_TURN_BYTES);
    if (evbuffer_get_length(c->input) > before) {
        c->due |= DUE_INPUT;
    }
    c->read_wants_write = io == CONN_IO_WANT_WRITE;
    if (conn_io_is_failure(io)) {
        lose(c, reason_of(io));
    } else if (c->read_wants_write) {
        wait_writable(c);
    }
}

/* Afterwards output is empty, or the socket is waited for, or the connection is lost. Tells nobody. */
static void send_output(struct conn *c)
{
    size_t before = evbuffer_get_length(c->output);
    if (before >= c->limits.high_bytes) {
        c->was_full = true;
    }
    enum conn_io io = c->ops->write(c, CONN_SEND_BYTES);
    size_t left = evbuffer_get_length(c->output);
    if (conn_io_is_failure(io)) {
        lose(c, reason_of(io));
        return;
    }
    if (left > 0) {
        conn_await_output(c, io, left < before);
    } else {
        c->write_wants_read = false;
        loop_timer_clear(c->host->loop, &c->timer);
    }
    if (c->was_full && (left == 0 || left < c->limits.low_bytes)) {
        c->due |= DUE_DRAINED;
    }
}

/* ---- beginning ---- */

static void open_up(struct conn *c)
{
    conn_end_begin(c);
    c->state = CONN_UP;
    loop_timer_clear(c->host->loop, &c->timer);
    c->due |= DUE_READY;
    conn_update_reading(c);
    if (c->state == CONN_UP && evbuffer_get_length(c->output) > 0) {
        send_output(c);
    }
}

/* A full handshake costs milliseconds of computing: when this turn has had its share, the others wait
 * for the next, so that a burst of new callers does not stop the streams of the old ones. */
static bool may_step(struct conn_host *host)
{
    struct timeval turn; /* libevent reads the clock once a turn */
    event_base_gettimeofday_cached(host->base, &turn);
    if (turn.tv_sec != host->handshake_turn.tv_sec ||
        turn.tv_usec != host->handshake_turn.tv_usec) {
        host->handshake_turn = turn;
        host->handshake_spent_us = 0;
    }
    return host->handshake_spent_us < CONN_TURN_HANDSHAKE_US;
}

static void step_handshake(struct conn *c, bool was_writable)
{
    struct conn_host *host = c->host;
    if (!may_step(host)) {
        if (was_writable) {
            wait_writable(c);
        }
        return; /* readable: epoll will say so again */
    }
    uint64_t start_us = loop_now_us(host->loop);
    enum conn_io io = c->ops->handshake(c);
    host->handshake_spent_us += loop_now_us(host->loop) - start_us;
    if (conn_io_is_failure(io)) {
        lose(c, reason_of(io));
        return;
    }
    if (io == CONN_IO_DONE) {
        open_up(c);
        return;
    }
    /* Not both: what lies unread in the socket would wake us for nothing while we wait to write. */
    if (io == CONN_IO_WANT_WRITE) {
        wait_writable(c);
    }
    if (!conn_set_reading(c, io == CONN_IO_WANT_READ)) {
        lose(c, CONN_CLOSED_BY_US);
    }
}

/* ---- callbacks ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void) fd;
    (void) what;
    switch (c->state) {
    case CONN_BEGIN:
        step_handshake(c, false);
        break;
    case CONN_UP:
        if (c->write_wants_read) {
            send_output(c);
        }
        if (c->state == CONN_UP) {
            read_input(c);
        }
        break;
    case CONN_FLUSH:
    case CONN_LINGER:
        conn_goodbye_readable(c);
        return;
    case CONN_LOST:
    case CONN_DEAD:
        return;
    }
    deliver(c);
    conn_update_reading(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void) fd;
    (void) what;
    c->is_waiting = false;
    switch (c->state) {
    case CONN_BEGIN:
        step_handshake(c, true);
        break;
    case CONN_UP:
        if (c->read_wants_write) {
            read_input(c);
        }
        if (c->state == CONN_UP) {
            send_output(c);
        }
        break;
    case CONN_FLUSH:
    case CONN_LINGER:
        conn_goodbye_writable(c);
        return;
    case CONN_LOST:
    case CONN_DEAD:
        return;
    }
    deliver(c);
    conn_update_reading(c);
}

void conn_on_again(evutil_socket_t fd, short what, void *arg)
{
    struct conn_host *host = arg;
    /* Counted first: those that come back meanwhile have the next turn. */
    for (unsigned n = host->again_count; n > 0 && host->again_first != NULL; n--) {
        struct conn *c = host->again_first;
        forget_again(c);
        on_readable(fd, what, c);
    }
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    switch (c->state) {
    case CONN_BEGIN:
        lose(c, CONN_HANDSHAKE_TIMEOUT);
        break;
    case CONN_UP:
        lose(c, CONN_SEND_TIMEOUT);
        break;
    case CONN_FLUSH:
    case CONN_LINGER:
        conn_bury(c);
        return;
    case CONN_LOST:
    case CONN_DEAD:
        return;
    }
    deliver(c);
}

static void on_task(void *arg)
{
    struct conn *c = arg;
    if (c->state == CONN_DEAD) {
        conn_free(c);
        return;
    }
    if (c->state == CONN_BEGIN && c->ops->handshake == NULL) {
        open_up(c);
    }
    deliver(c);
}

void conn_init_events(struct conn *c)
{
    struct event_base *base = c->host->base;
    loop_timer_init(&c->timer, on_timer, c);
    loop_task_init(&c->task, on_task, c);
    event_assign(&c->read_event, base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->write_event, base, c->fd, EV_WRITE, on_writable, c);
}

/* ---- what the owner asks for ---- */

void conn_flush(struct conn *c)
{
    if (c->state != CONN_UP || c->is_waiting || c->write_wants_read) {
        return;
    }
    send_output(c);
    if (c->due != 0) {
        post(c); /* the owner is on the stack */
    }
}
