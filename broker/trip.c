/* SPDX-License-Identifier: MIT */
#include "trip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "resort.h"
#include "sense/parse_process.h"
#include "warning.h"

/*
 * Three files of the cgroup, 60 us on a slow CPU, not with every sample. Half: 1 % more of that CPU
 * near the cliff; double: what grows outside of it is followed 0.1 s later.
 */
#define READ_PAUSE_US	(100 * US_PER_MS)

/* A slice of systemd comes with its first unit and goes with its last one. Half: two more files are opened
 * every second; double: programs that were started first run free for so much longer. */
#define AGAIN_US	US_PER_S

static const char cannot[] = "a leak at full speed cannot be met in time";

/* ---- the cgroup is gone, or none ---- */

static const char *why(int error)
{
	switch (error) {
	case -EBUSY:
		return "a write to the one before has not ended yet; it is tried again";
	case -ENODEV:
		return "this kernel has no memory cgroups here (mount cgroup2; boot word "
		       "cgroup_enable=memory)";
	case -ENOENT:
		return "there is no such cgroup with a memory controller: make it and switch +memory on in "
		       "the cgroup.subtree_control above it, or set tripwire_create";
	case -EOPNOTSUPP:
		return "its parent holds programs of its own, so that the kernel switches no memory "
		       "controller on in it: take a cgroup beside that one";
	case -ERANGE:
		return "cgroup v1 has no memory.high, and this cgroup has no memory.limit_in_bytes to "
		       "wait at: give it one";
	default:
		return strerror(-error);
	}
}

static void leave_wire(struct broker *b, int error)
{
	struct trip *t = &b->trip;

	t->source = sd_event_source_disable_unref(t->source);
	wire_leave(&t->wire);
	t->error = error;
	core_tripwire_off(&b->core, clock_now_us());
	sense_set_tripwire(b->sense, "");
	for (uint32_t i = 0; i < b->core.sessions.max; i++)
		b->peers[i].is_at_tripwire = false;
}

static void lose(struct broker *b, int error)
{
	if (b->trip.said_error != error)
		warning_set(b, WARNING_TRIPWIRE, "no tripwire, %s; cgroup %s: %s", cannot, b->trip.cgroup,
			    why(error));
	b->trip.said_error = error;
	leave_wire(b, error);
}

/* ---- reading ---- */

static uint64_t left_bytes(const struct sample *s)
{
	uint64_t have = s->free_bytes + s->file_bytes;

	return have > s->reserve_bytes ? have - s->reserve_bytes : 0;
}

static bool has_clients(const struct broker *b)
{
	for (uint32_t i = 0; i < b->core.sessions.max; i++)
		if (b->peers[i].id && b->peers[i].is_at_tripwire)
			return true;
	return false;
}

static void watch_high(struct broker *b, uint64_t now_us)
{
	struct trip *t = &b->trip;
	const struct sample *s = &t->system;
	struct tripwire_reading reading = {
		.total_bytes = s->total_bytes, .left_bytes = left_bytes(s), .low_bytes = s->low_bytes,
		.has_clients = has_clients(b),
	};
	int r;

	/* older memory of the machine beside newer of the cgroup would look like room */
	if (s->time_us != now_us || (now_us < time_add_us(t->read_us, READ_PAUSE_US) &&
				     !core_wants_tripwire(&b->core, now_us)))
		return;
	t->read_us = now_us;
	r = wire_read(&t->wire, &reading);
	if (r < 0) {
		lose(b, r);
		return;
	}
	if (reading.trips > b->core.tripwire.trips) /* its call was not heard */
		core_tripped(&b->core, &reading, now_us);
	core_tripwire(&b->core, &reading, now_us);
	broker_drain(b);
	if (b->core.tripwire.phase != TRIPWIRE_OFF) /* one that failed is written again */
		trip_set(b, tripwire_wanted_bytes(&b->core.tripwire));
}

static void watch_wait(struct broker *b, uint64_t now_us)
{
	struct trip *t = &b->trip;
	bool is_stuck = false;
	int r = wire_is_stuck(&t->wire, &is_stuck);

	if (r < 0) {
		lose(b, r);
		return;
	}
	trip_set(b, !b->core.policy.escalate.dry_run && b->core.policy.escalate.enabled &&
			    tripwire_may_wait(&t->wait, is_stuck, now_us)
			    ? 1 : t->wire.place.before);
}

