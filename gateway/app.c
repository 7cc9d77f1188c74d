#include "gateway/app_private.h"

#include "gateway/admin.h"
#include "gateway/tls.h"
#include "router/upstream_curl.h"

#include <event2/event.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { MAILBOX_CAP = 1024 };

/* ---- messages from the fronts ---- */

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct app *app = arg;
    (void) fd;
    (void) what;
    mailbox_take(app->mailbox, app);
}

static void on_front_drained(void *arg)
{
    struct app *app = arg;
    app->fronts_drained++;
    if (app->fronts_drained == app->front_count) {
        event_base_loopbreak(app->base);
    }
}

/* ---- draining ---- */

static void abort_all(struct app *app)
{
    for (size_t i = 0; i < app->front_count; i++) {
        front_abort(app->fronts[i]);
    }
}

static void on_drain_limit(void *arg)
{
    struct app *app = arg;
    log_write(app->tap, LOG_WARN, "drain_ran_out", NULL);
    abort_all(app);
}

static void start_drain(struct app *app)
{
    if (app->draining) { /* asked twice: now */
        abort_all(app);
        return;
    }
    app->draining = true;
    app->admin.draining = true; /* its /readyz says so; it goes on listening until the end */
    log_write(app->tap, LOG_INFO, "draining", NULL);
    for (size_t i = 0; i < app->front_count; i++) {
        front_drain(app->fronts[i]);
    }
    loop_timer_set(app->loop, &app->drain_limit, app->settings->config->drain_us);
}

/* ---- reload ---- */

static struct tls_context *make_tls(const struct config *c, struct errbuf *err)
{
    return c->tls_cert ? tls_context_new(c->tls_cert, c->tls_key, err) : NULL;
}

/* For the metrics: of what is served from now on, and not of what a refused reload has read. */
static void note_certificate(struct app *app, const struct tls_context *tls)
{
    app->certificate_expiry_s = tls ? tls_context_expiry_s(tls) : 0;
}

static bool differs(const char *a, const char *b)
{
    return (a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0);
}

static void needs_restart(struct app *app, const char *key)
{
    log_write(app->tap, LOG_WARN, "needs_restart", "key", key, NULL);
}

static void keep_text(struct app *app, struct config *fresh, const char *key, const char *old,
                      const char **now)
{
    if (differs(old, *now)) {
        needs_restart(app, key);
        *now = old ? arena_dup(&fresh->arena, old) : NULL;
    }
}

/* What a running process cannot change is kept as it was, and said: a setting that speaks of another
 * socket than the one that is open would have the wrong callers trusted. */
static void keep_fixed(struct app *app, struct config *fresh)
{
    const struct config *old = app->settings->config;
    keep_text(app, fresh, "listen", old->listen_text, &fresh->listen_text);
    keep_text(app, fresh, "admin", old->admin_text, &fresh->admin_text);
    keep_text(app, fresh, "data", old->data, &fresh->data);
    keep_text(app, fresh, "log.file", old->log_file, &fresh->log_file);
    fresh->listen = old->listen;
    fresh->admin = old->admin;
    if (old->workers != fresh->workers) {
        needs_restart(app, "workers");
        fresh->workers = old->workers;
    }
    if ((old->tls_cert == NULL) != (fresh->tls_cert == NULL)) { /* other files are welcome */
        needs_restart(app, "tls");
        fresh->tls_cert = old->tls_cert ? arena_dup(&fresh->arena, old->tls_cert) : NULL;
        fresh->tls_key = old->tls_key ? arena_dup(&fresh->arena, old->tls_key) : NULL;
    }
}

static void publish(struct app *app, struct settings *settings, struct tls_context **tls)
{
    note_certificate(app, tls[0]);
    for (size_t i = 0; i < app->front_count; i++) {
        front_renew(app->fronts[i], settings_ref(settings), tls[i]);
    }
    if (app->has_admin) {
        server_renew(&app->admin, settings_ref(settings), NULL);
    }
    settings_unref(app->settings);
    app->settings = settings;
}

