/* The ways that an answer takes through a graph: handed on, replaced, given up, and who pays. */
#include "tests/unit/run_fixture.h"

#include "router/ledger_stats.h"

#define PANEL "aaaf", (uint32_t[]) {0, 0, 0, 7}, false

/* ---- handed on ---- */

/* m3 selects among what m0 and m1 voted for and m2: the text, its end and its tokens are m0's. */
static void a_text_that_is_handed_on_twice_keeps_its_end_and_its_tokens(void **state)
{
    struct world *w = world_make("aavas", (uint32_t[]) {0, 0, 3, 0, 12}, false);
    (void) state;
    asks(w, WHOLE);
    answers_in(w, "m0", "The answer is 4.", "\"length\"", 10, 31);
    answers_in(w, "m1", "So the answer is 4.", "\"stop\"", 10, 47);
    answers_in(w, "m3", "beta", "\"stop\"", 10, 59);
    const char *asked = live(w, "m4")->body;
    answers(w, "m4", strstr(asked, "answer is 4") < strstr(asked, "beta") ? "1" : "2");
    assert_non_null(strstr(w->text, "\"content\":\"The answer is 4.\""));
    assert_non_null(strstr(w->text, "\"finish_reason\":\"length\""));
    assert_non_null(strstr(w->text, "\"prompt_tokens\":10,\"completion_tokens\":31,"));
    world_free(w);
}

static void an_inner_vote_that_is_decided_cancels_the_rest(void **state)
{
    struct world *w = world_make("aaavaf", (uint32_t[]) {0, 0, 0, 7, 0, 24}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "The answer is 4.");
    answers(w, "m1", "The answer is 4.");
    assert_true(call_of(w, "m2")->cancelled);
    answers(w, "m4", "four");
    answers(w, "m5", "fused");
    assert_string_equal(w->text, "fused");
    world_free(w);
}

/* m3 improves on m2 and votes last: it may still say something else. */
static void a_vote_waits_for_what_has_not_begun(void **state)
{
    struct world *w = world_make("aaaav", (uint32_t[]) {0, 0, 0, 4, 11}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "The answer is 4.");
    answers(w, "m1", "");
    assert_string_equal(w->log, "");
    answers(w, "m2", "The answer is 5.");
    answers(w, "m3", "The answer is 5.");
    assert_string_equal(w->log, "chunk content content end:complete");
    world_free(w);
}

/* ---- replaced ---- */

static void a_fallback_answers_in_the_output_s_place_and_teaches_nothing(void **state)
{
    struct world *w = world_make(PANEL);
    struct model_def *models = w->snapshot->catalog->models;
    struct ledger_latency learnt;
    (void) state;
    models[3].fallback = &models[0];
    asks(w, STREAM);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    answers(w, "m2", "three");
    breaks(w, "m3");
    pass_us(w, 1 * S);
    answers(w, "m0", "in its place");
    assert_string_equal(w->text, "in its place");
    assert_string_equal(job_degraded(w->job), "fallback");
    ledger_latency(w->ledger, models[3].ledger, &learnt);
    assert_int_equal(learnt.count, 0);
    world_free(w);
}

/* Only a fuser is less than planned without candidates. */
static void an_assistant_without_candidates_is_what_was_planned(void **state)
{
    struct world *w = world_make("aa", (uint32_t[]) {0, 1}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "");
    answers(w, "m1", "alone");
    assert_string_equal(w->text, "alone");
    assert_null(job_degraded(w->job));
    world_free(w);
}

static void of_equal_models_the_first_rescues(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    w->snapshot->catalog->models[0].params = w->snapshot->catalog->models[1].params;
    asks(w, STREAM);
    answers(w, "m0", "alpha");
    answers(w, "m1", "beta");
    breaks(w, "m2");
    assert_string_equal(w->text, "alpha");
    world_free(w);
}

/* ---- draws ---- */

static void seed_sent_for(const char *seed, char out[64])
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    char json[256];
    snprintf(json, sizeof(json), "{\"model\":\"auto\",\"stream\":true,\"seed\":%s," ASK "}", seed);
    asks(w, json);
    const char *at = strstr(live(w, "m0")->body, "\"seed\":");
    assert_non_null(at);
    snprintf(out, 64, "%.*s", (int) strcspn(at, ",}"), at);
    world_free(w);
}

