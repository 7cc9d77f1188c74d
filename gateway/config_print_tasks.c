#include "gateway/config_print_tasks.h"

#include "gateway/cli_table.h"
#include "gateway/config_keys.h"
#include "gateway/config_print.h"
#include "gateway/config_value.h"
#include "gateway/graph_facts.h"
#include "router/eligible.h"
#include "router/graph_draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 4, DRAWING_INDENT = 6, DRAWING_COLUMNS = 94 };

/* Words that a table needs live in its arena. */

static void end(struct cli_table *t, FILE *out)
{
    cli_table_print(t, INDENT, out);
    cli_table_fini(t);
}

/* "a, b"; `none` where there is no text. Lives in the table's arena. */
static const char *join(struct cli_table *t, const char *const *texts, const char *quote,
                        const char *none)
{
    const char *all = NULL;
    for (size_t i = 0; texts && texts[i]; i++) {
        all = arena_printf(&t->arena, "%s%s%s%s%s", all ? all : "", all ? ", " : "", quote,
                           texts[i], quote);
    }
    return all ? all : none;
}

static const char *join_flags(struct cli_table *t, const char *parent, const char *leaf,
                              unsigned flags, const char *none)
{
    const struct config_word *w = config_key_find(parent, slice_of(leaf))->words;
    const char *all = NULL;
    for (; w->text; w++) {
        if (flags & w->value) {
            all = arena_printf(&t->arena, "%s%s%s", all ? all : "", all ? ", " : "", w->text);
        }
    }
    return all ? all : none;
}

/* ---- graphs ---- */

/* Lines of a drawing are made of box characters only where the terminal's locale is UTF-8. */
static bool is_ascii_only(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names) && (!value || !*value); i++) {
        value = getenv(names[i]);
    }
    return !value || (!strcasestr(value, "utf-8") && !strcasestr(value, "utf8"));
}

static void print_drawing(const struct graph *g, FILE *out)
{
    char *drawing = graph_draw(g, DRAWING_COLUMNS, is_ascii_only());
    for (const char *line = drawing; *line;) {
        size_t n = strcspn(line, "\n");
        fprintf(out, "%*s%.*s\n", n > 0 ? DRAWING_INDENT : 0, "", (int) n, line);
        line += n + (line[n] == '\n' ? 1 : 0);
    }
    free(drawing);
}

static void add_cost(struct cli_table *t, const struct graph_facts *f)
{
    const struct cost_tokens tokens = task_tokens();
    char units[32] = "flops not known";
    if (!isnan(f->units)) {
        snprintf(units, sizeof(units), "%.3g units of flops", f->units);
    }
    cli_table_pair(t, "cost", "%s, %.3g dollars (%.0f tokens of prompt, %.0f of each answer)",
                   units, f->usd, tokens.prompt, tokens.answer);
}

static void add_graph(struct cli_table *t, const struct graph *g, const struct graph_facts *f)
{
    char context[64] = "context not known";
    cli_table_pair(t, "id", "%s: %u node%s, %u call%s, width %u, depth %u", f->id, g->count,
                   g->count == 1 ? "" : "s", f->calls, f->calls == 1 ? "" : "s", g->width,
                   g->depth);
    add_cost(t, f);
    if (isnan(f->latency_s)) {
        cli_table_pair(t, "latency", "not known before the first calls, nor from models[].speed");
    } else {
        cli_table_pair(t, "latency", "%.3g s along the critical path, by models[].speed",
                       f->latency_s);
    }
    if (f->context > 0) {
        snprintf(context, sizeof(context), "context %" PRIu64, f->context);
    }
    bool is_single = graph_is_single(g);
    unsigned can = f->capabilities & ~(unsigned) CAPABILITY_NO_SYSTEM;
    cli_table_pair(t, is_single ? "model" : "models", "%s, %s%s%s", context,
                   is_single ? "can " : "all can ",
                   join_flags(t, "models[]", "capabilities", can, "chat"),
                   can == f->capabilities ? ""
                   : is_single            ? ", refuses system messages"
                                          : ", not all take system messages");
}

void config_print_graphs(const struct snapshot *s, FILE *out)
{
    const struct catalog *c = s->catalog;
    bool is_first = true;
    for (size_t i = 0; i < c->graph_count; i++) {
        const struct catalog_graph *named = &c->graphs[i];
        struct graph_facts facts;
        struct cli_table sheet;
        if (!named->name) {
            continue;
        }
        fprintf(out, "%s  %s  %s\n", is_first ? "\ngraphs\n" : "", named->route_name, named->file);
        is_first = false;
        graph_facts(s, named->graph, &facts);
        cli_table_init(&sheet, 2);
        add_graph(&sheet, named->graph, &facts);
        end(&sheet, out);
        print_drawing(named->graph, out);
    }
}

/* ---- tasks ---- */

