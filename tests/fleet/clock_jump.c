/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program under test: its wall clock is off by what the file $CLOCK_JUMP says (seconds, as
 * text), read anew each time, and the kernel calls it synchronised where the number is even. The machine's
 * own clock is not touched. CLOCK_MONOTONIC and CLOCK_BOOTTIME stay: nothing sets those on a real machine.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static long long jump_s(void)
{
	const char *path = getenv("CLOCK_JUMP");
	char text[32] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return atoll(text);
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret)
{
	const long r = syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += jump_s();
	return (int)r;
}

EXPORT time_t time(time_t *ret)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec t = { 0 };

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	ret->tv_sec = t.tv_sec;
	ret->tv_usec = t.tv_nsec / 1000;
	return 0;
}

/* Only asked, never set. */
EXPORT int adjtimex(struct timex *t)
{
	t->status = jump_s() % 2 ? STA_UNSYNC : 0;
	return jump_s() % 2 ? TIME_ERROR : TIME_OK;
}

EXPORT int ntp_adjtime(struct timex *t)
{
	return adjtimex(t);
}
