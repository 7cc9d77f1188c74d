#include "gateway/cli_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct cli_table *t, unsigned indent, const char *expected)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    cli_table_print(t, indent, f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    static const char *const rows[][3] = {
        {"name", "slots", "note"}, {"a", "1234567", "x"}, {"longer name", "-", "yz"}};
    struct cli_table t;
    (void) state;
    cli_table_init(&t, 3);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cli_table_add(&t, rows[i]);
    }
    expect(&t, 2,
           "  name         slots    note\n"
           "  a            1234567  x\n"
           "  longer name  -        yz\n");
    cli_table_fini(&t);
}

/* Empty cells keep their column, and no line ends in spaces. */
static void empty_cells(void **state)
{
    static const char *const rows[][3] = {{"a", NULL, "c"}, {"", "b", ""}, {"", "", ""}};
    struct cli_table t;
    (void) state;
    cli_table_init(&t, 3);
    expect(&t, 0, "");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cli_table_add(&t, rows[i]);
    }
    expect(&t, 1,
           " a     c\n"
           "    b\n"
           "\n");
    cli_table_fini(&t);
}

static void characters_count_and_not_bytes(void **state)
{
    static const char *const rows[][2] = {{"äöü", "1"}, {"abcd", "2"}};
    struct cli_table t;
    (void) state;
    cli_table_init(&t, 2);
    cli_table_add(&t, rows[0]);
    cli_table_add(&t, rows[1]);
    expect(&t, 0, "äöü   1\nabcd  2\n");
    cli_table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(empty_cells),
        cmocka_unit_test(characters_count_and_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
