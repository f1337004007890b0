/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

enum { OPT_BUS = 256, OPT_JSON, OPT_NAGIOS, OPT_HISTORY, OPT_RAW, OPT_PLAIN,
	OPT_ALONE, OPT_CGROUP, OPT_SECONDS, OPT_NOTE, OPT_CONFIG, OPT_DRAW, OPT_STRICT,
	OPT_SPEED, OPT_ROOT, OPT_CLIENT };

/* An option as a bit, -n among them; 0: it ends the program, or there is none. */
#define BIT(option) ((option) == 'n' ? 1u : (option) < OPT_BUS ? 0u : 2u << ((option) - OPT_BUS))
/* Where something is and how it looks. */
#define FOR_ALL		(BIT(OPT_BUS) | BIT(OPT_RAW) | BIT(OPT_PLAIN))
#define FOR_PROGRAMS	BIT(OPT_JSON)
#define FOR_RECORD	(BIT(OPT_ALONE) | BIT(OPT_CGROUP) | BIT(OPT_SECONDS) | BIT(OPT_NOTE))
#define FOR_REPLAY	(BIT(OPT_CONFIG) | BIT(OPT_DRAW) | BIT(OPT_STRICT) | BIT(OPT_SPEED) | BIT('n'))

static const struct {
	const char *name, *text;
	int (*run)(struct ctl *c);
	const char *argument;		/* what it takes; NULL: nothing */
	bool has_no_bus;		/* or finds it by itself */
	uint32_t takes;			/* options beside FOR_ALL */
} verbs[] = {
	{ "status", "one screen: stage, headroom, time left, clients (the default)", status_verb,
	  NULL, false, FOR_PROGRAMS | BIT(OPT_NAGIOS) },
	{ "top", "how near the end is, who grows, who would be hit, live; q ends it", top_verb,
	  NULL, false, BIT('n') },
	{ "watch", "the status of all domains, live; q ends it", watch_verb, NULL, false, BIT('n') },
	{ "clients", "who is registered, what they are asked, how they answered",
	  clients_verb, NULL, false, FOR_PROGRAMS },
	{ "domains", "each pool of memory that can run out",
	  domains_verb, NULL, false, FOR_PROGRAMS },
	{ "sources", "what the kernel tells, and what it does not",
	  sources_verb, NULL, false, FOR_PROGRAMS },
	{ "monitor", "every signal and answer as it happens, one line each",
	  monitor_verb, NULL, false, FOR_PROGRAMS | BIT(OPT_HISTORY) | BIT('n') },
	{ "episodes", "what has happened so far", episodes_verb, NULL, false, FOR_PROGRAMS },
	{ "explain", "EPISODE: what happened in it, sentence by sentence", explain_verb,
	  "the number of an episode, which failsoftctl episodes shows", false, FOR_PROGRAMS },
	{ "record", "FILE: everything the broker sees and decides, until Ctrl-C", record_verb,
	  "the name of a file", true, FOR_RECORD },
	{ "replay", "FILE: the same decisions again, or those of --config; --draw", replay_verb,
	  "the name of a recording", true, FOR_PROGRAMS | FOR_REPLAY },
	{ "backtest", "DIRECTORY: what each rule would have said of its recordings", backtest_verb,
	  "a directory of recordings", true, FOR_PROGRAMS | BIT(OPT_CONFIG) },
	{ "procedure", "add, list, remove: programs to run before others are ended", procedure_verb, NULL,
	  false, FOR_PROGRAMS },
	{ "drill", "STAGE: a rehearsal of that stage: who answers, how fast", drill_verb,
	  "a stage: warning, imminent or shutdown", false, FOR_PROGRAMS | BIT(OPT_CLIENT) },
	{ "victims", "who would be ended now, in which order, and who never", victims_verb,
	  NULL, false, FOR_PROGRAMS },
	{ "doctor", "what is missing on this machine, why it matters, and what adds it", doctor_verb,
	  NULL, true, FOR_PROGRAMS | BIT(OPT_ROOT) },
	{ "reload", "read the configuration again (root or group failsoft)",
	  reload_verb, NULL, false, FOR_PROGRAMS },
};
/* A recording of a year within a second; beyond, times would overflow. */
#define SPEED_MAX 1e8
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
	      "  --stand-alone  record: this machine itself, without a broker\n"
	      "  --cgroup=PATH  record --stand-alone: this cgroup, too (may be repeated)\n"
	      "  --seconds=N    record: end after N seconds\n"
	      "  --note=TEXT    record --stand-alone: words kept with it; SIGUSR1 adds \"mark\"\n"
	      "  --config=FILE  replay, backtest: decided under this configuration; backtest\n"
	      "                 takes several\n"
	      "  --strict       replay: other decisions are a failure, whatever made it\n"
	      "  --draw         replay: on the screen of top, as fast as it happened; q ends it\n"
	      "  --speed=N      replay --draw: N times as fast\n"
	      "  -n, --count=N  top, watch, replay --draw, monitor: end after N looks or events\n"
	      "  --deadline=MS, --memory=BYTES, --keep=FILE, --responder, --no-hold\n"
	      "                 procedure add: see \"failsoftctl procedure help\"\n"
	      "  --client=NAME  drill: this client, not all (may be repeated)\n"
	      "  --root=DIR     doctor: the /proc and /sys below it, not this machine's\n"
	      "  --raw          plain bytes and microseconds\n"
	      "  --no-color     no colours (also: NO_COLOR set, or not a terminal)\n"
	      "  --help, --version\n\n"
	      "Exit status of status: 0 normal, 1 warning, 2 imminent or shutdown, 3 unknown.\n"
	      "Of drill: 0 all answered in time, 1 not all, or nobody is there, 4 no memory.\n"
	      "Of replay: 0 as recorded, or made under other rules, 1 decided otherwise.\n"
	      "Of doctor: 0 nothing is missing, 1 something is, 2 it could not look.\n"
	      "Of the other verbs: 0 success, 2 wrong usage, 3 no broker or refused.\n"
	      "Of all: 3 instead of 0 where the standard output could not be written.\n", out);
}

