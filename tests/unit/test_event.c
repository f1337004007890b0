/* SPDX-License-Identifier: MIT */
#include "rig.h"

static const struct row {
	const char *name;
	struct event given;
	const char *expect;
} rows[] = {
	{ "stage by time", { .kind = EVENT_STAGE, .from = STAGE_NORMAL, .to = STAGE_WARNING,
	  .why = STAGE_WHY_TIME, .headroom_bytes = 20 * MIB, .total_bytes = 64 * MIB,
	  .tte_us = 2500000, .tte_low_us = 2400000, .tte_early_us = 2100000, .tte_late_us = 3400000,
	  .lead_us = 2600000, .fall_bytes_per_s = 8 * MIB,
	  .domain_name = "system" },
	  "system: normal -> warning: headroom 20.0 MiB of 64.0 MiB, exhausted in 2.5 s (2.1 s to 3.4 s; "
	  "at worst 2.4 s); "
	  "less than the 2.6 s that the clients need, falling at up to 8.0 MiB/s" },
	{ "stage by floor, not falling", { .kind = EVENT_STAGE, .from = STAGE_WARNING, .to = STAGE_IMMINENT,
	  .why = STAGE_WHY_FLOOR, .headroom_bytes = MIB, .total_bytes = 64 * MIB, .tte_us = NEVER_US,
	  .tte_low_us = NEVER_US, .floor_bytes = 4 * MIB, .distress = DISTRESS_PSI_SOME | DISTRESS_OOM },
	  "warning -> imminent: headroom 1.0 MiB of 64.0 MiB, not falling; below the floor of 4.0 MiB; "
	  "kernel: PSI some, OOM kill" },
	{ "request", { .kind = EVENT_REQUEST, .step = STEP_FLUSH, .client = 1, .name = "logger",
	  .time_us = 1000, .a = 501000 }, "logger is asked to flush within 500 ms" },
	{ "final request", { .kind = EVENT_REQUEST, .step = STEP_SHUTDOWN, .client = 1, .name = "logger",
	  .time_us = 1000, .a = 501000, .c = 1 }, "logger is asked to shut down for good within 500 ms" },
	{ "answer", { .kind = EVENT_ANSWER, .step = STEP_FLUSH, .result = RESULT_DONE, .client = 1,
	  .name = "logger", .a = 12000, .b = 2 * MIB }, "logger: flush done after 12 ms, freed 2.0 MiB" },
	{ "late", { .kind = EVENT_ANSWER, .result = RESULT_LATE, .client = 1,
	  .name = "logger", .sequence = 7 },
	  "logger answers request 7 too late" },
	{ "dry run", { .kind = EVENT_ACTION, .rung = RUNG_TERM, .name = "hog", .a = 9, .d = 1 },
	  "would send SIGTERM to hog (pid 9)" },
	{ "evidence", { .kind = EVENT_EVIDENCE, .to = STAGE_IMMINENT, .evidence = { { 50, 0, 50 } } },
	  "imminent rests on headroom 50 %, growth 50 %; independent witnesses agree" },
	{ "who wrote", { .kind = EVENT_VICTIM, .name = "filler", .a = 7, .b = MIB, .c = 36 * MIB,
	  .d = 40 * MIB, .e = 1, .why = 1 }, "filler (pid 7, 1.0 MiB) caused it: wrote 36.0 MiB while "
	  "40.0 MiB grew that no process shows" },
	{ "the brake", { .kind = EVENT_BRAKE, .name = "hog", .a = 7, .b = 3, .c = 200000, .e = 500000 },
	  "stops hog (pid 7, 3 processes) for now: clients need 500 ms, at worst there are 200 ms" },
	{ "let go", { .kind = EVENT_LET_GO, .name = "hog", .a = 7, .b = 1, .c = 12000 },
	  "lets go on hog (pid 7) after 12 ms" },
	{ "the tripwire", { .kind = EVENT_TRIPWIRE, .a = 40 * MIB, .b = 12 * MIB, .c = 5 * MIB,
	  .d = TRIPWIRE_ARMED },
	  "the tripwire stands at 40.0 MiB, with 12.0 MiB in use, to keep 5.0 MiB" },
	{ "it would stand", { .kind = EVENT_TRIPWIRE, .a = 40 * MIB, .c = 5 * MIB, .d = TRIPWIRE_DRY },
	  "the tripwire would stand at 40.0 MiB, with 0 B in use, to keep 5.0 MiB" },
	{ "for those who save", { .kind = EVENT_TRIPWIRE, .d = TRIPWIRE_OPEN },
	  "the tripwire is taken away while clients save" },
	{ "no more", { .kind = EVENT_TRIPWIRE, .d = TRIPWIRE_OFF }, "there is no tripwire any more" },
	{ "tripped", { .kind = EVENT_TRIPPED, .a = 40 * MIB, .b = 40 * MIB, .c = 5 * MIB,
	  .d = TRIPWIRE_ARMED }, "programs at the tripwire of 40.0 MiB are slowed by the kernel, 5.0 MiB "
	  "of the machine are kept" },
	{ "came back", { .kind = EVENT_RETURNED, .name = "hog", .a = 7, .b = 40 * MIB, .c = 38 * MIB,
	  .d = 219000 }, "38.0 MiB of 40.0 MiB came back from hog (pid 7) in 219 ms" },
	{ "hardly anything came back", { .kind = EVENT_RETURNED, .name = "hog", .a = 7, .b = 40 * MIB,
	  .c = MIB, .d = 219000 }, "1.0 MiB of 40.0 MiB came back from hog (pid 7) in 219 ms; it shared "
	  "them, or others have taken them already" },
	{ "evidence for an end", { .kind = EVENT_EVIDENCE, .to = STAGE_SHUTDOWN, .a = 812, .name = "hog",
	  .evidence = { { 50, 0, 50 } } },
	  "ending hog (pid 812) rests on headroom 50 %, growth 50 %; independent witnesses agree" },
	{ "one witness", { .kind = EVENT_EVIDENCE, .to = STAGE_WARNING, .evidence = { { 50, 50 } } },
	  "warning rests on headroom 50 %, forecast 50 %; one witness, enough for what can be taken back" },
	{ "held back", { .kind = EVENT_HELD_BACK, .name = "db", .a = 7, .evidence = { { 100 } } },
	  "nobody is ended yet, not even db (pid 7), the largest: only headroom 100 % speaks, and two "
	  "independent witnesses are needed" },
	{ "grower", { .kind = EVENT_GROWER, .name = "hog", .a = 9, .b = 12 * MIB, .c = 5 * MIB, .d = 9100,
	  .e = 1 }, "hog (pid 9) grew by 12.0 MiB, now at 5.0 MiB/s: 91 % of all growth" },
	{ "growing tree", { .kind = EVENT_GROWER, .name = "sh", .a = 9, .b = MIB, .c = 0, .d = 10000,
	  .e = 40 }, "sh (pid 9, 40 processes) grew by 1.0 MiB, now at 0 B/s: 100 % of all growth" },
	{ "growing pool", { .kind = EVENT_GROWER, .name = "tmpfs and shared memory", .b = MIB, .c = MIB,
	  .d = 5000 }, "tmpfs and shared memory grew by 1.0 MiB, now at 1.0 MiB/s: 50 % of all growth" },
	{ "killed by the kernel", { .kind = EVENT_CLIENT_KILLED, .client = 1, .name = "logger", .a = 8,
	  .b = 9, .c = 1 }, "logger (pid 8) was ended by signal 9: by the kernel, for lack of memory" },
	{ "killed by somebody", { .kind = EVENT_CLIENT_KILLED, .client = 1, .name = "logger", .a = 8,
	  .b = 9 }, "logger (pid 8) was ended by signal 9: not by the kernel's OOM killer" },
	{ "overrun", { .kind = EVENT_OVERRUN, .name = "proc-events", .a = 2 },
	  "proc-events lost events (2 times so far): everything is looked at again" },
	{ "procedure", { .kind = EVENT_PROCEDURE, .name = "save", .a = 9, .b = 2, .time_us = 1000,
	  .c = 501000 }, "save runs for pid 9 before it is ended, for at most 500 ms" },
	{ "procedure, dry run", { .kind = EVENT_PROCEDURE, .name = "save", .a = 9, .time_us = 1000,
	  .c = 501000, .d = 1 }, "save would run for pid 9 before it is ended, for at most 500 ms" },
	{ "procedure done", { .kind = EVENT_PROCEDURE_ENDED, .name = "save", .a = 9, .b = PROCEDURE_DONE,
	  .d = 12000, .e = 2 * KIB }, "save for pid 9 has done its work, after 12 ms; it wrote 2.0 KiB" },
	{ "procedure failed", { .kind = EVENT_PROCEDURE_ENDED, .name = "save", .a = 9,
	  .b = PROCEDURE_FAILED, .c = 3, .d = 12000 },
	  "save for pid 9 failed with exit status 3, after 12 ms" },
	{ "procedure late", { .kind = EVENT_PROCEDURE_ENDED, .name = "save", .a = 9, .b = PROCEDURE_LATE,
	  .d = 500000 }, "save for pid 9 did not end in time and is stopped, after 500 ms" },
	{ "procedure's words", { .kind = EVENT_PROCEDURE_OUTPUT, .name = "saved 4 files", .a = 9, .b = 2 },
	  "procedure 2 says: saved 4 files" },
	{ "responder", { .kind = EVENT_RESPONDER, .name = "save", .a = 2 },
	  "procedure 2 (save) stands ready" },
	{ "no responder", { .kind = EVENT_RESPONDER, .name = "save", .a = 2, .b = 13 },
	  "procedure 2 (save) cannot stand ready, errno 13" },
	{ "the guard", { .kind = EVENT_GUARD, .name = "hog", .a = 7, .b = 2, .c = 3, .e = 270000 },
	  "the broker's loop stood still for 270 ms while memory was short: its guard stopped hog (pid 7, 2 "
	  "processes) and asked 3 clients to shut down" },
	{ "the guard knew nobody, dry run", { .kind = EVENT_GUARD, .c = 1, .d = 1, .e = 270000 },
	  "the broker's loop stood still for 270 ms while memory was short: its guard asked 1 client "
	  "to shut down" },
	{ "the guard was first", { .kind = EVENT_GUARD, .c = 0, .e = 270000, .why = 1 },
	  "the broker's loop stood still for 270 ms while memory was short: its guard asked 0 clients to "
	  "shut down; a signal that the loop was about to send was not sent" },
	{ "an end by the guard", { .kind = EVENT_ACTION, .rung = RUNG_KILL, .name = "hog", .a = 9, .e = 1 },
	  "the guard sends SIGKILL to hog (pid 9)" },
	{ "a kind that is none", { .kind = 999 }, "nothing" },
};

static void sentences(void **state)
{
	char have[512];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		size_t size = event_sentence(&rows[i].given, have, sizeof(have));

		SAY(&rows[i]);
		assert_int_equal(size, strlen(have));
		assert_string_equal(have, rows[i].expect);
	}
}

static void every_kind_in_every_size(void **state)
{
	char have[300];

	(void)state;
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		struct event e = { .kind = (uint16_t)kind, .name = "name", .domain_name = "domain" };

		assert_non_null(event_shape(kind)->name);
		for (size_t size = 1; size < sizeof(have); size++) {
			memset(have, 'x', sizeof(have));
			assert_true(event_sentence(&e, have, size) < size);
			assert_true(memchr(have, 0, size) != NULL);
			assert_int_equal(have[size], 'x');
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(every_kind_in_every_size),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