static void add_report(struct config_report *report, const char *text)
{
    const char **grown = arena_array(&report->arena, report->count + 1, sizeof(*grown));
    if (grown) {
        if (report->count > 0) {
            memcpy(grown, report->messages, report->count * sizeof(*grown));
        }
        grown[report->count++] = arena_dup(&report->arena, text);
        report->messages = grown;
    }
}

/* Every front has its own context: tickets and random state are one thread's. */
static bool make_contexts(struct app *app, const struct config *c, struct tls_context **tls,
                          struct errbuf *why)
{
    for (size_t i = 0; i < app->front_count; i++) {
        tls[i] = make_tls(c, why);
        if (c->tls_cert && !tls[i]) {
            while (i > 0) {
                tls_context_unref(tls[--i]);
            }
            return false;
        }
    }
    return true;
}

static void log_training(struct app *app, const struct classifier_report *r)
{
    char text[6][32];
    snprintf(text[0], sizeof(text[0]), "%u", r->classes);
    snprintf(text[1], sizeof(text[1]), "%zu", r->examples);
    snprintf(text[2], sizeof(text[2]), "%.3f", r->seconds);
    snprintf(text[3], sizeof(text[3]), "%zu", r->held_out);
    snprintf(text[4], sizeof(text[4]), "%zu", r->right);
    snprintf(text[5], sizeof(text[5]), "%zu", r->wrong);
    log_write(app->tap, LOG_INFO, "classifier_trained", "tasks", text[0], "examples", text[1],
              "seconds", text[2], "held_out", text[3], "right", text[4], "wrong", text[5], NULL);
}

static struct settings *make_settings(struct app *app, struct config *config, uint64_t number,
                                      struct errbuf *err)
{
    const struct settings_ground ground = {.ledger = app->ledger,
                                           .install_key = &app->install_key,
                                           .env = &app->env,
                                           .previous = app->settings,
                                           .number = number};
    struct settings *settings = settings_new(config, &ground, err);
    if (settings && settings->training.classes > 0) {
        log_training(app, &settings->training);
    }
    return settings;
}

bool app_reload(struct app *app, struct config_report *report)
{
    struct errbuf why;
    struct tls_context *tls[APP_FRONTS_MAX] = {NULL};
    struct config *fresh = config_load(app->settings->config->file, config_getenv, report);
    struct settings *settings = NULL;
    bool ok = fresh != NULL;
    if (ok) {
        keep_fixed(app, fresh);
        ok = !arena_is_sour(&fresh->arena) && make_contexts(app, fresh, tls, &why);
        if (!ok) {
            add_report(report, arena_is_sour(&fresh->arena) ? "not enough memory" : why.text);
            config_free(fresh);
        }
    }
    if (ok) {
        settings = make_settings(app, fresh, app->snapshot_number + 1, &why);
        ok = settings != NULL;
        if (!ok) {
            add_report(report, why.text);
            for (size_t i = 0; i < app->front_count; i++) {
                tls_context_unref(tls[i]);
            }
        }
    }
    if (!ok) {
        app->reloads_failed++;
        for (size_t i = 0; i < report->count; i++) {
            log_write(app->tap, LOG_ERROR, "reload_refused", "why", report->messages[i], NULL);
        }
        return false;
    }
    app->snapshot_number++;
    app->reloads_ok++;
    publish(app, settings, tls);
    log_set_access(app->log, settings->config->log_access);
    log_set_level(app->log, settings->config->log_level);
    log_write(app->tap, LOG_INFO, "reloaded", "file", settings->config->file, NULL);
    return true;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct app *app = arg;
    struct config_report report = {.count = 0};
    (void) what;
    switch (number) {
    case SIGHUP:
        app_reload(app, &report);
        config_report_fini(&report);
        break;
    case SIGUSR1:
        log_reopen(app->log);
        break;
    default:
        start_drain(app);
        break;
    }
}

