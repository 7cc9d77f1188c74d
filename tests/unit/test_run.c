#include "tests/unit/run_fixture.h"

#include "router/ledger_stats.h"

#define PANEL "aaaf", (uint32_t[]) {0, 0, 0, 7}, false

/* ---- the way of an answer ---- */

static void ready_nodes_start_at_once_and_the_output_streams(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    asks(w, STREAM);
    assert_int_equal(w->call_count, 3);
    answers(w, "m1", "two");
    answers(w, "m0", "one");
    assert_int_equal(w->call_count, 3); /* the fuser waits for all */
    answers(w, "m2", "three");
    assert_int_equal(w->call_count, 4);
    assert_string_equal(w->log, "");
    const char *asked = live(w, "m3")->body;
    assert_non_null(strstr(asked, "one"));
    assert_non_null(strstr(asked, "two"));
    assert_non_null(strstr(asked, "three"));
    assert_non_null(strstr(asked, "what?"));
    begins(w, "m3");
    says(w, "m3", "{\"role\":\"assistant\",\"content\":\"\"}", "null");
    assert_string_equal(w->log, ""); /* no content yet */
    says(w, "m3", "{\"content\":\"fused\"}", "null");
    assert_string_equal(w->log, "chunk content"); /* while its upstream still sends */
    says(w, "m3", "{}", "\"stop\"");
    ends(w, "m3", 50, 7);
    assert_string_equal(w->log, "chunk content content end:complete");
    assert_string_equal(w->text, "fused");
    assert_null(job_degraded(w->job));
    world_free(w);
}

static void a_json_client_gets_the_stream_put_together(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, WHOLE);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    begins(w, "m2");
    says(w, "m2", "{\"role\":\"assistant\",\"content\":\"fu\"}", "null");
    says(w, "m2", "{\"content\":\"sed\"}", "null");
    says(w, "m2", "{}", "\"stop\"");
    ends(w, "m2", 50, 7);
    assert_string_equal(w->log, "reply end:complete");
    assert_non_null(strstr(w->text, "\"content\":\"fused\""));
    assert_non_null(strstr(w->text, "\"prompt_tokens\":10,\"completion_tokens\":7"));
    assert_non_null(strstr(w->text, "\"calls\":3,\"prompt_tokens\":70,\"completion_tokens\":11"));
    world_free(w);
}

static void usage_speaks_of_the_client_s_side_and_sluice_of_all(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM_USAGE);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    answers(w, "m2", "fused");
    assert_string_equal(w->log, "content content usage end:complete");
    assert_non_null(strstr(w->usage, "\"prompt_tokens\":10,\"completion_tokens\":2"));
    assert_non_null(strstr(w->usage, "\"calls\":3,\"prompt_tokens\":30,\"completion_tokens\":6"));
    assert_int_equal(report(w)->calls, 3);
    assert_int_equal(w->record.usage.prompt, 30);
    assert_true(w->record.usd > 0.0000419 && w->record.usd < 0.0000421);
    assert_string_equal(w->record.call.model, "m2");
    world_free(w);
}

static void a_key_may_want_the_sum_as_usage(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    w->usage_sum = true;
    asks(w, WHOLE);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    answers(w, "m2", "fused");
    assert_non_null(
        strstr(w->text, "\"prompt_tokens\":30,\"completion_tokens\":6,\"total_tokens\":36"));
    world_free(w);
}

static void an_assistant_improves_on_what_came_before(void **state)
{
    struct world *w = world_make("aaa", (uint32_t[]) {0, 1, 2}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "first");
    assert_non_null(strstr(live(w, "m1")->body, "first"));
    answers(w, "m1", "second");
    assert_non_null(strstr(live(w, "m2")->body, "second"));
    assert_null(strstr(live(w, "m2")->body, "first"));
    answers(w, "m2", "third");
    assert_string_equal(w->text, "third");
    world_free(w);
}

/* ---- votes and selections ---- */

