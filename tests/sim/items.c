#include "tests/sim/items.h"

#include "tests/sim/hash.h"
#include "tests/sim/items_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MARKER "[[sim:"

/* Not the law's seeds: a question does not depend on who answers it. */
#define ITEMS_KEY UINT64_C(0x6974656d73)

uint64_t dice_below(struct dice *d, uint64_t n)
{
    assert(n > 0);
    return hash_u64(d->key, ++d->drawn) % n;
}

int64_t dice_from(struct dice *d, int64_t low, int64_t high)
{
    return low + (int64_t) dice_below(d, (uint64_t) (high - low + 1));
}

const char *dice_pick(struct dice *d, const char *const *list)
{
    size_t n = 0;

    while (list[n] != NULL) {
        n++;
    }
    return list[dice_below(d, n)];
}

void items_add_wrong(struct item *it, const char *p, size_t n)
{
    bool is_new = it->right.len != n || memcmp(it->right.data, p, n) != 0;

    for (unsigned i = 0; i < it->n_wrong && is_new; i++) {
        is_new = it->wrong[i].len != n || memcmp(it->wrong[i].data, p, n) != 0;
    }
    if (is_new && n > 0 && it->n_wrong < LAW_WRONG_MAX) {
        buf_add(&it->wrong[it->n_wrong++], p, n);
    }
}

const char *item_task_name(enum law_task task)
{
    static const char *const names[LAW_TASKS] = {"math", "facts", "strings"};

    return names[task];
}

void item_make(struct item *it, enum law_task task, uint64_t number)
{
    struct dice d = {hash_u64(hash_u64(ITEMS_KEY, (uint64_t) task), number), 0};

    memset(it, 0, sizeof(*it));
    it->task = task;
    it->number = number;
    switch (task) {
    case LAW_MATH:
        items_math(it, &d);
        break;
    case LAW_FACTS:
        items_facts(it, &d);
        break;
    case LAW_STRINGS:
        items_strings(it, &d);
        break;
    case LAW_TASKS:
        abort();
    }
    buf_addf(&it->text, " " MARKER "%s:%" PRIu64 "]]", item_task_name(task), number);
}

void item_fini(struct item *it)
{
    buf_fini(&it->text);
    buf_fini(&it->right);
    buf_fini(&it->tests);
    for (unsigned i = 0; i < it->n_wrong; i++) {
        buf_fini(&it->wrong[i]);
    }
    memset(it, 0, sizeof(*it));
}

/* What follows the opening of a marker: TASK:NUMBER]]. */
static bool parse_marker(const char *p, size_t n, enum law_task *task, uint64_t *number)
{
    const char *colon = memchr(p, ':', n);
    size_t at;
    uint64_t v = 0;

    if (colon == NULL || !law_task_of(p, (size_t) (colon - p), task)) {
        return false;
    }
    at = (size_t) (colon - p) + 1;
    if (at >= n || p[at] < '0' || p[at] > '9') {
        return false;
    }
    for (; at < n && p[at] >= '0' && p[at] <= '9'; at++) {
        if (v > (UINT64_MAX - 9) / 10) {
            return false;
        }
        v = v * 10 + (uint64_t) (p[at] - '0');
    }
    *number = v;
    return n - at >= 2 && p[at] == ']' && p[at + 1] == ']';
}

bool item_find(const char *text, size_t n, enum law_task *task, uint64_t *number)
{
    const size_t opening = strlen(MARKER);
    const char *end = text + n;

    while (n > 0) {
        const char *at = memmem(text, n, MARKER, opening);

        if (at == NULL) {
            return false;
        }
        text = at + opening;
        n = (size_t) (end - text);
        if (parse_marker(text, n, task, number)) {
            return true;
        }
    }
    return false;
}

void item_json(const struct item *it, struct buf *out)
{
    const char *task = item_task_name(it->task);

    buf_addf(out,
             "{\"id\": \"%s-%" PRIu64 "\", \"input\": [{\"role\": \"user\", \"content\": ", task,
             it->number);
    buf_add_json(out, it->text.data, it->text.len);
    buf_adds(out, "}], \"ideal\": ");
    buf_add_json(out, it->right.data, it->right.len);
    buf_addf(out, ", \"task\": \"%s\"", task);
    if (it->tests.len > 0) {
        buf_adds(out, ", \"tests\": ");
        buf_add(out, it->tests.data, it->tests.len);
    }
    buf_adds(out, "}\n");
}

int items_write(FILE *f, enum law_task task, uint64_t count, uint64_t seed)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        struct buf line = {0};
        struct item it;

        item_make(&it, task, seed * ITEMS_PER_SEED + i);
        item_json(&it, &line);
        rc = fwrite(line.data, 1, line.len, f) == line.len ? 0 : -1;
        buf_fini(&line);
        item_fini(&it);
    }
    return fflush(f) == 0 ? rc : -1;
}
