#include "tests/sim/solve.h"

#include "tests/sim/hash.h"
#include "tests/sim/items.h"
#include "tests/sim/readback.h"
#include "tests/sim/speech.h"

#include <string.h>

void solve_init(struct solver *s, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    law_init(&s->law, seed);
}

/* Bit for bit: NAN is a setting, too. */
static bool is_same(double a, double b)
{
    uint64_t x, y;

    memcpy(&x, &a, sizeof(x));
    memcpy(&y, &b, sizeof(y));
    return x == y;
}

static const struct law_reader *reader_of(struct solver *s, const struct plan *p,
                                          enum law_task task, double temperature)
{
    uint64_t h = hash_u64(hash_str(0, p->law->name), (uint64_t) task);
    struct solve_reader *slot;

    h = hash_bytes(h, &temperature, sizeof(temperature));
    slot = &s->readers[hash_bytes(h, &p->law_accuracy, sizeof(p->law_accuracy)) % SOLVE_READERS];
    if (slot->from != p->law || slot->reader.task != task ||
        !is_same(slot->temperature, temperature) || !is_same(slot->accuracy, p->law_accuracy)) {
        slot->from = p->law;
        slot->model = *p->law;
        slot->temperature = temperature;
        slot->accuracy = p->law_accuracy;
        if (p->law_accuracy >= 0) {
            slot->model.accuracy[task] = p->law_accuracy;
        }
        law_reader_init(&slot->reader, &s->law, &slot->model, task, temperature);
    }
    return &slot->reader;
}

static void say_answer(const struct item *it, const struct law_reader *r, const struct plan *p,
                       const struct readback *rb, uint64_t key, struct buf *out, struct buf *value)
{
    unsigned answer = law_answer(r, it->number, &rb->seen, key);
    const struct buf *text = answer == 0 ? &it->right : &it->wrong[answer - 1];
    struct speech speech = {
        .task = it->task,
        .answer = {text->data, text->len},
        .round = rb->seen.round,
        .candidates = rb->seen.count,
        .persuasive = answer != 0 && p->law->persuasion > 1,
        .words = (double) p->words,
    };

    speech_make(out, &speech, hash_u64(key, 9));
    buf_add(value, text->data, text->len);
}

bool solve_item(struct solver *s, const struct ask *a, const struct plan *p, size_t choice,
                struct buf *out, struct buf *value, struct solved *solved)
{
    struct slice instructions = {a->system_text.data, a->system_text.len};
    struct slice prompt = {a->user_text, a->user_len};
    const struct law_reader *r;
    struct readback rb;
    struct item it;
    enum law_task task;
    uint64_t number;
    uint64_t key;

    if (prompt.n == 0 || !item_find(prompt.p, prompt.n, &task, &number)) {
        return false;
    }
    item_make(&it, task, number);
    readback_read(&rb, instructions, prompt, &it);
    r = reader_of(s, p, task, a->temperature);
    key = law_key(r, number, a->temperature, hash_u64(a->seed, choice), rb.inputs);
    *solved = (struct solved) {rb.seen.count, rb.seen.right, rb.is_select && rb.seen.count > 0};
    if (solved->is_select) {
        buf_addf(value, "%u", law_pick(r, number, &rb.seen, rb.right, key) + 1);
        buf_add(out, value->data, value->len);
    } else {
        say_answer(&it, r, p, &rb, key, out, value);
    }
    item_fini(&it);
    return true;
}
