/* Numbers as people and models write them. A number is read as slices of the text and computed only
 * when it is written in normal form, so that looking for the last one costs nothing per number. */
#include "router/answer_parts.h"

#include <string.h>

enum {
    EXACT_DIGITS = 18,     /* of integers that fractions are computed with */
    EXPONENT_DIGITS = 6,   /* a longer exponent is none */
    PLAIN_DIGITS = 21,     /* up to here zeros are written out */
    PLAIN_ZEROS_FIRST = 6, /* behind the point, before the first other digit */
    EXPONENT_MAX = 100000000,
};

/* ---- reading ---- */

static size_t skip_digits(struct slice s, size_t at)
{
    while (answer_is_digit(answer_at(s, at))) {
        at++;
    }
    return at;
}

/* Length of what may stand between thousands: a comma, or a space that does not break the line. */
static size_t separator_length(struct slice s, size_t at)
{
    static const char *const spaces[] = {"\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89"};
    if (answer_at(s, at) == ',') {
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
        if (answer_has_at(s, at, spaces[i])) {
            return strlen(spaces[i]);
        }
    }
    return 0;
}

/* Groups of three behind the first one to three digits. */
static size_t skip_thousands(struct slice s, size_t at)
{
    for (;;) {
        size_t group = at + separator_length(s, at);
        if (group == at || skip_digits(s, group) != group + 3) {
            return at;
        }
        at = group + 3;
    }
}

/* Behind "e-5" or " × 10^{-5}"; `at` itself when there is no exponent. */
static size_t skip_exponent(struct slice s, size_t at)
{
    static const char *const times[] = {"*", "x", "\xC3\x97", "\\times", "\\cdot"};
    size_t sign = 0;
    if (answer_has_at(s, at, "e")) {
        sign = at + 1;
    }
    size_t factor = answer_skip_space(s, at);
    for (size_t i = 0; i < ARRAY_LEN(times) && sign == 0; i++) {
        if (answer_has_at(s, factor, times[i])) {
            size_t base = answer_skip_space(s, factor + strlen(times[i]));
            sign = answer_has_at(s, base, "10^") ? base + 3 : 0;
        }
    }
    if (sign == 0) {
        return at;
    }
    char brace = answer_at(s, sign) == '{' ? '}' : answer_at(s, sign) == '(' ? ')' : '\0';
    sign += brace != '\0' ? 1 : 0;
    size_t digits = sign + (answer_at(s, sign) == '-' || answer_at(s, sign) == '+' ? 1 : 0);
    size_t end = skip_digits(s, digits);
    bool is_closed = brace == '\0' || answer_at(s, end) == brace;
    if (end == digits || end - digits > EXPONENT_DIGITS || !is_closed ||
        answer_is_letter(answer_at(s, end))) {
        return at;
    }
    return end + (brace != '\0' ? 1 : 0);
}

/* Behind a decimal; 0 when none begins at `at`. */
static size_t skip_decimal(struct slice s, size_t at)
{
    size_t end = skip_digits(s, at);
    if (end > at && end <= at + 3) {
        end = skip_thousands(s, end);
    }
    if (answer_at(s, end) == '.' && answer_is_digit(answer_at(s, end + 1))) {
        end = skip_digits(s, end + 1);
    }
    return end > at ? skip_exponent(s, end) : 0;
}

/* An argument of \frac: {12}, { 1,000 } or one digit. */
static size_t read_argument(struct slice s, size_t at, struct slice *out)
{
    at = answer_skip_space(s, at);
    if (answer_is_digit(answer_at(s, at))) {
        *out = answer_sub(s, at, at + 1);
        return at + 1;
    }
    if (answer_at(s, at) != '{') {
        return 0;
    }
    size_t from = answer_skip_space(s, at + 1);
    size_t to = skip_decimal(s, from);
    size_t end = answer_skip_space(s, to);
    if (to == 0 || answer_at(s, end) != '}') {
        return 0;
    }
    *out = answer_sub(s, from, to);
    return end + 1;
}

static size_t read_frac(struct slice s, size_t at, struct answer_number *out)
{
    static const char *const names[] = {"\\frac", "\\dfrac", "\\tfrac"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (answer_has_at(s, at, names[i])) {
            size_t end = read_argument(s, at + strlen(names[i]), &out->top);
            return end > 0 ? read_argument(s, end, &out->bottom) : 0;
        }
    }
    return 0;
}

