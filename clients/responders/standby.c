/* SPDX-License-Identifier: MIT */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A program that needs longer to get ready has something to tell first, or waits for what is not
 * there. Half: a cold disk is called broken; double: the mistake is reported so much later. */
#define READY_MS	10000

#define CONTROL_FD	4	/* in the child */
#define NAME_WORDS	"FAILSOFT_NAME="

/* Filled in when it is known for whom; nothing is allocated then. */
struct environment {
	char pid[32], episode[48], deadline[48];
	char name[sizeof(NAME_WORDS) + 16], cgroup[sizeof("FAILSOFT_CGROUP=") + 256];
	const char *list[9];
};

static void fill_environment(struct environment *e, const struct failsoft_responder_run *run)
{
	snprintf(e->pid, sizeof(e->pid), "FAILSOFT_PID=%d", (int)run->pid);
	snprintf(e->episode, sizeof(e->episode), "FAILSOFT_EPISODE=%llu", (unsigned long long)run->episode);
	snprintf(e->deadline, sizeof(e->deadline), "FAILSOFT_DEADLINE_USEC=%llu",
		 (unsigned long long)run->deadline_usec);
	snprintf(e->name, sizeof(e->name), NAME_WORDS "%.15s", run->name);
	snprintf(e->cgroup, sizeof(e->cgroup), "FAILSOFT_CGROUP=%.255s", run->cgroup);
	e->list[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	e->list[1] = "HOME=/";
	e->list[2] = e->pid;
	e->list[3] = e->episode;
	e->list[4] = e->deadline;
	e->list[5] = e->name;
	e->list[6] = e->cgroup;
	e->list[7] = NULL;
}

/* Groups first: without root there is no right left to change them. */
static int become(const struct launch_spec *spec)
{
	gid_t gid = spec->gid;

	if (spec->uid == LAUNCH_SAME_ID || (spec->uid == geteuid() && spec->gid == getegid()))
		return 0;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return -errno;
	return 0;
}

static _Noreturn void give_up(int error)
{
	uint32_t word = STANDBY_ERROR | (uint32_t)error;

	(void)send(CONTROL_FD, &word, sizeof(word), MSG_NOSIGNAL); /* nobody else to tell */
	_exit(127);
}

/* A directory may be "executed", too. */
static int look_at(const char *program)
{
	if (access(program, X_OK) < 0)
		return -errno;
	return open(program, O_PATH | O_DIRECTORY | O_CLOEXEC) >= 0 ? -EISDIR : 0;
}

static _Noreturn void become_program(const struct launch_spec *spec, const char **arguments)
{
	static struct environment environment; /* locked with all else */
	struct failsoft_responder_run run = { 0 };
	uint32_t ready = STANDBY_READY;

	fill_environment(&environment, &run);
	if (spec->is_responder) {
		environment.list[2] = "FAILSOFT_RESPONDER_FD=4";
		environment.list[3] = NULL;
	} else {
		(void)mlockall(MCL_CURRENT | MCL_FUTURE); /* without it: as well as it goes */
		if (fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0 ||
		    send(CONTROL_FD, &ready, sizeof(ready), MSG_NOSIGNAL) < 0 ||
		    recv(CONTROL_FD, &run, sizeof(run), 0) != sizeof(run))
			_exit(0);
		fill_environment(&environment, &run);
	}
	execve(spec->program, (char **)arguments, (char **)environment.list);
	give_up(errno);
}

static _Noreturn void child(const struct launch_spec *spec, int control, int output)
{
	const char *arguments[LAUNCH_WORDS_MAX + 2];
	int null = open("/dev/null", O_RDWR), r;

	launch_list(&spec->arguments, spec->program, arguments);
	/* out of the way of 0 to 4 first */
	control = fcntl(control, F_DUPFD_CLOEXEC, 10);
	output = fcntl(output, F_DUPFD_CLOEXEC, 10);
	if (null < 0 || dup2(control, CONTROL_FD) < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 ||
	    dup2(output, 2) < 0)
		_exit(127);
	(void)close(LAUNCH_FD);
	(void)close_range(CONTROL_FD + 1, ~0u, 0);
	(void)setsid();		/* not a leader yet */
	(void)signal(SIGPIPE, SIG_DFL);
	r = become(spec);
	if (r == 0)
		r = look_at(spec->program);
	if (r < 0)
		give_up(-r);
	become_program(spec, arguments);
}

int standby_start(const struct launch_spec *spec, struct standby *ret)
{
	int control[2], output[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    pipe2(output, O_CLOEXEC) < 0)
		return -errno;
	ret->pid = fork();
	if (ret->pid < 0)
		return -errno;
	if (ret->pid == 0)
		child(spec, control[1], output[1]);
	(void)close(control[1]);
	(void)close(output[1]);
	ret->control_fd = control[0];
	ret->output_fd = output[0];
	ret->pid_fd = (int)syscall(SYS_pidfd_open, ret->pid, 0);
	if (ret->pid_fd < 0 || fcntl(ret->output_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* Ended, or has said nothing: 0. */
static uint32_t read_word(const struct standby *s)
{
	uint32_t word = 0;
	ssize_t n = recv(s->control_fd, &word, sizeof(word), MSG_DONTWAIT);

	return n == sizeof(word) ? word : 0;
}

int standby_wait(const struct standby *s)
{
	struct pollfd p = { .fd = s->control_fd, .events = POLLIN };
	int n = poll(&p, 1, READY_MS);
	uint32_t word;

	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	word = read_word(s);
	if (word & STANDBY_ERROR)
		return -(int)(word & ~STANDBY_ERROR);
	return word == STANDBY_READY ? 0 : -EPROTO;
}

int standby_run(const struct standby *s, const struct failsoft_responder_run *run)
{
	return send(s->control_fd, run, sizeof(*run), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

uint32_t standby_exec_errno(const struct standby *s)
{
	uint32_t word = read_word(s);

	return word & STANDBY_ERROR ? word & ~STANDBY_ERROR : 0;
}
