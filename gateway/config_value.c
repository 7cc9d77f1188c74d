#include "gateway/config_value.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 4096, HOST_MAX = 253, URL_MAX = 1024, NUMBER_MAX = 31 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_digit(c) || is_letter(c);
}

/* ---- numbers with units ---- */

struct unit {
    const char *name;
    uint64_t factor;
};

/* Smallest first. */
static const struct unit time_units[] = {
    {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000u}, {"d", 86400000000u},
};

static const struct unit size_units[] = {
    {"B", 1},          {"KB", 1000},        {"KiB", 1024},     {"MB", 1000000},
    {"MiB", 1u << 20}, {"GB", 1000000000u}, {"GiB", 1u << 30},
};

static struct slice cut(struct slice text, size_t from, size_t to)
{
    return (struct slice) {text.p + from, to - from};
}

/* The digits in front; the rest is the unit. */
static bool split(struct slice text, uint64_t *number, struct slice *unit)
{
    size_t digits = 0;
    while (digits < text.n && is_digit(text.p[digits])) {
        digits++;
    }
    *unit = cut(text, digits, text.n);
    return digits > 0 && slice_to_u64(cut(text, 0, digits), number);
}

static bool scale(const struct unit *units, size_t count, struct slice text, uint64_t *out)
{
    uint64_t number;
    struct slice unit;
    if (!split(text, &number, &unit)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (slice_eq_text(unit, units[i].name)) {
            *out = number * units[i].factor;
            return number <= UINT64_MAX / units[i].factor;
        }
    }
    return false;
}

bool config_value_duration(struct slice text, uint64_t *us)
{
    return scale(time_units, ARRAY_LEN(time_units), text, us);
}

bool config_value_size(struct slice text, uint64_t *bytes)
{
    struct slice unit;
    if (split(text, bytes, &unit) && unit.n == 0) {
        return true;
    }
    return scale(size_units, ARRAY_LEN(size_units), text, bytes);
}

bool config_value_number(struct slice text, double *number)
{
    char copy[NUMBER_MAX + 1];
    char *end;
    if (text.n == 0 || text.n > NUMBER_MAX || !is_digit(text.p[0])) {
        return false;
    }
    /* strtod reads more than we mean: signs, hex, inf, nan. */
    for (size_t i = 0; i < text.n; i++) {
        if (!is_digit(text.p[i]) && !strchr(".eE+-", text.p[i])) {
            return false;
        }
        copy[i] = text.p[i];
    }
    copy[text.n] = '\0';
    *number = strtod(copy, &end);
    return *end == '\0' && is_digit(end[-1]) && *number <= DBL_MAX;
}

bool config_value_bool(struct slice text, bool *value)
{
    *value = slice_eq_text(text, "true");
    return *value || slice_eq_text(text, "false");
}

static const char *unscale(const struct unit *units, size_t count, uint64_t value,
                           char out[CONFIG_VALUE_TEXT_BYTES])
{
    const struct unit *best = &units[0];
    for (size_t i = 1; i < count && value > 0; i++) {
        if (value % units[i].factor == 0) {
            best = &units[i];
        }
    }
    snprintf(out, CONFIG_VALUE_TEXT_BYTES, "%" PRIu64 "%s", value / best->factor, best->name);
    return out;
}

const char *config_value_duration_text(uint64_t us, char out[CONFIG_VALUE_TEXT_BYTES])
{
    return us == 0 ? "0s" : unscale(time_units, ARRAY_LEN(time_units), us, out);
}

const char *config_value_size_text(uint64_t bytes, char out[CONFIG_VALUE_TEXT_BYTES])
{
    return unscale(size_units, ARRAY_LEN(size_units), bytes, out);
}

/* 1e+09 to 1e9. */
static void shorten_exponent(char *text)
{
    char *from = strchr(text, '+');
    char *to = from;
    if (!from) {
        return;
    }
    while (*from == '+' || *from == '0') {
        from++;
    }
    memmove(to, from, strlen(from) + 1);
}

const char *config_value_number_text(double number, char out[CONFIG_VALUE_TEXT_BYTES])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, CONFIG_VALUE_TEXT_BYTES, "%.*g", digits, number);
        if (strtod(out, NULL) >= number && strtod(out, NULL) <= number) {
            break;
        }
    }
    shorten_exponent(out);
    return out;
}

/* ---- words ---- */

