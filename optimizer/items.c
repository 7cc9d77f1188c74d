#include "optimizer/items_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 16384, FIRST_ROOM_BYTES = 4096, NAMES_AT_FIRST = 256 };

const char *items_split_name(enum items_split split)
{
    static const char *const names[ITEMS_SPLITS] = {
        [ITEMS_SEARCH] = "search", [ITEMS_GATE] = "gate", [ITEMS_AUDIT] = "audit"};
    return names[split];
}

bool items_split_of(struct slice name, enum items_split *out)
{
    for (int i = 0; i < ITEMS_SPLITS; i++) {
        if (slice_eq_text(name, items_split_name((enum items_split) i))) {
            *out = (enum items_split) i;
            return true;
        }
    }
    return false;
}

/* By the high half, as the low one may seed what is drawn for the item. */
enum items_split items_split_at(uint64_t hash)
{
    unsigned percent = (unsigned) ((hash >> 32) * 100 >> 32);
    return percent < 60 ? ITEMS_SEARCH : percent < 90 ? ITEMS_GATE : ITEMS_AUDIT;
}

struct reqbody *items_body(const struct eval_item *item, struct slice model)
{
    static const char head[] = "{\"model\":\"", middle[] = "\",\"messages\":";
    size_t name = span_escaped_length(model);
    size_t n = sizeof(head) - 1 + name + sizeof(middle) - 1 + item->messages.n + 1;
    struct reqbody *body = reqbody_new(n);
    if (body == NULL) {
        return NULL;
    }
    char *at = body->bytes;
    memcpy(at, head, sizeof(head) - 1);
    at += sizeof(head) - 1;
    at += span_escape(model, at, name);
    memcpy(at, middle, sizeof(middle) - 1);
    at += sizeof(middle) - 1;
    memcpy(at, item->messages.p, item->messages.n);
    at[item->messages.n] = '}';
    body->length = n;
    return body;
}

/* ---- names that were there already ---- */

/* Open addressing, at most half full; 0 is no name. */
static bool names_grow(struct items_names *names)
{
    size_t room = names->room > 0 ? names->room * 2 : NAMES_AT_FIRST;
    uint64_t *all = calloc(room, sizeof(*all));
    if (all == NULL) {
        return false;
    }
    for (size_t i = 0; i < names->room; i++) {
        size_t at = (size_t) names->all[i] & (room - 1);
        while (names->all[i] != 0 && all[at] != 0) {
            at = (at + 1) & (room - 1);
        }
        if (names->all[i] != 0) {
            all[at] = names->all[i];
        }
    }
    free(names->all);
    names->all = all;
    names->room = room;
    return true;
}

enum err items_names_add(struct items_names *names, uint64_t hash)
{
    if (names->count * 2 >= names->room && !names_grow(names)) {
        return ERR_NOMEM;
    }
    size_t at = (size_t) hash & (names->room - 1);
    for (; names->all[at] != 0; at = (at + 1) & (names->room - 1)) {
        if (names->all[at] == hash) {
            return ERR_INPUT;
        }
    }
    names->all[at] = hash;
    names->count++;
    return ERR_NONE;
}

/* ---- the set ---- */

static void note(struct items *s, uint64_t line, bool is_bad, const char *text)
{
    /* Which lines are bad is more than which items run as one call. */
    size_t at = s->note_count;
    if (at == ITEMS_NOTES_MAX && is_bad) {
        while (at > 0 && s->notes[at - 1].is_bad) {
            at--;
        }
        if (at == 0) {
            return;
        }
        memmove(&s->notes[at - 1], &s->notes[at], (ITEMS_NOTES_MAX - at) * sizeof(s->notes[0]));
        at = ITEMS_NOTES_MAX - 1;
    } else if (at == ITEMS_NOTES_MAX) {
        return;
    } else {
        s->note_count++;
    }
    s->notes[at].line = line;
    s->notes[at].is_bad = is_bad;
    size_t n = strlen(text);
    n = n < sizeof(s->notes[at].text) ? n : sizeof(s->notes[at].text) - 1;
    memcpy(s->notes[at].text, text, n);
    s->notes[at].text[n] = '\0';
}

static enum err append(struct items_keep *k, const struct eval_item *item)
{
    struct items *s = &k->items;
    if (s->count == k->room) {
        size_t room = k->room > 0 ? k->room * 2 : 64;
        struct eval_item *all = room <= SIZE_MAX / sizeof(*all)
                                    ? realloc(s->all, room * sizeof(*all))
                                    : NULL;
        if (all == NULL) {
            return ERR_NOMEM;
        }
        s->all = all;
        k->room = room;
    }
    s->all[s->count++] = *item;
    return ERR_NONE;
}

