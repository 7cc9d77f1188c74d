/* Words for items; declared in items_parts.h. */
#include "tests/sim/items_parts.h"

const char *const words_people[] = {
    "Amara",  "Boris",  "Chiara", "Dmitri", "Elif",  "Farid",  "Greta",  "Hiro",    "Ines",
    "Jakub",  "Keiko",  "Lars",   "Maya",   "Nikos", "Oona",   "Pedro",  "Quinn",   "Rosa",
    "Stefan", "Tamsin", "Ugo",    "Vera",   "Wei",   "Ximena", "Yusuf",  "Zelda",   "Anton",
    "Bela",   "Cosmo",  "Dalia",  "Emeka",  "Fiona", "Gustav", "Hanna",  "Ivo",     "Jana",
    "Kofi",   "Leila",  "Milan",  "Noor",   "Otto",  "Paula",  "Rashid", "Sunniva", NULL,
};

const char *const words_things[] = {
    "apples",   "buttons",  "candles", "dominoes",  "envelopes", "feathers",  "garlic bulbs",
    "hinges",   "ink pots", "jars",    "kites",     "lanterns",  "marbles",   "needles",
    "oranges",  "pencils",  "quilts",  "ribbons",   "seashells", "tiles",     "umbrellas",
    "vases",    "walnuts",  "bricks",  "postcards", "tickets",   "loaves",    "screws",
    "stickers", "tulips",   "cups",    "blankets",  "eggs",      "notebooks", "plums",
    "beads",    "sacks",    "coins",   "magnets",   "spoons",    NULL,
};

const char *const words_places[] = {
    "the market",      "a bakery",         "the harbour",
    "the school fair", "a workshop",       "the library",
    "a mountain hut",  "the old mill",     "a garden centre",
    "the station",     "the sports club",  "a warehouse",
    "the museum",      "a small cinema",   "the post office",
    "a boatyard",      "the orchard",      "a hotel",
    "the town hall",   "a printing house", NULL,
};

const char *const words_short[] = {
    "lantern", "basket",  "copper",  "meadow", "silver", "thunder", "pocket", "garden",  "window",
    "planet",  "hammer",  "violet",  "marble", "candle", "forest",  "saddle", "timber",  "walnut",
    "anchor",  "bridge",  "castle",  "dragon", "engine", "falcon",  "guitar", "harvest", "island",
    "jacket",  "kettle",  "ladder",  "magnet", "needle", "orchard", "pepper", "quarry",  "ribbon",
    "spider",  "tunnel",  "valley",  "wagon",  "yellow", "zephyr",  "barrel", "cinder",  "drawer",
    "elbow",   "feather", "glacier", "helmet", "ivory",  "juniper", "kernel", "lizard",  "mirror",
    "nectar",  "oyster",  "parcel",  "quiver", "rocket", "shovel",  "teapot", "umpire",  "vessel",
    "whistle", NULL,
};