static bool is_name_of(struct slice text, const char *others)
{
    if (text.n == 0 || text.n > CONFIG_NAME_MAX || !is_word(text.p[0])) {
        return false;
    }
    for (size_t i = 1; i < text.n; i++) {
        if (!is_word(text.p[i]) && (text.p[i] == '\0' || !strchr(others, text.p[i]))) {
            return false;
        }
    }
    return true;
}

bool config_value_is_name(struct slice text)
{
    return is_name_of(text, "._-");
}

bool config_value_is_model_name(struct slice text)
{
    return is_name_of(text, "._-:/@+");
}

bool config_value_is_reserved(struct slice text)
{
    return slice_eq_text(text, "auto") || slice_starts(text, "auto/") ||
           slice_starts(text, "graph/");
}

bool config_value_is_client_name(struct slice text)
{
    static const char *const prefixes[] = {"auto/", "graph/"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (slice_starts(text, prefixes[i])) {
            size_t skip = strlen(prefixes[i]);
            return config_value_is_name((struct slice) {text.p + skip, text.n - skip});
        }
    }
    return config_value_is_model_name(text);
}

bool config_value_is_env_name(struct slice text)
{
    if (text.n == 0 || text.n > CONFIG_ENV_NAME_MAX || is_digit(text.p[0])) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (!is_word(text.p[i]) && text.p[i] != '_') {
            return false;
        }
    }
    return true;
}

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~') {
            return false;
        }
    }
    return true;
}

bool config_value_is_token(struct slice text)
{
    return text.n > 0 && text.n <= TOKEN_MAX && is_visible(text);
}

/* ---- addresses ---- */

static bool is_host(struct slice host)
{
    bool is_v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    struct slice inside = is_v6 ? cut(host, 1, host.n - 1) : host;
    if (inside.n == 0 || inside.n > HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < inside.n; i++) {
        char c = inside.p[i];
        if (is_v6 ? !(is_word(c) || c == ':' || c == '.')
                  : !(is_word(c) || c == '.' || c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

/* What is wrong with HOST[:PORT], or NULL. */
static const char *authority_fault(struct slice text)
{
    size_t colon = text.n;
    while (colon > 0 && is_digit(text.p[colon - 1])) {
        colon--;
    }
    bool has_port = colon > 0 && text.p[colon - 1] == ':';
    struct slice host = has_port ? cut(text, 0, colon - 1) : text;
    uint64_t port;
    if (memchr(text.p, '@', text.n)) {
        return "a user name or password has no place in a URL";
    }
    if (has_port && (!slice_to_u64(cut(text, colon, text.n), &port) || port == 0 || port > 65535)) {
        return "the port is not a number from 1 to 65535";
    }
    return is_host(host) ? NULL : "the host is not a name, an IPv4 address or an [IPv6 address]";
}

static bool skip_scheme(struct slice *text)
{
    size_t skip = slice_starts(*text, "http://")    ? sizeof("http://") - 1
                  : slice_starts(*text, "https://") ? sizeof("https://") - 1
                                                    : 0;
    *text = cut(*text, skip, text->n);
    return skip > 0;
}

static bool ends_with(struct slice text, const char *end)
{
    size_t n = strlen(end);
    return text.n >= n && memcmp(text.p + text.n - n, end, n) == 0;
}

const char *config_value_url_fault(struct slice text)
{
    if (text.n > URL_MAX || !is_visible(text)) {
        return "it has spaces, non-ASCII characters or more than 1024 characters";
    }
    if (!skip_scheme(&text)) {
        return "it begins with neither http:// nor https://";
    }
    if (memchr(text.p, '?', text.n) || memchr(text.p, '#', text.n)) {
        return "a query or fragment (? or #) has no place in it";
    }
    if (ends_with(text, "/")) {
        return "leave out the slash at its end";
    }
    if (ends_with(text, "/chat/completions") || ends_with(text, "/completions") ||
        ends_with(text, "/embeddings")) {
        return "the base URL is expected, without the endpoint's path at its end";
    }
    const char *path = memchr(text.p, '/', text.n);
    return authority_fault(cut(text, 0, path ? (size_t) (path - text.p) : text.n));
}

bool config_value_is_origin(struct slice text)
{
    if (slice_eq_text(text, "*")) {
        return true;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] >= 'A' && text.p[i] <= 'Z') {
            return false;
        }
    }
    return is_visible(text) && skip_scheme(&text) && !authority_fault(text);
}
