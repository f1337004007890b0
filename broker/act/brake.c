/* SPDX-License-Identifier: MIT */
#include "act/brake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "sense/parse_census.h"

/* One line of 52 fields: 320 bytes seen, 52 * 20 are possible. */
#define STAT_ROOM_BYTES		1024u
/* A thaw that fails, but not for a cgroup that is gone, is tried so often. None was ever seen to
 * fail; more would be a loop. */
#define FAILURES_MAX		3u
/* At the end: the longest wait for a freeze was 5.8 ms; the unit is killed after 5 s, then
 * ExecStopPost lets go. Half: the same; double: a stop that looks like a hang. */
#define FINI_WAIT_US		(2 * US_PER_S)

void brake_init(struct brake *b, const struct brake_setup *setup)
{
	memset(b, 0, sizeof(*b));
	b->setup = *setup;
	for (unsigned i = 0; i < BRAKE_DOMAINS_MAX; i++)
		b->freeze[i].freezer.dir_fd = b->freeze[i].freezer.switch_fd = -1;
	freezer_trees_open(&b->trees, setup->root_fd);
}

/* ---- taking hold ---- */

static struct brake_target *find_free(struct brake *b)
{
	for (unsigned i = 0; i < BRAKE_MAX; i++)
		if (!b->target[i].pid)
			return &b->target[i];
	return NULL;
}

/* Of two with one pid the older has ended. */
static struct brake_target *find(struct brake *b, const struct brake_target *wanted)
{
	for (unsigned i = 0; i < BRAKE_MAX; i++)
		if (b->target[i].pid == wanted->pid && b->target[i].domain == wanted->domain &&
		    b->target[i].start_ticks == wanted->start_ticks)
			return &b->target[i];
	return NULL;
}

static void drop(struct brake_target *t)
{
	t->fd = file_close(t->fd);
	t->stat_fd = file_close(t->stat_fd);
	t->pid = 0;
	t->is_stopped = false;
}

/* One read: the whole line is made at once. */
static int read_stat(int stat_fd, struct parse_census_stat *ret)
{
	char text[STAT_ROOM_BYTES];
	ssize_t size = pread(stat_fd, text, sizeof(text), 0);

	return size < 0 ? -errno : parse_census_stat(text, (size_t)size, ret);
}

/* A zombie may be the first thread only: the others live on, and grow. */
static bool has_ended(const struct brake_target *t, char state)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	return (state == 'Z' || state == 'X') && poll(&p, 1, 0) > 0;
}

/* Opened after the pidfd: if the start time still matches, both are the process we mean. */
static bool open_stat(int root_fd, struct brake_target *t)
{
	struct parse_census_stat now;
	char path[40];

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)t->pid); /* 21 bytes at most */
	t->stat_fd = file_open_at(root_fd, path);
	if (t->stat_fd < 0)
		return false;
	if (read_stat(t->stat_fd, &now) == 0 && now.start_ticks == t->start_ticks &&
	    !has_ended(t, now.state)) {
		t->state = now.state;
		return true;
	}
	t->stat_fd = file_close(t->stat_fd);
	return false;
}

static struct brake_target *hold(struct brake *b, uint32_t domain, const struct victim *v,
				 uint32_t i)
{
	struct brake_target target = {
		.pid = v->pids[i], .domain = domain, .start_ticks = v->start_ticks[i],
	};
	struct brake_target *room, *held;

	if (target.pid <= 0)
		return NULL;
	held = find(b, &target);
	if (held)
		return held;
	room = find_free(b);
	if (!room)
		return NULL;
	target.fd = (int)syscall(SYS_pidfd_open, target.pid, 0);
	if (target.fd < 0)
		return NULL;
	if (!open_stat(b->setup.root_fd, &target)) {
		(void)file_close(target.fd);
		return NULL;
	}
	*room = target;
	return room;
}

static bool is_of(const struct victim *v, const struct brake_target *t)
{
	for (uint32_t i = 0; i < v->pids_count; i++)
		if (v->pids[i] == t->pid && v->start_ticks[i] == t->start_ticks)
			return true;
	return false;
}

uint32_t brake_aim(struct brake *b, uint32_t domain, const struct victim *v)
{
	uint32_t held = 0;

	for (unsigned i = 0; i < BRAKE_MAX; i++) {
		struct brake_target *t = &b->target[i];

		if (t->pid && t->domain == domain && !t->is_stopped && !is_of(v, t))
			drop(t);
	}
	for (uint32_t i = 0; i < v->pids_count; i++) {
		struct brake_target *t = hold(b, domain, v, i);

		if (!t)
			continue;
		t->state = 0; /* may be another one when it is to be stopped */
		held++;
	}
	return held;
}

/* ---- the freeze ---- */

