/* What `sluice eval` shows: progress while it runs, then the report for a person or a program. */
#ifndef GATEWAY_CLI_EVAL_PRINT_H
#define GATEWAY_CLI_EVAL_PRINT_H

#include "optimizer/items.h"
#include "optimizer/tally.h"

#include <stdio.h>

/* How it ended. */
enum eval_ending { EVAL_COMPLETE, EVAL_INTERRUPTED, EVAL_TOO_MANY_DROPPED };

struct eval_report {
    const char *task;
    const char *graph_name;
    uint64_t graph_id;
    const char *file;        /* of the items */
    const char *grader_text; /* NULL: each item's own */
    uint64_t grader_version; /* of the task's, where there is one */
    uint64_t bad_lines;      /* of the file, that gave no item */
    size_t count;            /* items that were to be run */
    uint64_t seed;
    double seconds;
    enum eval_ending ending;
    struct tally splits[ITEMS_SPLITS];
    struct tally all;
};

void cli_eval_print(struct eval_report *r, FILE *out);
/* One document. Shares and costs are null where there was no answer to reckon them from. */
void cli_eval_print_json(struct eval_report *r, FILE *out);

/* On a terminal a bar that is drawn anew, at most a few times a second; elsewhere a line for each tenth. */
struct eval_progress {
    FILE *out;
    bool is_terminal;
    uint64_t start_us;
    uint64_t drawn_us;
    size_t lines; /* tenths that have had their line */
};
void cli_eval_progress(struct eval_progress *p, const struct eval_report *r, uint64_t now_us);
void cli_eval_progress_end(const struct eval_progress *p); /* leaves the terminal's line empty */

#endif
