/* SPDX-License-Identifier: MIT */
/* What the thread does: sleeps, looks, acts. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "act/sentry_parts.h"
#include "act/terminate.h"
#include "ask/lifeline.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"
#include "sense/parse.h"
#include "sense/parse_census.h"

/* meminfo has 1.5 KiB. */
#define LEVEL_ROOM_BYTES	8192u
/* One line of 52 fields: 320 bytes seen, 52 * 20 are possible. */
#define STAT_ROOM_BYTES		1024u

/* The number on every architecture but Alpha; headers before Linux 5.15 do not have its name. */
#define CALL_PROCESS_MRELEASE	448

/* ---- looking ---- */

/* Returns the number of the copy: one that has changed since is no longer the newest. */
static uint64_t read_basis(struct sentry *s, struct guard_basis *ret)
{
	uint64_t word[SENTRY_WORDS], number;

	do {
		number = atomic_load(&s->basis_number);
		for (unsigned i = 0; i < SENTRY_WORDS; i++)
			word[i] = atomic_load_explicit(&s->basis[number & 1][i], memory_order_acquire);
	} while (atomic_load(&s->basis_number) != number);
	memcpy(ret, word, sizeof(*ret));
	return number;
}

int sentry_read_stat(int stat_fd, struct parse_census_stat *ret)
{
	char text[STAT_ROOM_BYTES];
	ssize_t size = pread(stat_fd, text, sizeof(text), 0);

	return size < 0 ? -errno : parse_census_stat(text, (size_t)size, ret);
}

/* What cannot be read is no danger: nothing is done on a guess. */
static uint64_t read_level(const struct sentry *s, const struct guard_basis *basis)
{
	char text[LEVEL_ROOM_BYTES];
	ssize_t size = file_reread(s->level_fd, text, sizeof(text));
	struct parse_meminfo m;
	struct sample sample = { 0 };

	if (size < 0 || parse_meminfo(text, (size_t)size, &m) < 0)
		return basis->level_bytes;
	sample.free_bytes = m.free_bytes;
	sample.file_bytes = m.active_file_bytes + m.inactive_file_bytes;
	sample.swap_free_bytes = m.swap_free_bytes;
	return guard_level_bytes(&sample, basis->swap_weight_permyriad);
}

/* ---- the aim ---- */

static struct sentry_aim *take_aim(struct sentry *s)
{
	uint32_t word = atomic_load(&s->aim_word);

	while (!(word & AIM_TAKEN) &&
	       !atomic_compare_exchange_weak(&s->aim_word, &word, word | AIM_TAKEN))
		continue;
	return &s->aim[word & 1];
}

/* The loop may choose anew once it knows what was done. */
static void release_aim(struct sentry *s, const struct guard *g)
{
	uint32_t word = atomic_load(&s->aim_word);

	if (!(word & AIM_TAKEN) || g->phase == GUARD_ACTING || atomic_load(&s->hand) != HAND_FREE)
		return;
	for (uint32_t i = 0; i < SENTRY_AIM_MAX; i++)
		s->aim[word & 1].target[i].is_ours = false;
	atomic_store(&s->aim_word, word & ~AIM_TAKEN);
}

/* ---- acting ---- */

/* Only those that it has stopped or killed are the loop's to let go of. */
static void put_victim(struct guard_report *r, const struct sentry_aim *aim)
{
	uint32_t count = 0;

	r->victim = aim->victim;
	for (uint32_t i = 0; i < aim->victim.pids_count; i++) {
		if (!aim->target[i].is_ours && !r->is_dry)
			continue;
		r->victim.pids[count] = aim->victim.pids[i];
		r->victim.start_ticks[count++] = aim->victim.start_ticks[i];
	}
	r->victim.pids_count = count;
}

static bool send_signal(const struct sentry_target *t, int signal)
{
	return syscall(SYS_pidfd_send_signal, t->fd, signal, NULL, 0) == 0;
}