static void forget(struct brake *b, uint32_t domain)
{
	struct brake_freeze *f = &b->freeze[domain];

	ledger_freeze_clear(b->setup.ledger, domain);
	freezer_close(&f->freezer);
	f->is_wanted = f->is_frozen = f->is_busy = false;
	f->failures = 0;
}

/* Towards what is wanted, one job at a time. One that the worker has no room for is tried again by
 * brake_settle(): until then the ledger keeps what is frozen. */
static void push(struct brake *b, uint32_t domain)
{
	struct brake_freeze *f = &b->freeze[domain];

	if (f->freezer.switch_fd < 0 || f->is_busy)
		return;
	if (!f->is_wanted && !f->is_frozen) {
		forget(b, domain);
		return;
	}
	if (f->is_wanted == f->is_frozen)
		return;
	if (f->is_wanted)
		ledger_freeze_set(b->setup.ledger, domain, &f->freezer.place);
	f->is_asked = f->is_wanted;
	f->is_busy = worker_write(b->setup.worker, f->freezer.switch_fd,
				  freezer_word(&f->freezer, f->is_wanted), domain);
}

void brake_settle(struct brake *b)
{
	for (uint32_t i = 0; i < BRAKE_DOMAINS_MAX; i++)
		if (b->freeze[i].freezer.switch_fd >= 0 && b->freeze[i].failures < FAILURES_MAX)
			push(b, i);
}

void brake_done(struct brake *b, const struct worker_result *result)
{
	struct brake_freeze *f = &b->freeze[result->token % BRAKE_DOMAINS_MAX];

	if (result->kind != WORKER_WRITE || result->token >= BRAKE_DOMAINS_MAX || !f->is_busy)
		return;
	f->is_busy = false;
	if (result->error == 0) {
		f->is_frozen = f->is_asked;
		f->failures = 0;
		push(b, result->token);
		return;
	}
	log_warning("cgroup %s: %s: %s", f->freezer.place.path,
		    f->is_asked ? "not frozen, its processes are stopped only" : "not thawed",
		    strerror(-result->error));
	if (f->is_asked || result->error == -ENODEV)
		forget(b, result->token); /* a cgroup that is gone holds nobody */
	else if (++f->failures < FAILURES_MAX)
		push(b, result->token);
}

struct scope {
	struct brake *b;
	uint32_t domain;
};

static bool may_freeze(void *userdata, int32_t pid)
{
	const struct scope *s = userdata;
	const struct brake_setup *setup = &s->b->setup;

	if (pid == getpid())
		return false;
	for (const struct brake_target *t = s->b->target; t < s->b->target + BRAKE_MAX; t++)
		if (t->pid == pid && t->domain == s->domain)
			return true;
	return setup->may_freeze && setup->may_freeze(setup->userdata, s->domain, pid);
}

/* The cgroup of the first process that we have stopped. */
static void want_freeze(struct brake *b, uint32_t domain)
{
	struct brake_freeze *f = &b->freeze[domain];
	struct scope scope = { .b = b, .domain = domain };
	const struct freezer_question question = { may_freeze, &scope };
	const struct brake_target *t = b->target;

	while (t < b->target + BRAKE_MAX && !(t->is_stopped && t->domain == domain))
		t++;
	if (t == b->target + BRAKE_MAX)
		return;
	if (f->freezer.switch_fd >= 0 && !f->is_wanted)
		return; /* an earlier victim's, which is on its way back: this one stands still as it is */
	if (f->freezer.switch_fd < 0) {
		if (freezer_find(&f->freezer, &b->trees, b->setup.root_fd, t->pid) < 0)
			return;
		if (!freezer_is_only(&f->freezer, &question)) {
			freezer_close(&f->freezer);
			return;
		}
	}
	f->is_wanted = true;
	push(b, domain);
}

/* ---- stop, release ---- */

static bool send_signal(const struct brake_target *t, int signal)
{
	return syscall(SYS_pidfd_send_signal, t->fd, signal, NULL, 0) == 0;
}

static uint32_t slot_of(const struct brake *b, const struct brake_target *t)
{
	return (uint32_t)(t - b->target);
}

/* Also of one that has ended. */
static bool was_stopped_before(struct brake_target *t)
{
	struct parse_census_stat now = { .state = t->state };

	t->state = 0;
	return (!now.state && read_stat(t->stat_fd, &now) < 0) || now.state == 'T';
}

/* Written down first. Who was stopped before is left alone, but looked at again next time. */
static bool stop(struct brake *b, struct brake_target *t)
{
	if (!t->is_stopped) {
		if (was_stopped_before(t))
			return false;
		ledger_stop_set(b->setup.ledger, slot_of(b, t), t->pid, t->start_ticks);
	}
	t->is_stopped = send_signal(t, SIGSTOP);
	if (t->is_stopped)
		return true;
	ledger_stop_clear(b->setup.ledger, slot_of(b, t));
	drop(t); /* it has ended */
	return false;
}

