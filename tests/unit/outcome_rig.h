/* SPDX-License-Identifier: MIT */
/*
 * What a boot may leave behind, as a tree of files in a temporary directory, and how that boot ended: rows
 * for who reads it, and for who has it read by root. Include after cmocka.h.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "outcome.h"
#include "words.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define FILES_MAX	6u

#define LIVE	"sys/fs/pstore/"
#define ARCHIVE	"var/lib/systemd/pstore/"
#define PANIC	"Panic#1 Part1\n<0>[    8.1] Kernel panic - not syncing: System is deadlocked on memory\n"
#define KILL	"<3>[    7.9] Out of memory: Killed process 312 (hog) total-vm:1kB\n"
#define QUIET	"<6>[    1.0] usb 1-1: new high-speed USB device\n"

/* Seconds before now; the last sign of life was 1000 s ago, or at no known time. No machine is up for five
 * years, and the clock was set. */
#define NOW	0
#define CRASH	990
#define ALIVE	1000
#define LONG_AGO	160000000
#define NEVER_SET	(-1)

static char directory[64];
static int root = -1;

struct file {
	const char *path, *text;
	int64_t age_s;
};

static inline void put(const struct file *f)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - f->age_s } };
	char command[256];
	int fd;

	if (f->age_s == NEVER_SET)
		times[0].tv_sec = 86400;
	times[1] = times[0];
	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s/%s')\"", directory, f->path);
	assert_int_equal(system(command), 0);
	fd = openat(root, f->path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->text, strlen(f->text)), strlen(f->text));
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static inline void begin(void)
{
	static const struct file boot = { "proc/sys/kernel/random/boot_id",
					  "01234567-89ab-cdef-0123-456789abcdef\n", NOW };

	strcpy(directory, "/tmp/failsoft-outcome-XXXXXX");
	assert_non_null(mkdtemp(directory));
	root = open(directory, O_RDONLY | O_DIRECTORY);
	assert_true(root >= 0);
	put(&boot);
}

static inline void end(void)
{
	char command[128];

	close(root);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	assert_int_equal(system(command), 0);
}

static inline struct crumb_note past_of(bool has_clock)
{
	struct crumb_note past = { .boot = "ffffffffffffffffffffffffffffffff" };

	past.real_s = has_clock ? (uint64_t)time(NULL) - ALIVE : 0;
	return past;
}

static const struct file ramoops = { "sys/module/pstore/parameters/backend", "ramoops\n", NOW };

