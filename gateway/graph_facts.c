#include "gateway/graph_facts.h"

static const char *name_of(const struct snapshot *s, const struct graph *g)
{
    const struct catalog *c = s->catalog;
    for (size_t i = 0; i < c->graph_count; i++) {
        if (c->graphs[i].graph == g) {
            return c->graphs[i].route_name ? c->graphs[i].route_name : c->graphs[i].file;
        }
    }
    return g->nodes[g->output].model->name; /* every other graph is a model alone */
}

/* The form of max_tokens is ours to mind, and says nothing of what a graph can do. */
enum { LACKS = CAPABILITY_NO_SYSTEM, HAS = ~(LACKS | CAPABILITY_MAX_COMPLETION_TOKENS) };

void graph_facts(const struct snapshot *s, const struct graph *g, struct graph_facts *out)
{
    const struct cost_tokens tokens = task_tokens();
    bool knows_context = true;
    unsigned lacks = 0;
    *out = (struct graph_facts) {.name = name_of(s, g),
                                 .units = cost_graph_units(g, &tokens),
                                 .usd = cost_graph_usd(g, &tokens),
                                 .capabilities = (unsigned) HAS};
    graph_id_text(g->id, out->id);
    for (unsigned i = 0; i < g->count; i++) {
        const struct model_def *m = g->nodes[i].model;
        if (!m) {
            continue;
        }
        out->calls++;
        out->capabilities &= m->capabilities;
        lacks |= m->capabilities & (unsigned) LACKS;
        knows_context = knows_context && m->context > 0;
        if (out->context == 0 || m->context < out->context) {
            out->context = m->context;
        }
    }
    out->capabilities |= lacks;
    if (!knows_context) {
        out->context = 0;
    }
}
