#include "gateway/config_cross.h"

#include "gateway/config_files.h"
#include "gateway/sockaddr.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS_MAX = 64 };

/* The place of a top-level key; the whole file where it is not written. */
static const struct config_node *place(const struct draft *draft, const char *key)
{
    const struct config_node *node = config_node_member(draft->root, key);
    return node ? node : draft->root;
}

static const struct config_node *place_in(const struct draft *draft, const char *group,
                                          const char *key)
{
    const struct config_node *node = config_node_member(config_node_member(draft->root, group),
                                                        key);
    return node ? node : place(draft, group);
}

/* ---- addresses ---- */

static bool parse_address(const struct draft *draft, const char *key, const char *text,
                          struct listener_address *out, struct config_faults *faults)
{
    struct errbuf why;
    if (!text) {
        return false;
    }
    if (listener_parse(text, out, &why) != ERR_NONE) {
        config_fault(faults, place(draft, key), key, "%s", why.text);
        return false;
    }
    return true;
}

/* Two sockets may share an address only where its port is chosen by the kernel. */
static bool is_same(const struct config *c)
{
    const char *colon = strrchr(c->listen_text, ':');
    return c->listen.length == c->admin.length &&
           memcmp(&c->listen.addr, &c->admin.addr, c->listen.length) == 0 &&
           (c->listen.is_unix || strcmp(colon ? colon : "", ":0") != 0);
}

/* The CPUs that this process may run on, which a container or taskset may have cut down. */
static unsigned cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned) n;
}

static void cross_addresses(struct config *c, const struct draft *draft,
                            struct config_faults *faults)
{
    bool has_listen = parse_address(draft, "listen", c->listen_text, &c->listen, faults);
    bool has_admin = parse_address(draft, "admin", c->admin_text, &c->admin, faults);
    if (c->workers == 0) {
        c->workers = has_listen && c->listen.is_unix ? 1 : cpu_count();
    }
    if (has_listen && c->listen.is_unix && c->workers > 1) { /* no SO_REUSEPORT there */
        config_fault(faults, place(draft, "workers"), "workers",
                     "a unix socket is served by one worker: write 1, or listen on an address");
    }
    if (has_listen && has_admin && is_same(c)) {
        config_fault(faults, place(draft, "admin"), "admin", "this is the address of listen too");
    }
    if (has_listen && !config_node_member(draft->root, "keys") &&
        !sockaddr_is_loopback((const struct sockaddr *) &c->listen.addr, c->listen.length)) {
        config_fault(faults, place(draft, "listen"), "listen",
                     "without keys anybody who reaches %s could use the models: list keys, or "
                     "listen on 127.0.0.1",
                     c->listen_text);
    }
}

/* Without keys a request with an Origin is refused whatever stands here. */
static void cross_cors(const struct config *c, const struct draft *draft,
                       struct config_faults *faults)
{
    if (c->cors[0] && !config_node_member(draft->root, "keys")) {
        config_fault(faults, place(draft, "cors"), "cors",
                     "without keys no web page is served: list keys, or leave cors out");
    }
}

static void cross_admin_token(struct config *c, const struct draft *draft,
                              const char *(*getenv_fn)(const char *name),
                              struct config_faults *faults)
{
    static const char key[] = "admin_token_env";
    struct errbuf why;
    if (!draft->admin_token_env) {
        return;
    }
    if (!c->admin_text || c->admin.is_unix) {
        config_fault(faults, place(draft, key), key,
                     "is of use only with a TCP address in admin: a unix socket is guarded by its "
                     "file mode, 0600");
    } else if (config_secret_of_env(draft->admin_token_env, getenv_fn, &c->arena, &c->admin_token,
                                    &why) != ERR_NONE) {
        config_fault(faults, place(draft, key), key, "%s", why.text);
    }
}

/* ---- files ---- */

static void check_file(const struct draft *draft, const char *group, const char *leaf,
                       const char *path, enum err (*check)(const char *path, struct errbuf *err),
                       struct config_faults *faults)
{
    char key[32];
    struct errbuf why;
    if (path && check(path, &why) != ERR_NONE) {
        snprintf(key, sizeof(key), "%s%s%s", group, *group ? "." : "", leaf);
        config_fault(faults, *group ? place_in(draft, group, leaf) : place(draft, leaf), key, "%s",
                     why.text);
    }
}

static void cross_files(const struct config *c, const struct draft *draft,
                        struct config_faults *faults)
{
    check_file(draft, "", "data", c->data, config_directory_usable, faults);
    check_file(draft, "tls", "cert", c->tls_cert, config_file_readable, faults);
    check_file(draft, "tls", "key", c->tls_key, config_file_readable, faults);
    check_file(draft, "log", "file", c->log_file, config_file_writable, faults);
}

