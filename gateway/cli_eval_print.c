#include "gateway/cli_eval_print.h"

#include "gateway/cli_table.h"
#include "router/cost.h"
#include "router/graph.h"
#include "router/task.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

enum { BAR_COLUMNS = 30, REDRAW_US = 200 * 1000, TENTHS = 10 };

static const char *ending_text(enum eval_ending ending)
{
    return ending == EVAL_COMPLETE      ? "complete"
           : ending == EVAL_INTERRUPTED ? "interrupted"
                                        : "too_many_dropped";
}

/* NAN where there is none. */
static double per_answer(const struct tally *t, double sum)
{
    return t->answers > 0 ? sum / (double) t->answers : (double) NAN;
}

static double units(const struct tally *t)
{
    const struct cost_tokens tokens = task_tokens();
    return per_answer(t, t->flops) / cost_unit_flops(&tokens);
}

/* ---- progress ---- */

static double left_s(const struct eval_progress *p, const struct eval_report *r, uint64_t now_us)
{
    double elapsed = (double) (now_us - p->start_us) / 1e6;
    return elapsed / (double) r->all.items * (double) (r->count - r->all.items);
}

static void draw_bar(struct eval_progress *p, const struct eval_report *r, uint64_t now_us)
{
    char bar[BAR_COLUMNS + 1];
    double share = (double) r->all.items / (double) r->count;
    for (int i = 0; i < BAR_COLUMNS; i++) {
        bar[i] = (double) i < share * BAR_COLUMNS ? '#' : '.';
    }
    bar[BAR_COLUMNS] = '\0';
    fprintf(p->out, "\r\033[K[%s] %zu of %zu", bar, r->all.items, r->count);
    if (r->all.answers > 0) {
        struct tally_accuracy a = tally_accuracy(&r->all);
        fprintf(p->out, "  accuracy %.3f (%.3f to %.3f)  %.0f s left", a.mean, a.low, a.high,
                left_s(p, r, now_us));
    }
    fflush(p->out);
    p->drawn_us = now_us;
}

void cli_eval_progress(struct eval_progress *p, const struct eval_report *r, uint64_t now_us)
{
    size_t tenths = r->count > 0 ? TENTHS * r->all.items / r->count : 0;
    if (r->all.items == 0) {
        return;
    }
    if (p->is_terminal && now_us - p->drawn_us >= REDRAW_US) {
        draw_bar(p, r, now_us);
    } else if (!p->is_terminal && tenths > p->lines) {
        struct tally_accuracy a = tally_accuracy(&r->all);
        fprintf(p->out, "%zu of %zu items, accuracy %.3f, %.0f s left\n", r->all.items, r->count,
                a.mean, left_s(p, r, now_us));
        p->lines = tenths;
    }
}

void cli_eval_progress_end(const struct eval_progress *p)
{
    if (p->is_terminal) {
        fputs("\r\033[K", p->out);
        fflush(p->out);
    }
}

/* ---- for a person ---- */

static void add_accuracy(struct cli_table *t, const char *name, const struct tally *tally)
{
    struct tally_accuracy a = tally_accuracy(tally);
    if (tally->answers > 0) {
        cli_table_pair(t, name, "%.4f, with 95 %% between %.4f and %.4f: %zu item%s", a.mean, a.low,
                       a.high, tally->answers, tally->answers == 1 ? "" : "s");
    }
}

static void add_latency(struct cli_table *t, struct tally *tally)
{
    if (tally->latency_count > 0) {
        cli_table_pair(t, "latency", "mean %.3f s, median %.3f s, 95th percentile %.3f s",
                       tally_latency_mean_us(tally) / 1e6, tally_latency_us(tally, 0.5) / 1e6,
                       tally_latency_us(tally, 0.95) / 1e6);
    }
}

static void add_costs(struct cli_table *t, const struct tally *tally)
{
    char text[48] = "flops not known";
    double cost = units(tally);
    if (!isnan(cost)) {
        snprintf(text, sizeof(text), "%.4g units of flops", cost);
    }
    cli_table_pair(t, "cost", "%s, %.4g dollars a request", text, per_answer(tally, tally->usd));
    cli_table_pair(t, "tokens", "%.1f of prompts, %.1f of answers, in %.2f calls a request",
                   per_answer(tally, (double) tally->prompt_tokens),
                   per_answer(tally, (double) tally->completion_tokens),
                   per_answer(tally, (double) tally->calls));
}