/* What is there, and what is said of it. */
static const struct {
	const char *name;
	bool no_clock, no_directory;
	struct file files[FILES_MAX];
	enum tally_end end;
	const char *source;
} rows[] = {
	{ "nothing at all", false, true, { { "etc/x", "", NOW } }, TALLY_END_UNKNOWN, "" },
	{ "a backend with nothing in it", false, false, { ramoops }, TALLY_END_POWER_LOSS, "" },
	{ "a backend whose directory is not there", false, true, { ramoops }, TALLY_END_UNKNOWN, "" },
	{ "pstore without a backend", false, false,
	  { { "sys/module/pstore/parameters/backend", "(null)\n", NOW } }, TALLY_END_UNKNOWN, "" },
	{ "a panic", false, false, { ramoops, { LIVE "dmesg-ramoops-0", PANIC, CRASH } },
	  TALLY_END_PANIC, "dmesg-ramoops-0" },
	{ "a panic, no clock", true, false, { ramoops, { LIVE "dmesg-ramoops-0", PANIC, NEVER_SET } },
	  TALLY_END_PANIC,
	  "dmesg-ramoops-0" },
	{ "a panic of an earlier boot", false, false, { ramoops, { LIVE "dmesg-efi-1", PANIC, LONG_AGO } },
	  TALLY_END_POWER_LOSS, "" },
	{ "the console alone has the words", false, false,
	  { ramoops, { LIVE "console-ramoops-0", KILL PANIC, NOW } }, TALLY_END_PANIC, "console-ramoops-0" },
	{ "kills, and no word after", false, false, { ramoops, { LIVE "console-ramoops-0", QUIET KILL,
								 NOW } },
	  TALLY_END_OOM_KILL, "console-ramoops-0" },
	{ "words without a reason", false, false, { ramoops, { LIVE "console-ramoops-0", QUIET, NOW } },
	  TALLY_END_POWER_LOSS, "" },
	{ "one that the kernel could not unpack", false, false, { ramoops, { LIVE "dmesg-efi-17.enc.z",
									     "\x78\x9c", CRASH } },
	  TALLY_END_UNKNOWN, "" },
	{ "what programs left", false, false, { ramoops, { LIVE "pmsg-ramoops-0", PANIC, NOW },
						{ LIVE ".dmesg", PANIC, NOW } },
	  TALLY_END_POWER_LOSS, "" },
	{ "systemd has moved it", false, false, { ramoops, { ARCHIVE "17000/001/dmesg.txt", PANIC, CRASH } },
	  TALLY_END_PANIC, "dmesg.txt" },
	{ "systemd has moved it, flat", false, false, { ramoops, { ARCHIVE "dmesg-efi-1", PANIC,
								   CRASH } }, TALLY_END_PANIC,
	  "dmesg-efi-1" },
	{ "systemd has moved that of an earlier boot", false, false, { ramoops, { ARCHIVE "1/dmesg.txt",
										  PANIC, LONG_AGO } },
	  TALLY_END_POWER_LOSS, "" },
	{ "and no clock was right then", true, false, { ramoops, { ARCHIVE "1/dmesg.txt", PANIC, LONG_AGO } },
	  TALLY_END_UNKNOWN, "" },
	{ "or no clock was right when it was moved", false, false, { ramoops, { ARCHIVE "1/dmesg.txt",
										PANIC, NEVER_SET } },
	  TALLY_END_UNKNOWN, "" },
	{ "moved in this boot, whatever the clock was", true, false, { ramoops, { ARCHIVE "1/dmesg.txt",
										  PANIC, NOW } },
	  TALLY_END_PANIC, "dmesg.txt" },
	{ "the watchdog", false, true, { { "sys/class/watchdog/watchdog0/bootstatus", "32\n", NOW } },
	  TALLY_END_WATCHDOG, "" },
	{ "a watchdog that says another reason", false, true,
	  { { "sys/class/watchdog/watchdog0/bootstatus", "16\n", NOW } }, TALLY_END_POWER_LOSS, "" },
	{ "a watchdog that says nothing", false, true,
	  { { "sys/class/watchdog/watchdog0/bootstatus", "0\n", NOW } }, TALLY_END_UNKNOWN, "" },
	{ "one of two watchdogs", false, true,
	  { { "sys/class/watchdog/watchdog0/bootstatus", "0\n", NOW },
	    { "sys/class/watchdog/watchdog1/bootstatus", "32\n", NOW } },
	  TALLY_END_WATCHDOG, "" },
	{ "the panic's file is named, not that of a kill", false, false,
	  { ramoops, { LIVE "console-ramoops-0", KILL, NOW }, { LIVE "dmesg-ramoops-0", KILL PANIC,
								CRASH } }, TALLY_END_PANIC,
	  "dmesg-ramoops-0" },
};

/* A tree with the files of a row, and with pstore's directory unless it has none. */
static inline void begin_row(size_t i)
{
	static const struct file other = { LIVE "other", "", NOW };

	begin();
	if (!rows[i].no_directory)
		put(&other);
	for (size_t f = 0; f < FILES_MAX && rows[i].files[f].path; f++)
		put(&rows[i].files[f]);
}

static inline void must_be_row(size_t i, const struct outcome_facts *facts)
{
	const struct crumb_note past = past_of(!rows[i].no_clock);
	struct outcome o;

	outcome_judge(&past, facts, &o);
	if (!o.is_known || o.end != rows[i].end || strcmp(facts->source, rows[i].source))
		fail_msg("%s: %s, of \"%s\": %s", rows[i].name, tally_end_name(o.end), facts->source, o.text);
}
