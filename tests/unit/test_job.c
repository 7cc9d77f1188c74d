/* A job: what its sink is told, how it obeys the sink, what it reports. */
#include "upstream_fixture.h"

#include "router/job.h"
#include "router/ledger_stats.h"

struct job_fixture {
    struct fixture *f;
    struct job *job;
    enum sink_flow flow; /* what the sink answers to chunks */
    char log[512];
    enum end_reason reason;
    bool cancel_in_sink;
};

static void note(struct job_fixture *j, const char *word)
{
    size_t n = strlen(j->log);
    snprintf(j->log + n, sizeof(j->log) - n, "%s%s", n > 0 ? " " : "", word);
}

static enum sink_flow sink_chunk(void *arg, const struct chunk *chunk)
{
    struct job_fixture *j = arg;
    (void) chunk;
    note(j, "chunk");
    if (j->cancel_in_sink) {
        job_cancel(j->job, END_SHUTDOWN);
    }
    return j->flow;
}

static enum sink_flow sink_reply(void *arg, const struct chunk *reply)
{
    (void) reply;
    note(arg, "reply");
    return SINK_OK;
}

static void sink_end(void *arg, const struct failure *failure)
{
    struct job_fixture *j = arg;
    note(j, failure ? "failed" : "end");
    j->reason = failure ? failure->reason : END_COMPLETE;
}

static const struct sink_ops sink = {sink_chunk, sink_reply, sink_end};

static void begin(struct job_fixture *j, const char *json)
{
    struct errbuf why;
    const char *param;
    struct job_plan plan = {.key_tag = 0};
    j->f = fixture_make(0, ON_ABANDON_ABORT, true);
    plan.deadline_us = j->f->clock.now_us + 600u * S;
    j->job = job_new(&j->f->host, j->f->snapshot, &sink, j);
    struct reqbody *bytes = reqbody_new(strlen(json));
    memcpy(bytes->bytes, json, strlen(json));
    assert_int_equal(
        request_parse(job_request(j->job), ENDPOINT_CHAT, bytes, job_room(j->job), &param, &why),
        ERR_NONE);
    const struct route_ask ask = {.name = job_request(j->job)->model_name};
    assert_int_equal(route_find(j->f->snapshot, &ask, &plan.route, &why), ROUTE_OK);
    job_start(j->job, &plan);
    assert_string_equal(j->log, ""); /* never calls the sink before it has returned */
    wait_us(j->f, 0);
    assert_int_equal(j->f->script.count, 1);
}

static void finish_fixture(struct job_fixture *j)
{
    job_free(j->job);
    fixture_free(j->f);
}

static void a_stream_reaches_the_sink_and_ends(void **state)
{
    struct job_fixture j = {.flow = SINK_OK};
    struct record r = {0};
    (void) state;
    begin(&j, STREAM_REQUEST);
    head(j.f, 200, STREAM);
    body(j.f, ROLE WORD("a") LAST DONE);
    ends(j.f, TRANSFER_COMPLETE);
    assert_string_equal(j.log, "chunk chunk chunk end");
    job_report(j.job, &r);
    assert_int_equal(r.reason, END_COMPLETE);
    assert_int_equal(r.calls, 1);
    assert_string_equal(r.task, "default");
    assert_string_equal(r.call.upstream_id, "up-1");
    assert_string_equal(r.degraded, "");
    assert_true(r.graph_id != 0);
    assert_true(r.propensity == 1.0f);
    finish_fixture(&j);
}

static void a_full_sink_pauses_until_it_is_resumed(void **state)
{
    struct job_fixture j = {.flow = SINK_FULL};
    (void) state;
    begin(&j, STREAM_REQUEST);
    wait_us(j.f, 300 * MS);
    head(j.f, 200, STREAM);
    assert_int_equal(body(j.f, WORD("a")), TRANSFER_OK);
    assert_int_equal(body(j.f, WORD("b")), TRANSFER_PAUSE);
    j.flow = SINK_OK;
    job_resume(j.job);
    assert_true(latest(j.f)->resumed);
    assert_int_equal(body(j.f, WORD("b")), TRANSFER_OK);
    assert_string_equal(j.log, "chunk chunk");
    body(j.f, LAST DONE);
    ends(j.f, TRANSFER_COMPLETE);
    struct ledger_latency latency;
    ledger_latency(j.f->ledger, j.f->snapshot->catalog->models[0].ledger, &latency);
    assert_int_equal(latency.count, 0); /* its times were the reader's */
    finish_fixture(&j);
}

static void a_sink_that_has_gone_cancels_the_call(void **state)
{
    struct job_fixture j = {.flow = SINK_GONE};
    struct record r = {0};
    (void) state;
    begin(&j, STREAM_REQUEST);
    head(j.f, 200, STREAM);
    body(j.f, WORD("a") WORD("b")); /* both in hand: the second must not be delivered */
    assert_string_equal(j.log, "chunk");
    assert_true(latest(j.f)->cancelled);
    job_report(j.job, &r);
    assert_int_equal(r.reason, END_CLIENT_GONE);
    finish_fixture(&j);
}

