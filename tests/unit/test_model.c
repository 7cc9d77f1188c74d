#include "router/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/record.h"

static const struct model_def model = {
    .usd_per_mtok_input = 2.0,
    .usd_per_mtok_cached = 0.5,
    .usd_per_mtok_output = 8.0,
};

static void assert_usd(struct token_usage usage, double want)
{
    double got = model_usd(&model, &usage);

    assert_true(got >= want - 1e-12 && got <= want + 1e-12);
}

static void test_prices(void **state)
{
    (void) state;
    assert_usd((struct token_usage) {true, 0, 0, 0}, 0.0);
    assert_usd((struct token_usage) {true, 1000000, 0, 0}, 2.0);
    assert_usd((struct token_usage) {true, 0, 0, 1000000}, 8.0);
    /* 600 plain, 400 cached, 250 out */
    assert_usd((struct token_usage) {true, 1000, 400, 250}, (1200.0 + 200.0 + 2000.0) / 1e6);
}

static void test_cached_is_part_of_prompt(void **state)
{
    (void) state;
    assert_usd((struct token_usage) {true, 100, 900, 0}, 50.0 / 1e6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_cached_is_part_of_prompt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
