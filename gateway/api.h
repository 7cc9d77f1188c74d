/* The handlers of the public endpoint. */
#ifndef GATEWAY_API_H
#define GATEWAY_API_H

#include "gateway/routes.h"

extern const struct handler api_chat;        /* POST /v1/chat/completions */
extern const struct handler api_completions; /* POST /v1/completions */
extern const struct handler api_embeddings;  /* POST /v1/embeddings */
extern const struct handler api_models;      /* GET /v1/models */
extern const struct handler api_model;       /* GET /v1/models/ID, where ID may contain slashes */
extern const struct handler api_healthz;     /* the process runs */
extern const struct handler api_readyz;      /* 503 while draining */

#endif
