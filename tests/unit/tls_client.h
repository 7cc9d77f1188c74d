/* A TLS client for tests: mbedTLS on the other end of the socket, one step at a time. */
#ifndef TESTS_UNIT_TLS_CLIENT_H
#define TESTS_UNIT_TLS_CLIENT_H

#include <stdbool.h>
#include "tests/unit/tls_files.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <errno.h>
#include <sys/socket.h>

struct tls_client {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt trusted;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    int fd;
    size_t send_at_most;   /* bytes a call, so that records come in pieces; 0: all */
    unsigned certificates; /* seen: none in a resumed handshake */
};

static inline int client_send(void *arg, const unsigned char *bytes, size_t n)
{
    struct tls_client *c = arg;
    if (c->send_at_most > 0 && n > c->send_at_most) {
        n = c->send_at_most;
    }
    ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
        return (int) sent;
    }
    return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_CONN_RESET;
}

static inline int client_receive(void *arg, unsigned char *bytes, size_t n)
{
    struct tls_client *c = arg;
    ssize_t got = recv(c->fd, bytes, n, MSG_DONTWAIT);
    if (got >= 0) {
        return (int) got;
    }
    return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_NET_CONN_RESET;
}

static inline int client_verify(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls_client *c = arg;
    (void) crt;
    (void) depth;
    *flags = 0;
    c->certificates++;
    return 0;
}

static inline bool is_wait(int rc)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        return true;
    }
#endif
    return rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* Prepared, not yet started: a test may still change `config`; client_start() follows. */
static inline void client_init(struct tls_client *c, int fd, const char *cert_file)
{
    memset(c, 0, sizeof(*c));
    c->fd = fd;
    mbedtls_entropy_init(&c->entropy);
    mbedtls_ctr_drbg_init(&c->random);
    mbedtls_x509_crt_init(&c->trusted);
    mbedtls_ssl_config_init(&c->config);
    mbedtls_ssl_init(&c->ssl);
    assert_int_equal(mbedtls_ctr_drbg_seed(&c->random, mbedtls_entropy_func, &c->entropy, NULL, 0),
                     0);
    assert_int_equal(mbedtls_ssl_config_defaults(&c->config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&c->config, mbedtls_ctr_drbg_random, &c->random);
    assert_int_equal(mbedtls_x509_crt_parse_file(&c->trusted, cert_file), 0);
    mbedtls_ssl_conf_ca_chain(&c->config, &c->trusted, NULL);
    mbedtls_ssl_conf_authmode(&c->config, MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_verify(&c->config, client_verify, c);
}

static inline void client_start(struct tls_client *c)
{
    assert_int_equal(mbedtls_ssl_setup(&c->ssl, &c->config), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&c->ssl, "localhost"), 0);
    mbedtls_ssl_set_bio(&c->ssl, c, client_send, client_receive, NULL);
}

static inline void client_free(struct tls_client *c)
{
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->config);
    mbedtls_x509_crt_free(&c->trusted);
    mbedtls_ctr_drbg_free(&c->random);
    mbedtls_entropy_free(&c->entropy);
}

#endif
