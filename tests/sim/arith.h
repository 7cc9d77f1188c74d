/*
 * Finds and evaluates a plain integer expression in a text: "17 * 23 + 4", "(2 + 3) * 7", "12
 * plus 30".
 */
#ifndef SIM_ARITH_H
#define SIM_ARITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arith {
    size_t from; /* the expression is text[from, to) */
    size_t to;
    int64_t value;
};

/*
 * The first expression of text with at least one binary operator: + - * (also x between spaces,
 * and the signs for times), the words plus, minus, times and "multiplied by", parentheses, unary
 * minus. Numbers that are part of a word, a decimal fraction or a date are not taken. False when
 * there is none or it overflows 53 bits.
 */
bool arith_find(const char *text, size_t n, struct arith *out);

#endif
