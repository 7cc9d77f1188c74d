/* Measures a graph: runs it over items through the job that serves clients (router/job.h), and says of each
 * what a client would have got, whether that was right, and what it took.
 *
 *     items ─► slot (one of `concurrency`) ─► job ─► answer ─► grade ─► outcome ─► on_outcome
 *                 ▲                             │
 *                 └── again, after a backoff ◄──┘ an upstream broke a call
 *
 * Fallbacks and the degradation to one call are off, since they would measure another graph. What the upstream
 * broke (refused, reset, cut, 429, 5xx, no slot) says nothing of the graph: the item is run again, and is
 * dropped when that has been in vain EVALUATOR_RUNS times. What the graph brought on itself (deadline, context,
 * cap, empty, refusal, an answer cut at its length or without what the grader looks for) is a wrong answer.
 *
 * Stragglers are cancelled and a failed output is replaced by the best answer in hand as for any client, and
 * what comes of it is graded: the graph is worth what clients get from it. But that holds only of failures of the
 * graph's own; where an upstream broke a call on the way the item is run again, whatever was rescued. */
#ifndef OPTIMIZER_EVALUATOR_H
#define OPTIMIZER_EVALUATOR_H

#include "optimizer/items.h"
#include "router/snapshot.h"
#include "router/upstream.h"

enum { EVALUATOR_RUNS = 6, EVALUATOR_CONCURRENCY_MAX = 256 };

/* Dropped items of all: more, and the rest says more of the upstreams than of the graph. */
#define EVALUATOR_DROPPED_MAX 0.02

#define EVAL_VERDICTS(X)                                                                           \
    X(EVAL_RIGHT, "right") /* a score of at least 1/2 */                                           \
    X(EVAL_WRONG, "wrong")                                                                         \
    X(EVAL_UNPARSABLE, "unparsable") /* it has no answer of the grader's kind */                   \
    X(EVAL_LENGTH, "length")         /* cut off: finish_reason length, or a cap of ours */         \
    X(EVAL_EMPTY, "empty")           /* no visible text, or a tool call */                         \
    X(EVAL_REFUSAL, "refusal")       /* or finish_reason content_filter */                         \
    X(EVAL_DEADLINE, "deadline")     /* the task's, or an upstream's for tokens to come */         \
    X(EVAL_CONTEXT, "context")       /* a model's is too small for what it would be sent */        \
    X(EVAL_CAPABILITY, "capability") /* a model lacks one that the item needs */                   \
    X(EVAL_BUDGET, "budget")         /* the run would have cost far more than predicted */         \
    X(EVAL_REJECTED, "rejected")     /* an upstream called the request wrong: another 4xx */       \
    X(EVAL_DROPPED, "dropped")       /* upstreams kept breaking it: no answer, and no wrong one */ \
    X(EVAL_UNFIT, "unfit")           /* the item's fault: no form for a graph, no ideal to read */

enum eval_verdict {
#define X(name, text) name,
    EVAL_VERDICTS(X)
#undef X
        EVAL_VERDICT_COUNT
};

const char *eval_verdict_text(enum eval_verdict verdict);

/* It counts as an answer, right or wrong. */
static inline bool eval_is_answer(enum eval_verdict verdict)
{
    return verdict < EVAL_DROPPED;
}

struct eval_outcome {
    enum eval_verdict verdict;
    double score; /* 0 to 1; 0 unless graded */
    bool is_graded;
    enum grade_reason grade;          /* of one that is graded: why this score */
    unsigned runs;                    /* 1 and one for each time an upstream broke it */
    enum end_reason broken;           /* dropped or rejected: the call that was */
    int status;                       /* its last HTTP status, 0 for none */
    char detail[RECORD_DETAIL_BYTES]; /* what was wrong with it, for a person */
    /* Of the last run, as all below. */
    bool is_repeated;    /* a call was tried twice, so that the latency is not only the graph's */
    bool is_rescued;     /* the best answer in hand stood in for the output's */
    uint64_t latency_us; /* from the request to the end of the answer, as a client waits */
    unsigned calls;
    struct token_usage usage; /* sum over nodes; a cancelled call's is not known and not in it */
    double usd;
    double flops; /* NAN where a model's parameters, layers or width are not known */
};

struct evaluator_spec {
    const struct upstream_host *host;
    struct snapshot *snapshot;
    const struct task *task;
    const struct graph *graph;
    const struct eval_item *items;
    size_t count;
    const struct grader *grader; /* of items without their own; NULL where all have */
    unsigned concurrency;        /* items at once */
    uint64_t sample;             /* another one draws other seeds of the same items */
    /* Once for each item, in the order in which they end. The outcome is borrowed for the call. */
    void (*on_outcome)(void *arg, size_t item, const struct eval_outcome *outcome);
    /* Once, last, unless stopped. False: more than EVALUATOR_DROPPED_MAX of the items were dropped, and those
     * without an outcome were not run to their end. */
    void (*on_end)(void *arg, bool complete);
    void *arg;
};

struct evaluator;

/* The spec is copied; what it points at outlives the evaluator. Calls back only from the loop. */
struct evaluator *evaluator_start(const struct evaluator_spec *spec);
/* Cancels what runs; nothing is called any more. NULL allowed. Not from inside a callback. */
void evaluator_free(struct evaluator *e);

#endif
