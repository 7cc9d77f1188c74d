/* Reads HTTP/1.1 responses as they come, and checks that each is whole: a status of 200, or as wanted; a document
 * with a Content-Length that ends in a brace; a stream whose last event is [DONE] and whose chunks
 * end. Counts events. Understands what the benchmark's servers send, and calls anything else bad. */
#ifndef TESTS_BENCH_ANSWER_H
#define TESTS_BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_LINE_MAX = 1024 };

enum answer_state {
    ANSWER_STATUS = 0,
    ANSWER_FIELDS,
    ANSWER_BODY, /* of a known length */
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_WHOLE,
    ANSWER_BAD,
};

/* A line of which the end has not come. */
struct answer_part {
    size_t len;
    char text[ANSWER_LINE_MAX];
};

/* In place; all zero but `wants_status` begins an answer. */
struct answer {
    enum answer_state state;
    bool is_stream, is_chunked, closes;
    bool has_content;      /* an event that tells when it was sent, or any byte of a document */
    bool is_done;          /* [DONE] has come */
    uint64_t left;         /* bytes of the body or chunk to come */
    char last;             /* byte of the body */
    unsigned events;       /* [DONE] is none */
    const char *why;       /* ANSWER_BAD: what is wrong */
    unsigned wants_status; /* 0: 200 */
    /* Chunks may cut events, so the framing's lines and the stream's are gathered apart. */
    struct answer_part framing, stream;
};

/* Called for each event but [DONE], as it is read. `sent_ns` is 0 when the event does not tell. */
typedef void answer_on_event(void *arg, uint64_t sent_ns);

/* Reads on; returns the number of bytes used, which is `len` unless the answer is whole or bad. */
size_t answer_read(struct answer *a, const char *data, size_t len, answer_on_event *on_event,
                   void *arg);

#endif
