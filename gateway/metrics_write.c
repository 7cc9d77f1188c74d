/* The page is one table of plain values (name, type, help, where the value is), then the families with
 * labels, each with a function of its own. */
#include "gateway/metrics.h"

#include "gateway/metrics_buckets.h"
#include "router/ledger.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LABEL_BYTES = 256 };

static void family(struct evbuffer *out, const char *name, const char *type, const char *help)
{
    (void) evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* 15 digits: a double's decimal digits that are always true. */
static void number(struct evbuffer *out, double value)
{
    (void) evbuffer_add_printf(out, "%.15g\n", value);
}

static void plain(struct evbuffer *out, const char *name, const char *type, const char *help,
                  double value)
{
    family(out, name, type, help);
    (void) evbuffer_add_printf(out, "%s ", name);
    number(out, value);
}

/* Label values escape the backslash, the double quote and the line feed. A longer value is cut. */
static const char *label(const char *text, char out[LABEL_BYTES])
{
    size_t n = 0;

    for (; *text != '\0' && n + 2 < LABEL_BYTES; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n') {
            out[n++] = '\\';
        }
        out[n++] = *text == '\n' ? 'n' : *text;
    }
    out[n] = '\0';
    return out;
}

/* ---- plain values ---- */

enum plain_type { COUNTER, COUNTER_DOUBLE, GAUGE, GAUGE_DOUBLE };

struct plain_row {
    const char *name;
    const char *help;
    enum plain_type type;
    size_t offset;
};

#define AT(member) offsetof(struct metrics, member)
static const struct plain_row plain_rows[] = {
    {"sluice_upstream_attempts_total", "Calls sent to upstreams, retries and fallbacks included.",
     COUNTER, AT(upstream_attempts)},
    {"sluice_upstream_retries_total", "Calls that repeated a failed one.", COUNTER,
     AT(upstream_retries)},
    {"sluice_upstream_fallbacks_total", "Times a model's fallback took over.", COUNTER,
     AT(upstream_fallbacks)},
    {"sluice_upstream_cancelled_total", "Calls cancelled because the request had ended.", COUNTER,
     AT(upstream_cancelled)},
    {"sluice_upstream_truncated_total", "Calls whose answer was cut before it was complete.",
     COUNTER, AT(upstream_truncated)},
    {"sluice_prompt_tokens_total", "Prompt tokens as reported by upstreams.", COUNTER,
     AT(tokens_prompt)},
    {"sluice_cached_prompt_tokens_total", "Prompt tokens that the upstream had cached.", COUNTER,
     AT(tokens_cached)},
    {"sluice_completion_tokens_total", "Completion tokens as reported by upstreams.", COUNTER,
     AT(tokens_completion)},
    {"sluice_cost_usd_total", "Cost of all calls by the configured prices.", COUNTER_DOUBLE,
     AT(usd)},
    {"sluice_heartbeats_total", "Comments sent to clients while a model was silent.", COUNTER,
     AT(heartbeats)},
    {"sluice_stream_pauses_total", "Times a slow reader paused its upstream.", COUNTER, AT(pauses)},
    {"sluice_request_bytes_total", "Bytes of requests from clients.", COUNTER, AT(request_bytes)},
    {"sluice_reply_bytes_total", "Bytes of replies to clients.", COUNTER, AT(reply_bytes)},
    {"sluice_log_lines_dropped_total", "Log lines lost because the log was not read.", COUNTER,
     AT(log_lines_dropped)},
    {"sluice_connections_accepted_total", "Client connections accepted.", COUNTER,
     AT(connections_accepted)},
    {"sluice_connections_open", "Client connections open now.", GAUGE, AT(connections_open)},
    {"sluice_connections_handshaking", "Client connections in a TLS handshake.", GAUGE,
     AT(connections_handshaking)},
    {"sluice_requests_open", "Requests under way.", GAUGE, AT(requests_open)},
    {"sluice_streams_open", "Event streams under way.", GAUGE, AT(streams_open)},
    {"sluice_upstream_transfers_open", "Exchanges with upstreams under way, drained ones too.",
     GAUGE, AT(transfers_open)},
    {"sluice_event_loop_lag_max_seconds", "Longest turn of a loop since the last look.",
     GAUGE_DOUBLE, AT(loop_lag_seconds_max)},
};
#undef AT

