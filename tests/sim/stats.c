#include "tests/sim/stats.h"

#include "tests/sim/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_NAMES 4096U

int64_t stats_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static size_t bucket(const char *name)
{
    return (size_t) (hash_str(0, name) % STATS_BUCKETS);
}

static struct stats_model *find(const struct stats *s, const char *name)
{
    struct stats_model *m = s->models[bucket(name)];

    while (m != NULL && strcmp(m->name, name) != 0) {
        m = m->next;
    }
    return m;
}

struct stats_model *stats_model(struct stats *s, const char *name)
{
    struct stats_model *m = find(s, name);
    struct stats_model **head;

    if (m == NULL && s->n_models >= MAX_NAMES) {
        name = "(others)";
        m = find(s, name);
    }
    if (m == NULL) {
        m = mem_zalloc(sizeof(*m));
        m->name = mem_copy(name, strlen(name));
        head = &s->models[bucket(name)];
        m->next = *head;
        *head = m;
        s->n_models++;
    }
    return m;
}

void stats_fini(struct stats *s)
{
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        while (s->models[i] != NULL) {
            struct stats_model *m = s->models[i];

            s->models[i] = m->next;
            http_request_free(m->last);
            free(m->name);
            free(m);
        }
    }
    calls_fini(&s->calls);
    if (s->log != NULL) {
        (void) fclose(s->log);
        s->log = NULL;
    }
}

void stats_keep(struct stats *s, struct stats_model *m, struct http_request *req)
{
    http_request_free(m->last);
    m->last = req;
    s->last = m;
}

static void count_begin(struct counters *c)
{
    c->requests++;
    c->in_flight++;
    if (c->in_flight > c->max_in_flight) {
        c->max_in_flight = c->in_flight;
    }
}

static void count_end(struct counters *c, const struct stats_record *r)
{
    c->in_flight--;
    c->completion_tokens += (uint64_t) r->tokens_sent;
    switch (r->outcome) {
    case OUTCOME_COMPLETE:
        c->completed++;
        c->prompt_tokens += (uint64_t) r->prompt_tokens;
        break;
    case OUTCOME_CANCELLED:
        c->cancelled++;
        break;
    case OUTCOME_FAULT:
        c->faults++;
        break;
    }
}

uint64_t stats_begin(struct stats *s, struct stats_model *m, int64_t start_us)
{
    count_begin(&s->total);
    count_begin(&m->count);
    if (m->fault.requests++ == 0) {
        m->fault.first_us = stats_now_us();
    }
    return calls_begin(&s->calls, m->name, start_us);
}

static const char *outcome_text(enum outcome outcome)
{
    static const char *const outcomes[] = {"complete", "cancelled", "fault"};

    return outcomes[outcome];
}

static void log_record(struct stats *s, const struct stats_model *m, const struct stats_record *r)
{
    struct buf line = {0};

    buf_addf(&line, "{\"id\":\"%s\",\"model\":", r->id);
    buf_add_json(&line, m->name, strlen(m->name));
    buf_addf(&line,
             ",\"status\":%d,\"t_start_us\":%" PRId64 ",\"t_first_byte_us\":%" PRId64
             ",\"t_end_us\":%" PRId64,
             r->status, r->start_us, r->first_byte_us, r->end_us);
    buf_addf(&line, ",\"tokens_sent\":%" PRId64 ",\"outcome\":\"%s\",\"prompt_tokens\":%" PRId64,
             r->tokens_sent, outcome_text(r->outcome), r->prompt_tokens);
    buf_addf(&line, ",\"completion_tokens\":%" PRId64 "}\n", r->completion_tokens);
    (void) fwrite(line.data, 1, line.len, s->log);
    (void) fflush(s->log);
    buf_fini(&line);
}

void stats_end(struct stats *s, struct stats_model *m, const struct stats_record *record)
{
    struct call_record *call = calls_get(&s->calls, record->call);

    count_end(&s->total, record);
    count_end(&m->count, record);
    if (call != NULL) {
        call->end_us = record->end_us;
        call->tokens = record->tokens_sent;
        call->outcome = outcome_text(record->outcome);
    }
    if (record->outcome == OUTCOME_CANCELLED) {
        s->last_cancel_us = record->end_us;
    }
    if (s->log != NULL) {
        log_record(s, m, record);
    }
}

static void count_reset(struct counters *c)
{
    uint64_t in_flight = c->in_flight;

    memset(c, 0, sizeof(*c));
    c->in_flight = in_flight;
    c->max_in_flight = in_flight;
}

void stats_reset(struct stats *s)
{
    count_reset(&s->total);
    s->other = 0;
    s->last_cancel_us = 0;
    s->last = NULL;
    calls_reset(&s->calls);
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        for (struct stats_model *m = s->models[i]; m != NULL; m = m->next) {
            count_reset(&m->count);
            memset(&m->fault, 0, sizeof(m->fault));
            http_request_free(m->last);
            m->last = NULL;
        }
    }
}

static void put(json_t *object, const char *key, uint64_t v)
{
    json_object_set_new(object, key, json_integer((json_int_t) v));
}

static json_t *counters_json(const struct counters *c)
{
    json_t *o = json_object();

    put(o, "requests", c->requests);
    put(o, "in_flight", c->in_flight);
    put(o, "max_in_flight", c->max_in_flight);
    put(o, "completed", c->completed);
    put(o, "cancelled", c->cancelled);
    put(o, "faults", c->faults);
    put(o, "prompt_tokens", c->prompt_tokens);
    put(o, "completion_tokens", c->completion_tokens);
    return o;
}

json_t *stats_json(const struct stats *s)
{
    json_t *o = counters_json(&s->total);
    json_t *models = json_object();

    put(o, "other", s->other);
    json_object_set_new(o, "last_cancel_us", json_integer((json_int_t) s->last_cancel_us));
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        for (const struct stats_model *m = s->models[i]; m != NULL; m = m->next) {
            if (m->count.requests > 0 || m->count.in_flight > 0) {
                json_object_set_new(models, m->name, counters_json(&m->count));
            }
        }
    }
    json_object_set_new(o, "per_model", models);
    return o;
}

const struct http_request *stats_last(const struct stats *s, const char *name)
{
    const struct stats_model *m = name != NULL ? find(s, name) : s->last;

    return m != NULL ? m->last : NULL;
}

json_t *stats_last_json(const struct http_request *req)
{
    json_t *headers = json_array();
    json_t *body = json_stringn(req->body.data, req->body.len);

    for (size_t i = 0; i < req->n_headers; i++) {
        json_array_append_new(headers,
                              json_pack("[s,s]", req->headers[i].name, req->headers[i].value));
    }
    if (body == NULL) {
        body = json_null();
    }
    return json_pack("{s:s, s:s, s:o, s:i, s:o}", "method", req->method, "path", req->target,
                     "headers", headers, "body_bytes", (int) req->body.len, "body", body);
}
