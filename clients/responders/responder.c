/* SPDX-License-Identifier: MIT */
#include <failsoft/responder.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_BYTES	4096u
/* Deep enough for stdio and a copy loop with a buffer of 64 KiB. Half: a first deep call faults in
 * the crisis; double: 256 KiB more are locked in every responder. */
#define STACK_BYTES	(256u * 1024u)

__attribute__((noinline)) static void touch_stack(void)
{
	volatile char room[STACK_BYTES];

	for (size_t i = 0; i < sizeof(room); i += PAGE_BYTES)
		room[i] = 0;
}

static int channel(void)
{
	const char *text = getenv("FAILSOFT_RESPONDER_FD");
	char *end;
	long fd;

	if (!text)
		return -ENODEV;
	fd = strtol(text, &end, 10);
	return *end || end == text || fd < 3 || fd > 1023 ? -ENODEV : (int)fd;
}

int failsoft_responder_wait(struct failsoft_responder_run *ret)
{
	struct failsoft_responder_run run;
	const uint32_t ready = FAILSOFT_RESPONDER_VERSION;
	int fd = channel();
	ssize_t n;

	if (!ret)
		return -EINVAL;
	if (fd < 0)
		return fd;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fprintf(stderr, "memory is not locked: %s\n", strerror(errno));
	touch_stack();
	memset(&run, 0, sizeof(run));
	if (send(fd, &ready, sizeof(ready), MSG_NOSIGNAL) < 0)
		return errno == EPIPE ? 1 : -errno;
	do
		n = recv(fd, &run, sizeof(run), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? 1 : -errno;
	if ((size_t)n < sizeof(run) || run.version != FAILSOFT_RESPONDER_VERSION)
		return -EPROTO;
	*ret = run;
	return 0;
}
