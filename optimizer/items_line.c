/* One line of a file of items: checked whole in memory of its own, then copied if it is wanted. */
#include "optimizer/items_private.h"

#include <string.h>

#include "router/answer.h"
#include "router/request_facts.h"

enum { MEMBERS = 6, ROOM_PER_BYTE = 96, ROOM_LEAST = 65536, WORDS_ABOUT_MESSAGES = 120 };

enum { AT_INPUT, AT_IDEAL, AT_ID, AT_TASK, AT_TESTS, AT_GRADER };

static const char *const names[MEMBERS] = {"input", "ideal", "id", "task", "tests", "grader"};

static struct slice decoded(struct slice string, struct arena *room)
{
    size_t n = span_decode(string, NULL, 0);
    char *text = arena_alloc(room, n + 1);
    if (text == NULL) {
        return SLICE_NONE;
    }
    span_decode(string, text, n);
    return (struct slice) {text, n};
}

static struct slice joined(struct slice a, struct slice b, struct slice c, struct arena *room)
{
    char *text = arena_alloc(room, a.n + b.n + c.n + 1);
    if (text == NULL) {
        return SLICE_NONE;
    }
    memcpy(text, a.p, a.n);
    memcpy(text + a.n, b.p, b.n);
    if (c.n > 0) {
        memcpy(text + a.n + b.n, c.p, c.n);
    }
    return (struct slice) {text, a.n + b.n + c.n};
}

/* ---- members ---- */

static enum err read_input(const struct span_value *v, struct eval_item *item, struct arena *room,
                           struct errbuf *why)
{
    if (v->type == SPAN_ARRAY) {
        item->messages = v->text;
    } else if (v->type == SPAN_STRING && v->text.n > 2) {
        item->messages = joined(SLICE_LIT("[{\"role\":\"user\",\"content\":"), v->text,
                                SLICE_LIT("}]"), room);
    } else {
        return err_set(why, ERR_INPUT, "input: expected a text or an array of messages%s",
                       v->type == SPAN_ABSENT ? ", there is none" : "");
    }
    return ERR_NONE;
}

static enum err add_ideal(const struct span_value *v, struct slice ideals[], size_t *count,
                          struct arena *room, struct errbuf *why)
{
    if (v->type != SPAN_STRING) {
        return err_set(why, ERR_INPUT, "ideal: expected a text or a list of texts");
    }
    if (*count == ITEMS_IDEALS_MAX) {
        return err_set(why, ERR_INPUT, "ideal: more than %d texts", ITEMS_IDEALS_MAX);
    }
    ideals[*count] = decoded(v->text, room);
    for (size_t i = 0; i < ideals[*count].n; i++) {
        if (!memchr(" \t\n\v\f\r", ideals[*count].p[i], 6)) {
            *count += 1;
            return ERR_NONE;
        }
    }
    return err_set(why, ERR_INPUT, "ideal: an empty text, which is in every answer");
}

static enum err read_ideals(const struct span_value *v, struct eval_item *item, struct arena *room,
                            struct errbuf *why)
{
    struct slice *ideals = arena_array(room, ITEMS_IDEALS_MAX, sizeof(*ideals));
    struct span_cursor cursor = {0};
    struct span_value each;
    struct slice key;
    enum err rc = ERR_NONE;
    item->ideals = ideals;
    if (ideals == NULL) {
        return ERR_NOMEM;
    }
    if (v->type != SPAN_ARRAY) {
        return v->type == SPAN_ABSENT ? ERR_NONE
                                      : add_ideal(v, ideals, &item->ideal_count, room, why);
    }
    while (rc == ERR_NONE && span_next(v->text, &cursor, &key, &each)) {
        rc = add_ideal(&each, ideals, &item->ideal_count, room, why);
    }
    return rc;
}

/* Absent is SLICE_NONE. */
static enum err read_text(const struct span_value *v, const char *name, struct slice *out,
                          struct arena *room, struct errbuf *why)
{
    bool is_there = v->type == SPAN_STRING && v->text.n > 2;
    if (v->type != SPAN_ABSENT && !is_there) {
        return err_set(why, ERR_INPUT, "%s: expected a text that is not empty", name);
    }
    *out = is_there ? decoded(v->text, room) : SLICE_NONE;
    return ERR_NONE;
}

/* Ids are numbers in many files; 7 and "7" are one. */
static enum err read_id(const struct span_value *v, struct slice *out, struct arena *room,
                        struct errbuf *why)
{
    if (v->type == SPAN_NUMBER) {
        *out = v->text;
        return ERR_NONE;
    }
    return read_text(v, "id", out, room, why);
}

static enum err read_grader(const struct span_value *v, const struct items_options *options,
                            struct eval_item *item, struct errbuf *why)
{
    struct errbuf words = {""};
    if (v->type != SPAN_ABSENT && v->type != SPAN_OBJECT) {
        return err_set(why, ERR_INPUT, "grader: expected an object");
    }
    if (v->type == SPAN_OBJECT) {
        item->grader = grader_of_json(v->text, &words);
        if (item->grader == NULL) {
            return err_set(why, ERR_INPUT, "grader: %s", words.text);
        }
    }
    const struct grader *g = item->grader != NULL ? item->grader : options->grader;
    if (item->ideal_count == 0 && (g == NULL || grader_needs_ideal(g))) {
        return err_set(why, ERR_INPUT, "ideal: there is none, and the grader needs one");
    }
    return ERR_NONE;
}

/* ---- the request that it makes ---- */

