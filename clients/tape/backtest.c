/* SPDX-License-Identifier: MIT */
#include "backtest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "player.h"
#include "tape_verbs.h"

#define RECORDINGS_MAX	1024u

/* ---- one recording ---- */

/* What happened to the machine, whatever anybody would have said: one pass over the records. */
static void find_truth(struct player *p, struct backtest *b)
{
	char problem[256];
	uint64_t kills[CORE_DOMAINS_MAX] = { 0 };
	bool is_seen[CORE_DOMAINS_MAX] = { false };
	const struct sample *s = &p->record.sample;

	while (!b->kill_us && player_next(p)) {
		if (p->kind == CORE_TAPE_NOTE && !strcmp(p->record.note.text, "mark"))
			b->mark_us = p->record.note.now_us;
		if (p->kind != CORE_TAPE_SAMPLE || !(s->has & SAMPLE_HAS_VMSTAT) ||
		    s->domain >= CORE_DOMAINS_MAX)
			continue;
		if (is_seen[s->domain] && s->oom_kills > kills[s->domain]) {
			b->kill_us = s->time_us;
			b->kill_domain = s->domain;
		}
		kills[s->domain] = s->oom_kills;
		is_seen[s->domain] = true;
	}
	b->first_us = p->first_us;
	b->end_us = p->replay.now_us;
	b->is_damaged = p->end == TAPE_DAMAGED || p->is_badly_packed || p->wrong_count;
	b->is_unknown = !b->kill_us && *player_problem(p, problem, sizeof(problem));
}

static void note_own(struct player *p, struct backtest *b, struct backtest_own *own)
{
	enum stage_word now = core_stage(&p->core);

	for (int stage = STAGE_WARNING; stage <= (int)now; stage++)
		if (!own->entered_us[stage])
			own->entered_us[stage] = p->replay.now_us;
	if (now >= STAGE_WARNING && !own->needed_us)
		own->needed_us = p->core.domain[core_worst_domain(&p->core)].lead.us[STAGE_WARNING];
	if (b->kill_us && p->kind == CORE_TAPE_SAMPLE && p->record.sample.domain == b->kill_domain)
		forecast_add(own, &p->core.domain[b->kill_domain].estimate, b->kill_us);
}

/* Up to the kill: what comes after it is another story. */
static bool goes_on(const struct player *p, const struct backtest *b)
{
	return !b->kill_us || p->replay.now_us < b->kill_us;
}

static void play_own(struct player *p, struct backtest *b, struct backtest_own *own)
{
	while (player_next(p) && goes_on(p, b))
		if (p->replay.is_ready)
			note_own(p, b, own);
}

static void play_rivals(struct player *p, struct backtest *b)
{
	struct rival_state states[RIVAL_COUNT];
	const struct sample *s = &p->record.sample;

	for (int r = 0; r < RIVAL_COUNT; r++)
		rival_init(&states[r]);
	while (player_next(p) && goes_on(p, b)) {
		if (p->kind != CORE_TAPE_SAMPLE || s->domain != CORE_DOMAIN_SYSTEM)
			continue;
		for (int r = 0; r < RIVAL_COUNT; r++) {
			enum rival_word word = rival_step(&states[r], (enum rival)r, s);

			if (word >= RIVAL_WARNS && !b->rival_us[r][0])
				b->rival_us[r][0] = s->time_us;
			if (word >= RIVAL_ACTS && !b->rival_us[r][1])
				b->rival_us[r][1] = s->time_us;
		}
	}
}

/* Plays the file once; policy NULL: as it was. */
static int play(struct player *p, const char *path, const struct core_policy *policy)
{
	int r = player_open(p, path, policy);

	p->has_notional_client = policy;
	return r;
}

/* Of the ending that recordings have; 0: it has none. */
static size_t suffix_bytes(const char *name)
{
	static const char *const suffixes[] = { ".fsr", ".fsr.xz" };
	const size_t length = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const size_t bytes = strlen(suffixes[i]);

		if (length > bytes && !strcmp(name + length - bytes, suffixes[i]))
			return bytes;
	}
	return 0;
}

int backtest_run(const char *path, const struct core_policy *policies, uint32_t policies_count,
		 struct backtest *ret)
{
	static struct player player;
	const char *name = strrchr(path, '/');

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name ? name + 1 : path);
	ret->name[strlen(ret->name) - suffix_bytes(ret->name)] = 0;
	ret->configs_count = policies_count;
	if (play(&player, path, NULL) < 0)
		return -1;
	find_truth(&player, ret);
	player_close(&player);
	for (uint32_t i = 0; i < policies_count; i++) {
		if (play(&player, path, &policies[i]) < 0)
			return -1;
		play_own(&player, ret, &ret->own[i]);
		player_close(&player);
	}
	if (play(&player, path, NULL) < 0)
		return -1;
	play_rivals(&player, ret);
	player_close(&player);
	ret->is_readable = true;
	return 0;
}

/* ---- a directory of them ---- */

static int is_recording(const struct dirent *entry)
{
	return suffix_bytes(entry->d_name) > 0 && entry->d_name[0] != '.';
}

static uint32_t run_directory(const char *path, const struct core_policy *policies,
			      uint32_t policies_count, struct backtest *all)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_recording, alphasort);
	uint32_t done = 0;

	for (int i = 0; i < count; i++) {
		char file[4096];

		/* too long: not found */
		(void)snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (done < RECORDINGS_MAX &&
		    backtest_run(file, policies, policies_count, &all[done]) == 0)
			done++;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	if (count > (int)RECORDINGS_MAX)
		fprintf(stderr, "failsoftctl: only the first %u recordings are used\n", RECORDINGS_MAX);
	return done;
}

static uint32_t run_path(const char *path, const struct core_policy *policies, uint32_t policies_count,
			 struct backtest *all)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		fprintf(stderr, "failsoftctl: %s: %s\n", path, strerror(errno));
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return run_directory(path, policies, policies_count, all);
	return backtest_run(path, policies, policies_count, all) == 0;
}

int backtest_verb(struct ctl *c)
{
	struct core_policy policies[CONFIGS_MAX];
	uint32_t policies_count = c->configs_count ? c->configs_count : 1, count;
	struct backtest *all;

	for (uint32_t i = 0; i < policies_count; i++)
		if (tape_policy(c->configs_count ? c->configs[i] : NULL, &policies[i]) < 0)
			return EXIT_USAGE;
	all = calloc(RECORDINGS_MAX, sizeof(*all));
	if (!all)
		return EXIT_UNKNOWN;
	count = run_path(c->argument, policies, policies_count, all);
	if (!count)
		fprintf(stderr, "failsoftctl: there is no recording (*.fsr, *.fsr.xz) in %s\n", c->argument);
	else if (c->json)
		backtest_print_json(c, all, count);
	else
		backtest_print(c, all, count);
	free(all);
	return count ? EXIT_OK : EXIT_UNKNOWN;
}