static void a_vote_delivers_what_most_say_and_stops_when_it_is_decided(void **state)
{
    struct world *w = world_make("aaaaav", (uint32_t[]) {0, 0, 0, 0, 0, 31}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "The answer is 4.");
    answers(w, "m3", "The answer is 5.");
    answers(w, "m1", "I say: the answer is 4.");
    assert_string_equal(w->log, "");
    answers(w, "m4", "Thus the answer is 4.");
    assert_string_equal(w->log, "chunk content content end:complete");
    assert_string_equal(w->text, "The answer is 4.");
    assert_true(call_of(w, "m2")->cancelled);
    unsigned node = 0;
    const struct call_record *c;
    bool found = false;
    while ((c = job_call(w->job, &node)) != NULL) {
        found = found || (strcmp(c->model, "m2") == 0 && c->reason == END_UNWANTED);
    }
    assert_true(found);
    assert_int_equal(report(w)->calls, 5);
    world_free(w);
}

/* Two of four agree; once the third is silent, the fourth cannot outvote them. */
static void a_vote_is_decided_by_silence_too(void **state)
{
    struct world *w = world_make("aaaav", (uint32_t[]) {0, 0, 0, 0, 15}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "The answer is 4.");
    answers(w, "m1", "The answer is 4.");
    assert_string_equal(w->log, "");
    answers(w, "m2", "");
    assert_string_equal(w->log, "chunk content content end:complete");
    assert_true(call_of(w, "m3")->cancelled);
    world_free(w);
}

static void a_select_delivers_the_chosen_text_verbatim(void **state)
{
    struct world *w = world_make("aas", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "alpha");
    answers(w, "m1", "beta");
    const char *asked = live(w, "m2")->body;
    const char *alpha = strstr(asked, "alpha"), *beta = strstr(asked, "beta");
    assert_non_null(alpha);
    assert_non_null(beta);
    answers(w, "m2", alpha < beta ? "2" : "1");
    assert_string_equal(w->text, "beta");
    assert_string_equal(w->log, "chunk content content end:complete");
    assert_null(job_degraded(w->job));
    world_free(w);
}

/* m2 selects among m0 and m1, and votes with m3: its own text is a number, whatever it chose is JSON. */
static void what_may_be_delivered_has_the_client_s_format(void **state)
{
    struct world *w = world_make("aasaav", (uint32_t[]) {0, 0, 3, 0, 0, 4 | 8 | 16}, false);
    (void) state;
    for (size_t i = 0; i < w->snapshot->catalog->model_count; i++) {
        w->snapshot->catalog->models[i].capabilities = CAPABILITY_JSON_SCHEMA;
    }
    asks(w, "{\"model\":\"auto\",\"stream\":true,\"response_format\":{\"type\":\"json_object\"},"
            "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    assert_non_null(strstr(call_of(w, "m0")->body, "json_object"));
    assert_non_null(strstr(call_of(w, "m3")->body, "json_object"));
    answers(w, "m0", "{}");
    answers(w, "m1", "[]");
    assert_null(strstr(call_of(w, "m2")->body, "json_object"));
    world_free(w);
}

static void a_selection_out_of_range_is_rescued(void **state)
{
    struct world *w = world_make("aaas", (uint32_t[]) {0, 0, 0, 7}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "The answer is 1.");
    answers(w, "m1", "The answer is 1.");
    answers(w, "m2", "The answer is 3.");
    answers(w, "m3", "4");
    assert_string_equal(w->text, "The answer is 1."); /* two agree */
    assert_string_equal(job_degraded(w->job), "rescue");
    world_free(w);
}

static void one_candidate_needs_no_selection(void **state)
{
    struct world *w = world_make("aas", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, WHOLE);
    breaks(w, "m0");
    answers(w, "m1", "beta");
    assert_null(call_of(w, "m2"));
    assert_non_null(strstr(w->text, "\"content\":\"beta\""));
    world_free(w);
}

/* ---- failures ---- */

static void one_failing_assistant_does_no_harm(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    asks(w, STREAM);
    breaks(w, "m0");
    answers(w, "m1", "two");
    answers(w, "m2", "three");
    assert_non_null(strstr(live(w, "m3")->body, "candidate 2 of 2"));
    answers(w, "m3", "fused");
    assert_string_equal(w->text, "fused");
    assert_null(job_degraded(w->job));
    world_free(w);
}

static void an_output_without_candidates_answers_by_itself(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM);
    breaks(w, "m0");
    breaks(w, "m1");
    assert_null(strstr(live(w, "m2")->body, "mark"));
    answers(w, "m2", "alone");
    assert_string_equal(w->text, "alone");
    assert_string_equal(job_degraded(w->job), "no_candidates");
    world_free(w);
}