static enum items_force force_of(const struct request_facts *facts)
{
    return facts->last_role != REQUEST_ROLE_USER ? ITEMS_LAST_ROLE
           : facts->has_images                   ? ITEMS_IMAGES
           : facts->has_audio                    ? ITEMS_AUDIO
                                                 : ITEMS_FREE;
}

static enum err read_facts(struct eval_item *item, struct arena *room, struct errbuf *why)
{
    struct reqbody *body = items_body(item, SLICE_LIT("m"));
    struct request_facts facts = {0};
    struct request request = {0};
    struct errbuf words = {""};
    const char *param = NULL;
    enum err rc;

    if (body == NULL) {
        return ERR_NOMEM;
    }
    rc = request_parse(&request, ENDPOINT_CHAT, body, room, &param, &words);
    if (rc == ERR_NONE) {
        request_facts(&request, &facts);
        item->force = force_of(&facts);
        if (facts.last_role == REQUEST_ROLE_NONE) {
            rc = err_set(why, ERR_INPUT, "input: the last message has no role");
        }
    } else if (rc == ERR_INPUT) {
        rc = err_set(why, rc, "input: %.*s", WORDS_ABOUT_MESSAGES, words.text);
    }
    request_fini(&request);
    return rc;
}

/* ---- its name ---- */

/* Messages by value, not by spelling, so that a file written anew keeps its splits. */
static enum err read_hash(const struct items_options *options, struct eval_item *item,
                          struct arena *room)
{
    unsigned char mac[SHA256_BYTES];
    struct slice name = item->id, prefix = SLICE_LIT("item-id:");
    if (name.p == NULL) {
        prefix = SLICE_LIT("item-input:");
        name = answer_extract(item->messages, ANSWER_JSON, room).text;
    }
    struct slice text = name.n > 0 ? joined(prefix, name, SLICE_NONE, room) : SLICE_NONE;
    if (text.p == NULL) {
        return ERR_NOMEM;
    }
    crypt_hmac(options->key, text, mac);
    for (size_t i = 0; i < sizeof(item->hash); i++) {
        item->hash = item->hash << 8 | mac[i];
    }
    item->hash += item->hash == 0 ? 1 : 0; /* 0 is nobody's */
    item->split = items_split_at(item->hash);
    return ERR_NONE;
}

/* ---- the whole ---- */

static enum err read_members(const struct items_options *options, struct slice line,
                             struct eval_item *item, struct arena *room, struct errbuf *why)
{
    struct span_value v[MEMBERS];
    struct span_error error;
    enum err rc = span_object(line, names, MEMBERS, v, &error);
    if (rc != ERR_NONE) {
        return err_set(why, ERR_INPUT, "byte %zu: %s", error.offset + 1, error.what);
    }
    rc = read_input(&v[AT_INPUT], item, room, why);
    if (rc == ERR_NONE) {
        rc = read_ideals(&v[AT_IDEAL], item, room, why);
    }
    if (rc == ERR_NONE) {
        rc = read_id(&v[AT_ID], &item->id, room, why);
    }
    if (rc == ERR_NONE) {
        rc = read_text(&v[AT_TASK], "task", &item->task, room, why);
    }
    if (rc == ERR_NONE) {
        rc = read_text(&v[AT_TESTS], "tests", &item->tests, room, why);
    }
    if (rc == ERR_NONE) {
        rc = read_facts(item, room, why);
    }
    if (rc == ERR_NONE) {
        rc = read_hash(options, item, room);
    }
    return rc == ERR_NONE ? read_grader(&v[AT_GRADER], options, item, why) : rc;
}

static struct slice kept(struct slice s, struct arena *texts)
{
    return s.p != NULL ? arena_dup_slice(texts, s) : SLICE_NONE;
}

static enum err keep(struct items_keep *k, const struct eval_item *from, struct eval_item *out)
{
    struct slice *ideals = arena_array(&k->texts, from->ideal_count, sizeof(*ideals));
    *out = *from;
    out->id = kept(from->id, &k->texts);
    out->task = kept(from->task, &k->texts);
    out->tests = kept(from->tests, &k->texts);
    out->messages = kept(from->messages, &k->texts);
    for (size_t i = 0; ideals != NULL && i < from->ideal_count; i++) {
        ideals[i] = arena_dup_slice(&k->texts, from->ideals[i]);
    }
    out->ideals = ideals;
    return arena_is_sour(&k->texts) ? ERR_LIMIT : ERR_NONE;
}

enum err items_line(struct items_keep *k, struct slice line, struct eval_item *out,
                    struct errbuf *why)
{
    struct eval_item item = *out;
    struct arena room;
    enum err rc;

    arena_init(&room, 4096, line.n * ROOM_PER_BYTE + ROOM_LEAST);
    rc = read_members(&k->options, line, &item, &room, why);
    if (arena_is_sour(&room)) {
        rc = ERR_NOMEM;
    }
    if (rc == ERR_NONE) {
        rc = items_names_add(&k->names, item.hash);
        if (rc == ERR_INPUT) {
            err_set(why, rc, "has the %s of an earlier line", item.id.p != NULL ? "id" : "input");
        }
    }
    if (rc == ERR_NONE && (k->options.splits >> item.split & 1) != 0) {
        rc = keep(k, &item, out);
        out->grader = item.grader;
    } else if (rc == ERR_NONE) {
        out->split = item.split;
        out->force = item.force;
        out->grader = item.grader;
    }
    if (rc != ERR_NONE) {
        grader_free(item.grader);
        out->grader = NULL;
    }
    arena_fini(&room);
    return rc;
}
