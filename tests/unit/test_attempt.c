/* One attempt of a model call: what counts as content, as whole, as broken. */
#include "upstream_fixture.h"

static void a_whole_stream_is_delivered_in_order(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    assert_string_equal(latest(f)->path, "/chat/completions");
    assert_non_null(strstr(latest(f)->body, "\"model\":\"first-id\""));
    assert_non_null(strstr(latest(f)->body, "\"include_usage\":true"));
    head(f, 200, STREAM);
    assert_int_equal(body(f, ROLE), TRANSFER_OK);
    assert_string_equal(f->log, "");
    body(f, WORD("a") WORD("b"));
    assert_string_equal(f->log, "commit chunk chunk chunk");
    body(f, LAST);
    body(f, "data: "
            "{\"id\":\"up-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":"
            "2,\"total_tokens\":5}}\n\n" DONE);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit chunk chunk chunk chunk chunk end:complete");
    assert_string_equal(f->record.upstream_id, "up-1");
    assert_int_equal(f->record.usage.prompt, 3);
    assert_int_equal(f->record.usage.completion, 2);
    assert_true(f->record.usd > 6.99e-6 && f->record.usd < 7.01e-6);
    assert_true(strstr(f->text, "assistant") < strstr(f->text, "\"a\""));
    fixture_free(f);
}

static void every_cut_of_the_bytes_gives_the_same_events(void **state)
{
    static const char bytes[] = ROLE WORD("a") WORD("b") LAST DONE;
    (void) state;
    for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
        struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
        char front[sizeof(bytes)];
        memcpy(front, bytes, cut);
        front[cut] = '\0';
        start(f, STREAM_REQUEST);
        head(f, 200, STREAM);
        body(f, front);
        body(f, bytes + cut);
        ends(f, TRANSFER_COMPLETE);
        assert_string_equal(f->log, "commit chunk chunk chunk chunk end:complete");
        fixture_free(f);
    }
}

static void a_stream_without_done_but_finished_is_whole(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a") LAST);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit chunk chunk end:complete");
    fixture_free(f);
}

static void done_without_a_finish_reason_is_a_cut(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a") DONE);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit chunk end:upstream_cut");
    assert_int_equal(f->failure.status, 502);
    assert_int_equal(f->script.count, 1); /* content went out: no second try */
    fixture_free(f);
}

static void one_unfinished_choice_of_two_is_a_cut(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n" LAST DONE);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit chunk chunk end:upstream_cut");
    fixture_free(f);
}

static void a_reset_in_the_middle_is_never_success(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a"));
    ends(f, TRANSFER_CUT);
    assert_string_equal(f->log, "commit chunk end:upstream_cut");
    fixture_free(f);
}

static void a_malformed_event_ends_the_stream_as_a_failure(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a") "data: {\"choices\":[{\n\n" WORD("b"));
    assert_string_equal(f->log, "commit chunk end:upstream_malformed");
    assert_non_null(strstr(f->record.detail, "not understood"));
    assert_true(latest(f)->cancelled);
    fixture_free(f);
}

static void an_error_event_keeps_the_providers_words(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a") "data: {\"error\":{\"message\":\"GPU "
                      "lost\",\"type\":\"server_error\",\"code\":\"gpu\"}}\n\n");
    assert_string_equal(f->log, "commit chunk end:upstream_status");
    assert_memory_equal(f->failure.message_json.p, "\"GPU lost\"", 10);
    assert_memory_equal(f->failure.code_json.p, "\"gpu\"", 5);
    fixture_free(f);
}

static void an_error_event_says_by_its_code_what_may_follow(void **state)
{
    static const struct {
        const char *event;
        int status;
        size_t transfers; /* after the backoff */
    } rows[] = {
        {"data: {\"error\":{\"message\":\"busy\",\"code\":429}}\n\n", 429, 2},
        {"data: {\"error\":{\"message\":\"too long\",\"code\":400}}\n\n", 400, 1},
        {"data: {\"object\":\"error\",\"message\":\"too long\",\"code\":400}\n\n", 400, 1},
        {"data: {\"error\":{\"message\":\"odd\",\"code\":7}}\n\n", 502, 2},
        {"data: {\"error\":{\"message\":\"odd\",\"code\":\"429\"}}\n\n", 502, 2},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = fixture_make(1, ON_ABANDON_ABORT, false);
        start(f, STREAM_REQUEST);
        for (size_t k = 0; k < rows[i].transfers; k++) {
            assert_string_equal(f->log, "");
            head(f, 200, STREAM);
            body(f, rows[i].event);
            wait_us(f, 1u * S);
        }
        assert_string_equal(f->log, "end:upstream_status");
        assert_int_equal(f->failure.status, rows[i].status);
        assert_int_equal(f->script.count, rows[i].transfers);
        assert_true(f->failure.message_json.n > 0);
        fixture_free(f);
    }
}

