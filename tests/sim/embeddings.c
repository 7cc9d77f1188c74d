#include "tests/sim/embeddings.h"

#include "tests/sim/hash.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct vector {
    size_t n;
    float v[EMBEDDINGS_MAX_DIMENSIONS];
};

static void add_direction(struct vector *x, uint64_t h)
{
    for (size_t i = 0; i < x->n; i++) {
        x->v[i] += (float) (hash_unit(hash_u64(h, i)) - 0.5);
    }
}

static void embed_text(struct vector *x, const char *s, uint64_t seed)
{
    while (*s != '\0') {
        char word[64];
        size_t n = strcspn(s, " \t\r\n.,;:!?");
        size_t keep = n < sizeof(word) ? n : sizeof(word);

        for (size_t i = 0; i < keep; i++) {
            word[i] = (char) (s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
        }
        if (n > 0) {
            add_direction(x, hash_bytes(seed, word, keep));
        }
        s += n;
        s += *s != '\0' ? 1 : 0;
    }
}

static void embed(struct vector *x, const json_t *input, uint64_t seed)
{
    double norm = 0;
    json_t *token;
    size_t i;

    memset(x->v, 0, sizeof(x->v));
    if (json_is_string(input)) {
        embed_text(x, json_string_value(input), seed);
    }
    json_array_foreach(input, i, token)
    {
        add_direction(x, hash_u64(seed, (uint64_t) json_integer_value(token)));
    }
    for (i = 0; i < x->n; i++) {
        norm += (double) x->v[i] * (double) x->v[i];
    }
    if (norm <= 0) {
        x->v[0] = 1;
        return;
    }
    for (i = 0; i < x->n; i++) {
        x->v[i] = (float) ((double) x->v[i] / sqrt(norm));
    }
}

static void add_base64(struct buf *out, const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned v = (unsigned) p[i] << 16 | (left > 1 ? (unsigned) p[i + 1] << 8 : 0U) |
                     (left > 2 ? p[i + 2] : 0U);
        char four[4] = {digits[v >> 18 & 63], digits[v >> 12 & 63], digits[v >> 6 & 63],
                        digits[v & 63]};

        if (left < 3) {
            four[3] = '=';
        }
        if (left < 2) {
            four[2] = '=';
        }
        buf_add(out, four, 4);
    }
}

static void add_packed(struct buf *out, const struct vector *x)
{
    struct buf raw = {0};

    for (size_t i = 0; i < x->n; i++) {
        uint32_t bits;
        unsigned char le[4];

        memcpy(&bits, &x->v[i], sizeof(bits));
        for (unsigned k = 0; k < 4; k++) {
            le[k] = (unsigned char) (bits >> (8 * k) & 0xff);
        }
        buf_add(&raw, le, sizeof(le));
    }
    buf_add(out, "\"", 1);
    add_base64(out, (const unsigned char *) raw.data, raw.len);
    buf_add(out, "\"", 1);
    buf_fini(&raw);
}

static void add_vector(struct buf *out, const struct vector *x, size_t index, bool packed)
{
    buf_addf(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", index > 0 ? "," : "",
             index);
    if (packed) {
        add_packed(out, x);
    } else {
        buf_add(out, "[", 1);
        for (size_t i = 0; i < x->n; i++) {
            buf_addf(out, "%s%.9g", i > 0 ? "," : "", (double) x->v[i]);
        }
        buf_add(out, "]", 1);
    }
    buf_add(out, "}", 1);
}

static int refuse(struct ask_error *error, const char *message, const char *param)
{
    error->message = message;
    error->param = param;
    return -1;
}

/* Brings the forms of input to a list of strings and token lists; a new reference, NULL when it
 * is neither. */
static json_t *input_list(json_t *input)
{
    json_t *list;
    json_t *entry;
    size_t i;

    if (json_is_string(input) || json_is_integer(json_array_get(input, 0))) {
        return json_pack("[O]", input);
    }
    if (json_array_size(input) == 0) {
        return NULL;
    }
    list = json_incref(input);
    json_array_foreach(list, i, entry)
    {
        if (!json_is_string(entry) && !json_is_array(entry)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int embeddings_make(json_t *root, uint64_t seed, struct buf *out, int64_t *prompt_tokens,
                    struct ask_error *error)
{
    const char *format = json_string_value(json_object_get(root, "encoding_format"));
    const char *model = json_string_value(json_object_get(root, "model"));
    json_t *dimensions = json_object_get(root, "dimensions");
    json_int_t n = dimensions != NULL ? json_integer_value(dimensions) : EMBEDDINGS_DIMENSIONS;
    bool packed = format != NULL && strcmp(format, "base64") == 0;
    json_t *list;
    json_t *entry;
    size_t i;
    struct vector *x;

    if (n < 1 || n > EMBEDDINGS_MAX_DIMENSIONS) {
        return refuse(error, "dimensions must be from 1 to 4096", "dimensions");
    }
    if (format != NULL && !packed && strcmp(format, "float") != 0) {
        return refuse(error, "encoding_format must be float or base64", "encoding_format");
    }
    list = input_list(json_object_get(root, "input"));
    if (list == NULL) {
        return refuse(error, "input must be a string, a list of strings or a list of tokens",
                      "input");
    }
    x = mem_zalloc(sizeof(*x));
    x->n = (size_t) n;
    *prompt_tokens = 0;
    buf_adds(out, "{\"object\":\"list\",\"data\":[");
    json_array_foreach(list, i, entry)
    {
        embed(x, entry, hash_str(seed, model));
        add_vector(out, x, i, packed);
        *prompt_tokens += ask_count_tokens(entry);
    }
    buf_adds(out, "],\"model\":");
    buf_add_json(out, model, strlen(model));
    buf_addf(out, ",\"usage\":{\"prompt_tokens\":%" PRId64 ",\"total_tokens\":%" PRId64 "}}\n",
             *prompt_tokens, *prompt_tokens);
    free(x);
    json_decref(list);
    return 0;
}
