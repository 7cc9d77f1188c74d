#include "tests/sim/tools.h"

#include "tests/sim/hash.h"
#include "tests/sim/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tools_wanted(const struct ask *a, bool always)
{
    if (!a->is_chat) {
        return false;
    }
    if (always) {
        return true;
    }
    if (a->tools == NULL || a->tool_choice == TOOLS_NONE || a->tool_result != NULL) {
        return false;
    }
    return a->tool_choice == TOOLS_REQUIRED ||
           (a->user_text != NULL && strcasestr(a->user_text, "weather") != NULL);
}

/* The function to call: the one tool_choice names, else one about the weather, else the first. */
static json_t *pick_function(const struct ask *a)
{
    json_t *picked = json_object_get(json_array_get(a->tools, 0), "function");
    json_t *tool;
    size_t i;

    json_array_foreach(a->tools, i, tool)
    {
        json_t *function = json_object_get(tool, "function");
        const char *name = json_string_value(json_object_get(function, "name"));

        if (name == NULL) {
            continue;
        }
        if (a->tool_name != NULL ? strcmp(name, a->tool_name) == 0
                                 : strcasestr(name, "weather") != NULL) {
            return function;
        }
    }
    return picked;
}

/* The place in "... in PARIS and TOKYO?": the words after " in " or, for the second call, after "
 * and ". */
static char *find_place(const char *text, bool second)
{
    const char *at = text != NULL ? strstr(text, " in ") : NULL;
    const char *and_at;
    size_t n;

    if (at == NULL) {
        return mem_copy("Paris", 5);
    }
    at += 4;
    and_at = strstr(at, " and ");
    if (second && and_at != NULL) {
        at = and_at + 5;
        and_at = strstr(at, " and ");
    }
    n = strcspn(at, "?.,!;\n");
    if (and_at != NULL && (size_t) (and_at - at) < n) {
        n = (size_t) (and_at - at);
    }
    return mem_copy(at, n < 64 ? n : 64);
}

static void add_call(struct choice *c, const struct ask *a, json_t *function, bool second,
                     uint64_t h)
{
    const char *name = json_string_value(json_object_get(function, "name"));
    json_t *parameters = json_object_get(function, "parameters");
    char *place = find_place(a->user_text, second);
    struct schema_values values = {place, 1, true};
    char id[40];
    json_t *args;
    char *text = NULL;

    args = parameters != NULL ? schema_example(parameters, &values)
                              : json_pack("{s:s}", "location", place);
    if (args != NULL) {
        text = json_dumps(args, JSON_ENSURE_ASCII);
    }
    (void) snprintf(id, sizeof(id), "call_sim%016" PRIx64, h);
    choice_add_call(c, id, name != NULL ? name : "get_weather", text != NULL ? text : "{}");
    free(text);
    json_decref(args);
    free(place);
}

void tools_call(struct choice *c, const struct ask *a, uint64_t h)
{
    json_t *function = pick_function(a);

    add_call(c, a, function, false, hash_u64(h, 101));
    if (a->parallel_calls && a->user_text != NULL && strstr(a->user_text, " and ") != NULL) {
        add_call(c, a, function, true, hash_u64(h, 102));
    }
}
