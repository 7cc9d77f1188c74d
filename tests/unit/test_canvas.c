#include "router/canvas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void drawn(struct canvas *c, const char *expected)
{
    char *text = canvas_take(c);

    assert_string_equal(text, expected);
    free(text);
}

static void test_lines_join(void **state)
{
    struct canvas c;
    unsigned ways;

    (void) state;
    canvas_init(&c, 17, 1, false);
    for (ways = 0; ways < 16; ways++) {
        canvas_join(&c, ways, 0, ways & 5);
        canvas_join(&c, ways, 0, ways & 10);
    }
    drawn(&c, " │││─╯╮┤─╰╭├─┴┬┼\n");
    canvas_init(&c, 17, 1, true);
    for (ways = 0; ways < 16; ways++) {
        canvas_join(&c, ways, 0, ways);
    }
    drawn(&c, " |||-'.+-'.+-+++\n");
}

static void test_lines_cross(void **state)
{
    struct canvas c;

    (void) state;
    canvas_init(&c, 2, 2, false);
    canvas_join(&c, 0, 0, LINE_LEFT | LINE_RIGHT);
    canvas_cross(&c, 0, 0, LINE_UP | LINE_DOWN);
    canvas_arrow(&c, 1, 0);
    canvas_dot(&c, 0, 1);
    drawn(&c, "│▶\n●\n");
    canvas_init(&c, 2, 1, true);
    canvas_arrow(&c, 0, 0);
    canvas_dot(&c, 1, 0);
    drawn(&c, ">*\n");
}

static void text(const char *text, bool ascii, const char *expected)
{
    struct canvas c;

    canvas_init(&c, 6, 1, ascii);
    canvas_text(&c, 1, 0, text);
    drawn(&c, expected);
}

static void test_text(void **state)
{
    (void) state;
    text("", false, "\n");
    text("abcde", false, " abcde\n");
    text("abcdef", false, " abcd…\n");
    text("abcdef", true, " abcd~\n");
    text("äöüßé", false, " äöüßé\n");
    text("日本語日本語", false, " 日本語日…\n");
    text("aä日b", true, " a??b\n");
    text("a  ", false, " a\n");
    assert_int_equal(canvas_text_width("aä日b"), 4);
    assert_int_equal(canvas_text_width(""), 0);
}

/* Whatever a model is called, nothing but letters gets to the terminal. */
static void test_controls(void **state)
{
    (void) state;
    text("\x1b[1m\n", false, " ?[1m?\n");
    text("\x7f\xc2\x9b\xc2\xa1", false, " ??\xc2\xa1\n");
    text("\xc2\xa1\x80.\xe6\x97", false, " ?.?\n");
    text("\xff\xf0\x9f\x98\x80\x80.\xc3", false, " ??.?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_join),
        cmocka_unit_test(test_lines_cross),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_controls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
