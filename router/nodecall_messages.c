/* The messages are only pointed at, pictures of megabytes too; what is added is written into `room`. */
#include "router/nodecall_private.h"

#include <string.h>

#include "router/request_facts.h"

/* Between what we add and the client's own text. */
#define EMPTY_LINE "\\n\\n"

#define PART_BEGIN "{\"type\":\"text\",\"text\":\""
#define PART_END "\"}"

enum err nodecall_text(struct arena *room, const char *before, struct slice text, const char *after,
                       struct slice *out)
{
    size_t head = strlen(before);
    size_t tail = strlen(after);
    size_t middle = span_escaped_length(text);
    char *bytes;

    if (middle > SIZE_MAX - head - tail) {
        return ERR_NOMEM;
    }
    bytes = arena_alloc(room, head + middle + tail);
    if (bytes == NULL) {
        return ERR_NOMEM;
    }
    memcpy(bytes, before, head);
    span_escape(text, bytes + head, middle);
    memcpy(bytes + head + middle, after, tail);
    *out = (struct slice) {bytes, head + middle + tail};
    return ERR_NONE;
}

/* A content that texts can be added to, and whether it is still empty. */
struct place {
    struct span_value content;
    bool is_empty;
};

static bool can_hold_text(const struct span_value *content)
{
    return content->type == SPAN_STRING || content->type == SPAN_ARRAY;
}

static void set_place(struct place *p, const struct span_value *content)
{
    struct span_cursor cursor = {0};
    struct span_value first;
    struct slice key;

    p->content = *content;
    if (content->type == SPAN_ARRAY) {
        p->is_empty = !span_next(content->text, &cursor, &key, &first);
    } else {
        p->is_empty = content->text.n == 2; /* the quotes */
    }
}

/* The first system message and the last user message. */
static void find_places(const struct request *r, struct place *system, struct place *user)
{
    static const char *const names[] = {"role", "content"};
    struct span_cursor cursor = {0};
    struct span_value message;
    struct slice key;

    memset(system, 0, sizeof(*system));
    memset(user, 0, sizeof(*user));
    while (span_next(r->messages.text, &cursor, &key, &message)) {
        struct span_value m[ARRAY_LEN(names)];
        enum request_role role;

        span_find(message.text, names, ARRAY_LEN(names), m);
        role = request_role_of(&m[0]);
        if (role == REQUEST_ROLE_USER) {
            set_place(user, &m[1]);
        } else if (role == REQUEST_ROLE_SYSTEM && can_hold_text(&m[1]) &&
                   system->content.type == SPAN_ABSENT) {
            set_place(system, &m[1]);
        }
    }
}

/* Inserts behind the content's first byte, the quote or the bracket. */
static enum err put_in_front(struct nodecall_draft *c, struct place *p, struct slice text)
{
    bool is_string = p->content.type == SPAN_STRING;
    const char *before = is_string ? "" : PART_BEGIN;
    const char *after = is_string ? EMPTY_LINE : EMPTY_LINE PART_END ",";
    struct slice made;
    enum err rc;

    if (p->is_empty) {
        after = is_string ? "" : PART_END;
    }
    p->is_empty = false;
    rc = nodecall_text(c->room, before, text, after, &made);
    return rc != ERR_NONE
               ? rc
               : splice_replace(&c->edits, (struct slice) {p->content.text.p + 1, 0}, made);
}

/* Inserts before the content's last byte. */
static enum err put_behind(struct nodecall_draft *c, struct place *p, struct slice text)
{
    bool is_string = p->content.type == SPAN_STRING;
    const char *before = is_string ? EMPTY_LINE : "," PART_BEGIN EMPTY_LINE;
    const char *after = is_string ? "" : PART_END;
    const char *end = p->content.text.p + p->content.text.n - 1;
    struct slice made;
    enum err rc;

    if (p->is_empty) {
        before = is_string ? "" : PART_BEGIN;
    }
    p->is_empty = false;
    rc = nodecall_text(c->room, before, text, after, &made);
    return rc != ERR_NONE ? rc : splice_replace(&c->edits, (struct slice) {end, 0}, made);
}

/* There is a message behind it: a request without any is refused. */
static enum err put_system_message(struct nodecall_draft *c, struct slice text)
{
    struct slice made;
    enum err rc = nodecall_text(c->room, "{\"role\":\"system\",\"content\":\"", text, "\"},",
                                &made);

    return rc != ERR_NONE
               ? rc
               : splice_replace(&c->edits, (struct slice) {c->r->messages.text.p + 1, 0}, made);
}

enum err nodecall_messages(struct nodecall_draft *c)
{
    struct slice instruction = c->ask->instruction;
    struct slice frame = c->ask->frame;
    bool to_user = instruction.n > 0 && (c->model->capabilities & CAPABILITY_NO_SYSTEM) != 0;
    struct place system;
    struct place user;
    enum err rc = ERR_NONE;

    if (instruction.n == 0 && frame.n == 0) {
        return ERR_NONE;
    }
    find_places(c->r, &system, &user);
    if ((to_user || frame.n > 0) && !can_hold_text(&user.content)) {
        return ERR_INPUT;
    }
    if (to_user) {
        rc = put_in_front(c, &user, instruction);
    } else if (instruction.n > 0 && system.content.type != SPAN_ABSENT) {
        rc = put_in_front(c, &system, instruction);
    } else if (instruction.n > 0) {
        rc = put_system_message(c, instruction);
    }
    if (rc == ERR_NONE && frame.n > 0) {
        rc = put_behind(c, &user, frame);
    }
    return rc;
}
