/* SPDX-License-Identifier: MIT */
/* Who takes part: the bus, the broker, clients, procedures, the watchdog, daemons that compete. */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "checkup.h"

/* What the units set, and what dbus and systemd-oomd take. Half: a big program with a raised score
 * of its own is still ahead of it, a leak of a third of the memory is not; -1000 is a panic when it
 * is not alone. */
#define SCORE_MOST (-900)

/* ABSENT: where others' processes are hidden, who is not seen may run all the same. */
static enum checkup_state nobody(const struct facts *f, const char *whom, enum checkup_state state,
				 struct checkup_say *say)
{
	text_add(&say->found, "no %s was found", whom);
	if (f->others.state == FIGURE_SEEN)
		return state;
	text_add(&say->found, ", but others' processes are hidden");
	checkup_fix(say, "look again as root");
	return CHECKUP_UNSEEN;
}

/* ---- the bus ---- */

/* Does failsoft-hold hold this program? Its words are paths. */
static bool is_held(const struct facts *f)
{
	const char *words = f->holder.words, *at = words;
	size_t length = strlen(f->bus.name);

	if (!f->holder.pid || f->holder.locked_kib.state != FIGURE_SEEN ||
	    !f->holder.locked_kib.value)
		return false;
	while (length && (at = strstr(at, f->bus.name))) {
		bool is_whole = at > words && at[-1] == '/' && (at[length] == ' ' || !at[length]);

		if (is_whole)
			return true;
		at += length;
	}
	return false;
}

static bool can_be_swapped(const struct facts *f)
{
	return f->swap_total_kib.state == FIGURE_SEEN && f->swap_total_kib.value &&
	       !(f->bus.swap_max_bytes.state == FIGURE_SEEN && !f->bus.swap_max_bytes.value);
}

static enum checkup_state held(const struct facts *f, struct checkup_say *say)
{
	text_add(&say->found, "%s (pid %" PRId32 ") is held by failsoft-hold", f->bus.name,
		 f->bus.pid);
	if (!can_be_swapped(f))
		return CHECKUP_OK;
	text_add(&say->found, ", but what it has allocated can be swapped");
	checkup_fix(say, "MemorySwapMax=0 in dbus.service.d/50-failsoft.conf");
	return CHECKUP_MISSING;
}

enum checkup_state checkup_bus_memory(const struct facts *f, struct checkup_say *say)
{
	const struct facts_daemon *bus = &f->bus;

	if (!bus->pid) {
		checkup_fix(say, "start dbus, or give the right --bus");
		return nobody(f, "bus daemon of the system", CHECKUP_WARN, say);
	}
	if (bus->locked_kib.state != FIGURE_SEEN)
		return checkup_unseen(&bus->locked_kib, say);
	if (is_held(f))
		return held(f, say);
	text_add(&say->found, "%s (pid %" PRId32 ")", bus->name, bus->pid);
	if (bus->locked_kib.value) {
		text_add(&say->found, " is locked, %" PRId64 " KiB", bus->locked_kib.value);
		return CHECKUP_OK;
	}
	if (bus->floor_bytes.state == FIGURE_SEEN && bus->floor_bytes.value) {
		text_add(&say->found,
			 " has a floor of memory only, which helped in one series of two");
		return CHECKUP_WARN;
	}
	text_add(&say->found, " is not held in memory");
	return CHECKUP_MISSING;
}

static enum checkup_state score(const struct facts_daemon *d, struct checkup_say *say)
{
	const struct figure *adj = &d->oom_score_adj;

	if (adj->state != FIGURE_SEEN)
		return checkup_unseen(adj, say);
	text_add(&say->found, "%s (pid %" PRId32 ") has oom_score_adj %" PRId64, d->name, d->pid,
		 adj->value);
	return adj->value > SCORE_MOST ? CHECKUP_MISSING : CHECKUP_OK;
}

enum checkup_state checkup_bus_score(const struct facts *f, struct checkup_say *say)
{
	return score(&f->bus, say);
}

/* ---- the broker ---- */

enum checkup_state checkup_broker(const struct facts *f, struct checkup_say *say)
{
	if (!f->broker.pid)
		return nobody(f, "failsoftd", CHECKUP_MISSING, say);
	if (f->is_asked && f->answer.state != FIGURE_SEEN) {
		text_add(&say->found,
			 "failsoftd runs (pid %" PRId32 "), but does not answer on the bus: %s",
			 f->broker.pid, strerror(f->answer.error));
		checkup_fix(say, "systemctl status failsoftd dbus; is --bus right?");
		return CHECKUP_MISSING;
	}
	text_add(&say->found, "failsoftd runs (pid %" PRId32 ")", f->broker.pid);
	return CHECKUP_OK;
}

