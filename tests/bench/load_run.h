/* The measuring itself: connections in a closed loop, one thread, raw epoll. */
#ifndef TESTS_BENCH_LOAD_RUN_H
#define TESTS_BENCH_LOAD_RUN_H

#include "tests/bench/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LOAD_WATCH_MAX = 8, LOAD_CONNECTIONS_MAX = 16384 };

struct load_options {
    uint16_t port; /* of 127.0.0.1 */
    unsigned connections;
    bool is_stream;
    unsigned status; /* that answers have; 0: 200 */
    char *request;   /* head and body */
    size_t request_len;
    uint64_t ramp_ns;              /* over which the connections begin, one after the other */
    uint64_t warmup_ns, window_ns; /* the former includes the ramp */
    uint64_t requests; /* when not 0: no warm-up, and the window ends with this answer */
    size_t watched;
    pid_t watch[LOAD_WATCH_MAX];
};

/* All threads of a process, in the window. The split has the resolution of the kernel's tick. */
struct load_cpu {
    uint64_t cpu_ns, user_ns, system_ns;
};

/* Everything is of the window: answers that ended in it, events that were read in it. */
struct load_result {
    uint64_t window_ns; /* as it really was */
    uint64_t answers, events, reads;
    uint64_t errors, reconnects; /* of the warm-up too */
    const char *why;             /* the last error; NULL: none */
    uint64_t self_ns;            /* own CPU time */
    struct load_cpu cpu[LOAD_WATCH_MAX];
    struct stats latency; /* of whole answers, from their request */
    struct stats
        first; /* until an answer's first content, from its request: role-only events do not count */
    struct stats delay; /* of events that tell when they were sent */
};

/* NULL and errno when it cannot be measured: nobody listens, a watched process is gone. */
struct load_result *load_run(const struct load_options *options);

#endif
