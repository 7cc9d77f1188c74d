#include "gateway/config_keys.h"
#include "gateway/config_print.h"

#include <string.h>

/* Lines look like one of these, so that taking off a `#` that no single space follows gives a key:
 *
 *      # Words about the next key.
 *      #drain: 30s
 *      #log:
 *      #  # Words about the next key.
 *      #  level: info
 */

enum { WIDTH = 96, STEP = 2, PROSE_BYTES = 1024 };

struct sample {
    FILE *out;
    const struct config_key *off; /* a commented-out list or map whose members are being printed */
    bool begins_item;             /* the next key is the first of its list item */
};

static bool is_inside(const struct config_key *outer, const struct config_key *key)
{
    size_t n = strlen(outer->path);
    return strncmp(key->path, outer->path, n) == 0 && (key->path[n] == '.' || key->path[n] == '[');
}

/* Each dot is a level, and so is each list. */
static int indent_of(const struct config_key *key)
{
    int indent = 0;
    for (const char *p = key->path; *p; p++) {
        indent += *p == '.' || *p == '[' ? STEP : 0;
    }
    return indent;
}

/* One line: what is within `off` is behind its `#`. */
static void begin_line(const struct sample *s, const struct config_key *off, int indent)
{
    int outer = off ? indent_of(off) : indent;
    fprintf(s->out, "%*s%s%*s", outer, "", off ? "#" : "", indent - outer, "");
}

/* Breaks words into lines of comment. */
static void print_prose(const struct sample *s, int indent, const char *text)
{
    size_t room = (size_t) (WIDTH - indent);
    while (*text) {
        size_t n = strlen(text);
        if (n > room) {
            n = room;
            while (n > 0 && text[n] != ' ') {
                n--;
            }
        }
        begin_line(s, s->off, indent);
        fprintf(s->out, "# %.*s\n", (int) n, text);
        text += n;
        text += *text == ' ';
    }
}

static void print_facts(const struct sample *s, const struct config_key *key, int indent)
{
    char expected[CONFIG_KEY_TEXT_BYTES];
    char text[PROSE_BYTES];
    bool is_plain_group = key->type == KEY_GROUP && !key->can_be_off;
    if (is_plain_group && !key->otherwise) {
        return;
    }
    snprintf(text, sizeof(text), "(%s%s%s)", config_key_expected(key, expected),
             key->is_required ? "; required"
             : key->value     ? "; default "
             : key->otherwise ? "; without: "
                              : "",
             key->is_required ? ""
             : key->value     ? key->value
             : key->otherwise ? key->otherwise
                              : "");
    print_prose(s, indent, text);
}

static void print_key(struct sample *s, const struct config_key *key)
{
    int indent = indent_of(key);
    bool has_members = key->type == KEY_GROUP || key->type == KEY_LIST;
    const char *value = has_members ? "" : key->example ? key->example : key->value;
    if (s->off && !is_inside(s->off, key)) {
        s->off = NULL;
    }
    if (indent == 0) {
        fputc('\n', s->out);
    }
    print_prose(s, s->begins_item ? indent - STEP : indent, key->help);
    print_facts(s, key, s->begins_item ? indent - STEP : indent);
    const struct config_key *off = s->off ? s->off : key->is_required ? NULL : key;
    begin_line(s, off, s->begins_item ? indent - STEP : indent);
    fprintf(s->out, "%s%s:%s%s\n", s->begins_item ? "- " : "", config_key_leaf(key),
            *value ? " " : "", value);
    s->begins_item = key->type == KEY_LIST;
    s->off = off;
}

void config_print_defaults(FILE *out)
{
    struct sample s = {.out = out};
    size_t count;
    const struct config_key *keys = config_keys(&count);
    fputs(
        "# Sluice: every key of the configuration. Those that stand are needed to run; the others\n"
        "# are commented out and show their default or an example. Times have a unit: ms s m h d;\n"
        "# sizes too: B KB KiB MB MiB GB GiB.\n"
        "# `sluice check -c FILE` says what is wrong with a file, or what would run.\n",
        out);
    for (size_t i = 0; i < count; i++) {
        if (!keys[i].is_later) {
            print_key(&s, &keys[i]);
        }
    }
    fputs("\n# Not in this version:\n", out);
    for (size_t i = 0; i < count; i++) {
        if (keys[i].is_later) {
            fprintf(out, "#   %s\n", keys[i].path);
        }
    }
}
