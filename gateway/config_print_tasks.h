/* The part of config_print that is about graphs and tasks. */
#ifndef GATEWAY_CONFIG_PRINT_TASKS_H
#define GATEWAY_CONFIG_PRINT_TASKS_H

#include "gateway/config.h"
#include "router/snapshot.h"

#include <stdio.h>

/* Each with its drawing, cost and what is known of it; nothing where no graph has a name. */
void config_print_graphs(const struct snapshot *s, FILE *out);
/* Each with what makes a request its, its limits and its champion. */
void config_print_tasks(const struct config *c, const struct snapshot *s, FILE *out);

#endif
