/* SPDX-License-Identifier: MIT */
/* Command lines of the examples: "--name=VALUE" against a table, clear errors, --help. */
#ifndef EXAMPLE_OPTIONS_H
#define EXAMPLE_OPTIONS_H

#include <stdbool.h>

struct example_option {
	const char *name;		/* without "--" */
	const char *help;
	const char **text;		/* one of these three takes the value */
	double *number;			/* "max" is given as -1 */
	bool *flag;			/* takes no value */
};

/* Exits: 0 after --help, 2 with a sentence when something is wrong. `about` is one line. The table
 * ends with a row whose name is NULL. */
void options_read(const struct example_option *options, const char *about, int argc, char **argv);

#endif
