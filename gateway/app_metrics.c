#include "gateway/app_private.h"

#include <stdlib.h>

enum { ROUND_LIMIT_US = 1000 * 1000 };

/* One question to all fronts. Kept until the last answer has come, however late: the answer names it. */
struct app_round {
    struct app *app;
    struct app_round *next;
    struct app_round **link;
    struct app_question question; /* answer NULL: nobody waits any more */
    struct metrics sum;
    size_t outstanding;
    size_t answered;
    struct loop_timer limit;
    struct loop_task free;
};

static void on_free(void *arg)
{
    struct app_round *r = arg;
    loop_unpost(r->app->loop, &r->free);
    loop_timer_clear(r->app->loop, &r->limit);
    *r->link = r->next;
    if (r->next) {
        r->next->link = r->link;
    }
    free(r);
}

static void conclude(struct app_round *r)
{
    struct app_question question = r->question;
    r->question.answer = NULL;
    loop_timer_clear(r->app->loop, &r->limit);
    if (question.answer) {
        struct metrics_process process;
        app_describe_process(r->app, &process);
        process.fronts_silent = r->app->front_count - r->answered;
        metrics_add(&r->sum, &r->app->admin.metrics);
        r->sum.log_lines_dropped = log_dropped(r->app->log);
        question.answer(question.arg, &r->sum, &process);
    }
}

static void on_answer(void *arg, const struct metrics *copy)
{
    struct app_round *r = arg;
    metrics_add(&r->sum, copy);
    r->answered++;
    r->outstanding--;
    if (r->outstanding == 0) {
        conclude(r);
        loop_post(r->app->loop, &r->free);
    }
}

static void on_limit(void *arg)
{
    conclude(arg); /* with the answers that came */
}

struct app_round *app_ask_metrics(struct app *app, const struct app_question *question)
{
    struct app_round *r = x_alloc(sizeof(*r));
    struct front_question ask = {on_answer, r};
    r->app = app;
    r->question = *question;
    r->outstanding = app->front_count;
    r->next = app->rounds;
    r->link = &app->rounds;
    if (r->next) {
        r->next->link = &r->next;
    }
    app->rounds = r;
    loop_timer_init(&r->limit, on_limit, r);
    loop_task_init(&r->free, on_free, r);
    loop_timer_set(app->loop, &r->limit, ROUND_LIMIT_US);
    for (size_t i = 0; i < app->front_count; i++) {
        front_ask_metrics(app->fronts[i], &ask);
    }
    return r;
}

void app_forget_metrics(struct app_round *round)
{
    round->question.answer = NULL;
}

void app_end_rounds(struct app *app)
{
    while (app->rounds) {
        on_free(app->rounds);
    }
}
