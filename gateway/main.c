static const char usage[] =
    "usage: sluice COMMAND [OPTION...]\n"
    "\n"
    "A streaming gateway for language models: one OpenAI endpoint, behind it the upstreams that "
    "the\n"
    "configuration lists.\n"
    "\n"
    "  serve  -c FILE                        run the gateway\n"
    "  check  -c FILE [--json]               validate a configuration and print what would run\n"
    "  check  --defaults                     print a commented sample of the configuration\n"
    "  eval   -c FILE --task T --champion    measure the graph that serves a task by its items\n"
    "  eval   -c FILE --task T --graph FILE  measure another one\n"
    "  help   [COMMAND]                      this text, or that of a command\n"
    "\n"
    "      --version                         print the version\n"
    "      --help                            this text\n"
    "\n"
    "Not in this version: optimize status promote rollback pin unpin archive feedback\n"
    "\n"
    "Exit status: 0 done, 1 the work failed, 2 wrong use.\n";

#include "gateway/cli_check.h"
#include "gateway/cli_eval.h"
#include "gateway/cli_serve.h"

#include "cache/base.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: of a later version */
};

static const struct command commands[] = {
    {"serve", cli_serve}, {"check", cli_check}, {"eval", cli_eval}, {"optimize", NULL},
    {"status", NULL},     {"promote", NULL},    {"rollback", NULL}, {"pin", NULL},
    {"unpin", NULL},      {"archive", NULL},    {"feedback", NULL},
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int run(int argc, char **argv)
{
    const struct command *command = find(argv[0]);
    if (!command) {
        fprintf(stderr, "sluice: there is no command `%s`; `sluice help` lists them\n", argv[0]);
        return 2;
    }
    if (!command->run) {
        fprintf(stderr, "sluice: `%s` is not in this version\n", argv[0]);
        return 2;
    }
    /* What getopt begins its messages with. */
    char title[32];
    snprintf(title, sizeof(title), "sluice %s", command->name);
    argv[0] = title;
    return command->run(argc, argv);
}

/* `sluice help serve` is `sluice serve --help`. */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    char *words[] = {argc > 1 ? argv[1] : NULL, option, NULL};
    if (argc > 2) {
        fputs("usage: sluice help [COMMAND]\n", stderr);
        return 2;
    }
    if (argc == 2) {
        return run(2, words);
    }
    fputs(usage, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return 2;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        puts("sluice " SLUICE_VERSION);
        return 0;
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return help(argc - 1, argv + 1);
    }
    return run(argc - 1, argv + 1);
}
