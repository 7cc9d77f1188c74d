#include "gateway/http1_bytes.h"

/* The kinds of byte that occur, each the set of places where such a byte may stand. */
enum {
    o = 0,
    V = HTTP1_VALUE,
    B = HTTP1_TOKEN | HTTP1_VALUE,
    U = HTTP1_VALUE | HTTP1_TARGET,
    S = U | HTTP1_HOST,
    A = S | HTTP1_TOKEN,
    X = A | HTTP1_HEX,
};

/* Sixteen bytes a row, from 0x00. */
/* clang-format off */
const unsigned char http1_bytes[256] = {
    o, o, o, o, o, o, o, o, o, V, o, o, o, o, o, o, /* 0x */
    o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, /* 1x */
    V, A, V, B, A, A, A, A, S, S, A, A, U, A, A, U, /* 2x */
    X, X, X, X, X, X, X, X, X, X, S, S, V, S, V, U, /* 3x */
    U, X, X, X, X, X, X, A, A, A, A, A, A, A, A, A, /* 4x */
    A, A, A, A, A, A, A, A, A, A, A, S, V, S, B, A, /* 5x */
    B, X, X, X, X, X, X, A, A, A, A, A, A, A, A, A, /* 6x */
    A, A, A, A, A, A, A, A, A, A, A, V, B, V, A, o, /* 7x */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* 8x */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* 9x */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* Ax */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* Bx */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* Cx */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* Dx */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* Ex */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* Fx */
};
/* clang-format on */
