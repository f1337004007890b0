/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outcome.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static const struct crumb_note plain = { .boot = "0123456789abcdef0123456789abcdef",
					 .alive_us = 3610000000, .mono_us = 10000000 };

/* What the kernel wrote (6.1, some shortened) and what is taken from it: "-" no panic. */
static const struct {
	const char *name, *text, *panic;
	uint32_t kills;
	const char *last;
} words_rows[] = {
	{ "everybody is at -1000",
	  "Panic#1 Part1\n<4>[    8.123456] Tasks state (memory values in pages):\n"
	  "<0>[    8.124567] Kernel panic - not syncing: System is deadlocked on memory\n"
	  "<4>[    8.124999] CPU: 0 PID: 1 Comm: init Not tainted 6.1.0\n",
	  "System is deadlocked on memory", 0, "" },
	{ "panic_on_oom", "[    8.1] Kernel panic - not syncing: Out of memory: system-wide "
	  "panic_on_oom is enabled\n",
	  "Out of memory: system-wide panic_on_oom is enabled", 0, "" },
	{ "kills, then a panic",
	  "<3>[   7.9] Out of memory: Killed process 312 (hog) total-vm:1048576kB, "
		  "anon-rss:99kB, UID:0\n"
	  "<0>[   8.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n",
	  "Attempted to kill init! exitcode=0x00000009", 1, "hog" },
	{ "a cgroup's", "<3>[1.0] Memory cgroup out of memory: Killed process 5 (web) "
	  "total-vm:1kB, x\n", "-", 1, "web" },
	{ "who allocates", "<3>[1.0] Out of memory (oom_kill_allocating_task): Killed process "
	  "5 (me) total-vm:1kB\n",
	  "-", 1, "me" },
	{ "a name with everything in it",
	  "[1.0] Out of memory: Killed process 5 (a) b) total-vm:(c) total-vm:1kB\n", "-", 1,
		  "a) b) total-vm:(c" },
	{ "an older kernel", "[1.0] Killed process 5 (old), UID 0, total-vm:1kB\n", "-", 1, "old" },
	{ "with callers", "<3>[    1.0][    T1] Out of memory: Killed process 5 (x) "
	  "total-vm:1kB\n", "-", 1, "x" },
	{ "without prefix or end", "Kernel panic - not syncing: Fatal exception",
	  "Fatal exception", 0, "" },
	{ "the first panic counts",
	  "Kernel panic - not syncing: one\nKernel panic - not syncing: two\n", "one", 0, "" },
	{ "the same kill twice", "[1] Out of memory: Killed process 5 (x) total-vm:1kB\n"
	  "[1] Out of memory: Killed process 5 (x) total-vm:1kB\n", "-", 1, "x" },
	{ "only the head of a part", "Panic#2 Part3\n<6>[1.0] usb 1-1: new\n", "", 0, "" },
	{ "an oops is no panic", "Oops#1 Part1\n<1>[1.0] BUG: kernel NULL pointer "
	  "dereference\n", "-", 0, "" },
	/* what is not the kernel's word */
	{ "a program wrote it to /dev/kmsg", "<12>[1.0] Kernel panic - not syncing: hello\n",
	  "-", 0, "" },
	{ "a program's line of its log", "<30>[1.0] x: Out of memory: Killed process 5 (x) "
	  "total-vm:1kB\n", "-", 0, "" },
	{ "within a sentence", "[1.0] systemd[1]: Kernel panic - not syncing: hello\n", "-", 0, "" },
	{ "a table of processes", "[1.0] [  312]     0   312   262144  hog\n", "-", 0, "" },
	{ "no process", "[1.0] Out of memory: Killed process 0 (x) total-vm\n", "-", 0, "" },
	{ "no name", "[1.0] Out of memory: Killed process 5\n", "-", 0, "" },
	{ "its name has no end", "[1.0] Out of memory: Killed process 5 (x", "-", 1, "" },
	{ "nothing", "", "-", 0, "" },
	{ "halves of prefixes", "<\n<3\n<3>\n[\n[ 1.0\n[1]\n<99999999999999999999>x\n", "-", 0, "" },
	{ "bytes", "Kernel panic - not syncing: \x01\xff\n", "??", 0, "" },
};

