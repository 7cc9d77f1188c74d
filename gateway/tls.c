#include "gateway/tls.h"

#include <mbedtls/version.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HAS_MBEDTLS_3 (MBEDTLS_VERSION_NUMBER >= 0x03000000)

enum { TICKET_LIFETIME_S = 24 * 3600 };

struct tls_context {
    unsigned references;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
    mbedtls_ssl_config config;
};

struct tls_session {
    mbedtls_ssl_context ssl;
    struct tls_context *context;
    int fd;
    size_t unsent; /* bytes of records that mbedTLS holds because the socket took no more */
    size_t taken;  /* payload of our record among them */
    bool has_notified;
    char what[96];
};

/* mbedTLS takes the first of its own list that the client offers. ChaCha20 first: without instructions
 * for AES, as on most routers, it is several times faster, and here it is no slower. */
static const int suites[] = {
#if HAS_MBEDTLS_3 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

/* 2.28 would take the strongest that the client offers, secp521r1, at several times the cost. */
#if HAS_MBEDTLS_3
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};
#else
static const mbedtls_ecp_group_id groups[] = {
    MBEDTLS_ECP_DP_SECP256R1,
    MBEDTLS_ECP_DP_CURVE25519,
    MBEDTLS_ECP_DP_SECP384R1,
    MBEDTLS_ECP_DP_NONE,
};
#endif

/* ---- context ---- */

static const char *words(int code, char *out, size_t cap)
{
    mbedtls_strerror(code, out, cap);
    return out;
}

static enum err file_failed(struct errbuf *err, const char *what, const char *file, int code)
{
    char text[160];
    if (code == MBEDTLS_ERR_X509_FILE_IO_ERROR || code == MBEDTLS_ERR_PK_FILE_IO_ERROR) {
        return err_set(err, ERR_IO, "cannot read the %s %s: %s", what, file, strerror(errno));
    }
    if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED) {
        return err_set(err, ERR_INPUT, "the %s %s is encrypted: store it without a password", what,
                       file);
    }
    return err_set(err, ERR_INPUT, "the %s %s is not valid PEM: %s", what, file,
                   words(code, text, sizeof(text)));
}

static enum err load_files(struct tls_context *t, const char *cert_file, const char *key_file,
                           struct errbuf *err)
{
    errno = 0;
    int rc = mbedtls_x509_crt_parse_file(&t->chain, cert_file);
    if (rc > 0) {
        return err_set(err, ERR_INPUT, "%d certificates in %s cannot be read", rc, cert_file);
    }
    if (rc < 0) {
        return file_failed(err, "certificate", cert_file, rc);
    }
    errno = 0;
#if HAS_MBEDTLS_3
    rc = mbedtls_pk_parse_keyfile(&t->key, key_file, NULL, mbedtls_ctr_drbg_random, &t->random);
#else
    rc = mbedtls_pk_parse_keyfile(&t->key, key_file, NULL);
#endif
    if (rc != 0) {
        return file_failed(err, "key", key_file, rc);
    }
#if HAS_MBEDTLS_3
    rc = mbedtls_pk_check_pair(&t->chain.pk, &t->key, mbedtls_ctr_drbg_random, &t->random);
#else
    rc = mbedtls_pk_check_pair(&t->chain.pk, &t->key);
#endif
    if (rc != 0) {
        return err_set(err, ERR_INPUT, "the key %s does not belong to the certificate %s", key_file,
                       cert_file);
    }
    return ERR_NONE;
}

static int set_random(struct tls_context *t)
{
#if HAS_MBEDTLS_3 && (defined(MBEDTLS_USE_PSA_CRYPTO) || defined(MBEDTLS_SSL_PROTO_TLS1_3))
    if (psa_crypto_init() != PSA_SUCCESS) {
        return MBEDTLS_ERR_SSL_HW_ACCEL_FAILED;
    }
#endif
    return mbedtls_ctr_drbg_seed(&t->random, mbedtls_entropy_func, &t->entropy, NULL, 0);
}

