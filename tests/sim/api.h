/*
 * The routes of the simulator: the OpenAI dialect under /v1, the control interface for tests
 * under /sim.
 */
#ifndef SIM_API_H
#define SIM_API_H

#include "tests/sim/http.h"
#include "tests/sim/model.h"
#include "tests/sim/server.h"
#include "tests/sim/solve.h"
#include "tests/sim/stats.h"

#include <event2/event.h>
#include <stdint.h>

/* Owned by main; outlives the server. */
struct api {
    struct event_base *base;
    struct server *server;
    struct models *models;
    struct stats stats;
    uint64_t seed;
    struct solver solver;
    uint64_t next_id;
    const char *api_key;    /* NULL: everybody may */
    uint64_t max_in_flight; /* more get 429; 0: no limit */
};

/* server_ops.on_request; arg is the api. */
void api_on_request(struct conn *c, struct http_request *req, void *arg);

#endif
