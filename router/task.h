/* A task: a class of requests with its own champion, limits and trust boundary. Immutable; owned by a
 * snapshot, as are all strings. `default` always exists and has the number 0. */
#ifndef ROUTER_TASK_H
#define ROUTER_TASK_H

#include "router/answer.h"
#include "router/cost.h"
#include "router/graph.h"
#include "router/prompt.h"

struct catalog;

enum { TASK_NAME_MAX = 63, TASK_ARMS_MAX = 8, TASK_NODE_TOKENS = 2048 };

/* A graph with the share of the task's traffic that it gets. */
struct arm {
    const struct graph *graph;
    double probability; /* of all arms of a task: 1 */
};

/* What in a request makes it this task's; any of them is enough. */
enum task_rule {
    TASK_RULE_TOOLS = 1u << 0,       /* it carries tools */
    TASK_RULE_JSON_SCHEMA = 1u << 1, /* response_format json_schema or json_object */
    TASK_RULE_CODE = 1u << 2,        /* a fence of code in the last user message */
    TASK_RULE_IMAGES = 1u << 3,
};

struct task_match {
    const char *header; /* value of x-sluice-task that names it */
    unsigned rules;     /* of enum task_rule */
    /* Texts in the last user message, ASCII case ignored: these are in lower case. NULL-terminated or
     * NULL. */
    const char *const *any;
};

/* What one request may cost; NAN where there is no such limit. */
struct task_budget {
    double units; /* normalised FLOPs, see router/cost.h */
    double usd;
    double seconds;
};

struct task {
    const char *name;
    const char *route_name; /* as clients ask for it: auto/NAME */
    struct task_match match;
    struct arm arms[TASK_ARMS_MAX]; /* [0] is the champion */
    size_t arm_count;
    uint64_t deadline_us;
    uint64_t experiment; /* salt of the arm's draw; changes with every experiment */
    struct task_budget budget;
    /* The upstreams that its texts may reach, a NULL-terminated list: those written, else those of its
     * first champion. Only written ones bind requests that name a model or a graph. */
    const struct upstream_def *const *data;
    bool data_is_written;
    bool tools_graph;        /* `tools: graph`: requests with tools run through the graph too */
    uint32_t node_tokens;    /* cap of an inner node's answer where the graph has none */
    enum answer_kind answer; /* how its answers are compared by votes */
    const char *const
        *pass; /* further members that inner nodes are sent; NULL-terminated or NULL */
    const struct prompt_set *prompts; /* its own templates or the defaults */
};

/* What costs are reckoned with until a task's real tokens are known: 500 of the prompt, 500 of an
 * answer. */
struct cost_tokens task_tokens(void);

/* The first upstream that the graph's calls, their models' fallbacks included, may reach and that is
 * not in the NULL-terminated list; NULL: all are in it. */
const struct upstream_def *task_stranger(const struct upstream_def *const *data,
                                         const struct graph *g);

/* The model's calls, its fallbacks included, stay within the NULL-terminated list (NULL: anywhere). */
bool task_allows(const struct upstream_def *const *data, const struct model_def *m);

/* The first limit of the budget that the graph passes with the tokens above: "flops" or "usd", with
 * what it costs and what it may; NULL: none. A cost that is not known passes none, and of seconds
 * nothing is known before measurements. */
const char *task_excess(const struct task_budget *budget, const struct graph *g, double *cost,
                        double *limit);

/* The model that answers a task alone: of those that chat, whose cost is within the budget and which,
 * their fallbacks included, stay within `data` (NULL: anywhere), the one with the most parameters, then
 * the cheaper, then the first named. NULL: there is none. */
const struct model_def *task_best_model(const struct catalog *catalog,
                                        const struct task_budget *budget,
                                        const struct upstream_def *const *data);

#endif
