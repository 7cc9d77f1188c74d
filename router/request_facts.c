/* One walk over the messages; texts are looked at where they stand, and decoded into a window of what
 * will be kept. */
#include "router/request_facts.h"

#include <string.h>

/* ---- roles and parts ---- */

enum request_role request_role_of(const struct span_value *role)
{
    static const struct {
        const char *name;
        enum request_role role;
    } roles[] = {
        {"user", REQUEST_ROLE_USER},     {"assistant", REQUEST_ROLE_ASSISTANT},
        {"system", REQUEST_ROLE_SYSTEM}, {"developer", REQUEST_ROLE_SYSTEM},
        {"tool", REQUEST_ROLE_TOOL},     {"function", REQUEST_ROLE_TOOL},
    };
    size_t i;

    if (role->type != SPAN_STRING) {
        return REQUEST_ROLE_NONE;
    }
    for (i = 0; i < ARRAY_LEN(roles); i++) {
        if (span_string_eq(role->text, roles[i].name)) {
            return roles[i].role;
        }
    }
    return REQUEST_ROLE_OTHER;
}

/* The texts of a content in order: the string itself, or the member `text` of each part that has one. */
struct texts {
    const struct span_value *content;
    struct span_cursor cursor;
};

static bool next_text(struct texts *t, struct slice *string)
{
    static const char *const names[] = {"text"};
    struct span_value part;
    struct span_value text;
    struct slice key;

    if (t->content->type == SPAN_STRING) {
        *string = t->content->text;
        return t->cursor.at++ == 0;
    }
    while (t->content->type == SPAN_ARRAY && span_next(t->content->text, &t->cursor, &key, &part)) {
        if (part.type != SPAN_OBJECT) {
            continue;
        }
        span_find(part.text, names, 1, &text);
        if (text.type == SPAN_STRING) {
            *string = text.text;
            return true;
        }
    }
    return false;
}

static void look_at_parts(struct slice parts, struct request_facts *out)
{
    static const char *const names[] = {"type"};
    struct span_cursor cursor = {0};
    struct span_value part;
    struct span_value type;
    struct slice key;

    while (span_next(parts, &cursor, &key, &part)) {
        if (part.type != SPAN_OBJECT) {
            continue;
        }
        span_find(part.text, names, 1, &type);
        if (type.type != SPAN_STRING) {
            continue;
        }
        out->has_images = out->has_images || span_string_eq(type.text, "image_url") ||
                          span_string_eq(type.text, "input_image");
        out->has_audio = out->has_audio || span_string_eq(type.text, "input_audio");
    }
}

/* ---- code ---- */

/* Whether the backslash at `at` begins an escape: the run of backslashes before it is of even length. */
static bool begins_escape(struct slice string, const char *at)
{
    const char *slash = at;

    while (slash > string.p && slash[-1] == '\\') {
        slash--;
    }
    return (at - slash) % 2 == 0;
}

/* Some serialisers (.NET's) escape backticks. */
static bool has_fence(struct slice string)
{
    static const char escaped[] = "\\u0060\\u0060\\u0060";
    const char *end = string.p + string.n;
    const char *at = string.p;

    if (memmem(string.p, string.n, "```", 3) != NULL) {
        return true;
    }
    while ((at = memmem(at, (size_t) (end - at), escaped, sizeof(escaped) - 1)) != NULL) {
        if (begins_escape(string, at)) {
            return true;
        }
        at++;
    }
    return false;
}

static bool has_code(const struct span_value *content)
{
    struct texts texts = {.content = content};
    struct slice string;

    while (next_text(&texts, &string)) {
        if (has_fence(string)) {
            return true;
        }
    }
    return false;
}

/* ---- the facts ---- */

static bool is_filled_array(const struct span_value *v)
{
    struct span_cursor cursor = {0};
    struct span_value first;
    struct slice key;

    return v->type == SPAN_ARRAY && span_next(v->text, &cursor, &key, &first);
}

static bool is_json_format(const struct span_value *format)
{
    static const char *const names[] = {"type"};
    struct span_value type;

    if (format->type != SPAN_OBJECT) {
        return false;
    }
    span_find(format->text, names, 1, &type);
    return type.type == SPAN_STRING &&
           (span_string_eq(type.text, "json_schema") || span_string_eq(type.text, "json_object"));
}

static bool asks_for_audio(const struct request *r)
{
    struct span_cursor cursor = {0};
    struct span_value modality;
    struct slice key;

    if (r->audio.type == SPAN_OBJECT) {
        return true;
    }
    while (r->modalities.type == SPAN_ARRAY &&
           span_next(r->modalities.text, &cursor, &key, &modality)) {
        if (modality.type == SPAN_STRING && span_string_eq(modality.text, "audio")) {
            return true;
        }
    }
    return false;
}

