/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static const struct {
	const char *name, *text;
	int (*run)(struct ctl *c);
} verbs[] = {
	{ "status", "one screen: stage, headroom, time left, clients (the default)", status_verb },
	{ "watch", "the same, live; q ends it", watch_verb },
	{ "clients", "who is registered, what they are asked, how they answered", clients_verb },
	{ "domains", "each pool of memory that can run out", domains_verb },
	{ "sources", "what the kernel tells, and what it does not", sources_verb },
	{ "monitor", "every signal and answer as it happens, one line each", monitor_verb },
	{ "episodes", "what has happened so far", episodes_verb },
	{ "explain", "EPISODE: what happened in it, sentence by sentence", NULL },
	{ "reload", "read the configuration again (root or group failsoft)", reload_verb },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(FILE *out)
{
	fputs("failsoftctl - what failsoftd sees and does\n\nusage: failsoftctl [OPTION]... [VERB]\n\n", out);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].text);
	fputs("\n  --bus=ADDRESS  default: $FAILSOFT_BUS_ADDRESS, then the system bus\n"
	      "  --json         for programs: one object, or one per line\n"
	      "  --nagios       status as a monitoring plugin's line\n"
	      "  --history      monitor: first what the broker still remembers\n"
	      "  -n, --count=N  watch, monitor: end after N looks or events\n"
	      "  --raw          plain bytes and microseconds\n"
	      "  --no-color     no colours (also: NO_COLOR set, or not a terminal)\n"
	      "  --help, --version\n\n"
	      "Exit status of status: 0 normal, 1 warning, 2 imminent or shutdown, 3 unknown.\n"
	      "Of the other verbs: 0 success, 2 wrong usage, 3 no broker or refused.\n", out);
}

enum { OPT_BUS = 256, OPT_JSON, OPT_NAGIOS, OPT_HISTORY, OPT_RAW, OPT_PLAIN };

static const struct option long_options[] = {
	{ "bus", required_argument, NULL, OPT_BUS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "nagios", no_argument, NULL, OPT_NAGIOS },
	{ "history", no_argument, NULL, OPT_HISTORY },
	{ "count", required_argument, NULL, 'n' },
	{ "raw", no_argument, NULL, OPT_RAW },
	{ "no-color", no_argument, NULL, OPT_PLAIN },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int read_count(const char *text, long *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < 1) {
		fprintf(stderr, "failsoftctl: -n %s: give a number of 1 or more\n", text);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

/* 0: go on; 1: done; negative: wrong usage. */
static int take_option(struct ctl *c, int option, const char **ret_address)
{
	switch (option) {
	case OPT_BUS:
		*ret_address = optarg;
		return 0;
	case OPT_JSON:
		c->json = true;
		return 0;
	case OPT_NAGIOS:
		c->nagios = true;
		return 0;
	case OPT_HISTORY:
		c->history = true;
		return 0;
	case OPT_RAW:
		c->raw = true;
		return 0;
	case OPT_PLAIN:
		c->colour = false;
		return 0;
	case 'n':
		return read_count(optarg, &c->count);
	case 'h':
		print_help(stdout);
		return 1;
	case 'V':
		printf("failsoftctl %s\n", FAILSOFT_VERSION);
		return 1;
	default:
		fputs("failsoftctl: see failsoftctl --help\n", stderr);
		return -EINVAL;
	}
}

/* How many letters must change; small words, so the simple recursion's table suffices. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32], length = (unsigned)strlen(b);

	if (length >= 31)
		return 99;
	for (unsigned j = 0; j <= length; j++)
		row[j] = j;
	for (unsigned i = 0; a[i]; i++) {
		unsigned before = row[0];

		row[0] = i + 1;
		for (unsigned j = 1; j <= length; j++) {
			unsigned keep = row[j], best = before + (a[i] != b[j - 1]);

			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
			before = keep;
		}
	}
	return row[length];
}

static void suggest_option(const char *given)
{
	const struct option *best = long_options;

	given += strspn(given, "-");
	for (const struct option *o = long_options; o->name; o++)
		if (distance(given, o->name) < distance(given, best->name))
			best = o;
	if (distance(given, best->name) <= 2)
		fprintf(stderr, "failsoftctl: do you mean --%s?\n", best->name);
}

static int unknown_verb(const char *verb)
{
	size_t best = 0;

	for (size_t i = 1; i < VERBS; i++)
		if (distance(verb, verbs[i].name) < distance(verb, verbs[best].name))
			best = i;
	fprintf(stderr, "failsoftctl: there is no verb \"%s\"", verb);
	if (distance(verb, verbs[best].name) <= 3)
		fprintf(stderr, "; do you mean \"%s\"?", verbs[best].name);
	fputs(" See failsoftctl --help\n", stderr);
	return -1;
}

static int find_verb(const char *verb)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verb, verbs[i].name))
			return (int)i;
	return unknown_verb(verb);
}

/* To a monitoring system 2 is an alarm, so wrong use of status is 3. */
static int wrong_use(const char *verb)
{
	return strcmp(verb, "status") ? EXIT_USAGE : EXIT_UNKNOWN;
}

static int run(struct ctl *c, const char *address, int argc, char **argv)
{
	int verb = find_verb(argc ? argv[0] : "status");
	int wanted, code;

	if (verb < 0)
		return EXIT_USAGE;
	wanted = verbs[verb].run ? 1 : 2;
	if (argc > wanted || (wanted == 2 && argc < 2)) {
		fprintf(stderr, "failsoftctl: %s takes %s\n", verbs[verb].name,
			wanted == 2 ? "the number of an episode" : "no argument");
		return wrong_use(verbs[verb].name);
	}
	if (call_connect(c, address) < 0)
		return verbs[verb].run == status_verb ? status_unknown(c) : EXIT_UNKNOWN;
	code = wanted == 2 ? explain_verb(c, argv[1]) : verbs[verb].run(c);
	sd_bus_unref(c->bus);
	return code;
}

int main(int argc, char **argv)
{
	struct ctl c = { .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") };
	const char *address = NULL;
	int option, r;
	bool is_wrong = false;

	setlocale(LC_CTYPE, "");
	while ((option = getopt_long(argc, argv, "n:hV", long_options, NULL)) != -1) {
		if (option == '?')
			suggest_option(argv[optind - 1]);
		r = take_option(&c, option, &address);
		if (r > 0)
			return EXIT_OK;
		is_wrong |= r < 0;
	}
	if (is_wrong)
		return wrong_use(optind < argc ? argv[optind] : "status");
	return run(&c, address, argc - optind, argv + optind);
}
