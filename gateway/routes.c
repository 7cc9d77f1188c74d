#include "gateway/routes.h"

#include "gateway/api.h"

#include <stdio.h>
#include <string.h>

static struct slice normal_path(struct slice path)
{
    while (path.n > 1 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    if (slice_starts(path, "/v1") && (path.n == 3 || path.p[3] == '/')) {
        path = (struct slice) {path.p + 3, path.n - 3};
    }
    return path.n > 0 ? path : SLICE_LIT("/");
}

static bool path_matches(const char *pattern, struct slice path, struct slice *rest)
{
    size_t n = strlen(pattern);
    if (pattern[n - 1] != '*') {
        *rest = SLICE_NONE;
        return slice_eq_text(path, pattern);
    }
    if (path.n <= n - 1 || memcmp(path.p, pattern, n - 1) != 0) {
        return false;
    }
    *rest = (struct slice) {path.p + n - 1, path.n - (n - 1)};
    return true;
}

enum route_match routes_find(const struct routes *r, enum http1_method method, struct slice path,
                             const struct route_entry **entry, struct slice *rest)
{
    enum route_match match = ROUTE_NO_PATH;
    enum http1_method wanted = method == HTTP1_HEAD ? HTTP1_GET : method;
    path = normal_path(path);
    for (size_t i = 0; i < r->count; i++) {
        struct slice taken;
        if (!path_matches(r->entries[i].path, path, &taken)) {
            continue;
        }
        *entry = &r->entries[i];
        *rest = taken;
        if (r->entries[i].method == wanted) {
            return ROUTE_FOUND;
        }
        match = ROUTE_NO_METHOD;
    }
    return match;
}

void routes_allow(const struct routes *r, struct slice path, char *out, size_t cap)
{
    size_t used = 0;
    path = normal_path(path);
    out[0] = '\0';
    for (size_t i = 0; i < r->count; i++) {
        struct slice taken;
        if (path_matches(r->entries[i].path, path, &taken) && used < cap) {
            const char *name = r->entries[i].method == HTTP1_POST ? "POST, " : "GET, HEAD, ";
            used += (size_t) snprintf(out + used, cap - used, "%s", name);
        }
    }
    if (used < cap) {
        snprintf(out + used, cap - used, "OPTIONS");
    }
}

const struct routes *routes_public(void)
{
    static const struct route_entry entries[] = {
        {HTTP1_POST, "/chat/completions", &api_chat},
        {HTTP1_POST, "/completions", &api_completions},
        {HTTP1_POST, "/embeddings", &api_embeddings},
        {HTTP1_GET, "/models", &api_models},
        {HTTP1_GET, "/models/*", &api_model},
        {HTTP1_GET, "/healthz", &api_healthz},
        {HTTP1_GET, "/readyz", &api_readyz},
    };
    static const struct routes routes = {
        entries,
        ARRAY_LEN(entries),
        "POST /v1/chat/completions, POST /v1/completions, POST /v1/embeddings, GET /v1/models, "
        "GET /v1/models/ID, GET /healthz, GET /readyz",
    };
    return &routes;
}