enum checkup_state checkup_broker_memory(const struct facts *f, struct checkup_say *say)
{
	const struct figure *locked = &f->broker.locked_kib;

	if (locked->state != FIGURE_SEEN)
		return checkup_unseen(locked, say);
	if (!locked->value) {
		text_add(&say->found, "it is not locked into memory");
		return CHECKUP_MISSING;
	}
	text_add(&say->found, "%" PRId64 " KiB of it are locked", locked->value);
	return CHECKUP_OK;
}

enum checkup_state checkup_broker_priority(const struct facts *f, struct checkup_say *say)
{
	const struct figure *priority = &f->broker.priority;

	if (priority->state != FIGURE_SEEN)
		return checkup_unseen(priority, say);
	if (!priority->value) {
		text_add(&say->found, "it has no real-time priority");
		return CHECKUP_MISSING;
	}
	text_add(&say->found, "real-time priority %" PRId64, priority->value);
	return CHECKUP_OK;
}

enum checkup_state checkup_broker_score(const struct facts *f, struct checkup_say *say)
{
	return score(&f->broker, say);
}

/* ---- others ---- */

enum checkup_state checkup_rivals(const struct facts *f, struct checkup_say *say)
{
	const char *before = "systemctl disable --now ";
	unsigned count = 0;

	for (int r = 0; r < RIVAL_COUNT; r++) {
		if (!(f->rivals >> r & 1))
			continue;
		text_add(&say->found, "%s%s: %s", count ? "; " : "", rival_name((enum rival)r),
			 rival_rule((enum rival)r));
		text_add(&say->fix, "%s%s", before, rival_name((enum rival)r));
		before = " ";
		count++;
	}
	if (count)
		return CHECKUP_WARN;
	if (f->others.state != FIGURE_SEEN)
		return nobody(f, "other daemon", CHECKUP_OK, say);
	text_add(&say->found, "none");
	return CHECKUP_OK;
}

enum checkup_state checkup_watchdog(const struct facts *f, struct checkup_say *say)
{
	const struct figure *w = &f->watchdog;

	if (w->state == FIGURE_ABSENT) {
		text_add(&say->found, "there is none");
		checkup_fix(say, "the driver of the board's watchdog, or modprobe softdog; then "
				 "RuntimeWatchdogSec=20s in /etc/systemd/system.conf");
		return CHECKUP_WARN;
	}
	if (w->state != FIGURE_SEEN)
		return checkup_unseen(w, say);
	text_add(&say->found, w->value ? "it is fed" : "it is there, and nobody feeds it");
	if (!w->value)
		checkup_fix(say, "RuntimeWatchdogSec=20s in /etc/systemd/system.conf");
	return w->value ? CHECKUP_OK : CHECKUP_WARN;
}

/* ---- what the broker tells ---- */

enum checkup_state checkup_clients(const struct facts *f, struct checkup_say *say)
{
	if (f->answer.state != FIGURE_SEEN) {
		text_add(&say->found, "failsoftd does not answer");
		return CHECKUP_UNSEEN;
	}
	if (f->unlocked)
		text_add(&say->found,
			 "%" PRIu32 " of %" PRIu32 " clients have nothing locked, such as %s",
			 f->unlocked, f->clients, f->unlocked_name);
	else if (f->unseen)
		text_add(&say->found, "%" PRIu32 " of %" PRIu32 " clients cannot be looked at",
			 f->unseen, f->clients);
	else
		text_add(&say->found,
			 f->clients ? "all %" PRIu32 " clients have memory locked"
				    : "nobody is registered",
			 f->clients);
	return f->unlocked ? CHECKUP_WARN : f->unseen ? CHECKUP_UNSEEN : CHECKUP_OK;
}

enum checkup_state checkup_procedures(const struct facts *f, struct checkup_say *say)
{
	if (f->answer.state != FIGURE_SEEN) {
		text_add(&say->found, "failsoftd does not answer");
		return CHECKUP_UNSEEN;
	}
	if (f->not_ready)
		text_add(&say->found, "%" PRIu32 " of %" PRIu32 " do not stand ready, such as %s",
			 f->not_ready, f->procedures, f->not_ready_name);
	else if (f->procedures)
		text_add(&say->found, "all %" PRIu32 " stand ready", f->procedures);
	else
		text_add(&say->found, "there are none");
	return f->not_ready ? CHECKUP_MISSING : CHECKUP_OK;
}
