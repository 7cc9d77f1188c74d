#include "router/graph_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "router/graph_check.h"

struct reading {
    const char *file;
    const struct catalog *catalog;
    struct errbuf *err;
    struct graph_draft draft;
};

/* A text of the file as messages repeat it: cut where it is long, without control characters. */
struct quote {
    char text[48];
};

static struct quote quoted(const char *text)
{
    struct quote q;
    size_t n = strlen(text);
    size_t i;

    if (n > 40) {
        n = 40;
        while (n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80) {
            n--; /* not within a character */
        }
    }
    snprintf(q.text, sizeof(q.text), "\"%.*s\"%s", (int) n, text, text[n] == '\0' ? "" : "…");
    for (i = 0; q.text[i] != '\0'; i++) {
        if ((unsigned char) q.text[i] < 0x20 || q.text[i] == 0x7f) {
            q.text[i] = '?';
        }
    }
    return q;
}

static bool refuse(struct reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Says FILE: and the words. Always false. */
static bool refuse(struct reading *r, const char *fmt, ...)
{
    struct errbuf words;
    va_list args;

    va_start(args, fmt);
    vsnprintf(words.text, sizeof(words.text), fmt, args);
    va_end(args);
    err_set(r->err, ERR_INPUT, "%s: %s", r->file, words.text);
    return false;
}

/* What a message says was found. */
static struct quote found(const json_t *value)
{
    static const char *const types[] = {"an object", "an array", "a string", "a whole number",
                                        "a number",  "true",     "false",    "null"};
    struct quote q;

    if (json_is_string(value)) {
        return quoted(json_string_value(value));
    }
    snprintf(q.text, sizeof(q.text), "%s", value == NULL ? "nothing" : types[json_typeof(value)]);
    return q;
}

/* ---- nodes ---- */

/* Where in the file a node is, for messages. */
struct place {
    char text[64];
};

static bool read_name(struct reading *r, const struct place *at, const json_t *value,
                      struct graph_node *node)
{
    struct slice name = SLICE_LIT("");
    unsigned i;

    if (json_is_string(value)) {
        name = slice_of(json_string_value(value));
    }
    if (!graph_check_name(name)) {
        return refuse(r, "%s: id: expected 1 to %d letters, digits or any of \"-_.\", found %s",
                      at->text, GRAPH_NAME_MAX, found(value).text);
    }
    for (i = 0; i < r->draft.count; i++) {
        if (slice_eq_text(name, r->draft.nodes[i].name)) {
            return refuse(r, "%s: id: \"%s\" is the id of another node, nodes[%u]", at->text,
                          r->draft.nodes[i].name, i);
        }
    }
    memcpy(node->name, name.p, name.n);
    return true;
}

static bool read_role(struct reading *r, const struct place *at, const json_t *value,
                      struct graph_node *node)
{
    const char *role = json_string_value(value);
    enum node_role i;

    for (i = ROLE_ASSISTANT; i <= ROLE_FUSER; i++) {
        if (role != NULL && strcmp(role, graph_role_text(i)) == 0) {
            node->role = i;
            return true;
        }
    }
    return refuse(r, "%s: role: expected \"assistant\" or \"fuser\", found %s", at->text,
                  found(value).text);
}

static bool read_fuse(struct reading *r, const struct place *at, const json_t *value,
                      struct graph_node *node)
{
    const char *fuse = json_string_value(value);
    enum fuser_kind i;

    if (node->role == ROLE_ASSISTANT) {
        return value == NULL ||
               refuse(r, "%s: fuse: only a fuser has it, and this is an assistant", at->text);
    }
    for (i = FUSER_LLM; i <= FUSER_SELECT; i++) {
        if (fuse != NULL && strcmp(fuse, graph_fuse_text(i)) == 0) {
            node->fuse = i;
            return true;
        }
    }
    return refuse(r, "%s: fuse: expected \"llm\", \"vote\" or \"select\", found %s", at->text,
                  found(value).text);
}

static bool read_model(struct reading *r, const struct place *at, const json_t *value,
                       struct graph_node *node)
{
    if (node->fuse == FUSER_VOTE) {
        return value == NULL ||
               refuse(r, "%s: model: a vote makes no call, so it has no model", at->text);
    }
    if (!json_is_string(value)) {
        return refuse(r, "%s: model: expected the name of a model, found %s", at->text,
                      found(value).text);
    }
    node->model = catalog_model(r->catalog, slice_of(json_string_value(value)));
    return node->model != NULL || refuse(r, "%s: model: no model is called %s", at->text,
                                         quoted(json_string_value(value)).text);
}

static bool read_settings(struct reading *r, const struct place *at, const json_t *object,
                          struct graph_node *node)
{
    const json_t *temperature = json_object_get(object, "temperature");
    const json_t *top_p = json_object_get(object, "top_p");
    const json_t *max_tokens = json_object_get(object, "max_tokens");
    json_int_t cap = json_integer_value(max_tokens);
    double number = json_number_value(temperature);

    if (node->fuse == FUSER_VOTE && (temperature || top_p || max_tokens)) {
        return refuse(r, "%s: %s: a vote makes no call, so it has no settings", at->text,
                      temperature ? "temperature" : (top_p ? "top_p" : "max_tokens"));
    }
    if (temperature != NULL) {
        if (!json_is_number(temperature) || !(number >= 0.0 && number <= 2.0)) {
            return refuse(r, "%s: temperature: expected a number from 0 to 2, found %s", at->text,
                          found(temperature).text);
        }
        node->temperature = number;
    }
    number = json_number_value(top_p);
    if (top_p != NULL) {
        if (!json_is_number(top_p) || !(number > 0.0 && number <= 1.0)) {
            return refuse(r, "%s: top_p: expected a number over 0 and at most 1, found %s",
                          at->text, found(top_p).text);
        }
        node->top_p = number;
    }
    if (max_tokens != NULL && (!json_is_integer(max_tokens) || cap < 1 || cap > UINT32_MAX)) {
        return refuse(r, "%s: max_tokens: expected a whole number of at least 1, found %s",
                      at->text, found(max_tokens).text);
    }
    node->max_tokens = (uint32_t) cap;
    return true;
}

/* False with words when the object has a member that is not in the list, which a NULL ends. */
static bool check_members(struct reading *r, const char *at, json_t *object,
                          const char *const known[])
{
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(object, key, value)
    {
        for (i = 0; known[i] != NULL && strcmp(key, known[i]) != 0; i++) {
        }
        if (known[i] == NULL) {
            return refuse(r, "%s%s is no member of %s", at, quoted(key).text,
                          *at == '\0' ? "a graph" : "a node");
        }
    }
    return true;
}

static bool read_node(struct reading *r, json_t *object)
{
    static const char *const members[] = {"id",          "model", "role",       "fuse",
                                          "temperature", "top_p", "max_tokens", NULL};
    struct graph_node *node = &r->draft.nodes[r->draft.count];
    struct place at;
    struct place before;

    snprintf(at.text, sizeof(at.text), "nodes[%u]", r->draft.count);
    if (!json_is_object(object)) {
        return refuse(r, "%s: expected an object, found %s", at.text, found(object).text);
    }
    *node = graph_assistant(NULL);
    if (!read_name(r, &at, json_object_get(object, "id"), node)) {
        return false;
    }
    snprintf(at.text, sizeof(at.text), "node \"%s\"", node->name);
    snprintf(before.text, sizeof(before.text), "node \"%s\": ", node->name);
    if (!check_members(r, before.text, object, members) ||
        !read_role(r, &at, json_object_get(object, "role"), node) ||
        !read_fuse(r, &at, json_object_get(object, "fuse"), node) ||
        !read_model(r, &at, json_object_get(object, "model"), node) ||
        !read_settings(r, &at, object, node)) {
        return false;
    }
    r->draft.count++;
    return true;
}

static bool read_nodes(struct reading *r, const json_t *nodes)
{
    size_t i;

    if (!json_is_array(nodes) || json_array_size(nodes) == 0) {
        return refuse(r, "nodes: expected an array of nodes, found %s",
                      json_is_array(nodes) ? "none in it" : found(nodes).text);
    }
    if (json_array_size(nodes) > GRAPH_NODES_MAX) {
        return refuse(r, "nodes: expected at most %d nodes, found %zu", GRAPH_NODES_MAX,
                      json_array_size(nodes));
    }
    for (i = 0; i < json_array_size(nodes); i++) {
        if (!read_node(r, json_array_get(nodes, i))) {
            return false;
        }
    }
    return true;
}

/* ---- edges and output ---- */

static bool find_node(const struct reading *r, const json_t *name, unsigned *out)
{
    const char *text = json_string_value(name);

    for (*out = 0; text != NULL && *out < r->draft.count; ++*out) {
        if (strcmp(r->draft.nodes[*out].name, text) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_edge(struct reading *r, size_t number, const json_t *edge)
{
    unsigned end[2] = {0, 0};
    size_t i;

    if (!json_is_array(edge) || json_array_size(edge) != 2) {
        return refuse(r, "edges[%zu]: expected [\"from\", \"to\"], found %s", number,
                      json_is_array(edge) ? "an array that has not two items" : found(edge).text);
    }
    for (i = 0; i < 2; i++) {
        const json_t *name = json_array_get(edge, i);

        if (!find_node(r, name, &end[i])) {
            return refuse(r, "edges[%zu]: expected the id of a node, found %s", number,
                          found(name).text);
        }
    }
    if ((r->draft.nodes[end[1]].predecessors >> end[0] & 1) != 0) {
        return refuse(r, "edges[%zu]: there is an edge from \"%s\" to \"%s\" before it", number,
                      r->draft.nodes[end[0]].name, r->draft.nodes[end[1]].name);
    }
    r->draft.nodes[end[1]].predecessors |= (uint32_t) 1 << end[0];
    return true;
}

static bool read_edges(struct reading *r, const json_t *edges)
{
    size_t i;

    if (edges == NULL && r->draft.count == 1) {
        return true;
    }
    if (!json_is_array(edges)) {
        return refuse(r, "edges: expected an array of [\"from\", \"to\"], found %s",
                      found(edges).text);
    }
    for (i = 0; i < json_array_size(edges); i++) {
        if (!read_edge(r, i, json_array_get(edges, i))) {
            return false;
        }
    }
    return true;
}

static bool read_graph(struct reading *r, json_t *root)
{
    static const char *const members[] = {"nodes", "edges", "output", NULL};
    const json_t *output = json_object_get(root, "output");

    if (!json_is_object(root)) {
        return refuse(r, "expected an object, found %s", found(root).text);
    }
    if (!check_members(r, "", root, members) || !read_nodes(r, json_object_get(root, "nodes")) ||
        !read_edges(r, json_object_get(root, "edges"))) {
        return false;
    }
    if (!find_node(r, output, &r->draft.output)) {
        return refuse(r, "output: expected the id of a node, found %s", found(output).text);
    }
    return true;
}

/* ---- in and out ---- */

/* jansson's words repeat bytes of the text. */
static void refuse_json(struct reading *r, const json_error_t *error)
{
    struct errbuf words;
    size_t i;

    snprintf(words.text, sizeof(words.text), "%s", error->text);
    for (i = 0; words.text[i] != '\0'; i++) {
        if ((unsigned char) words.text[i] < 0x20 || (unsigned char) words.text[i] >= 0x7f) {
            words.text[i] = '?';
        }
    }
    err_set(r->err, ERR_INPUT, "%s:%d:%d: expected JSON: %s", r->file, error->line, error->column,
            words.text);
}

struct graph *graph_file_parse(const char *name, struct slice json, const struct catalog *catalog,
                               struct errbuf *err)
{
    struct reading r = {.file = name, .catalog = catalog, .err = err};
    struct errbuf words = {""};
    struct graph *g = NULL;
    json_error_t error;
    json_t *root;

    if (json.n > GRAPH_FILE_BYTES_MAX) {
        refuse(&r, "expected at most %d KiB, found %zu bytes", GRAPH_FILE_BYTES_MAX / 1024, json.n);
        return NULL;
    }
    root = json_loadb(json.n == 0 ? "" : json.p, json.n, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        refuse_json(&r, &error);
        return NULL;
    }
    if (read_graph(&r, root)) {
        g = graph_new(&r.draft, &words);
        if (g == NULL) {
            refuse(&r, "%s", words.text);
        }
    }
    json_decref(root);
    return g;
}

/* The bytes of the file, the caller's to free; NULL with words. One byte more than may be, so that
 * a file that is too long shows. */
static char *read_file(const char *path, size_t *length, struct errbuf *err)
{
    /* O_NONBLOCK: opening a pipe would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *bytes = NULL;
    struct stat st;
    ssize_t n = 1;

    if (fd == -1 || fstat(fd, &st) == -1) {
        err_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s: is no regular file", path);
    } else {
        bytes = x_alloc(GRAPH_FILE_BYTES_MAX + 1);
        for (*length = 0; n > 0 && *length <= GRAPH_FILE_BYTES_MAX; *length += (size_t) n) {
            n = read(fd, bytes + *length, GRAPH_FILE_BYTES_MAX + 1 - *length);
            if (n == -1) {
                err_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
                free(bytes);
                bytes = NULL;
                break;
            }
        }
    }
    if (fd != -1) {
        close(fd);
    }
    return bytes;
}

struct graph *graph_file_load(const char *path, const struct catalog *catalog, struct errbuf *err)
{
    size_t length = 0;
    char *bytes = read_file(path, &length, err);
    struct graph *g;

    if (bytes == NULL) {
        return NULL;
    }
    g = graph_file_parse(path, (struct slice) {bytes, length}, catalog, err);
    free(bytes);
    return g;
}
