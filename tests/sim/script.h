/*
 * A script is what will happen on the wire for one request: a list of steps that the player
 * performs one after the other. A healthy reply and every fault are only different lists, so the
 * player knows nothing of faults.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "tests/sim/model.h"
#include "tests/sim/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum step_kind {
    STEP_WAIT = 0, /* a: microseconds */
    STEP_RAW,      /* bytes[a, b) as they are */
    STEP_BODY,     /* bytes[a, b) as one piece of the body */
    STEP_ROLE,     /* the role events */
    STEP_TOKENS,   /* events of tokens [a, b), token_us apart */
    STEP_FINISH,   /* the finish_reason events */
    STEP_USAGE,
    STEP_DONE,   /* data: [DONE] */
    STEP_FILL,   /* a bytes of 'x' as body */
    STEP_DRIP,   /* bytes[a, b) as they are, drip_size at a time, drip_us apart */
    STEP_FLUSH,  /* wait until the peer has acknowledged everything */
    STEP_END,    /* the body is complete, and so is the reply */
    STEP_HANGUP, /* like END, but then the connection closes unannounced */
    STEP_CLOSE,  /* end of file in the middle of the reply */
    STEP_RESET,  /* reset in the middle of the reply */
    STEP_SILENCE /* nothing ever again */
};

struct step {
    enum step_kind kind;
    int64_t a;
    int64_t b;
};

struct script {
    struct step *steps;
    size_t n;
    struct buf bytes;
    bool is_chunked;
    bool keep_alive;
    bool is_fault; /* the reply is not what a healthy server would have sent */
    int status;
    int64_t tokens; /* that END counts: those not played by TOKENS */
    int64_t token_us;
    int64_t drip_us;
    size_t drip_size;
    bool write_each;
};

void script_fini(struct script *s);

/* a and b of WAIT, TOKENS, FILL; 0 for steps without arguments. */
void script_step(struct script *s, enum step_kind kind, int64_t a, int64_t b);
/* RAW, BODY, DRIP: the bytes are copied. */
void script_bytes(struct script *s, enum step_kind kind, const void *p, size_t n);

/*
 * A response head. length < 0: chunked (HTTP/1.1) or until the end of file. extra is further
 * header lines, each with its CRLF, or "". Sets status; with a length, clears is_chunked; without
 * one and without chunks, clears keep_alive.
 */
void script_head(struct script *s, int status, const char *type, int64_t length, const char *extra);

/* A whole response in one piece. */
void script_plain(struct script *s, int status, const char *type, const char *body, size_t n,
                  const char *extra);

/* An OpenAI-shaped error response; code and param may be NULL. retry_s >= 0 adds Retry-After. */
void script_error(struct script *s, int status, int64_t retry_s, const char *type, const char *code,
                  const char *param, const char *message);

/* Appends {"error":{...}} without a newline. */
void script_error_json(struct buf *out, const char *type, const char *code, const char *param,
                       const char *message);

/*
 * The script of a generated reply, bent by the fault of p if it has one. Faults that refuse a
 * request instead of answering it come before, by faults_refuse(). script_json: body is the
 * document, and longest the tokens of its longest choice, which its model takes time for.
 */
void script_stream(struct script *s, struct reply *r, const struct plan *p);
void script_json(struct script *s, const struct buf *body, const struct plan *p, int64_t longest);

#endif
