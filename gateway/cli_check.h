/* `sluice check`: validates a configuration and prints what would run. */
#ifndef GATEWAY_CLI_CHECK_H
#define GATEWAY_CLI_CHECK_H

int cli_check(int argc, char **argv); /* argv[0] is "check"; returns the exit code */

#endif