static void a_vote_of_nobody_ends_with_the_failure(void **state)
{
    struct world *w = world_make("aav", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM);
    breaks(w, "m0");
    breaks(w, "m1");
    assert_string_equal(w->log, "end:upstream_cut");
    world_free(w);
}

static void empty_answers_are_a_failure(void **state)
{
    struct world *w = world_make("aav", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "");
    answers(w, "m1", "  ");
    assert_string_equal(w->log, "end:upstream_malformed");
    assert_string_equal(w->failure.code, "no_answer");
    world_free(w);
}

static void refusals_tool_calls_and_thoughts_are_no_answers(void **state)
{
    struct world *w = world_make("aaaav", (uint32_t[]) {0, 0, 0, 0, 15}, false);
    (void) state;
    asks(w, STREAM);
    begins(w, "m0");
    says(w, "m0", "{\"refusal\":\"The answer is 9.\"}", "\"stop\"");
    ends(w, "m0", 1, 1);
    begins(w, "m1");
    says(w, "m1", "{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\"}}]}",
         "\"tool_calls\"");
    ends(w, "m1", 1, 1);
    answers(w, "m2", "<think>The answer is 9.</think>The answer is 8.");
    answers(w, "m3", "The answer is 7.");
    assert_string_equal(w->text, "The answer is 8.");
    world_free(w);
}

static void an_output_that_fails_before_content_is_rescued(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM_USAGE);
    answers(w, "m0", "small");
    answers(w, "m1", "large");
    breaks(w, "m2");
    assert_string_equal(w->log, "chunk content content usage end:complete");
    assert_string_equal(w->text, "large"); /* none agree: the larger model's */
    assert_string_equal(job_degraded(w->job), "rescue");
    assert_string_equal(report(w)->call.model, "m1");
    world_free(w);
}

/* More than a reply may hold, for a client that wants it whole. */
static void says_too_much(struct world *w, const char *model)
{
    char delta[1600];
    memset(delta, 'x', sizeof(delta));
    memcpy(delta, "{\"content\":\"", 12);
    memcpy(delta + sizeof(delta) - 3, "\"}", 3);
    begins(w, model);
    for (unsigned i = 0; i < 16 && call_of(w, model)->events; i++) {
        says(w, model, delta, "null");
    }
    assert_true(call_of(w, model)->cancelled);
    pass_us(w, 0);
}

static void an_output_that_is_too_long_is_rescued(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, WHOLE);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    says_too_much(w, "m2");
    assert_string_equal(w->log, "reply end:complete");
    assert_non_null(strstr(w->text, "\"content\":\"two\""));
    assert_string_equal(job_degraded(w->job), "rescue");
    world_free(w);
}

static void an_output_that_is_too_long_is_an_error_where_nothing_else_answered(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, WHOLE);
    answers(w, "m0", "");
    answers(w, "m1", "");
    says_too_much(w, "m2");
    assert_string_equal(w->log, "end:upstream_too_large");
    assert_int_equal(w->failure.status, 502);
    world_free(w);
}

/* A chain of three of which only the first answers. */
static struct world *world_of_a_first_answer(const char *request)
{
    struct world *w = world_make("aaa", (uint32_t[]) {0, 1, 2}, false);
    for (unsigned i = 0; i < 3; i++) {
        w->snapshot->catalog->models[i].capabilities = CAPABILITY_JSON_SCHEMA;
    }
    asks(w, request);
    answers(w, "m0", "first");
    breaks(w, "m1");
    breaks(w, "m2");
    return w;
}

