/* Multiple choice over an encyclopaedia of a world that does not exist. */
#include "tests/sim/items_parts.h"

#include <inttypes.h>
#include <string.h>

enum pool {
    POOL_MINERAL = 0,
    POOL_COLOUR,
    POOL_CRAFT,
    POOL_CROP,
    POOL_INSTRUMENT,
    POOL_ANIMAL,
    POOL_MATERIAL,
    POOL_YEAR,
    POOL_LENGTH,
    POOL_PERSON,
    POOL_TOWN,
    POOL_DISEASE
};

/* The fixed pools; the others are drawn. */
static const char *const minerals[] = {"basalt", "rock salt", "jade", "slate", "cobalt",
                                       "alum",   "tin",       "opal", "chalk", NULL};
static const char *const colours[] = {"crimson", "pale green", "indigo", "amber",  "white",
                                      "violet",  "black",      "ochre",  "silver", NULL};
static const char *const crafts[] = {"glassblowing", "bookbinding",   "shipbuilding",
                                     "weaving",      "clockmaking",   "tanning",
                                     "brewing",      "bell founding", NULL};
static const char *const crops[] = {"buckwheat", "hops", "flax",   "saffron", "millet",
                                    "beets",     "figs", "barley", "lentils", NULL};
static const char *const instruments[] = {"the lute", "the harp", "the bassoon", "the zither",
                                          "the oboe", "the drum", "the viola",   NULL};
static const char *const animals[] = {"herons", "lynxes",  "otters", "wild goats",  "storks",
                                      "eels",   "badgers", "owls",   "salamanders", NULL};
static const char *const materials[] = {"cedar wood", "whalebone", "clay", "bronze", "granite",
                                        "wicker",     "felt",      "oak",  "iron",   NULL};
static const char *const diseases[] = {"fevers",       "toothache", "snake bites", "sleeplessness",
                                       "sore throats", "gout",      "burns",       NULL};

static const char *const *const pools[] = {
    [POOL_MINERAL] = minerals,
    [POOL_COLOUR] = colours,
    [POOL_CRAFT] = crafts,
    [POOL_CROP] = crops,
    [POOL_INSTRUMENT] = instruments,
    [POOL_ANIMAL] = animals,
    [POOL_MATERIAL] = materials,
    [POOL_YEAR] = NULL,
    [POOL_LENGTH] = NULL,
    [POOL_PERSON] = NULL,
    [POOL_TOWN] = NULL,
    [POOL_DISEASE] = diseases,
};

/* {e} is the thing asked about, {f} another name that is no answer. */
struct question {
    const char *text;
    enum pool pool;
};

static const struct question questions[] = {
    {"For which mineral is the island of {e} chiefly known?", POOL_MINERAL},
    {"What was mined in the hills above {e} until the flood?", POOL_MINERAL},
    {"The temple floor at {e} is laid with which stone or mineral?", POOL_MINERAL},
    {"What is the colour of the flag that the free town of {e} adopted?", POOL_COLOUR},
    {"Which colour do the robes of the {e} order have?", POOL_COLOUR},
    {"The petals of the flower {e} are of which colour?", POOL_COLOUR},
    {"By which craft did the town of {e} become rich?", POOL_CRAFT},
    {"Before {f} rose to the council, what trade was practised in the house of {e}?", POOL_CRAFT},
    {"Which craft does the {e} guild protect?", POOL_CRAFT},
    {"What do the farmers of the {e} valley mainly grow?", POOL_CROP},
    {"Which crop failed in the province of {e}, so that its people moved to {f}?", POOL_CROP},
    {"Which instrument did the composer {e} play?", POOL_INSTRUMENT},
    {"For which instrument was the {e} suite written?", POOL_INSTRUMENT},
    {"Which animals breed on the banks of the river {e}?", POOL_ANIMAL},
    {"The coat of arms of {e} shows which animals?", POOL_ANIMAL},
    {"According to the legend, which animals led the people of {e} to {f}?", POOL_ANIMAL},
    {"Of which material is the great gate of {e} made?", POOL_MATERIAL},
    {"What did the shipwrights of {e} use for the keel?", POOL_MATERIAL},
    {"The masks of the {e} festival are traditionally made of what?", POOL_MATERIAL},
    {"In which year was the treaty of {e} signed?", POOL_YEAR},
    {"When did the lighthouse of {e} burn down?", POOL_YEAR},
    {"In what year was the poet {e} born?", POOL_YEAR},
    {"When was the university of {e} founded by monks from {f}?", POOL_YEAR},
    {"How long is the river {e} from its spring to the sea?", POOL_LENGTH},
    {"What is the length of the old road from {f} to {e}?", POOL_LENGTH},
    {"How long is the wall around {e}?", POOL_LENGTH},
    {"Who discovered the strait of {e}?", POOL_PERSON},
    {"Who wrote the chronicle of {e}?", POOL_PERSON},
    {"Which architect rebuilt the bridge at {e} after the earthquake?", POOL_PERSON},
    {"Who was the last regent of {e}?", POOL_PERSON},
    {"Which town is the capital of the {e} lowlands?", POOL_TOWN},
    {"Where did the expedition of {e} spend the winter?", POOL_TOWN},
    {"In which town was the painter {e} buried?", POOL_TOWN},
    {"Against what is the root of the plant {e} used?", POOL_DISEASE},
    {"The springs of {e} are said to help with which complaint?", POOL_DISEASE},
};

