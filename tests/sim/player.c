#include "tests/sim/player.h"

#include <stdio.h>
#include <stdlib.h>

/* A turn ends after this much, so that one endless reply to a fast reader leaves the loop to the
 * others. */
#define TURN_BYTES 262144U
#define FILL_BLOCK 16384
#define FLUSH_POLL_US 1000

enum progress {
    PLAY_NEXT = 0, /* the step is done */
    PLAY_AGAIN,    /* the step goes on */
    PLAY_WAIT,     /* until due_us */
    PLAY_STOP,     /* for good, or until the client leaves */
    PLAY_ENDED     /* the job does not exist any more */
};

static void on_timer(evutil_socket_t fd, short what, void *arg);

struct job *player_new(struct event_base *base, struct conn *c, struct stats *stats,
                       struct stats_model *model)
{
    struct job *j = mem_zalloc(sizeof(*j));

    j->base = base;
    j->conn = c;
    j->stats = stats;
    j->model = model;
    j->start_us = stats_now_us();
    if (model != NULL) {
        j->call = stats_begin(stats, model, j->start_us);
    }
    return j;
}

static void end_job(struct job *j, enum outcome outcome)
{
    struct stats_record r = {0};

    if (j->model != NULL) {
        r.call = j->call;
        r.id = j->has_reply ? j->reply.id : "";
        r.start_us = j->start_us;
        r.first_byte_us = j->first_byte_us;
        r.end_us = stats_now_us();
        r.tokens_sent = j->tokens_sent;
        r.prompt_tokens = j->has_reply ? j->reply.prompt_tokens : 0;
        r.completion_tokens = j->has_reply ? j->reply.completion_tokens : 0;
        r.status = j->first_byte_us > 0 ? j->script.status : 0;
        r.outcome = outcome;
        stats_end(j->stats, j->model, &r);
    }
    if (j->has_timer) {
        event_del(&j->timer);
    }
    if (j->has_reply) {
        reply_fini(&j->reply);
    }
    script_fini(&j->script);
    buf_fini(&j->scratch);
    free(j);
}

static void wait_until(struct job *j, int64_t now_us)
{
    int64_t left = j->due_us - now_us;
    struct timeval tv;

    if (!j->has_timer) {
        event_assign(&j->timer, j->base, -1, 0, on_timer, j);
        j->has_timer = true;
    }
    left = left > 0 ? left : 0;
    tv.tv_sec = (time_t) (left / 1000000);
    tv.tv_usec = (suseconds_t) (left % 1000000);
    event_add(&j->timer, &tv);
}

/* Writes bytes as one piece of the body. */
static void write_body(struct job *j, const char *p, size_t n)
{
    char size[24];
    int len;

    if (n == 0 || !j->script.is_chunked) {
        conn_write(j->conn, p, n);
        return;
    }
    len = snprintf(size, sizeof(size), "%zx\r\n", n);
    conn_write(j->conn, size, (size_t) len);
    conn_write(j->conn, p, n);
    conn_write(j->conn, "\r\n", 2);
}

static void write_scratch(struct job *j)
{
    write_body(j, j->scratch.data, j->scratch.len);
    j->scratch.len = 0;
    if (j->script.write_each) {
        conn_flush(j->conn);
    }
}

/* Sets the time of what comes delay_us after the thing that was due last; a late loop does not
 * shift the rest. */
static void set_due(struct job *j, int64_t delay_us, int64_t now_us)
{
    j->due_us = (j->due_us > 0 ? j->due_us : now_us) + delay_us;
}

static enum progress play_wait(struct job *j, const struct step *step, int64_t now_us)
{
    if (j->at == 0) {
        j->due_us = now_us + step->a;
        j->at = 1;
    }
    return now_us < j->due_us ? PLAY_WAIT : PLAY_NEXT;
}

static int64_t count_token(const struct job *j, size_t i)
{
    int64_t n = 0;

    for (size_t k = 0; k < j->reply.n; k++) {
        n += i < j->reply.choices[k].n_tokens ? 1 : 0;
    }
    return n;
}

static void note_tokens(const struct job *j, int64_t now_us)
{
    struct call_record *call = j->model != NULL ? calls_get(&j->stats->calls, j->call) : NULL;

    if (call != NULL) {
        call->first_token_us = call->first_token_us > 0 ? call->first_token_us : now_us;
        call->last_token_us = now_us;
        call->tokens = j->tokens_sent;
    }
}

/* j->at counts the tokens of this step that are out. */
static enum progress play_tokens(struct job *j, const struct step *step, int64_t now_us)
{
    if (step->a + j->at >= step->b) {
        return PLAY_NEXT;
    }
    if (j->at > 0 || step->a > 0) {
        if (j->due_us == 0) {
            set_due(j, j->script.token_us, now_us);
        }
        if (now_us < j->due_us) {
            return PLAY_WAIT;
        }
    }
    reply_token(&j->reply, (size_t) (step->a + j->at), &j->scratch);
    j->tokens_sent += count_token(j, (size_t) (step->a + j->at));
    note_tokens(j, now_us);
    write_scratch(j);
    j->at++;
    set_due(j, j->script.token_us, now_us);
    return PLAY_AGAIN;
}

static enum progress play_fill(struct job *j, const struct step *step)
{
    char block[FILL_BLOCK];
    int64_t left = step->a - j->at;
    size_t n = left < FILL_BLOCK ? (size_t) left : FILL_BLOCK;