static void any_answer_rescues_where_none_feeds_the_output(void **state)
{
    struct world *w = world_of_a_first_answer(STREAM);
    (void) state;
    assert_string_equal(w->log, "chunk content content end:complete");
    assert_string_equal(w->text, "first");
    world_free(w);
}

static void no_answer_rescues_that_was_not_asked_for_the_form(void **state)
{
    struct world *w = world_of_a_first_answer(
        "{\"model\":\"auto\",\"response_format\":{\"type\":\"json_object\"}," ASK "}");
    (void) state;
    assert_null(strstr(call_of(w, "m0")->body, "response_format"));
    assert_non_null(strstr(call_of(w, "m1")->body, "response_format"));
    assert_string_equal(w->log, "end:upstream_cut");
    world_free(w);
}

static void after_content_the_client_sees_the_failure(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    begins(w, "m2");
    says(w, "m2", "{\"content\":\"half\"}", "null");
    breaks(w, "m2");
    assert_string_equal(w->log, "content end:upstream_cut");
    world_free(w);
}

static void a_json_client_is_rescued_from_half_an_answer_too(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    asks(w, WHOLE);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    begins(w, "m2");
    says(w, "m2", "{\"content\":\"half\"}", "null");
    breaks(w, "m2");
    assert_string_equal(w->log, "reply end:complete");
    assert_non_null(strstr(w->text, "\"content\":\"two\""));
    assert_null(strstr(w->text, "half"));
    world_free(w);
}

/* ---- time ---- */

static void a_straggler_is_not_waited_for(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    asks_for(w, STREAM, 600u * S);
    pass_us(w, 100 * MS);
    answers(w, "m0", "one");
    pass_us(w, 500 * MS); /* one of three is not half */
    assert_false(call_of(w, "m2")->cancelled);
    answers(w, "m1", "two"); /* medians: 100 ms and 600 ms */
    pass_us(w, 99 * MS);
    assert_false(call_of(w, "m2")->cancelled);
    pass_us(w, 1 * MS); /* from its own start twice 350 ms */
    assert_true(call_of(w, "m2")->cancelled);
    answers(w, "m3", "fused");
    assert_string_equal(w->text, "fused");
    assert_int_equal(job_call(w->job, &(unsigned) {2})->reason, END_STRAGGLER);
    world_free(w);
}

static void a_node_s_deadline_leaves_time_for_what_follows(void **state)
{
    struct world *w = world_make("aa", (uint32_t[]) {0, 1}, false);
    (void) state;
    asks_for(w, STREAM, 10u * S);
    pass_us(w, 4999 * MS);
    assert_false(call_of(w, "m0")->cancelled);
    pass_us(w, 1 * MS); /* nothing is known of either: half each */
    assert_true(call_of(w, "m0")->cancelled);
    answers(w, "m1", "alone");
    assert_string_equal(w->text, "alone");
    world_free(w);
}

/* ---- the client ---- */

static void a_client_that_leaves_cancels_everything_in_the_same_turn(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    asks(w, STREAM);
    answers(w, "m0", "one");
    job_cancel(w->job, END_CLIENT_GONE);
    assert_true(call_of(w, "m1")->cancelled);
    assert_true(call_of(w, "m2")->cancelled);
    assert_string_equal(w->log, "");
    assert_int_equal(report(w)->reason, END_CLIENT_GONE);
    world_free(w);
}

static void a_slow_reader_holds_back_the_output_alone(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    (void) state;
    w->is_full = true;
    asks(w, STREAM);
    answers(w, "m0", "one");
    answers(w, "m1", "two");
    begins(w, "m2");
    says(w, "m2", "{\"content\":\"a\"}", "null");
    assert_int_equal(says(w, "m2", "{\"content\":\"b\"}", "null"), TRANSFER_PAUSE);
    w->is_full = false;
    job_resume(w->job);
    assert_true(call_of(w, "m2")->resumed);
    assert_int_equal(says(w, "m2", "{\"content\":\"b\"}", "\"stop\""), TRANSFER_OK);
    ends(w, "m2", 1, 1);
    assert_string_equal(w->text, "ab");
    world_free(w);
}

