/* SPDX-License-Identifier: MIT */
/*
 * The state file of a broker that is killed between any two instructions. A child writes one slot
 * under single step; whenever the mapped file has changed, a next broker reads a copy of it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "keep/state.h"

#define SHIELDS	  4u
#define SLOT	  2u
#define STEPS_MAX 400000u

static const struct state_shield shield = { .pid = 4711, .start_ticks = 815, .original_adj = -17 };
static const struct state_episode warned = {
	.number = 1001, .stage = 1, .began_us = 5, .domain = "system" };
static const struct state_episode imminent = {
	.number = 1001, .stage = 2, .began_us = 5000000, .domain = "system" };
static const struct ledger_stop stopped = { .pid = 4711, .start_ticks = 815 };
static const struct ledger_freeze frozen = { .is_v2 = 1, .inode = 99, .path = "/demo/apps" };
static const struct state_episode another = {
	.number = 1002, .stage = 1, .began_us = 9, .domain = "/demo/apps" };

/* ---- what the child does, once before it is watched and once under single step ---- */

static void nothing(struct state *s)
{
	(void)s;
}

static void raise_shield(struct state *s)
{
	state_shield_set(s, SLOT, &shield);
}

static void clear_shield(struct state *s)
{
	state_shield_clear(s, SLOT);
}

static void warn(struct state *s)
{
	state_episode_set(s, SLOT, &warned);
}

static void warn_and_worsen(struct state *s)
{
	state_episode_set(s, SLOT, &warned);
	state_episode_set(s, SLOT, &imminent);
	state_episode_set(s, SLOT, &warned);
}

static void worsen(struct state *s)
{
	state_episode_set(s, SLOT, &imminent);
}

static void reuse(struct state *s)
{
	state_episode_set(s, SLOT, &another);
}

static void clear_episode(struct state *s)
{
	state_episode_clear(s, SLOT);
}

static void write_stop(struct state *s)
{
	ledger_stop_set(state_ledger(s), SLOT, stopped.pid, stopped.start_ticks);
}

static void clear_stop(struct state *s)
{
	ledger_stop_clear(state_ledger(s), SLOT);
}

static void write_freeze(struct state *s)
{
	ledger_freeze_set(state_ledger(s), SLOT, &frozen);
}

static void clear_freeze(struct state *s)
{
	ledger_freeze_clear(state_ledger(s), SLOT);
}

/* As after a stop that was released. */
static void stop_another(struct state *s)
{
	ledger_stop_set(state_ledger(s), SLOT, 815, 4711);
	ledger_stop_clear(state_ledger(s), SLOT);
}

/* ---- what a next broker may find ---- */

static bool has_shield(struct state *s)
{
	const struct state_shield *p = &s->past_shields[SLOT];

	return p->pid == shield.pid && p->start_ticks == shield.start_ticks &&
	       p->original_adj == shield.original_adj;
}

static bool is_free(struct state *s)
{
	return !s->past_shields[SLOT].pid && !s->past_episodes[SLOT].number;
}

static bool has_episode(const struct state *s, const struct state_episode *e)
{
	const struct state_episode *p = &s->past_episodes[SLOT];

	return p->number == e->number && p->stage == e->stage && p->began_us == e->began_us &&
	       !strcmp(p->domain, e->domain);
}

static bool shield_or_none(struct state *s)
{
	return is_free(s) || has_shield(s);
}

static bool warned_or_none(struct state *s)
{
	return is_free(s) || has_episode(s, &warned);
}

static bool is_warned(struct state *s)
{
	return has_episode(s, &warned);
}

static bool is_imminent(struct state *s)
{
	return has_episode(s, &imminent);
}

static bool is_another(struct state *s)
{
	return has_episode(s, &another);
}

static bool warned_or_imminent(struct state *s)
{
	return has_episode(s, &warned) || has_episode(s, &imminent);
}

static bool warned_or_another(struct state *s)
{
	return has_episode(s, &warned) || has_episode(s, &another);
}

static bool nothing_is_stopped(struct state *s)
{
	return !ledger_stop_get(state_ledger(s), SLOT) && !ledger_freeze_get(state_ledger(s), SLOT);
}

static bool is_stopped(struct state *s)
{
	const struct ledger_stop *stop = ledger_stop_get(state_ledger(s), SLOT);

	return stop && stop->pid == stopped.pid && stop->start_ticks == stopped.start_ticks;
}

static bool is_frozen(struct state *s)
{
	const struct ledger_freeze *freeze = ledger_freeze_get(state_ledger(s), SLOT);

	return freeze && freeze->inode == frozen.inode && !strcmp(freeze->path, frozen.path);
}

static bool stopped_or_not(struct state *s)
{
	return nothing_is_stopped(s) || is_stopped(s);
}

static bool frozen_or_not(struct state *s)
{
	return nothing_is_stopped(s) || is_frozen(s);
}

