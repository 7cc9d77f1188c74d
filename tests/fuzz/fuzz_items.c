/* Any file of items loads or is refused with words; what is loaded is within what its header promises:
 * every item makes a request that is understood, and loading again gives the same. The first byte says
 * which splits are kept. */
#include "cache/arena.h"
#include "optimizer/items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_item(const struct eval_item *item)
{
    struct reqbody *body = items_body(item, SLICE_LIT("m\"\n"));
    struct request request = {0};
    const char *param = NULL;
    struct arena room;
    must(body != NULL && item->ideal_count <= ITEMS_IDEALS_MAX && item->hash != 0);
    arena_init(&room, 256, 1 << 20);
    must(request_parse(&request, ENDPOINT_CHAT, body, &room, &param, NULL) == ERR_NONE);
    request_fini(&request);
    arena_fini(&room);
}

static void check_items(const struct items *s, unsigned splits)
{
    must(s->note_count <= ITEMS_NOTES_MAX);
    must(s->note_count == ITEMS_NOTES_MAX || s->note_count == s->bad_lines + s->forced);
    for (size_t i = 0; i < s->count; i++) {
        must((splits >> s->all[i].split & 1) != 0);
        must(i == 0 || s->all[i].line > s->all[i - 1].line);
        check_item(&s->all[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct install_key key = {{1}};
    if (size == 0) {
        return 0;
    }
    struct items_options options = {&key, data[0], NULL, (size_t) 1 << 24};
    struct items *a = NULL, *b = NULL;
    struct errbuf err = {""};
    char path[40];
    int fd = memfd_create("items", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t) (size - 1));
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    enum err rc = items_load(path, &options, &a, &err);
    must((rc == ERR_NONE) == (a != NULL) && (rc == ERR_NONE || err.text[0] != '\0'));
    must(items_load(path, &options, &b, &err) == rc);
    if (a != NULL) {
        check_items(a, options.splits);
        must(a->count == b->count && a->bad_lines == b->bad_lines);
        for (size_t i = 0; i < a->count; i++) {
            must(a->all[i].hash == b->all[i].hash);
        }
    }
    items_free(a);
    items_free(b);
    close(fd);
    return 0;
}