static void an_answer_past_the_cap_is_used_as_far_as_it_goes(void **state)
{
    struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
    char delta[1600];
    (void) state;
    asks(w, STREAM);
    snprintf(delta, sizeof(delta), "{\"content\":\"%01500d\"}", 7);
    begins(w, "m0");
    says(w, "m0", delta, "null");
    says(w, "m0", delta, "null"); /* 3,000 bytes, and the cap is 2,048 */
    assert_true(call_of(w, "m0")->cancelled);
    answers(w, "m1", "two");
    assert_non_null(strstr(live(w, "m2")->body, "0000000"));
    answers(w, "m2", "fused");
    assert_string_equal(w->text, "fused");
    world_free(w);
}

/* ---- draws ---- */

static unsigned seed_in(const char *body)
{
    const char *at = strstr(body, "\"seed\":");
    assert_non_null(at);
    return (unsigned) strtoul(at + 7, NULL, 10);
}

static void replicas_have_seeds_of_their_own_from_the_client_s(void **state)
{
    unsigned seeds[2][2];
    (void) state;
    for (int round = 0; round < 2; round++) {
        struct world *w = world_make("aav", (uint32_t[]) {0, 0, 3}, true);
        asks(w, round == 0 ? "{\"model\":\"auto\",\"stream\":true,\"seed\":5," ASK "}" : STREAM);
        assert_int_equal(w->call_count, 2);
        for (int i = 0; i < 2; i++) {
            seeds[round][i] = seed_in(w->calls[i].body);
            assert_non_null(strstr(w->calls[i].body, "\"temperature\":0.7"));
        }
        assert_true(seeds[round][0] != seeds[round][1]);
        world_free(w);
    }
    assert_true(seeds[0][0] != seeds[1][0]);
    /* Again the same seed: the same draws. */
    struct world *w = world_make("aav", (uint32_t[]) {0, 0, 3}, true);
    asks(w, "{\"model\":\"auto\",\"stream\":true,\"seed\":5," ASK "}");
    assert_int_equal(seed_in(w->calls[0].body), seeds[0][0]);
    assert_int_equal(seed_in(w->calls[1].body), seeds[0][1]);
    world_free(w);
}

static void candidates_stand_in_a_drawn_order(void **state)
{
    bool first[2] = {false, false};
    (void) state;
    for (int seed = 0; seed < 16; seed++) {
        struct world *w = world_make("aaf", (uint32_t[]) {0, 0, 3}, false);
        char json[256];
        snprintf(json, sizeof(json), "{\"model\":\"auto\",\"stream\":true,\"seed\":%d," ASK "}",
                 seed);
        asks(w, json);
        answers(w, "m0", "alpha");
        answers(w, "m1", "beta");
        const char *asked = live(w, "m2")->body;
        first[strstr(asked, "alpha") < strstr(asked, "beta")] = true;
        world_free(w);
    }
    assert_true(first[0] && first[1]);
}

/* ---- money ---- */

static void what_would_cost_too_much_does_not_start(void **state)
{
    /* 0 -> 1 -> 3; 0 -> 3: once node 0 has eaten the budget, node 1 is left out and the output answers. */
    struct world *w = world_make("aaf", (uint32_t[]) {0, 1, 3}, false);
    (void) state;
    asks(w, STREAM);
    begins(w, "m0");
    says(w, "m0", "{\"content\":\"dear\"}", "\"stop\"");
    ends(w, "m0", 10, 100000);
    assert_null(call_of(w, "m1"));
    answers(w, "m2", "fused");
    assert_string_equal(w->text, "fused");
    const struct call_record *left_out = job_call(w->job, &(unsigned) {1});
    assert_int_equal(left_out->reason, END_BUDGET);
    assert_string_equal(left_out->model, "m1");
    assert_int_equal(report(w)->calls, 2);
    world_free(w);
}

