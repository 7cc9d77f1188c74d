/* Graph files (design §5): JSON to a graph and back.
 *
 *      {"nodes": [{"id": "a1", "model": "llama-3.2-3b", "role": "assistant"},
 *                 {"id": "a2", "model": "llama-3.2-3b", "role": "assistant", "temperature": 0.8},
 *                 {"id": "f", "model": "llama-3.1-8b", "role": "fuser", "fuse": "llm"}],
 *       "edges": [["a1", "f"], ["a2", "f"]],
 *       "output": "f"}
 *
 * A node may also have "top_p" and "max_tokens". A vote has no "model". A graph of one node needs no
 * "edges". Members that are not known are errors, as nothing is accepted and ignored. */
#ifndef ROUTER_GRAPH_FILE_H
#define ROUTER_GRAPH_FILE_H

#include "router/catalog.h"
#include "router/graph.h"

enum { GRAPH_FILE_BYTES_MAX = 256 * 1024 };

/* `name` is what messages call the text. NULL with words: of the file, the node and the member at
 * fault and what was expected there. The catalog must outlive the graph. */
struct graph *graph_file_parse(const char *name, struct slice json, const struct catalog *catalog,
                               struct errbuf *err);
/* Of a regular file of at most GRAPH_FILE_BYTES_MAX. */
struct graph *graph_file_load(const char *path, const struct catalog *catalog, struct errbuf *err);

/* A file that gives the same graph; a node a line, terminated, the caller's to free. Nodes without a
 * name get one by graph_names. */
char *graph_file_text(const struct graph *g);

#endif
