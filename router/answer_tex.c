/* Light TeX to one spelling: what means the same in an answer is written the same. It is no
 * typesetter: what it does not know passes by its name. */
#include "router/answer_parts.h"

#include <string.h>

enum {
    DEPTH_MAX = 32,       /* groups in one another; deeper braces are not looked at */
    UNIT_NUMBER_MAX = 64, /* bytes of a number that has a unit */
};

struct tex {
    struct slice in;
    size_t at;
    struct answer_buffer out;
    unsigned depth;
    size_t words_at;        /* where \text begins behind a number; 0: nowhere */
    bool has_spaced_commas; /* "1, 234" is a list */
};

enum macro_kind { MACRO_WORD, MACRO_DELIMITER, MACRO_TEXT, MACRO_FRAC, MACRO_SQRT };

struct macro {
    const char *name;
    enum macro_kind kind;
    const char *word;
};

static const struct macro macros[] = {
    {"frac", MACRO_FRAC, NULL},       {"dfrac", MACRO_FRAC, NULL},
    {"tfrac", MACRO_FRAC, NULL},      {"cfrac", MACRO_FRAC, NULL},
    {"sqrt", MACRO_SQRT, NULL},       {"text", MACRO_TEXT, NULL},
    {"textbf", MACRO_TEXT, NULL},     {"textit", MACRO_TEXT, NULL},
    {"textrm", MACRO_TEXT, NULL},     {"textnormal", MACRO_TEXT, NULL},
    {"mathrm", MACRO_TEXT, NULL},     {"mathbf", MACRO_TEXT, NULL},
    {"mathit", MACRO_TEXT, NULL},     {"mathsf", MACRO_TEXT, NULL},
    {"boldsymbol", MACRO_TEXT, NULL}, {"operatorname", MACRO_TEXT, NULL},
    {"mbox", MACRO_TEXT, NULL},       {"hbox", MACRO_TEXT, NULL},
    {"left", MACRO_DELIMITER, NULL},  {"right", MACRO_DELIMITER, NULL},
    {"big", MACRO_WORD, ""},          {"Big", MACRO_WORD, ""},
    {"bigl", MACRO_WORD, ""},         {"bigr", MACRO_WORD, ""},
    {"quad", MACRO_WORD, ""},         {"qquad", MACRO_WORD, ""},
    {"displaystyle", MACRO_WORD, ""}, {"degree", MACRO_WORD, ""},
    {"circ", MACRO_WORD, ""},         {"cdot", MACRO_WORD, "*"},
    {"times", MACRO_WORD, "*"},       {"div", MACRO_WORD, "/"},
    {"le", MACRO_WORD, "<="},         {"leq", MACRO_WORD, "<="},
    {"ge", MACRO_WORD, ">="},         {"geq", MACRO_WORD, ">="},
    {"ne", MACRO_WORD, "!="},         {"neq", MACRO_WORD, "!="},
    {"lt", MACRO_WORD, "<"},          {"gt", MACRO_WORD, ">"},
    {"pm", MACRO_WORD, "+-"},         {"infty", MACRO_WORD, "infinity"},
    {"lbrace", MACRO_WORD, "{"},      {"rbrace", MACRO_WORD, "}"},
    {"ldots", MACRO_WORD, "..."},     {"dots", MACRO_WORD, "..."},
};

/* Characters of other alphabets for what TeX spells with macros. */
static const struct macro characters[] = {
    {"\xC2\xB0", MACRO_WORD, ""},       {"\xE2\x88\x92", MACRO_WORD, "-"},
    {"\xC3\x97", MACRO_WORD, "*"},      {"\xC2\xB7", MACRO_WORD, "*"},
    {"\xCF\x80", MACRO_WORD, "pi"},     {"\xE2\x88\x9E", MACRO_WORD, "infinity"},
    {"\xE2\x89\xA4", MACRO_WORD, "<="}, {"\xE2\x89\xA5", MACRO_WORD, ">="},
    {"\xC2\xB2", MACRO_WORD, "^2"},     {"\xC2\xB3", MACRO_WORD, "^3"},
    {"\xC2\xA0", MACRO_WORD, ""},
};