void trip_set(struct broker *b, uint64_t limit_bytes)
{
	wire_set(&b->trip.wire, limit_bytes);
}

/* ---- the kernel's call ---- */

static int on_high(struct broker *b)
{
	struct tripwire_reading reading = { .has_clients = has_clients(b) };
	uint64_t now_us = clock_now_us();
	int r = wire_read(&b->trip.wire, &reading);

	if (r < 0) {
		lose(b, r);
		return 0;
	}
	core_tripped(&b->core, &reading, now_us);
	broker_drain(b);
	if (core_wants_sample(&b->core, CORE_DOMAIN_SYSTEM, now_us))
		broker_step(b);
	return 0;
}

static int on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct broker *b = userdata;
	struct trip *t = &b->trip;

	(void)source, (void)fd, (void)revents;
	wire_heard(&t->wire);
	if (t->wire.cgroup.is_v2)
		return on_high(b);
	sense_cry(b->sense, t->domain, DISTRESS_CGROUP_MAX);
	broker_sample_now(b, t->domain);
	broker_step(b);
	return 0;
}

/* ---- start, reload, end ---- */

/* A tree that was recorded is read and never written to; nothing ever happens on its files. */
static int attach(struct broker *b)
{
	struct trip *t = &b->trip;
	uint32_t events = t->wire.cgroup.is_v2 ? EPOLLPRI : EPOLLIN;
	int r = sd_event_add_io(b->event, &t->source, t->wire.event_fd, events, on_event, b);

	if (r == -EPERM)
		return 0;
	return r < 0 ? r : sd_event_source_set_priority(t->source, SD_EVENT_PRIORITY_IMPORTANT);
}

/* v1: where the waiting is met is the ladder of that cgroup. */
static int add_domain(struct broker *b)
{
	const char *name = b->trip.cgroup;
	bool is_new = core_domain_find(&b->core, name) == CORE_DOMAINS_MAX;
	uint32_t d = core_domain_add(&b->core, name, true, clock_now_us());
	int r;

	resort_domain(b, d);
	r = d == CORE_DOMAINS_MAX ? -ENOSPC : is_new ? sense_domain_add(b->sense, d, name) : 0;

	if (r < 0 && d != CORE_DOMAINS_MAX)
		core_domain_remove(&b->core, d, clock_now_us());
	b->trip.domain = d;
	return r;
}

static void find_clients(struct broker *b)
{
	for (uint32_t i = 0; i < b->core.sessions.max; i++)
		if (b->peers[i].id)
			b->peers[i].is_at_tripwire = trip_holds(b, b->peers[i].proc_fd);
}

static void open_wire(struct broker *b)
{
	struct trip *t = &b->trip;

	t->error = wire_open(&t->wire, t->cgroup, t->may_make);
	if (t->error == 0 && t->wire.cgroup.is_v2)
		sense_set_tripwire(b->sense, t->cgroup);
	else if (t->error == 0)
		t->error = add_domain(b);
	if (t->error == 0)
		t->error = attach(b);
	if (t->error < 0) {
		lose(b, t->error);
		return;
	}
	warning_clear(b, WARNING_TRIPWIRE);
	t->said_error = 0;
	find_clients(b);
}

static void take_cgroup(struct broker *b)
{
	b->trip.read_us = 0;
	b->trip.wait = (struct tripwire_wait){ 0 };
	open_wire(b);
}

/* In quiet times: a crisis needs its files and its kernel memory for others. */
static void look_again(struct broker *b, uint64_t now_us)
{
	struct trip *t = &b->trip;

	if (!t->cgroup[0] || now_us < t->again_us || wire_is_busy(&t->wire) ||
	    core_stage(&b->core) != STAGE_NORMAL)
		return;
	t->again_us = time_add_us(now_us, AGAIN_US);
	if (sense_cgroup_exists(b->sense, t->cgroup))
		take_cgroup(b);
}

void trip_sample(struct broker *b, const struct sample *s)
{
	b->trip.system = *s;
}

