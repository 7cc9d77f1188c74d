/* The members of struct app, for app*.c only. */
#ifndef GATEWAY_APP_PRIVATE_H
#define GATEWAY_APP_PRIVATE_H

#include "gateway/app.h"

enum { APP_FRONTS_MAX = 64, APP_SIGNALS = 5 };

struct event;

struct app {
    struct env env;
    struct event_base *base;
    struct loop *loop;
    struct mailbox *mailbox;
    struct event *mail_event;
    struct event *signals[APP_SIGNALS];
    struct install_key install_key;
    uint32_t boot;
    struct ledger *ledger;
    struct log *log;
    struct settings *settings;
    uint64_t snapshot_number;
    struct front *fronts[APP_FRONTS_MAX];
    size_t front_count;
    size_t fronts_drained;
    struct server admin; /* settings NULL: no admin listener */
    bool has_admin;
    struct log_tap *tap;
    struct app_round *rounds; /* questions to the fronts that are under way */
    struct loop_timer drain_limit;
    bool draining;
    int64_t certificate_expiry_s; /* 0: no TLS */
    uint64_t reloads_ok;
    uint64_t reloads_failed;
    double start_wall_seconds;
};

/* What no front will answer any more, at the end. */
void app_end_rounds(struct app *app);
void app_describe_process(const struct app *app, struct metrics_process *out);

#endif
