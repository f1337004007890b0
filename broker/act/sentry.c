/* SPDX-License-Identifier: MIT */
#include "act/sentry.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/brake.h"
#include "act/sentry_parts.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "sense/parse_census.h"

/*
 * A report with its victim (3 KiB) twice, a line of a stat file, what meminfo holds (1.5 KiB seen)
 * and what telling takes: 20 KiB seen. Half: a sanitizer's build overflows it; double: 128 KiB more
 * of locked memory.
 */
#define STACK_BYTES	(128 * KIB)

/* The thread is woken when it would look later than this after it should. Half: more wake-ups; double:
 * a loop that stands still is found so much later. */
#define SLACK_US	(10 * US_PER_MS)

_Static_assert(sizeof(struct guard_basis) % sizeof(uint64_t) == 0, "copied by words");

/* ---- start, stop ---- */

static void wake(const struct sentry *s)
{
	const uint64_t one = 1;

	(void)!write(s->wake_fd, &one, sizeof(one)); /* one that is full is readable: enough */
}

static int start_thread(struct sentry *s, int priority)
{
	const struct thread_setup setup = {
		.stack_bytes = STACK_BYTES, .priority = priority, .work = sentry_work, .userdata = s,
	};

	return thread_start(&s->thread, &setup);
}

static void close_all(struct sentry *s)
{
	s->wake_fd = file_close(s->wake_fd);
	s->level_fd = file_close(s->level_fd);
	free(s->line);
	s->line = NULL;
}

int sentry_start(struct sentry *s, const struct sentry_setup *setup)
{
	int r = -ENOMEM;

	memset(s, 0, sizeof(*s));
	s->setup = *setup;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->level_fd = file_open_at(setup->root_fd, "proc/meminfo");
	s->line = calloc(setup->lines, sizeof(*s->line));
	atomic_store(&s->wake_us, NEVER_US);
	if (s->line)
		r = s->wake_fd < 0 ? -errno : s->level_fd < 0 ? s->level_fd : 0;
	if (r == 0) {
		memset(s->line, 0, setup->lines * sizeof(*s->line)); /* touched */
		r = start_thread(s, setup->priority);
		s->is_plain = r == -EPERM;
		if (s->is_plain)
			r = start_thread(s, 0);
	}
	if (r < 0)
		close_all(s);
	return r;
}

static void close_aim(struct sentry_aim *aim)
{
	for (uint32_t i = 0; i < aim->victim.pids_count; i++) {
		(void)file_close(aim->target[i].fd);
		(void)file_close(aim->target[i].stat_fd);
	}
	aim->victim.kind = VICTIM_NONE;
	aim->victim.pids_count = 0;
}

/* By the pidfd that it was stopped with: also where no file can be opened any more. */
static int let_go(const struct sentry *s, uint32_t i, const struct ledger_stop *stop)
{
	const struct sentry_aim *aim = &s->aim[atomic_load(&s->aim_word) & 1];

	if (i >= aim->victim.pids_count || aim->victim.pids[i] != stop->pid ||
	    aim->victim.start_ticks[i] != stop->start_ticks)
		return brake_let_go_on(s->setup.root_fd, stop);
	return syscall(SYS_pidfd_send_signal, aim->target[i].fd, SIGCONT, NULL, 0) == 0 || errno == ESRCH
		? 0 : -errno;
}

/* Who cannot be let go stays in the ledger, for whoever comes after this broker. */
static void let_all_go(struct sentry *s, const struct brake *but)
{
	for (uint32_t i = 0; i < LEDGER_SENTRY_MAX; i++) {
		const struct ledger_stop *stop = ledger_stop_get(s->setup.ledger, LEDGER_BRAKE_MAX + i);
		int r = stop && !(but && brake_holds(but, stop)) ? let_go(s, i, stop) : 0;

		if (r < 0)
			log_error("pid %d cannot be let go on: %s", (int)stop->pid, strerror(-r));
		else if (stop)
			ledger_stop_clear(s->setup.ledger, LEDGER_BRAKE_MAX + i);
	}
}