static void put_token(struct tex *t);

static char last_byte(const struct tex *t)
{
    return t->out.n > 0 ? t->out.p[t->out.n - 1] : '\0';
}

/* ---- groups ---- */

static bool is_call(struct slice s)
{
    return s.n > 6 && slice_starts(s, "sqrt(") && memchr(s.p, ')', s.n) == s.p + s.n - 1;
}

static bool is_atom(struct slice s)
{
    bool is_number = true, is_word = true;
    for (size_t i = 0; i < s.n; i++) {
        is_number = is_number && (answer_is_digit(s.p[i]) || s.p[i] == '.');
        is_word = is_word && answer_is_letter(s.p[i]);
    }
    return is_number || is_word || is_call(s);
}

/* No sign between two parts, so that it may stand above a fraction's line without parentheses. */
static bool is_product(struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (strchr("+-/=,", s.p[i])) {
            return is_call(s);
        }
    }
    return true;
}

static bool is_never(struct slice s)
{
    (void) s;
    return false;
}

/* The opening parenthesis was put at `from`; it goes again when what follows needs none. */
static void close_group(struct tex *t, size_t from, bool (*is_simple)(struct slice s))
{
    struct answer_buffer *b = &t->out;
    if (b->is_short) {
        return;
    }
    if (is_simple(answer_sub(answer_written(b), from + 1, b->n))) {
        memmove(b->p + from, b->p + from + 1, b->n - from - 1);
        b->n--;
    } else {
        answer_put_byte(b, ')');
    }
}

/* Up to the brace that closes; `at` is behind the one that opens. */
static void put_group(struct tex *t)
{
    t->depth++;
    while (t->at < t->in.n && t->in.p[t->at] != '}') {
        put_token(t);
    }
    t->depth--;
    t->at += t->at < t->in.n ? 1 : 0;
}

/* An argument: a group, or one token. */
static void put_argument(struct tex *t, bool (*is_simple)(struct slice s))
{
    size_t from = t->out.n;
    t->at = answer_skip_space(t->in, t->at);
    answer_put_byte(&t->out, '(');
    if (answer_at(t->in, t->at) == '{' && t->depth < DEPTH_MAX) {
        t->at++;
        put_group(t);
    } else if (t->at < t->in.n && t->in.p[t->at] != '}' && t->depth < DEPTH_MAX) {
        t->depth++;
        put_token(t);
        t->depth--;
    }
    close_group(t, from, is_simple);
}

/* ---- macros ---- */

/* The length of `x=` in front of an answer. */
static size_t name_length(struct slice s)
{
    bool is_name = s.n > 2 && answer_is_letter(s.p[0]) && s.p[1] == '=';
    return is_name && !memchr(s.p + 2, '=', s.n - 2) ? 2 : 0;
}

/* Text loses its spaces like everything else. Behind a number it may be a unit. */
static void put_text(struct tex *t)
{
    struct answer_number number;
    struct slice before = answer_written(&t->out);
    if (t->words_at == 0 && before.n > 0 && before.n <= UNIT_NUMBER_MAX) {
        before = answer_sub(before, name_length(before), before.n);
        t->words_at = answer_number_whole(before, &number) ? t->out.n : 0;
    }
    t->at = answer_skip_space(t->in, t->at);
    if (answer_at(t->in, t->at) == '{' && t->depth < DEPTH_MAX) {
        t->at++;
        put_group(t);
    }
}

static void put_sqrt(struct tex *t)
{
    answer_put(&t->out, SLICE_LIT("sqrt"));
    t->at = answer_skip_space(t->in, t->at);
    if (answer_at(t->in, t->at) == '[') {
        while (t->at < t->in.n && t->in.p[t->at] != ']') {
            answer_put_byte(&t->out, t->in.p[t->at++]);
        }
        answer_put_byte(&t->out, ']');
        t->at += t->at < t->in.n ? 1 : 0;
    }
    put_argument(t, is_never); /* a root always has parentheses */
}

