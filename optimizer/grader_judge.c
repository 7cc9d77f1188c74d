/* One answer against its ideals, and the kinds that are a comparison of what `answer` extracts. */
#include "optimizer/grader_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cache/span.h"
#include "router/answer_parts.h"

/* Room for what extracting and sorting need, per byte of the texts. */
enum { ROOM_PER_BYTE = 64, ROOM_LEAST = 65536 };

const char *grade_reason_name(enum grade_reason reason)
{
    static const char *const names[GRADE_REASONS] = {
        [GRADE_RIGHT] = "right",         [GRADE_PARTLY] = "partly right",
        [GRADE_WRONG] = "wrong",         [GRADE_NO_ANSWER] = "no answer",
        [GRADE_NO_IDEAL] = "no ideal",   [GRADE_TOO_LONG] = "too long",
        [GRADE_NO_MEMORY] = "no memory",
    };
    return names[reason];
}

/* ---- kinds ---- */

static struct grade compare(const struct answer *found, const struct answer *wanted)
{
    if (wanted->kind == ANSWER_AUTO) {
        return grader_none(GRADE_NO_IDEAL);
    }
    if (found->kind == ANSWER_AUTO) {
        return grader_none(GRADE_NO_ANSWER);
    }
    return grader_verdict(answer_equal(found, wanted));
}

static struct grade extracted(struct slice text, struct slice ideal, enum answer_kind kind,
                              struct arena *room)
{
    struct answer found = answer_extract(text, kind, room);
    struct answer wanted = answer_extract(ideal, kind, room);
    return compare(&found, &wanted);
}

/* Of a normal form: a decimal or a fraction. */
static bool value_of(struct slice number, double *out)
{
    const char *slash = memchr(number.p, '/', number.n);
    size_t n = slash != NULL ? (size_t) (slash - number.p) : number.n;
    struct span_value top = {.type = SPAN_NUMBER, .text = {number.p, n}};
    double divisor = 1.0;
    if (slash != NULL) {
        struct span_value bottom = {.type = SPAN_NUMBER,
                                    .text = answer_sub(number, n + 1, number.n)};
        if (!span_to_double(&bottom, &divisor) || divisor == 0.0) {
            return false;
        }
    }
    /* A mixed number too long to compute with has a blank in it. */
    if (memchr(number.p, ' ', number.n) != NULL || !span_to_double(&top, out)) {
        return false;
    }
    *out /= divisor;
    return true;
}

static struct grade numeric(const struct grader *g, struct slice text, struct slice ideal,
                            struct arena *room)
{
    struct answer found = answer_extract(text, ANSWER_NUMBER, room);
    struct answer wanted = answer_extract(ideal, ANSWER_NUMBER, room);
    struct grade grade = compare(&found, &wanted);
    double a, b;
    if (grade.reason != GRADE_WRONG || !value_of(found.text, &a) || !value_of(wanted.text, &b)) {
        return grade;
    }
    double tolerance = fmax(g->values[GRADER_AT_ABSOLUTE], g->values[GRADER_AT_RELATIVE] * fabs(b));
    if (tolerance > 0.0) {
        /* 0.51 is within 0.01 of 0.5, though not in binary. */
        tolerance += 4.0 * DBL_EPSILON * fmax(fabs(a), fabs(b));
    }
    return grader_verdict(tolerance > 0.0 && fabs(a - b) <= tolerance);
}

static bool is_balanced(struct slice tex)
{
    size_t depth = 0;
    for (size_t i = 0; i < tex.n; i++) {
        if (tex.p[i] == '\\') {
            i++;
        } else if (tex.p[i] == '{') {
            depth++;
        } else if (tex.p[i] == '}' && depth-- == 0) {
            return false;
        }
    }
    return depth == 0;
}

/* An ideal is a whole solution with a box in it, or what belongs into the box. */
static struct grade boxed(struct slice text, struct slice ideal, struct arena *room)
{
    struct answer found = answer_extract(text, ANSWER_BOXED, room);
    struct answer wanted = answer_extract(ideal, ANSWER_BOXED, room);
    if (wanted.kind == ANSWER_AUTO && is_balanced(ideal)) {
        struct answer_buffer b = {.room = room};
        answer_put(&b, SLICE_LIT("\\boxed{"));
        answer_put(&b, ideal);
        answer_put(&b, SLICE_LIT("}"));
        wanted = b.is_short ? wanted : answer_extract(answer_written(&b), ANSWER_BOXED, room);
    }
    return compare(&found, &wanted);
}

