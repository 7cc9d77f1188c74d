/*
 * Plays a script on a connection: waits, renders tokens when they are due, and stops while the
 * client does not read. A job is one request being answered, from its arrival to its last byte or
 * its client's departure.
 */
#ifndef SIM_PLAYER_H
#define SIM_PLAYER_H

#include "tests/sim/reply.h"
#include "tests/sim/script.h"
#include "tests/sim/server.h"
#include "tests/sim/stats.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Created by the api for a request, freed by the player when the script ends or the client is
 * gone. The connection holds the only other pointer, and gives it up by its callbacks.
 */
struct job {
    struct event_base *base;
    struct conn *conn;
    struct stats *stats;
    struct stats_model *model; /* NULL: not counted */
    struct reply reply;
    bool has_reply;
    struct script script;
    size_t pos;     /* step being played */
    int64_t at;     /* progress inside it */
    int64_t due_us; /* when the next step or token is to come; 0: not waiting */
    bool is_paused; /* until the connection drains */
    bool is_hangup; /* close after the reply */
    bool has_timer;
    int64_t start_us;
    int64_t first_byte_us;
    int64_t tokens_sent;
    uint64_t call; /* its number in stats->calls */
    struct buf scratch;
    struct event timer;
};

/* A job whose script is empty; model may be NULL. */
struct job *player_new(struct event_base *base, struct conn *c, struct stats *stats,
                       struct stats_model *model);

/* Starts; the job may be finished and freed before this returns. */
void player_start(struct job *j);

/* What server_ops wants; arguments are jobs. */
void player_on_gone(void *job);
void player_on_drained(void *job);
void player_on_sent(void *job);

#endif