/* ---- API keys ---- */

static bool digest_of_env(const struct draft_key *k, size_t i,
                          const char *(*getenv_fn)(const char *name),
                          unsigned char out[SHA256_BYTES], struct config_faults *faults)
{
    struct errbuf why;
    struct arena scratch;
    const char *token = NULL;
    arena_init(&scratch, 256, SIZE_MAX);
    enum err rc = config_secret_of_env(k->token_env, getenv_fn, &scratch, &token, &why);
    if (rc != ERR_NONE) {
        config_cross_fault(faults, k->node, "keys", i, "token_env", "%s", why.text);
    } else {
        crypt_sha256(slice_of(token), out);
    }
    arena_fini(&scratch);
    return rc == ERR_NONE;
}

/* The digest of one key; false when there is none. */
static bool digest(const struct draft_key *k, size_t i, const char *(*getenv_fn)(const char *name),
                   unsigned char out[SHA256_BYTES], struct config_faults *faults)
{
    if (k->sha256 && k->token_env) {
        config_cross_fault(faults, k->node, "keys", i, "token_env",
                           "sha256 gives the key already: leave one of them out");
        return false;
    }
    if (k->sha256) {
        return crypt_unhex(slice_of(k->sha256), out, SHA256_BYTES);
    }
    if (k->token_env) {
        return digest_of_env(k, i, getenv_fn, out, faults);
    }
    if (k->node->kind == NODE_MAP && !config_node_member(k->node, "sha256") &&
        !config_node_member(k->node, "token_env")) {
        config_cross_fault(faults, k->node, "keys", i, "sha256",
                           "is missing: the SHA-256 of the key, or token_env");
    }
    return false;
}

/* `has_digest`: keys that have none are no twins. */
static void check_twins(const struct auth *auth, const struct draft_key *list, size_t i,
                        bool has_digest, struct config_faults *faults)
{
    const struct auth_key *key = &auth->keys[i];
    for (size_t j = 0; j < i; j++) {
        const struct auth_key *other = &auth->keys[j];
        if (key->name && other->name && strcmp(key->name, other->name) == 0) {
            config_cross_fault(faults, list[i].node, "keys", i, "name",
                               "\"%s\" is the name of keys[%zu] already", key->name, j);
        }
        if (has_digest && memcmp(key->sha256, other->sha256, SHA256_BYTES) == 0) {
            config_cross_fault(faults, list[i].node, "keys", i,
                               list[i].sha256 ? "sha256" : "token_env", "keys[%zu] is the same key",
                               j);
        }
    }
}

static void check_allow(const struct config *c, const struct draft *draft,
                        const struct draft_key *k, size_t i, struct config_faults *faults)
{
    const struct config_node *list = config_node_member(k->node, "allow");
    char key[64];
    size_t j = 0;
    for (const struct config_node *n = list && k->allow ? list->first : NULL; n; n = n->next, j++) {
        if (k->allow[j] && !config_cross_is_client_name(c, draft, k->allow[j])) {
            snprintf(key, sizeof(key), "keys[%zu].allow[%zu]", i, j);
            config_fault(faults, n, key, "no model, alias, task or graph has the name \"%s\"",
                         k->allow[j]);
        }
    }
}

static void cross_keys(struct config *c, const struct draft *draft,
                       const char *(*getenv_fn)(const char *name), struct config_faults *faults)
{
    const struct draft_key *list = draft->keys.items;
    c->auth.keys = arena_array(&c->arena, draft->keys.count, sizeof(*c->auth.keys));
    for (size_t i = 0; i < draft->keys.count && c->auth.keys; i++) {
        struct auth_key *key = &c->auth.keys[c->auth.count++];
        key->name = list[i].name;
        key->allow = list[i].allow;
        key->limits = list[i].limits;
        key->usage_sum = list[i].usage == DRAFT_USAGE_SUM;
        check_twins(&c->auth, list, i, digest(&list[i], i, getenv_fn, key->sha256, faults), faults);
        check_allow(c, draft, &list[i], i, faults);
    }
}

/* ---- the rest ---- */

void config_cross_server(struct config *config, const struct draft *draft,
                         const char *(*getenv_fn)(const char *name), struct config_faults *faults)
{
    static const char *const no_origins[] = {NULL};
    if (!config->cors) {
        config->cors = no_origins;
    }
    config->compress_streams = draft->compress == DRAFT_COMPRESS_STREAMS;
    cross_addresses(config, draft, faults);
    cross_cors(config, draft, faults);
    cross_admin_token(config, draft, getenv_fn, faults);
    cross_files(config, draft, faults);
    cross_keys(config, draft, getenv_fn, faults);
}