static void a_cancel_from_inside_the_sink_is_final(void **state)
{
    struct job_fixture j = {.flow = SINK_OK, .cancel_in_sink = true};
    struct record r = {0};
    (void) state;
    begin(&j, STREAM_REQUEST);
    head(j.f, 200, STREAM);
    body(j.f, ROLE WORD("a") WORD("b"));
    job_cancel(j.job, END_CLIENT_GONE); /* again: the first reason stays */
    wait_us(j.f, 700u * S);
    assert_string_equal(j.log, "chunk");
    job_report(j.job, &r);
    assert_int_equal(r.reason, END_SHUTDOWN);
    finish_fixture(&j);
}

static void a_cancel_from_inside_the_sink_goes_before_its_answer(void **state)
{
    struct job_fixture j = {.flow = SINK_FULL, .cancel_in_sink = true};
    (void) state;
    begin(&j, STREAM_REQUEST);
    head(j.f, 200, STREAM);
    body(j.f, WORD("a"));
    assert_string_equal(j.log, "chunk");
    assert_true(latest(j.f)->cancelled);
    finish_fixture(&j);
}

static void a_whole_reply_comes_before_the_end(void **state)
{
    struct job_fixture j = {.flow = SINK_OK};
    (void) state;
    begin(&j, JSON_REQUEST);
    head(j.f, 200, JSON);
    body(j.f,
         "{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"},"
         "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}");
    ends(j.f, TRANSFER_COMPLETE);
    assert_string_equal(j.log, "reply end");
    finish_fixture(&j);
}

static void an_answer_of_the_fallback_is_told_as_degraded(void **state)
{
    struct job_fixture j = {.flow = SINK_OK};
    struct record r = {0};
    (void) state;
    begin(&j, STREAM_REQUEST);
    ends(j.f, TRANSFER_CONNECT);
    wait_us(j.f, 0);
    assert_string_equal(latest(j.f)->upstream->name, "up2");
    assert_null(job_degraded(j.job)); /* it may fail too */
    head(j.f, 200, STREAM);
    body(j.f, WORD("a"));
    assert_string_equal(job_degraded(j.job), "fallback");
    body(j.f, LAST DONE);
    ends(j.f, TRANSFER_COMPLETE);
    job_report(j.job, &r);
    assert_string_equal(r.degraded, "fallback");
    finish_fixture(&j);
}

static void a_failure_is_told_once_with_its_reason(void **state)
{
    struct job_fixture j = {.flow = SINK_OK};
    struct record r = {0};
    (void) state;
    begin(&j, STREAM_REQUEST);
    head(j.f, 200, STREAM);
    body(j.f, WORD("a"));
    ends(j.f, TRANSFER_CUT);
    assert_string_equal(j.log, "chunk failed");
    assert_int_equal(j.reason, END_CUT);
    job_report(j.job, &r);
    assert_int_equal(r.reason, END_CUT);
    finish_fixture(&j);
}

static void a_job_that_was_never_started_can_be_freed(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    job_free(job_new(&f->host, f->snapshot, &sink, NULL));
    job_free(NULL);
    fixture_free(f);
}

static void what_one_call_took_is_learnt(void **state)
{
    struct job_fixture j = {.flow = SINK_OK};
    struct ledger_latency latency;
    struct ledger_token_means means;
    (void) state;
    begin(&j, STREAM_REQUEST);
    wait_us(j.f, 300 * MS);
    head(j.f, 200, STREAM);
    body(j.f, WORD("a"));
    body(j.f, LAST "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,"
                   "\"total_tokens\":13}}\n\n" DONE);
    ends(j.f, TRANSFER_COMPLETE);
    const struct snapshot *s = j.f->snapshot;
    ledger_latency(j.f->ledger, s->catalog->models[0].ledger, &latency);
    ledger_token_means(j.f->ledger, snapshot_tokens(s, &s->tasks[0], &s->catalog->models[0]), 0,
                       &means);
    assert_int_equal(latency.count, 1);
    assert_true(latency.first_s > 0.29 && latency.first_s < 0.31);
    assert_true(means.answer == 4.0 && means.prompt == 9.0);
    finish_fixture(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_reaches_the_sink_and_ends),
        cmocka_unit_test(a_full_sink_pauses_until_it_is_resumed),
        cmocka_unit_test(a_sink_that_has_gone_cancels_the_call),
        cmocka_unit_test(a_cancel_from_inside_the_sink_is_final),
        cmocka_unit_test(a_cancel_from_inside_the_sink_goes_before_its_answer),
        cmocka_unit_test(a_whole_reply_comes_before_the_end),
        cmocka_unit_test(an_answer_of_the_fallback_is_told_as_degraded),
        cmocka_unit_test(a_failure_is_told_once_with_its_reason),
        cmocka_unit_test(a_job_that_was_never_started_can_be_freed),
        cmocka_unit_test(what_one_call_took_is_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
