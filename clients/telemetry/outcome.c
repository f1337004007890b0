/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* ---- the kernel's last words ---- */

/* One line of them, without its newline. */
struct line {
	const char *at;
	size_t length;
};

static bool skip(struct line *l, const char *literal)
{
	const size_t length = strlen(literal);

	if (l->length < length || memcmp(l->at, literal, length))
		return false;
	l->at += length;
	l->length -= length;
	return true;
}

static size_t digits(const struct line *l, uint64_t *ret)
{
	size_t n = 0;

	for (*ret = 0; n < l->length && n < 18 && isdigit((unsigned char)l->at[n]); n++)
		*ret = *ret * 10 + (uint64_t)(l->at[n] - '0');
	return n;
}

static void advance(struct line *l, size_t n)
{
	l->at += n;
	l->length -= n;
}

/*
 * "<4>[   12.345678] " or a part of it. false: "<12>..." is not the kernel's own facility, a program wrote
 * it to /dev/kmsg. "[    T1] " (CONFIG_PRINTK_CALLER) may follow.
 */
static bool skip_prefix(struct line *l)
{
	struct line rest = *l;
	uint64_t priority;

	if (skip(&rest, "<")) {
		advance(&rest, digits(&rest, &priority));
		if (skip(&rest, ">")) {
			if (priority > 7)
				return false;
			*l = rest;
		}
	}
	while (l->length && *l->at == '[') {
		const char *end = memchr(l->at, ']', l->length);

		if (!end)
			break;
		advance(l, (size_t)(end - l->at) + 1);
		while (l->length && *l->at == ' ')
			advance(l, 1);
	}
	return true;
}

static void copy_clean(char *ret, size_t size, const struct line *l)
{
	size_t used = 0;

	for (; used < l->length && used + 1 < size; used++)
		ret[used] = l->at[used] >= ' ' && l->at[used] <= '~' ? l->at[used] : '?';
	ret[used] = '\0';
}

/* The last ") total-vm:" ends the name, which may have any characters; older kernels say ", UID". */
static size_t name_length(const struct line *l)
{
	size_t found = 0;

	for (size_t i = 0; i < l->length; i++) {
		struct line rest = { l->at + i, l->length - i };

		if (skip(&rest, ") total-vm:") || skip(&rest, "), UID ") || (!found && skip(&rest, ")")))
			found = i;
	}
	return found;
}

static bool is_known(struct outcome_facts *facts, uint64_t pid)
{
	for (uint32_t i = 0; i < OUTCOME_PIDS_MAX; i++)
		if (facts->killed_pid[i] == pid)
			return true;
	facts->killed_pid[facts->kills % OUTCOME_PIDS_MAX] = pid;
	return false;
}

/* "Killed process 123 (name) total-vm:..." */
static void take_kill(struct line l, struct outcome_facts *facts)
{
	char (*const killed)[FEED_NAME_MAX] = facts->killed;
	uint64_t pid;

	advance(&l, digits(&l, &pid));
	if (!pid || !skip(&l, " (") || is_known(facts, pid))
		return;
	l.length = name_length(&l);
	if (facts->kills >= OUTCOME_KILLS_MAX)
		memmove(killed[0], killed[1], sizeof(facts->killed) - sizeof(killed[0]));
	copy_clean(killed[facts->kills < OUTCOME_KILLS_MAX ? facts->kills : OUTCOME_KILLS_MAX - 1],
		   FEED_NAME_MAX, &l);
	facts->kills++;
}

static void take_panic(const struct line *l, struct outcome_facts *facts)
{
	if (!facts->panic[0]) /* a second one is of the way down */
		copy_clean(facts->panic, sizeof(facts->panic), l);
	facts->has_panic = true;
}

void outcome_kmsg_line(const char *line, size_t length, struct outcome_facts *facts)
{
	static const char *const kills[] = {
		"Out of memory: Killed process ", "Memory cgroup out of memory: Killed process ",
		"Out of memory (oom_kill_allocating_task): Killed process ", "Killed process ",
	};
	struct line l = { line, length };

	if (!skip_prefix(&l))
		return;
	if (skip(&l, "Kernel panic - not syncing: ")) {
		take_panic(&l, facts);
		return;
	}
	for (size_t i = 0; i < COUNT(kills); i++)
		if (skip(&l, kills[i])) {
			take_kill(l, facts);
			return;
		}
}

