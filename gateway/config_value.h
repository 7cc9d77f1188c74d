/* Single values of the configuration: text to value and back, no place and no words about it. All
 * parsers take the whole slice or nothing, and ignore the locale. */
#ifndef GATEWAY_CONFIG_VALUE_H
#define GATEWAY_CONFIG_VALUE_H

#include "cache/base.h"

enum { CONFIG_NAME_MAX = 63, CONFIG_ENV_NAME_MAX = 127, CONFIG_VALUE_TEXT_BYTES = 32 };

/* A whole number with one of the units ms s m h d: 250ms 15s 2m 1h. */
bool config_value_duration(struct slice text, uint64_t *us) MUST_CHECK;
/* A whole number of bytes, alone or with one of B KB MB GB (powers of 1000) KiB MiB GiB (of 1024). */
bool config_value_size(struct slice text, uint64_t *bytes) MUST_CHECK;
/* A decimal number without sign: 7, 0.05, 1e9, 8.03e9. */
bool config_value_number(struct slice text, double *number) MUST_CHECK;
bool config_value_bool(struct slice text, bool *value) MUST_CHECK; /* true or false */

/* The shortest text that reads back as the same value. Returns `out`. */
const char *config_value_duration_text(uint64_t us, char out[CONFIG_VALUE_TEXT_BYTES]);
const char *config_value_size_text(uint64_t bytes, char out[CONFIG_VALUE_TEXT_BYTES]);
const char *config_value_number_text(double number, char out[CONFIG_VALUE_TEXT_BYTES]);

/* 1 to 63 letters, digits and . _ -, the first a letter or digit. */
bool config_value_is_name(struct slice text);
/* The same with : / @ + too: what clients may call a model. */
bool config_value_is_model_name(struct slice text);
/* `auto`, `auto/...`, `graph/...`: names that the gateway gives. */
bool config_value_is_reserved(struct slice text);
/* A name that clients send: that of a model, `auto`, and names behind `auto/` and `graph/`. */
bool config_value_is_client_name(struct slice text);
/* Letters, digits and _, no digit first, at most 127. */
bool config_value_is_env_name(struct slice text);
/* A secret that can stand in an HTTP header: 1 to 4096 visible ASCII characters. */
bool config_value_is_token(struct slice text);
/* What a browser sends as Origin, http(s)://HOST[:PORT] in lower case, or *. */
bool config_value_is_origin(struct slice text);

/* The base URL of an upstream, http(s)://HOST[:PORT][/PATH]. NULL when it is one, else what is wrong
 * with it: a static text that repeats nothing of it. */
const char *config_value_url_fault(struct slice text);

#endif
