static const char usage[] =
    "usage: load --port PORT --body FILE [options]\n"
    "\n"
    "Asks a server on 127.0.0.1 the same question on N connections, each as soon as it has the "
    "answer\n"
    "to the last, and prints what it measured as one JSON object.\n"
    "\n"
    "  --path PATH        what is posted to (/v1/chat/completions)\n"
    "  --connections N    how many ask at once (1)\n"
    "  --ramp SECONDS     over which they begin, one after the other (0)\n"
    "  --warmup SECONDS   before measuring begins, with the ramp (0.3)\n"
    "  --seconds SECONDS  of measuring (1)\n"
    "  --requests N       instead: no warm-up, end after N answers\n"
    "  --stream           answers are event streams, else documents\n"
    "  --status NUMBER    answers have this status (200)\n"
    "  --watch PID        report the CPU time of this process; up to 8 times\n"
    "\n"
    "Exit status: 0 measured (look at \"errors\"), 1 it could not, 2 wrong use.\n";

#include "tests/bench/load_run.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MAX = 1 << 20 };

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double number(const char *text, double max)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= max)) {
        fprintf(stderr, "load: not a number from 0 to %.0f: %s\n", max, text);
        exit(2);
    }
    return value;
}

static char *make_request(const char *path, const char *body_file, size_t *len)
{
    char *request = malloc(REQUEST_MAX);
    char *body = malloc(REQUEST_MAX);
    FILE *f = fopen(body_file, "rb");
    if (!request || !body || !f) {
        die(body_file);
    }
    size_t body_len = fread(body, 1, REQUEST_MAX, f);
    int n = snprintf(request, REQUEST_MAX,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     path, body_len);
    if (ferror(f) || n < 0 || (size_t) n + body_len > REQUEST_MAX) {
        errno = EFBIG;
        die(body_file);
    }
    memcpy(request + n, body, body_len);
    *len = (size_t) n + body_len;
    free(body);
    fclose(f);
    return request;
}

static void print_times(const char *name, const struct stats *s)
{
    printf("\"%s\": {\"count\": %" PRIu64
           ", \"mean_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}, ",
           name, s->count, (double) stats_mean_ns(s) / 1e3,
           (double) stats_quantile_ns(s, 0.5) / 1e3, (double) stats_quantile_ns(s, 0.99) / 1e3,
           (double) s->max_ns / 1e3);
}

static void print(const struct load_options *o, const struct load_result *r)
{
    printf("{\"seconds\": %.6f, \"answers\": %" PRIu64 ", \"events\": %" PRIu64
           ", \"reads\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"reconnects\": %" PRIu64 ", ",
           (double) r->window_ns / 1e9, r->answers, r->events, r->reads, r->errors, r->reconnects);
    print_times("latency", &r->latency);
    print_times("first", &r->first);
    print_times("delay", &r->delay);
    printf("\"cpu\": [");
    for (size_t i = 0; i < o->watched; i++) {
        printf("%s{\"pid\": %d, \"cpu_us\": %.3f, \"user_us\": %.0f, \"system_us\": %.0f}",
               i ? ", " : "", (int) o->watch[i], (double) r->cpu[i].cpu_ns / 1e3,
               (double) r->cpu[i].user_ns / 1e3, (double) r->cpu[i].system_ns / 1e3);
    }
    printf("], \"self_us\": %.3f", (double) r->self_ns / 1e3);
    if (r->why) {
        printf(", \"why\": \"%s\"", r->why);
    }
    printf("}\n");
}

static void watch(struct load_options *o, const char *text)
{
    if (o->watched == LOAD_WATCH_MAX) {
        fprintf(stderr, "load: --watch can be given %d times\n", (int) LOAD_WATCH_MAX);
        exit(2);
    }
    o->watch[o->watched++] = (pid_t) number(text, 1 << 22);
}

static void parse(int argc, char **argv, struct load_options *o)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"body", required_argument, NULL, 'b'},
                                            {"path", required_argument, NULL, 'u'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"warmup", required_argument, NULL, 'w'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"requests", required_argument, NULL, 'n'},
                                            {"ramp", required_argument, NULL, 'r'},
                                            {"stream", no_argument, NULL, 'e'},
                                            {"status", required_argument, NULL, 't'},
                                            {"watch", required_argument, NULL, 'x'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = "/v1/chat/completions";
    const char *body = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            o->port = (uint16_t) number(optarg, 65535);
            break;
        case 'b':
            body = optarg;
            break;
        case 'u':
            path = optarg;
            break;
        case 'c':
            o->connections = (unsigned) number(optarg, LOAD_CONNECTIONS_MAX);
            break;
        case 'w':
            o->warmup_ns = (uint64_t) (number(optarg, 3600) * 1e9);
            break;
        case 'r':
            o->ramp_ns = (uint64_t) (number(optarg, 3600) * 1e9);
            break;
        case 's':
            o->window_ns = (uint64_t) (number(optarg, 3600) * 1e9);
            break;
        case 'n':
            o->requests = (uint64_t) number(optarg, 1e9);
            break;
        case 'e':
            o->is_stream = true;
            break;
        case 't':
            o->status = (unsigned) number(optarg, 999);
            break;
        case 'x':
            watch(o, optarg);
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (!o->port || !body || optind != argc || o->connections == 0) {
        fputs(usage, stderr);
        exit(2);
    }
    o->request = make_request(path, body, &o->request_len);
}

int main(int argc, char **argv)
{
    struct load_options options = {
        .connections = 1, .warmup_ns = 300000000, .window_ns = 1000000000};
    parse(argc, argv, &options);
    struct load_result *result = load_run(&options);
    if (!result) {
        die("measuring");
    }
    print(&options, result);
    free(result);
    return 0;
}
