#include "cache/span.h"

#include "cache/span_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum err bad(const struct span_scan *s, struct span_error *error)
{
    *error = (struct span_error) {(size_t) (s->at - s->begin), s->what};
    return ERR_INPUT;
}

static struct span_scan scan_of(struct slice text)
{
    return (struct span_scan) {text.p, text.p, text.p + text.n, NULL};
}

static enum err at_end(struct span_scan *s, struct span_error *error)
{
    span_skip_space(s);
    if (s->at != s->end) {
        s->what = "unexpected bytes after the value";
        return bad(s, error);
    }
    return ERR_NONE;
}

enum err span_check(struct slice text, struct span_error *error)
{
    struct span_scan s = scan_of(text);
    enum span_type type;
    span_skip_space(&s);
    if (!span_scan_value(&s, SPAN_DEPTH_MAX, &type)) {
        return bad(&s, error);
    }
    return at_end(&s, error);
}

/* ---- members ---- */

static bool key_is(struct slice key, const char *name)
{
    struct slice inside = {key.p + 1, key.n - 2};
    size_t n = strlen(name);
    if (inside.n == n) {
        return memcmp(inside.p, name, n) == 0;
    }
    /* Only an escape can make a longer spelling of the same name. */
    return inside.n > n && memchr(inside.p, '\\', inside.n) != NULL && span_string_eq(key, name);
}

static size_t wanted_index(struct slice key, const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (key_is(key, names[i])) {
            return i;
        }
    }
    return count;
}

/* One member; `at` is its key. `wanted` gets its place among the names. */
static bool scan_member(struct span_scan *s, const char *const names[], size_t count,
                        struct span_value *value, size_t *wanted)
{
    const char *key = s->at;
    if (s->at == s->end || *s->at != '"') {
        s->what = "expected a member's name";
        return false;
    }
    if (!span_scan_string(s)) {
        return false;
    }
    *wanted = wanted_index((struct slice) {key, (size_t) (s->at - key)}, names, count);
    span_skip_space(s);
    if (s->at == s->end || *s->at != ':') {
        s->what = "expected ':'";
        return false;
    }
    s->at++;
    span_skip_space(s);
    const char *start = s->at;
    if (!span_scan_value(s, SPAN_DEPTH_MAX - 1, &value->type)) {
        return false;
    }
    value->text = (struct slice) {start, (size_t) (s->at - start)};
    value->member = (struct slice) {key, (size_t) (s->at - key)};
    return true;
}

static bool scan_members(struct span_scan *s, const char *const names[], size_t count,
                         struct span_value out[])
{
    for (;;) {
        struct span_value value;
        size_t wanted;
        const char *key = s->at;
        if (!scan_member(s, names, count, &value, &wanted)) {
            return false;
        }
        if (wanted < count && out[wanted].type != SPAN_ABSENT) {
            s->at = key;
            s->what = "duplicate member";
            return false;
        }
        if (wanted < count) {
            out[wanted] = value;
        }
        span_skip_space(s);
        if (s->at < s->end && *s->at == '}') {
            s->at++;
            return true;
        }
        if (s->at == s->end || *s->at != ',') {
            s->what = s->at == s->end ? "unfinished array or object" : "expected ',' or '}'";
            return false;
        }
        s->at++;
        span_skip_space(s);
    }
}

enum err span_object(struct slice text, const char *const names[], size_t count,
                     struct span_value out[], struct span_error *error)
{
    struct span_scan s = scan_of(text);
    memset(out, 0, count * sizeof(*out));
    span_skip_space(&s);
    if (s.at == s.end || *s.at != '{') {
        s.what = "expected an object";
        return bad(&s, error);
    }
    s.at++;
    span_skip_space(&s);
    if (s.at < s.end && *s.at == '}') {
        s.at++;
    } else if (!scan_members(&s, names, count, out)) {
        return bad(&s, error);
    }
    return at_end(&s, error);
}

/* ---- numbers ---- */

bool span_to_u64(const struct span_value *v, uint64_t *out)
{
    return v->type == SPAN_NUMBER && slice_to_u64(v->text, out);
}

bool span_to_double(const struct span_value *v, double *out)
{
    char text[64];
    if (v->type != SPAN_NUMBER || v->text.n >= sizeof(text)) {
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
