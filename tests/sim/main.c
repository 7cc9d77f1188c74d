/*
 * sim: the simulated-model server. Command line, signals and the port file; see README.md for
 * what it simulates.
 */
#include "tests/sim/api.h"
#include "tests/sim/offline.h"
#include "tests/sim/player.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
    "usage: sim [OPTION]...\n"
    "Serve simulated language models under the OpenAI dialect; the model name selects timing and "
    "faults.\n"
    "\n"
    "  --listen ADDRESS:PORT  where to listen (default 127.0.0.1:0, port 0: any)\n"
    "  --port-file FILE       write the bound port into FILE\n"
    "  --seed N               seed of all answers (default 1)\n"
    "  --log FILE             append a JSON line for each finished request\n"
    "  --models FILE.json     add models: [{\"id\", \"accuracy\", \"first_token_ms\", "
    "\"per_token_ms\", \"params\",\n"
    "                         \"family\"}, ...]\n"
    "  --api-key KEY          require Authorization: Bearer KEY\n"
    "  --max-in-flight N      answer 429 above N requests in flight\n"
    "  --help                 show this\n"
    "\n"
    "Instead of serving:\n"
    "  --items TASK           write made-up items of math, facts or strings as JSON lines\n"
    "    --count N --seed N   how many (default 100) and which\n"
    "    --out FILE           where to (default: standard output)\n"
    "  --expect GRAPH.json    tell the accuracy of a graph by the law of the models\n"
    "    --task TASK --first NUMBER --count N   over these items\n"
    "    --seed N             of the server\n"
    "    --temperature T      that the client sends (default: none)\n";

struct options {
    const char *listen;
    const char *port_file;
    const char *log;
    const char *models;
    const char *api_key;
    uint64_t seed;
    struct offline offline;
    uint64_t max_in_flight;
};

static int parse_u64(const char *name, const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
        fprintf(stderr, "sim: --%s: '%s' is not a number\n", name, text);
        return -1;
    }
    return 0;
}

static int parse_offline(int c, struct offline *o)
{
    char *end;

    switch (c) {
    case 'i':
        o->items = optarg;
        return 0;
    case 'e':
        o->expect = optarg;
        return 0;
    case 't':
        o->task = optarg;
        return 0;
    case 'o':
        o->out = optarg;
        return 0;
    case 'c':
        return parse_u64("count", optarg, &o->count);
    case 'n':
        return parse_u64("first", optarg, &o->first);
    case 'T':
        o->temperature = strtod(optarg, &end);
        if (*end == '\0' && end != optarg && o->temperature >= 0 && o->temperature <= 2) {
            return 0;
        }
        fprintf(stderr, "sim: --temperature: '%s' is not from 0 to 2\n", optarg);
        return -1;
    default:
        return -1;
    }
}

