static const char usage[] =
    "usage: sluice eval -c FILE --task TASK (--graph FILE|--champion) [OPTION...]\n"
    "\n"
    "Runs a graph over the items of tasks[].eval through the upstreams of the configuration, as\n"
    "clients' requests would run, and prints how often it is right, what a request costs and how\n"
    "long it takes. What is measured is printed and kept nowhere. It is a process of its own,\n"
    "which does not know of the slots that a running `sluice serve` holds at an upstream.\n"
    "\n"
    "  -c, --config FILE      the configuration\n"
    "  -t, --task TASK        whose items, grader, deadline and data\n"
    "  -g, --graph FILE       the graph that is measured\n"
    "      --champion         instead: the graph that serves the task by the configuration\n"
    "      --split SPLIT      only the items of audit, gate or search; without: all\n"
    "      --limit N          at most the first N of them\n"
    "      --concurrency N    items at once, 1 to 256; default 2\n"
    "      --seed N           another one draws other answers of the same items; default 0\n"
    "  -j, --json             print one JSON document on standard output and nothing else there\n"
    "  -h, --help             this text\n"
    "\n"
    "A wrong answer is also one that came too late or was cut off at its length, is empty or a\n"
    "refusal, or has nothing that the grader looks for, and an item for which a model of the\n"
    "graph lacks the context or a capability: neither fallbacks nor one model step in. Where the\n"
    "output fails and a client would get the best answer in hand, that is graded. What an\n"
    "upstream breaks (refused, reset, 429, 5xx) is run again, up to six runs in all, then\n"
    "dropped; over 2 % of dropped items end the evaluation. Latency is of items none of whose\n"
    "calls was repeated.\n"
    "\n"
    "An item's split and seed come from its hash under the installation's key in `data`; without\n"
    "`data` from a plain one. The interval of the accuracy is Wilson's, 95 %. Interrupted by\n"
    "SIGINT or SIGTERM, it prints what it has.\n"
    "\n"
    "Exit status: 0 done, 1 not done or stopped, 2 wrong use.\n"
    "\n"
    "Examples\n"
    "  sluice eval -c sluice.yaml --task math --champion --limit 100\n"
    "  sluice eval -c sluice.yaml --task math --graph panel.graph.json --json | jq .all.accuracy\n";

#include "gateway/cli_eval.h"

#include "gateway/cli_eval_print.h"
#include "gateway/config.h"
#include "gateway/graph_facts.h"
#include "router/graph_file.h"
#include "router/ledger.h"
#include "router/upstream_curl.h"

#include <event2/event.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAILBOX_CAP = 1024,
    CONCURRENCY = 2,
    ALL_SPLITS = (1 << ITEMS_SPLITS) - 1,
    UNFIT_LINES_MAX = 20, /* that are named */
};

static const size_t ITEM_BYTES_MAX = (size_t) 256 << 20;

struct eval_request {
    const char *file;
    const char *task;
    const char *graph;
    bool champion;
    bool json;
    unsigned splits; /* bits of enum items_split */
    size_t limit;
    unsigned concurrency;
    uint64_t seed;
};

struct evaluation {
    const struct eval_request *request;
    struct env env;
    struct config *config;
    const struct config_eval *eval;
    struct ledger *ledger;
    struct snapshot *snapshot;
    const struct task *task;
    struct graph *own_graph; /* NULL: the champion, which is the snapshot's */
    const struct graph *graph;
    struct install_key key;
    struct items *items;
    struct eval_item *chosen; /* of the items, that are run */
    struct event_base *base;
    struct loop *loop;
    struct mailbox *mailbox;
    struct event *mail_event;
    struct event *signals[2];
    struct upstream_curl *curl;
    struct upstream_host host;
    struct eval_report report;
    struct eval_progress progress;
    size_t unfit;
    char broken[RECORD_DETAIL_BYTES + 96]; /* of the item dropped last */
};

static int complain(const char *text)
{
    fprintf(stderr, "sluice eval: %s\n", text);
    return 1;
}

/* ---- what is measured, and by what ---- */

static int load_config(struct evaluation *e)
{
    struct config_report faults;
    struct errbuf why;
    e->config = config_load(e->request->file, config_getenv, &faults);
    for (size_t i = 0; i < faults.count; i++) {
        fprintf(stderr, "%s\n", faults.messages[i]);
    }
    config_report_fini(&faults);
    if (!e->config) {
        return 1;
    }
    struct catalog *catalog = e->config->catalog;
    e->config->catalog = NULL;
    e->ledger = ledger_new(&e->env);
    e->snapshot = snapshot_new(catalog, e->ledger, e->config->timeouts.request_us, 1, &why);
    if (!e->snapshot) {
        return complain(why.text);
    }
    /* Without a place for a key the hash is a plain one: the same splits each time all the same. */
    if (e->config->data && crypt_install_key(e->config->data, &e->env, &e->key, &why) != ERR_NONE) {
        return complain(why.text);
    }
    return 0;
}

