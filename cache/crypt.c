#include "cache/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- digests ---- */

/* SHA-256 is compiled into every mbedTLS that can do TLS 1.2; the calls fail only for bad
 * arguments or for memory, and a hash that is silently wrong would be worse than an end. */
static void must(int rc)
{
    if (rc != 0) {
        abort();
    }
}

void crypt_sha256(struct slice text, unsigned char out[SHA256_BYTES])
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    must(mbedtls_md(sha256, (const unsigned char *) text.p, text.n, out));
}

void crypt_hmac(const struct install_key *key, struct slice text, unsigned char out[SHA256_BYTES])
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    must(mbedtls_md_hmac(sha256, key->bytes, INSTALL_KEY_BYTES, (const unsigned char *) text.p,
                         text.n, out));
}

uint32_t crypt_tag(const struct install_key *key, const char *purpose, struct slice name)
{
    unsigned char mac[SHA256_BYTES];
    size_t purpose_length = strlen(purpose) + 1; /* the zero keeps the two apart */
    char *text = x_array(purpose_length + name.n, 1);
    memcpy(text, purpose, purpose_length);
    if (name.n > 0) {
        memcpy(text + purpose_length, name.p, name.n);
    }
    crypt_hmac(key, (struct slice) {text, purpose_length + name.n}, mac);
    free(text);
    return (uint32_t) mac[0] << 24 | (uint32_t) mac[1] << 16 | (uint32_t) mac[2] << 8 | mac[3];
}

bool crypt_equal(const void *a, const void *b, size_t n)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differ = 0;
    for (size_t i = 0; i < n; i++) {
        differ = (unsigned char) (differ | (x[i] ^ y[i]));
    }
    return differ == 0;
}

void crypt_wipe(void *p, size_t n)
{
    mbedtls_platform_zeroize(p, n);
}

/* ---- encodings ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool crypt_unhex(struct slice hex, void *out, size_t n)
{
    unsigned char *to = out;
    if (hex.n != 2 * n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(hex.p[2 * i]), low = hex_value(hex.p[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        to[i] = (unsigned char) (high << 4 | low);
    }
    return true;
}

static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

void crypt_base32(const void *bytes, size_t n, char *out)
{
    const unsigned char *in = bytes;
    uint32_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        held = held << 8 | in[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *out++ = base32_digits[held >> bits & 31];
        }
    }
    if (bits > 0) {
        *out++ = base32_digits[held << (5 - bits) & 31];
    }
    *out = '\0';
}

static int base32_value(char c)
{
    if (c >= 'a' && c <= 'z') {
        return c - 'a';
    }
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

bool crypt_unbase32(struct slice text, void *out, size_t n)
{
    unsigned char *to = out;
    uint32_t held = 0;
    unsigned bits = 0;
    if (text.n != (8 * n + 4) / 5) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        int value = base32_value(text.p[i]);
        if (value < 0) {
            return false;
        }
        held = held << 5 | (uint32_t) value;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (unsigned char) (held >> bits & 255);
        }
    }
    return (held & ((1u << bits) - 1)) == 0;
}

/* ---- the installation's key ---- */

static enum err fail(struct errbuf *err, const char *doing, const char *path)
{
    return err_set(err, ERR_IO, "%s: %s: %s", path, doing, strerror(errno));
}

static enum err read_key(int fd, const char *path, struct install_key *out, struct errbuf *err)
{
    struct stat facts;
    if (fstat(fd, &facts) == -1) {
        return fail(err, "cannot be looked at", path);
    }
    if ((facts.st_mode & 077) != 0) {
        return err_set(err, ERR_INPUT,
                       "%s: others may read the installation's key (mode %04o): chmod 600 it", path,
                       (unsigned) (facts.st_mode & 07777));
    }
    char bytes[INSTALL_KEY_BYTES + 1];
    ssize_t got = read(fd, bytes, sizeof(bytes));
    if (got == -1) {
        return fail(err, "cannot be read", path);
    }
    if (got != INSTALL_KEY_BYTES) {
        return err_set(err, ERR_INPUT,
                       "%s: does not hold a key of %d bytes: restore it from a backup, or remove "
                       "it to begin with a new one (ids given out before are then unknown)",
                       path, INSTALL_KEY_BYTES);
    }
    memcpy(out->bytes, bytes, INSTALL_KEY_BYTES);
    crypt_wipe(bytes, sizeof(bytes));
    return ERR_NONE;
}

static enum err sync_directory(const char *dir, struct errbuf *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1 || fsync(fd) == -1) {
        enum err rc = fail(err, "cannot be synced", dir);
        if (fd != -1) {
            close(fd);
        }
        return rc;
    }
    close(fd);
    return ERR_NONE;
}

/* Its own name must be on the disk before a key in it counts as kept. */
static enum err make_directory(const char *dir, struct errbuf *err)
{
    if (mkdir(dir, 0700) == -1) {
        return errno == EEXIST ? ERR_NONE : fail(err, "cannot be made", dir);
    }
    char *parent = x_printf("%s/..", dir);
    enum err rc = sync_directory(parent, err);
    free(parent);
    return rc;
}

/* The key must be whole and on the disk before it has a name: a cut in between leaves no key,
 * and the next start makes one. */
static enum err write_key(const char *dir, const char *path, const struct env *env,
                          struct install_key *out, struct errbuf *err)
{
    char *temporary = x_printf("%s.new", path);
    enum err rc = ERR_NONE;
    unlink(temporary); /* what a cut left may have another mode; O_EXCL follows no link either */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    env->random(env->arg, out->bytes, INSTALL_KEY_BYTES);
    if (fd == -1) {
        rc = fail(err, "cannot be made", temporary);
    } else if (write(fd, out->bytes, INSTALL_KEY_BYTES) != INSTALL_KEY_BYTES || fsync(fd) == -1) {
        rc = fail(err, "cannot be written", temporary);
    } else if (rename(temporary, path) == -1) {
        rc = fail(err, "cannot be renamed", temporary);
    }
    if (fd != -1) {
        close(fd);
    }
    if (rc != ERR_NONE) {
        unlink(temporary);
    }
    free(temporary);
    return rc == ERR_NONE ? sync_directory(dir, err) : rc;
}

enum err crypt_install_key(const char *dir, const struct env *env, struct install_key *out,
                           struct errbuf *err)
{
    char *path = x_printf("%s/key", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err rc;
    if (fd != -1) {
        rc = read_key(fd, path, out, err);
        close(fd);
    } else if (errno != ENOENT) {
        rc = fail(err, "cannot be opened", path);
    } else {
        rc = make_directory(dir, err);
        if (rc == ERR_NONE) {
            rc = write_key(dir, path, env, out, err);
        }
    }
    free(path);
    return rc;
}
