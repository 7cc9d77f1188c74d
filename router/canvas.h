/* A grid of characters to draw on: text, and lines that join where they meet. */
#ifndef ROUTER_CANVAS_H
#define ROUTER_CANVAS_H

#include "cache/base.h"

/* Ways in which a line leaves a cell. */
enum { LINE_UP = 1, LINE_DOWN = 2, LINE_LEFT = 4, LINE_RIGHT = 8 };

struct canvas_cell;

struct canvas {
    unsigned width;
    unsigned height;
    bool ascii; /* nothing else is drawn; letters that are not become '?' */
    struct canvas_cell *cells;
};

void canvas_init(struct canvas *c, unsigned width, unsigned height, bool ascii);

/* Characters, as far as there is room: what is cut ends in an ellipsis. One cell for each code
 * point; what would move a terminal's cursor becomes '?'. Overwrites. */
void canvas_text(struct canvas *c, unsigned x, unsigned y, const char *text);
/* How many cells a text takes. */
unsigned canvas_text_width(const char *text);

/* Adds ways to those that the cell has. */
void canvas_join(struct canvas *c, unsigned x, unsigned y, unsigned ways);
/* Makes these the only ways: a line that passes over another one. */
void canvas_cross(struct canvas *c, unsigned x, unsigned y, unsigned ways);
void canvas_arrow(struct canvas *c, unsigned x, unsigned y);
void canvas_dot(struct canvas *c, unsigned x, unsigned y);

/* Lines of text without spaces at their ends, terminated, the caller's to free. Ends the canvas. */
char *canvas_take(struct canvas *c);

#endif
