/* Arithmetic word problems. */
#include "tests/sim/items_parts.h"

#include "tests/sim/arith.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Braces hold a variable a to d, a product or sum of them, or a word: {n} and {m} are people, {o}
 * and {p} things, {w} a place. Each variable is drawn from its range. */
struct problem {
    const char *text;
    const char *value;
    int64_t range[4][2];
};

static const struct problem problems[] = {
    {"{n} buys {a} {o} and {b} {p} at {w}. Each of the {o} costs {c} cents and each of the {p} "
     "costs {d} cents. How many cents does {n} pay?",
     "a * c + b * d",
     {{3, 19}, {2, 17}, {11, 89}, {12, 95}}},
    {"At {w} there are {a} shelves with {b} {o} on each. {n} takes {c} of the {o} away. How many "
     "are "
     "left?",
     "a * b - c",
     {{6, 24}, {11, 30}, {5, 60}, {1, 1}}},
    {"{n} has {a} {o}. {m} has {b} more than {n}. How many {o} do the two have together?",
     "a + a + b",
     {{14, 180}, {7, 90}, {1, 1}, {1, 1}}},
    {"{n} packs {a*b} {o} into boxes that hold {b} each. How many boxes does {n} fill?",
     "a + 0",
     {{12, 60}, {4, 19}, {1, 1}, {1, 1}}},
    {"A train leaves {w} with {a} passengers. At the first stop {b} get off and {c} get on, and at "
     "the "
     "second stop {d} get off. How many passengers are on the train now?",
     "a - b + c - d",
     {{120, 400}, {10, 60}, {5, 80}, {4, 40}}},
    {"{n} reads {a} pages a day from Monday to Friday and {b} pages a day at the weekend. How many "
     "pages "
     "is that in {c} weeks?",
     "(5 * a + 2 * b) * c",
     {{8, 45}, {12, 70}, {2, 9}, {1, 1}}},
    {"For {w} a carpenter cuts {a} boards. Each board gives {b} pieces, but {c} pieces break. How "
     "many "
     "whole pieces are there?",
     "a * b - c",
     {{9, 40}, {3, 12}, {2, 20}, {1, 1}}},
    {"{n} saves {a} coins every week, and {m} saves {b} coins every week. After {c} weeks, how "
     "many coins "
     "do they have in all?",
     "(a + b) * c",
     {{4, 40}, {3, 35}, {5, 26}, {1, 1}}},
    {"A tank at {w} holds {a*c} litres. A pump takes out {a} litres a minute. After how many "
     "minutes is the "
     "tank empty?",
     "c + 0",
     {{12, 48}, {1, 1}, {15, 75}, {1, 1}}},
    {"{n} is {a} years old, and {m} is {b} years older. How old will {m} be in {c} years?",
     "a + b + c",
     {{6, 60}, {2, 25}, {3, 30}, {1, 1}}},
    {"In a hall there are {a} rows of {b} seats and a balcony with {c} seats. {d} seats are empty "
     "tonight. "
     "How many people have come?",
     "a * b + c - d",
     {{12, 35}, {14, 40}, {20, 90}, {7, 75}}},
    {"{n} walks {a} metres to {w}, then {b} metres back to a shop, and from there {c} metres home. "
     "How "
     "long is the whole way in metres?",
     "a + b + c",
     {{350, 1900}, {120, 900}, {200, 1500}, {1, 1}}},
    {"A crate of {o} weighs {a} kilograms, an empty crate weighs {b} kilograms. What do the {o} in "
     "{c} "
     "crates weigh without the crates, in kilograms?",
     "(a - b) * c",
     {{25, 80}, {2, 9}, {4, 30}, {1, 1}}},
    {"{n} makes {a} {o} an hour and works {b} hours. {m} makes {c} {o} an hour and works {d} "
     "hours. How "
     "many {o} do they make?",
     "a * b + c * d",
     {{6, 30}, {3, 9}, {5, 28}, {2, 8}}},
    {"The entrance to {w} costs {a} coins for adults and {b} coins for children. A group of {c} "
     "adults and "
     "{d} children comes in. What do they pay altogether?",
     "a * c + b * d",
     {{9, 24}, {3, 8}, {2, 15}, {4, 33}}},
    {"{n} had some {o}. After giving {a} to {m} and losing {b}, {n} has {c} left. How many {o} did "
     "{n} "
     "have in the beginning?",
     "a + b + c",
     {{11, 90}, {2, 30}, {14, 150}, {1, 1}}},
    {"Every morning {a} {o} are delivered to {w}, and every evening {b} are sold. On the first "
     "morning "
     "there were {c} already. How many are there after {d} days?",
     "c + (a - b) * d",
     {{40, 90}, {10, 39}, {5, 50}, {3, 14}}},
    {"A field is {a} metres long and {b} metres wide. A path through it takes up {c} square "
     "metres. How "
     "many square metres are left for planting?",
     "a * b - c",
     {{30, 95}, {20, 60}, {50, 400}, {1, 1}}},
    {"{n} counts {a} {o} in one drawer and twice as many in another, and then finds {b} more. How "
     "many "
     "{o} is that?",
     "3 * a + b",
     {{13, 120}, {4, 60}, {1, 1}, {1, 1}}},
    {"Tickets were numbered from {a} up to {a+b}. How many tickets were there, both numbers "
     "included?",
     "b + 1",
     {{100, 900}, {45, 600}, {1, 1}, {1, 1}}},
    {"A machine fills {a} jars in a minute. It runs for {b} minutes, stands still, and then runs "
     "for {c} "
     "minutes more. {d} of the jars are rejected. How many are good?",
     "a * (b + c) - d",
     {{7, 35}, {12, 40}, {5, 30}, {3, 60}}},
    {"{n} shares {a*b} {o} equally among {b} friends. {m}, one of them, already had {c}. How many "
     "does {m} "
     "have now?",
     "a + c",
     {{8, 40}, {3, 12}, {5, 70}, {1, 1}}},
    {"From a rope of {a} metres {n} cuts {b} pieces of {c} metres each. How many metres of rope "
     "remain?",
     "a - b * c",
     {{150, 400}, {4, 12}, {3, 11}, {1, 1}}},
    {"At {w} {a} of the {a+b+c} {o} are red and {b} are blue; the others are green. How many green "
     "{o} are "
     "there?",
     "c + 0",
     {{20, 140}, {15, 130}, {8, 160}, {1, 1}}},
    {"{n} swims {a} lengths of {b} metres before breakfast and {c} lengths in the evening. What "
     "distance "
     "in metres is that in one day?",
     "(a + c) * b",
     {{8, 40}, {20, 50}, {4, 36}, {1, 1}}},
    {"A printer needs {a} seconds for a page in colour and {b} seconds for a page in black. How "
     "many "
     "seconds do {c} colour pages and {d} black pages take?",
     "a * c + b * d",
     {{9, 28}, {2, 8}, {6, 40}, {10, 90}}},
    {"{n} bakes {a} trays with {b} rolls each for {w}. {c} rolls burn, and {m} eats {d} of the "
     "good ones. "
     "How many rolls can be sold?",
     "a * b - c - d",
     {{7, 20}, {12, 30}, {3, 25}, {2, 12}}},
    {"Last year {a} visitors came to {w}. This year there were {b} fewer in summer but {c} more in "
     "winter. "
     "How many came this year?",
     "a - b + c",
     {{900, 5200}, {40, 800}, {30, 900}, {1, 1}}},
};