/* Behind "/4" with `top` read already; `at` itself when there is none. */
static size_t read_bottom(struct slice s, size_t at, struct slice *bottom)
{
    size_t end = answer_at(s, at) == '/' ? skip_decimal(s, at + 1) : 0;
    if (end == 0) {
        return at;
    }
    *bottom = answer_sub(s, at + 1, end);
    return end;
}

/* Behind " 1/2" or "\frac12" that stands behind a whole number; 0 when there is none. */
static size_t read_mixed(struct slice s, size_t at, struct answer_number *out)
{
    struct answer_number part = {0};
    size_t from = answer_skip_space(s, at);
    size_t end = read_frac(s, from, &part);
    if (end == 0 && from == at + 1) {
        size_t slash = skip_digits(s, from);
        part.top = answer_sub(s, from, slash);
        end = slash > from ? read_bottom(s, slash, &part.bottom) : 0;
    }
    if (end == 0 || part.bottom.n == 0) {
        return 0;
    }
    out->top = part.top;
    out->bottom = part.bottom;
    return end;
}

size_t answer_number_at(struct slice s, size_t at, struct answer_number *out)
{
    *out = (struct answer_number) {.begin = s.p + at};
    size_t end = read_frac(s, at, out);
    if (end > 0) {
        return end;
    }
    end = skip_decimal(s, at);
    if (end == 0) {
        return 0;
    }
    if (skip_digits(s, at) == end) {
        size_t behind = read_mixed(s, end, out);
        if (behind > 0) {
            out->whole = answer_sub(s, at, end);
            return behind;
        }
    }
    out->top = answer_sub(s, at, end);
    out->bottom = SLICE_NONE;
    return read_bottom(s, end, &out->bottom);
}

/* ---- computing ---- */

/* digits × 10^exponent, without zeros at either end; no digits: zero. */
struct decimal {
    struct answer_buffer digits;
    long exponent;
    char small[32]; /* where most numbers have room */
};

static long exponent_of(struct slice s, size_t at)
{
    long value = 0;
    bool is_negative = false;
    if (!answer_has_at(s, at, "e")) {
        at = (size_t) ((const char *) memchr(s.p + at, '^', s.n - at) - s.p);
    }
    for (; at < s.n; at++) {
        is_negative = is_negative || s.p[at] == '-';
        value = answer_is_digit(s.p[at]) ? value * 10 + (s.p[at] - '0') : value;
        value = value < EXPONENT_MAX ? value : EXPONENT_MAX; /* JSON has exponents of any length */
    }
    return is_negative ? -value : value;
}

static void read_decimal(struct slice s, struct arena *room, struct decimal *d)
{
    bool is_behind_point = false;
    size_t at = 0, zeros = 0;
    d->digits = (struct answer_buffer) {.room = room, .p = d->small, .cap = sizeof(d->small)};
    d->exponent = 0;
    while (at < s.n &&
           (answer_is_digit(s.p[at]) || s.p[at] == '.' || separator_length(s, at) > 0)) {
        if (!answer_is_digit(s.p[at])) {
            is_behind_point = is_behind_point || s.p[at] == '.';
            at += s.p[at] == '.' ? 1 : separator_length(s, at);
            continue;
        }
        d->exponent -= is_behind_point ? 1 : 0;
        zeros = s.p[at] == '0' ? zeros + 1 : 0;
        if (s.p[at] != '0' || d->digits.n > 0) {
            answer_put_byte(&d->digits, s.p[at]);
        }
        at++;
    }
    if (d->digits.n > 0) {
        d->digits.n -= zeros;
        d->exponent += (long) zeros + (at < s.n ? exponent_of(s, at) : 0);
    } else {
        d->exponent = 0;
    }
}

static void put_zeros(struct answer_buffer *b, long count)
{
    for (; count > 0; count--) {
        answer_put_byte(b, '0');
    }
}

