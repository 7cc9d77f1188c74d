#include "router/turns.h"

#include <utlist.h>

static struct turn *line_of(const struct turns *q, uint32_t key)
{
    struct turn *line = q->first;
    while (line && line->key != key) {
        line = line->next_key;
    }
    return line;
}

void turns_add(struct turns *q, struct turn *t, uint32_t key)
{
    struct turn *line = line_of(q, key);
    t->key = key;
    bool is_new = !line;
    DL_APPEND(line, t);
    if (is_new) {
        DL_APPEND2(q->first, t, prev_key, next_key);
    }
    q->count++;
}

struct turn *turns_take(struct turns *q)
{
    struct turn *t = q->first;
    if (t) {
        struct turn *rest = t;
        DL_DELETE2(q->first, t, prev_key, next_key);
        DL_DELETE(rest, t);
        if (rest) {
            DL_APPEND2(q->first, rest, prev_key, next_key);
        }
        q->count--;
    }
    return t;
}

void turns_remove(struct turns *q, struct turn *t)
{
    struct turn *line = line_of(q, t->key);
    struct turn *rest = line;
    DL_DELETE(rest, t);
    if (line == t) {
        if (rest) {
            DL_APPEND_ELEM2(q->first, t, rest, prev_key, next_key);
        }
        DL_DELETE2(q->first, t, prev_key, next_key);
    }
    q->count--;
}
