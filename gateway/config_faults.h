/* The faults found while loading a configuration: collected in any order, reported in the order of the
 * file, and no more than a person reads. */
#ifndef GATEWAY_CONFIG_FAULTS_H
#define GATEWAY_CONFIG_FAULTS_H

#include "gateway/config.h"
#include "gateway/config_yaml.h"

enum { CONFIG_FAULTS_MAX = 50 };

struct config_faults {
    struct config_report *report; /* its arena holds the texts */
    const char *file;
    struct config_fault {
        unsigned line; /* 0: of the file as a whole */
        unsigned column;
        const char *text;
    } list[CONFIG_FAULTS_MAX];
    size_t count;
};

/* "KEY: TEXT" at a line and column; `key` NULL: only the text. More than 50 are dropped. */
void config_fault_at(struct config_faults *f, unsigned line, unsigned column, const char *key,
                     const char *fmt, ...) PRINTF_LIKE(5, 6);
#define config_fault(f, node, key, ...)                                                            \
    config_fault_at((f), (node)->line, (node)->column, (key), __VA_ARGS__)

bool config_faults_full(const struct config_faults *f); /* looking for more is of no use */
void config_faults_report(struct config_faults *f);     /* sorts them into the report */

#endif
