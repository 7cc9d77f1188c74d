#include "gateway/config_files.h"

#include "cache/crypt.h"
#include "gateway/config_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_FILE_BYTES = 8192 };

/* ---- files ---- */

/* -1 with words, which say `name` for it, when it is no regular file that we may read. */
static int open_regular(const char *path, const char *name, struct errbuf *err)
{
    struct stat st;
    /* O_NONBLOCK: opening a pipe would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd == -1) {
        err_set(err, ERR_IO, "%s cannot be read: %s", name, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s is no regular file", name);
        close(fd);
        return -1;
    }
    return fd;
}

enum err config_file_readable(const char *path, struct errbuf *err)
{
    int fd = open_regular(path, path, err);
    if (fd == -1) {
        return ERR_IO;
    }
    close(fd);
    return ERR_NONE;
}

/* The parent of `path` as text; long ones do not exist anyway. */
static enum err check_parent(const char *path, struct errbuf *err)
{
    char parent[4096];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    if (n >= sizeof(parent)) {
        return err_set(err, ERR_IO, "the path is too long");
    }
    memcpy(parent, n > 0 ? path : ".", n > 0 ? n : 1);
    parent[n > 0 ? n : 1] = '\0';
    if (access(parent, W_OK | X_OK) == -1) {
        return err_set(err, ERR_IO, "%s does not exist and cannot be made in %s: %s", path, parent,
                       strerror(errno));
    }
    return ERR_NONE;
}

static enum err check_place(const char *path, bool directory, struct errbuf *err)
{
    struct stat st;
    if (stat(path, &st) == -1) {
        return errno == ENOENT
                   ? check_parent(path, err)
                   : err_set(err, ERR_IO, "%s cannot be used: %s", path, strerror(errno));
    }
    if (directory != S_ISDIR(st.st_mode)) {
        return err_set(err, ERR_IO, directory ? "%s is no directory" : "%s is a directory", path);
    }
    if (access(path, directory ? W_OK | X_OK : W_OK) == -1) {
        return err_set(err, ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    }
    return ERR_NONE;
}

enum err config_directory_usable(const char *path, struct errbuf *err)
{
    return check_place(path, true, err);
}

enum err config_file_writable(const char *path, struct errbuf *err)
{
    return check_place(path, false, err);
}

/* Reads up to `cap` bytes. */
static ssize_t read_all(int fd, char *out, size_t cap)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t got = read(fd, out + n, cap - n);
        if (got == -1 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 ? (ssize_t) n : -1;
        }
        n += (size_t) got;
    }
    return (ssize_t) n;
}

enum err config_file_read(const char *path, size_t max_bytes, char **out, size_t *length,
                          struct errbuf *err)
{
    struct stat st;
    int fd = open_regular(path, path, err);
    if (fd == -1) {
        return ERR_IO;
    }
    bool fits = fstat(fd, &st) == 0 && (uint64_t) st.st_size <= max_bytes;
    /* One byte more shows a file that has grown. */
    char *text = fits ? malloc((size_t) st.st_size + 1) : NULL;
    ssize_t n = text ? read_all(fd, text, (size_t) st.st_size + 1) : -1;
    int error = errno;
    close(fd);
    if (n >= 0 && n <= st.st_size) {
        *out = text;
        *length = (size_t) n;
        return ERR_NONE;
    }
    free(text);
    if (!fits || n > st.st_size) {
        return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes, or grows", path, max_bytes);
    }
    return !text ? err_set(err, ERR_NOMEM, "no memory to read %s", path)
                 : err_set(err, ERR_IO, "%s cannot be read: %s", path, strerror(error));
}

/* ---- secrets ---- */

static bool is_upper_case(const char *name)
{
    for (; *name; name++) {
        if (*name >= 'a' && *name <= 'z') {
            return false;
        }
    }
    return true;
}

enum err config_secret_of_env(const char *name, const char *(*getenv_fn)(const char *name),
                              struct arena *arena, const char **out, struct errbuf *err)
{
    const char *shown = is_upper_case(name) ? name : "named here";
    const char *value = getenv_fn(name);
    if (!value || !*value) {
        return err_set(err, ERR_INPUT, "the environment variable %s is %s", shown,
                       value ? "empty" : "not set");
    }
    if (!config_value_is_token(slice_of(value))) {
        return err_set(err, ERR_INPUT,
                       "the environment variable %s holds spaces, control or non-ASCII characters, "
                       "or more than 4096, and cannot be sent in a header",
                       shown);
    }
    *out = arena_dup(arena, value);
    return ERR_NONE;
}

enum err config_secret_of_file(const char *path, struct arena *arena, const char **out,
                               struct errbuf *err)
{
    char text[SECRET_FILE_BYTES];
    int fd = open_regular(path, "the file", err);
    if (fd == -1) {
        return ERR_IO;
    }
    ssize_t n = read_all(fd, text, sizeof(text));
    int error = errno;
    close(fd);
    if (n == -1) {
        return err_set(err, ERR_IO, "the file cannot be read: %s", strerror(error));
    }
    char *end = memchr(text, '\n', (size_t) n);
    struct slice line = {text, end ? (size_t) (end - text) : (size_t) n};
    if (line.n > 0 && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    bool ok = config_value_is_token(line);
    *out = ok ? arena_dup_slice(arena, line).p : NULL;
    crypt_wipe(text, sizeof(text));
    return ok ? ERR_NONE
              : err_set(err, ERR_INPUT,
                        "the first line of the file is empty, or holds what cannot be sent in a "
                        "header: spaces, control or non-ASCII characters, or more than 4096");
}