static void put_frac(struct tex *t)
{
    if (answer_is_digit(last_byte(t))) {
        answer_put_byte(&t->out, ' '); /* 2\frac12 is no 21/2 */
    }
    put_argument(t, is_product);
    answer_put_byte(&t->out, '/');
    put_argument(t, is_atom);
}

static void put_named(struct tex *t, struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
        if (slice_eq_text(name, macros[i].name)) {
            switch (macros[i].kind) {
            case MACRO_WORD:
                answer_put(&t->out, slice_of(macros[i].word));
                return;
            case MACRO_DELIMITER:
                t->at += answer_at(t->in, t->at) == '.' ? 1 : 0; /* \left. shows nothing */
                return;
            case MACRO_TEXT:
                put_text(t);
                return;
            case MACRO_FRAC:
                put_frac(t);
                return;
            case MACRO_SQRT:
                put_sqrt(t);
                return;
            }
        }
    }
    answer_put(&t->out, name);
}

/* `at` is behind the backslash. */
static void put_macro(struct tex *t)
{
    size_t end = t->at;
    while (answer_is_letter(answer_at(t->in, end))) {
        end++;
    }
    if (end > t->at) {
        struct slice name = answer_sub(t->in, t->at, end);
        t->at = end;
        put_named(t, name);
        return;
    }
    char c = answer_at(t->in, t->at);
    t->at += t->at < t->in.n ? 1 : 0;
    if (c == '{' || c == '}' || c == '&' || c == '#' || c == '_') {
        answer_put_byte(&t->out, c);
    }
    /* What else there is of one byte is space: \, \! \; \: "\ " \\, or a sign that goes: \% \$ */
}

/* ---- tokens ---- */

/* Spaces go, but not between digits: 2 1/2 is no 21/2. */
static void skip_spaces(struct tex *t)
{
    size_t behind = answer_skip_space(t->in, t->at);
    if (answer_is_digit(last_byte(t)) && answer_is_digit(answer_at(t->in, behind))) {
        answer_put_byte(&t->out, ' ');
    }
    t->has_spaced_commas = t->has_spaced_commas || last_byte(t) == ',';
    t->at = behind;
}

static bool put_character(struct tex *t)
{
    for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
        if (answer_has_at(t->in, t->at, characters[i].name)) {
            answer_put(&t->out, slice_of(characters[i].word));
            t->at += strlen(characters[i].name);
            return true;
        }
    }
    return false;
}

static bool is_degrees(const struct tex *t)
{
    size_t at = answer_skip_space(t->in, t->at);
    at = answer_skip_space(t->in, at + (answer_at(t->in, at) == '{' ? 1 : 0));
    return answer_has_at(t->in, at, "\\circ") && !answer_is_letter(answer_at(t->in, at + 5));
}

static void put_script(struct tex *t)
{
    char c = t->in.p[t->at++];
    if (c == '^' && is_degrees(t)) {
        t->at = answer_skip_space(t->in, t->at);
        return;
    }
    answer_put_byte(&t->out, c);
    put_argument(t, is_atom);
}

static void put_token(struct tex *t)
{
    char c = t->in.p[t->at];
    if (c == '\\') {
        t->at++;
        put_macro(t);
    } else if (answer_is_space(c)) {
        skip_spaces(t);
    } else if ((c == '^' || c == '_') && t->depth < DEPTH_MAX) {
        put_script(t);
    } else if (c == '{' && t->depth < DEPTH_MAX) {
        t->at++;
        put_group(t);
    } else if ((unsigned char) c < 0x80 || !put_character(t)) {
        t->at++;
        if (!strchr("{}$%~", c)) {
            answer_put_byte(&t->out, c);
        }
    }
}

/* ---- the whole ---- */

