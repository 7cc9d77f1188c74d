/* The first line is a schema, the rest an answer. A schema is refused with words or judges every answer,
 * twice the same; the answer's JSON in normal form is judged like the answer. */
#include "cache/arena.h"
#include "optimizer/grader.h"
#include "router/answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check(const struct grader *g, struct slice text)
{
    struct grade grade = grader_grade(g, text, NULL, 0);
    struct grade again = grader_grade(g, text, NULL, 0);
    struct arena room;
    must(grade.reason == again.reason && grade.reason != GRADE_NO_MEMORY);
    must(grade.score == (grade.reason == GRADE_RIGHT ? 1.0 : 0.0));
    arena_init(&room, 256, (size_t) 1 << 24);
    struct answer found = answer_extract(answer_visible(text), ANSWER_JSON, &room);
    must((found.kind == ANSWER_AUTO) == (grade.reason == GRADE_NO_ANSWER));
    /* A closing tag inside of a string looks like one whose opening tag was in the prompt. */
    if (found.kind == ANSWER_JSON && slice_eq(answer_visible(found.text), found.text)) {
        must(grader_grade(g, found.text, NULL, 0).reason == grade.reason);
    }
    arena_fini(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    must(copy != NULL);
    memcpy(copy, data, size);
    const char *feed = memchr(copy, '\n', size);
    size_t n = feed != NULL ? (size_t) (feed - copy) : size;
    size_t from = n < size ? n + 1 : n;
    struct grader_pair pairs[] = {{SLICE_LIT("type"), SLICE_LIT("json_schema")},
                                  {SLICE_LIT("schema"), {copy, n}}};
    struct errbuf err = {""};
    struct grader *g = grader_new(pairs, 2, &err);
    must((g == NULL) == (err.text[0] != '\0'));
    if (g != NULL) {
        check(g, (struct slice) {copy + from, size - from});
    }
    grader_free(g);
    free(copy);
    return 0;
}
