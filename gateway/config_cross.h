/* What one key alone cannot tell: names that other keys give, pairs that exclude each other, files,
 * secrets and addresses. Completes the configuration and its catalog from the draft. */
#ifndef GATEWAY_CONFIG_CROSS_H
#define GATEWAY_CONFIG_CROSS_H

#include "gateway/config_draft.h"
#include "gateway/config_faults.h"

/* All tolerate a draft with faults (a value that was refused is NULL), so that a load finds all. In this
 * order. */
void config_cross_catalog(struct config *config, const struct draft *draft,
                          const char *(*getenv_fn)(const char *name), struct config_faults *faults);
/* Indexes the catalog, reads graphs, templates and examples. Where models are faulty no graph is read. */
void config_cross_tasks(struct config *config, const struct draft *draft,
                        struct config_faults *faults);
void config_cross_eval(struct config *config, const struct draft *draft,
                       struct config_faults *faults);
void config_cross_server(struct config *config, const struct draft *draft,
                         const char *(*getenv_fn)(const char *name), struct config_faults *faults);

/* A fault of list[i].leaf (which may be a member's member), placed there, or as near as what is there. */
void config_cross_fault(struct config_faults *faults, const struct config_node *item,
                        const char *list, size_t i, const char *leaf, const char *fmt, ...)
    PRINTF_LIKE(6, 7);

/* May a client ask for this name? After config_cross_catalog. */
bool config_cross_is_client_name(const struct config *config, const struct draft *draft,
                                 const char *name);

#endif