static void the_kernels_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(words_rows); i++) {
		struct outcome_facts f = { 0 };
		const char *last;

		outcome_kmsg(words_rows[i].text, &f);
		last = f.kills ? f.killed[f.kills - 1] : "";
		if (f.has_panic != (words_rows[i].panic[0] != '-') || f.kills != words_rows[i].kills ||
		    strcmp(last, words_rows[i].last) ||
		    (f.has_panic && strcmp(f.panic, words_rows[i].panic)))
			fail_msg("%s: panic %d \"%s\", %u kills, last \"%s\"", words_rows[i].name,
				 f.has_panic, f.panic, f.kills, last);
	}
}

static void the_last_of_many_kills_are_named(void **state)
{
	struct outcome_facts f = { .is_other_boot = true };
	struct outcome o;
	char text[1024] = "";

	(void)state;
	for (unsigned i = 1; i <= 9; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[1.0] Out of memory: Killed process %u (p%u) total-vm:1kB\n", i, i);
	outcome_kmsg(text, &f);
	outcome_kmsg(text, &f); /* console and dump hold the same */
	assert_int_equal(f.kills, 9);
	assert_string_equal(f.killed[0], "p6");
	assert_string_equal(f.killed[3], "p9");
	outcome_judge(&plain, &f, &o);
	assert_int_equal(o.end, TALLY_END_OOM_KILL);
	assert_string_equal(o.of, "p9");
	assert_non_null(strstr(o.text, "p6, p7, p8 and p9 (the last of 9)"));
}

/* A row: what is known, and how the boot ended, of whom, with which words. */
static const struct {
	const char *name;
	struct outcome_facts facts;
	bool is_orderly, is_last;
	enum tally_end end;
	const char *of, *words;
} end_rows[] = {
	{ "a panic", { .has_panic = true, .panic = "System is deadlocked on memory",
		       .source = "dmesg-ramoops-0" },
	  false, false, TALLY_END_PANIC, "System is deadlocked on memory",
	  "The kernel panicked: \"System is deadlocked on memory\" (dmesg-ramoops-0)." },
	{ "a kill, then a panic: panic, and the killed is named",
	  { .has_panic = true, .panic = "Attempted to kill init!", .kills = 1, .killed = { "hog" } },
	  false, false, TALLY_END_PANIC, "Attempted to kill init!",
		  "before it had killed hog for lack of memory" },
	{ "a panic, why was not kept", { .has_panic = true }, false, false, TALLY_END_PANIC, "",
	  "why is not in what was kept" },
	{ "a panic, then the watchdog", { .has_panic = true, .panic = "x", .has_watchdog = true,
					  .watchdog = "watchdog0" },
	  false, false, TALLY_END_PANIC, "x", "watchdog0 then reset the machine" },
	{ "a panic while it was shut down", { .has_panic = true, .panic = "x" }, true, false,
	  TALLY_END_PANIC, "x", "panicked" },
	{ "failsoft rebooted it", { .has_reboot = true, .is_kept = true }, true, false,
	  TALLY_END_LAST_POLICY, "",
	  "failsoftd has it on record" },
	{ "and was about to", { .is_kept = true }, false, true, TALLY_END_LAST_POLICY, "",
	  "was about to end the machine" },
	{ "in order", { .is_kept = true }, true, false, TALLY_END_SHUTDOWN, "",
	  "shut down in order" },
	{ "in order, on a board that reboots by its watchdog", { .has_watchdog = true,
								 .watchdog = "watchdog0" },
	  true, false, TALLY_END_SHUTDOWN, "", "boards that reboot that way" },
	{ "the watchdog", { .has_watchdog = true, .watchdog = "watchdog1", .is_kept = true },
	  false, false,
	  TALLY_END_WATCHDOG, "", "watchdog1 says so" },
	{ "kills, then the watchdog",
	  { .has_watchdog = true, .watchdog = "watchdog0", .kills = 2, .killed = { "a", "b" },
	    .source = "console-ramoops-0" },
	  false, false, TALLY_END_WATCHDOG, "",
		  "had killed a and b for lack of memory (console-ramoops-0)" },
	{ "kills and nothing after", { .kills = 1, .killed = { "hog" }, .is_kept = true },
	  false, false,
	  TALLY_END_OOM_KILL, "hog", "what ended the machine after that is not known" },
	{ "something is kept and shows nothing", { .is_kept = true, .kept_by = "ramoops" },
	  false, false,
	  TALLY_END_POWER_LOSS, "", "what ramoops keeps over a reset shows nothing" },
	{ "nothing is kept", { .is_kept = false }, false, false, TALLY_END_UNKNOWN, "",
	  "nothing here keeps" },
	{ "a dump that cannot be read", { .is_kept = true, .unreadable = 2 }, false, false,
	  TALLY_END_UNKNOWN, "",
	  "2 dumps that it could not unpack" },
	{ "a place that may not be read", { .is_kept = true, .closed = "/sys/fs/pstore" },
	  false, false,
	  TALLY_END_UNKNOWN, "", "/sys/fs/pstore cannot be read" },
	{ "and what root read of it is garbage", { .is_kept = true, .closed = "/sys/fs/pstore",
						   .refused = "line 3 is none" },
	  false, false,
	  TALLY_END_UNKNOWN, "", "/sys/fs/pstore cannot be read by this process, and what "
	  "failsoft-last-words read of it is not used: line 3 is none." },
	{ "words of which boot?", { .is_kept = true, .is_undated = true }, false, false,
	  TALLY_END_UNKNOWN, "",
	  "no clock tells of which boot" },
};

static void how_it_ended(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(end_rows); i++) {
		struct outcome_facts facts = end_rows[i].facts;
		struct crumb_note past = plain;
		struct outcome o;

		facts.is_other_boot = true;
		past.is_orderly = end_rows[i].is_orderly;
		past.last_policy = end_rows[i].is_last;
		outcome_judge(&past, &facts, &o);
		if (!o.is_known || o.end != end_rows[i].end || strcmp(o.of, end_rows[i].of) ||
		    !strstr(o.text, end_rows[i].words))
			fail_msg("%s: %s of \"%s\": %s", end_rows[i].name, tally_end_name(o.end), o.of,
				 o.text);
	}
}