static const char *const leads[] = {
    "",
    "",
    "",
    "Please solve this for me. ",
    "Word problem: ",
    "A question from my daughter's homework: ",
    "I keep getting this one wrong. ",
    "Quick one. ",
    "Here is a little puzzle with numbers. ",
    "From the practice test: ",
    "Can you work this out? ",
    "We argued about this at lunch. ",
    NULL,
};

static const char *const asides[] = {
    "",
    "",
    "",
    "",
    " Nothing else changes in the meantime.",
    " The weather plays no part in it.",
    " Assume that nobody makes a mistake.",
    " (All numbers are exact.)",
    NULL,
};

static const char *const requests[] = {
    " Give the final number in \\boxed{}.",
    " Show your steps and end with the result in \\boxed{}.",
    " Please put the answer into \\boxed{}.",
    " The last line should hold the number in \\boxed{}.",
    "\n\nWrite the result as \\boxed{number}.",
    "\nExplain briefly, then write the number inside \\boxed{}.",
    " Think it through and box the final value with \\boxed{}.",
    " I only need the number, in \\boxed{}.",
    NULL,
};

/* The value of an expression over the variables. */
static int64_t evaluate(const char *expression, size_t n, const int64_t *variable)
{
    struct buf b = {0};
    struct arith found = {0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        if (expression[i] >= 'a' && expression[i] <= 'd') {
            buf_addf(&b, "%" PRId64, variable[expression[i] - 'a']);
        } else {
            buf_addf(&b, expression[i] == '*' || expression[i] == '+' ? " %c " : "%c",
                     expression[i]);
        }
    }
    if (!arith_find(buf_str(&b), b.len, &found)) {
        found.value = strtoll(b.data, NULL, 10);
    }
    buf_fini(&b);
    return found.value;
}

