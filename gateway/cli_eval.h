/* `sluice eval`: measures a graph of a task by the task's items, through the real upstreams. */
#ifndef GATEWAY_CLI_EVAL_H
#define GATEWAY_CLI_EVAL_H

int cli_eval(int argc, char **argv); /* argv[0] is "eval"; returns the exit code */

#endif
