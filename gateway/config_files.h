/* What the configuration points to outside itself: files, directories, secrets. Looks and changes
 * nothing; opens no device and waits for no pipe. */
#ifndef GATEWAY_CONFIG_FILES_H
#define GATEWAY_CONFIG_FILES_H

#include "cache/arena.h"

/* A regular file that can be read, a directory that can be written or made (its parent is there), a file
 * that can be written or made. ERR_IO with words that name the path. */
enum err config_file_readable(const char *path, struct errbuf *err) MUST_CHECK;
enum err config_directory_usable(const char *path, struct errbuf *err) MUST_CHECK;
enum err config_file_writable(const char *path, struct errbuf *err) MUST_CHECK;

/* All of a regular file, not terminated, the caller's to free. ERR_LIMIT when it has more than `max_bytes`,
 * ERR_IO, ERR_NOMEM, with words that name the path. */
enum err config_file_read(const char *path, size_t max_bytes, char **out, size_t *length,
                          struct errbuf *err) MUST_CHECK;

/* A secret that can stand in an HTTP header, copied to `arena`. The words never repeat it, nor what names
 * it, as that may be a secret in the wrong place; but a variable in upper case is named. */
enum err config_secret_of_env(const char *name, const char *(*getenv_fn)(const char *name),
                              struct arena *arena, const char **out, struct errbuf *err) MUST_CHECK;
enum err config_secret_of_file(const char *path, struct arena *arena, const char **out,
                               struct errbuf *err) MUST_CHECK; /* its first line */

#endif
