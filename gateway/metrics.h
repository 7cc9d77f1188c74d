/* Counters and histograms of one thread, and their text in Prometheus' exposition format 0.0.4.
 *
 * A front owns its struct metrics and alone writes it; main asks for a copy by mail, adds the copies up
 * and prints the sum, so there is no lock and no atomic on the request path. */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include "cache/record.h"
#include "gateway/conn.h"

struct evbuffer;

/* Upper bounds in seconds doubling from 0.01 to 81.92, as OpenTelemetry's GenAI conventions use. */
enum { METRICS_BUCKETS = 14, METRICS_STATUS_CLASSES = 6 };

struct metrics_histogram {
    uint64_t count[METRICS_BUCKETS + 1]; /* the last: above all bounds */
    double sum_seconds;
};

struct metrics {
    uint64_t requests[ENDPOINT_COUNT][METRICS_STATUS_CLASSES]; /* [endpoint][status / 100] */
    uint64_t ended[ENDPOINT_COUNT][END_REASON_COUNT];
    uint64_t node_calls_ended[END_REASON_COUNT]; /* of graphs of several nodes */
    struct metrics_histogram duration[ENDPOINT_COUNT];
    struct metrics_histogram
        first_content[ENDPOINT_COUNT]; /* streams: head complete to first content */
    struct metrics_histogram overhead; /* duration less the time the output call took */
    uint64_t upstream_attempts;
    uint64_t upstream_retries;
    uint64_t upstream_fallbacks;
    uint64_t upstream_cancelled;
    uint64_t upstream_truncated;
    uint64_t client_gone_before_content;
    uint64_t client_gone_during_stream;
    uint64_t tokens_prompt;
    uint64_t tokens_cached;
    uint64_t tokens_completion;
    double usd;
    uint64_t heartbeats;
    uint64_t pauses;
    uint64_t request_bytes;
    uint64_t reply_bytes;
    uint64_t log_lines_dropped;
    /* Gauges, set when the copy is taken. */
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_handshaking;
    uint64_t connections_closed[CONN_REASON_COUNT];
    uint64_t streams_open;
    uint64_t requests_open;
    uint64_t transfers_open;
    double loop_lag_seconds_max; /* since the last copy */
    struct metrics_histogram loop_lag;
};

void metrics_observe(struct metrics_histogram *h, double seconds);
/* For `overhead` and `loop_lag`, whose buckets are a hundredth. */
void metrics_observe_fine(struct metrics_histogram *h, double seconds);
void metrics_record(struct metrics *m, const struct record *r); /* a finished request */
/* A call of a graph of several nodes. */
void metrics_record_node(struct metrics *m, const struct call_record *c);
void metrics_add(struct metrics *sum, const struct metrics *m); /* sums; the maximum of maxima */

/* What is known of the process as a whole. */
struct metrics_process {
    const char *version;
    double start_time_seconds; /* wall */
    uint64_t fronts;
    uint64_t fronts_silent; /* did not answer the question for a copy in time */
    uint64_t snapshot_number;
    uint64_t reloads_ok;
    uint64_t reloads_failed;
    double certificate_expiry_seconds; /* 0: no TLS */
};

struct ledger;
/* Appends the whole page; reads the ledger's upstream states and /proc/self (RSS, descriptors, CPU). */
void metrics_write(struct evbuffer *out, const struct metrics *sum, const struct metrics_process *p,
                   struct ledger *ledger);

#endif