static void look_at_message(struct slice message, struct request_facts *out)
{
    /* `audio` names what the assistant said before. */
    static const char *const names[] = {"role", "content", "audio"};
    struct span_value m[ARRAY_LEN(names)];

    span_find(message, names, ARRAY_LEN(names), m);
    out->last_role = request_role_of(&m[0]);
    if (out->last_role == REQUEST_ROLE_USER) {
        out->last_user = m[1];
    } else if (out->last_role == REQUEST_ROLE_SYSTEM && out->first_system.type == SPAN_ABSENT) {
        out->first_system = m[1];
    }
    if (m[1].type == SPAN_ARRAY) {
        look_at_parts(m[1].text, out);
    }
    out->has_audio = out->has_audio || m[2].type == SPAN_OBJECT;
}

void request_facts(const struct request *r, struct request_facts *out)
{
    struct span_cursor cursor = {0};
    struct span_value message;
    struct slice key;

    memset(out, 0, sizeof(*out));
    if (r->endpoint != ENDPOINT_CHAT) {
        return;
    }
    while (span_next(r->messages.text, &cursor, &key, &message)) {
        look_at_message(message.text, out);
    }
    out->has_tools = is_filled_array(&r->tools) || is_filled_array(&r->functions);
    out->has_json_schema = is_json_format(&r->response_format);
    out->wants_audio = asks_for_audio(r);
    out->has_logprobs = r->logprobs.type == SPAN_TRUE;
    out->has_code = has_code(&out->last_user);
}

/* ---- texts ---- */

/* The beginning and the end of a text of any length: the end is a ring behind the beginning. */
struct window {
    char *bytes;
    size_t head; /* room of the beginning */
    size_t ring; /* room of the end */
    size_t total;
};

static void feed(struct window *w, const char *p, size_t n)
{
    if (w->total < w->head) {
        size_t take = n < w->head - w->total ? n : w->head - w->total;

        memcpy(w->bytes + w->total, p, take);
        w->total += take;
        p += take;
        n -= take;
    }
    if (n > w->ring) { /* what the ring would lose again at once */
        w->total += n - w->ring;
        p += n - w->ring;
        n = w->ring;
    }
    while (n > 0) {
        size_t at = (w->total - w->head) % w->ring;
        size_t take = n < w->ring - at ? n : w->ring - at;

        memcpy(w->bytes + w->head + at, p, take);
        w->total += take;
        p += take;
        n -= take;
    }
}

/* Bytes of the escape that begins at `p`: a pair of surrogates is one. */
static size_t escape_length(const char *p)
{
    if (p[1] != 'u') {
        return 2;
    }
    return (p[2] == 'd' || p[2] == 'D') && strchr("89abAB", p[3]) != NULL ? 12 : 6;
}

static void feed_string(struct window *w, struct slice string)
{
    const char *end = string.p + string.n - 1;
    const char *at = string.p + 1;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t) (end - at));
        const char *stop = slash != NULL ? slash : end;

        feed(w, at, (size_t) (stop - at));
        at = stop;
        if (slash != NULL) {
            char bytes[4];
            size_t length = escape_length(at);

            /* The bytes around it stand for the quotes, which are not read. */
            feed(w, bytes, span_decode((struct slice) {at - 1, length + 2}, bytes, sizeof(bytes)));
            at += length;
        }
    }
}

static void reverse(char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n / 2; i++) {
        char c = p[i];

        p[i] = p[n - 1 - i];
        p[n - 1 - i] = c;
    }
}

static bool is_continuation(char c)
{
    return ((unsigned char) c & 0xc0) == 0x80;
}

/* How many of the bytes are whole characters: the last may be cut. */
static size_t whole_characters(const char *p, size_t n)
{
    size_t lead = n;
    unsigned char first;
    size_t length;

    while (lead > 0 && is_continuation(p[lead - 1])) {
        lead--;
    }
    if (lead == 0) {
        return 0;
    }
    first = (unsigned char) p[--lead];
    length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return n - lead < length ? lead : n;
}

/* Puts the ring in order and takes off the halves of characters on both sides of what was lost. */
static size_t close_gap(struct window *w)
{
    char *tail = w->bytes + w->head;
    size_t turn = (w->total - w->head) % w->ring;
    size_t head = whole_characters(w->bytes, w->head);
    size_t skip = 0;

    reverse(tail, turn);
    reverse(tail + turn, w->ring - turn);
    reverse(tail, w->ring);
    while (skip < w->ring && is_continuation(tail[skip])) {
        skip++;
    }
    memmove(w->bytes + head, tail + skip, w->ring - skip);
    return head + w->ring - skip;
}

struct slice request_text(const struct span_value *content, struct arena *room, size_t max_bytes)
{
    struct texts texts = {.content = content};
    struct window w = {0};
    struct slice string;
    /* A text is shorter than its JSON. */
    size_t size = content->text.n < max_bytes ? content->text.n : max_bytes;
    bool is_first = true;

    if (size == 0 || (content->type != SPAN_STRING && content->type != SPAN_ARRAY)) {
        return SLICE_NONE;
    }
    w.bytes = arena_alloc(room, size);
    if (w.bytes == NULL) {
        return SLICE_NONE;
    }
    w.head = size / 2;
    w.ring = size - w.head;
    while (next_text(&texts, &string)) {
        if (!is_first) {
            feed(&w, "\n", 1);
        }
        is_first = false;
        feed_string(&w, string);
    }
    return (struct slice) {w.bytes, w.total <= size ? w.total : close_gap(&w)};
}
