/* Examples of tasks: prompts in JSON lines, from which the classifier learns.
 *
 *     "What is 17 * 23?"
 *     {"input": "What is 17 * 23?"}
 *     {"input": [{"role": "system", "content": "…"}, {"role": "user", "content": "…"}], "ideal": "391"}
 *
 * Of a conversation the last user message and the first system message count, as in routing. Other
 * members are not looked at: a file of OpenAI's evals will do. Empty lines are none. */
#ifndef GATEWAY_CONFIG_EXAMPLES_H
#define GATEWAY_CONFIG_EXAMPLES_H

#include "cache/arena.h"
#include "optimizer/classify_train.h"

enum { CONFIG_EXAMPLES_MAX = 2000, CONFIG_EXAMPLES_BYTES_MAX = 16 << 20 };

struct config_examples {
    struct arena arena; /* of the texts and names; of a long text as much as the classifier reads */
    struct classify_example *list;
    size_t count;
    unsigned classes;
    const char *names[CLASSIFY_CLASSES_MAX]; /* of the classes: tasks */
};

struct config_examples *config_examples_new(void);
void config_examples_free(struct config_examples *e); /* NULL allowed */

/* Adds the lines of a file as one class more. ERR_IO, ERR_INPUT with FILE:LINE, ERR_LIMIT (more than
 * CONFIG_EXAMPLES_MAX lines, or bytes), ERR_NOMEM. */
enum err config_examples_add(struct config_examples *e, const char *task, const char *path,
                             struct errbuf *err) MUST_CHECK;

#endif
