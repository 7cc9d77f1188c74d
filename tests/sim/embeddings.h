/*
 * POST /v1/embeddings: unit vectors that depend on the seed, the model and the words of the input
 * only. Each word adds a fixed random direction, so texts that share words are similar.
 */
#ifndef SIM_EMBEDDINGS_H
#define SIM_EMBEDDINGS_H

#include "tests/sim/ask.h"
#include "tests/sim/buf.h"

#include <jansson.h>
#include <stdint.h>

#define EMBEDDINGS_DIMENSIONS 64
#define EMBEDDINGS_MAX_DIMENSIONS 4096

/*
 * Writes the response document for the request root into out; input is a string, a list of
 * strings, a list of tokens or a list of such lists; encoding_format float or base64
 * (little-endian float32). Returns 0, or -1 with *error.
 */
int embeddings_make(json_t *root, uint64_t seed, struct buf *out, int64_t *prompt_tokens,
                    struct ask_error *error);

#endif
