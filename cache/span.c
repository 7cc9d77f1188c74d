#include "cache/span.h"

#include "cache/span_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- whole texts ---- */

/* `at` is behind the value, NULL when it was wrong. */
static enum err finish(struct span_scan *s, struct slice text, const char *at,
                       struct span_error *error)
{
    if (at) {
        at = span_scan_space(s, at);
        if (at == s->end) {
            return ERR_NONE;
        }
        span_scan_fail(s, at, "unexpected bytes after the value");
    }
    *error = (struct span_error) {(size_t) (s->failed_at - text.p), s->what};
    return ERR_INPUT;
}

/* No bytes may come with a null pointer, and nothing may be added to that, not even 0. */
static struct slice not_null(struct slice text)
{
    return text.n > 0 ? text : SLICE_LIT("");
}

enum err span_check(struct slice text, struct span_error *error)
{
    text = not_null(text);
    struct span_scan s = {.end = text.p + text.n};
    enum span_type type;
    const char *at = span_scan_value(&s, span_scan_space(&s, text.p), SPAN_DEPTH_MAX, &type);
    return finish(&s, text, at, error);
}

/* ---- members ---- */

struct wanted {
    const char *const *names;
    size_t count;
    struct span_value *out;
};

/* One member; `at` is where its key must be. */
static const char *scan_member(struct span_scan *s, const char *at, const struct wanted *wanted)
{
    struct slice key;
    struct span_value value;
    const char *begin = at;
    const char *first = span_scan_key(s, at, &key);
    if (!first) {
        return NULL;
    }
    size_t i = span_name_index(key, wanted->names, wanted->count);
    at = span_scan_value(s, first, SPAN_DEPTH_MAX - 1, &value.type);
    if (!at || i == wanted->count) {
        return at;
    }
    if (wanted->out[i].type != SPAN_ABSENT) {
        return span_scan_fail(s, begin, "duplicate member");
    }
    value.text = (struct slice) {first, (size_t) (at - first)};
    value.member = (struct slice) {begin, (size_t) (at - begin)};
    wanted->out[i] = value;
    return at;
}

/* `at` is behind the opening brace. */
static const char *scan_members(struct span_scan *s, const char *at, const struct wanted *wanted)
{
    at = span_scan_space(s, at);
    if (at < s->end && *at == '}') {
        return at + 1;
    }
    for (;;) {
        at = scan_member(s, at, wanted);
        if (!at) {
            return NULL;
        }
        at = span_scan_space(s, at);
        if (at == s->end) {
            return span_scan_fail(s, at, "unfinished array or object");
        }
        if (*at == '}') {
            return at + 1;
        }
        if (*at != ',') {
            return span_scan_fail(s, at, "expected ',' or '}'");
        }
        at = span_scan_space(s, at + 1);
    }
}

enum err span_object(struct slice text, const char *const names[], size_t count,
                     struct span_value out[], struct span_error *error)
{
    text = not_null(text);
    struct span_scan s = {.end = text.p + text.n};
    struct wanted wanted = {names, count, out};
    for (size_t i = 0; i < count; i++) { /* no memset(): without names `out` may be NULL */
        out[i] = (struct span_value) {.type = SPAN_ABSENT};
    }
    const char *at = span_scan_space(&s, text.p);
    if (at < s.end && *at == '{') {
        at = scan_members(&s, at + 1, &wanted);
    } else {
        at = span_scan_fail(&s, at, "expected an object");
    }
    return finish(&s, text, at, error);
}

/* ---- numbers ---- */

bool span_to_u64(const struct span_value *v, uint64_t *out)
{
    return v->type == SPAN_NUMBER && slice_to_u64(v->text, out);
}

bool span_to_double(const struct span_value *v, double *out)
{
    char text[SPAN_NUMBER_MAX + 1]; /* strtod needs a terminator */
    if (v->type != SPAN_NUMBER || v->text.n > SPAN_NUMBER_MAX) {
        return false;
    }
    memcpy(text, v->text.p, v->text.n);
    text[v->text.n] = '\0';
    errno = 0;
    double number = strtod(text, NULL);
    if (errno == ERANGE && (number > 1 || number < -1)) {
        return false; /* overflow; an underflow is as good as zero */
    }
    *out = number;
    return true;
}
