/* SPDX-License-Identifier: MIT */
/*
 * failsoft/responder.h - be a procedure that stands ready before memory runs out.
 *
 * A procedure is a program that failsoftd runs before it ends another one. Any program will do: it
 * is held in memory and started when its time has come. A program that uses this header is started
 * long before instead, takes and locks all memory that it will need, and then waits in
 * failsoft_responder_wait(). In the crisis it only has to wake up: 0.01 ms instead of an exec.
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct failsoft_responder_run run;
 *		int r;
 *
 *		open_what_is_needed(argv);
 *		r = failsoft_responder_wait(&run);
 *		if (r != 0)
 *			return r < 0;	// nobody needs it any more: the end
 *		return save_something_of(run.pid) ? 0 : 1;
 *	}
 *
 * What main() returns is the outcome: 0 is success. Standard output and error go to the record of
 * failsoftd, the first 1 KiB of them. At its deadline the program is killed with all that it has
 * started. It runs once; failsoftd starts it again when the crisis is over.
 *
 * After failsoft_responder_wait() has returned: allocate nothing, start nothing, and do not wait for
 * what others must free memory for. Link with libfailsoft-responder.a, which needs nothing but
 * libc; static programs have the least to lock.
 *
 * Times: CLOCK_MONOTONIC, microseconds. Errors: negative errno. Threads: one.
 */
#ifndef FAILSOFT_RESPONDER_H
#define FAILSOFT_RESPONDER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef FAILSOFT_API
#define FAILSOFT_API __attribute__((visibility("default")))
#endif

#define FAILSOFT_RESPONDER_VERSION	1u
#define FAILSOFT_RESPONDER_PIDS_MAX	64u

/*
 * For whom it is called. Programs that do not use this header find the same in their environment:
 * FAILSOFT_PID, FAILSOFT_NAME, FAILSOFT_CGROUP, FAILSOFT_EPISODE, FAILSOFT_DEADLINE_USEC.
 */
struct failsoft_responder_run {
	uint32_t version;		/* FAILSOFT_RESPONDER_VERSION; later ones only add members */
	int32_t pid;			/* that is about to be ended; 0: nobody's, it is a last policy */
	uint64_t start_ticks;		/* field 22 of /proc/PID/stat: is it still the same one? */
	uint64_t episode;		/* number of the crisis, as in failsoftctl episodes */
	uint64_t deadline_usec;		/* then the program is killed */
	uint32_t pids_count;		/* all processes that are about to be ended, `pid` among them; */
	int32_t pids[FAILSOFT_RESPONDER_PIDS_MAX]; /* more than the array: its first ones.
						    * pid 0: clients that may not be ended */
	char name[16];			/* as in /proc/PID/comm */
	char cgroup[256];		/* as in /proc/PID/cgroup; "" when not known */
};

/*
 * Touches and locks all memory of the program and of its stack (256 KiB), tells failsoftd that it
 * stands ready, and waits, for months maybe, until it is needed. What is allocated after it is
 * locked, too, but has to be found first.
 *
 * ret: filled in when 0 is returned; the caller's.
 * Returns 0 when the program is to do its work now, 1 when it is needed no more (the procedure was
 * removed, failsoftd has ended): exit.
 * Errors: -EINVAL ret is NULL; -ENODEV not started by failsoftd (there is no FAILSOFT_RESPONDER_FD
 * in the environment); -EPROTO what came is not of this version; the errno of reading. Memory that
 * cannot be locked (no CAP_IPC_LOCK, RLIMIT_MEMLOCK) is no error: one line on standard error says so.
 * Since: 1.1
 */
FAILSOFT_API int failsoft_responder_wait(struct failsoft_responder_run *ret);

#ifdef __cplusplus
}
#endif
#endif