static void add_verdicts(struct cli_table *t, const struct tally *tally)
{
    for (unsigned i = EVAL_RIGHT + 1; i < EVAL_VERDICT_COUNT; i++) {
        if (tally->verdicts[i] > 0) {
            cli_table_pair(t, eval_verdict_text(i), "%zu%s", tally->verdicts[i],
                           eval_is_answer(i) ? "" : ", in no figure above");
        }
    }
    if (tally->repeats > 0) {
        cli_table_pair(t, "run again", "%zu times, as an upstream had broken a call",
                       tally->repeats);
    }
    if (tally->rescued > 0) {
        cli_table_pair(t, "rescued", "%zu answers, as the output had none", tally->rescued);
    }
}

void cli_eval_print(struct eval_report *r, FILE *out)
{
    char id[GRAPH_ID_TEXT_BYTES];
    struct cli_table t;
    graph_id_text(r->graph_id, id);
    fprintf(out, "%s: %s (%s), %zu of %zu items in %.1f s%s\n", r->task, r->graph_name, id,
            r->all.items, r->count, r->seconds, r->ending == EVAL_COMPLETE ? "" : ", not finished");
    cli_table_init(&t, 2);
    add_accuracy(&t, "accuracy", &r->all);
    for (unsigned i = 0; i < ITEMS_SPLITS; i++) {
        add_accuracy(&t, items_split_name(i), &r->splits[i]);
    }
    if (r->all.answers > 0) {
        add_costs(&t, &r->all);
    }
    add_latency(&t, &r->all);
    add_verdicts(&t, &r->all);
    cli_table_print(&t, 2, out);
    cli_table_fini(&t);
}

/* ---- for a program ---- */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t) n);
}

static json_t *verdicts(const struct tally *t)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < EVAL_VERDICT_COUNT; i++) {
        json_object_set_new(o, eval_verdict_text(i), count(t->verdicts[i]));
    }
    return o;
}

static json_t *sums(struct tally *t)
{
    struct tally_accuracy a = tally_accuracy(t);
    json_t *o = json_object();
    json_object_set_new(o, "items", count(t->items));
    json_object_set_new(o, "answers", count(t->answers));
    json_object_set_new(o, "accuracy", number(a.mean));
    json_object_set_new(o, "low", number(a.low));
    json_object_set_new(o, "high", number(a.high));
    json_object_set_new(o, "units", number(units(t)));
    json_object_set_new(o, "usd", number(per_answer(t, t->usd)));
    json_object_set_new(o, "latency_mean_s", number(tally_latency_mean_us(t) / 1e6));
    json_object_set_new(o, "latency_p50_s", number(tally_latency_us(t, 0.5) / 1e6));
    json_object_set_new(o, "latency_p95_s", number(tally_latency_us(t, 0.95) / 1e6));
    json_object_set_new(o, "latencies", count(t->latency_count));
    json_object_set_new(o, "calls", count(t->calls));
    json_object_set_new(o, "prompt_tokens", count(t->prompt_tokens));
    json_object_set_new(o, "completion_tokens", count(t->completion_tokens));
    json_object_set_new(o, "repeats", count(t->repeats));
    json_object_set_new(o, "rescued", count(t->rescued));
    json_object_set_new(o, "verdicts", verdicts(t));
    return o;
}

/* A path need not be UTF-8. */
static json_t *text(const char *s)
{
    json_t *json = s ? json_string(s) : NULL;
    return json ? json : json_null();
}

void cli_eval_print_json(struct eval_report *r, FILE *out)
{
    char id[GRAPH_ID_TEXT_BYTES];
    json_t *o = json_object();
    json_t *splits = json_object();
    graph_id_text(r->graph_id, id);
    json_object_set_new(o, "task", text(r->task));
    json_object_set_new(o, "graph", text(id));
    json_object_set_new(o, "graph_name", text(r->graph_name));
    json_object_set_new(o, "file", text(r->file));
    json_object_set_new(o, "grader", text(r->grader_text));
    graph_id_text(r->grader_version, id); /* 64 bits in hex, too */
    json_object_set_new(o, "grader_version", r->grader_text ? text(id) : json_null());
    json_object_set_new(o, "bad_lines", count(r->bad_lines));
    json_object_set_new(o, "wanted", count(r->count));
    json_object_set_new(o, "seed", count(r->seed));
    json_object_set_new(o, "seconds", number(r->seconds));
    json_object_set_new(o, "ending", text(ending_text(r->ending)));
    json_object_set_new(o, "all", sums(&r->all));
    for (unsigned i = 0; i < ITEMS_SPLITS; i++) {
        json_object_set_new(splits, items_split_name(i), sums(&r->splits[i]));
    }
    json_object_set_new(o, "splits", splits);
    json_dumpf(o, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    fputc('\n', out);
    json_decref(o);
}