void trip_watch(struct broker *b, uint64_t now_us)
{
	if (b->trip.is_stale && !wire_is_busy(&b->trip.wire))
		trip_reload(b);
	if (!wire_is_open(&b->trip.wire))
		look_again(b, now_us);
	else if (b->trip.wire.cgroup.is_v2)
		watch_high(b, now_us);
	else
		watch_wait(b, now_us);
}

static void take_config(struct broker *b)
{
	struct trip *t = &b->trip;

	memcpy(t->cgroup, b->config.tripwire_cgroup, sizeof(t->cgroup));
	t->may_make = b->config.tripwire_create;
	t->said_error = 0;
	if (t->cgroup[0])
		take_cgroup(b);
	else
		warning_set(b, WARNING_TRIPWIRE,
			    "no tripwire, %s; start ordinary programs in a cgroup of their own and "
			    "name it in tripwire_cgroup, see failsoftd(8)",
			    cannot);
}

static void pass_on(void *userdata, const struct worker_result *result)
{
	struct broker *b = userdata;

	if (result->kind == WORKER_WRITE)
		brake_done(&b->brake, result);
}

void trip_start(struct broker *b)
{
	const struct wire_setup setup = {
		.root_fd = b->root_fd, .ledger = state_ledger(&b->state), .worker = &b->worker,
		.others = pass_on, .userdata = b,
	};

	wire_init(&b->trip.wire, &setup);
	take_config(b);
}

/* It is not among the configuration's domains, and would be dropped under the open wire. */
static void keep_domain(struct broker *b)
{
	struct trip *t = &b->trip;

	if (wire_is_open(&t->wire) && !t->wire.cgroup.is_v2)
		(void)core_domain_add(&b->core, t->cgroup, true, clock_now_us()); /* it is there */
}

void trip_reload(struct broker *b)
{
	struct trip *t = &b->trip;
	bool is_same = strcmp(t->cgroup, b->config.tripwire_cgroup) == 0 &&
		       t->may_make == b->config.tripwire_create;

	t->is_stale = !is_same && wire_is_busy(&t->wire); /* the loop does not wait for that write */
	if (t->is_stale || (is_same && (wire_is_open(&t->wire) || !t->cgroup[0]))) {
		keep_domain(b);
		return;
	}
	leave_wire(b, 0);
	take_config(b);
}

void trip_stop(struct broker *b)
{
	if (!b->trip.wire.setup.worker) /* not started */
		return;
	b->trip.source = sd_event_source_disable_unref(b->trip.source);
	wire_close(&b->trip.wire);
}

bool trip_holds(const struct broker *b, int proc_fd)
{
	const char *name = b->trip.cgroup, *path;
	struct parse_process_cgroups member;
	char text[4096];
	ssize_t size;

	if (!wire_is_open(&b->trip.wire) || proc_fd < 0)
		return false;
	size = file_read_at(proc_fd, "cgroup", text, sizeof(text));
	if (size < 0 || parse_process_cgroups(text, (size_t)size, "memory", &member) < 0)
		return false;
	path = b->trip.wire.cgroup.is_v2 ? member.v2 : member.v1;
	return strncmp(path, name, strlen(name)) == 0 &&
	       (path[strlen(name)] == 0 || path[strlen(name)] == '/');
}

/* ---- in words ---- */

static void say_wire(const struct broker *b, struct text *t)
{
	const struct tripwire *w = &b->core.tripwire;

	if (!b->trip.wire.cgroup.is_v2) {
		text_add(t, "armed: at the limit of %s programs wait until the broker has acted",
			 b->trip.cgroup);
		return;
	}
	text_add(t, "%s", tripwire_phase_name(w->phase));
	if (w->phase == TRIPWIRE_OFF)
		return; /* the first sample comes at once */
	text_add(t, ": %s may take up to ", b->trip.cgroup);
	text_add_bytes(t, w->limit_bytes);
	text_add(t, ", ");
	text_add_bytes(t, w->kept_bytes);
	text_add(t, " are kept");
}

void trip_sentence(const struct broker *b, char *buffer, size_t size)
{
	struct text t;

	text_init(&t, buffer, size);
	if (wire_is_open(&b->trip.wire))
		say_wire(b, &t);
	else if (b->trip.cgroup[0])
		text_add(&t, "off, %s; cgroup %s: %s", cannot, b->trip.cgroup, why(b->trip.error));
	else
		text_add(&t, "off, %s; tripwire_cgroup names none", cannot);
}
