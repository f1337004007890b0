/* SPDX-License-Identifier: MIT */
/*
 * How long a procedure takes from its call to its end, in microseconds, one line a run:
 * failsoft-procedure-time RUNS LAUNCHER [--responder] PROGRAM [ARGUMENT]...
 * The one that is about to be ended is this program's parent. With --serve=PORT instead it is a host for
 * failsoft-alarm --answer on this machine, locked, as one elsewhere would not lack memory either.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "act/responder.h"
#include "base/clock.h"

static bool wait_word(int fd, struct launch_reply *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 30000) > 0 && responder_read(fd, ret) == 0;
}

static bool run_once(const char *launcher, const struct procedure_spec *spec)
{
	struct launch_run run = { .word = LAUNCH_RUN, .run = { .version = FAILSOFT_RESPONDER_VERSION,
		.pid = getppid(), .name = "outside" } };
	struct launch_reply reply;
	uint64_t began_us;
	int fd;

	if (responder_open(launcher, spec, &fd) < 0 || !wait_word(fd, &reply) || reply.word != LAUNCH_READY)
		return false;
	usleep(200000); /* everything that getting ready has started is over */
	began_us = clock_now_us();
	run.run.deadline_usec = began_us + 10 * US_PER_S;
	if (responder_run(fd, &run) < 0 || !wait_word(fd, &reply) || reply.outcome != LAUNCH_OK)
		return false;
	printf("%" PRIu64 "\n", clock_now_us() - began_us);
	close(fd);
	return true;
}

static int serve(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	static char text[1024];

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		return 1;
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (recv(client, text, sizeof(text), 0) > 0)
			(void)send(client, "heard\n", 6, MSG_NOSIGNAL); /* gone: it has missed it */
		close(client);
	}
}

int main(int argc, char **argv)
{
	struct procedure_spec spec = procedure_default();
	int at = 3;

	if (argc == 2 && !strncmp(argv[1], "--serve=", 8))
		return serve(argv[1] + 8);
	if (argc > 4 && !strcmp(argv[at], "--responder")) {
		spec.is_responder = true;
		at++;
	}
	if (argc <= at || strlen(argv[at]) >= sizeof(spec.program))
		return 2;
	strcpy(spec.program, argv[at]);
	for (int i = at + 1; i < argc; i++)
		if (!procedure_words_add(&spec.arguments, argv[i]))
			return 2;
	for (int i = 0; i < atoi(argv[1]); i++)
		if (!run_once(argv[2], &spec))
			return 1;
	return 0;
}