static double plain_value(const struct metrics *m, const struct plain_row *row)
{
    const char *at = (const char *) m + row->offset;
    uint64_t count;
    double value;

    if (row->type == COUNTER_DOUBLE || row->type == GAUGE_DOUBLE) {
        memcpy(&value, at, sizeof(value));
        return value;
    }
    memcpy(&count, at, sizeof(count));
    return (double) count;
}

static void write_plain(struct evbuffer *out, const struct metrics *m)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_rows); i++) {
        const struct plain_row *row = &plain_rows[i];
        bool is_counter = row->type == COUNTER || row->type == COUNTER_DOUBLE;

        plain(out, row->name, is_counter ? "counter" : "gauge", row->help, plain_value(m, row));
    }
}

/* ---- requests ---- */

static void write_requests(struct evbuffer *out, const struct metrics *m)
{
    static const char *const codes[METRICS_STATUS_CLASSES] = {"none", "1xx", "2xx",
                                                              "3xx",  "4xx", "5xx"};

    family(out, "sluice_requests_total", "counter",
           "Finished requests by the class of the status sent; none: gone before one was.");
    for (unsigned e = 0; e < ENDPOINT_COUNT; e++) {
        for (unsigned i = 0; i < METRICS_STATUS_CLASSES; i++) {
            (void) evbuffer_add_printf(
                out, "sluice_requests_total{endpoint=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                endpoint_text((enum endpoint) e), codes[i], m->requests[e][i]);
        }
    }
    family(out, "sluice_requests_ended_total", "counter",
           "Finished requests by the reason they ended.");
    for (unsigned e = 0; e < ENDPOINT_COUNT; e++) {
        for (unsigned i = 0; i < END_REASON_COUNT; i++) {
            (void) evbuffer_add_printf(
                out, "sluice_requests_ended_total{endpoint=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
                endpoint_text((enum endpoint) e), end_reason_text((enum end_reason) i),
                m->ended[e][i]);
        }
    }
}

static void write_node_calls(struct evbuffer *out, const struct metrics *m)
{
    family(out, "sluice_node_calls_ended_total", "counter",
           "Calls of graphs of several nodes by the reason they ended.");
    for (unsigned i = 0; i < END_REASON_COUNT; i++) {
        (void) evbuffer_add_printf(out,
                                   "sluice_node_calls_ended_total{reason=\"%s\"} %" PRIu64 "\n",
                                   end_reason_text((enum end_reason) i), m->node_calls_ended[i]);
    }
}

static void write_connections(struct evbuffer *out, const struct metrics *m)
{
    family(out, "sluice_connections_closed_total", "counter",
           "Client connections by the reason they ended.");
    for (unsigned i = CONN_OPEN + 1; i < CONN_REASON_COUNT; i++) {
        (void) evbuffer_add_printf(
            out, "sluice_connections_closed_total{reason=\"%s\"} %" PRIu64 "\n",
            conn_reason_text((enum conn_reason) i), m->connections_closed[i]);
    }
}

static void write_clients_gone(struct evbuffer *out, const struct metrics *m)
{
    static const char name[] = "sluice_client_disconnects_total";

    family(out, name, "counter", "Clients that left before their answer was whole.");
    (void) evbuffer_add_printf(out, "%s{phase=\"before_content\"} %" PRIu64 "\n", name,
                               m->client_gone_before_content);
    (void) evbuffer_add_printf(out, "%s{phase=\"during_stream\"} %" PRIu64 "\n", name,
                               m->client_gone_during_stream);
}

/* ---- histograms ---- */

/* `labels` is "" or `name="value"`. */
static void write_histogram(struct evbuffer *out, const char *name, const char *labels,
                            const struct metrics_histogram *h, const struct metrics_bound *bounds)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    const char *open = labels[0] != '\0' ? "{" : "";
    const char *close = labels[0] != '\0' ? "}" : "";
    uint64_t below = 0;

    for (unsigned i = 0; i <= METRICS_BUCKETS; i++) {
        below += h->count[i];
        (void) evbuffer_add_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels,
                                   comma, i < METRICS_BUCKETS ? bounds[i].text : "+Inf", below);
    }
    (void) evbuffer_add_printf(out, "%s_sum%s%s%s ", name, open, labels, close);
    number(out, h->sum_seconds);
    (void) evbuffer_add_printf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close,
                               below);
}

