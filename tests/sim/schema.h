/*
 * An example value for a JSON schema: what a simulated model answers under response_format
 * json_schema, and the arguments of its tool calls.
 */
#ifndef SIM_SCHEMA_H
#define SIM_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What to put into string and number members: text always, number when has_number. */
struct schema_values {
    const char *text;
    int64_t number;
    bool has_number;
};

/*
 * A new value with all properties that schema declares; knows type, enum, const, anyOf, oneOf,
 * allOf (first of each), items, minItems, minimum and local $ref. Never NULL: what it does not
 * understand becomes a string.
 */
json_t *schema_example(json_t *schema, const struct schema_values *values);

#endif