/* Answers of 8,000 tokens are what is expected here, so they leave the budget for the whole chain. */
static void answers_as_long_as_usual_cost_what_was_predicted(void **state)
{
    struct world *w = world_make("aaa", (uint32_t[]) {0, 1, 2}, false);
    const struct snapshot *s = w->snapshot;
    (void) state;
    for (unsigned i = 0; i < 3; i++) {
        struct ledger_tokens *t = snapshot_tokens(s, &s->tasks[0], &s->catalog->models[i]);
        ledger_note_tokens(w->ledger, t, i > 0, 10, 0, 8000);
    }
    asks(w, STREAM);
    for (unsigned i = 0; i < 3; i++) {
        const char *model = s->catalog->models[i].name;
        begins(w, model);
        says(w, model, "{\"content\":\"long\"}", "\"stop\"");
        ends(w, model, i > 0 ? 8010 : 10, 8000);
    }
    assert_string_equal(w->text, "long");
    world_free(w);
}

/* ---- one call instead ---- */

static void what_a_graph_cannot_do_is_one_call(void **state)
{
    struct world *w = world_make(PANEL);
    (void) state;
    asks(w,
         "{\"model\":\"auto\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
         "{\"role\":\"assistant\",\"content\":\"b\"}]}");
    assert_int_equal(w->call_count, 1);
    assert_string_equal(job_degraded(w->job), "last_message");
    answers(w, "m3", "alone");
    assert_string_equal(w->text, "alone");
    assert_int_equal(report(w)->calls, 1);
    assert_string_equal(w->record.degraded, "last_message");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_nodes_start_at_once_and_the_output_streams),
        cmocka_unit_test(a_json_client_gets_the_stream_put_together),
        cmocka_unit_test(usage_speaks_of_the_client_s_side_and_sluice_of_all),
        cmocka_unit_test(a_key_may_want_the_sum_as_usage),
        cmocka_unit_test(an_assistant_improves_on_what_came_before),
        cmocka_unit_test(a_vote_delivers_what_most_say_and_stops_when_it_is_decided),
        cmocka_unit_test(a_vote_is_decided_by_silence_too),
        cmocka_unit_test(a_select_delivers_the_chosen_text_verbatim),
        cmocka_unit_test(what_may_be_delivered_has_the_client_s_format),
        cmocka_unit_test(a_selection_out_of_range_is_rescued),
        cmocka_unit_test(one_candidate_needs_no_selection),
        cmocka_unit_test(one_failing_assistant_does_no_harm),
        cmocka_unit_test(an_output_without_candidates_answers_by_itself),
        cmocka_unit_test(a_vote_of_nobody_ends_with_the_failure),
        cmocka_unit_test(empty_answers_are_a_failure),
        cmocka_unit_test(refusals_tool_calls_and_thoughts_are_no_answers),
        cmocka_unit_test(an_output_that_fails_before_content_is_rescued),
        cmocka_unit_test(an_output_that_is_too_long_is_rescued),
        cmocka_unit_test(an_output_that_is_too_long_is_an_error_where_nothing_else_answered),
        cmocka_unit_test(any_answer_rescues_where_none_feeds_the_output),
        cmocka_unit_test(no_answer_rescues_that_was_not_asked_for_the_form),
        cmocka_unit_test(after_content_the_client_sees_the_failure),
        cmocka_unit_test(a_json_client_is_rescued_from_half_an_answer_too),
        cmocka_unit_test(a_straggler_is_not_waited_for),
        cmocka_unit_test(a_node_s_deadline_leaves_time_for_what_follows),
        cmocka_unit_test(a_client_that_leaves_cancels_everything_in_the_same_turn),
        cmocka_unit_test(a_slow_reader_holds_back_the_output_alone),
        cmocka_unit_test(an_answer_past_the_cap_is_used_as_far_as_it_goes),
        cmocka_unit_test(replicas_have_seeds_of_their_own_from_the_client_s),
        cmocka_unit_test(candidates_stand_in_a_drawn_order),
        cmocka_unit_test(what_would_cost_too_much_does_not_start),
        cmocka_unit_test(answers_as_long_as_usual_cost_what_was_predicted),
        cmocka_unit_test(what_a_graph_cannot_do_is_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
