#include "router/upstream.h"

#include "router/attempt.h"

#include <stdio.h>

enum {
    BACKOFF_FIRST_US = 200 * 1000,
    BACKOFF_MAX_US = 5 * 1000 * 1000,
    /* A longer Retry-After is not waited for when another model stands by. */
    PATIENCE_WITH_FALLBACK_US = 5 * 1000 * 1000,
    PATIENCE_US = 60 * 1000 * 1000,
    BREAKER_PATIENCE_US = 2 * 1000 * 1000,
    RETRY_SOON_US = 1000 * 1000, /* what we tell a client when our own queue is full */
};

struct upstream_call {
    const struct upstream_host *host;
    struct upstream_spec spec;
    const struct upstream_events *events; /* NULL once over or cancelled */
    void *arg;
    struct arena *room;
    const struct model_def *model; /* asked now: the spec's, or a fallback of it */
    unsigned tries;                /* of this model */
    struct attempt *attempt;
    struct ledger_ticket *ticket;
    struct loop_timer timer; /* backoff, or the limit of the wait in the queue */
    struct loop_task begin;
    bool paused;
    struct call_record record;
};

static void ask_for_slot(struct upstream_call *c);

/* ---- the end ---- */

static void stop_waiting(struct upstream_call *c)
{
    loop_unpost(c->host->loop, &c->begin);
    loop_timer_clear(c->host->loop, &c->timer);
    if (c->ticket) {
        ledger_withdraw(c->ticket);
        c->ticket = NULL;
    }
}

static void end(struct upstream_call *c, const struct failure *failure)
{
    const struct upstream_events *events = c->events;
    stop_waiting(c);
    c->events = NULL;
    c->record.reason = failure ? failure->reason : END_COMPLETE;
    c->record.end_us = loop_now_us(c->host->loop);
    c->record.usd = model_usd(c->model, &c->record.usage);
    snapshot_unref(c->spec.snapshot);
    c->spec.snapshot = NULL;
    events->on_end(c->arg, failure, &c->record);
}

/* ---- after a failure ---- */

/* Retries alone are paid for: fallbacks are as many as the configuration lists, and a model whose
 * retries used up the budget is the very one that needs its fallback. */
static bool has_budget(const struct upstream_call *c)
{
    return !c->spec.budget || c->spec.budget->left > 0;
}

static void spend_budget(struct upstream_call *c)
{
    if (c->spec.budget) {
        c->spec.budget->left--;
    }
}

/* What is measured is the model itself. */
static const struct model_def *fallback_of(const struct upstream_call *c)
{
    return c->spec.is_evaluation ? NULL : c->model->fallback;
}

/* Exponential with full jitter over its upper half, never less than the upstream asked for. */
static uint64_t backoff_us(const struct upstream_call *c, uint64_t retry_after_us)
{
    uint64_t wait = BACKOFF_FIRST_US;
    for (unsigned i = 1; i < c->tries && wait < BACKOFF_MAX_US; i++) {
        wait *= 2;
    }
    if (wait > BACKOFF_MAX_US) {
        wait = BACKOFF_MAX_US;
    }
    double share = 0.5 + 0.5 * env_uniform(loop_env(c->host->loop));
    wait = (uint64_t) ((double) wait * share);
    return wait > retry_after_us ? wait : retry_after_us;
}

static bool may_retry(const struct upstream_call *c, uint64_t wait_us)
{
    uint64_t patience = fallback_of(c) ? PATIENCE_WITH_FALLBACK_US : PATIENCE_US;
    return c->tries <= c->model->upstream->retries && has_budget(c) && wait_us <= patience &&
           loop_now_us(c->host->loop) + wait_us < c->spec.deadline_us;
}

static void use_model(struct upstream_call *c, const struct model_def *model)
{
    c->model = model;
    c->tries = 0;
    snprintf(c->record.model, sizeof(c->record.model), "%s", model->name);
    snprintf(c->record.upstream, sizeof(c->record.upstream), "%s", model->upstream->name);
}

