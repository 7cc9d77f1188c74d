/* A task's own templates. */
#include "router/prompt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache/span.h"
#include "router/prompt_text.h"

static const char *const file_names[PROMPT_COUNT] = {
    [PROMPT_IMPROVE] = "improve.txt", [PROMPT_FUSE] = "fuse.txt", [PROMPT_SELECT] = "select.txt"};

struct part {
    const char *path;
    struct slice file; /* says the line of whatever lies in it */
    struct slice text;
};

static unsigned line_of(struct slice file, const char *at)
{
    unsigned line = 1;
    for (const char *p = file.p; p < at; p++) {
        line += *p == '\n' ? 1 : 0;
    }
    return line;
}

/* ---- reading ---- */

/* Takes carriage returns in front of line feeds out, in place. Returns the length. */
static size_t unify_lines(char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\r' || i + 1 == length || text[i + 1] != '\n') {
            text[n++] = text[i];
        }
    }
    return n;
}

/* The whole file in `room`; n is 0 and the result ERR_NONE when there is no such file. */
static enum err read_file(const char *path, struct arena *room, struct slice *out,
                          struct errbuf *err)
{
    enum err rc = ERR_NONE;
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out = SLICE_NONE;
    if (fd < 0) {
        return errno == ENOENT ? ERR_NONE : err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    }
    char *text = arena_alloc(room, PROMPT_FILE_BYTES_MAX + 1);
    while (text && n <= PROMPT_FILE_BYTES_MAX) {
        ssize_t got = read(fd, text + n, PROMPT_FILE_BYTES_MAX + 1 - n);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            rc = err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
            break;
        }
        n += got > 0 ? (size_t) got : 0;
    }
    close(fd);
    if (!text) {
        return err_set(err, ERR_NOMEM, "%s: no memory", path);
    }
    if (n > PROMPT_FILE_BYTES_MAX) {
        return err_set(err, ERR_USE, "%s: more than %d bytes", path, PROMPT_FILE_BYTES_MAX);
    }
    *out = (struct slice) {text, unify_lines(text, n)};
    return rc == ERR_NONE && n == 0 ? err_set(err, ERR_USE, "%s:1: the file is empty", path) : rc;
}

/* ---- checking ---- */

static enum err fault(const struct part *p, const char *at, struct errbuf *err, const char *what)
{
    return err_set(err, ERR_USE, "%s:%u: %s", p->path, line_of(p->file, at), what);
}

/* That text which goes into JSON comes out as it was. */
static enum err check_bytes(const struct part *p, struct arena *room, struct errbuf *err)
{
    struct slice s = p->file;
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char) s.p[i] < 0x20 && s.p[i] != '\n' && s.p[i] != '\t') {
            return fault(p, s.p + i, err, "a control byte");
        }
    }
    size_t escaped = span_escaped_length(s);
    char *string = arena_alloc(room, escaped + 2);
    if (!string) {
        return err_set(err, ERR_NOMEM, "%s: no memory", p->path);
    }
    string[0] = string[escaped + 1] = '"';
    span_escape(s, string + 1, escaped);
    struct slice quoted = {string, escaped + 2};
    size_t n = span_decode(quoted, NULL, 0);
    char *back = arena_alloc(room, n);
    if (!back) {
        return err_set(err, ERR_NOMEM, "%s: no memory", p->path);
    }
    span_decode(quoted, back, n);
    for (size_t i = 0; i < s.n; i++) {
        if (i >= n || back[i] != s.p[i]) {
            return fault(p, s.p + i, err, "not UTF-8");
        }
    }
    return ERR_NONE;
}

static enum err check_placeholders(const struct part *p, bool is_frame, struct errbuf *err)
{
    struct prompt_piece piece;
    unsigned candidates = 0;
    char words[160];
    for (size_t at = 0; prompt_piece_next(p->text, &at, &piece);) {
        bool is_misplaced = !is_frame && (piece.kind == PROMPT_PIECE_MARK ||
                                          piece.kind == PROMPT_PIECE_CANDIDATES);
        candidates += piece.kind == PROMPT_PIECE_CANDIDATES ? 1 : 0;
        if (piece.kind == PROMPT_PIECE_UNKNOWN) {
            snprintf(
                words, sizeof(words),
                "unknown placeholder %.*s; there are {count}, {mark} and {candidates}, and {{ is "
                "a brace",
                (int) (piece.text.n < 40 ? piece.text.n : 40), piece.text.p);
            return fault(p, piece.text.p, err, words);
        }
        if (is_misplaced) {
            snprintf(words, sizeof(words),
                     "%.*s stands in the instruction; it belongs to the frame", (int) piece.text.n,
                     piece.text.p);
            return fault(p, piece.text.p, err, words);
        }
        if (candidates > 1) {
            return fault(p, piece.text.p, err, "{candidates} stands twice in the frame");
        }
    }
    if (is_frame && candidates == 0) {
        return fault(p, p->text.p, err, "the frame has no {candidates}");
    }
    return ERR_NONE;
}