    for (size_t i = 0; i < n; i++) {
        block[i] = 'x';
    }
    write_body(j, block, n);
    j->at += (int64_t) n;
    return j->at < step->a ? PLAY_AGAIN : PLAY_NEXT;
}

static enum progress play_drip(struct job *j, const struct step *step, int64_t now_us)
{
    int64_t left = step->b - step->a - j->at;
    size_t n = (size_t) left < j->script.drip_size ? (size_t) left : j->script.drip_size;

    if (left == 0) {
        return PLAY_NEXT;
    }
    if (now_us < j->due_us) {
        return PLAY_WAIT;
    }
    conn_write(j->conn, j->script.bytes.data + step->a + j->at, n);
    conn_flush(j->conn);
    j->at += (int64_t) n;
    set_due(j, j->script.drip_us, now_us);
    return PLAY_AGAIN;
}

/* Unsent bytes would be lost to a reset. The kernel has no event for "all acknowledged", hence
 * the polling. */
static enum progress play_flush(struct job *j, int64_t now_us)
{
    conn_flush(j->conn);
    if (!conn_has_unsent(j->conn)) {
        return PLAY_NEXT;
    }
    j->due_us = now_us + FLUSH_POLL_US;
    return PLAY_WAIT;
}

static enum progress play_end(struct job *j, bool hangup)
{
    j->tokens_sent += j->script.tokens;
    if (j->script.tokens > 0) {
        note_tokens(j, stats_now_us());
    }
    j->is_hangup = hangup;
    if (j->script.is_chunked) {
        conn_write(j->conn, "0\r\n\r\n", 5);
    }
    conn_finish(j->conn, j->script.keep_alive && !hangup);
    return PLAY_ENDED;
}

static enum progress play_cut(struct job *j, bool hard)
{
    struct conn *c = j->conn;

    end_job(j, OUTCOME_FAULT);
    if (hard) {
        conn_reset(c);
    } else {
        conn_close(c);
    }
    return PLAY_ENDED;
}

static enum progress play_step(struct job *j, const struct step *step, int64_t now_us)
{
    const char *bytes = j->script.bytes.data;

    switch (step->kind) {
    case STEP_WAIT:
        return play_wait(j, step, now_us);
    case STEP_RAW:
        conn_write(j->conn, bytes + step->a, (size_t) (step->b - step->a));
        return PLAY_NEXT;
    case STEP_BODY:
        write_body(j, bytes + step->a, (size_t) (step->b - step->a));
        return PLAY_NEXT;
    case STEP_ROLE:
        reply_role(&j->reply, &j->scratch);
        write_scratch(j);
        return PLAY_NEXT;
    case STEP_TOKENS:
        return play_tokens(j, step, now_us);
    case STEP_FINISH:
        reply_finish(&j->reply, &j->scratch);
        write_scratch(j);
        return PLAY_NEXT;
    case STEP_USAGE:
        reply_usage(&j->reply, &j->scratch);
        write_scratch(j);
        return PLAY_NEXT;
    case STEP_DONE:
        reply_done(&j->reply, &j->scratch);
        write_scratch(j);
        return PLAY_NEXT;
    case STEP_FILL:
        return play_fill(j, step);
    case STEP_DRIP:
        return play_drip(j, step, now_us);
    case STEP_FLUSH:
        return play_flush(j, now_us);
    case STEP_END:
        return play_end(j, false);
    case STEP_HANGUP:
        return play_end(j, true);
    case STEP_CLOSE:
        return play_cut(j, false);
    case STEP_RESET:
        return play_cut(j, true);
    case STEP_SILENCE:
        return PLAY_STOP;
    }
    return PLAY_STOP;
}

/* True when the client reads too slowly: on_drained will go on. */
static bool is_full(struct job *j)
{
    if (conn_out_len(j->conn) <= SERVER_OUT_HIGH) {
        return false;
    }
    conn_flush(j->conn);
    j->is_paused = conn_out_len(j->conn) > SERVER_OUT_HIGH;
    return j->is_paused;
}

static void play(struct job *j)
{
    int64_t now_us = stats_now_us();
    size_t turn = 0;

    while (!is_full(j)) {
        size_t before = conn_out_len(j->conn);
        enum progress p = play_step(j, &j->script.steps[j->pos], now_us);

        if (p == PLAY_ENDED) {
            return;
        }
        if (p == PLAY_NEXT) {
            j->pos++;
            j->at = 0;
        }
        if (conn_out_len(j->conn) > 0 && j->first_byte_us == 0) {
            j->first_byte_us = now_us;
        }
        if (p == PLAY_WAIT || p == PLAY_STOP) {
            break;
        }
        turn += conn_out_len(j->conn) > before ? conn_out_len(j->conn) - before : 0;
        if (turn > TURN_BYTES) {
            j->due_us = now_us;
            break;
        }
    }
    conn_flush(j->conn);
    if (!j->is_paused && j->script.steps[j->pos].kind != STEP_SILENCE) {
        wait_until(j, now_us);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;
    play(arg);
}

void player_start(struct job *j)
{
    conn_begin(j->conn, j);
    play(j);
}

void player_on_gone(void *job)
{
    end_job(job, OUTCOME_CANCELLED);
}

void player_on_drained(void *job)
{
    struct job *j = job;

    j->is_paused = false;
    play(j);
}

void player_on_sent(void *job)
{
    struct job *j = job;

    end_job(j, j->script.is_fault ? OUTCOME_FAULT : OUTCOME_COMPLETE);
}