/* Returns 0 to go on, 1 after --help, -1 on wrong use. */
static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option list[] = {
        {"listen", required_argument, NULL, 'l'},
        {"port-file", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {"log", required_argument, NULL, 'g'},
        {"models", required_argument, NULL, 'm'},
        {"api-key", required_argument, NULL, 'k'},
        {"max-in-flight", required_argument, NULL, 'f'},
        {"items", required_argument, NULL, 'i'},
        {"expect", required_argument, NULL, 'e'},
        {"task", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'c'},
        {"first", required_argument, NULL, 'n'},
        {"temperature", required_argument, NULL, 'T'},
        {"out", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int rc = 0;

    for (int c = getopt_long(argc, argv, "", list, NULL); c != -1 && rc == 0;
         c = rc == 0 ? getopt_long(argc, argv, "", list, NULL) : -1) {
        switch (c) {
        case 'l':
            o->listen = optarg;
            break;
        case 'p':
            o->port_file = optarg;
            break;
        case 's':
            rc = parse_u64("seed", optarg, &o->seed);
            break;
        case 'g':
            o->log = optarg;
            break;
        case 'm':
            o->models = optarg;
            break;
        case 'k':
            o->api_key = optarg;
            break;
        case 'f':
            rc = parse_u64("max-in-flight", optarg, &o->max_in_flight);
            break;
        case 'h':
            fputs(usage, stdout);
            return 1;
        default:
            rc = parse_offline(c, &o->offline);
            break;
        }
    }
    if (rc == 0 && optind < argc) {
        fprintf(stderr, "sim: unexpected argument '%s'\n", argv[optind]);
        rc = -1;
    }
    return rc;
}

/* By way of a temporary name, so that who waits for the file never reads half a number. */
static int write_port_file(const char *path, unsigned port)
{
    struct buf name = {0};
    FILE *f;
    int rc = -1;

    buf_addf(&name, "%s.%ld", path, (long) getpid());
    f = fopen(buf_str(&name), "w");
    if (f != NULL) {
        rc = fprintf(f, "%u\n", port) > 0 ? 0 : -1;
        rc = fclose(f) == 0 ? rc : -1;
    }
    if (rc == 0) {
        rc = rename(name.data, path);
    }
    if (rc != 0) {
        fprintf(stderr, "sim: %s: %s\n", path, strerror(errno));
    }
    buf_fini(&name);
    return rc;
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    (void) sig;
    (void) what;
    event_base_loopbreak(arg);
}

/* Thousands of streams need thousands of descriptors: as many as we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The default clock is coarse (up to 4 ms): too coarse for tokens a millisecond apart. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0) {
        base = event_base_new_with_config(config);
    }
    if (config != NULL) {
        event_config_free(config);
    }
    return base;
}

static int open_files(struct api *api, const struct options *o)
{
    char err[512];

    api->models = models_new();
    if (o->models != NULL && models_load(api->models, o->models, err, sizeof(err)) != 0) {
        fprintf(stderr, "sim: --models: %s\n", err);
        return -1;
    }
    if (o->log != NULL) {
        api->stats.log = fopen(o->log, "a");
        if (api->stats.log == NULL) {
            fprintf(stderr, "sim: --log: %s: %s\n", o->log, strerror(errno));
            return -1;
        }
    }
    return 0;
}

static int run(struct api *api, const struct options *o)
{
    static const struct server_ops ops = {api_on_request, player_on_gone, player_on_drained,
                                          player_on_sent};
    struct event *term = evsignal_new(api->base, SIGTERM, on_signal, api->base);
    struct event *intr = evsignal_new(api->base, SIGINT, on_signal, api->base);
    char err[512] = "";
    int rc = -1;

    if (term == NULL || intr == NULL || event_add(term, NULL) != 0 || event_add(intr, NULL) != 0) {
        fputs("sim: cannot set up signals\n", stderr);
        goto out;
    }
    api->server = server_new(api->base, o->listen, &ops, api, err, sizeof(err));
    if (api->server == NULL) {
        fprintf(stderr, "sim: %s\n", err);
        goto out;
    }
    if (o->port_file != NULL && write_port_file(o->port_file, server_port(api->server)) != 0) {
        goto out;
    }
    printf("listening on %s\n", server_address(api->server));
    fflush(stdout);
    rc = event_base_dispatch(api->base) == -1 ? -1 : 0;

out:
    server_free(api->server);
    if (term != NULL) {
        event_free(term);
    }
    if (intr != NULL) {
        event_free(intr);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {
        .listen = "127.0.0.1:0", .seed = 1, .offline = {.count = 100, .temperature = (double) NAN}};
    struct api api = {0};
    int rc = parse_options(argc, argv, &o);

    if (rc != 0) {
        return rc > 0 ? 0 : 2;
    }
    o.offline.seed = o.seed;
    if (o.offline.items != NULL) {
        return offline_items(&o.offline);
    }
    if (o.offline.expect != NULL) {
        return offline_expect(&o.offline);
    }
    (void) signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    api.seed = o.seed;
    solve_init(&api.solver, o.seed);
    api.api_key = o.api_key;
    api.max_in_flight = o.max_in_flight;
    api.base = new_base();
    if (api.base == NULL) {
        fputs("sim: cannot create an event loop\n", stderr);
        return 1;
    }
    rc = open_files(&api, &o);
    if (rc == 0) {
        rc = run(&api, &o);
    }
    stats_fini(&api.stats);
    models_free(api.models);
    event_base_free(api.base);
    return rc == 0 ? 0 : 1;
}
