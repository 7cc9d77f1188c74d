#include "gateway/metrics.h"

#include "gateway/metrics_buckets.h"

const struct metrics_bound metrics_bounds[METRICS_BUCKETS] = {
    {0.01, "0.01"},   {0.02, "0.02"},   {0.04, "0.04"},   {0.08, "0.08"},   {0.16, "0.16"},
    {0.32, "0.32"},   {0.64, "0.64"},   {1.28, "1.28"},   {2.56, "2.56"},   {5.12, "5.12"},
    {10.24, "10.24"}, {20.48, "20.48"}, {40.96, "40.96"}, {81.92, "81.92"},
};

const struct metrics_bound metrics_fine_bounds[METRICS_BUCKETS] = {
    {0.0001, "0.0001"}, {0.0002, "0.0002"}, {0.0004, "0.0004"}, {0.0008, "0.0008"},
    {0.0016, "0.0016"}, {0.0032, "0.0032"}, {0.0064, "0.0064"}, {0.0128, "0.0128"},
    {0.0256, "0.0256"}, {0.0512, "0.0512"}, {0.1024, "0.1024"}, {0.2048, "0.2048"},
    {0.4096, "0.4096"}, {0.8192, "0.8192"},
};

static void observe(struct metrics_histogram *h, const struct metrics_bound *bounds, double seconds)
{
    unsigned i = 0;

    /* A clock that went backwards, or NaN, must not poison the sum for ever. */
    if (!(seconds >= 0)) {
        seconds = 0;
    }
    while (i < METRICS_BUCKETS && seconds > bounds[i].seconds) {
        i++;
    }
    h->count[i]++;
    h->sum_seconds += seconds;
}

void metrics_observe(struct metrics_histogram *h, double seconds)
{
    observe(h, metrics_bounds, seconds);
}

void metrics_observe_fine(struct metrics_histogram *h, double seconds)
{
    observe(h, metrics_fine_bounds, seconds);
}

static double seconds_between(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? (double) (to_us - from_us) / 1e6 : 0;
}

static unsigned status_class(int status)
{
    return status >= 100 && status < 100 * METRICS_STATUS_CLASSES ? (unsigned) status / 100 : 0;
}

static void record_times(struct metrics *m, const struct record *r)
{
    const struct call_record *call = &r->call;
    double duration = seconds_between(r->head_us, r->end_us);
    double outside = duration - seconds_between(call->start_us, call->end_us);

    /* No head, no beginning. */
    if (r->head_us == 0) {
        return;
    }
    metrics_observe(&m->duration[r->endpoint], duration);
    if (r->stream && r->content_us != 0) {
        metrics_observe(&m->first_content[r->endpoint], seconds_between(r->head_us, r->content_us));
    }
    if (call->start_us != 0 && call->end_us != 0) {
        metrics_observe_fine(&m->overhead, outside);
    }
}

/* A request that ended before its call did took the call with it. */
static bool was_cancelled(const struct record *r)
{
    bool gave_up = r->reason == END_CLIENT_GONE || r->reason == END_DEADLINE ||
                   r->reason == END_SHUTDOWN;

    return gave_up && r->call.slot_us != 0 && r->call.reason != END_COMPLETE;
}

static void record_call(struct metrics *m, const struct record *r)
{
    const struct call_record *call = &r->call;

    m->upstream_attempts += r->calls;
    /* Each model's first attempt is no retry. */
    if (call->attempts > 1 + call->fallbacks) {
        m->upstream_retries += call->attempts - 1 - call->fallbacks;
    }
    m->upstream_fallbacks += call->fallbacks;
    m->upstream_cancelled += was_cancelled(r) ? 1 : 0;
    m->upstream_truncated += call->reason == END_CUT ? 1 : 0;
    if (r->usage.known) {
        m->tokens_prompt += r->usage.prompt;
        m->tokens_cached += r->usage.cached;
        m->tokens_completion += r->usage.completion;
        m->usd += r->usd;
    }
}

void metrics_record(struct metrics *m, const struct record *r)
{
    m->requests[r->endpoint][status_class(r->status)]++;
    m->ended[r->endpoint][r->reason]++;
    record_times(m, r);
    record_call(m, r);
    if (r->reason == END_CLIENT_GONE) {
        m->client_gone_before_content += r->content_us == 0 ? 1 : 0;
        m->client_gone_during_stream += r->content_us != 0 ? 1 : 0;
    }
    m->heartbeats += r->heartbeats;
    m->pauses += r->pauses;
    m->request_bytes += r->request_bytes;
    m->reply_bytes += r->reply_bytes;
}

void metrics_record_node(struct metrics *m, const struct call_record *c)
{
    m->node_calls_ended[c->reason]++;
}

static void add_histogram(struct metrics_histogram *sum, const struct metrics_histogram *h)
{
    for (unsigned i = 0; i <= METRICS_BUCKETS; i++) {
        sum->count[i] += h->count[i];
    }
    sum->sum_seconds += h->sum_seconds;
}

static void add_endpoint(struct metrics *sum, const struct metrics *m, unsigned endpoint)
{
    for (unsigned i = 0; i < METRICS_STATUS_CLASSES; i++) {
        sum->requests[endpoint][i] += m->requests[endpoint][i];
    }
    for (unsigned i = 0; i < END_REASON_COUNT; i++) {
        sum->ended[endpoint][i] += m->ended[endpoint][i];
    }
    add_histogram(&sum->duration[endpoint], &m->duration[endpoint]);
    add_histogram(&sum->first_content[endpoint], &m->first_content[endpoint]);
}

static void add_counters(struct metrics *sum, const struct metrics *m)
{
    for (unsigned i = 0; i < END_REASON_COUNT; i++) {
        sum->node_calls_ended[i] += m->node_calls_ended[i];
    }
    sum->upstream_attempts += m->upstream_attempts;
    sum->upstream_retries += m->upstream_retries;
    sum->upstream_fallbacks += m->upstream_fallbacks;
    sum->upstream_cancelled += m->upstream_cancelled;
    sum->upstream_truncated += m->upstream_truncated;
    sum->client_gone_before_content += m->client_gone_before_content;
    sum->client_gone_during_stream += m->client_gone_during_stream;
    sum->tokens_prompt += m->tokens_prompt;
    sum->tokens_cached += m->tokens_cached;
    sum->tokens_completion += m->tokens_completion;
    sum->usd += m->usd;
    sum->heartbeats += m->heartbeats;
    sum->pauses += m->pauses;
    sum->request_bytes += m->request_bytes;
    sum->reply_bytes += m->reply_bytes;
    sum->log_lines_dropped += m->log_lines_dropped;
}

static void add_gauges(struct metrics *sum, const struct metrics *m)
{
    sum->connections_open += m->connections_open;
    sum->connections_accepted += m->connections_accepted;
    sum->connections_handshaking += m->connections_handshaking;
    for (size_t i = 0; i < CONN_REASON_COUNT; i++) {
        sum->connections_closed[i] += m->connections_closed[i];
    }
    sum->streams_open += m->streams_open;
    sum->requests_open += m->requests_open;
    sum->transfers_open += m->transfers_open;
    if (m->loop_lag_seconds_max > sum->loop_lag_seconds_max) {
        sum->loop_lag_seconds_max = m->loop_lag_seconds_max;
    }
}

void metrics_add(struct metrics *sum, const struct metrics *m)
{
    for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
        add_endpoint(sum, m, i);
    }
    add_histogram(&sum->overhead, &m->overhead);
    add_histogram(&sum->loop_lag, &m->loop_lag);
    add_counters(sum, m);
    add_gauges(sum, m);
}
