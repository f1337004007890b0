/* SPDX-License-Identifier: MIT */
/*
 * failsoft-responder: stands ready for one procedure. It is started by failsoftd, or by systemd for
 * it, long before the crisis; starts the program (or a child that will become it), holds what that
 * needs in memory, and waits. In the crisis it gives the signal to run, reads the output, counts
 * the time, kills what is late, and tells how it ended. It runs once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <failsoft/launch.h>

/* What a child says before it waits: this, or an errno with this bit. */
#define STANDBY_READY	FAILSOFT_RESPONDER_VERSION
#define STANDBY_ERROR	0x80000000u

/* The program, or the child that will become it. */
struct standby {
	pid_t pid;
	int pid_fd;			/* readable when it has ended */
	int control_fd;			/* our end of what FAILSOFT_RESPONDER_FD is in a native one */
	int output_fd;			/* what it writes; not blocking */
};

/* standby.c. 0 or -errno; *ret is complete then, and the child works on being ready. */
int standby_start(const struct launch_spec *spec, struct standby *ret);
/* Waits until it is ready. 0, or the errno of what is wrong with the program, negative. */
int standby_wait(const struct standby *s);
/* Now. 0 or -errno. */
int standby_run(const struct standby *s, const struct failsoft_responder_run *run);
/* Why its exec failed: errno; 0: it did not. Only when it has ended. */
uint32_t standby_exec_errno(const struct standby *s);

/* hold.c: maps and locks the program's file, what it is linked with, its interpreter, and `keep`.
 * 0, or -errno of the first that cannot be held: of `keep`, ret->broken names it. ret->held_bytes:
 * how much. */
int hold_files(const struct launch_spec *spec, struct launch_reply *ret);
/* One program; what it takes is added to *bytes. Libraries whose names begin with one of `without`, which
 * ends with NULL, are left out; NULL: none. */
int hold_program(const char *path, const char *const *without, uint64_t *bytes);

/* clean.c: kills all descendants of this process, those that escaped, too. false: some are left. */
bool clean_once(void);
bool clean_all(void);

/* words of the spec as an array for exec; first may be NULL. ret[LAUNCH_WORDS_MAX + 2]. */
void launch_list(const struct launch_words *words, const char *first, const char **ret);
uint64_t launch_now_usec(void);