static void a_wrong_content_type_is_refused(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, "text/html");
    assert_string_equal(f->log, "end:upstream_malformed");
    assert_non_null(strstr(f->message, "text/html"));
    fixture_free(f);
}

static void a_line_over_the_cap_is_refused(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    char line[512];
    (void) state;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, "data: ");
    for (int i = 0; i < 8 && f->call; i++) {
        body(f, line);
    }
    assert_string_equal(f->log, "end:upstream_too_large");
    fixture_free(f);
}

static void events_before_content_are_capped(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    for (int i = 0; i < 64 && f->call; i++) {
        body(f, ROLE);
    }
    assert_string_equal(f->log, "end:upstream_too_large");
    fixture_free(f);
}

static void a_json_reply_is_delivered_whole(void **state)
{
    static const char reply[] =
        "{\"id\":\"up-2\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_"
        "tokens\":1,\"completion_tokens\":1}}";
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, JSON_REQUEST);
    head(f, 200, JSON);
    body(f, "{\"id\":");
    assert_string_equal(f->log, "");
    body(f, reply + 6);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit reply end:complete");
    assert_string_equal(f->text, reply);
    assert_true(f->record.usage.known);
    fixture_free(f);
}

static void a_cut_json_reply_is_a_failure(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, JSON_REQUEST);
    head(f, 200, JSON);
    body(f, "{\"id\":\"up-2\",\"cho");
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "end:upstream_malformed");
    fixture_free(f);
}

static void a_providers_error_keeps_status_and_words(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 400, JSON);
    body(f, "{\"error\":{\"message\":\"too "
            "long\",\"type\":\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_"
            "length_exceeded\"}}");
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "end:upstream_status");
    assert_int_equal(f->failure.status, 400);
    assert_string_equal(f->record.upstream_id, "req-7"); /* an error has no id of its own */
    assert_memory_equal(f->failure.code_json.p, "\"context_length_exceeded\"", 25);
    assert_int_equal(f->script.count, 1);
    assert_false(f->failure.no_retry);
    fixture_free(f);
}

static void an_error_that_repeats_our_key_loses_its_words(void **state)
{
    static const char *const bodies[] = {
        "{\"error\":{\"message\":\"unknown key sk-a/b+secret\",\"code\":\"bad\"}}",
        "{\"error\":{\"message\":\"unknown key sk-a\\/b+secret.\",\"code\":\"bad\"}}",
        "{\"error\":{\"message\":\"unknown key\",\"code\":\"sk-sk-a/b+secret\"}}",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
        start(f, STREAM_REQUEST);
        head(f, 401, JSON);
        body(f, bodies[i]);
        ends(f, TRANSFER_COMPLETE);
        assert_string_equal(f->log, "end:upstream_status");
        assert_int_equal(f->failure.status, 401);
        assert_int_equal(f->failure.message_json.n + f->failure.code_json.n, 0);
        assert_non_null(strstr(f->message, "401"));
        assert_null(strstr(f->message, "secret"));
        fixture_free(f);
    }
}

static void a_status_that_is_no_answer_and_no_error_is_ours_to_report(void **state)
{
    static const int statuses[] = {302, 304, 600, 999};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
        start(f, STREAM_REQUEST);
        head(f, statuses[i], STREAM);
        assert_string_equal(f->log, "end:upstream_malformed");
        assert_int_equal(f->failure.status, 502);
        fixture_free(f);
    }
}

static void a_pause_refuses_further_bytes_and_stops_the_idle_clock(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    f->pause_at_chunk = true;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    assert_int_equal(body(f, WORD("a")), TRANSFER_OK);
    assert_int_equal(body(f, WORD("b")), TRANSFER_PAUSE);
    wait_us(f, 100u * S); /* idle is 30 s */
    assert_string_equal(f->log, "commit chunk");
    f->pause_at_chunk = false;
    upstream_resume(f->call);
    assert_true(latest(f)->resumed);
    assert_int_equal(body(f, WORD("b") LAST DONE), TRANSFER_OK);
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit chunk chunk chunk end:complete");
    fixture_free(f);
}