/* Retry, fall back, or end. What is tried next starts from the loop, never from in here: we may be
 * inside the attempt's callback. */
static void after_failure(struct upstream_call *c, const struct failure *failure,
                          enum attempt_advice advice)
{
    uint64_t wait = backoff_us(c, failure->retry_after_us);
    if (advice == ATTEMPT_RETRY && may_retry(c, wait)) {
        spend_budget(c);
        loop_timer_set(c->host->loop, &c->timer, wait);
        return;
    }
    if (advice != ATTEMPT_GIVE_UP && fallback_of(c)) {
        use_model(c, fallback_of(c));
        c->record.fallbacks++;
        loop_post(c->host->loop, &c->begin);
        return;
    }
    struct failure last = *failure;
    /* Where our own queue was full nothing was tried, and there may be room when the client comes again. */
    last.no_retry = advice != ATTEMPT_GIVE_UP && failure->reason != END_OVERLOADED;
    end(c, &last);
}

static void refuse(struct upstream_call *c, enum end_reason reason, const char *message,
                   uint64_t retry_us)
{
    struct failure f = {.reason = reason,
                        .status = 503,
                        .message = message,
                        .type = "server_error",
                        .code = end_reason_text(reason),
                        .retry_after_us = retry_us};
    /* A full queue is not asked again: the waiting was the retry. An upstream that is left alone is
     * worth a short wait, and only where no other model stands by; a client that is told at once when
     * to come again is better off than one that hangs. */
    bool wait = reason == END_BREAKER_OPEN && !fallback_of(c) && retry_us <= BREAKER_PATIENCE_US;
    c->tries++;
    after_failure(c, &f, wait ? ATTEMPT_RETRY : ATTEMPT_FALLBACK);
}

/* ---- the attempt ---- */

static void on_commit(void *arg)
{
    struct upstream_call *c = arg;
    c->events->on_commit(c->arg, c->model);
}

static void on_chunk(void *arg, const struct chunk *chunk)
{
    struct upstream_call *c = arg;
    c->events->on_chunk(c->arg, chunk);
}

static void on_reply(void *arg, const struct chunk *reply)
{
    struct upstream_call *c = arg;
    c->events->on_reply(c->arg, reply);
}

static void on_attempt_end(void *arg, const struct attempt_end *e)
{
    struct upstream_call *c = arg;
    c->attempt = NULL;
    if (e->failure.reason == END_COMPLETE) {
        end(c, NULL);
    } else {
        after_failure(c, &e->failure, e->advice);
    }
}

static const struct attempt_events attempt_events = {on_commit, on_chunk, on_reply, on_attempt_end};

/* What an earlier attempt left must not be taken for this one's. */
static void forget_attempt(struct call_record *r)
{
    r->upstream_id[0] = '\0';
    r->detail[0] = '\0';
    r->first_byte_us = 0;
    r->usage = (struct token_usage) {.known = false};
}

static void start_attempt(struct upstream_call *c)
{
    struct attempt_spec spec = {
        .snapshot = c->spec.snapshot,
        .model = c->model,
        .request = c->spec.request,
        .ask = c->spec.ask,
        .headers = c->spec.headers,
        .deadline_us = c->spec.deadline_us,
    };
    loop_timer_clear(c->host->loop, &c->timer);
    forget_attempt(&c->record);
    c->tries++;
    c->record.attempts++;
    c->record.slot_us = loop_now_us(c->host->loop);
    if (c->record.attempts == 1 && c->events->on_slot) {
        c->events->on_slot(c->arg);
    }
    c->attempt = attempt_start(c->host, &spec, c->room, &c->record, &attempt_events, c);
    if (!c->attempt) {
        struct failure f = {.reason = END_INTERNAL,
                            .status = 503,
                            .type = "server_error",
                            .code = "out_of_memory",
                            .message = "no memory for a call to the model",
                            .retry_after_us = RETRY_SOON_US};
        end(c, &f);
    } else if (c->paused) {
        attempt_pause(c->attempt);
    }
}

