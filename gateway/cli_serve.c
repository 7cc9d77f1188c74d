static const char usage[] =
    "usage: sluice serve -c FILE\n"
    "\n"
    "Runs the gateway with the configuration in FILE until it is told to stop.\n"
    "\n"
    "  -c, --config FILE   the configuration; `sluice check --defaults` prints a commented one\n"
    "  -h, --help          this text\n"
    "\n"
    "Signals\n"
    "  SIGTERM, SIGINT     stop accepting, finish what is under way (at most `drain:`), exit 0;\n"
    "                      a second one ends at once\n"
    "  SIGHUP              load FILE again; a faulty file changes nothing and is logged\n"
    "  SIGUSR1             reopen log.file after a rotation\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 the gateway could not start or run, 2 wrong use.\n";

#include "gateway/cli_serve.h"

#include "gateway/app.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int run(const char *file)
{
    struct config_report report = {.count = 0};
    struct errbuf why;
    struct config *config = config_load(file, config_getenv, &report);
    for (size_t i = 0; i < report.count; i++) {
        fprintf(stderr, "%s\n", report.messages[i]);
    }
    config_report_fini(&report);
    if (!config) {
        return 1;
    }
    struct app *app = app_new(config, &why);
    if (!app || app_run(app, &why) != ERR_NONE) {
        fprintf(stderr, "sluice: %s\n", why.text);
        app_free(app);
        return 1;
    }
    app_free(app);
    return 0;
}

int cli_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *file = NULL;
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs("`sluice serve --help` says how to use it\n", stderr);
            return 2;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "sluice serve: unexpected argument `%s`: sluice serve -c FILE\n",
                argv[optind]);
        return 2;
    }
    if (!file) {
        fputs("sluice serve: a configuration is needed: sluice serve -c FILE\n", stderr);
        return 2;
    }
    return run(file);
}