static void silence_after_content_runs_into_the_idle_limit(void **state)
{
    struct fixture *f = fixture_make(3, ON_ABANDON_ABORT, true);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    wait_us(f, 10u * S);
    body(f, WORD("a"));
    wait_us(f, 29u * S);
    body(f, WORD("b"));
    wait_us(f, 29u * S);
    assert_string_equal(f->log, "commit chunk chunk");
    wait_us(f, 2u * S);
    assert_string_equal(f->log, "commit chunk chunk end:upstream_idle_timeout");
    assert_int_equal(f->failure.status, 504);
    fixture_free(f);
}

static void a_finished_stream_that_stays_open_is_whole(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a") LAST); /* no [DONE], and the connection is kept */
    wait_us(f, 31u * S);
    assert_string_equal(f->log, "commit chunk chunk end:complete");
    assert_true(latest(f)->cancelled);
    fixture_free(f);
}

static void a_cut_before_the_second_of_two_choices_began_is_a_cut(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, "{\"model\":\"first\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
             "\"stream\":true,\"n\":2}");
    head(f, 200, STREAM);
    body(f, WORD("a") LAST);
    ends(f, TRANSFER_CUT);
    assert_string_equal(f->log, "commit chunk chunk end:upstream_cut");
    fixture_free(f);
}

/* A call of an inner node of a graph, whose client asked for two choices. */
static void start_inner(struct fixture *f, const struct node_ask *ask)
{
    static const char json[] = "{\"model\":\"first\",\"messages\":[{\"role\":\"user\",\"content\":"
                               "\"hi\"}],\"n\":2}";
    const char *param;
    struct reqbody *bytes = reqbody_new(sizeof(json) - 1);
    memcpy(bytes->bytes, json, bytes->length);
    assert_int_equal(request_parse(&f->request, ENDPOINT_CHAT, bytes, &f->room, &param, NULL),
                     ERR_NONE);
    struct upstream_spec spec = {
        .snapshot = f->snapshot,
        .model = catalog_model(f->snapshot->catalog, SLICE_LIT("first")),
        .request = &f->request,
        .ask = ask,
        .budget = &f->budget,
        .deadline_us = f->clock.now_us + 600u * S,
    };
    f->call = upstream_start(&f->host, &spec, &f->room, &fixture_events, f);
    assert_non_null(f->call);
    wait_us(f, 0);
}

/* As a server that ends without [DONE] and closes. */
static void an_inner_node_is_asked_for_one_choice(void **state)
{
    const struct node_ask ask = {.max_tokens = 9, .temperature = (double) NAN, .top_p = 0.5};
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start_inner(f, &ask);
    assert_non_null(strstr(latest(f)->body, "\"max_tokens\":9"));
    head(f, 200, STREAM);
    body(f, WORD("a") LAST);
    ends(f, TRANSFER_CUT);
    assert_string_equal(f->log, "commit chunk chunk end:complete");
    fixture_free(f);
}

/* A way on which every exchange is too much, once its bytes are counted. */
static struct transfer *count_bytes(void *pool, const struct transfer_spec *spec,
                                    const struct transfer_events *events, void *arg)
{
    size_t *bytes = pool;
    (void) events;
    (void) arg;
    for (size_t i = 0; i < spec->piece_count; i++) {
        *bytes += spec->pieces[i].n;
    }
    return NULL;
}

/* All candidates together are far longer than the small strings of a call. */
static void an_ask_may_be_long(void **state)
{
    enum { FRAME_BYTES = 1 << 20 };
    static const struct transfer_ops ops = {.start = count_bytes};
    char *text = malloc(FRAME_BYTES);
    assert_non_null(text);
    memset(text, 1, FRAME_BYTES); /* \u0001 each */
    const struct node_ask ask = {.temperature = (double) NAN,
                                 .top_p = (double) NAN,
                                 .instruction = {text, FRAME_BYTES / 2},
                                 .frame = {text, FRAME_BYTES}};
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    size_t bytes = 0;
    (void) state;
    f->host.transfers = (struct transfers) {&ops, &bytes};
    start_inner(f, &ask);
    assert_true(bytes > 9 * (size_t) FRAME_BYTES);
    assert_string_equal(f->log, "end:internal");
    fixture_free(f);
    free(text);
}