/* Written down first. Who was stopped before is left alone: it is not ours to let go of. */
static bool stop(struct sentry *s, struct sentry_aim *aim, uint32_t i)
{
	const uint32_t slot = LEDGER_BRAKE_MAX + i;
	struct parse_census_stat now;

	if (aim->target[i].is_ours)
		return false;
	if (sentry_read_stat(aim->target[i].stat_fd, &now) < 0 || now.state == 'T')
		return false;
	ledger_stop_set(s->setup.ledger, slot, aim->victim.pids[i], aim->victim.start_ticks[i]);
	aim->target[i].is_ours = send_signal(&aim->target[i], SIGSTOP);
	if (!aim->target[i].is_ours)
		ledger_stop_clear(s->setup.ledger, slot);
	return aim->target[i].is_ours;
}

static void stop_all(struct sentry *s, struct sentry_aim *aim)
{
	struct guard_report *r = &s->report;

	for (uint32_t i = 0; i < aim->victim.pids_count; i++)
		r->stopped += r->is_dry || stop(s, aim, i);
	r->stopped_us = clock_now_us();
	put_victim(r, aim);
}

static void end_all(struct sentry *s, struct sentry_aim *aim)
{
	struct guard_report *r = &s->report;

	for (uint32_t i = 0; i < aim->victim.pids_count; i++) {
		bool is_sent = r->is_dry || send_signal(&aim->target[i], SIGKILL);

		r->ended += is_sent;
		if (!is_sent || r->is_dry)
			continue;
		aim->target[i].is_ours = true;
		terminate_hurry(aim->victim.pids[i]);
	}
	r->ended_us = clock_now_us();
	put_victim(r, aim);
}

static bool tell_one(struct sentry *s, struct sentry_line *l, const struct guard_basis *b)
{
	const uint64_t now_us = clock_now_us();
	const struct session_request request = {
		.sequence = MAX_OF(s->sequence + 1, b->sequence), .issued_us = now_us,
		.deadline_us = time_add_us(now_us, l->budget_us), .step = STEP_SHUTDOWN,
	};
	const struct estimate estimate = {
		.headroom_bytes = s->report.headroom_bytes, .tte_us = NEVER_US, .tte_low_us = 0,
	};
	struct failsoft_order order;

	lifeline_format(&(struct lifeline_order){
		.client = l->client, .request = &request, .stage = STAGE_SHUTDOWN,
		.estimate = &estimate, .episode = b->episode, .domain = s->setup.domain,
		.dry_run = s->report.is_dry,
	}, &order);
	if (lifeline_send(l->fd, &order) < 0)
		return false;
	s->sequence = request.sequence;
	l->told = (struct guard_told){ l->client, request.sequence, now_us, request.deadline_us };
	atomic_store(&l->asked, STEP_SHUTDOWN);
	return true;
}

/* All at once: there is no time for one group after the other. */
static uint64_t tell_all(struct sentry *s, const struct guard_basis *b)
{
	uint64_t latest_us = 0;

	for (struct sentry_line *l = s->line; l < s->line + s->setup.lines; l++) {
		uint32_t ready = LINE_READY, busy = LINE_BUSY;

		if (!atomic_compare_exchange_strong(&l->state, &ready, LINE_BUSY))
			continue;
		if ((l->domains & (1u << b->domain)) && atomic_load(&l->asked) < STEP_SHUTDOWN &&
		    tell_one(s, l, b)) {
			s->report.told++;
			latest_us = MAX_OF(latest_us, l->told.deadline_us);
		}
		if (atomic_compare_exchange_strong(&l->state, &busy, LINE_READY))
			continue;
		(void)file_close(l->fd); /* the client left meanwhile */
		atomic_store(&l->state, LINE_EMPTY);
	}
	return latest_us;
}

/* ---- the hand ---- */

/* false: the loop has it, so it does not stand still; or it has signalled somebody since the basis. */
static bool take_hand(struct sentry *s, const struct guard_basis *b, enum guard_do what)
{
	uint32_t hand = HAND_FREE;

	if (!atomic_compare_exchange_strong(&s->hand, &hand, HAND_SENTRY) &&
	    !(hand == HAND_READY && atomic_compare_exchange_strong(&s->hand, &hand, HAND_SENTRY)))
		return false;
	if (what != GUARD_END || atomic_load(&s->ends) == b->ends)
		return true;
	atomic_store(&s->hand, s->report.began_us ? HAND_READY : HAND_FREE);
	return false;
}