static bool watch_signals(struct app *app)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        app->signals[i] = evsignal_new(app->base, numbers[i], on_signal, app);
        if (!app->signals[i] || event_add(app->signals[i], NULL) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- start ---- */

static enum err make_loop(struct app *app, struct errbuf *err)
{
    app->base = event_base_new();
    if (!app->base) {
        return err_set(err, ERR_IO, "libevent gives no event base");
    }
    app->loop = loop_new(&app->env);
    app->mailbox = mailbox_new(MAILBOX_CAP, err);
    if (!app->mailbox) {
        return ERR_IO;
    }
    app->mail_event = event_new(app->base, mailbox_fd(app->mailbox), EV_READ | EV_PERSIST, on_mail,
                                app);
    if (loop_drive_event(app->loop, app->base) != ERR_NONE || !app->mail_event ||
        event_add(app->mail_event, NULL) != 0 || !watch_signals(app)) {
        return err_set(err, ERR_NOMEM, "no memory for the main loop");
    }
    loop_timer_init(&app->drain_limit, on_drain_limit, app);
    return ERR_NONE;
}

/* For nobody but us: the installation's key lies in it. */
static enum err make_directory(const char *path, struct errbuf *err)
{
    if (mkdir(path, 0700) == -1 && errno != EEXIST) {
        return err_set(err, ERR_IO, "%s cannot be made: %s", path, strerror(errno));
    }
    return ERR_NONE;
}

static enum err make_shared(struct app *app, struct config *config, struct errbuf *err)
{
    app->log = log_new(config->log_file, config->log_level, err);
    if (!app->log) {
        config_free(config);
        return ERR_IO;
    }
    log_set_access(app->log, config->log_access);
    app->tap = log_tap_new(app->log, app->loop);
    if (config->data) {
        enum err rc = make_directory(config->data, err);
        if (rc == ERR_NONE) {
            rc = crypt_install_key(config->data, &app->env, &app->install_key, err);
        }
        if (rc != ERR_NONE) {
            config_free(config);
            return rc;
        }
    } else {
        app->env.random(app->env.arg, &app->install_key, sizeof(app->install_key));
    }
    app->env.random(app->env.arg, &app->boot, sizeof(app->boot));
    app->ledger = ledger_new(&app->env);
    app->snapshot_number = 1;
    app->settings = make_settings(app, config, app->snapshot_number, err);
    return app->settings ? ERR_NONE : ERR_INPUT;
}

static enum err make_front(struct app *app, struct errbuf *err)
{
    struct front_spec spec = {
        .number = (unsigned) app->front_count,
        .boot = app->boot,
        .settings = app->settings,
        .tls = make_tls(app->settings->config, err),
        .ledger = app->ledger,
        .log = app->log,
        .install_key = &app->install_key,
        .main_box = app->mailbox,
        .on_drained = on_front_drained,
        .main_arg = app,
    };
    if (app->settings->config->tls_cert && !spec.tls) {
        return ERR_INPUT;
    }
    note_certificate(app, spec.tls);
    struct front *f = front_new(&spec, err);
    if (!f) {
        return ERR_IO;
    }
    app->fronts[app->front_count++] = f;
    return ERR_NONE;
}

/* With one front the port is not shared, so a second process gets "address in use". With several, the
 * kernel would let anybody of this user join: a plain listener asks first. */
static enum err listen_all(struct app *app, struct errbuf *err)
{
    static const struct listener_owner nobody = {NULL};
    struct listener_address address = app->settings->config->listen;
    bool shared = app->front_count > 1;
    char bound[128];
    if (shared) {
        struct listener *probe = listener_new(app->base, app->loop, &address, false, &nobody, NULL,
                                              err);
        if (!probe) {
            return ERR_IO;
        }
        listener_free(probe);
    }
    for (size_t i = 0; i < app->front_count; i++) {
        enum err rc = front_listen(app->fronts[i], &address, shared, err);
        if (rc != ERR_NONE) {
            return rc;
        }
        front_address(app->fronts[0], bound, sizeof(bound));
        if (i == 0 && listener_parse(bound, &address, err) != ERR_NONE) { /* port 0 is a port now */
            return ERR_INPUT;
        }
    }
    log_write(app->tap, LOG_INFO, "listening", "address", bound, "tls",
              app->settings->config->tls_cert ? "yes" : "no", NULL);
    return ERR_NONE;
}

static enum err make_admin(struct app *app, struct errbuf *err)
{
    char bound[128];
    app->admin = (struct server) {.base = app->base,
                                  .loop = app->loop,
                                  .install_key = &app->install_key,
                                  .routes = routes_admin(),
                                  .owner = app,
                                  .is_admin = true,
                                  .log = app->tap};
    if (!app->settings->config->admin_text) {
        return ERR_NONE;
    }
    ident_maker_init(&app->admin.ident, &app->install_key, app->boot, (unsigned) app->front_count);
    server_init(&app->admin, settings_ref(app->settings), NULL);
    app->has_admin = true;
    if (server_listen(&app->admin, &app->settings->config->admin, false, err) != ERR_NONE) {
        return ERR_IO;
    }
    listener_text(app->admin.listener, bound, sizeof(bound));
    log_write(app->tap, LOG_INFO, "admin", "address", bound, NULL);
    return ERR_NONE;
}

/* A proxied stream holds two descriptors; the soft limit of 1,024 is for programs with select(). */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

struct app *app_new(struct config *config, struct errbuf *err)
{
    struct app *app = x_alloc(sizeof(*app));
    app->env = env_system();
    app->start_wall_seconds = (double) env_wall_us(&app->env) / 1e6;
    raise_descriptor_limit();
    unsigned workers = config->workers;
    if (upstream_curl_global_init(err) != ERR_NONE || make_loop(app, err) != ERR_NONE) {
        config_free(config);
        app_free(app);
        return NULL;
    }
    enum err rc = make_shared(app, config, err);
    for (unsigned i = 0; rc == ERR_NONE && i < workers && i < APP_FRONTS_MAX; i++) {
        rc = make_front(app, err);
    }
    if (rc == ERR_NONE) {
        rc = make_admin(app, err);
    }
    if (rc == ERR_NONE) {
        rc = listen_all(app, err);
    }
    if (rc != ERR_NONE) {
        app_free(app);
        return NULL;
    }
    return app;
}

enum err app_run(struct app *app, struct errbuf *err)
{
    for (size_t i = 0; i < app->front_count; i++) {
        enum err rc = front_start(app->fronts[i], err);
        if (rc != ERR_NONE) {
            return rc;
        }
    }
    event_base_loop(app->base, EVLOOP_NO_EXIT_ON_EMPTY);
    log_write(app->tap, LOG_INFO, "stopped", NULL);
    return ERR_NONE;
}

/* ---- end ---- */

static void free_events(struct app *app)
{
    for (size_t i = 0; i < APP_SIGNALS; i++) {
        if (app->signals[i]) {
            event_free(app->signals[i]);
        }
    }
    if (app->mail_event) {
        event_free(app->mail_event);
    }
}

void app_free(struct app *app)
{
    if (!app) {
        return;
    }
    for (size_t i = 0; i < app->front_count; i++) {
        front_stop_and_free(app->fronts[i]);
    }
    if (app->has_admin) {
        server_abort(&app->admin);
        loop_run(app->loop);
        server_fini(&app->admin);
    }
    if (app->mailbox) {
        mailbox_take(app->mailbox, app); /* late answers free their rounds */
        loop_run(app->loop);
        app_end_rounds(app); /* a front may have ended with the question unread */
    }
    free_events(app);
    if (app->tap) {
        log_tap_free(app->tap);
    }
    if (app->log) {
        log_free(app->log);
    }
    settings_unref(app->settings);
    if (app->loop) {
        loop_timer_clear(app->loop, &app->drain_limit);
    }
    mailbox_free(app->mailbox);
    ledger_free(app->ledger);
    loop_free(app->loop);
    if (app->base) {
        event_base_free(app->base);
    }
    upstream_curl_global_fini();
    crypt_wipe(&app->install_key, sizeof(app->install_key));
    free(app);
}

/* ---- for the admin ---- */

void app_describe_process(const struct app *app, struct metrics_process *out)
{
    *out = (struct metrics_process) {
        .version = SLUICE_VERSION,
        .start_time_seconds = app->start_wall_seconds,
        .fronts = app->front_count,
        .snapshot_number = app->snapshot_number,
        .reloads_ok = app->reloads_ok,
        .reloads_failed = app->reloads_failed,
        .certificate_expiry_seconds = (double) app->certificate_expiry_s,
    };
}

struct ledger *app_ledger(struct app *app)
{
    return app->ledger;
}

bool app_is_draining(const struct app *app)
{
    return app->draining;
}