static void fewer_choices_than_asked_are_whole_when_the_stream_ends_well(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, "{\"model\":\"first\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
             "\"stream\":true,\"n\":2}");
    head(f, 200, STREAM);
    body(f, WORD("a") LAST DONE); /* some servers know no n */
    ends(f, TRANSFER_COMPLETE);
    assert_string_equal(f->log, "commit chunk chunk end:complete");
    fixture_free(f);
}

static void a_json_reply_that_stalls_runs_into_the_idle_limit(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, JSON_REQUEST);
    wait_us(f, 200u * S); /* it thinks: that is bounded by total alone */
    head(f, 200, JSON);
    wait_us(f, 100u * S);
    body(f, "{\"id\":");
    wait_us(f, 29u * S);
    body(f, "\"up-2\"");
    wait_us(f, 29u * S);
    assert_string_equal(f->log, "");
    wait_us(f, 2u * S);
    assert_string_equal(f->log, "end:upstream_idle_timeout");
    fixture_free(f);
}

static void an_error_whose_body_stalls_is_still_that_error(void **state)
{
    static const char *const requests[] = {STREAM_REQUEST, JSON_REQUEST};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
        start(f, requests[i]);
        head(f, 400, JSON);
        body(f, "{\"error\":{\"mess");
        wait_us(f, 31u * S);
        assert_string_equal(f->log, "end:upstream_status");
        assert_int_equal(f->failure.status, 400);
        fixture_free(f);
    }
}

static void after_done_the_framing_has_a_second_to_end(void **state)
{
    struct fixture *f = fixture_make(0, ON_ABANDON_ABORT, false);
    (void) state;
    start(f, STREAM_REQUEST);
    head(f, 200, STREAM);
    body(f, WORD("a") LAST DONE);
    wait_us(f, 900u * MS);
    assert_string_equal(f->log, "commit chunk chunk");
    wait_us(f, 200u * MS);
    assert_string_equal(f->log, "commit chunk chunk end:complete");
    assert_true(latest(f)->cancelled);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_stream_is_delivered_in_order),
        cmocka_unit_test(every_cut_of_the_bytes_gives_the_same_events),
        cmocka_unit_test(a_stream_without_done_but_finished_is_whole),
        cmocka_unit_test(done_without_a_finish_reason_is_a_cut),
        cmocka_unit_test(one_unfinished_choice_of_two_is_a_cut),
        cmocka_unit_test(a_reset_in_the_middle_is_never_success),
        cmocka_unit_test(a_malformed_event_ends_the_stream_as_a_failure),
        cmocka_unit_test(an_error_event_keeps_the_providers_words),
        cmocka_unit_test(an_error_event_says_by_its_code_what_may_follow),
        cmocka_unit_test(a_wrong_content_type_is_refused),
        cmocka_unit_test(a_line_over_the_cap_is_refused),
        cmocka_unit_test(events_before_content_are_capped),
        cmocka_unit_test(a_json_reply_is_delivered_whole),
        cmocka_unit_test(a_cut_json_reply_is_a_failure),
        cmocka_unit_test(a_providers_error_keeps_status_and_words),
        cmocka_unit_test(an_error_that_repeats_our_key_loses_its_words),
        cmocka_unit_test(a_status_that_is_no_answer_and_no_error_is_ours_to_report),
        cmocka_unit_test(a_pause_refuses_further_bytes_and_stops_the_idle_clock),
        cmocka_unit_test(silence_after_content_runs_into_the_idle_limit),
        cmocka_unit_test(a_finished_stream_that_stays_open_is_whole),
        cmocka_unit_test(a_cut_before_the_second_of_two_choices_began_is_a_cut),
        cmocka_unit_test(an_inner_node_is_asked_for_one_choice),
        cmocka_unit_test(an_ask_may_be_long),
        cmocka_unit_test(fewer_choices_than_asked_are_whole_when_the_stream_ends_well),
        cmocka_unit_test(a_json_reply_that_stalls_runs_into_the_idle_limit),
        cmocka_unit_test(an_error_whose_body_stalls_is_still_that_error),
        cmocka_unit_test(after_done_the_framing_has_a_second_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
