/* SPDX-License-Identifier: MIT */
/*
 * Running failsoftctl as a child, on pipes or on a terminal of 80x24 that the test owns, and
 * judging what a person's terminal would get. Edge. Times are durations in microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#define CTL_ROWS	24
#define CTL_COLUMNS	80
#define CTL_ARGS_MAX	8
#define CTL_PATIENCE_US	20000000u	/* then it hangs, and is killed */

struct ctl_call {
	const char *address;		/* NULL: no --bus */
	const char *locale;		/* NULL: C.UTF-8 */
	const char *environment;	/* one more "NAME=value", or NULL */
	bool has_full_output;		/* nothing of it can be written: /dev/full */
	const char *arg[CTL_ARGS_MAX];	/* up to NULL */
};

struct ctl_result {
	int code;			/* exit code; -signal; -1000: killed because it hung */
	char out[131072], err[8192];	/* terminated; what is more is dropped */
	uint64_t took_us;
};

void ctl_run(const struct ctl_call *call, struct ctl_result *ret);

/* ---- on a terminal ---- */

struct ctl_terminal {
	pid_t pid;
	int master, slave;		/* slave: kept open, so that its settings can be read after */
	struct termios before;
};

void ctl_terminal_open(struct ctl_terminal *t, const struct ctl_call *call);
/* Reads until `text` has come (or the child has ended), into ret->out. */
bool ctl_terminal_wait(struct ctl_terminal *t, const char *text, struct ctl_result *ret);
void ctl_terminal_type(struct ctl_terminal *t, char key);
/* Reads to the end and closes. true: the terminal's settings are what they were. */
bool ctl_terminal_end(struct ctl_terminal *t, struct ctl_result *ret);

/* ---- judging ---- */

/* "" or what is wrong: no UTF-8, a control character, colours where none belong, a line of more
 * than `columns`, more than `lines`; 0: not counted. */
const char *ctl_fault(const char *text, unsigned columns, unsigned lines);
/* The same of the last picture that `watch` drew: no escape sequences but its own. */
const char *ctl_picture_fault(const char *text);