static const char *force_text(enum items_force force)
{
    static const char *const texts[ITEMS_FORCES] = {
        [ITEMS_FREE] = "",
        [ITEMS_LAST_ROLE] = "runs as one call: its last message is not the user's",
        [ITEMS_IMAGES] = "runs as one call where a model of the graph sees no images",
        [ITEMS_AUDIO] = "runs as one call where a model of the graph hears no audio"};
    return texts[force];
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* ERR_INPUT stays here: a bad line is a note. */
static enum err take_line(struct items_keep *k, struct slice line, const char *too_long)
{
    struct eval_item item = {.line = k->line};
    struct errbuf why = {""};
    enum err rc;

    if (too_long == NULL && is_blank(line)) {
        return ERR_NONE;
    }
    rc = too_long != NULL ? err_set(&why, ERR_INPUT, "%s", too_long)
                          : items_line(k, line, &item, &why);
    if (rc == ERR_INPUT) {
        k->items.bad_lines++;
        note(&k->items, k->line, true, why.text);
        return ERR_NONE;
    }
    if (rc != ERR_NONE) {
        return rc;
    }
    k->items.split_counts[item.split]++;
    if (item.force != ITEMS_FREE) {
        k->items.forced++;
        note(&k->items, k->line, false, force_text(item.force));
    }
    if ((k->options.splits >> item.split & 1) == 0) {
        grader_free(item.grader);
        return ERR_NONE;
    }
    rc = append(k, &item);
    if (rc != ERR_NONE) {
        grader_free(item.grader);
    }
    return rc;
}

/* ---- the file ---- */

struct reader {
    struct items_keep *keep;
    char *line; /* ITEMS_LINE_BYTES_MAX */
    size_t n;
    bool is_over; /* the line is longer; the rest is not looked at */
};

static void add_bytes(struct reader *r, const char *p, size_t n)
{
    if (n > ITEMS_LINE_BYTES_MAX - r->n) {
        r->is_over = true;
    } else if (!r->is_over) {
        memcpy(r->line + r->n, p, n);
        r->n += n;
    }
}

static enum err end_line(struct reader *r)
{
    struct slice line = {r->line, r->n};
    struct items_keep *k = r->keep;
    k->line++;
    if (k->line == 1 && slice_starts(line, "\xEF\xBB\xBF")) {
        line = (struct slice) {line.p + 3, line.n - 3}; /* a byte order mark */
    }
    enum err rc = take_line(k, line, r->is_over ? "is longer than a mebibyte" : NULL);
    r->n = 0;
    r->is_over = false;
    return rc;
}

static enum err take_bytes(struct reader *r, const char *p, size_t n)
{
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE && n > 0) {
        const char *feed = memchr(p, '\n', n);
        size_t part = feed != NULL ? (size_t) (feed - p) : n;
        add_bytes(r, p, part);
        if (feed == NULL) {
            break;
        }
        rc = end_line(r);
        p += part + 1;
        n -= part + 1;
    }
    return rc;
}

static enum err read_all(struct reader *r, int fd, const char *path, struct errbuf *err)
{
    char bytes[READ_BYTES];
    enum err rc = ERR_NONE;
    while (rc == ERR_NONE) {
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n == 0) {
            break;
        }
        if (n > 0) {
            rc = take_bytes(r, bytes, (size_t) n);
        } else if (errno != EINTR) {
            return err_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        }
    }
    if (rc == ERR_NONE && (r->n > 0 || r->is_over)) {
        rc = end_line(r);
    }
    if (rc == ERR_LIMIT) {
        return err_set(err, rc, "%s: line %" PRIu64 ": the items kept are over %zu bytes", path,
                       r->keep->line, r->keep->options.bytes_max);
    }
    return rc == ERR_NONE ? rc : err_set(err, rc, "%s: no memory for its items", path);
}

static enum err open_file(const char *path, int *fd, struct errbuf *err)
{
    struct stat st;
    /* O_NONBLOCK: opening a pipe would wait for its writer. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd == -1 || fstat(*fd, &st) == -1) {
        return err_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    }
    return S_ISREG(st.st_mode) ? ERR_NONE : err_set(err, ERR_IO, "%s: is no regular file", path);
}

/* A file whose every line is bad is not one of items. */
static enum err check_any(const struct items *s, const char *path, struct errbuf *err)
{
    for (int i = 0; i < ITEMS_SPLITS; i++) {
        if (s->split_counts[i] > 0) {
            return ERR_NONE;
        }
    }
    if (s->note_count == 0) {
        return err_set(err, ERR_INPUT, "%s: there is no item in it", path);
    }
    return err_set(err, ERR_INPUT, "%s: no item in it; line %" PRIu64 ": %s", path,
                   s->notes[0].line, s->notes[0].text);
}

enum err items_load(const char *path, const struct items_options *options, struct items **out,
                    struct errbuf *err)
{
    struct items_keep *k = x_alloc(sizeof(*k));
    struct reader reader = {.keep = k};
    int fd = -1;
    enum err rc;

    *out = NULL;
    k->options = *options;
    k->items.keep = k;
    arena_init(&k->texts, FIRST_ROOM_BYTES, options->bytes_max);
    rc = open_file(path, &fd, err);
    if (rc == ERR_NONE) {
        reader.line = malloc(ITEMS_LINE_BYTES_MAX);
        rc = reader.line != NULL ? read_all(&reader, fd, path, err)
                                 : err_set(err, ERR_NOMEM, "%s: no memory for a line", path);
    }
    if (rc == ERR_NONE) {
        rc = check_any(&k->items, path, err);
    }
    if (fd != -1) {
        close(fd);
    }
    free(reader.line);
    free(k->names.all);
    k->names = (struct items_names) {NULL, 0, 0};
    if (rc == ERR_NONE) {
        *out = &k->items;
    } else {
        items_free(&k->items);
    }
    return rc;
}

void items_free(struct items *all)
{
    if (all == NULL) {
        return;
    }
    struct items_keep *k = all->keep;
    for (size_t i = 0; i < all->count; i++) {
        grader_free(all->all[i].grader);
    }
    free(all->all);
    arena_fini(&k->texts);
    free(k);
}