void outcome_kmsg(const char *text, struct outcome_facts *facts)
{
	struct line first = { text, strcspn(text, "\n") };

	/* pstore's own head: the kernel dumped its log for a panic, whatever of it is in this part */
	if (skip(&first, "Panic#"))
		facts->has_panic = true;
	while (*text) {
		const size_t length = strcspn(text, "\n");

		outcome_kmsg_line(text, length, facts);
		text += length + (text[length] == '\n');
	}
}

/* ---- what it means ---- */

struct words {
	char *text;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->used, w->size - w->used, format, args);
	va_end(args);
	if (n > 0)
		w->used = w->used + (size_t)n < w->size ? w->used + (size_t)n : w->size - 1;
}

static double seconds(uint64_t us)
{
	return (double)us / 1e6;
}

static void say_kills(struct words *w, const struct outcome_facts *f)
{
	const uint32_t named = f->kills < OUTCOME_KILLS_MAX ? f->kills : OUTCOME_KILLS_MAX;

	for (uint32_t i = 0; i < named; i++)
		say(w, "%s%s", i == 0 ? "" : i + 1 == named ? " and " : ", ", f->killed[i]);
	if (f->kills > named)
		say(w, " (the last of %" PRIu32 ")", f->kills);
}

static void say_source(struct words *w, const struct outcome_facts *f)
{
	if (f->source[0])
		say(w, " (%s)", f->source);
}

static void say_panic(struct words *w, const struct outcome_facts *f)
{
	if (f->panic[0])
		say(w, "The kernel panicked: \"%s\"", f->panic);
	else
		say(w, "The kernel panicked; why is not in what was kept");
	say_source(w, f);
	if (f->kills) {
		say(w, "; before it had killed ");
		say_kills(w, f);
		say(w, " for lack of memory");
	}
	if (f->has_watchdog)
		say(w, "; %s then reset the machine", f->watchdog);
	say(w, ".");
}

static void say_kill(struct words *w, const struct outcome_facts *f)
{
	say(w, "The kernel killed ");
	say_kills(w, f);
	say(w, " for lack of memory, and these are its last words");
	say_source(w, f);
	say(w, ": what ended the machine after that is not known.");
}

static void say_last(struct words *w, const struct outcome_facts *f)
{
	if (f->has_reboot)
		say(w, "failsoft ended the machine itself, as its last policy says; failsoftd has it on "
		    "record.");
	else
		say(w, "failsoft was about to end the machine when it was last alive.");
}

static void say_shutdown(struct words *w, const struct outcome_facts *f)
{
	say(w, "The machine was shut down in order.");
	if (f->has_watchdog)
		say(w, " %s reports a reset by it, as on boards that reboot that way.", f->watchdog);
}

static void say_watchdog(struct words *w, const struct outcome_facts *f)
{
	say(w, "The watchdog reset the machine: %s says so", f->watchdog);
	if (f->kills) {
		say(w, "; before, the kernel had killed ");
		say_kills(w, f);
		say(w, " for lack of memory");
		say_source(w, f);
	}
	say(w, ".");
}

static void say_power_loss(struct words *w, const struct outcome_facts *f)
{
	say(w, "Power was lost, or the machine was reset from outside: what %s keeps over a reset "
	    "shows nothing else.", f->kept_by);
}

static void say_stopped(struct words *w)
{
	say(w, "How the machine ended is not known: failsoft-telemetry had been stopped on purpose before, "
	    "and did not see it.");
}

static void say_unknown(struct words *w, const struct outcome_facts *f)
{
	if (f->unreadable)
		say(w, "How the machine ended is not known: the kernel left %" PRIu32 " dump%s that it could "
		    "not unpack itself (.enc.z: its pstore compression is not built into this kernel).",
		    f->unreadable, f->unreadable == 1 ? "" : "s");
	else if (f->closed[0] && f->refused[0])
		say(w, "How the machine ended is not known: %s cannot be read by this process, and what "
		    "failsoft-last-words read of it is not used: %s.", f->closed, f->refused);
	else if (f->closed[0])
		say(w, "How the machine ended is not known: %s cannot be read by this process (is it "
		    "mounted, is the process in its group?).", f->closed);
	else if (f->is_undated)
		say(w, "How the machine ended is not known: there are last words of a kernel, but no clock "
		    "tells of which boot.");
	else
		say(w, "How the machine ended is not known: nothing here keeps a kernel's last words "
		    "over a reset (no pstore backend, no watchdog that says why it was reset).");
}