static void a_negative_seed_is_one_too(void **state)
{
    char none[64], minus_one[64], minus_two[64];
    (void) state;
    seed_sent_for("null", none);
    seed_sent_for("-1", minus_one);
    seed_sent_for("-2", minus_two);
    assert_string_not_equal(none, minus_one);
    assert_string_not_equal(minus_one, minus_two);
}

/* ---- given up ---- */

static void a_sink_that_is_gone_ends_all(void **state)
{
    struct world *w = world_make("aaaf", (uint32_t[]) {0, 0, 0, 7}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    answers(w, "m2", "three");
    w->is_gone = true;
    begins(w, "m3");
    says(w, "m3", "{\"content\":\"fu\"}", "null");
    assert_true(call_of(w, "m3")->cancelled);
    assert_string_equal(w->log, "content");
    world_free(w);
}

static void a_sink_that_is_gone_gets_no_more_of_a_text_either(void **state)
{
    struct world *w = world_make("aaav", (uint32_t[]) {0, 0, 0, 7}, false);
    (void) state;
    asks(w, STREAM_USAGE);
    w->is_gone = true;
    answers(w, "m0", "The answer is 4.");
    answers(w, "m1", "The answer is 4.");
    assert_true(call_of(w, "m2")->cancelled);
    assert_string_equal(w->log, "chunk");
    world_free(w);
}

/* Its times are the reader's. */
static void a_slow_reader_teaches_nothing_of_the_output_s_model(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    const struct model_def *models = w->snapshot->catalog->models;
    struct ledger_latency learnt;
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    w->is_full = true;
    begins(w, "m2");
    says(w, "m2", "{\"content\":\"a\"}", "null");
    pass_us(w, 20u * S);
    w->is_full = false;
    job_resume(w->job);
    says(w, "m2", "{}", "\"stop\"");
    ends(w, "m2", 1, 1);
    ledger_latency(w->ledger, models[2].ledger, &learnt);
    assert_int_equal(learnt.count, 0);
    ledger_latency(w->ledger, models[1].ledger, &learnt);
    assert_int_equal(learnt.count, 1);
    world_free(w);
}

/* ---- usage ---- */

/* Some servers say it with the last words. */
static void usage_beside_content_is_cut_out(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM_USAGE);
    answers_in(w, "m0", "one", "\"stop\"", 12, 2);
    answers_in(w, "m1", "two", "\"stop\"", 9, 2);
    begins(w, "m2");
    struct transfer *t = live(w, "m2");
    t->events->on_body(
        t->arg,
        SLICE_LIT("data: {\"id\":\"u\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},"
                  "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":70,"
                  "\"completion_tokens\":1,\"total_tokens\":71}}\n\n"));
    assert_string_equal(w->log, "content");
    assert_null(strstr(w->last, "usage"));
    ends(w, "m2", 70, 1);
    assert_string_equal(w->log, "content usage end:complete");
    assert_non_null(strstr(w->usage, "{\"prompt_tokens\":9,\"completion_tokens\":1,"));
    world_free(w);
}

/* ---- retries ---- */

static void a_job_has_two_retries_for_all_its_calls(void **state)
{
    struct world *w = world_make("aaaaf", (uint32_t[]) {0, 0, 0, 0, 15}, false);
    (void) state;
    asks(w, STREAM);
    for (size_t i = 0; i < 4; i++) {
        struct transfer *t = &w->calls[i];
        const struct transfer_events *events = t->events;
        t->events = NULL;
        events->on_end(t->arg, TRANSFER_CUT, "cut");
    }
    pass_us(w, 1 * S);
    assert_int_equal(w->call_count, 4 + 2);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_is_handed_on_twice_keeps_its_end_and_its_tokens),
        cmocka_unit_test(an_inner_vote_that_is_decided_cancels_the_rest),
        cmocka_unit_test(a_vote_waits_for_what_has_not_begun),
        cmocka_unit_test(a_fallback_answers_in_the_output_s_place_and_teaches_nothing),
        cmocka_unit_test(an_assistant_without_candidates_is_what_was_planned),
        cmocka_unit_test(of_equal_models_the_first_rescues),
        cmocka_unit_test(a_negative_seed_is_one_too),
        cmocka_unit_test(a_sink_that_is_gone_ends_all),
        cmocka_unit_test(a_sink_that_is_gone_gets_no_more_of_a_text_either),
        cmocka_unit_test(a_slow_reader_teaches_nothing_of_the_output_s_model),
        cmocka_unit_test(usage_beside_content_is_cut_out),
        cmocka_unit_test(a_job_has_two_retries_for_all_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
