/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct example_option *options, const char *about, const char *program)
{
	printf("%s - %s\n\n", program, about);
	for (const struct example_option *o = options; o->name; o++)
		printf("  --%s%-*s %s\n", o->name, (int)(18 - strlen(o->name)), o->flag ? "" : "=VALUE",
		       o->help);
}

static void read_number(const struct example_option *o, const char *value)
{
	char *end;
	double number = strtod(value, &end);

	if (!strcmp(value, "max") && strstr(o->help, "max")) {
		number = -1;
	} else if (end == value || *end || !(number >= 0 && number < 1e12)) {
		fprintf(stderr, "--%s=%s: give a number of 0 or more%s\n", o->name, value,
			strstr(o->help, "max") ? ", or max" : "");
		exit(2);
	}
	*o->number = number;
}

/* true: the argument is this option. */
static bool take(const struct example_option *o, const char *argument)
{
	size_t length = strlen(o->name);

	if (strncmp(argument, "--", 2) || strncmp(argument + 2, o->name, length))
		return false;
	argument += 2 + length;
	if (o->flag) {
		if (*argument)
			return false;
		*o->flag = true;
		return true;
	}
	if (*argument != '=')
		return false;
	if (o->text)
		*o->text = argument + 1;
	else
		read_number(o, argument + 1);
	return true;
}

void options_read(const struct example_option *options, const char *about, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct example_option *o = options;

		if (!strcmp(argv[i], "--help")) {
			print_help(options, about, argv[0]);
			exit(0);
		}
		while (o->name && !take(o, argv[i]))
			o++;
		if (!o->name) {
			fprintf(stderr, "%s: \"%s\" is no option of this program; see --help\n", argv[0],
				argv[i]);
			exit(2);
		}
	}
}
