#include "tests/sim/speech.h"

#include "tests/sim/hash.h"

#include <math.h>
#include <string.h>

#define ROUND_MARK "This is review round "
#define PERSUASIVE_MARK "There is no room for doubt here"

/* No letters that stand alone, no numbers and no word "answer": the answer line alone has these. */
static const char *const thoughts[] = {
    "Let me go through this step by step.",
    "First of all, I write down what is known.",
    "It helps to separate what is asked from what is merely told.",
    "The wording is a little tricky, so I read it twice.",
    "There are several ways to look at this, and they should agree.",
    "I start with the part that is certain.",
    "Next comes the part that needs some care.",
    "One could be tempted to stop here, but something is still missing.",
    "Putting both parts together narrows it down.",
    "That rules out the most obvious mistake.",
    "I also considered the opposite, and it does not hold.",
    "A quick check of the intermediate result does not reveal any contradiction.",
    "So far everything fits with the description.",
    "The remaining step is short.",
    "Going backwards from the end leads to the same place.",
    "Some details in the text turn out to be irrelevant.",
    "I keep the order of the operations in mind.",
    "Comparing with similar problems confirms the approach.",
    "Here it would be easy to miscount, hence the second look.",
    "Now only the final form is left.",
    "To be sure, I repeated the decisive step.",
    "None of the conditions has been ignored.",
    "This agrees with what one would expect.",
    "With that, the question is settled.",
};

/* Mean words per task, and the spread of their logarithm. */
static const double mean_words[LAW_TASKS] = {90, 70, 50};
#define WORDS_SPREAD 0.35
#define WORDS_PER_CANDIDATE 0.08

static const char *const closings[] = {
    "The answer is \\boxed{", "So the result is \\boxed{", "Therefore: \\boxed{",
    "This leaves \\boxed{",   "Final answer: \\boxed{",
};

static const char *const choices[] = {"Answer: ", "The answer is ", "**Answer: ", "Final answer: "};

static size_t count_words(const char *s)
{
    size_t n = 1;

    for (; *s != '\0'; s++) {
        n += *s == ' ' ? 1 : 0;
    }
    return n;
}

/* Lognormal with the mean of the task. */
static double draw_length(const struct speech *s, uint64_t h)
{
    double mean = s->words > 0 ? s->words : mean_words[s->task];
    double z = sqrt(-2 * log(1 - hash_unit(h))) *
               cos(6.283185307179586 * hash_unit(hash_u64(h, 1)));

    mean *= 1 + WORDS_PER_CANDIDATE * s->candidates;
    return mean * exp(WORDS_SPREAD * z - WORDS_SPREAD * WORDS_SPREAD / 2);
}

static void add_answer(struct buf *out, const struct speech *s, uint64_t h)
{
    bool is_choice = s->task == LAW_FACTS;
    size_t n = is_choice ? sizeof(choices) / sizeof(choices[0])
                         : sizeof(closings) / sizeof(closings[0]);
    const char *form = (is_choice ? choices : closings)[h % n];

    buf_adds(out, is_choice ? "\n" : "");
    buf_adds(out, form);
    buf_add(out, s->answer.p, s->answer.n);
    buf_adds(out, is_choice ? (form[0] == '*' ? "**" : "") : "}");
}

void speech_make(struct buf *out, const struct speech *s, uint64_t h)
{
    size_t n = sizeof(thoughts) / sizeof(thoughts[0]);
    double left = draw_length(s, hash_u64(h, 100));
    size_t last = n;

    if (s->round > 0) {
        buf_addf(out, ROUND_MARK "%u. ", s->round);
    }
    for (uint64_t i = 0; left > 0; i++) {
        size_t at = (size_t) (hash_u64(h, i) % n);

        at = at == last ? (at + 1) % n : at;
        last = at;
        buf_adds(out, thoughts[at]);
        buf_adds(out, " ");
        left -= (double) count_words(thoughts[at]);
    }
    if (s->persuasive) {
        buf_adds(out, PERSUASIVE_MARK ": every careful reader must come to this very result, and "
                                      "whoever says otherwise has simply not looked. ");
    }
    add_answer(out, s, hash_u64(h, 101));
}

unsigned speech_round(struct slice text)
{
    const char *at = text.n > 0 ? memmem(text.p, text.n, ROUND_MARK, strlen(ROUND_MARK)) : NULL;
    unsigned round = 0;

    if (at == NULL) {
        return 0;
    }
    at += strlen(ROUND_MARK);
    for (; at < text.p + text.n && *at >= '0' && *at <= '9' && round < 1000; at++) {
        round = round * 10 + (unsigned) (*at - '0');
    }
    return round;
}

bool speech_is_persuasive(struct slice text)
{
    return text.n > 0 && memmem(text.p, text.n, PERSUASIVE_MARK, strlen(PERSUASIVE_MARK)) != NULL;
}
