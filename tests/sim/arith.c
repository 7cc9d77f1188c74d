#include "tests/sim/arith.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LIMIT ((int64_t) 1 << 53)
#define DEPTH_MAX 64

struct cursor {
    const char *s;
    size_t n;
    size_t i;
    unsigned operators;
    unsigned depth;
};

static char peek(const struct cursor *c, size_t ahead)
{
    return c->i + ahead < c->n ? c->s[c->i + ahead] : '\0';
}

static void skip_space(struct cursor *c)
{
    while (peek(c, 0) == ' ' || peek(c, 0) == '\t') {
        c->i++;
    }
}

static bool is_word(char ch)
{
    return isalnum((unsigned char) ch) || ch == '_' || (unsigned char) ch >= 0x80;
}

/* The operator at the cursor as one of + - *, with its length; 0 when there is none. */
static char operator_at(const struct cursor *c, size_t *len)
{
    static const struct {
        const char *text;
        char op;
    } names[] = {{"+", '+'},
                 {"-", '-'},
                 {"*", '*'},
                 {"\xc3\x97", '*'},
                 {"\xc2\xb7", '*'},
                 {"\\times", '*'},
                 {"\\cdot", '*'},
                 {"plus ", '+'},
                 {"minus ", '-'},
                 {"times ", '*'},
                 {"x ", '*'},
                 {"\xe2\x88\x92", '-'},
                 {"multiplied by ", '*'}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i].text);
        bool word = isalpha((unsigned char) names[i].text[0]);

        if (c->i + n > c->n || strncasecmp(c->s + c->i, names[i].text, n) != 0) {
            continue;
        }
        if (word && (c->i == 0 || c->s[c->i - 1] != ' ')) {
            continue;
        }
        *len = n;
        return names[i].op;
    }
    return 0;
}

static bool sum(struct cursor *c, int64_t *out);

static bool number(struct cursor *c, int64_t *out)
{
    int64_t v = 0;
    size_t start = c->i;

    while (isdigit((unsigned char) peek(c, 0))) {
        v = v * 10 + (peek(c, 0) - '0');
        if (v >= LIMIT) {
            return false;
        }
        c->i++;
    }
    /* A sign for times is a multi-byte character, so only ASCII letters tie the number to a word.
     * */
    if (c->i == start || (c->s[start] == '0' && c->i - start > 1) ||
        isalnum((unsigned char) peek(c, 0)) || peek(c, 0) == '_') {
        return false;
    }
    if (peek(c, 0) == '.' && isdigit((unsigned char) peek(c, 1))) {
        return false;
    }
    *out = v;
    return true;
}

static bool factor(struct cursor *c, int64_t *out)
{
    bool ok;

    skip_space(c);
    if (++c->depth > DEPTH_MAX) {
        return false;
    }
    if (peek(c, 0) == '-') {
        c->i++;
        ok = factor(c, out);
        *out = ok ? -*out : 0;
    } else if (peek(c, 0) == '(') {
        c->i++;
        ok = sum(c, out);
        skip_space(c);
        ok = ok && peek(c, 0) == ')';
        c->i++;
    } else {
        ok = number(c, out);
    }
    c->depth--;
    return ok;
}

static bool apply(char op, int64_t *a, int64_t b)
{
    bool overflow;

    if (op == '+') {
        overflow = __builtin_add_overflow(*a, b, a);
    } else if (op == '-') {
        overflow = __builtin_sub_overflow(*a, b, a);
    } else {
        overflow = __builtin_mul_overflow(*a, b, a);
    }
    return !overflow && *a<LIMIT && * a> - LIMIT;
}

/* An operator whose right side is no operand ends the expression before it, as in "2 + 3 - what".
 * */
static bool chain(struct cursor *c, int64_t *out, bool products,
                  bool (*operand)(struct cursor *, int64_t *))
{
    if (!operand(c, out)) {
        return false;
    }
    for (;;) {
        struct cursor ahead = *c;
        size_t len = 0;
        int64_t right = 0;
        char op;

        skip_space(&ahead);
        op = operator_at(&ahead, &len);
        if (op == 0 || (op == '*') != products) {
            return true;
        }
        ahead.i += len;
        if (!operand(&ahead, &right)) {
            return true;
        }
        ahead.operators++;
        if (!apply(op, out, right)) {
            return false;
        }
        *c = ahead;
    }
}

static bool product(struct cursor *c, int64_t *out)
{
    return chain(c, out, true, factor);
}

static bool sum(struct cursor *c, int64_t *out)
{
    return chain(c, out, false, product);
}

static bool may_start(const char *s, size_t i)
{
    char before = i > 0 ? s[i - 1] : ' ';

    if (!isdigit((unsigned char) s[i]) && s[i] != '(' && s[i] != '-') {
        return false;
    }
    return !is_word(before) && before != '.' && before != '-' && before != '/' && before != ':';
}

bool arith_find(const char *text, size_t n, struct arith *out)
{
    for (size_t i = 0; i < n; i++) {
        struct cursor c = {text, n, i, 0, 0};
        int64_t v = 0;

        if (!may_start(text, i) || !sum(&c, &v) || c.operators == 0) {
            continue;
        }
        out->from = i;
        out->to = c.i;
        out->value = v;
        return true;
    }
    return false;
}