void sentry_stop(struct sentry *s)
{
	if (!s->thread.stack)
		return;
	atomic_store(&s->is_ending, true);
	wake(s);
	thread_join(&s->thread);
	let_all_go(s, NULL);
	close_aim(&s->aim[0]);
	close_aim(&s->aim[1]);
	close_all(s);
}

/* ---- the basis ---- */

/* The order of all of these is one: see the thread, which looks again after it said when it wakes. */
void sentry_beat(struct sentry *s, const struct guard_basis *basis)
{
	uint64_t word[SENTRY_WORDS], number = atomic_load(&s->basis_number), look_us;

	if (!s->thread.stack)
		return;
	memcpy(word, basis, sizeof(word));
	for (unsigned copy = 0; copy < 2; copy++) {
		atomic_store(&s->basis_number, ++number); /* odd: copy 1 is whole, even: copy 0 */
		for (unsigned i = 0; i < SENTRY_WORDS; i++)
			atomic_store_explicit(&s->basis[copy][i], word[i], memory_order_release);
	}
	if (!(basis->flags & GUARD_IS_ARMED) || basis->due_us == NEVER_US)
		return;
	look_us = time_add_us(MAX_OF(basis->due_us, basis->beat_us), basis->after_us);
	if (atomic_load(&s->wake_us) > time_add_us(look_us, SLACK_US))
		wake(s);
}

/* ---- the aim ---- */

static bool is_same(const struct victim *a, const struct victim *b)
{
	size_t count = MIN_OF(a->pids_count, SENTRY_AIM_MAX);

	return a->pids_count == b->pids_count && a->procedure == b->procedure &&
	       !memcmp(a->pids, b->pids, count * sizeof(a->pids[0])) &&
	       !memcmp(a->start_ticks, b->start_ticks, count * sizeof(a->start_ticks[0]));
}

/* Taken after the pidfd: if the start time still matches, both are the process we mean. */
static bool open_target(int root_fd, const struct victim *v, uint32_t i, struct sentry_target *ret)
{
	struct parse_census_stat now;
	char path[40];

	*ret = (struct sentry_target){ .fd = (int)syscall(SYS_pidfd_open, v->pids[i], 0), .stat_fd = -1 };
	if (ret->fd < 0)
		return false;
	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)v->pids[i]); /* 21 bytes at most */
	ret->stat_fd = file_open_at(root_fd, path);
	if (ret->stat_fd >= 0 && sentry_read_stat(ret->stat_fd, &now) == 0 &&
	    now.start_ticks == v->start_ticks[i])
		return true;
	(void)file_close(ret->stat_fd);
	(void)file_close(ret->fd);
	return false;
}

static void make_aim(struct sentry *s, const struct victim *v, struct sentry_aim *ret)
{
	uint32_t held = 0;

	ret->victim = *v;
	for (uint32_t i = 0; i < MIN_OF(v->pids_count, SENTRY_AIM_MAX); i++) {
		if (v->pids[i] <= 0 || !open_target(s->setup.root_fd, v, i, &ret->target[held]))
			continue;
		ret->victim.pids[held] = v->pids[i];
		ret->victim.start_ticks[held++] = v->start_ticks[i];
	}
	ret->victim.pids_count = held;
}

bool sentry_aim(struct sentry *s, const struct victim *v)
{
	static const struct victim nobody = { .kind = VICTIM_NONE };
	uint32_t word = atomic_load(&s->aim_word), other = !word;

	if (!s->thread.stack)
		return true;
	if (word & AIM_TAKEN)
		return false;
	v = v ? v : &nobody;
	if (is_same(&s->aim[word].victim, v)) {
		s->is_aim_stale = false;
		return true;
	}
	make_aim(s, v, &s->aim[other]);
	if (atomic_compare_exchange_strong(&s->aim_word, &word, other)) {
		s->is_aim_stale = false;
		close_aim(&s->aim[!other]);
		return true;
	}
	close_aim(&s->aim[other]); /* taken meanwhile */
	return false;
}