/* ---- the slot ---- */

static void on_answer(void *arg, enum ledger_answer answer, uint64_t retry_us)
{
    struct upstream_call *c = arg;
    c->ticket = NULL;
    loop_timer_clear(c->host->loop, &c->timer);
    if (answer == LEDGER_GRANTED) {
        start_attempt(c);
    } else {
        refuse(c, END_BREAKER_OPEN, "the upstream is failing and is left alone for a moment",
               retry_us);
    }
}

/* No longer than the request has time. */
static void wait_in_queue(struct upstream_call *c)
{
    uint64_t due = loop_now_us(c->host->loop) + c->model->upstream->timeouts.first_token_us;
    loop_timer_set_at(c->host->loop, &c->timer,
                      due < c->spec.deadline_us ? due : c->spec.deadline_us);
}

static void ask_for_slot(struct upstream_call *c)
{
    struct ledger_asker asker = {c->spec.class, c->spec.key_tag, c->host->mailbox, on_answer, c};
    uint64_t retry_us = 0;
    switch (
        ledger_ask(c->host->ledger, c->model->upstream->ledger, &asker, &c->ticket, &retry_us)) {
    case LEDGER_GRANTED:
        start_attempt(c);
        break;
    case LEDGER_QUEUED:
        wait_in_queue(c);
        break;
    case LEDGER_FULL:
        refuse(c, END_OVERLOADED, "too many requests wait for this model", RETRY_SOON_US);
        break;
    case LEDGER_BROKEN:
        refuse(c, END_BREAKER_OPEN, "the upstream is failing and is left alone for a moment",
               retry_us);
        break;
    }
}

/* A task that begins a try, or a timer: a backoff that is over, or a wait in the queue that is. */
static void on_time(void *arg)
{
    struct upstream_call *c = arg;
    if (loop_now_us(c->host->loop) >= c->spec.deadline_us) {
        struct failure f = {.reason = END_DEADLINE,
                            .status = 504,
                            .type = "server_error",
                            .code = end_reason_text(END_DEADLINE),
                            .message = "the request's deadline passed before a model answered"};
        end(c, &f);
    } else if (c->ticket) {
        ledger_withdraw(c->ticket);
        c->ticket = NULL;
        refuse(c, END_OVERLOADED, "no slot for this model came free in time", RETRY_SOON_US);
    } else {
        ask_for_slot(c);
    }
}

/* ---- the interface ---- */

struct upstream_call *upstream_start(const struct upstream_host *host,
                                     const struct upstream_spec *spec, struct arena *room,
                                     const struct upstream_events *events, void *arg)
{
    struct upstream_call *c = arena_alloc(room, sizeof(*c));
    if (!c) {
        return NULL;
    }
    c->host = host;
    c->spec = *spec;
    c->spec.snapshot = snapshot_ref(spec->snapshot);
    c->events = events;
    c->arg = arg;
    c->room = room;
    use_model(c, spec->model);
    c->record.node = spec->node;
    c->record.start_us = loop_now_us(host->loop);
    loop_timer_init(&c->timer, on_time, c);
    loop_task_init(&c->begin, on_time, c);
    loop_post(host->loop, &c->begin);
    return c;
}

void upstream_pause(struct upstream_call *c)
{
    c->paused = true;
    if (c->attempt) {
        attempt_pause(c->attempt);
    }
}

void upstream_resume(struct upstream_call *c)
{
    c->paused = false;
    if (c->attempt) {
        attempt_resume(c->attempt);
    }
}

void upstream_cancel(struct upstream_call *c, struct call_record *record)
{
    if (c->events) {
        c->events = NULL;
        stop_waiting(c);
        if (c->attempt) {
            attempt_cancel(c->attempt);
            c->attempt = NULL;
        }
        c->record.end_us = loop_now_us(c->host->loop);
        c->record.usd = model_usd(c->model, &c->record.usage);
        snapshot_unref(c->spec.snapshot);
        c->spec.snapshot = NULL;
    }
    if (record) {
        *record = c->record;
    }
}
