/* `sluice serve`: loads the configuration and runs the gateway until it is told to stop. */
#ifndef GATEWAY_CLI_SERVE_H
#define GATEWAY_CLI_SERVE_H

int cli_serve(int argc, char **argv); /* argv[0] is "serve"; returns the exit code */

#endif
