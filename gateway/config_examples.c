#include "gateway/config_examples.h"

#include "gateway/config_files.h"
#include "router/request_facts.h"

#include <stdlib.h>
#include <string.h>

enum {
    ARENA_FIRST_BYTES = 64 * 1024,
    ARENA_CAP_BYTES = 256 << 20,
    ROOM_FIRST_BYTES = 2 * 1024,
    ROOM_CAP_BYTES = CONFIG_EXAMPLES_BYTES_MAX + (1 << 20),
    KEPT_BYTES = 4 * CLASSIFY_USER_BYTES, /* as many as routing shows the classifier */
};

struct config_examples *config_examples_new(void)
{
    struct config_examples *e = x_alloc(sizeof(*e));
    arena_init(&e->arena, ARENA_FIRST_BYTES, ARENA_CAP_BYTES);
    return e;
}

void config_examples_free(struct config_examples *e)
{
    if (e) {
        arena_fini(&e->arena);
        free(e->list);
        free(e);
    }
}

/* ---- one line ---- */

/* What stands around a text or messages, so that they are read as routing reads a request. */
static const char before_text[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":";
static const char after_text[] = "}]}";
static const char before_messages[] = "{\"model\":\"m\",\"messages\":";
static const char after_messages[] = "}";

/* `inside` is a JSON value and thus not empty. */
static struct reqbody *wrap(const char *before, struct slice inside, const char *after)
{
    size_t begin = strlen(before);
    size_t end = strlen(after);
    struct reqbody *body = reqbody_new(begin + inside.n + end);
    if (body && inside.n > 0) {
        memcpy(body->bytes, before, begin);
        memcpy(body->bytes + begin, inside.p, inside.n);
        memcpy(body->bytes + begin + inside.n, after, end);
    }
    return body;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trimmed(struct slice line)
{
    while (line.n > 0 && is_space(line.p[0])) {
        line.p++;
        line.n--;
    }
    while (line.n > 0 && is_space(line.p[line.n - 1])) {
        line.n--;
    }
    return line;
}

/* The text or messages of a line. */
static enum err find_input(struct slice line, struct span_value *input, struct errbuf *err)
{
    static const char *const names[] = {"input"};
    struct span_error error;
    if (span_check(line, &error) != ERR_NONE) {
        return err_set(err, ERR_INPUT, "is no JSON: %s at byte %zu", error.what, error.offset);
    }
    line = trimmed(line);
    *input = (struct span_value) {.type = SPAN_STRING, .text = line};
    if (line.p[0] == '{') {
        span_find(line, names, 1, input);
    } else if (line.p[0] != '"') {
        input->type = SPAN_ABSENT;
    }
    if (input->type != SPAN_STRING && input->type != SPAN_ARRAY) {
        return err_set(err, ERR_INPUT,
                       "expected a JSON text, or {\"input\": …} with a text or messages");
    }
    return ERR_NONE;
}

static enum err keep_texts(struct config_examples *e, const struct request *r, struct arena *room,
                           struct errbuf *err)
{
    struct request_facts facts;
    request_facts(r, &facts);
    struct slice user = request_text(&facts.last_user, room, KEPT_BYTES);
    struct slice system = request_text(&facts.first_system, room, KEPT_BYTES);
    if (user.n == 0 && !arena_is_sour(room)) {
        return err_set(err, ERR_INPUT, "has no text of a user");
    }
    struct classify_example *example = &e->list[e->count];
    example->user_text = arena_dup_slice(&e->arena, user);
    example->system_text = arena_dup_slice(&e->arena, system);
    example->class = e->classes;
    if (arena_is_sour(room) || arena_is_sour(&e->arena)) {
        return err_set(err, ERR_NOMEM, "no memory for the examples");
    }
    e->count++;
    return ERR_NONE;
}

static enum err add_line(struct config_examples *e, struct slice line, struct errbuf *err)
{
    struct span_value input = {.type = SPAN_ABSENT};
    struct request request = {.endpoint = ENDPOINT_CHAT};
    struct arena room;
    const char *param;
    enum err rc = find_input(line, &input, err);
    if (rc != ERR_NONE) {
        return rc;
    }
    bool is_text = input.type == SPAN_STRING;
    struct reqbody *body = wrap(is_text ? before_text : before_messages, input.text,
                                is_text ? after_text : after_messages);
    if (!body) {
        return err_set(err, ERR_NOMEM, "no memory for the examples");
    }
    arena_init(&room, ROOM_FIRST_BYTES, ROOM_CAP_BYTES);
    rc = request_parse(&request, ENDPOINT_CHAT, body, &room, &param, err);
    if (rc == ERR_NONE) {
        rc = keep_texts(e, &request, &room, err);
    }
    request_fini(&request);
    arena_fini(&room);
    return rc;
}

/* ---- a file ---- */

static enum err add_lines(struct config_examples *e, const char *path, struct slice text,
                          struct errbuf *err)
{
    size_t begun = e->count;
    struct errbuf why;
    size_t number = 0;
    e->list = x_resize(e->list, e->count + CONFIG_EXAMPLES_MAX, sizeof(*e->list));
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        struct slice line = {text.p, end ? (size_t) (end - text.p) : text.n};
        size_t taken = line.n + (end ? 1 : 0);
        text = (struct slice) {text.p + taken, text.n - taken};
        number++;
        if (trimmed(line).n == 0) {
            continue;
        }
        if (e->count - begun == CONFIG_EXAMPLES_MAX) {
            return err_set(err, ERR_LIMIT, "%s:%zu: more than %d examples: fewer teach as much",
                           path, number, CONFIG_EXAMPLES_MAX);
        }
        enum err rc = add_line(e, line, &why);
        if (rc != ERR_NONE) {
            return err_set(err, rc, "%s:%zu: %s", path, number, why.text);
        }
    }
    return e->count > begun ? ERR_NONE : err_set(err, ERR_INPUT, "%s has no example", path);
}

enum err config_examples_add(struct config_examples *e, const char *task, const char *path,
                             struct errbuf *err)
{
    char *text;
    size_t n;
    enum err rc = config_file_read(path, CONFIG_EXAMPLES_BYTES_MAX, &text, &n, err);
    if (rc != ERR_NONE) {
        return rc;
    }
    size_t before = e->count;
    rc = add_lines(e, path, (struct slice) {text, n}, err);
    free(text);
    if (rc != ERR_NONE) {
        e->count = before;
    }
    e->names[e->classes++] = arena_dup(&e->arena, task);
    return rc;
}
