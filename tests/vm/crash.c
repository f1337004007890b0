/* SPDX-License-Identifier: MIT */
/*
 * failsoft-crash: kills the broker by SIGKILL the moment its event export shows a text, or a cgroup is
 * frozen. Locked into
 * memory, so that it is as quick in a crisis. Exit status 0: done, 1: the text did not come.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../clients/examples/options.h"

#define KEEP	128u		/* of what was read, for a text that is cut in two by a read */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *what)
{
	perror(what);
	return 2;
}

/* Reads on to the end of the file; true: the text was there. */
static bool is_shown(int fd, const char *text)
{
	static char buffer[KEEP + 4096 + 1];
	static size_t kept;
	ssize_t n;

	while ((n = read(fd, buffer + kept, 4096)) > 0) {
		size_t have = kept + (size_t)n;

		buffer[have] = 0;
		if (strstr(buffer, text))
			return true;
		kept = have < KEEP ? have : KEEP;
		memmove(buffer, buffer + have - kept, kept);
	}
	return false;
}

static pid_t read_pid(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return (pid_t)atoi(text);
}

/* Looks on and on, at the end of its time slice others run: there is no event when it is written. */
static int kill_when_frozen(const char *path, pid_t broker, double end_s)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char is_frozen = '0';

	if (fd < 0 || broker <= 1 || mlockall(MCL_CURRENT) < 0)
		return fail(path);
	while (now_s() < end_s) {
		if (pread(fd, &is_frozen, 1, 0) == 1 && is_frozen == '1')
			return kill(broker, SIGKILL) < 0 ? fail("kill") : 0;
		usleep(200);
	}
	return 1;
}

int main(int argc, char **argv)
{
	const char *events = "/run/events", *pid_file = "/run/broker.pid", *text = NULL, *frozen = NULL;
	double seconds = 10;
	const struct example_option options[] = {
		{ "text", "that the events must show", &text, NULL, NULL },
		{ "frozen", "or the cgroup.freeze that must hold a 1", &frozen, NULL, NULL },
		{ "events", "export file of the broker", &events, NULL, NULL },
		{ "pid-file", "with the broker's pid", &pid_file, NULL, NULL },
		{ "seconds", "to wait for the text", NULL, &seconds, NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	options_read(options, "kills the broker when it has come so far", argc, argv);
	pid_t broker = read_pid(pid_file);
	int fd = open(events, O_RDONLY | O_CLOEXEC), changes = inotify_init1(IN_CLOEXEC);
	struct pollfd p = { .fd = changes, .events = POLLIN };
	double end_s = now_s() + seconds;
	char drain[4096];

	if (frozen)
		return kill_when_frozen(frozen, broker, end_s);
	if (!text || strlen(text) >= KEEP || broker <= 1 || fd < 0 || changes < 0) {
		fprintf(stderr, "failsoft-crash: give --text, --events and --pid-file; see --help\n");
		return 2;
	}
	if (inotify_add_watch(changes, events, IN_MODIFY) < 0 || mlockall(MCL_CURRENT) < 0)
		return fail(events);
	if (lseek(fd, 0, SEEK_END) < 0) /* what is past does not count */
		return fail(events);
	while (now_s() < end_s) {
		if (is_shown(fd, text))
			return kill(broker, SIGKILL) < 0 ? fail("kill") : 0;
		if (poll(&p, 1, 100) > 0 && read(changes, drain, sizeof(drain)) < 0)
			return fail(events);
	}
	return 1;
}