static void begin_report(struct guard_report *r, const struct guard *g, const struct guard_view *v)
{
	if (!r->began_us)
		*r = (struct guard_report){
			.domain = (uint32_t)v->basis->domain, .began_us = v->now_us,
			.late_us = g->late_us,
		};
	r->is_dry = v->basis->flags & GUARD_IS_DRY;
	r->headroom_bytes = guard_headroom_bytes(v->basis, v->level_bytes);
	r->left_us = guard_left_us(v);
}

static void take_class(int policy, int priority)
{
	const struct sched_param p = { .sched_priority = priority };

	(void)sched_setscheduler(0, policy, &p); /* of this thread; without the right it stays as it is */
}

/* At normal priority, as the worker: unmapping takes 16 ms per 48 MiB, and who is to end needs the
 * CPU as well; nor may a thread of real-time priority run for long (priority.h). */
static void reap(const struct sentry *s, const struct sentry_aim *aim)
{
	bool is_real_time = s->setup.priority && !s->is_plain;

	if (is_real_time)
		take_class(SCHED_OTHER, 0);
	for (uint32_t i = 0; i < aim->victim.pids_count; i++)
		if (aim->target[i].is_ours) /* fails: the kernel takes the memory back itself */
			(void)syscall(CALL_PROCESS_MRELEASE, aim->target[i].fd, 0);
	if (is_real_time)
		take_class(SCHED_FIFO, s->setup.priority);
}

static void do_it(struct sentry *s, struct guard *g, const struct guard_view *v, enum guard_do what)
{
	struct sentry_aim *aim = take_aim(s);
	struct guard_report report;

	if (!take_hand(s, v->basis, what))
		return;
	begin_report(&s->report, g, v);
	if (what == GUARD_STOP)
		stop_all(s, aim);
	else if (what == GUARD_TELL)
		guard_told(g, tell_all(s, v->basis));
	else
		end_all(s, aim);
	report = s->report;
	atomic_store(&s->hand, HAND_READY);
	s->setup.tell(s->setup.userdata, &report, what);
	if (what == GUARD_END && !report.is_dry)
		reap(s, aim);
	guard_did(g, clock_now_us());
}

/* ---- the thread ---- */

static void look(struct sentry *s, struct guard_view *v)
{
	const struct sentry_aim *aim = take_aim(s);

	v->has_aim = aim->victim.pids_count > 0;
	v->has_procedure = aim->victim.procedure != 0;
	v->level_bytes = read_level(s, v->basis);
	v->has_level = true;
}

/* Before each thing the basis is read anew: a loop that turns again is left alone. Returns the
 * number of the basis that it was about. */
static uint64_t run(struct sentry *s, struct guard *g)
{
	struct guard_basis basis;
	struct guard_view v = { .basis = &basis };
	enum guard_do what;
	uint64_t number;

	do {
		number = read_basis(s, &basis);
		v.now_us = clock_now_us();
		what = guard_step(g, &v);
		if (what == GUARD_LOOK)
			look(s, &v);
		else if (what != GUARD_SLEEP)
			do_it(s, g, &v, what);
	} while (what != GUARD_SLEEP);
	release_aim(s, g);
	return number;
}

static void sleep_until(struct sentry *s, uint64_t wake_us)
{
	struct pollfd p = { .fd = s->wake_fd, .events = POLLIN };
	uint64_t now_us = clock_now_us(), count;
	uint64_t wait_us = wake_us > now_us ? wake_us - now_us : 0;
	const struct timespec wait = { (time_t)(wait_us / US_PER_S),
				       (long)(wait_us % US_PER_S * 1000) };

	if (ppoll(&p, 1, wake_us == NEVER_US ? NULL : &wait, NULL) > 0)
		(void)!read(s->wake_fd, &count, sizeof(count)); /* it was readable */
}

void *sentry_work(void *sentry)
{
	struct sentry *s = sentry;
	struct guard g;

	guard_init(&g);
	while (!atomic_load(&s->is_ending)) {
		uint64_t number = run(s, &g);

		atomic_store(&s->wake_us, g.wake_us);
		if (atomic_load(&s->basis_number) == number) /* else the loop may not have woken us */
			sleep_until(s, g.wake_us);
	}
	return NULL;
}
