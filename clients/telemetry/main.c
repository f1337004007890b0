/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "device_check.h"
#include "tell.h"

#define DEFAULT_STATE "/var/lib/failsoft-telemetry"

/* sysexits.h: what systemd and scripts know. */
#define EXIT_USAGE  64
#define EXIT_CONFIG 78

static void print_help(FILE *out)
{
	fputs("failsoft-telemetry - tells the fleet's operators, over MQTT, that this device runs "
	      "out of memory\n\n"
	      "usage: failsoft-telemetry [OPTION]...\n\n"
	      "  --config=FILE          settings; default: " SETTINGS_FILE "\n"
	      "  --state-dir=DIR        spool and crumb; default: $STATE_DIRECTORY, else\n"
	      "                         " DEFAULT_STATE "\n"
	      "  --bus=ADDRESS          D-Bus address of failsoftd; default: the system bus\n"
	      "  --check                connect once, publish the state, say what the server said, "
	      "exit\n"
	      "  --check-config         read the settings, print what is in force, exit\n"
	      "  --print-sample-config  a settings file with every default\n"
	      "  --print-man-options    the option list of failsoft-telemetry.json(5), for the "
	      "build\n"
	      "  --root=DIR             where proc, sys and etc are; for tests\n"
	      "  --verbose              log more\n"
	      "  --help, --version\n\n"
	      "Settings (file " SETTINGS_FILE "):\n",
	      out);
	settings_print_help(out);
	fputs("\nExit status: 0 ended by a signal, or the check went well; 1 failure, 64 wrong "
	      "option, 78 wrong settings.\n"
	      "See failsoft-telemetry(8), failsoft-telemetry.json(5), failsoftd(8).\n",
	      out);
}

enum {
	OPT_CONFIG = 256,
	OPT_STATE,
	OPT_BUS,
	OPT_CHECK,
	OPT_CHECK_CONFIG,
	OPT_SAMPLE,
	OPT_MAN,
	OPT_ROOT
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"state-dir", required_argument, NULL, OPT_STATE},
	{"bus", required_argument, NULL, OPT_BUS},
	{"check", no_argument, NULL, OPT_CHECK},
	{"check-config", no_argument, NULL, OPT_CHECK_CONFIG},
	{"print-sample-config", no_argument, NULL, OPT_SAMPLE},
	{"print-man-options", no_argument, NULL, OPT_MAN},
	{"root", required_argument, NULL, OPT_ROOT},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

struct request {
	struct device_options device;
	const char *config;
	bool is_check_config;
};

/* 0: go on; -1: done, exit with success; else an exit status. */
static int take_option(struct request *q, const struct settings *defaults, int option)
{
	switch (option) {
	case OPT_CONFIG:
		q->config = optarg;
		return 0;
	case OPT_STATE:
		q->device.state_directory = optarg;
		return 0;
	case OPT_BUS:
		q->device.bus_address = optarg;
		return 0;
	case OPT_ROOT:
		q->device.root = optarg;
		return 0;
	case OPT_CHECK:
		q->device.is_check = true;
		return 0;
	case OPT_CHECK_CONFIG:
		q->is_check_config = true;
		return 0;
	case OPT_SAMPLE:
		settings_print_json(defaults, stdout);
		return -1;
	case OPT_MAN:
		settings_print_man(stdout);
		return -1;
	case 'v':
		tell_set_verbose(true);
		return 0;
	case 'h':
		print_help(stdout);
		return -1;
	case 'V':
		printf("failsoft-telemetry %s\n", FAILSOFT_VERSION);
		return -1;
	default: /* getopt has said what is wrong */
		fputs("failsoft-telemetry: see failsoft-telemetry --help\n", stderr);
		return EXIT_USAGE;
	}
}

static int read_request(struct request *q, const struct settings *defaults, int argc, char **argv)
{
	const char *state = getenv("STATE_DIRECTORY");
	int option, r;

	*q = (struct request){
		.device = {.state_directory = state ? state : DEFAULT_STATE, .root = "/"}};
	while ((option = getopt_long(argc, argv, "vhV", long_options, NULL)) != -1) {
		r = take_option(q, defaults, option);
		if (r)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr,
			"failsoft-telemetry: \"%s\" is not an option; see failsoft-telemetry "
			"--help\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return 0;
}

/* What could not be written was not said: a script would take an empty answer for a true one. */
static int finish(void)
{
	const char *why = fflush(stdout) ? strerror(errno) : NULL;

	if (!why && ferror(stdout))
		why = "not all could be written";
	if (!why)
		return 0;
	fprintf(stderr, "failsoft-telemetry: standard output: %s\n", why);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct device device; /* large, and wanted in one place */
	static struct settings settings;
	char complaint[2048];
	struct request request;
	int r;

	settings_default(&settings);
	r = read_request(&request, &settings, argc, argv);
	if (r)
		return r < 0 ? finish() : r;
	if (settings_read(&settings, request.config ? request.config : SETTINGS_FILE,
			  request.config != NULL, complaint, sizeof(complaint)) < 0) {
		fprintf(stderr, "%s\n", complaint);
		return EXIT_CONFIG;
	}
	if (request.is_check_config) {
		settings_print_json(&settings, stdout);
		return finish();
	}
	settings.spread_us = request.device.is_check ? 0 : settings.spread_us;
	r = device_start(&device, &request.device, &settings);
	if (r == 0)
		r = request.device.is_check ? device_check(&device) : device_run(&device);
	device_stop(&device);
	return r == 0 ? 0 : EXIT_FAILURE;
}