static int set_config(struct tls_context *t)
{
    static const char *protocols[] = {"http/1.1", NULL};
    mbedtls_ssl_config *c = &t->config;
    int rc = mbedtls_ssl_config_defaults(c, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                         MBEDTLS_SSL_PRESET_DEFAULT);
    if (rc != 0) {
        return rc;
    }
    mbedtls_ssl_conf_rng(c, mbedtls_ctr_drbg_random, &t->random);
    mbedtls_ssl_conf_ciphersuites(c, suites);
#if HAS_MBEDTLS_3
    mbedtls_ssl_conf_min_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(c, groups);
#else
    mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(c, groups);
#endif
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(c, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
    rc = mbedtls_ssl_conf_alpn_protocols(c, protocols);
    if (rc == 0) {
        rc = mbedtls_ssl_conf_own_cert(c, &t->chain, &t->key);
    }
    if (rc == 0) {
        rc = mbedtls_ssl_ticket_setup(&t->tickets, mbedtls_ctr_drbg_random, &t->random,
                                      MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S);
    }
    mbedtls_ssl_conf_session_tickets_cb(c, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                        &t->tickets);
    return rc;
}

struct tls_context *tls_context_new(const char *cert_file, const char *key_file, struct errbuf *err)
{
    struct tls_context *t = x_alloc(sizeof(*t));
    t->references = 1;
    mbedtls_entropy_init(&t->entropy);
    mbedtls_ctr_drbg_init(&t->random);
    mbedtls_x509_crt_init(&t->chain);
    mbedtls_pk_init(&t->key);
    mbedtls_ssl_ticket_init(&t->tickets);
    mbedtls_ssl_config_init(&t->config);
    char text[160];
    int rc = set_random(t);
    if (rc != 0) {
        (void) err_set(err, ERR_IO, "no random numbers for TLS: %s", words(rc, text, sizeof(text)));
        goto fail;
    }
    if (load_files(t, cert_file, key_file, err) != ERR_NONE) {
        goto fail;
    }
    rc = set_config(t);
    if (rc != 0) {
        (void) err_set(err, ERR_NOMEM, "cannot set up TLS: %s", words(rc, text, sizeof(text)));
        goto fail;
    }
    return t;
fail:
    tls_context_unref(t);
    return NULL;
}

void tls_context_unref(struct tls_context *t)
{
    if (t == NULL || --t->references > 0) {
        return;
    }
    mbedtls_ssl_config_free(&t->config);
    mbedtls_ssl_ticket_free(&t->tickets);
    mbedtls_pk_free(&t->key);
    mbedtls_x509_crt_free(&t->chain);
    mbedtls_ctr_drbg_free(&t->random);
    mbedtls_entropy_free(&t->entropy);
    free(t);
}

int64_t tls_context_expiry_s(const struct tls_context *t)
{
    const mbedtls_x509_time *end = &t->chain.valid_to;
    struct tm tm = {
        .tm_year = end->year - 1900,
        .tm_mon = end->mon - 1,
        .tm_mday = end->day,
        .tm_hour = end->hour,
        .tm_min = end->min,
        .tm_sec = end->sec,
    };
    return (int64_t) timegm(&tm);
}

/* ---- the socket, as mbedTLS sees it ---- */

static int bio_send(void *arg, const unsigned char *bytes, size_t n)
{
    struct tls_session *s = arg;
    ssize_t sent;
    do {
        sent = send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent == -1 && errno == EINTR);
    s->unsent = sent > 0 ? n - (size_t) sent : n;
    if (sent >= 0) {
        return (int) sent;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? MBEDTLS_ERR_SSL_WANT_WRITE
                                                   : MBEDTLS_ERR_NET_CONN_RESET;
}

static int bio_receive(void *arg, unsigned char *bytes, size_t n)
{
    struct tls_session *s = arg;
    ssize_t got;
    do {
        got = recv(s->fd, bytes, n, MSG_DONTWAIT);
    } while (got == -1 && errno == EINTR);
    if (got >= 0) {
        return (int) got;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? MBEDTLS_ERR_SSL_WANT_READ
                                                   : MBEDTLS_ERR_NET_CONN_RESET;
}

/* ---- session ---- */

struct tls_session *tls_session_new(struct tls_context *t, int fd)
{
    struct tls_session *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->context = t;
    t->references++;
    s->fd = fd;
    mbedtls_ssl_init(&s->ssl);
    if (mbedtls_ssl_setup(&s->ssl, &t->config) != 0) {
        tls_session_free(s);
        return NULL;
    }
    mbedtls_ssl_set_bio(&s->ssl, s, bio_send, bio_receive, NULL);
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (s == NULL) {
        return;
    }
    mbedtls_ssl_free(&s->ssl);
    tls_context_unref(s->context);
    free(s);
}

static enum tls_result result_of(struct tls_session *s, int code)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_WANT_READ:
        return TLS_WANT_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE:
        return TLS_WANT_WRITE;
    case MBEDTLS_ERR_SSL_CONN_EOF:
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        return TLS_CLOSED;
    case MBEDTLS_ERR_NET_CONN_RESET:
        return TLS_RESET;
    default:
        words(code, s->what, sizeof(s->what));
        return TLS_FAILED;
    }
}

enum tls_result tls_handshake(struct tls_session *s)
{
    int rc = mbedtls_ssl_handshake(&s->ssl);
    return rc == 0 ? TLS_DONE : result_of(s, rc);
}

enum tls_result tls_read(struct tls_session *s, void *to, size_t cap, size_t *got)
{
    int rc = mbedtls_ssl_read(&s->ssl, to, cap);
    *got = rc > 0 ? (size_t) rc : 0;
    if (rc == 0) {
        return TLS_CLOSED;
    }
    return rc > 0 ? TLS_DONE : result_of(s, rc);
}

bool tls_has_pending(const struct tls_session *s)
{
    return mbedtls_ssl_check_pending(&s->ssl) != 0;
}

/* Sends what mbedTLS holds: while it holds something, this call does that and nothing else. */
static int flush_held(struct tls_session *s)
{
    return s->unsent > 0 ? mbedtls_ssl_close_notify(&s->ssl) : 0;
}

/* mbedtls_ssl_write() takes a call for a retry when it holds a record, whosever that is, and reports our
 * bytes as written: after a refused renegotiation it may hold an alert, and our bytes would be lost.
 * The other way round an alert's sending may have flushed our record, and a retry would send it twice.
 * Hence we count for ourselves. */
enum tls_result tls_write(struct tls_session *s, const void *from, size_t n, size_t *put)
{
    int rc = flush_held(s);
    *put = 0;
    if (rc != 0) {
        return result_of(s, rc);
    }
    if (s->taken == 0) {
        rc = mbedtls_ssl_write(&s->ssl, from, n);
        if (rc > 0) {
            *put = (size_t) rc;
            return TLS_DONE;
        }
        if (rc == MBEDTLS_ERR_SSL_WANT_WRITE && s->unsent > 0) {
            int most = mbedtls_ssl_get_max_out_record_payload(&s->ssl);
            s->taken = most > 0 && n > (size_t) most ? (size_t) most : n;
        }
        return result_of(s, rc);
    }
    *put = s->taken;
    s->taken = 0;
    return TLS_DONE;
}

enum tls_result tls_close_notify(struct tls_session *s)
{
    int rc = flush_held(s);
    if (rc == 0 && !s->has_notified) {
        rc = mbedtls_ssl_close_notify(&s->ssl);
        s->has_notified = rc == 0 || rc == MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    return rc == 0 ? TLS_DONE : result_of(s, rc);
}

const char *tls_what(const struct tls_session *s)
{
    return s->what;
}