static struct grade string_check(const struct grader *g, struct slice text, struct slice ideal,
                                 struct arena *room)
{
    enum grader_operation operation = (enum grader_operation)(int) g->values[GRADER_AT_OPERATION];
    switch (operation) {
    case GRADER_EQ:
    case GRADER_NE: /* turned round when all ideals are compared */
        return grader_verdict(slice_eq(text, ideal));
    case GRADER_LIKE:
        return grader_contains(text, ideal, false, false, false, room);
    case GRADER_ILIKE:
        return grader_contains(text, ideal, false, true, false, room);
    }
    return grader_none(GRADE_NO_IDEAL);
}

static struct grade judge(const struct grader *g, struct slice text, struct slice ideal,
                          struct arena *room)
{
    bool ignore_case = g->values[GRADER_AT_IGNORE_CASE] > 0.0;
    bool whole_words = g->values[GRADER_AT_WHOLE_WORDS] > 0.0;
    switch (g->kind) {
    case GRADER_EXACT:
        return grader_verdict(slice_eq(text, ideal));
    case GRADER_NORMALISED:
        return grader_normalised(text, ideal, room);
    case GRADER_INCLUDES:
        return grader_contains(text, ideal, false, ignore_case, whole_words, room);
    case GRADER_STARTSWITH:
        return grader_contains(text, ideal, true, ignore_case, whole_words, room);
    case GRADER_REGEX:
        return grader_regex(g, text, ideal, room);
    case GRADER_NUMERIC:
        return numeric(g, text, ideal, room);
    case GRADER_CHOICE:
        return extracted(text, ideal, ANSWER_CHOICE, room);
    case GRADER_BOXED:
        return boxed(text, ideal, room);
    case GRADER_JSON:
        return extracted(text, ideal, ANSWER_JSON, room);
    case GRADER_JSON_SCHEMA:
        return grader_schema(g->schema, text, room);
    case GRADER_STRING_CHECK:
        return string_check(g, text, ideal, room);
    case GRADER_TEXT_SIMILARITY:
        return grader_similar(g, text, ideal);
    }
    return grader_none(GRADE_NO_IDEAL);
}

/* ---- all ideals ---- */

static struct grade judge_alone(const struct grader *g, struct slice text, struct slice ideal)
{
    struct arena room;
    arena_init(&room, 4096, (text.n + ideal.n) * ROOM_PER_BYTE + ROOM_LEAST);
    struct grade grade = judge(g, text, ideal, &room);
    if (arena_is_sour(&room)) {
        grade = grader_none(GRADE_NO_MEMORY);
    }
    arena_fini(&room);
    return grade;
}

/* What a score of 0 says best about an answer, the least first. */
static int weight(enum grade_reason reason)
{
    static const int weights[GRADE_REASONS] = {
        [GRADE_NO_IDEAL] = 0, [GRADE_TOO_LONG] = 1, [GRADE_NO_ANSWER] = 2, [GRADE_WRONG] = 3,
        [GRADE_PARTLY] = 4,   [GRADE_RIGHT] = 5,    [GRADE_NO_MEMORY] = 6,
    };
    return weights[reason];
}

static bool is_better(struct grade a, struct grade b)
{
    int x = weight(a.reason), y = weight(b.reason);
    return x > y || (x == y && a.score > b.score);
}

static struct grade judge_best(const struct grader *g, struct slice text,
                               const struct slice ideals[], size_t count)
{
    struct grade best = grader_none(GRADE_NO_IDEAL);
    for (size_t i = 0; i < count && best.reason != GRADE_RIGHT; i++) {
        struct slice ideal = answer_trim(ideals[i]);
        if (ideal.n > GRADER_TEXT_BYTES_MAX) {
            continue;
        }
        struct grade grade = ideal.n > 0 ? judge_alone(g, text, ideal) : best;
        best = is_better(grade, best) ? grade : best;
    }
    return best;
}

struct grade grader_grade(const struct grader *g, struct slice answer, const struct slice ideals[],
                          size_t count)
{
    bool is_ne = g->kind == GRADER_STRING_CHECK &&
                 (enum grader_operation)(int) g->values[GRADER_AT_OPERATION] == GRADER_NE;
    if (answer.n > GRADER_TEXT_BYTES_MAX) {
        return grader_none(GRADE_TOO_LONG);
    }
    struct slice text = answer_visible(answer);
    if (text.n == 0) {
        return grader_none(GRADE_NO_ANSWER);
    }
    if (!grader_needs_ideal(g)) {
        return judge_alone(g, text, SLICE_NONE);
    }
    struct grade grade = judge_best(g, text, ideals, count);
    if (is_ne && (grade.reason == GRADE_RIGHT || grade.reason == GRADE_WRONG)) {
        return grader_verdict(grade.reason == GRADE_WRONG);
    }
    return grade;
}
