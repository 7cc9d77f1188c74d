#include "router/canvas.h"

#include <stdlib.h>
#include <string.h>

#include "router/textbuf.h"

struct canvas_cell {
    char text[5]; /* one character in UTF-8; "" where lines are or nothing is */
    uint8_t ways;
};

/* By the ways of a cell. */
static const char *const round_lines[16] = {" ", "│", "│", "│", "─", "╯", "╮", "┤",
                                            "─", "╰", "╭", "├", "─", "┴", "┬", "┼"};
static const char *const ascii_lines[16] = {" ", "|", "|", "|", "-", "'", ".", "+",
                                            "-", "'", ".", "+", "-", "+", "+", "+"};

void canvas_init(struct canvas *c, unsigned width, unsigned height, bool ascii)
{
    c->width = width;
    c->height = height;
    c->ascii = ascii;
    c->cells = x_array((size_t) width * height, sizeof(*c->cells));
    memset(c->cells, 0, (size_t) width * height * sizeof(*c->cells));
}

static struct canvas_cell *cell(struct canvas *c, unsigned x, unsigned y)
{
    if (x >= c->width || y >= c->height) {
        abort(); /* our own layout is wrong */
    }
    return &c->cells[(size_t) y * c->width + x];
}

/* Bytes of the character at `text`; 0 at its end. */
static size_t character(const char *text)
{
    size_t n = 0;

    if (text[0] != '\0') {
        do {
            n++;
        } while (((unsigned char) text[n] & 0xc0) == 0x80);
    }
    return n;
}

unsigned canvas_text_width(const char *text)
{
    unsigned width = 0;

    for (; *text != '\0'; text += character(text)) {
        width++;
    }
    return width;
}

static bool is_letter(const char *text, size_t n, bool ascii)
{
    unsigned char first = (unsigned char) text[0];

    if (n == 1) {
        return first >= 0x20 && first < 0x7f;
    }
    if (first == 0xc2 && (unsigned char) text[1] < 0xa0) {
        return false; /* U+0080 to U+009F are controls too */
    }
    return !ascii && first >= 0xc2 && n == (first < 0xe0 ? 2 : (first < 0xf0 ? 3 : 4));
}

static void set(struct canvas *c, unsigned x, unsigned y, const char *text, size_t n)
{
    struct canvas_cell *at = cell(c, x, y);

    memset(at, 0, sizeof(*at));
    if (is_letter(text, n, c->ascii)) {
        memcpy(at->text, text, n);
    } else {
        at->text[0] = '?';
    }
}

void canvas_text(struct canvas *c, unsigned x, unsigned y, const char *text)
{
    for (; *text != '\0' && x < c->width; text += character(text), x++) {
        set(c, x, y, text, character(text));
    }
    if (*text != '\0' && x > 0) {
        const char *ellipsis = c->ascii ? "~" : "…";

        set(c, x - 1, y, ellipsis, strlen(ellipsis));
    }
}

void canvas_join(struct canvas *c, unsigned x, unsigned y, unsigned ways)
{
    cell(c, x, y)->ways |= (uint8_t) ways;
}

void canvas_cross(struct canvas *c, unsigned x, unsigned y, unsigned ways)
{
    cell(c, x, y)->ways = (uint8_t) ways;
}

void canvas_arrow(struct canvas *c, unsigned x, unsigned y)
{
    canvas_text(c, x, y, c->ascii ? ">" : "▶");
}

void canvas_dot(struct canvas *c, unsigned x, unsigned y)
{
    canvas_text(c, x, y, c->ascii ? "*" : "●");
}

char *canvas_take(struct canvas *c)
{
    const char *const *lines = c->ascii ? ascii_lines : round_lines;
    struct textbuf t = {NULL, 0, 0};
    unsigned x;
    unsigned y;

    for (y = 0; y < c->height; y++) {
        size_t end = t.length; /* of what is no space */

        for (x = 0; x < c->width; x++) {
            const struct canvas_cell *at = cell(c, x, y);
            const char *text = at->text[0] != '\0' ? at->text : lines[at->ways];

            textbuf_add_text(&t, text);
            end = *text == ' ' ? end : t.length;
        }
        t.length = end;
        textbuf_add_text(&t, "\n");
    }
    free(c->cells);
    c->cells = NULL;
    return textbuf_take(&t);
}