struct cast {
    const char *people[2];
    const char *things[2];
    const char *place;
};

static struct cast draw_cast(struct dice *d)
{
    struct cast c;

    c.people[0] = dice_pick(d, words_people);
    c.things[0] = dice_pick(d, words_things);
    c.place = dice_pick(d, words_places);
    do {
        c.people[1] = dice_pick(d, words_people);
    } while (c.people[1] == c.people[0]);
    do {
        c.things[1] = dice_pick(d, words_things);
    } while (c.things[1] == c.things[0]);
    return c;
}

static void put(struct buf *out, const char *p, size_t n, const struct cast *c,
                const int64_t *variable)
{
    if (n > 1 || (*p >= 'a' && *p <= 'd')) {
        buf_addf(out, "%" PRId64, evaluate(p, n, variable));
    } else if (*p == 'n' || *p == 'm') {
        buf_adds(out, c->people[*p == 'm']);
    } else if (*p == 'o' || *p == 'p') {
        buf_adds(out, c->things[*p == 'p']);
    } else {
        buf_adds(out, c->place);
    }
}

static void tell(struct buf *out, const char *text, const struct cast *c, const int64_t *variable)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "{");

        buf_add(out, text, n);
        text += n;
        if (*text == '{') {
            n = strcspn(text, "}");
            put(out, text + 1, n - 1, c, variable);
            text += n + 1;
        }
    }
}

/* Slips: a carry lost, one step forgotten, a number read wrongly. */
static void add_wrong(struct item *it, struct dice *d, int64_t right, const int64_t *variable)
{
    const int64_t near[] = {right + 10,          right - 10,          right + variable[0],
                            right - variable[1], right + variable[2], right + 1,
                            right - 1,           right + 2,           right - variable[3]};
    size_t n = sizeof(near) / sizeof(near[0]);
    size_t first = (size_t) dice_below(d, n);

    for (size_t i = 0; it->n_wrong < LAW_WRONG_MAX; i++) {
        int64_t v = i < n ? near[(first + i) % n] : right + dice_from(d, -150, 150);
        struct buf b = {0};

        buf_addf(&b, "%" PRId64, v);
        if (v > 0) {
            items_add_wrong(it, b.data, b.len);
        }
        buf_fini(&b);
    }
}

void items_math(struct item *it, struct dice *d)
{
    const struct problem *p = &problems[dice_below(d, sizeof(problems) / sizeof(problems[0]))];
    struct cast c = draw_cast(d);
    int64_t variable[4];
    int64_t right;

    for (unsigned i = 0; i < 4; i++) {
        variable[i] = dice_from(d, p->range[i][0], p->range[i][1]);
    }
    right = evaluate(p->value, strlen(p->value), variable);
    buf_adds(&it->text, dice_pick(d, leads));
    tell(&it->text, p->text, &c, variable);
    buf_adds(&it->text, dice_pick(d, asides));
    buf_adds(&it->text, dice_pick(d, requests));
    buf_addf(&it->right, "%" PRId64, right);
    add_wrong(it, d, right, variable);
}
