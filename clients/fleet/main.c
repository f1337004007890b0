/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <stdio.h>

#include "fleet.h"

int main(int argc, char **argv)
{
	struct options options;
	int status;

	setlocale(LC_CTYPE, "");
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_SAID:
		if (fflush(stdout) == 0)
			return 0;
		perror("failsoft-fleet: standard output");
		return 1;
	case OPTIONS_WRONG:
		options_fini(&options);
		return 2;
	case OPTIONS_RUN:
		break;
	}
	status = fleet_run(&options);
	options_fini(&options);
	return status;
}
