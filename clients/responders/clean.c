/* SPDX-License-Identifier: MIT */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Children of children of ...: deeper ones come to us when their parents have died. */
#define DEPTH_MOST	8u
/* Each round kills all that are there, so this outlasts what forks; 1 ms each. Half: a storm of forks
 * may win; double: it runs on for another half a second before we give up. */
#define ROUNDS_MOST	500u

static void kill_children(pid_t pid, unsigned depth)
{
	char path[64], text[4096], *at = text, *end;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return;
	text[n] = 0;
	for (long child = strtol(at, &end, 10); end != at; child = strtol(at, &end, 10)) {
		(void)kill((pid_t)child, SIGSTOP); /* it forks no more while we go through its own */
		if (depth < DEPTH_MOST)
			kill_children((pid_t)child, depth + 1);
		(void)kill((pid_t)child, SIGKILL);
		at = end;
	}
}

bool clean_once(void)
{
	pid_t reaped;

	kill_children(getpid(), 0);
	do
		reaped = waitpid(-1, NULL, WNOHANG);
	while (reaped > 0);
	return reaped < 0 && errno == ECHILD;
}

bool clean_all(void)
{
	for (unsigned i = 0; i < ROUNDS_MOST; i++) {
		if (clean_once())
			return true;
		(void)usleep(1000);
	}
	return false;
}
