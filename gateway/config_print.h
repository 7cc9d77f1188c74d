/* The configuration for a person or a program: what would run, and the commented sample. Never a
 * secret, only whether there is one. */
#ifndef GATEWAY_CONFIG_PRINT_H
#define GATEWAY_CONFIG_PRINT_H

#include "gateway/config.h"
#include "router/snapshot.h"

#include <stdio.h>

/* `s` was made of the configuration's catalog. */
void config_print(const struct config *c, const struct snapshot *s, FILE *out);
void config_print_json(const struct config *c, const struct snapshot *s, FILE *out);
/* The document of a configuration that does not load: {"file": …, "faults": [messages]}. */
void config_print_faults_json(const char *file, const struct config_report *report, FILE *out);

/* Every key with its help, type, range and default; what is needed to run stands, the rest is commented
 * out. It loads as it is, and with the comments taken off the defaults. */
void config_print_defaults(FILE *out);

/* The learning level of every task in this version, and what is missing for the next: a sentence. */
enum { CONFIG_PRINT_LEVEL = 0 };
const char *config_print_missing(void);

#endif
