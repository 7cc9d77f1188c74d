/* Ids of any text: only what is made under the key may pass, and what passes says the same when it is
 * made again. The first byte chooses between the text as it is and an id made of its bytes with one
 * place changed. */
#include "gateway/ident.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct install_key key = {{'f', 'u', 'z', 'z'}};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_text(struct slice text)
{
    struct ident id;
    char again[RECORD_ID_BYTES];
    if (ident_check(&key, text, &id) != ERR_NONE) {
        return;
    }
    struct ident_maker m;
    ident_maker_init(&m, &key, id.boot, id.front);
    m.sequence = id.sequence;
    ident_make(&m, (int64_t) (id.wall_ms * 1000), id.key_tag, id.task_tag, again);
    must(text.n >= IDENT_TEXT && memcmp(text.p + text.n - IDENT_TEXT, again, IDENT_TEXT) == 0);
}

struct facts {
    int64_t wall_us;
    uint32_t key_tag;
    uint32_t task_tag;
    uint32_t boot;
    uint32_t sequence;
    uint8_t front;
    uint8_t place;
    char changed;
};

static void check_made(const uint8_t *data, size_t size)
{
    struct facts f;
    struct ident_maker m;
    struct ident id;
    char text[RECORD_ID_BYTES];
    memset(&f, 0, sizeof(f));
    memcpy(&f, data, size < sizeof(f) ? size : sizeof(f));
    ident_maker_init(&m, &key, f.boot, f.front);
    m.sequence = f.sequence & 0xffffff;
    ident_make(&m, f.wall_us, f.key_tag, f.task_tag, text);
    must(ident_check(&key, slice_of(text), &id) == ERR_NONE);
    must(id.key_tag == f.key_tag && id.task_tag == f.task_tag && id.boot == f.boot);
    must(id.front == f.front && id.sequence == (f.sequence & 0xffffff));
    char *place = &text[f.place % IDENT_TEXT];
    if (*place != f.changed) {
        *place = f.changed;
        must(ident_check(&key, (struct slice) {text, IDENT_TEXT}, &id) == ERR_INPUT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 0) {
        check_made(data + 1, size - 1);
    } else {
        check_text((struct slice) {(const char *) data, size});
    }
    return 0;
}
