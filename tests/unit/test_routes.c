/* Which handler serves a path. */
#include "gateway/admin.h"
#include "gateway/api.h"
#include "gateway/routes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum route_match find(const struct routes *r, enum http1_method method, const char *path,
                             const struct handler **handler, struct slice *rest)
{
    const struct route_entry *entry = NULL;
    *rest = SLICE_NONE;
    enum route_match match = routes_find(r, method, slice_of(path), &entry, rest);
    *handler = entry ? entry->handler : NULL;
    return match;
}

static void every_public_path_has_its_handler(void **state)
{
    static const struct {
        enum http1_method method;
        const char *path;
        const struct handler *handler;
    } rows[] = {
        {HTTP1_POST, "/v1/chat/completions", &api_chat},
        {HTTP1_POST, "/chat/completions", &api_chat},
        {HTTP1_POST, "/v1/chat/completions/", &api_chat},
        {HTTP1_POST, "/v1/chat/completions//", &api_chat},
        {HTTP1_POST, "/v1/completions", &api_completions},
        {HTTP1_POST, "/v1/embeddings", &api_embeddings},
        {HTTP1_GET, "/v1/models", &api_models},
        {HTTP1_GET, "/models/", &api_models},
        {HTTP1_HEAD, "/v1/models", &api_models},
        {HTTP1_GET, "/healthz", &api_healthz},
        {HTTP1_GET, "/v1/healthz", &api_healthz},
        {HTTP1_HEAD, "/readyz", &api_readyz},
    };
    const struct handler *handler;
    struct slice rest;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(find(routes_public(), rows[i].method, rows[i].path, &handler, &rest),
                         ROUTE_FOUND);
        assert_ptr_equal(handler, rows[i].handler);
        assert_int_equal(rest.n, 0);
    }
}

static void other_paths_have_none(void **state)
{
    static const char *const paths[] = {
        "/",
        "",
        "/v1",
        "/v1/",
        "/v1/v1/models",
        "/v1models",
        "/v10",
        "models",
        "/v1/model",
        "/v1/modelsx",
        "/v1/chat",
        "/v1/chat/completionsx",
        "/V1/models",
        "/v2/models",
        "/v1/chat/completions/x",
        "/admin/reload",
        "/metrics",
    };
    const struct handler *handler;
    struct slice rest;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(find(routes_public(), HTTP1_GET, paths[i], &handler, &rest),
                         ROUTE_NO_PATH);
        assert_null(handler);
    }
}

static void a_model_may_have_slashes_in_its_name(void **state)
{
    const struct handler *handler;
    struct slice rest;
    (void) state;
    assert_int_equal(
        find(routes_public(), HTTP1_GET, "/v1/models/meta/llama%3A1b", &handler, &rest),
        ROUTE_FOUND);
    assert_ptr_equal(handler, &api_model);
    assert_true(slice_eq_text(rest, "meta/llama%3A1b"));
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    const struct handler *handler;
    struct slice rest;
    char allow[64];
    (void) state;
    assert_int_equal(find(routes_public(), HTTP1_GET, "/v1/chat/completions", &handler, &rest),
                     ROUTE_NO_METHOD);
    assert_ptr_equal(handler, &api_chat);
    assert_int_equal(find(routes_public(), HTTP1_HEAD, "/v1/embeddings", &handler, &rest),
                     ROUTE_NO_METHOD); /* HEAD is for what GET has */
    assert_int_equal(find(routes_public(), HTTP1_OTHER, "/v1/models", &handler, &rest),
                     ROUTE_NO_METHOD);
    routes_allow(routes_public(), SLICE_LIT("/v1/chat/completions/"), allow, sizeof(allow));
    assert_string_equal(allow, "POST, OPTIONS");
    routes_allow(routes_public(), SLICE_LIT("/v1/models/x"), allow, sizeof(allow));
    assert_string_equal(allow, "GET, HEAD, OPTIONS");
    routes_allow(routes_public(), SLICE_LIT("/nothing"), allow, sizeof(allow));
    assert_string_equal(allow, "OPTIONS");
}

static void a_path_of_two_methods_finds_each(void **state)
{
    static const struct handler get, post;
    static const struct route_entry entries[] = {{HTTP1_GET, "/both", &get},
                                                 {HTTP1_POST, "/both", &post}};
    static const struct routes routes = {entries, ARRAY_LEN(entries), ""};
    const struct handler *handler;
    struct slice rest;
    char allow[64], narrow[8];
    (void) state;
    assert_int_equal(find(&routes, HTTP1_POST, "/both", &handler, &rest), ROUTE_FOUND);
    assert_ptr_equal(handler, &post);
    assert_int_equal(find(&routes, HTTP1_GET, "/both", &handler, &rest), ROUTE_FOUND);
    assert_ptr_equal(handler, &get);
    routes_allow(&routes, SLICE_LIT("/both"), allow, sizeof(allow));
    assert_string_equal(allow, "GET, HEAD, POST, OPTIONS");
    routes_allow(&routes, SLICE_LIT("/both"), narrow, sizeof(narrow));
    assert_string_equal(narrow, "GET, HE");
}

static void only_the_admin_changes_things(void **state)
{
    const struct handler *handler;
    struct slice rest;
    (void) state;
    assert_int_equal(find(routes_admin(), HTTP1_POST, "/admin/reload", &handler, &rest),
                     ROUTE_FOUND);
    assert_true(handler->needs_key);
    assert_int_equal(find(routes_admin(), HTTP1_GET, "/admin/reload", &handler, &rest),
                     ROUTE_NO_METHOD); /* a link that is followed reloads nothing */
    for (size_t i = 0; i < routes_admin()->count; i++) {
        const struct route_entry *e = &routes_admin()->entries[i];
        assert_true(e->method == HTTP1_GET || e->handler->needs_key);
    }
    assert_int_equal(find(routes_admin(), HTTP1_POST, "/v1/chat/completions", &handler, &rest),
                     ROUTE_NO_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_path_has_its_handler),
        cmocka_unit_test(other_paths_have_none),
        cmocka_unit_test(a_model_may_have_slashes_in_its_name),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(a_path_of_two_methods_finds_each),
        cmocka_unit_test(only_the_admin_changes_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
