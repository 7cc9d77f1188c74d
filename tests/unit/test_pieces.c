/* A text in pieces gives the same bytes, however much is read at a time. */
#include "router/pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct slice list[] = {{NULL, 0}, {"ab", 2},   {"", 0}, {"c", 1},
                                    {NULL, 0}, {"defg", 4}, {"", 0}};

static void read_all(struct pieces *p, size_t room)
{
    char text[16] = {0};
    size_t n = 0;
    for (size_t got; (got = pieces_read(p, text + n, room)) > 0; n += got) {
        assert_true(got <= room);
    }
    assert_string_equal(text, "abcdefg");
    assert_int_equal(pieces_read(p, text, room), 0);
}

static void every_room_gives_the_whole(void **state)
{
    (void) state;
    for (size_t room = 1; room <= 8; room++) {
        struct pieces p = pieces_of(list, ARRAY_LEN(list));
        assert_int_equal(pieces_total(&p), 7);
        read_all(&p, room);
    }
}

static void it_can_be_read_again_from_any_place(void **state)
{
    char text[8];
    (void) state;
    for (size_t n = 0; n <= 7; n++) {
        struct pieces p = pieces_of(list, ARRAY_LEN(list));
        assert_int_equal(pieces_read(&p, text, n), n);
        pieces_rewind(&p);
        read_all(&p, 3);
    }
}

static void nothing_is_nothing(void **state)
{
    char byte;
    struct pieces p = pieces_of(NULL, 0);
    (void) state;
    assert_int_equal(pieces_total(&p), 0);
    assert_int_equal(pieces_read(&p, &byte, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_room_gives_the_whole),
        cmocka_unit_test(it_can_be_read_again_from_any_place),
        cmocka_unit_test(nothing_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
