static const char usage[] =
    "usage: sluice check -c FILE [--json]\n"
    "       sluice check --defaults\n"
    "\n"
    "Validates the configuration in FILE as `sluice serve` would, without listening on anything\n"
    "or writing to anything, and prints what would run: addresses, API keys and their limits,\n"
    "upstreams, models, aliases, each graph with its drawing and cost, and each task with what\n"
    "makes a request its, its champion, its learning level and what is missing for the next\n"
    "level. No classifier is trained. Secrets are read and never printed.\n"
    "\n"
    "  -c, --config FILE   the configuration\n"
    "  -d, --defaults      print a commented sample with every key, its type, range and default;\n"
    "                      with -c too: after FILE was found valid\n"
    "  -j, --json          print one JSON document and nothing else; where FILE is faulty its\n"
    "                      `faults` is not empty\n"
    "  -h, --help          this text\n"
    "\n"
    "Faults go to standard error, one a line in the order of the file, as\n"
    "FILE:LINE:COLUMN: KEY: what was expected and what was found.\n"
    "\n"
    "Exit status: 0 valid, 1 faulty, 2 wrong use.\n"
    "\n"
    "Examples\n"
    "  sluice check --defaults > sluice.yaml\n"
    "  sluice check -c sluice.yaml && systemctl reload sluice\n"
    "  sluice check -c sluice.yaml --json | jq .tasks\n";

#include "gateway/cli_check.h"

#include "gateway/config_print.h"
#include "gateway/tls.h"
#include "router/ledger.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

struct request {
    const char *file;
    bool defaults;
    bool json;
};

static int complain(const struct request *r, const struct config_report *report)
{
    if (r->json) {
        config_print_faults_json(r->file, report, stdout);
    }
    for (size_t i = 0; i < report->count && !r->json; i++) {
        fprintf(stderr, "%s\n", report->messages[i]);
    }
    return 1;
}

/* What only shows when it is put to use. */
static int complain_of(const struct request *r, const struct errbuf *why)
{
    char *text = x_printf("%s: %s", r->file, why->text);
    const char *messages[] = {text};
    const struct config_report report = {.messages = messages, .count = 1};
    int code = complain(r, &report);
    free(text);
    return code;
}

static bool check_tls(const struct config *c, struct errbuf *why)
{
    if (!c->tls_cert) {
        return true;
    }
    struct tls_context *tls = tls_context_new(c->tls_cert, c->tls_key, why);
    tls_context_unref(tls);
    return tls != NULL;
}

/* The snapshot that `serve` would publish, so that what is printed is what would run. */
static int check_snapshot(const struct request *r, struct config *c)
{
    struct errbuf why;
    struct env env = env_system();
    struct ledger *ledger = ledger_new(&env);
    struct catalog *catalog = c->catalog;
    c->catalog = NULL;
    struct snapshot *s = snapshot_new(catalog, ledger, c->timeouts.request_us, 1, &why);
    int code = s ? 0 : complain_of(r, &why);
    if (s && r->json) {
        config_print_json(c, s, stdout);
    } else if (s && r->defaults) {
        config_print_defaults(stdout);
    } else if (s) {
        config_print(c, s, stdout);
    }
    snapshot_unref(s);
    ledger_free(ledger);
    return code;
}

static int check(const struct request *r)
{
    struct config_report report;
    struct errbuf why;
    int code;
    struct config *c = config_load(r->file, config_getenv, &report);
    if (!c) {
        code = complain(r, &report);
    } else if (!check_tls(c, &why)) {
        code = complain_of(r, &why);
    } else {
        code = check_snapshot(r, c);
    }
    config_free(c);
    config_report_fini(&report);
    return code;
}

static int run(const struct request *r)
{
    int code = 0;
    if (r->defaults && r->json) {
        fputs("sluice check: --defaults prints YAML, --json prints JSON: choose one\n", stderr);
        return 2;
    }
    if (r->file) {
        code = check(r);
    } else {
        config_print_defaults(stdout);
    }
    if (fflush(stdout) != 0) {
        perror("sluice check: standard output");
        return 1;
    }
    return code;
}

int cli_check(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"defaults", no_argument, NULL, 'd'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct request r = {.file = NULL};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:djh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            r.file = optarg;
            break;
        case 'd':
            r.defaults = true;
            break;
        case 'j':
            r.json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs("`sluice check --help` says how to use it\n", stderr);
            return 2;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "sluice check: unexpected argument `%s`: sluice check -c FILE\n",
                argv[optind]);
        return 2;
    }
    if (!r.file && !r.defaults) {
        fputs("sluice check: a configuration is needed: sluice check -c FILE\n", stderr);
        return 2;
    }
    return run(&r);
}