/* Letters, a slash, a power: "cm^2", "m/s". */
static bool is_unit(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool is_power = answer_is_digit(s.p[i]) && i > 0 &&
                        (s.p[i - 1] == '^' || (s.p[i - 1] == '-' && i > 1 && s.p[i - 2] == '^'));
        if (!answer_is_letter(s.p[i]) && !is_power && !strchr("./^-*()", s.p[i])) {
            return false;
        }
    }
    return s.n > 0 && !answer_has_at(s, 0, "and") && !answer_has_at(s, 0, "or");
}

/* Units that are recognised without \text. Single letters are variables. */
static bool is_known_unit(struct slice s)
{
    static const char *const units[] = {
        "cm",     "mm",      "km",     "kg",     "mg",      "ml",    "inch",    "inches", "feet",
        "foot",   "ft",      "miles",  "mile",   "yards",   "meter", "meters",  "metres", "liters",
        "litres", "grams",   "units",  "unit",   "degree",  "cents", "degrees", "dollar", "dollars",
        "euros",  "percent", "hours",  "hour",   "hrs",     "mins",  "minutes", "minute", "seconds",
        "second", "days",    "day",    "weeks",  "months",  "years", "year",    "mph",    "km/h",
        "m/s",    "pounds",  "people", "apples", "students"};
    static const char *const prefixes[] = {"square", "cubic", "sq"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (answer_has_at(s, 0, prefixes[i])) {
            s = answer_sub(s, strlen(prefixes[i]), s.n);
            break;
        }
    }
    if (s.n > 2 && s.p[s.n - 2] == '^' && answer_is_digit(s.p[s.n - 1])) {
        s.n -= 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (slice_ieq_text(s, units[i])) {
            return true;
        }
    }
    return false;
}

static struct slice without_unit(const struct tex *t, struct slice s)
{
    struct answer_number number;
    if (t->words_at > 0 && t->words_at < s.n && is_unit(answer_sub(s, t->words_at, s.n))) {
        return answer_sub(s, 0, t->words_at);
    }
    size_t sign = name_length(s);
    sign += answer_at(s, sign) == '-' ? 1 : 0;
    size_t end = answer_number_at(s, sign, &number);
    if (end > 0 && end < s.n && is_known_unit(answer_sub(s, end, s.n))) {
        return answer_sub(s, 0, end);
    }
    return s;
}

static struct slice without_stops(struct slice s)
{
    while (s.n > 1 && strchr(".,;:", s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

/* Without parentheses around one letter. */
static struct slice without_parentheses(struct slice s)
{
    bool is_letter = s.n == 3 && s.p[0] == '(' && s.p[2] == ')' && answer_is_letter(s.p[1]);
    return is_letter ? answer_sub(s, 1, 2) : s;
}

/* Words are folded, single letters are variables and stay. */
static void fold_words(struct answer_buffer *b)
{
    for (size_t i = 0; i < b->n;) {
        size_t end = i;
        while (end < b->n && answer_is_letter(b->p[end])) {
            end++;
        }
        for (size_t j = i; j < end && end - i > 1; j++) {
            b->p[j] = answer_lower(b->p[j]);
        }
        i = end + 1;
    }
}

struct slice answer_tex(struct slice tex, struct arena *room)
{
    struct tex t = {.in = tex, .out = {.room = room}};
    struct answer_buffer normal = {.room = room};
    struct answer_number number;
    while (t.at < tex.n) {
        put_token(&t);
    }
    if (t.out.is_short || t.out.n == 0) {
        return SLICE_NONE;
    }
    fold_words(&t.out);
    struct slice s = without_unit(&t, without_stops(answer_written(&t.out)));
    s = without_parentheses(answer_sub(s, name_length(s), s.n));
    if (!answer_number_whole(s, &number) || (t.has_spaced_commas && memchr(s.p, ',', s.n))) {
        return s;
    }
    answer_number_put(&normal, &number);
    return normal.is_short ? SLICE_NONE : answer_written(&normal);
}