static int find_task(struct evaluation *e)
{
    const char *name = e->request->task;
    e->task = snapshot_task(e->snapshot, slice_of(name));
    if (!e->task) {
        fprintf(stderr, "sluice eval: there is no task `%s`; the tasks are", name);
        for (size_t i = 0; i < e->snapshot->task_count; i++) {
            fprintf(stderr, " %s", e->snapshot->tasks[i].name);
        }
        fputc('\n', stderr);
        return 2;
    }
    e->eval = config_eval_of(e->config, name);
    if (!e->eval) {
        fprintf(stderr, "sluice eval: the task %s has no items: write their file as its `eval`\n",
                name);
        return 1;
    }
    return 0;
}

/* The task's texts stay within its data, whoever asks. */
static int check_graph(const struct evaluation *e)
{
    for (unsigned i = 0; i < e->graph->count; i++) {
        const struct model_def *m = e->graph->nodes[i].model;
        if (m && !model_can_chat(m)) {
            fprintf(stderr, "sluice eval: the model %s makes embeddings and does not chat\n",
                    m->name);
            return 1;
        }
    }
    const struct upstream_def *stranger = e->task->data ? task_stranger(e->task->data, e->graph)
                                                        : NULL;
    if (stranger) {
        fprintf(stderr,
                "sluice eval: the graph may reach the upstream %s, where the texts of the task %s "
                "must not go: `data` lists those that may have them\n",
                stranger->name, e->task->name);
        return 1;
    }
    return 0;
}

static int find_graph(struct evaluation *e)
{
    struct errbuf why;
    if (e->request->graph) {
        e->own_graph = graph_file_load(e->request->graph, e->snapshot->catalog, &why);
        e->graph = e->own_graph;
        if (!e->graph) {
            return complain(why.text);
        }
        e->report.graph_name = e->request->graph;
    } else if (e->task->arm_count > 0) {
        struct graph_facts facts;
        e->graph = e->task->arms[0].graph;
        graph_facts(e->snapshot, e->graph, &facts);
        e->report.graph_name = facts.name;
    } else {
        fprintf(stderr, "sluice eval: nothing serves the task %s\n", e->task->name);
        return 1;
    }
    e->report.graph_id = e->graph->id;
    return check_graph(e);
}

static void report_lines(const struct evaluation *e)
{
    for (size_t i = 0; i < e->items->note_count; i++) {
        const struct items_note *n = &e->items->notes[i];
        fprintf(stderr, "%s:%" PRIu64 ": %s\n", e->eval->file, n->line, n->text);
    }
    if (e->items->bad_lines > 0) {
        fprintf(stderr, "%s: %" PRIu64 " line%s gave no item\n", e->eval->file, e->items->bad_lines,
                e->items->bad_lines == 1 ? "" : "s");
    }
}

/* In the file's order: those that name no other task, up to the limit. */
static void choose(struct evaluation *e)
{
    e->chosen = x_array(e->items->count + 1, sizeof(*e->chosen));
    for (size_t i = 0; i < e->items->count && e->report.count < e->request->limit; i++) {
        const struct eval_item *item = &e->items->all[i];
        if (item->task.n == 0 || slice_eq_text(item->task, e->task->name)) {
            e->chosen[e->report.count++] = *item;
        }
    }
}

static int load_items(struct evaluation *e)
{
    struct errbuf why;
    const struct items_options options = {.key = &e->key,
                                          .splits = e->request->splits,
                                          .grader = e->eval->grader,
                                          .bytes_max = ITEM_BYTES_MAX};
    if (items_load(e->eval->file, &options, &e->items, &why) != ERR_NONE) {
        return complain(why.text);
    }
    report_lines(e);
    choose(e);
    if (e->report.count == 0) {
        fprintf(stderr, "sluice eval: %s has no item of the task %s in what was asked for\n",
                e->eval->file, e->task->name);
        return 1;
    }
    return 0;
}

/* ---- its run ---- */

static void on_outcome(void *arg, size_t index, const struct eval_outcome *o)
{
    struct evaluation *e = arg;
    const struct eval_item *item = &e->chosen[index];
    tally_add(&e->report.all, o);
    tally_add(&e->report.splits[item->split], o);
    if (o->verdict == EVAL_UNFIT && e->unfit++ < UNFIT_LINES_MAX) {
        cli_eval_progress_end(&e->progress);
        fprintf(stderr, "%s:%" PRIu64 ": this item measures nothing: %s\n", e->eval->file,
                item->line,
                o->is_graded ? grade_reason_name(o->grade) : "its form runs as one call");
    }
    if (o->verdict == EVAL_DROPPED) {
        snprintf(e->broken, sizeof(e->broken), "%s, status %d%s%s", end_reason_text(o->broken),
                 o->status, o->detail[0] ? ": " : "", o->detail);
    }
    cli_eval_progress(&e->progress, &e->report, loop_now_us(e->loop));
}

