#include "cache/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- digests ---- */

static void expect_sha256(struct slice text, const char *want)
{
    unsigned char digest[SHA256_BYTES];
    unsigned char wanted[SHA256_BYTES];
    crypt_sha256(text, digest);
    assert_true(crypt_unhex(slice_of(want), wanted, sizeof(wanted)));
    assert_memory_equal(digest, wanted, sizeof(wanted));
}

/* The examples of FIPS 180-2, appendix B, and the empty text. */
static void test_sha256(void **state)
{
    char *million = x_alloc(1000000);
    (void) state;
    memset(million, 'a', 1000000);
    expect_sha256(SLICE_LIT("abc"),
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sha256(SLICE_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_sha256((struct slice) {million, 1000000},
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    expect_sha256(SLICE_LIT(""),
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sha256(SLICE_NONE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    free(million);
}

static void expect_hmac(const char *key, size_t length, struct slice text, const char *want)
{
    struct install_key padded = {{0}};
    unsigned char mac[SHA256_BYTES];
    unsigned char wanted[SHA256_BYTES];
    memcpy(padded.bytes, key, length); /* HMAC pads short keys with zeros itself: the same key */
    crypt_hmac(&padded, text, mac);
    assert_true(crypt_unhex(slice_of(want), wanted, sizeof(wanted)));
    assert_memory_equal(mac, wanted, sizeof(wanted));
}

/* RFC 4231, the test cases whose keys are not longer than ours. */
static void test_hmac(void **state)
{
    char dd[50], cd[50], key[25];
    (void) state;
    memset(key, 0x0b, 20);
    expect_hmac(key, 20, SLICE_LIT("Hi There"),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    expect_hmac("Jefe", 4, SLICE_LIT("what do ya want for nothing?"),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 20);
    memset(dd, 0xdd, sizeof(dd));
    expect_hmac(key, 20, (struct slice) {dd, sizeof(dd)},
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    for (unsigned i = 0; i < sizeof(key); i++) {
        key[i] = (char) (i + 1);
    }
    memset(cd, 0xcd, sizeof(cd));
    expect_hmac(key, sizeof(key), (struct slice) {cd, sizeof(cd)},
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

static void test_tags_depend_on_key_purpose_and_name(void **state)
{
    struct install_key key = {{1, 2, 3}}, other = {{1, 2, 4}};
    unsigned char mac[SHA256_BYTES];
    (void) state;
    uint32_t tag = crypt_tag(&key, "task", SLICE_LIT("math"));
    assert_int_equal(tag, crypt_tag(&key, "task", SLICE_LIT("math")));
    assert_int_not_equal(tag, crypt_tag(&other, "task", SLICE_LIT("math")));
    assert_int_not_equal(tag, crypt_tag(&key, "key", SLICE_LIT("math")));
    assert_int_not_equal(tag, crypt_tag(&key, "task", SLICE_LIT("maths")));
    /* Where one ends and the other begins matters. */
    assert_int_not_equal(crypt_tag(&key, "ab", SLICE_LIT("c")),
                         crypt_tag(&key, "a", SLICE_LIT("bc")));
    assert_int_not_equal(crypt_tag(&key, "a", SLICE_NONE), crypt_tag(&key, "", SLICE_LIT("a")));
    /* Ids that were given out stay valid only while this stays as it is. */
    crypt_hmac(&key, SLICE_LIT("task\0math"), mac);
    assert_int_equal(tag >> 24, mac[0]);
    assert_int_equal(tag & 255, mac[3]);
}

static void test_equal_looks_at_every_byte(void **state)
{
    unsigned char a[40] = {0}, b[40] = {0};
    (void) state;
    assert_true(crypt_equal(a, b, sizeof(a)));
    assert_true(crypt_equal(a, b, 0));
    for (size_t i = 0; i < sizeof(a); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            b[i] = (unsigned char) (1u << bit);
            assert_false(crypt_equal(a, b, sizeof(a)));
            assert_true(crypt_equal(a, b, i));
        }
        b[i] = 0;
    }
}

static void test_wipe(void **state)
{
    char secret[] = "secret!";
    (void) state;
    crypt_wipe(secret, 6);
    assert_memory_equal(secret, "\0\0\0\0\0\0!", sizeof(secret));
}

/* ---- encodings ---- */

static void test_unhex(void **state)
{
    const unsigned char bytes[] = {0x00, 0x0f, 0xa5, 0xff};
    unsigned char back[4];
    (void) state;
    assert_true(crypt_unhex(SLICE_LIT("000fa5ff"), back, 4));
    assert_memory_equal(back, bytes, 4);
    memset(back, 1, sizeof(back));
    assert_true(crypt_unhex(SLICE_LIT("000FA5Ff"), back, 4));
    assert_memory_equal(back, bytes, 4);
    assert_false(crypt_unhex(SLICE_LIT("000fa5f"), back, 4));
    assert_false(crypt_unhex(SLICE_LIT("000fa5ff0"), back, 4));
    assert_false(crypt_unhex(SLICE_LIT("000fa5fg"), back, 4));
    assert_false(crypt_unhex(SLICE_LIT("000f 5ff"), back, 4));
    assert_false(crypt_unhex(SLICE_LIT("000f-5ff"), back, 4));
    assert_false(crypt_unhex(SLICE_LIT("@00fa5ff"), back, 4));
    assert_false(crypt_unhex(SLICE_LIT("`00fa5ff"), back, 4));
}

/* RFC 4648, section 10, in lower case and without padding. */
static void test_base32(void **state)
{
    static const char *const texts[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const codes[] = {"",        "my",       "mzxq",      "mzxw6",
                                        "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char code[16], back[16];
        crypt_base32(texts[i], i, code);
        assert_string_equal(code, codes[i]);
        assert_true(crypt_unbase32(slice_of(codes[i]), back, i));
        assert_memory_equal(back, texts[i], i);
    }
}

static void test_base32_is_read_strictly(void **state)
{
    char back[16];
    (void) state;
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytbo"), back, 6));   /* short */
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytboia"), back, 6)); /* long */
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytboI"), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytbo="), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytb0i"), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytb1i"), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytb8i"), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytb`i"), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mzxw6ytb{i"), back, 6));
    assert_false(crypt_unbase32(SLICE_LIT("mz"), back, 1)); /* bits behind the byte: "my" is f */
    assert_false(crypt_unbase32(SLICE_LIT("mzxr"), back, 2));
}

/* Every byte string has one code: a changed character is another string or none. */
static void test_base32_of_all_lengths(void **state)
{
    unsigned char bytes[30], back[30];
    char code[CRYPT_BASE32_LEN_30 + 1];
    (void) state;
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char) (i * 151 + 77);
    }
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        crypt_base32(bytes, n, code);
        assert_int_equal(strlen(code), (8 * n + 4) / 5);
        assert_true(crypt_unbase32(slice_of(code), back, n));
        assert_memory_equal(back, bytes, n);
        for (size_t k = 0; k < strlen(code); k++) {
            char kept = code[k];
            code[k] = kept == 'a' ? 'b' : 'a';
            assert_false(crypt_unbase32(slice_of(code), back, n) && memcmp(back, bytes, n) == 0);
            code[k] = kept;
        }
    }
    assert_int_equal(strlen(code), CRYPT_BASE32_LEN_30);
}

/* ---- the installation's key ---- */

static unsigned char next_random;

static void on_random(void *arg, void *out, size_t n)
{
    (void) arg;
    memset(out, next_random++, n);
}

static const struct env fake = {.random = on_random};

struct place {
    char dir[64];
    char key[96];
    char temporary[96];
};

static int place_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "/tmp/sluice-key-XXXXXX");
    if (!mkdtemp(p->dir)) {
        return -1;
    }
    snprintf(p->key, sizeof(p->key), "%s/key", p->dir);
    snprintf(p->temporary, sizeof(p->temporary), "%s/key.new", p->dir);
    next_random = 1;
    *state = p;
    return 0;
}

static int place_down(void **state)
{
    struct place *p = *state;
    chmod(p->dir, 0700);
    unlink(p->key);
    unlink(p->temporary);
    int rc = rmdir(p->dir);
    free(p);
    return rc;
}

static void write_file(const char *path, const char *bytes, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd != -1);
    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_the_key_is_made_once(void **state)
{
    const struct place *p = *state;
    struct install_key first, second;
    struct errbuf err;
    struct stat facts;
    assert_int_equal(crypt_install_key(p->dir, &fake, &first, &err), ERR_NONE);
    assert_int_equal(stat(p->key, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(facts.st_size, INSTALL_KEY_BYTES);
    assert_int_equal(access(p->temporary, F_OK), -1);
    assert_int_equal(first.bytes[0], 1);
    memset(&second, 0, sizeof(second));
    assert_int_equal(crypt_install_key(p->dir, &fake, &second, &err), ERR_NONE);
    assert_memory_equal(&first, &second, sizeof(first));
}

static void test_a_missing_directory_is_made(void **state)
{
    const struct place *p = *state;
    char *dir = x_printf("%s/below", p->dir);
    char *key_file = x_printf("%s/key", dir);
    struct install_key key;
    struct errbuf err;
    struct stat facts;
    assert_int_equal(crypt_install_key(dir, &fake, &key, &err), ERR_NONE);
    assert_int_equal(stat(dir, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0700);
    unlink(key_file);
    rmdir(dir);
    free(key_file);
    free(dir);
}

/* A cut while the key was written leaves a piece of it under the other name, here with a bad
 * mode. */
static void test_a_piece_of_a_key_is_no_key(void **state)
{
    const struct place *p = *state;
    struct install_key key;
    struct errbuf err;
    struct stat facts;
    write_file(p->temporary, "piece", 5, 0644);
    assert_int_equal(crypt_install_key(p->dir, &fake, &key, &err), ERR_NONE);
    assert_int_equal(stat(p->key, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(facts.st_size, INSTALL_KEY_BYTES);
    assert_int_equal(access(p->temporary, F_OK), -1);
}

static void expect_refusal(const struct place *p, enum err want, const char *words)
{
    struct install_key key;
    struct errbuf err = {{0}};
    assert_int_equal(crypt_install_key(p->dir, &fake, &key, &err), want);
    if (!strstr(err.text, words) || !strstr(err.text, p->key)) {
        fail_msg("'%s' does not say '%s' of %s", err.text, words, p->key);
    }
}

static void test_a_key_of_another_size_is_refused(void **state)
{
    const struct place *p = *state;
    char bytes[INSTALL_KEY_BYTES + 1] = {0};
    static const size_t sizes[] = {0, 1, INSTALL_KEY_BYTES - 1, INSTALL_KEY_BYTES + 1};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        write_file(p->key, bytes, sizes[i], 0600);
        expect_refusal(p, ERR_INPUT, "32 bytes");
    }
    write_file(p->key, bytes, INSTALL_KEY_BYTES, 0600);
    struct install_key key;
    struct errbuf err;
    assert_int_equal(crypt_install_key(p->dir, &fake, &key, &err), ERR_NONE);
}

static void test_a_key_that_others_may_read_is_refused(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0644, 0666, 0601};
    const struct place *p = *state;
    char bytes[INSTALL_KEY_BYTES] = {0};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        write_file(p->key, bytes, sizeof(bytes), modes[i]);
        expect_refusal(p, ERR_INPUT, "chmod 600");
    }
}

static void test_a_missing_directory_is_named(void **state)
{
    /* Only the last directory is made; the words name it. */
    struct place missing = {"/tmp/sluice-key-missing/none", "/tmp/sluice-key-missing/none", ""};
    (void) state;
    expect_refusal(&missing, ERR_IO, strerror(ENOENT));
}

static void test_a_key_that_is_a_directory(void **state)
{
    const struct place *p = *state;
    assert_int_equal(mkdir(p->key, 0700), 0);
    expect_refusal(p, ERR_IO, strerror(EISDIR));
    assert_int_equal(rmdir(p->key), 0);
}

/* What could not be written leaves nothing behind that looks like a key. */
static void test_a_temporary_name_that_is_taken(void **state)
{
    const struct place *p = *state;
    assert_int_equal(mkdir(p->temporary, 0700), 0);
    expect_refusal(p, ERR_IO, strerror(EEXIST));
    assert_int_equal(access(p->key, F_OK), -1);
    assert_int_equal(rmdir(p->temporary), 0);
}

/* Half a key is worse than none: a disk that is full leaves neither name. */
static void test_a_key_that_is_cut_short(void **state)
{
    const struct place *p = *state;
    struct rlimit before, cut;
    struct install_key key;
    struct errbuf err;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    cut = (struct rlimit) {INSTALL_KEY_BYTES / 2, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &cut), 0);
    enum err rc = crypt_install_key(p->dir, &fake, &key, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(rc, ERR_IO);
    assert_non_null(strstr(err.text, "cannot be written"));
    assert_int_equal(access(p->key, F_OK), -1);
    assert_int_equal(access(p->temporary, F_OK), -1);
}

/* A key that is there and cannot be opened is not replaced by a new one. */
static void test_a_key_that_cannot_be_opened(void **state)
{
    const struct place *p = *state;
    assert_int_equal(symlink("key", p->key), 0); /* to itself */
    expect_refusal(p, ERR_IO, strerror(ELOOP));
    assert_int_equal(access(p->temporary, F_OK), -1);
}

/* Root may write everywhere, so it is somebody else who tries. */
static void test_a_directory_that_cannot_be_written(void **state)
{
    enum { NOBODY = 65534 };
    const struct place *p = *state;
    bool is_root = geteuid() == 0;
    assert_int_equal(chmod(p->dir, 0555), 0);
    assert_int_equal(is_root ? seteuid(NOBODY) : 0, 0);
    struct install_key key;
    struct errbuf err;
    enum err rc = crypt_install_key(p->dir, &fake, &key, &err);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(rc, ERR_IO);
    assert_non_null(strstr(err.text, p->temporary));
    assert_non_null(strstr(err.text, strerror(EACCES)));
    assert_int_equal(access(p->key, F_OK), -1);
}

#define in_place(test) cmocka_unit_test_setup_teardown(test, place_up, place_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_tags_depend_on_key_purpose_and_name),
        cmocka_unit_test(test_equal_looks_at_every_byte),
        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_unhex),
        cmocka_unit_test(test_base32),
        cmocka_unit_test(test_base32_is_read_strictly),
        cmocka_unit_test(test_base32_of_all_lengths),
        in_place(test_the_key_is_made_once),
        in_place(test_a_piece_of_a_key_is_no_key),
        in_place(test_a_key_of_another_size_is_refused),
        in_place(test_a_key_that_others_may_read_is_refused),
        cmocka_unit_test(test_a_missing_directory_is_named),
        in_place(test_a_missing_directory_is_made),
        in_place(test_a_key_that_is_a_directory),
        in_place(test_a_temporary_name_that_is_taken),
        in_place(test_a_key_that_is_cut_short),
        in_place(test_a_key_that_cannot_be_opened),
        in_place(test_a_directory_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
