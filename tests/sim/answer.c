#include "tests/sim/answer.h"

#include "tests/sim/arith.h"
#include "tests/sim/hash.h"
#include "tests/sim/schema.h"
#include "tests/sim/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CANDIDATES 64U

const char answer_canonical[] = "This is the simulated model speaking with its one fixed answer. "
                                "It sends exactly sixty words, one word a token, "
                                "so that any reader can count them and notice when a single one "
                                "goes missing. Every token arrives in order, and "
                                "the answer closes with a plain period. If you can read this last "
                                "line, nothing was lost here today.";

static const char *const canned[] = {
    "This is a simulated answer. A real model would read your question closely, name what is known "
    "and what is not, "
    "and then explain its reasoning in a few plain sentences before it comes to a conclusion.",
    "Here is a simulated reply. The short version is that the matter has two sides: one should "
    "first settle the "
    "facts, then weigh the cost against the benefit, and only after that choose the simpler of the "
    "remaining ways.",
    "You are talking to a simulated model, so take this as an illustration. It would begin with a "
    "summary, go on with "
    "three supporting points, mention the most likely objection, and end with one practical "
    "suggestion for what to do "
    "next.",
    "As a simulated model I can only pretend to know. Still, a careful answer would define the "
    "terms, give one worked "
    "example, say where the example stops being valid, and point to a source where you can read "
    "more about it.",
};

static const char *const openings[] = {
    "Let me work through this step by step.",
    "First I look at the order of the operations.",
    "I take the products before the sums.",
    "Going from the inside to the outside:",
};

static const char *const closings[] = {
    "I checked the result once more.",
    "Every step was done in plain integers.",
    "Nothing had to be rounded.",
    "That settles the question.",
};

/* Numbers in \boxed{} of the question, as a fuser finds them in its candidates. */
static size_t find_candidates(const struct ask *a, int64_t *out)
{
    const char *at = a->user_text;
    size_t n = 0;

    while (n < MAX_CANDIDATES) {
        char *end;

        at = strstr(at, "\\boxed{");
        if (at == NULL) {
            break;
        }
        at += 7;
        out[n] = strtoll(at, &end, 10);
        if (end > at && *end == '}') {
            n++;
        }
    }
    return n;
}

static double chance_of_right(double accuracy, const int64_t *candidates, size_t n, int64_t right)
{
    size_t n_right = 0;

    if (n == 0) {
        return accuracy;
    }
    for (size_t i = 0; i < n; i++) {
        n_right += candidates[i] == right ? 1 : 0;
    }
    if (n_right == 0) {
        return 0.7 * accuracy;
    }
    return 1 - (1 - accuracy) * (1 - 0.9 * (double) n_right / (double) n);
}

/* The slips people make: off by one, a carry lost, a sign dropped. */
static int64_t wrong_value(int64_t right, uint64_t h)
{
    static const int64_t slips[] = {1, -1, 2, -2, 10, -10, 9, -9, 100, -100};
    size_t n = sizeof(slips) / sizeof(slips[0]);

    if (h % 13 == 0 && right != 0) {
        return -right;
    }
    return right + slips[(h >> 8) % n];
}

static int64_t solve(const struct ask *a, const struct plan *p, const struct arith *question,
                     uint64_t h)
{
    int64_t candidates[MAX_CANDIDATES];
    size_t n = find_candidates(a, candidates);
    int64_t right = question->value;
    uint64_t pick = hash_u64(h, 7);

    if (hash_unit(h) < chance_of_right(p->accuracy, candidates, n, right)) {
        return right;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t candidate = candidates[(pick + i) % n];

        if (candidate != right) {
            return candidate;
        }
    }
    return wrong_value(right, pick);
}

static void say_canonical(struct buf *out, int64_t tokens)
{
    const char *at = answer_canonical;

    for (int64_t i = 0; i < tokens; i++) {
        size_t n = strcspn(at, " ");

        if (i > 0) {
            buf_add(out, " ", 1);
        }
        buf_add(out, at, n);
        at = at[n] == ' ' ? at + n + 1 : answer_canonical;
    }
}

static void say_solution(struct buf *out, const struct ask *a, const struct arith *question,
                         int64_t value, uint64_t h)
{
    size_t n = sizeof(openings) / sizeof(openings[0]);
    int len = (int) (question->to - question->from);

    buf_addf(out,
             "%s The expression is %.*s, and working it out gives %" PRId64
             ". %s The answer is \\boxed{%" PRId64 "}",
             openings[h % n], len, a->user_text + question->from, value, closings[(h >> 16) % n],
             value);
}

static void say_images(struct buf *out, const struct ask *a)
{
    buf_addf(out,
             "I see %u image%s; the image URLs hold %zu bytes in all. This is a simulated model, "
             "so it cannot tell what "
             "they show, but it received every byte of them.",
             a->images, a->images == 1 ? "" : "s", a->image_bytes);
}