static void put_long(struct answer_buffer *b, long value)
{
    char text[24];
    size_t at = sizeof(text);
    unsigned long rest = value < 0 ? 0ul - (unsigned long) value : (unsigned long) value;
    do {
        text[--at] = (char) ('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        text[--at] = '-';
    }
    answer_put(b, (struct slice) {text + at, sizeof(text) - at});
}

static void put_decimal(struct answer_buffer *b, struct slice digits, long exponent)
{
    long point = (long) digits.n + exponent; /* digits in front of it */
    if (digits.n == 0) {
        answer_put_byte(b, '0');
    } else if (exponent >= 0 && (exponent == 0 || point <= PLAIN_DIGITS)) {
        answer_put(b, digits);
        put_zeros(b, exponent);
    } else if (exponent < 0 && point > 0) {
        answer_put(b, answer_sub(digits, 0, (size_t) point));
        answer_put_byte(b, '.');
        answer_put(b, answer_sub(digits, (size_t) point, digits.n));
    } else if (exponent < 0 && point >= -PLAIN_ZEROS_FIRST) {
        answer_put(b, SLICE_LIT("0."));
        put_zeros(b, -point);
        answer_put(b, digits);
    } else {
        answer_put(b, digits);
        answer_put_byte(b, 'e');
        put_long(b, exponent);
    }
}

static bool integer_of(const struct decimal *d, long exponent, uint64_t *out)
{
    long zeros = d->exponent - exponent;
    uint64_t value = 0;
    if (d->digits.is_short || (long) d->digits.n + zeros > EXACT_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < d->digits.n; i++) {
        value = value * 10 + (uint64_t) (d->digits.p[i] - '0');
    }
    for (; zeros > 0 && value > 0; zeros--) {
        value *= 10;
    }
    *out = value;
    return true;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b > 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void put_integer(struct answer_buffer *b, uint64_t value, long exponent)
{
    char text[24];
    size_t at = sizeof(text), end = at;
    for (; value > 0; value /= 10) {
        text[--at] = (char) ('0' + value % 10);
    }
    for (; end > at && text[end - 1] == '0'; end--) {
        exponent++;
    }
    put_decimal(b, (struct slice) {text + at, end - at}, exponent);
}

/* p/q in lowest terms, or as the decimal that it is exactly. */
static void put_ratio(struct answer_buffer *b, uint64_t p, uint64_t q)
{
    const uint64_t max = UINT64_MAX / 10;
    uint64_t divisor = common_divisor(p, q), rest, scaled;
    long places = 0;
    p /= divisor;
    q /= divisor;
    /* While p×10^places divides further by q's twos and fives, it is a decimal. */
    for (rest = q, scaled = p; rest > 1 && scaled <= max && (rest % 2 == 0 || rest % 5 == 0);) {
        scaled *= 10;
        places++;
        divisor = common_divisor(scaled, rest);
        scaled /= divisor;
        rest /= divisor;
    }
    if (rest == 1) {
        put_integer(b, scaled, -places);
        return;
    }
    put_integer(b, p, 0);
    answer_put_byte(b, '/');
    put_integer(b, q, 0);
}

/* False when the numbers are too long to compute with. */
static bool put_fraction(struct answer_buffer *b, const struct answer_number *number,
                         const struct decimal *top, const struct decimal *bottom)
{
    long exponent = top->exponent < bottom->exponent ? top->exponent : bottom->exponent;
    uint64_t p, q, whole = 0;
    exponent = exponent < 0 ? exponent : 0;
    if (!integer_of(top, exponent, &p) || !integer_of(bottom, exponent, &q) || q == 0) {
        return false;
    }
    if (number->whole.n > 0) {
        if (!slice_to_u64(number->whole, &whole) || whole > (UINT64_MAX - p) / q) {
            return false;
        }
        p += whole * q;
    }
    put_ratio(b, p, q);
    return true;
}

static bool is_nothing(struct slice digits)
{
    size_t at = 0;
    while (answer_at(digits, at) == '0') {
        at++;
    }
    return at == digits.n;
}

void answer_number_put(struct answer_buffer *b, const struct answer_number *number)
{
    struct decimal top, bottom;
    read_decimal(number->top, b->room, &top);
    if (number->is_negative && (top.digits.n > 0 || !is_nothing(number->whole))) {
        answer_put_byte(b, '-');
    }
    if (number->bottom.n == 0) {
        put_decimal(b, answer_written(&top.digits), top.exponent);
    } else {
        read_decimal(number->bottom, b->room, &bottom);
        if (!put_fraction(b, number, &top, &bottom)) {
            answer_put(b, number->whole);
            answer_put(b, number->whole.n > 0 ? SLICE_LIT(" ") : SLICE_NONE);
            put_decimal(b, answer_written(&top.digits), top.exponent);
            answer_put_byte(b, '/');
            put_decimal(b, answer_written(&bottom.digits), bottom.exponent);
        }
        b->is_short = b->is_short || bottom.digits.is_short;
    }
    b->is_short = b->is_short || top.digits.is_short;
}

bool answer_number_whole(struct slice s, struct answer_number *out)
{
    size_t sign = answer_at(s, 0) == '-' || answer_at(s, 0) == '+' ? 1 : 0;
    size_t end = answer_number_at(s, sign, out);
    out->is_negative = answer_at(s, 0) == '-';
    return end > 0 && end == s.n;
}
