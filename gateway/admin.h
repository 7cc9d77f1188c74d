/* The admin endpoint: /metrics, /admin/status, POST /admin/reload, /healthz, /readyz. */
#ifndef GATEWAY_ADMIN_H
#define GATEWAY_ADMIN_H

#include "gateway/routes.h"

const struct routes *routes_admin(void);

#endif
