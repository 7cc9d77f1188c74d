/* A ledger under a virtual clock with one upstream, one mailbox and numbered callers, for the tests of
 * the ledger. */
#ifndef TESTS_UNIT_LEDGER_FIXTURE_H
#define TESTS_UNIT_LEDGER_FIXTURE_H

#include "cache/loop.h"
#include "cache/mailbox.h"
#include "router/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CALLERS = 64, NO_ANSWER = -1, SECOND_US = 1000000 };

struct fixture;

struct caller {
    struct fixture *f;
    struct ledger_ticket *ticket;
    int answer; /* told by mail */
    uint64_t retry_us;
    unsigned place; /* 1: answered first */
};

struct fixture {
    struct loop_virtual clock;
    struct env env;
    struct ledger *ledger;
    struct ledger_upstream *up;
    struct mailbox *box;
    struct caller callers[CALLERS];
    unsigned answered;
};

static inline void fixture_on_answer(void *arg, enum ledger_answer answer, uint64_t retry_us)
{
    struct caller *c = arg;
    assert_int_equal(c->answer, NO_ANSWER);
    c->answer = (int) answer;
    c->retry_us = retry_us;
    c->ticket = NULL;
    c->place = ++c->f->answered;
}

static inline int fixture_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    f->env = loop_virtual_env(&f->clock, 42);
    f->clock.now_us = SECOND_US;
    f->ledger = ledger_new(&f->env);
    f->up = ledger_upstream(f->ledger, "local", 2, 8);
    f->box = mailbox_new(4, NULL);
    for (size_t i = 0; i < CALLERS; i++) {
        f->callers[i] = (struct caller) {.f = f, .answer = NO_ANSWER};
    }
    *state = f;
    return f->box ? 0 : -1;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    mailbox_free(f->box);
    ledger_free(f->ledger);
    free(f);
    return 0;
}

static inline struct ledger_asker asker_of(struct fixture *f, size_t caller, uint32_t key,
                                           enum ledger_class class)
{
    return (struct ledger_asker) {.class = class,
                                  .key_tag = key,
                                  .mailbox = f->box,
                                  .on_answer = fixture_on_answer,
                                  .arg = &f->callers[caller]};
}

static inline enum ledger_answer ask_as(struct fixture *f, size_t caller, uint32_t key,
                                        enum ledger_class class)
{
    struct ledger_asker asker = asker_of(f, caller, key, class);
    struct caller *c = &f->callers[caller];
    return ledger_ask(f->ledger, f->up, &asker, &c->ticket, &c->retry_us);
}

static inline enum ledger_answer ask(struct fixture *f, size_t caller)
{
    return ask_as(f, caller, 1, LEDGER_LIVE);
}

static inline void release(struct fixture *f, enum ledger_outcome outcome)
{
    ledger_release(f->ledger, f->up, outcome);
}

static inline void withdraw(struct fixture *f, size_t caller)
{
    ledger_withdraw(f->callers[caller].ticket);
    f->callers[caller].ticket = NULL;
}

static inline size_t take_mail(struct fixture *f)
{
    return mailbox_take(f->box, NULL);
}

/* Of the first upstream. */
static inline struct ledger_upstream_state state_of(struct fixture *f)
{
    struct ledger_upstream_state s;
    assert_true(ledger_upstreams(f->ledger, &s, 1) >= 1);
    return s;
}

static inline void expect_counts(struct fixture *f, unsigned in_flight, unsigned waiting)
{
    struct ledger_upstream_state s = state_of(f);
    assert_int_equal(s.in_flight, in_flight);
    assert_int_equal(s.waiting, waiting);
}

#endif
