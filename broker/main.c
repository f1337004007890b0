/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker.h"
#include "keep/export.h"
#include "start.h"

#define DEFAULT_CONFIG	"/etc/failsoft/failsoft.json"
#define DEFAULT_STATE	"/run/failsoft"
#define DEFAULT_EPISODE	"/var/lib/failsoft"

/* sysexits.h: what systemd and scripts know. */
#define EXIT_USAGE	64
#define EXIT_CONFIG	78

static void print_help(FILE *out)
{
	fputs("failsoftd - tells programs what to do, and by when, before memory runs out\n\n"
	      "usage: failsoftd [OPTION]...\n\n"
	      "  --bus=ADDRESS          D-Bus address; default: the system bus\n"
	      "  --config=FILE          settings; default: " DEFAULT_CONFIG "\n"
	      "                         (then FILE's folder: .json replaced by .d, *.json in it)\n"
	      "  --state-dir=DIR        what survives a restart; default: " DEFAULT_STATE ",\n"
	      "                         and for the last episode's number " DEFAULT_EPISODE "\n"
	      "  --dry-run              ask and record, but end no process\n"
	      "  --release              let go of what a broker that was killed left stopped, exit\n"
	      "  --check-config         read the settings, print what is in force, exit\n"
	      "  --print-sample-config  a settings file with every default\n"
	      "  --print-man-options    the option list of failsoft.json(5), for the build\n"
	      "  --root=DIR             where proc and sys are; for tests\n"
	      "  --responder=PATH       failsoft-responder, or the socket where it is started\n"
	      "  --verbose              log more\n"
	      "  --help, --version\n\n"
	      "Settings (file " DEFAULT_CONFIG "):\n", out);
	config_print_help(out);
	fputs("\nExit status: 0 ended by a signal, 1 failure, 64 wrong option, 78 wrong settings.\n"
	      "See failsoftd(8), failsoft.json(5), org.failsoft.Broker1(5).\n", out);
}

enum { OPT_BUS = 256, OPT_CONFIG, OPT_STATE, OPT_DRY, OPT_CHECK, OPT_SAMPLE, OPT_MAN, OPT_ROOT,
	OPT_RELEASE, OPT_RESPONDER };

static const struct option long_options[] = {
	{ "bus", required_argument, NULL, OPT_BUS },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "state-dir", required_argument, NULL, OPT_STATE },
	{ "dry-run", no_argument, NULL, OPT_DRY },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-sample-config", no_argument, NULL, OPT_SAMPLE },
	{ "print-man-options", no_argument, NULL, OPT_MAN },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "release", no_argument, NULL, OPT_RELEASE },
	{ "responder", required_argument, NULL, OPT_RESPONDER },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

struct command {
	struct broker_options broker;
	bool is_check, is_release;
};

/* 0: go on; -1: done, exit with success; else an exit status. */
static int take_option(struct command *c, int option)
{
	switch (option) {
	case OPT_BUS:
		c->broker.bus_address = optarg;
		return 0;
	case OPT_CONFIG:
		c->broker.config = (struct config_source){ .file = optarg, .is_explicit = true };
		return 0;
	case OPT_STATE:
		c->broker.state_directory = c->broker.episode_directory = optarg;
		return 0;
	case OPT_ROOT:
		c->broker.root = optarg;
		return 0;
	case OPT_RESPONDER:
		c->broker.responder = optarg;
		return 0;
	case OPT_DRY:
		c->broker.dry_run = true;
		return 0;
	case OPT_CHECK:
		c->is_check = true;
		return 0;
	case OPT_RELEASE:
		c->is_release = true;
		return 0;
	case OPT_SAMPLE:
		config_print_sample(stdout);
		return -1;
	case OPT_MAN:
		config_print_man(stdout);
		return -1;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		return 0;
	case 'h':
		print_help(stdout);
		return -1;
	case 'V':
		printf("failsoftd %s\n", FAILSOFT_VERSION);
		return -1;
	default: /* getopt has said what is wrong */
		fputs("failsoftd: see failsoftd --help\n", stderr);
		return EXIT_USAGE;
	}
}

static int read_command(struct command *c, int argc, char **argv)
{
	int option, r;

	*c = (struct command){ .broker = {
		.config = { .file = DEFAULT_CONFIG }, .state_directory = DEFAULT_STATE,
		.episode_directory = DEFAULT_EPISODE } };
	while ((option = getopt_long(argc, argv, "vhV", long_options, NULL)) != -1) {
		r = take_option(c, option);
		if (r)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "failsoftd: \"%s\" is not an option; see failsoftd --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return 0;
}

/* Not an error: failsoftd starts without that file. Seen from here; its unit may write to less. */
static void check_export(const struct config *c)
{
	int r = c->export_file[0] ? export_check(c->export_file) : 0;

	if (r < 0)
		fprintf(stderr, "failsoftd: warning: export_file %s: %s; no event would be written to it\n",
			c->export_file, strerror(-r));
}

/* What could not be written was not said: a script would take an empty answer for a true one. */
static int finish(void)
{
	const char *why = fflush(stdout) ? strerror(errno) : NULL;

	if (!why && ferror(stdout))
		why = "not all could be written";
	if (!why)
		return 0;
	fprintf(stderr, "failsoftd: standard output: %s\n", why);
	return 1;
}

int main(int argc, char **argv)
{
	static struct broker broker; /* large, and wanted in one place */
	static struct config config;
	struct command command;
	char error[8 * CONFIG_ERROR_MAX];
	int r = read_command(&command, argc, argv);

	if (r)
		return r < 0 ? finish() : r;
	if (command.is_release)
		return start_release(&command.broker);
	config_default(&config);
	if (config_read(&config, &command.broker.config, error, sizeof(error)) < 0) {
		fprintf(stderr, "failsoftd: %s\n", error);
		return EXIT_CONFIG;
	}
	if (command.is_check) {
		check_export(&config);
		config_print_json(&config, stdout);
		return finish();
	}
	r = broker_start(&broker, &command.broker, &config) < 0 ? 1 : broker_run(&broker);
	broker_stop(&broker);
	return r;
}