static void write_by_endpoint(struct evbuffer *out, const char *name, const char *help,
                              const struct metrics_histogram h[ENDPOINT_COUNT])
{
    char labels[64];

    family(out, name, "histogram", help);
    for (unsigned e = 0; e < ENDPOINT_COUNT; e++) {
        (void) snprintf(labels, sizeof(labels), "endpoint=\"%s\"",
                        endpoint_text((enum endpoint) e));
        write_histogram(out, name, labels, &h[e], metrics_bounds);
    }
}

static void write_histograms(struct evbuffer *out, const struct metrics *m)
{
    write_by_endpoint(out, "sluice_request_duration_seconds",
                      "Head complete to the end of the reply.", m->duration);
    write_by_endpoint(out, "sluice_time_to_first_content_seconds",
                      "Event streams: head complete to the first content sent.", m->first_content);
    family(out, "sluice_overhead_seconds", "histogram",
           "Duration of a request less the time its output call took.");
    write_histogram(out, "sluice_overhead_seconds", "", &m->overhead, metrics_fine_bounds);
    family(out, "sluice_event_loop_lag_seconds", "histogram",
           "How late the loops came to a timer that was due.");
    write_histogram(out, "sluice_event_loop_lag_seconds", "", &m->loop_lag, metrics_fine_bounds);
}

/* ---- upstreams ---- */

enum upstream_fact { IN_FLIGHT, MAX_IN_FLIGHT, WAITING, OPENINGS, GRANTED };

static uint64_t upstream_fact(const struct ledger_upstream_state *up, enum upstream_fact fact)
{
    switch (fact) {
    case IN_FLIGHT:
        return up->in_flight;
    case MAX_IN_FLIGHT:
        return up->max_in_flight;
    case WAITING:
        return up->waiting;
    case OPENINGS:
        return up->openings;
    case GRANTED:
        return up->granted;
    }
    return 0;
}

static void write_upstream_facts(struct evbuffer *out, const struct ledger_upstream_state *up,
                                 size_t n)
{
    static const struct {
        enum upstream_fact fact;
        const char *name;
        const char *type;
        const char *help;
    } rows[] = {
        {IN_FLIGHT, "sluice_upstream_in_flight", "gauge", "Calls that hold a slot."},
        {MAX_IN_FLIGHT, "sluice_upstream_max_in_flight", "gauge", "Slots as configured."},
        {WAITING, "sluice_upstream_waiting", "gauge", "Callers that wait for a slot."},
        {OPENINGS, "sluice_upstream_breaker_openings_total", "counter",
         "Times the breaker opened."},
        {GRANTED, "sluice_upstream_slots_granted_total", "counter", "Slots given to calls."},
    };
    char name[LABEL_BYTES];

    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        family(out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < n; i++) {
            (void) evbuffer_add_printf(out, "%s{upstream=\"%s\"} %" PRIu64 "\n", rows[r].name,
                                       label(up[i].name, name),
                                       upstream_fact(&up[i], rows[r].fact));
        }
    }
}

static void write_breakers(struct evbuffer *out, const struct ledger_upstream_state *up, size_t n)
{
    static const struct {
        enum ledger_breaker state;
        const char *text;
    } states[] = {
        {BREAKER_CLOSED, "closed"}, {BREAKER_OPEN, "open"}, {BREAKER_HALF_OPEN, "half_open"}};
    char name[LABEL_BYTES];

    family(out, "sluice_upstream_breaker", "gauge", "1 for the state that the breaker is in.");
    for (size_t i = 0; i < n; i++) {
        for (size_t s = 0; s < ARRAY_LEN(states); s++) {
            (void) evbuffer_add_printf(
                out, "sluice_upstream_breaker{upstream=\"%s\",state=\"%s\"} %d\n",
                label(up[i].name, name), states[s].text, up[i].breaker == states[s].state ? 1 : 0);
        }
    }
}