static const struct row {
	const char *name;
	void (*before)(struct state *s), (*act)(struct state *s);
	bool (*is_right)(struct state *past);
	bool (*is_right_after)(struct state *past);
} rows[] = {
	{ "a shield is written down", nothing, raise_shield, shield_or_none, has_shield },
	{ "a shield is cleared", raise_shield, clear_shield, shield_or_none, is_free },
	{ "an episode opens", nothing, warn, warned_or_none, is_warned },
	{ "an episode worsens", warn, worsen, warned_or_imminent, is_imminent },
	{ "again, in a used slot", warn_and_worsen, worsen, warned_or_imminent, is_imminent },
	{ "the next episode takes the slot", warn, reuse, warned_or_another, is_another },
	{ "an episode is over", warn, clear_episode, warned_or_none, is_free },
	{ "an episode that worsened is over", warn_and_worsen, clear_episode, warned_or_none, is_free },
	{ "a process is to be stopped", nothing, write_stop, stopped_or_not, is_stopped },
	{ "again, in a used slot", stop_another, write_stop, stopped_or_not, is_stopped },
	{ "it went on", write_stop, clear_stop, stopped_or_not, nothing_is_stopped },
	{ "a cgroup is to be frozen", nothing, write_freeze, frozen_or_not, is_frozen },
	{ "it is thawed", write_freeze, clear_freeze, frozen_or_not, nothing_is_stopped },
};

/* ---- watching ---- */

struct scene {
	char ours[64], copy[64], file[80], file_of_copy[80];
	size_t bytes;
	const char *live;		/* the child's file, mapped */
	char *last;
};

static void look_at(const struct row *row, struct scene *g, bool is_after)
{
	struct state next;
	FILE *f = fopen(g->file_of_copy, "w");
	bool is_right;

	assert_non_null(f);
	assert_int_equal(fwrite(g->last, 1, g->bytes, f), g->bytes);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(state_open(&next, g->copy, SHIELDS), 0);
	is_right = is_after ? row->is_right_after(&next) : row->is_right(&next);
	if (!is_right)
		print_message("# %s: episode %d stage %d, shield of pid %d\n", row->name,
			      (int)next.past_episodes[SLOT].number, (int)next.past_episodes[SLOT].stage,
			      (int)next.past_shields[SLOT].pid);
	state_close(&next);
	assert_true(is_right);
}

static void start_child(const struct row *row, struct scene *g, pid_t *ret)
{
	struct state s;
	int status;

	*ret = fork();
	assert_true(*ret >= 0);
	if (*ret == 0) {
		if (state_open(&s, g->ours, SHIELDS) < 0)
			_exit(1);
		row->before(&s);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		raise(SIGSTOP);
		row->act(&s);
		_exit(0);
	}
	assert_int_equal(waitpid(*ret, &status, 0), *ret);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		print_message("# skipped: needs the right to trace its own child\n");
		skip();
	}
	assert_true(WIFSTOPPED(status));
}

static void map_live(struct scene *g)
{
	int fd = open(g->file, O_RDONLY);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	g->bytes = (size_t)st.st_size;
	g->live = mmap(NULL, g->bytes, PROT_READ, MAP_SHARED, fd, 0);
	g->last = malloc(g->bytes);
	assert_true(g->live != MAP_FAILED && g->last);
	memcpy(g->last, g->live, g->bytes);
	close(fd);
}

/* Returns how many different files the child could have left. */
static unsigned watch(const struct row *row, struct scene *g, pid_t child)
{
	unsigned looked = 1, steps = 0;
	int status = 0;

	look_at(row, g, false);
	for (;; steps++) {
		assert_true(steps < STEPS_MAX);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status))
			break;
		if (!memcmp(g->last, g->live, g->bytes))
			continue;
		memcpy(g->last, g->live, g->bytes);
		look_at(row, g, false);
		looked++;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	look_at(row, g, true);
	return looked;
}

static void killed_between_any_two_instructions(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene g = { .ours = "/tmp/failsoft-kill-XXXXXX", .copy = "/tmp/failsoft-kill-XXXXXX" };
		pid_t child;

		assert_true(mkdtemp(g.ours) && mkdtemp(g.copy));
		snprintf(g.file, sizeof(g.file), "%s/state", g.ours);
		snprintf(g.file_of_copy, sizeof(g.file_of_copy), "%s/state", g.copy);
		start_child(&rows[i], &g, &child);
		map_live(&g);
		assert_true(watch(&rows[i], &g, child) > 1); /* else nothing was tried */
		munmap((void *)g.live, g.bytes);
		free(g.last);
		assert_int_equal(unlink(g.file) | unlink(g.file_of_copy), 0);
		assert_int_equal(rmdir(g.ours) | rmdir(g.copy), 0);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_between_any_two_instructions),
	};

	return cmocka_run_group_tests_name("killed", tests, NULL, NULL);
}
