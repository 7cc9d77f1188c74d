/* From the tree of the file to the draft, key by key along the table: unknown, repeated and missing
 * keys, types, ranges, defaults. What needs two keys or a look outside is config_cross's. */
#ifndef GATEWAY_CONFIG_FILL_H
#define GATEWAY_CONFIG_FILL_H

#include "gateway/config_draft.h"
#include "gateway/config_faults.h"

/* Texts that outlive the draft go into the arenas of `config` and its catalog. Complete only when no
 * fault was added. */
void config_fill(struct config *config, struct draft *draft, struct config_faults *faults);

#endif