static void on_end(void *arg, bool complete)
{
    struct evaluation *e = arg;
    e->report.ending = complete ? EVAL_COMPLETE : EVAL_TOO_MANY_DROPPED;
    event_base_loopbreak(e->base);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct evaluation *e = arg;
    (void) number;
    (void) what;
    event_base_loopbreak(e->base); /* the ending stays EVAL_INTERRUPTED */
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct evaluation *e = arg;
    (void) fd;
    (void) what;
    mailbox_take(e->mailbox, NULL);
}

static enum err make_loop(struct evaluation *e, struct errbuf *err)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    e->base = event_base_new();
    e->loop = e->base ? loop_new(&e->env) : NULL;
    if (!e->loop || loop_drive_event(e->loop, e->base) != ERR_NONE) {
        return err_set(err, ERR_NOMEM, "no memory for an event loop");
    }
    e->mailbox = mailbox_new(MAILBOX_CAP, err);
    if (!e->mailbox) {
        return ERR_IO;
    }
    e->mail_event = event_new(e->base, mailbox_fd(e->mailbox), EV_READ | EV_PERSIST, on_mail, e);
    bool ok = e->mail_event && event_add(e->mail_event, NULL) == 0;
    for (size_t i = 0; i < ARRAY_LEN(numbers) && ok; i++) {
        e->signals[i] = evsignal_new(e->base, numbers[i], on_signal, e);
        ok = e->signals[i] && event_add(e->signals[i], NULL) == 0;
    }
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for an event");
    }
    e->curl = upstream_curl_new(e->base, e->loop, "sluice/" SLUICE_VERSION, err);
    return e->curl ? ERR_NONE : ERR_NOMEM;
}

static void run_items(struct evaluation *e)
{
    struct evaluator_spec spec = {.host = &e->host,
                                  .snapshot = e->snapshot,
                                  .task = e->task,
                                  .graph = e->graph,
                                  .items = e->chosen,
                                  .count = e->report.count,
                                  .grader = e->eval->grader,
                                  .concurrency = e->request->concurrency,
                                  .sample = e->request->seed,
                                  .on_outcome = on_outcome,
                                  .on_end = on_end,
                                  .arg = e};
    e->host = (struct upstream_host) {.loop = e->loop,
                                      .ledger = e->ledger,
                                      .mailbox = e->mailbox,
                                      .transfers = upstream_curl_transfers(e->curl),
                                      .reply_cap_bytes = e->config->limits.body_bytes,
                                      .event_cap_bytes = e->config->limits.answer_bytes};
    e->report.ending = EVAL_INTERRUPTED;
    e->progress = (struct eval_progress) {
        .out = stderr, .is_terminal = isatty(STDERR_FILENO) == 1, .start_us = loop_now_us(e->loop)};
    struct evaluator *evaluator = evaluator_start(&spec);
    event_base_dispatch(e->base);
    evaluator_free(evaluator);
    cli_eval_progress_end(&e->progress);
    e->report.seconds = (double) (loop_now_us(e->loop) - e->progress.start_us) / 1e6;
}

static int show(struct evaluation *e)
{
    struct eval_report *r = &e->report;
    (e->request->json ? cli_eval_print_json : cli_eval_print)(r, stdout);
    if (r->ending == EVAL_TOO_MANY_DROPPED) {
        fprintf(stderr,
                "sluice eval: stopped: upstreams kept breaking %zu of %zu items, over 2 %%, so the "
                "figures would speak of them and not of the graph; the last one: %s\n",
                r->all.verdicts[EVAL_DROPPED], r->count, e->broken);
    } else if (r->ending == EVAL_INTERRUPTED) {
        fprintf(stderr, "sluice eval: interrupted after %zu of %zu items\n", r->all.items,
                r->count);
    }
    if (fflush(stdout) != 0) {
        perror("sluice eval: standard output");
        return 1;
    }
    return r->ending == EVAL_COMPLETE ? 0 : 1;
}

static int evaluate(struct evaluation *e)
{
    struct errbuf why;
    e->report.task = e->task->name;
    e->report.file = e->eval->file;
    e->report.grader_text = e->eval->grader_text;
    e->report.grader_version = e->eval->grader ? grader_version(e->eval->grader) : 0;
    e->report.bad_lines = e->items->bad_lines;
    e->report.seed = e->request->seed;
    if (make_loop(e, &why) != ERR_NONE) {
        return complain(why.text);
    }
    run_items(e);
    return show(e);
}

/* ---- life ---- */

