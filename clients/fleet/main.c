/* SPDX-License-Identifier: MIT */
#include <locale.h>

#include "fleet.h"

int main(int argc, char **argv)
{
	struct options options;
	int status;

	setlocale(LC_CTYPE, "");
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_SAID:
		return 0;
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