/* Whoever stopped us on purpose may have shut the machine down in order: only what was left behind counts. */
static void stopped_before(void **state)
{
	static const struct {
		struct outcome_facts facts;
		enum tally_end end;
		bool is_reset;
		const char *words;
	} rows[] = {
		{ { .is_kept = true, .kept_by = "ramoops" }, TALLY_END_UNKNOWN, false, "stopped on purpose" },
		{ { .is_kept = false }, TALLY_END_UNKNOWN, false, "stopped on purpose" },
		{ { .unreadable = 2 }, TALLY_END_UNKNOWN, false, "2 dumps" },
		{ { .has_panic = true }, TALLY_END_PANIC, true, "panicked" },
		{ { .has_watchdog = true }, TALLY_END_WATCHDOG, true, "says so" },
		{ { .has_reboot = true }, TALLY_END_LAST_POLICY, false, "on record" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct outcome_facts facts = rows[i].facts;
		struct crumb_note past = plain;
		struct outcome o;

		facts.is_other_boot = true;
		past.is_stopped = 1;
		outcome_judge(&past, &facts, &o);
		if (o.end != rows[i].end || outcome_is_reset(o.end, &past) != rows[i].is_reset ||
		    !strstr(o.text, rows[i].words))
			fail_msg("row %zu: %s: %s", i, tally_end_name(o.end), o.text);
	}
}

static void nothing_to_report(void **state)
{
	const struct outcome_facts same = { .has_panic = true }, other = { .is_other_boot = true,
									   .has_panic = true };
	const struct crumb_note none = { 0 };
	struct outcome o;

	(void)state;
	outcome_judge(&plain, &same, &o);
	assert_false(o.is_known);
	outcome_judge(&none, &other, &o);
	assert_false(o.is_known);
}

static void the_forecast_against_what_came(void **state)
{
	static const struct {
		struct tally_episode episode;
		uint64_t mono_us;
		const char *expect;
	} rows[] = {
		{ { .number = 7, .domain = "system", .highest = 3, .forecast_at_us = 9200000,
		    .tte_us = 900000,
		    .tte_early_us = 500000, .tte_late_us = 1600000 }, 10000000,
		  " Episode 7 of system was open, its highest stage shutdown: forecast 0.9 s "
			  "(0.5-1.6), the last sign of "
		  "life came 0.8 s after it." },
		{ { .number = 7, .highest = 2, .forecast_at_us = 9000000, .tte_us = 900000,
		    .tte_early_us = UINT64_MAX,
		    .tte_late_us = UINT64_MAX }, 10000000,
		  " Episode 7 of the machine was open, its highest stage imminent: forecast 0.9 s, the "
			  "last sign of life came "
		  "1.0 s after it." },
		{ { .number = 7, .domain = "system", .highest = 1, .forecast_at_us = 9000000,
		    .tte_us = UINT64_MAX }, 10000000,
		  "its highest stage warning: no end was forecast, the last sign of life came 1.0 s "
			  "after it." },
		{ { .number = 7, .domain = "system", .highest = 9, .forecast_at_us = 9000000,
		    .tte_us = 1 }, 8000000,
		  "its highest stage unknown: forecast 0.0 s (0.0-0.0)." },
		{ { .number = 0, .tte_us = 5 }, 1, "why it was reset)." },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct outcome_facts facts = { .is_other_boot = true };
		struct crumb_note past = plain;
		struct outcome o;
		size_t length = strlen(rows[i].expect);

		past.episode = rows[i].episode;
		past.mono_us = rows[i].mono_us; /* alive_us has an hour of sleep in it */
		outcome_judge(&past, &facts, &o);
		if (strlen(o.text) < length || strcmp(o.text + strlen(o.text) - length, rows[i].expect))
			fail_msg("row %zu: %s", i, o.text);
	}
}

/* Everything as long as it can be: cut, never beyond its end. */
static void the_longest_text(void **state)
{
	struct outcome_facts f = { .is_other_boot = true, .has_panic = true, .has_watchdog = true,
				   .kills = 9 };
	struct crumb_note past = plain;
	struct outcome o;

	(void)state;
	memset(f.panic, 'p', sizeof(f.panic) - 1);
	memset(f.source, 's', sizeof(f.source) - 1);
	memset(f.watchdog, 'w', sizeof(f.watchdog) - 1);
	for (unsigned i = 0; i < OUTCOME_KILLS_MAX; i++)
		memset(f.killed[i], 'k', sizeof(f.killed[i]) - 1);
	past.episode.number = UINT64_MAX;
	memset(past.episode.domain, 'd', sizeof(past.episode.domain) - 1);
	outcome_judge(&past, &f, &o);
	assert_int_equal(strlen(o.text), sizeof(o.text) - 1);
	assert_int_equal(strlen(o.of), sizeof(o.of) - 1);
}

static void which_ends_are_resets(void **state)
{
	(void)state;
	for (int end = 0; end < TALLY_END_COUNT; end++)
		assert_int_equal(outcome_is_reset((enum tally_end)end, &plain), end == TALLY_END_PANIC ||
				 end == TALLY_END_WATCHDOG ||
				 end == TALLY_END_POWER_LOSS || end == TALLY_END_UNKNOWN ||
					 end == TALLY_END_OOM_KILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_words),
		cmocka_unit_test(the_last_of_many_kills_are_named),
		cmocka_unit_test(how_it_ended),
		cmocka_unit_test(stopped_before),
		cmocka_unit_test(nothing_to_report),
		cmocka_unit_test(the_forecast_against_what_came),
		cmocka_unit_test(the_longest_text),
		cmocka_unit_test(which_ends_are_resets),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