static const struct option long_options[] = {
	{ "bus", required_argument, NULL, OPT_BUS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "nagios", no_argument, NULL, OPT_NAGIOS },
	{ "history", no_argument, NULL, OPT_HISTORY },
	{ "count", required_argument, NULL, 'n' },
	{ "stand-alone", no_argument, NULL, OPT_ALONE },
	{ "cgroup", required_argument, NULL, OPT_CGROUP },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "note", required_argument, NULL, OPT_NOTE },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "draw", no_argument, NULL, OPT_DRAW },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "speed", required_argument, NULL, OPT_SPEED },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "client", required_argument, NULL, OPT_CLIENT },
	{ "raw", no_argument, NULL, OPT_RAW },
	{ "no-color", no_argument, NULL, OPT_PLAIN },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int read_count(const char *option, const char *text, long *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < 1) {
		fprintf(stderr, "failsoftctl: %s \"%s\": give %s, 1 or more, in figures alone\n", option,
			text, strcmp(option, "-n") ? "whole seconds" : "a whole number");
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

static int read_speed(const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (*end || end == text || !(value > 0) || value > SPEED_MAX) {
		fprintf(stderr, "failsoftctl: --speed %s: give a number above 0, such as 10 or 0.5\n", text);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

static int add_text(const char *option, const char **list, uint32_t max, uint32_t *count)
{
	if (*count == max) {
		fprintf(stderr, "failsoftctl: %s may be given %u times at most\n", option, max);
		return -EINVAL;
	}
	list[(*count)++] = optarg;
	return 0;
}

/* Those of record, replay and backtest. */
static int take_tape_option(struct ctl *c, int option)
{
	switch (option) {
	case OPT_ALONE:
		c->stand_alone = true;
		return 0;
	case OPT_CGROUP:
		return add_text("--cgroup", c->cgroups, CGROUPS_MAX, &c->cgroups_count);
	case OPT_SECONDS:
		return read_count("--seconds", optarg, &c->seconds);
	case OPT_NOTE:
		c->note = optarg;
		return 0;
	case OPT_CONFIG:
		return add_text("--config", c->configs, CONFIGS_MAX, &c->configs_count);
	case OPT_DRAW:
		c->draw = true;
		return 0;
	case OPT_STRICT:
		c->strict = true;
		return 0;
	case OPT_SPEED:
		return read_speed(optarg, &c->speed);
	default:
		fputs("failsoftctl: see failsoftctl --help\n", stderr);
		return -EINVAL;
	}
}

/* 0: go on; 1: done; negative: wrong usage. */
static int take_option(struct ctl *c, int option)
{
	switch (option) {
	case OPT_BUS:
		c->address = optarg;
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
	case OPT_ROOT:
		c->root = optarg;
		return 0;
	case OPT_CLIENT:
		return add_text("--client", c->clients, DRILL_CLIENTS_MAX, &c->clients_count);
	case OPT_RAW:
		c->raw = true;
		return 0;
	case OPT_PLAIN:
		c->colour = false;
		return 0;
	case 'n':
		return read_count("-n", optarg, &c->count);
	case 'h':
		print_help(stdout);
		return 1;
	case 'V':
		printf("failsoftctl %s\n", FAILSOFT_VERSION);
		return 1;
	default:
		return take_tape_option(c, option);
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
	if (strchr(given, '=')) /* its name is right, or too far off with what follows */
		return;
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
	if (distance(verb, verbs[best].name) <= 3 && distance(verb, verbs[best].name) < strlen(verb))
		fprintf(stderr, "; do you mean \"%s\"? See failsoftctl --help\n", verbs[best].name);
	else
		fputs("; see failsoftctl --help\n", stderr);
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

/* What is passed over in silence looks as if it had been done. */
static bool has_foreign_option(int verb, uint32_t given)
{
	const uint32_t foreign = given & ~(FOR_ALL | verbs[verb].takes);
	const struct option *o = long_options;

	if (!foreign)
		return false;
	while (!(foreign & BIT(o->val)))
		o++;
	fprintf(stderr, "failsoftctl: --%s is not for %s%s\n", o->name, verbs[verb].name,
		o->val == OPT_JSON ? ": programs are told by status --json and monitor --json" :
					 "; see failsoftctl --help");
	return true;
}

static bool needs_bus(const struct ctl *c, int verb)
{
	const bool is_help = c->rest_count && !strcmp(c->rest[0], "help"); /* of procedure */

	return !verbs[verb].has_no_bus && !is_help;
}

static int run(struct ctl *c, uint32_t given, int argc, char **argv)
{
	int verb = find_verb(argc ? argv[0] : "status");
	int code;

	if (verb < 0)
		return EXIT_USAGE;
	if (argc > 1 + (verbs[verb].argument != NULL) ||
	    (verbs[verb].argument && (argc < 2 || !*argv[1]))) {
		fprintf(stderr, "failsoftctl: %s takes %s\n", verbs[verb].name,
			verbs[verb].argument ? verbs[verb].argument : "no argument");
		return wrong_use(verbs[verb].name);
	}
	if (has_foreign_option(verb, given))
		return wrong_use(verbs[verb].name);
	c->argument = argv[1];
	if (needs_bus(c, verb) && call_connect(c, c->address) < 0)
		return verbs[verb].run == status_verb ? status_unknown(c) : EXIT_UNKNOWN;
	code = verbs[verb].run(c);
	sd_bus_unref(c->bus);
	return code;
}

/* What follows the verb procedure is its own: a program's arguments are no options of ours. Where the verb is
 * only getopt knows: "--bus ADDRESS" are two words. */
static int cut_rest(struct ctl *c, int argc, char **argv)
{
	int at;

	opterr = 0; /* the second reading complains */
	while (getopt_long(argc, argv, "+n:hV", long_options, NULL) != -1)
		continue;
	at = optind;
	opterr = 1;
	optind = 0; /* glibc and musl start over with 0 */
	if (at >= argc || strcmp(argv[at], "procedure"))
		return argc;
	c->rest = argv + at + 1;
	c->rest_count = argc - at - 1;
	return at + 1;
}

/* What could not be written was not said. A result that is none of success tells it all the same. */
static int finish(int code)
{
	const char *why = fflush(stdout) ? strerror(errno) : NULL;

	if (!why && ferror(stdout))
		why = "not all could be written";
	if (!why)
		return code;
	fprintf(stderr, "failsoftctl: standard output: %s\n", why);
	return code ? code : EXIT_UNKNOWN;
}

int main(int argc, char **argv)
{
	struct ctl c = { .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") };
	int option, r;
	uint32_t given = 0;
	bool is_wrong = false;

	setlocale(LC_CTYPE, "");
	argc = cut_rest(&c, argc, argv);
	while ((option = getopt_long(argc, argv, "n:hV", long_options, NULL)) != -1) {
		if (option == '?')
			suggest_option(argv[optind - 1]);
		r = take_option(&c, option);
		if (r > 0)
			return finish(EXIT_OK);
		is_wrong |= r < 0;
		given |= BIT(option);
	}
	if (is_wrong)
		return wrong_use(optind < argc ? argv[optind] : "status");
	return finish(run(&c, given, argc - optind, argv + optind));
}
