#include "tests/sim/schema.h"

#include "tests/sim/buf.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

struct context {
    json_t *root;
    const struct schema_values *values;
};

static json_t *example(const struct context *cx, json_t *schema, int depth);

/* Follows "#/a/b"; other references are not understood. */
static json_t *resolve(json_t *root, const char *ref)
{
    json_t *at = root;

    if (ref[0] != '#') {
        return NULL;
    }
    ref++;
    while (*ref == '/') {
        size_t n = strcspn(ref + 1, "/");
        char *key = mem_copy(ref + 1, n);

        at = json_object_get(at, key);
        free(key);
        ref += 1 + n;
    }
    return at;
}

static json_t *example_object(const struct context *cx, json_t *schema, int depth)
{
    json_t *object = json_object();
    json_t *properties = json_object_get(schema, "properties");
    const char *key;
    json_t *value;

    json_object_foreach(properties, key, value)
    {
        json_object_set_new(object, key, example(cx, value, depth + 1));
    }
    return object;
}

static json_t *example_array(const struct context *cx, json_t *schema, int depth)
{
    json_t *array = json_array();
    json_t *items = json_object_get(schema, "items");
    json_int_t n = json_integer_value(json_object_get(schema, "minItems"));

    for (json_int_t i = 0; i < (n > 0 && n < 100 ? n : 1); i++) {
        json_array_append_new(array, example(cx, items, depth + 1));
    }
    return array;
}

static json_t *example_number(const struct context *cx, json_t *schema, bool is_integer)
{
    json_t *minimum = json_object_get(schema, "minimum");
    double v = cx->values->has_number ? (double) cx->values->number : 1;

    if (json_is_number(minimum) && v < json_number_value(minimum)) {
        v = json_number_value(minimum);
    }
    return is_integer ? json_integer((json_int_t) v) : json_real(v);
}

static json_t *example_typed(const struct context *cx, json_t *schema, const char *type, int depth)
{
    if (strcmp(type, "object") == 0) {
        return example_object(cx, schema, depth);
    }
    if (strcmp(type, "array") == 0) {
        return example_array(cx, schema, depth);
    }
    if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
        return example_number(cx, schema, type[0] == 'i');
    }
    if (strcmp(type, "boolean") == 0) {
        return json_true();
    }
    if (strcmp(type, "null") == 0) {
        return json_null();
    }
    return json_string(cx->values->text);
}

static json_t *first_alternative(json_t *schema)
{
    static const char *const keys[] = {"anyOf", "oneOf", "allOf"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *first = json_array_get(json_object_get(schema, keys[i]), 0);

        if (first != NULL) {
            return first;
        }
    }
    return NULL;
}

static json_t *example(const struct context *cx, json_t *schema, int depth)
{
    json_t *type = json_object_get(schema, "type");
    json_t *choice = json_array_get(json_object_get(schema, "enum"), 0);
    json_t *constant = json_object_get(schema, "const");
    json_t *other = first_alternative(schema);
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    const char *name = json_string_value(json_is_array(type) ? json_array_get(type, 0) : type);

    if (depth > DEPTH_MAX) {
        return json_null();
    }
    if (ref != NULL) {
        other = resolve(cx->root, ref);
    }
    if (constant != NULL || choice != NULL) {
        return json_deep_copy(constant != NULL ? constant : choice);
    }
    if (other != NULL) {
        return example(cx, other, depth + 1);
    }
    if (name == NULL) {
        name = json_object_get(schema, "properties") != NULL ? "object" : "string";
    }
    return example_typed(cx, schema, name, depth);
}

json_t *schema_example(json_t *schema, const struct schema_values *values)
{
    struct context cx = {schema, values};

    return example(&cx, schema, 0);
}
