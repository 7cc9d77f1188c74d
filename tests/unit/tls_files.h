/* Certificates for tests, made when the test runs. */
#ifndef TESTS_UNIT_TLS_FILES_H
#define TESTS_UNIT_TLS_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mbedtls/version.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls_files {
    char directory[64];
    char cert[96];
    char key[96];
    char other_key[96]; /* belongs to nothing */
    char garbage[96];
};

static inline void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void make_key(mbedtls_ctr_drbg_context *random, mbedtls_pk_context *key,
                            const char *file)
{
    unsigned char pem[2048];
    mbedtls_pk_init(key);
    assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
                                         mbedtls_ctr_drbg_random, random),
                     0);
    assert_int_equal(mbedtls_pk_write_key_pem(key, pem, sizeof(pem)), 0);
    write_file(file, pem, strlen((char *) pem));
}

static inline void set_serial(mbedtls_x509write_cert *cert)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
    unsigned char serial[] = {1};
    assert_int_equal(mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof(serial)), 0);
#else
    mbedtls_mpi serial;
    mbedtls_mpi_init(&serial);
    assert_int_equal(mbedtls_mpi_lset(&serial, 1), 0);
    assert_int_equal(mbedtls_x509write_crt_set_serial(cert, &serial), 0);
    mbedtls_mpi_free(&serial);
#endif
}

static inline void make_cert(mbedtls_ctr_drbg_context *random, mbedtls_pk_context *key,
                             const char *file)
{
    unsigned char pem[4096];
    mbedtls_x509write_cert cert;
    mbedtls_x509write_crt_init(&cert);
    mbedtls_x509write_crt_set_version(&cert, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&cert, key);
    mbedtls_x509write_crt_set_issuer_key(&cert, key);
    set_serial(&cert);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&cert, "CN=localhost"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&cert, "CN=localhost"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&cert, "20200101000000", "20370203040506"),
                     0);
    assert_int_equal(
        mbedtls_x509write_crt_pem(&cert, pem, sizeof(pem), mbedtls_ctr_drbg_random, random), 0);
    mbedtls_x509write_crt_free(&cert);
    write_file(file, pem, strlen((char *) pem));
}

static inline void tls_files_make(struct tls_files *f)
{
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key;
    const char *place = getenv("TMPDIR");
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
#endif
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    assert_int_equal(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0), 0);
    snprintf(f->directory, sizeof(f->directory), "%.40s/sluice-tls-XXXXXX",
             place != NULL ? place : "/tmp");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->directory);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->directory);
    snprintf(f->other_key, sizeof(f->other_key), "%s/other.pem", f->directory);
    snprintf(f->garbage, sizeof(f->garbage), "%s/garbage.pem", f->directory);
    make_key(&random, &key, f->other_key);
    mbedtls_pk_free(&key);
    make_key(&random, &key, f->key);
    make_cert(&random, &key, f->cert);
    write_file(f->garbage, "nothing like PEM\n", 17);
    mbedtls_pk_free(&key);
    mbedtls_ctr_drbg_free(&random);
    mbedtls_entropy_free(&entropy);
}

static inline void tls_files_remove(const struct tls_files *f)
{
    unlink(f->cert);
    unlink(f->key);
    unlink(f->other_key);
    unlink(f->garbage);
    assert_int_equal(rmdir(f->directory), 0);
}

#endif