static void write_upstreams(struct evbuffer *out, struct ledger *ledger)
{
    size_t room = ledger_upstreams(ledger, NULL, 0);
    struct ledger_upstream_state *up = x_array(room, sizeof(*up));
    size_t n = ledger_upstreams(ledger, up, room);

    /* A reload may have brought more between the two. */
    n = n < room ? n : room;
    write_upstream_facts(out, up, n);
    write_breakers(out, up, n);
    free(up);
}

/* ---- the process: what the system does not tell has no line ---- */

static bool resident_bytes(double *out)
{
    FILE *f = fopen("/proc/self/statm", "re");
    char line[128];
    char *at = NULL;

    if (f == NULL) {
        return false;
    }
    /* Pages: size, resident, ... */
    if (fgets(line, sizeof(line), f) != NULL) {
        at = strchr(line, ' ');
    }
    (void) fclose(f);
    if (at == NULL) {
        return false;
    }
    *out = (double) strtoul(at, NULL, 10) * (double) sysconf(_SC_PAGESIZE);
    return true;
}

static bool open_descriptors(double *out)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    if (dir == NULL) {
        return false;
    }
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        count += e->d_name[0] != '.' ? 1 : 0;
    }
    (void) closedir(dir);
    /* The directory itself was one of them. */
    *out = (double) count - 1;
    return true;
}

static bool max_descriptors(double *out)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    *out = (double) limit.rlim_cur;
    return true;
}

static bool cpu_seconds(double *out)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) != 0) {
        return false;
    }
    *out = (double) u.ru_utime.tv_sec + (double) u.ru_stime.tv_sec +
           ((double) u.ru_utime.tv_usec + (double) u.ru_stime.tv_usec) / 1e6;
    return true;
}

static void write_process(struct evbuffer *out, const struct metrics_process *p)
{
    static const struct {
        bool (*read)(double *out);
        const char *name;
        const char *type;
        const char *help;
    } rows[] = {
        {resident_bytes, "process_resident_memory_bytes", "gauge", "Resident memory."},
        {open_descriptors, "process_open_fds", "gauge", "Open descriptors."},
        {max_descriptors, "process_max_fds", "gauge", "Most descriptors that may be open."},
        {cpu_seconds, "process_cpu_seconds_total", "counter", "CPU time, user and system."},
    };
    double value;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].read(&value)) {
            plain(out, rows[i].name, rows[i].type, rows[i].help, value);
        }
    }
    plain(out, "process_start_time_seconds", "gauge", "Start of the process since the epoch.",
          p->start_time_seconds);
}

static void write_gateway(struct evbuffer *out, const struct metrics_process *p)
{
    char version[LABEL_BYTES];

    family(out, "sluice_build_info", "gauge", "Always 1; the version is the label.");
    (void) evbuffer_add_printf(out, "sluice_build_info{version=\"%s\"} 1\n",
                               label(p->version, version));
    plain(out, "sluice_fronts", "gauge", "Event loops that serve clients.", (double) p->fronts);
    plain(out, "sluice_fronts_silent", "gauge",
          "Event loops that did not answer in time and are missing in the sums.",
          (double) p->fronts_silent);
    plain(out, "sluice_snapshot_number", "gauge", "Number of the routing snapshot in service.",
          (double) p->snapshot_number);
    family(out, "sluice_reloads_total", "counter", "Reloads of the configuration.");
    (void) evbuffer_add_printf(out, "sluice_reloads_total{result=\"ok\"} %" PRIu64 "\n",
                               p->reloads_ok);
    (void) evbuffer_add_printf(out, "sluice_reloads_total{result=\"failed\"} %" PRIu64 "\n",
                               p->reloads_failed);
    if (p->certificate_expiry_seconds > 0) {
        plain(out, "sluice_certificate_expiry_timestamp_seconds", "gauge",
              "When the listener's certificate expires, since the epoch.",
              p->certificate_expiry_seconds);
    }
}

void metrics_write(struct evbuffer *out, const struct metrics *sum, const struct metrics_process *p,
                   struct ledger *ledger)
{
    write_gateway(out, p);
    write_requests(out, sum);
    write_node_calls(out, sum);
    write_histograms(out, sum);
    write_plain(out, sum);
    write_connections(out, sum);
    write_clients_gone(out, sum);
    write_upstreams(out, ledger);
    write_process(out, p);
}