static size_t count_examples(const struct config_examples *e, const char *task)
{
    size_t n = 0;
    for (size_t i = 0; e && i < e->count; i++) {
        n += strcmp(e->names[e->list[i].class], task) == 0 ? 1 : 0;
    }
    return n;
}

static void add_match(struct cli_table *t, const struct config *c, const struct task *task)
{
    size_t examples = count_examples(c->examples, task->name);
    cli_table_pair(t, "asked for by", "%s, or auto with x-sluice-task: %s", task->route_name,
                   task->match.header);
    if (task->match.rules != 0) {
        cli_table_pair(t, "has", "%s",
                       join_flags(t, "tasks[].match", "rules", task->match.rules, ""));
    }
    if (task->match.any) {
        cli_table_pair(t, "says", "%s", join(t, task->match.any, "\"", ""));
    }
    if (examples > 0) {
        cli_table_pair(t, "is like", "one of %zu examples", examples);
    }
}

static const char *data_text(struct cli_table *t, const struct task *task)
{
    const char *all = NULL;
    for (size_t i = 0; task->data && task->data[i]; i++) {
        all = arena_printf(&t->arena, "%s%s%s", all ? all : "", all ? ", " : "",
                           task->data[i]->name);
    }
    return all ? all : "none";
}

/* As the paper counts budgets: how many models of one unit, each feeding all later ones, with an output of
 * 3e9 parameters behind them, it would pay for. */
static void add_units(struct cli_table *t, double units)
{
    const struct cost_tokens tokens = task_tokens();
    unsigned models = 0;
    while (models + 1 < GRAPH_NODES_MAX && cost_complete_dag_units(models + 1, &tokens) <= units) {
        models++;
    }
    if (models > 0) {
        cli_table_pair(
            t, "budget",
            "%.6g units of flops: %u models of 1e9 parameters wired completely, and a fuser of 3e9",
            units, models);
    } else {
        cli_table_pair(t, "budget", "%.6g units of flops", units);
    }
}

static void add_limits(struct cli_table *t, const struct task *task)
{
    char text[CONFIG_VALUE_TEXT_BYTES];
    if (!isnan(task->budget.units)) {
        add_units(t, task->budget.units);
    }
    if (!isnan(task->budget.usd)) {
        cli_table_pair(t, "budget", "%.6g dollars", task->budget.usd);
    }
    cli_table_pair(t, "data", "%s%s", data_text(t, task),
                   task->data_is_written ? "; models and graphs asked for by name too" : "");
    cli_table_pair(t, "deadline", "%s", config_value_duration_text(task->deadline_us, text));
    if (graph_is_single(task->arms[0].graph)) {
        return; /* it has no inner nodes and no votes */
    }
    cli_table_pair(t, "requests with tools", "%s",
                   task->tools_graph ? "run through the graph" : "one call");
    cli_table_pair(t, "inner nodes", "up to %" PRIu32 " tokens, are also sent %s",
                   task->node_tokens,
                   join(t, task->pass, "", "nothing of the request but reasoning_effort"));
    cli_table_pair(t, "votes compare", "%s", config_key_word("tasks[]", "answer", task->answer));
    cli_table_pair(t, "templates", "%s", task->prompts == prompt_defaults() ? "ours" : "its own");
}

static void add_eval(struct cli_table *t, const struct config_eval *eval)
{
    if (eval) {
        cli_table_pair(t, "measured by", "%s, graded by %s", eval->file,
                       eval->grader_text ? eval->grader_text : "each item's own grader");
    }
}

static void print_task(const struct config *c, const struct snapshot *s, const struct task *task,
                       FILE *out)
{
    const struct graph *g = task->arm_count > 0 ? task->arms[0].graph : NULL;
    struct graph_facts facts;
    struct cli_table sheet;
    if (!g) {
        fprintf(out, "  %s  no model can chat, so `auto` answers 404\n", task->name);
        return;
    }
    graph_facts(s, g, &facts);
    fprintf(out, "  %s  champion %s\n", task->name, facts.name);
    cli_table_init(&sheet, 2);
    add_match(&sheet, c, task);
    add_graph(&sheet, g, &facts);
    add_limits(&sheet, task);
    const struct model_def *small = eligible_never(task, g);
    if (small) {
        cli_table_pair(
            &sheet, "never runs",
            "the context of %s does not hold the candidates and an answer of max_tokens: every "
            "request is one call; lower max_tokens",
            small->name);
    }
    add_eval(&sheet, config_eval_of(c, task->name));
    cli_table_pair(&sheet, "learning", "level %d: %s", CONFIG_PRINT_LEVEL, config_print_missing());
    end(&sheet, out);
    if (!graph_is_single(g)) {
        print_drawing(g, out);
    }
}

void config_print_tasks(const struct config *c, const struct snapshot *s, FILE *out)
{
    fputs("\ntasks\n", out);
    for (size_t i = 0; i < s->task_count; i++) {
        print_task(c, s, &s->tasks[i], out);
    }
}
