#include "gateway/config_yaml.h"

#include <yaml.h>

#include <string.h>

/* The tree is built from libyaml's events and not from its documents: a document has forgotten anchors,
 * tags and where an alias stood, which are to be refused by line and column. */
struct builder {
    yaml_parser_t parser;
    struct slice text;
    struct arena *arena;
    struct config_yaml_error *error;
    struct config_node *root;
    struct open_node {
        struct config_node *node;
        struct config_node *last; /* child */
        struct config_node *key;  /* of the member whose value comes next */
    } open[CONFIG_YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    unsigned documents;
};

static enum err refuse(struct builder *b, yaml_mark_t mark, const char *why)
{
    b->error->line = (unsigned) mark.line + 1;
    b->error->column = (unsigned) mark.column + 1;
    return err_set(&b->error->why, ERR_INPUT, "%s", why);
}

/* ---- what libyaml itself refuses ---- */

/* Errors of the reader have an offset in bytes and no mark. */
static void place_of_offset(struct builder *b, size_t offset)
{
    for (size_t i = 0; i < offset && i < b->text.n; i++) {
        unsigned char byte = (unsigned char) b->text.p[i];
        if (byte == '\n') {
            b->error->line++;
            b->error->column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            b->error->column++;
        }
    }
}

/* A tab in front of a line is the error that nobody sees. */
static bool is_indented_by_tab(struct slice text, size_t line)
{
    const char *at = text.p;
    const char *end = text.p + text.n;
    while (line > 0 && at < end) {
        at = memchr(at, '\n', (size_t) (end - at));
        if (!at) {
            return false;
        }
        at++;
        line--;
    }
    while (at < end && *at == ' ') {
        at++;
    }
    return at < end && *at == '\t';
}

static enum err parser_error(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "unreadable";
    if (p->error == YAML_MEMORY_ERROR) {
        return err_set(&b->error->why, ERR_NOMEM, "not enough memory to read this file");
    }
    if (p->error == YAML_READER_ERROR) {
        place_of_offset(b, p->problem_offset);
        return err_set(&b->error->why, ERR_INPUT, "not YAML: %s", problem);
    }
    b->error->line = (unsigned) p->problem_mark.line + 1;
    b->error->column = (unsigned) p->problem_mark.column + 1;
    if (is_indented_by_tab(b->text, p->problem_mark.line)) {
        return err_set(&b->error->why, ERR_INPUT,
                       "not YAML: this line is indented by a tab; use spaces");
    }
    if (p->context) {
        return err_set(&b->error->why, ERR_INPUT, "not YAML: %s (%s that begins in line %zu)",
                       problem, p->context, p->context_mark.line + 1);
    }
    return err_set(&b->error->why, ERR_INPUT, "not YAML: %s", problem);
}

/* ---- events to nodes ---- */

static bool has_control_byte(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char) s.p[i];
        if (byte < 0x20 || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

/* NULL when there are too many or no memory is left; the error is filled then. */
static struct config_node *new_node(struct builder *b, enum config_node_kind kind, yaml_mark_t mark)
{
    if (++b->nodes > CONFIG_YAML_NODES_MAX) {
        refuse(b, mark, "the file has too many values");
        return NULL;
    }
    struct config_node *node = arena_alloc(b->arena, sizeof(*node));
    if (!node) {
        refuse(b, mark, "not enough memory to read this file");
        return NULL;
    }
    node->kind = kind;
    node->line = (unsigned) mark.line + 1;
    node->column = (unsigned) mark.column + 1;
    return node;
}

/* Hangs the node into the innermost open list or map. */
static enum err attach(struct builder *b, struct config_node *node, yaml_mark_t mark)
{
    if (b->depth == 0) {
        b->root = node;
        return ERR_NONE;
    }
    struct open_node *in = &b->open[b->depth - 1];
    if (in->node->kind == NODE_MAP && !in->key) {
        if (node->kind != NODE_TEXT) {
            return refuse(b, mark, "a key must be a word, not a list or a map");
        }
        in->key = node;
        return ERR_NONE;
    }
    node->key = in->key;
    in->key = NULL;
    if (in->last) {
        in->last->next = node;
    } else {
        in->node->first = node;
    }
    in->last = node;
    in->node->count++;
    return ERR_NONE;
}

static enum err on_scalar(struct builder *b, const yaml_event_t *e)
{
    struct slice text = {(const char *) e->data.scalar.value, e->data.scalar.length};
    struct config_node *node = new_node(b, NODE_TEXT, e->start_mark);
    if (!node) {
        return ERR_LIMIT;
    }
    if (has_control_byte(text)) {
        return refuse(b, e->start_mark,
                      "a value of one line without control characters is expected");
    }
    node->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = arena_dup_slice(b->arena, text);
    if (!node->text.p) {
        return refuse(b, e->start_mark, "not enough memory to read this file");
    }
    return attach(b, node, e->start_mark);
}

static enum err on_container(struct builder *b, const yaml_event_t *e, enum config_node_kind kind)
{
    if (b->depth == CONFIG_YAML_DEPTH_MAX) {
        return refuse(b, e->start_mark, "lists and maps are nested too deep");
    }
    struct config_node *node = new_node(b, kind, e->start_mark);
    enum err rc = node ? attach(b, node, e->start_mark) : ERR_LIMIT;
    if (rc == ERR_NONE) {
        b->open[b->depth++] = (struct open_node) {.node = node};
    }
    return rc;
}

static enum err refuse_marks(struct builder *b, const yaml_event_t *e, const void *anchor,
                             const void *tag)
{
    if (anchor) {
        return refuse(b, e->start_mark, "anchors (&name) are not supported: write the value out");
    }
    if (tag) {
        return refuse(b, e->start_mark, "tags (!name) are not supported: leave it out");
    }
    return ERR_NONE;
}

static enum err on_event(struct builder *b, const yaml_event_t *e)
{
    enum err rc;
    switch (e->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return ERR_NONE;
    case YAML_DOCUMENT_START_EVENT:
        return b->documents++ == 0
                   ? ERR_NONE
                   : refuse(b, e->start_mark, "a second document begins here: a file has one");
    case YAML_ALIAS_EVENT:
        return refuse(b, e->start_mark, "aliases (*name) are not supported: write the value out");
    case YAML_SCALAR_EVENT:
        rc = refuse_marks(b, e, e->data.scalar.anchor, e->data.scalar.tag);
        return rc != ERR_NONE ? rc : on_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        rc = refuse_marks(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
        return rc != ERR_NONE ? rc : on_container(b, e, NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        rc = refuse_marks(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
        return rc != ERR_NONE ? rc : on_container(b, e, NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return ERR_NONE;
    }
    return ERR_NONE;
}

static enum err build(struct builder *b)
{
    bool ended = false;
    while (!ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event)) {
            return parser_error(b);
        }
        enum err rc = on_event(b, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (rc != ERR_NONE) {
            return rc;
        }
    }
    if (!b->root) {
        b->root = new_node(b, NODE_MAP, (yaml_mark_t) {0});
    }
    return b->root ? ERR_NONE : ERR_LIMIT;
}

const struct config_node *config_yaml_parse(struct slice text, struct arena *arena,
                                            struct config_yaml_error *error)
{
    struct builder b = {.text = text, .arena = arena, .error = error};
    if (slice_starts(text, "\xef\xbb\xbf")) {
        b.text = (struct slice) {text.p + 3, text.n - 3}; /* a byte order mark is no column */
    }
    *error = (struct config_yaml_error) {.line = 1, .column = 1};
    if (!yaml_parser_initialize(&b.parser)) {
        err_set(&error->why, ERR_NOMEM, "not enough memory to read this file");
        return NULL;
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *) (b.text.p ? b.text.p : ""),
                                 b.text.n);
    enum err rc = build(&b);
    yaml_parser_delete(&b.parser);
    return rc == ERR_NONE ? b.root : NULL;
}

const struct config_node *config_node_member(const struct config_node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP) {
        return NULL;
    }
    for (const struct config_node *n = map->first; n; n = n->next) {
        if (slice_eq_text(n->key->text, key)) {
            return n;
        }
    }
    return NULL;
}

bool config_node_is_nothing(const struct config_node *node)
{
    struct slice t = node->text;
    return node->kind == NODE_TEXT && node->is_plain &&
           (t.n == 0 || slice_eq_text(t, "~") || slice_eq_text(t, "null") ||
            slice_eq_text(t, "Null") || slice_eq_text(t, "NULL"));
}