static void say_json(struct buf *out, const struct ask *a, const struct schema_values *values)
{
    json_t *answer;
    char *text;

    answer = a->schema != NULL ? schema_example(a->schema, values)
                               : json_pack("{s:s}", "answer", values->text);
    text = json_dumps(answer, JSON_ENCODE_ANY);
    buf_adds(out, text != NULL ? text : "null");
    free(text);
    json_decref(answer);
}

static void say_json_value(struct buf *out, const struct ask *a, bool found, int64_t value)
{
    struct schema_values values = {"simulated", value, found};
    char number[32];

    (void) snprintf(number, sizeof(number), "%" PRId64, value);
    if (found) {
        values.text = number;
    }
    say_json(out, a, &values);
}

/* False when this is not for a model of the law. */
static bool say_item(struct buf *out, const struct ask *a, const struct plan *p, size_t choice,
                     struct solver *solver, struct solved *solved)
{
    struct solved here = {0, 0, false};
    struct buf text = {0};
    struct buf value = {0};
    bool found = p->kind == MODEL_LAW && a->tool_result == NULL &&
                 solve_item(solver, a, p, choice, &text, &value, &here);

    if (found && a->wants_json) {
        struct schema_values values = {buf_str(&value), strtoll(buf_str(&value), NULL, 10), true};

        say_json(out, a, &values);
    } else if (found) {
        buf_add(out, text.data, text.len);
    }
    if (choice == 0) {
        *solved = here;
    }
    buf_fini(&text);
    buf_fini(&value);
    return found;
}

/* The text of one choice; h is the hash of everything that may change it. */
static void say(struct buf *out, const struct ask *a, const struct plan *p, uint64_t h)
{
    struct arith question = {0, 0, 0};
    bool thinks = p->kind == MODEL_THINKS || p->kind == MODEL_LAW;
    bool found = thinks && arith_find(a->user_text, a->user_len, &question);
    int64_t value = found ? solve(a, p, &question, h) : 0;

    if (a->wants_json) {
        say_json_value(out, a, found, value);
    } else if (a->tool_result != NULL) {
        buf_addf(out, "The tool answered: %s That is all this simulated model needs to know.",
                 a->tool_result);
    } else if (p->kind == MODEL_ECHOES) {
        buf_add(out, a->user_text, a->user_len);
    } else if (found) {
        say_solution(out, a, &question, value, h);
    } else if (a->images > 0 && p->fault == FAULT_NONE) {
        say_images(out, a);
    } else if (!thinks || p->tokens != 60) {
        say_canonical(out, p->tokens);
    } else {
        buf_adds(out, canned[h % (sizeof(canned) / sizeof(canned[0]))]);
    }
}

/* A completion answers prompt by prompt; echo puts the prompt before the answer. */
static void say_completion(struct buf *out, struct ask *a, const struct plan *p, size_t i,
                           uint64_t h)
{
    const char *prompt = ask_prompt(a, i);

    free(a->user_text);
    a->user_len = strlen(prompt);
    a->user_text = mem_copy(prompt, a->user_len);
    if (a->echo) {
        buf_add(out, prompt, a->user_len);
    }
    say(out, a, p, h);
}

static void cut_at_stop(struct choice *c, const struct ask *a)
{
    size_t end = c->text.len;

    for (size_t i = 0; i < a->n_stops; i++) {
        size_t n = strlen(a->stops[i]);
        char *hit = n > 0 && end > 0 ? memmem(c->text.data, end, a->stops[i], n) : NULL;

        if (hit != NULL) {
            end = (size_t) (hit - c->text.data);
        }
    }
    c->text.len = end;
}

static uint64_t question_hash(const struct ask *a, uint64_t seed)
{
    struct arith question = {0, 0, 0};
    uint64_t h = hash_u64(hash_str(seed, a->model), a->seed);

    if (a->user_len > 0 && arith_find(a->user_text, a->user_len, &question)) {
        return hash_bytes(h, a->user_text + question.from, question.to - question.from);
    }
    return hash_bytes(h, a->user_text, a->user_len);
}

void answer_make(struct reply *r, struct ask *a, const struct plan *p, uint64_t seed,
                 struct solver *solver, struct solved *solved)
{
    uint64_t h;

    if (a->user_text == NULL) {
        a->user_text = mem_copy("", 0);
    }
    *solved = (struct solved) {0, 0, false};
    h = question_hash(a, seed);
    for (size_t i = 0; i < r->n; i++) {
        struct choice *c = &r->choices[i];
        uint64_t own = i == 0 ? h : hash_u64(h, i);

        if (tools_wanted(a, p->fault == FAULT_NO_INDEX)) {
            tools_call(c, a, own);
        } else if (a->is_chat) {
            if (!say_item(&c->text, a, p, i, solver, solved)) {
                say(&c->text, a, p, own);
            }
            cut_at_stop(c, a);
            choice_tokenize(c);
        } else {
            say_completion(&c->text, a, p, i, own);
            cut_at_stop(c, a);
            choice_tokenize(c);
        }
        if (a->max_tokens >= 0) {
            choice_cut(c, (size_t) a->max_tokens);
        }
    }
    r->logprobs = a->logprobs;
    r->include_usage = a->include_usage;
    r->prompt_tokens = a->prompt_tokens;
    reply_count(r);
}