/* There is something that may tell, and it cannot be used. */
static bool is_hidden(const struct outcome_facts *f)
{
	return f->unreadable || f->is_undated || f->closed[0];
}

static enum tally_end end_of(const struct crumb_note *past, const struct outcome_facts *f)
{
	if (f->has_panic)
		return TALLY_END_PANIC;
	if (f->has_reboot || past->last_policy)
		return TALLY_END_LAST_POLICY;
	if (past->is_orderly)
		return TALLY_END_SHUTDOWN;
	if (f->has_watchdog)
		return TALLY_END_WATCHDOG;
	if (f->kills)
		return TALLY_END_OOM_KILL;
	if (past->is_stopped || is_hidden(f))
		return TALLY_END_UNKNOWN;
	return f->is_kept ? TALLY_END_POWER_LOSS : TALLY_END_UNKNOWN;
}

static void say_forecast(struct words *w, const struct crumb_note *past)
{
	static const char *const stages[] = { "normal", "warning", "imminent", "shutdown" };
	const struct tally_episode *e = &past->episode;

	if (!e->number)
		return;
	say(w, " Episode %" PRIu64 " of %s was open, its highest stage %s", e->number,
	    e->domain[0] ? e->domain : "the machine",
	    e->highest < COUNT(stages) ? stages[e->highest] : "unknown");
	if (e->tte_us == UINT64_MAX)
		say(w, ": no end was forecast");
	else
		say(w, ": forecast %.1f s", seconds(e->tte_us));
	if (e->tte_us != UINT64_MAX && e->tte_early_us != UINT64_MAX && e->tte_late_us != UINT64_MAX)
		say(w, " (%.1f-%.1f)", seconds(e->tte_early_us), seconds(e->tte_late_us));
	if (past->mono_us >= e->forecast_at_us)
		say(w, ", the last sign of life came %.1f s after it",
		    seconds(past->mono_us - e->forecast_at_us));
	say(w, ".");
}

void outcome_judge(const struct crumb_note *past, const struct outcome_facts *facts, struct outcome *ret)
{
	static void (*const say_end[TALLY_END_COUNT])(struct words *w, const struct outcome_facts *f) = {
		[TALLY_END_PANIC] = say_panic,
		[TALLY_END_LAST_POLICY] = say_last,
		[TALLY_END_SHUTDOWN] = say_shutdown,
		[TALLY_END_WATCHDOG] = say_watchdog,
		[TALLY_END_OOM_KILL] = say_kill,
		[TALLY_END_POWER_LOSS] = say_power_loss,
		[TALLY_END_UNKNOWN] = say_unknown,
	};
	struct outcome o = { .is_known = facts->is_other_boot && past->boot[0], .end = TALLY_END_UNKNOWN };
	struct words w = { o.text, sizeof(o.text), 0 };

	*ret = o;
	if (!o.is_known)
		return;
	o.end = end_of(past, facts);
	if (o.end == TALLY_END_PANIC)
		(void)snprintf(o.of, sizeof(o.of), "%.*s", (int)sizeof(o.of) - 1, facts->panic);
	else if (o.end == TALLY_END_OOM_KILL)
		memcpy(o.of, facts->killed[facts->kills < OUTCOME_KILLS_MAX ? facts->kills - 1 :
					   OUTCOME_KILLS_MAX - 1], sizeof(o.of));
	if (o.end == TALLY_END_UNKNOWN && past->is_stopped && !is_hidden(facts))
		say_stopped(&w);
	else
		say_end[o.end](&w, facts);
	say_forecast(&w, past);
	*ret = o;
}

bool outcome_is_reset(enum tally_end end, const struct crumb_note *past)
{
	if (end == TALLY_END_UNKNOWN && past->is_stopped)
		return false;
	return end == TALLY_END_PANIC || end == TALLY_END_WATCHDOG || end == TALLY_END_POWER_LOSS ||
	       end == TALLY_END_OOM_KILL || end == TALLY_END_UNKNOWN;
}
