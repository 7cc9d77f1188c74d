/* The process: the main thread's loop with signals, reload, admin listener and the life of the fronts.
 * Alone publishes settings and snapshots. */
#ifndef GATEWAY_APP_H
#define GATEWAY_APP_H

#include "gateway/front.h"

struct app;

/* Everything is opened before anything serves, so that a fault ends the start with one clear message.
 * Takes the configuration, also on failure. */
struct app *app_new(struct config *config, struct errbuf *err);
enum err app_run(struct app *app, struct errbuf *err) MUST_CHECK; /* until drained; then ERR_NONE */
void app_free(struct app *app);                                   /* NULL allowed */

/* ---- for the admin's handlers ---- */

/* Loads the file again. On failure nothing has changed and the report says why. */
bool app_reload(struct app *app, struct config_report *report);

/* Calls `answer` with the sum over the fronts, at the latest after a second. */
struct app_question {
    void (*answer)(void *arg, const struct metrics *sum, const struct metrics_process *process);
    void *arg;
};
/* The handle is valid until `answer` was called or app_forget_metrics. */
struct app_round;
struct app_round *app_ask_metrics(struct app *app, const struct app_question *question);
void app_forget_metrics(struct app_round *round);

struct ledger *app_ledger(struct app *app);
bool app_is_draining(const struct app *app);

#endif