/* ---- the clients ---- */

/* The thread only reads whom the newest aim names. */
static bool is_aimed_at(const struct sentry *s, int32_t pid)
{
	return victim_has(&s->aim[atomic_load(&s->aim_word) & 1].victim, pid);
}

static void spare(struct sentry *s, int32_t pid)
{
	if (!is_aimed_at(s, pid))
		return;
	(void)sentry_aim(s, NULL); /* or it acts at this moment: then it is aimed anew after that */
	s->is_aim_stale = true;
}

void sentry_line_add(struct sentry *s, uint32_t slot, const struct sentry_line *line)
{
	struct sentry_line *l;

	if (!s->thread.stack || slot >= s->setup.lines)
		return;
	spare(s, line->pid);
	l = &s->line[slot];
	if (atomic_load(&l->state) != LINE_EMPTY)
		return; /* the one before is still being told; this one is told by the loop alone */
	l->fd = line->fd;
	l->pid = line->pid;
	l->domains = line->domains;
	l->client = line->client;
	l->budget_us = line->budget_us;
	atomic_store(&l->asked, 0);
	atomic_store(&l->state, LINE_READY);
}

void sentry_line_asked(struct sentry *s, uint32_t slot, uint32_t asked)
{
	if (s->thread.stack && slot < s->setup.lines)
		atomic_store(&s->line[slot].asked, asked);
}

bool sentry_line_drop(struct sentry *s, uint32_t slot)
{
	if (!s->thread.stack || slot >= s->setup.lines)
		return true;
	for (;;) {
		uint32_t ready = LINE_READY, busy = LINE_BUSY;

		if (atomic_compare_exchange_strong(&s->line[slot].state, &ready, LINE_EMPTY))
			return true;
		if (ready != LINE_BUSY)
			return true; /* it was never added */
		if (atomic_compare_exchange_strong(&s->line[slot].state, &busy, LINE_ORPHAN))
			return false;
	}
}

/* ---- the hand ---- */

bool sentry_sign(struct sentry *s)
{
	uint32_t hand = HAND_FREE;

	if (!s->thread.stack || atomic_compare_exchange_strong(&s->hand, &hand, HAND_LOOP))
		return true;
	if (hand != HAND_READY || !atomic_compare_exchange_strong(&s->hand, &hand, HAND_LOOP))
		return false;
	if (!s->report.ended)
		return true;
	atomic_store(&s->hand, HAND_READY);
	return false;
}

void sentry_signed(struct sentry *s)
{
	if (!s->thread.stack)
		return;
	atomic_fetch_add(&s->ends, 1);
	atomic_store(&s->hand, s->report.began_us ? HAND_READY : HAND_FREE);
}

enum sentry_word sentry_take(struct sentry *s, struct guard_report *ret)
{
	uint32_t hand = HAND_READY;

	if (!s->thread.stack)
		return SENTRY_NOTHING;
	if (!atomic_compare_exchange_strong(&s->hand, &hand, HAND_LOOP))
		return hand == HAND_SENTRY ? SENTRY_BUSY : SENTRY_NOTHING;
	*ret = s->report;
	return SENTRY_REPORT;
}

bool sentry_told(struct sentry *s, uint32_t *at, struct guard_told *ret)
{
	for (; *at < s->setup.lines; ++*at) {
		if (!s->line[*at].told.client)
			continue;
		*ret = s->line[*at].told;
		s->line[(*at)++].told.client = 0;
		return true;
	}
	return false;
}

void sentry_taken(struct sentry *s, const struct brake *brake)
{
	let_all_go(s, brake);
	memset(&s->report, 0, sizeof(s->report));
	atomic_store(&s->hand, HAND_FREE);
	wake(s); /* so that it lets go of its aim */
}