/*
 * Each as soon as it is held: the last one stops no later than if all were held first, and the
 * first ones sooner.
 */
uint32_t brake_stop(struct brake *b, uint32_t domain, const struct victim *v)
{
	uint32_t stopped = 0;

	if (domain >= BRAKE_DOMAINS_MAX)
		return 0;
	for (uint32_t i = 0; i < v->pids_count; i++) {
		struct brake_target *t = hold(b, domain, v, i);

		stopped += t && stop(b, t);
	}
	if (stopped)
		want_freeze(b, domain);
	return stopped;
}

/* Whoever stopped it: nobody has two slots of the ledger for longer than this takes. */
uint32_t brake_adopt(struct brake *b, uint32_t domain, const struct victim *v)
{
	uint32_t adopted = 0;

	for (uint32_t i = 0; i < v->pids_count && domain < BRAKE_DOMAINS_MAX; i++) {
		struct brake_target *t = hold(b, domain, v, i);

		if (!t)
			continue;
		if (!t->is_stopped)
			ledger_stop_set(b->setup.ledger, slot_of(b, t), t->pid, t->start_ticks);
		t->is_stopped = true; /* so its state, ours by now, is not looked at */
		adopted += stop(b, t);
	}
	if (adopted)
		want_freeze(b, domain);
	return adopted;
}

struct kill_scope {
	const struct brake_setup *setup;
	uint32_t domain;
	const struct victim *victim;
};

static bool may_kill(void *userdata, int32_t pid)
{
	const struct kill_scope *s = userdata;

	if (victim_has(s->victim, pid))
		return true;
	return pid != getpid() && s->setup->may_freeze &&
	       s->setup->may_freeze(s->setup->userdata, s->domain, pid);
}

bool brake_kill_cgroup(struct brake *b, uint32_t domain, const struct victim *v)
{
	struct kill_scope scope = { &b->setup, domain, v };
	const struct freezer_question question = { may_kill, &scope };
	_cleanup_close_ int fd = freezer_kill_switch(&b->trees, b->setup.root_fd, v->pid, &question);

	return fd >= 0 && worker_write(b->setup.worker, fd, "1", BRAKE_DOMAINS_MAX + domain);
}

void brake_release(struct brake *b, uint32_t domain)
{
	if (domain >= BRAKE_DOMAINS_MAX)
		return;
	b->freeze[domain].is_wanted = false;
	push(b, domain);
	for (unsigned i = BRAKE_MAX; i-- > 0;) {
		struct brake_target *t = &b->target[i];

		if (!t->pid || t->domain != domain)
			continue;
		if (t->is_stopped) {
			(void)send_signal(t, SIGCONT); /* fails for one that has ended */
			ledger_stop_clear(b->setup.ledger, i);
		}
		drop(t);
	}
}

bool brake_is_on(const struct brake *b, uint32_t domain)
{
	if (domain >= BRAKE_DOMAINS_MAX)
		return false;
	for (unsigned i = 0; i < BRAKE_MAX; i++)
		if (b->target[i].is_stopped && b->target[i].domain == domain)
			return true;
	return false;
}

bool brake_holds(const struct brake *b, const struct ledger_stop *stop)
{
	for (unsigned i = 0; i < BRAKE_MAX; i++)
		if (b->target[i].is_stopped && b->target[i].pid == stop->pid &&
		    b->target[i].start_ticks == stop->start_ticks)
			return true;
	return false;
}

/* The worker is at it, or had no room for a thaw yet. */
static bool is_busy(const struct brake *b)
{
	for (unsigned i = 0; i < BRAKE_DOMAINS_MAX; i++)
		if (b->freeze[i].is_busy ||
		    (b->freeze[i].is_frozen && b->freeze[i].failures < FAILURES_MAX))
			return true;
	return false;
}

void brake_fini(struct brake *b)
{
	const uint64_t deadline_us = clock_now_us() + FINI_WAIT_US;
	struct worker_result result;

	for (uint32_t i = 0; i < BRAKE_DOMAINS_MAX; i++)
		brake_release(b, i);
	while (is_busy(b) && clock_now_us() < deadline_us) {
		brake_settle(b);
		(void)worker_wait(b->setup.worker, 100); /* either way the clock is looked at */
		while (worker_result(b->setup.worker, &result))
			if (result.kind == WORKER_WRITE)
				brake_done(b, &result);
	}
	for (uint32_t i = 0; i < BRAKE_DOMAINS_MAX; i++)
		freezer_close(&b->freeze[i].freezer);
	freezer_trees_close(&b->trees);
}