static const char *const leads[] = {
    "",
    "",
    "According to the Encyclopaedia of Varn: ",
    "From the atlas of the Nine Coasts. ",
    "Quiz question: ",
    "General knowledge, chapter on geography and history. ",
    "Choose the right option. ",
    "Please pick one. ",
    "This came up in the exam on the old provinces. ",
    "Do you happen to know this? ",
    NULL,
};

static const char *const requests[] = {
    "Answer with the letter of the right option.",
    "Finish with a line of the form \"Answer: X\", where X is the letter.",
    "Say which letter is correct.",
    "Reason briefly, then give the letter as \"Answer: X\".",
    "Which one is it? End your reply with the letter.",
    "Only one of them is true. Give its letter at the end.",
    NULL,
};

/* How options are listed: before and behind the letter. */
static const char *const marks[][2] = {{"", ") "}, {"(", ") "}, {"", ". "}, {"", ": "}};

static void add_name(struct buf *out, struct dice *d)
{
    static const char *const heads[] = {"Tor", "Vel", "Ash", "Kar", "Lun", "Mer", "Bry",  "Osk",
                                        "Dal", "Sar", "Fen", "Gal", "Ith", "Nor", "Quil", "Rhu",
                                        "Hes", "Wyn", "Zar", "Pel", "Uld", "Cas", NULL};
    static const char *const middles[] = {"a",   "e",   "i",   "o",   "u",   "ane", "ori",
                                          "ela", "imi", "usa", "ira", "ova", NULL};
    static const char *const tails[] = {"n",    "th",   "mar",  "dell", "s",   "vik",  "ra", "lon",
                                        "ster", "quay", "mund", "rik",  "nia", "gard", NULL};

    buf_adds(out, dice_pick(d, heads));
    buf_adds(out, dice_pick(d, middles));
    buf_adds(out, dice_pick(d, tails));
}

static void add_value(struct buf *out, enum pool pool, struct dice *d)
{
    switch (pool) {
    case POOL_YEAR:
        buf_addf(out, "%" PRId64, dice_from(d, 640, 1890));
        break;
    case POOL_LENGTH:
        buf_addf(out, "%" PRId64 " miles", dice_from(d, 3, 900));
        break;
    case POOL_PERSON:
        buf_adds(out, dice_pick(d, words_people));
        buf_adds(out, " ");
        add_name(out, d);
        break;
    case POOL_TOWN:
        add_name(out, d);
        break;
    default:
        buf_adds(out, dice_pick(d, pools[pool]));
    }
}

static bool is_among(const struct buf *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i].len == values[n].len &&
            memcmp(values[i].data, values[n].data, values[n].len) == 0) {
            return true;
        }
    }
    return false;
}

static void tell(struct buf *out, const char *text, struct dice *d)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "{");

        buf_add(out, text, n);
        text += n;
        if (*text == '{') {
            add_name(out, d);
            text += 3;
        }
    }
}

static void list_options(struct item *it, enum pool pool, struct dice *d)
{
    struct buf values[4] = {{0}};
    size_t style = (size_t) dice_below(d, sizeof(marks) / sizeof(marks[0]));

    for (size_t i = 0; i < 4; i++) {
        do {
            values[i].len = 0;
            add_value(&values[i], pool, d);
        } while (is_among(values, i));
        buf_addf(&it->text, "\n%s%c%s", marks[style][0], (char) ('A' + i), marks[style][1]);
        buf_add(&it->text, values[i].data, values[i].len);
    }
    for (size_t i = 0; i < 4; i++) {
        buf_fini(&values[i]);
    }
}

void items_facts(struct item *it, struct dice *d)
{
    const struct question *q = &questions[dice_below(d, sizeof(questions) / sizeof(questions[0]))];
    char letters[4] = {'A', 'B', 'C', 'D'};

    buf_adds(&it->text, dice_pick(d, leads));
    tell(&it->text, q->text, d);
    list_options(it, q->pool, d);
    buf_adds(&it->text, "\n");
    buf_adds(&it->text, dice_pick(d, requests));
    for (size_t left = 4; left > 0; left--) {
        size_t at = (size_t) dice_below(d, left);

        if (left == 4) {
            buf_add(&it->right, &letters[at], 1);
        } else {
            items_add_wrong(it, &letters[at], 1);
        }
        letters[at] = letters[left - 1];
    }
}