/* ---- the two parts ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && is_space(s.p[s.n - 1])) {
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[0])) {
        s = (struct slice) {s.p + 1, s.n - 1};
    }
    return s;
}

/* The line `---`, spaces behind it allowed; NULL: there is none from `at` on. */
static const char *find_rule(struct slice file, size_t at)
{
    while (at < file.n) {
        const char *line = file.p + at;
        const char *end = memchr(line, '\n', file.n - at);
        size_t n = end ? (size_t) (end - line) : file.n - at;
        struct slice rest = {line, n};
        if (slice_starts(rest, "---") && trim((struct slice) {line + 3, n - 3}).n == 0) {
            return line;
        }
        at += n + 1;
    }
    return NULL;
}

static enum err take_part(struct part *p, const char *from, const char *to, bool is_frame,
                          struct arena *room, const char **out, struct errbuf *err)
{
    p->text = trim((struct slice) {from, (size_t) (to - from)});
    if (p->text.n == 0) {
        return fault(p, from, err, is_frame ? "the frame is empty" : "the instruction is empty");
    }
    enum err rc = check_placeholders(p, is_frame, err);
    if (rc != ERR_NONE) {
        return rc;
    }
    *out = arena_dup_slice(room, p->text).p;
    return *out ? ERR_NONE : err_set(err, ERR_NOMEM, "%s: no memory", p->path);
}

static enum err load_file(const char *path, struct arena *room, const char **instruction,
                          const char **frame, struct errbuf *err)
{
    struct slice raw;
    enum err rc = read_file(path, room, &raw, err);
    if (rc != ERR_NONE || raw.n == 0) {
        return rc;
    }
    struct part p = {.path = path, .file = raw};
    rc = check_bytes(&p, room, err);
    if (rc != ERR_NONE) {
        return rc;
    }
    const char *end = p.file.p + p.file.n;
    const char *rule = find_rule(p.file, 0);
    if (!rule) {
        return fault(&p, end, err, "no line --- between the instruction and the frame");
    }
    rc = take_part(&p, p.file.p, rule, false, room, instruction, err);
    if (rc != ERR_NONE) {
        return rc;
    }
    const char *behind = memchr(rule, '\n', (size_t) (end - rule));
    const char *second = behind ? find_rule(p.file, (size_t) (behind + 1 - p.file.p)) : NULL;
    if (second) {
        return fault(&p, second, err, "a second line ---");
    }
    return take_part(&p, behind ? behind + 1 : end, end, true, room, frame, err);
}

/* ---- the directory ---- */

/* Remembers the first name, in order of bytes, that ends in .txt and is none of ours. */
static void keep_stranger(const char *name, struct arena *room, const char **stranger)
{
    size_t n = strlen(name);
    bool is_text = n >= 4 && strcmp(name + n - 4, ".txt") == 0;
    for (unsigned i = 0; i < PROMPT_COUNT; i++) {
        is_text = is_text && strcmp(name, file_names[i]) != 0;
    }
    if (is_text && (!*stranger || strcmp(name, *stranger) < 0)) {
        *stranger = arena_dup(room, name);
    }
}

static enum err check_names(const char *directory, struct arena *room, struct errbuf *err)
{
    const char *stranger = NULL;
    DIR *dir = opendir(directory);
    if (!dir) {
        return err_set(err, ERR_IO, "%s: %s", directory, strerror(errno));
    }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        keep_stranger(entry->d_name, room, &stranger);
    }
    closedir(dir);
    if (stranger) {
        return err_set(err, ERR_USE,
                       "%s/%s: the templates are improve.txt, fuse.txt and select.txt", directory,
                       stranger);
    }
    return ERR_NONE;
}

enum err prompt_load(const char *directory, struct arena *room, struct prompt_set *out,
                     struct errbuf *err)
{
    struct prompt_set set = *prompt_defaults();
    enum err rc = check_names(directory, room, err);
    for (unsigned i = 0; rc == ERR_NONE && i < PROMPT_COUNT; i++) {
        const char *path = arena_printf(room, "%s/%s", directory, file_names[i]);
        rc = path ? load_file(path, room, &set.instruction[i], &set.frame[i], err)
                  : err_set(err, ERR_NOMEM, "%s: no memory", directory);
    }
    if (rc == ERR_NONE && arena_is_sour(room)) {
        rc = err_set(err, ERR_NOMEM, "%s: no memory", directory);
    }
    if (rc == ERR_NONE) {
        *out = set;
    }
    return rc;
}
