/* The list of models, one model, and the two pages for health checks. */
#include "tests/unit/gateway_client.h"

#include <jansson.h>

#define BEARER "Authorization: Bearer " SECRET "\r\n"
#define TWO                                                                                        \
    "upstreams: [{name: u, url: \"http://127.0.0.1:1/v1\"}]\n"                                     \
    "models: [{name: \"meta/llama:1b\", upstream: u}, {name: n, upstream: u}]\n"

static void get(struct client *c, const char *path, struct reply *r)
{
    char text[512];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST BEARER "\r\n", path);
    client_say(c, text);
    client_reply(c, r);
}

/* The names in the list, each followed by a space. */
static void names_of(struct client *c, char *to, size_t cap)
{
    struct reply r;
    get(c, "/v1/models", &r);
    assert_int_equal(r.status, 200);
    json_t *list = json_loads(r.body, 0, NULL);
    assert_non_null(list);
    assert_string_equal(json_string_value(json_object_get(list, "object")), "list");
    size_t i, n = 0;
    json_t *model;
    to[0] = '\0';
    json_array_foreach(json_object_get(list, "data"), i, model)
    {
        assert_string_equal(json_string_value(json_object_get(model, "object")), "model");
        assert_true(json_is_integer(json_object_get(model, "created")));
        assert_true(json_is_string(json_object_get(model, "owned_by")));
        n += (size_t) snprintf(to + n, cap - n, "%s ",
                               json_string_value(json_object_get(model, "id")));
        assert_true(n < cap);
    }
    json_decref(list);
}

static void all_that_can_be_named_is_listed(void **state)
{
    char names[256];
    (void) state;
    struct gate *g = gate_open(TWO);
    struct client *c = client_open(g);
    names_of(c, names, sizeof(names));
    assert_string_equal(names, "auto meta/llama:1b n "); /* one task: `auto` says it all */
    client_close(c);
    gate_close(g);
    g = gate_open(TWO "aliases: {gpt-4o: auto}\ntasks: [{name: math}]\n");
    c = client_open(g);
    names_of(c, names, sizeof(names));
    assert_string_equal(names, "auto auto/default auto/math gpt-4o meta/llama:1b n ");
    client_close(c);
    gate_close(g);
}

static void a_key_sees_its_own_list(void **state)
{
    struct gate *g = gate_open(TWO "keys: [{name: a, sha256: " SECRET_SHA256 ", allow: [n]}]\n");
    struct client *c = client_open(g);
    char names[256];
    struct reply r;
    (void) state;
    names_of(c, names, sizeof(names));
    assert_string_equal(names, "n ");
    get(c, "/v1/models/n", &r);
    assert_int_equal(r.status, 200);
    get(c, "/v1/models/auto", &r);
    assert_int_equal(r.status, 404);
    client_get(c, "/v1/models"); /* without its key */
    client_reply(c, &r);
    assert_int_equal(r.status, 401);
    client_close(c);
    gate_close(g);
}

static void one_model_is_found_by_any_spelling_of_its_path(void **state)
{
    static const struct {
        const char *path, *id; /* NULL: not found */
    } rows[] = {
        {"/v1/models/meta/llama:1b", "meta/llama:1b"},
        {"/v1/models/meta%2Fllama%3a1b", "meta/llama:1b"},
        {"/models/n/", "n"},
        {"/v1/models/auto", "auto"},
        {"/v1/models/auto/math", "auto/math"},
        {"/v1/models/gpt-4o", "gpt-4o"},
        {"/v1/models/auto/nothing", NULL},
        {"/v1/models/graph/nothing", NULL},
        {"/v1/models/nothing", NULL},
        {"/v1/models/n%", NULL},
        {"/v1/models/n%2", NULL},
        {"/v1/models/%6", NULL},
        {"/v1/models/%6e", "n"},
        {"/v1/models/%n", NULL},
        {"/v1/models/n%00", NULL},
    };
    struct gate *g = gate_open(TWO "aliases: {gpt-4o: auto}\ntasks: [{name: math}]\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        get(c, rows[i].path, &r);
        json_t *model = json_loads(r.body, 0, NULL);
        assert_non_null(model);
        assert_int_equal(r.status, rows[i].id ? 200 : 404);
        if (rows[i].id) {
            assert_string_equal(json_string_value(json_object_get(model, "id")), rows[i].id);
        } else {
            assert_non_null(strstr(r.body, "\"code\":\"model_not_found\""));
        }
        json_decref(model);
    }
    client_close(c);
    gate_close(g);
}

static void health_and_readiness(void **state)
{
    struct gate *g = gate_open(GOOD "keys: [{name: a, sha256: " SECRET_SHA256 "}]\n");
    struct client *c = client_open(g);
    struct reply r;
    (void) state;
    client_get(c, "/readyz"); /* needs no key */
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    g->server.draining = true;
    client_get(c, "/readyz");
    client_reply(c, &r);
    assert_int_equal(r.status, 503);
    assert_true(reply_says(&r, "retry-after", "1"));
    client_close(c);
    c = client_open(g);
    client_get(c, "/healthz"); /* the process still runs */
    client_reply(c, &r);
    assert_int_equal(r.status, 200);
    client_close(c);
    gate_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_can_be_named_is_listed),
        cmocka_unit_test(a_key_sees_its_own_list),
        cmocka_unit_test(one_model_is_found_by_any_spelling_of_its_path),
        cmocka_unit_test(health_and_readiness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