static void free_events(struct evaluation *e)
{
    for (size_t i = 0; i < ARRAY_LEN(e->signals); i++) {
        if (e->signals[i]) {
            event_free(e->signals[i]);
        }
    }
    upstream_curl_free(e->curl);
    if (e->mail_event) {
        event_free(e->mail_event);
    }
    if (e->loop) {
        loop_run(e->loop); /* what is freed at the end of a turn */
    }
    mailbox_free(e->mailbox);
    loop_free(e->loop);
    if (e->base) {
        event_base_free(e->base);
    }
}

static void free_all(struct evaluation *e)
{
    free_events(e);
    for (unsigned i = 0; i < ITEMS_SPLITS; i++) {
        tally_fini(&e->report.splits[i]);
    }
    tally_fini(&e->report.all);
    free(e->chosen);
    items_free(e->items);
    graph_free(e->own_graph);
    snapshot_unref(e->snapshot);
    ledger_free(e->ledger);
    config_free(e->config);
    crypt_wipe(&e->key, sizeof(e->key));
}

static int run(const struct eval_request *r)
{
    struct evaluation e = {.request = r, .env = env_system()};
    struct errbuf why;
    int (*const steps[])(struct evaluation *) = {load_config, find_task, find_graph, load_items,
                                                 evaluate};
    int code = 0;
    signal(SIGPIPE, SIG_IGN);
    if (upstream_curl_global_init(&why) != ERR_NONE) {
        return complain(why.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(steps) && code == 0; i++) {
        code = steps[i](&e);
    }
    free_all(&e);
    upstream_curl_global_fini();
    return code;
}

/* ---- the command line ---- */

enum { OPTION_CHAMPION = 256, OPTION_SPLIT, OPTION_LIMIT, OPTION_CONCURRENCY, OPTION_SEED };

static bool is_number(const char *option, const char *text, uint64_t low, uint64_t high,
                      uint64_t *out)
{
    if (slice_to_u64(slice_of(text), out) && *out >= low && *out <= high) {
        return true;
    }
    fprintf(stderr, "sluice eval: %s: expected a whole number from %" PRIu64 " to %" PRIu64 "\n",
            option, low, high);
    return false;
}

static bool is_split(struct eval_request *r, const char *text)
{
    enum items_split split;
    if (!items_split_of(slice_of(text), &split)) {
        fputs("sluice eval: --split: expected audit, gate or search\n", stderr);
        return false;
    }
    r->splits = 1u << split;
    return true;
}

/* False after words. */
static bool take_option(struct eval_request *r, int option)
{
    uint64_t n = 0;
    switch (option) {
    case 'c':
        r->file = optarg;
        return true;
    case 't':
        r->task = optarg;
        return true;
    case 'g':
        r->graph = optarg;
        return true;
    case OPTION_CHAMPION:
        r->champion = true;
        return true;
    case 'j':
        r->json = true;
        return true;
    case OPTION_SPLIT:
        return is_split(r, optarg);
    case OPTION_LIMIT:
        if (!is_number("--limit", optarg, 1, INT32_MAX, &n)) {
            return false;
        }
        r->limit = (size_t) n;
        return true;
    case OPTION_CONCURRENCY:
        if (!is_number("--concurrency", optarg, 1, EVALUATOR_CONCURRENCY_MAX, &n)) {
            return false;
        }
        r->concurrency = (unsigned) n;
        return true;
    case OPTION_SEED:
        return is_number("--seed", optarg, 0, INT64_MAX, &r->seed);
    default:
        fputs("`sluice eval --help` says how to use it\n", stderr);
        return false;
    }
}

static const char *missing(const struct eval_request *r)
{
    if (!r->file) {
        return "a configuration is needed: sluice eval -c FILE --task TASK --champion";
    }
    if (!r->task) {
        return "a task is needed: --task TASK";
    }
    if ((r->graph != NULL) == r->champion) {
        return "either --graph FILE or --champion is needed";
    }
    return NULL;
}

int cli_eval(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"task", required_argument, NULL, 't'},
        {"graph", required_argument, NULL, 'g'},
        {"champion", no_argument, NULL, OPTION_CHAMPION},
        {"split", required_argument, NULL, OPTION_SPLIT},
        {"limit", required_argument, NULL, OPTION_LIMIT},
        {"concurrency", required_argument, NULL, OPTION_CONCURRENCY},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    struct eval_request r = {.splits = ALL_SPLITS, .limit = SIZE_MAX, .concurrency = CONCURRENCY};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:t:g:jh", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (!take_option(&r, option)) {
            return 2;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "sluice eval: unexpected argument `%s`\n", argv[optind]);
        return 2;
    }
    const char *what = missing(&r);
    if (what) {
        fprintf(stderr, "sluice eval: %s\n", what);
        return 2;
    }
    return run(&r);
}
