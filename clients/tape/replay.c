/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config.h"
#include "config_policy.h"
#include "keep/export.h"
#include "draw.h"
#include "player.h"
#include "tape_verbs.h"

static void print_event(const struct ctl *c, const struct event *e, uint64_t first_us)
{
	char line[EXPORT_LINE_MAX], sentence[600], clean[600];
	int64_t at_us = (int64_t)(e->time_us - first_us);

	if (c->json) {
		if (export_line(e, line, sizeof(line)) > 0)
			fputs(line, stdout);
		return;
	}
	event_sentence(e, sentence, sizeof(sentence));
	print_clean(clean, sizeof(clean), sentence);
	printf("%+11.6f %s\n", (double)at_us / 1e6, clean);
}

static void print_new_events(const struct ctl *c, struct player *p, uint64_t *number)
{
	const struct event *e;
	uint64_t lost = 0;

	while ((e = record_next(&p->core.record, number, &lost))) {
		if (lost)
			printf("# %" PRIu64 " events were more than there is room for\n", lost);
		print_event(c, e, p->first_us);
	}
}

static void print_end(const struct ctl *c, const struct player *p, uint64_t took_us)
{
	uint64_t played_us = p->replay.now_us - p->first_us;
	FILE *out = c->json ? stderr : stdout;

	fprintf(out, "# %" PRIu64 " records, %.1f s played in %.1f ms", p->read.records,
		(double)played_us / 1e6, (double)took_us / 1e3);
	if (took_us)
		fprintf(out, ": %.0f times real time", (double)played_us / (double)took_us);
	fputs("\n", out);
	if (p->policy)
		fputs("# another policy: nothing after the first program that is ended can be believed; and "
		      "nobody is asked beside the recording's own clients\n", out);
	else if (p->replay.different)
		fprintf(out, "%s%" PRIu64 " of %" PRIu64 " decisions differ from the recorded ones, the "
			"first is event %" PRIu64 "\n", player_has_our_rules(p) ? "# " :
			"# made under other rules: ", p->replay.different,
			p->replay.same + p->replay.different, p->replay.first_different);
	else
		fprintf(out, "# all %" PRIu64 " decisions are the recorded ones\n", p->replay.same);
}

/* The exit code of a recording that was played to its end. */
static int verdict(const struct player *p)
{
	char problem[256];

	if (*player_problem(p, problem, sizeof(problem)))
		fprintf(stderr, "failsoftctl: %s: %s\n", p->path, problem);
	return p->end == TAPE_DAMAGED || p->is_badly_packed || p->wrong_count ? EXIT_UNKNOWN : EXIT_OK;
}

static int play(struct ctl *c, struct player *p)
{
	uint64_t begun_us = clock_now_us(), number = 0;
	bool is_ready = false;

	while (player_next(p)) {
		if (!is_ready && p->replay.is_ready)
			number = p->core.record.last; /* what was before is not in here */
		is_ready = p->replay.is_ready;
		if (is_ready)
			print_new_events(c, p, &number);
	}
	print_end(c, p, clock_now_us() - begun_us);
	if (verdict(p) == EXIT_UNKNOWN)
		return EXIT_UNKNOWN;
	if (p->policy || !p->replay.different)
		return EXIT_OK;
	return c->strict || player_has_our_rules(p) ? EXIT_WARNING : EXIT_OK;
}

/* Who came to look asks not whether all decisions are the recorded ones; the lines that tell it would
 * push the picture off the terminal. */
static int draw(struct ctl *c, struct player *p)
{
	int r = draw_recording(c, p);

	if (r < 0)
		return EXIT_UNKNOWN;
	return r ? verdict(p) : EXIT_OK; /* 0: the user left before the end */
}

static bool is_wrong_use(const struct ctl *c)
{
	const char *text = c->configs_count > 1 ? "replay takes one --config" :
			   c->draw && c->json ? "--draw is for people, --json for programs: take one" :
			   c->speed > 0 && !c->draw ? "--speed goes with --draw" :
			   c->count && !c->draw ? "--count goes with --draw" :
			   c->strict && c->draw ? "--strict compares, --draw does not: take one" : NULL;

	if (text)
		fprintf(stderr, "failsoftctl: %s\n", text);
	return text;
}

int tape_policy(const char *file, struct core_policy *ret)
{
	const struct config_source source = { .file = file, .is_explicit = true };
	char error[CONFIG_ERROR_MAX];
	struct config config;

	config_default(&config);
	if (file && config_read(&config, &source, error, sizeof(error)) < 0) {
		fprintf(stderr, "failsoftctl: --config: %s\n", error);
		return -1;
	}
	*ret = config_policy(&config);
	return 0;
}

int replay_verb(struct ctl *c)
{
	static struct player player;
	struct core_policy policy;
	int code;

	if (is_wrong_use(c))
		return EXIT_USAGE;
	if (!(c->speed > 0))
		c->speed = 1;
	if (c->configs_count && tape_policy(c->configs[0], &policy) < 0)
		return EXIT_USAGE;
	if (player_open(&player, c->argument, c->configs_count ? &policy : NULL) < 0)
		return EXIT_UNKNOWN;
	code = c->draw ? draw(c, &player) : play(c, &player);
	player_close(&player);
	return code;
}
