#include "router/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/catalog_fixture.h"

static void test_names(void **state)
{
    static const struct fixture_model models[] = {{.name = "a"}, {.name = "a/b:c"}, {.name = "b"}};
    static const struct catalog_alias aliases[] = {{"gpt", "auto"}, {"a", "b"}};
    struct catalog *c = fixture_catalog(models, 3, aliases, 2);

    (void) state;
    assert_ptr_equal(catalog_model(c, SLICE_LIT("a")), &c->models[0]);
    assert_ptr_equal(catalog_model(c, SLICE_LIT("a/b:c")), &c->models[1]);
    assert_ptr_equal(catalog_model(c, SLICE_LIT("b")), &c->models[2]);
    assert_null(catalog_model(c, SLICE_LIT("")));
    assert_null(catalog_model(c, SLICE_NONE));
    assert_null(catalog_model(c, SLICE_LIT("B")));
    assert_null(catalog_model(c, SLICE_LIT("a\0")));
    assert_null(catalog_model(c, SLICE_LIT("gpt")));
    assert_string_equal(catalog_alias(c, SLICE_LIT("gpt")), "auto");
    assert_string_equal(catalog_alias(c, SLICE_LIT("a")), "b");
    assert_null(catalog_alias(c, SLICE_LIT("b")));
    assert_int_equal(c->upstreams[0].index, 0);
    assert_int_equal(c->models[2].index, 2);
    catalog_free(c);
}

static void test_many(void **state)
{
    enum { COUNT = 3000 };
    struct catalog *c = catalog_new();
    char name[16];
    size_t i;

    (void) state;
    c->models = arena_array(&c->arena, COUNT, sizeof(*c->models));
    c->model_count = COUNT;
    for (i = 0; i < COUNT; i++) {
        c->models[i].name = arena_printf(&c->arena, "m%zu", i);
    }
    catalog_index(c);
    for (i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "m%zu", i);
        assert_ptr_equal(catalog_model(c, slice_of(name)), &c->models[i]);
        assert_int_equal(c->models[i].index, i);
    }
    assert_null(catalog_model(c, SLICE_LIT("m3000")));
    catalog_free(c);
}

static void test_empty(void **state)
{
    struct catalog *c = catalog_new();

    (void) state;
    catalog_index(c);
    assert_null(catalog_model(c, SLICE_LIT("a")));
    assert_null(catalog_alias(c, SLICE_LIT("a")));
    catalog_free(c);
    catalog_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
