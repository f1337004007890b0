/* SPDX-License-Identifier: MIT */
/* failsoft-nasty: programs that defend themselves, lie, multiply, or keep memory beyond their end. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/client.h>

#include "../../clients/examples/options.h"

#define MIB		((size_t)1 << 20)
#define CHUNK		((size_t)64 << 10)
#define SOCKET_BYTES	((size_t)2 << 10)	/* of slab, of each that is open, about */
#define LIE_BYTES	(64 * MIB)
#define CROWD		60u
#define REALTIME_PRIORITY 1	/* of 99; the broker's default is higher */

struct nasty {
	double rate, each, pause_s;
	const char *file, *bus;
};

static void pause_s(double seconds)
{
	const struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&t, NULL);
}

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

/* Waits as long as so many bytes take at the rate. */
static void keep_rate(const struct nasty *n, size_t bytes)
{
	if (n->rate > 0)
		pause_s((double)bytes / (n->rate * (double)MIB));
}

/* false: there is no more. */
static bool take(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	memset(p, 0x5a, bytes);
	return true;
}

/* Every process takes its part, then makes two more, for ever: 2, 4, 8 times as many. */
static void bomb(const struct nasty *n)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		(void)take((size_t)(n->each * (double)MIB));
		pause_s(n->pause_s);
		for (int i = 0; i < 2; i++)
			if (fork() == 0)
				break; /* it goes on as its parent did: takes, and makes two */
	}
}

/* Segments of System V stay when everybody is gone who knew of them. */
static void shm(const struct nasty *n)
{
	for (;;) {
		int id = shmget(IPC_PRIVATE, 4 * MIB, IPC_CREAT | 0600);
		char *p = id < 0 ? (char *)-1 : shmat(id, NULL, 0);

		if (p == (char *)-1) {
			pause_s(0.1);
			continue;
		}
		for (size_t done = 0; done < 4 * MIB; done += CHUNK) {
			memset(p + done, 0x5a, CHUNK);
			keep_rate(n, CHUNK);
		}
		(void)shmdt(p); /* so it shows in no process */
	}
}

/* A file that is larger than memory, locked into it piece by piece. */
static void lock(const struct nasty *n)
{
	int fd = open(n->file ? n->file : "/data/big", O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *p = size <= 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fail(n->file);
	for (off_t done = 0; done < size; done += (off_t)CHUNK) {
		while (mlock(p + done, CHUNK) < 0)
			pause_s(0.1);
		keep_rate(n, CHUNK);
	}
	for (;;)
		pause();
}

/* Whoever stops the process of the leak: this one makes it go on. */
static void resume(const struct nasty *n)
{
	pid_t child = fork();

	while (child > 0) {
		(void)kill(child, SIGCONT); /* when it is gone, there is nothing more to do */
		pause_s(n->pause_s);
	}
	while (take(CHUNK))
		keep_rate(n, CHUNK);
	pause();
}

/* Reading a page that nobody wrote takes no page, but a table for it: it shows in no RSS. */
static void tables(const struct nasty *n)
{
	const size_t reach = (size_t)2 << 20, area = (size_t)1 << 40; /* one table maps 2 MiB */
	const volatile char *p = mmap(NULL, area, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				      -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	for (size_t at = 0; at < area; at += reach) {
		(void)p[at];
		keep_rate(n, 4096);
	}
	pause();
}

/* At full speed, before everything that has no real-time priority. */
static void realtime(const struct nasty *n)
{
	const struct sched_param param = { .sched_priority = REALTIME_PRIORITY };

	(void)n;
	if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		fail("sched_setscheduler");
	while (take(CHUNK))
		continue;
	pause();
}

/* Sockets that nothing was written to, and nobody closes. */
static void sockets(const struct nasty *n)
{
	const struct rlimit many = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &many) < 0)
		fail("setrlimit");
	for (;;)
		if (socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0)
			keep_rate(n, SOCKET_BYTES);
		else
			pause_s(0.1);
}

static void *stay(void *unused)
{
	pause();
	return unused;
}

/* Kernel stacks: a thread that does nothing takes some 24 KiB. */
static void threads(const struct nasty *n)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pthread_attr_t small;
	pthread_t thread;

	(void)setrlimit(RLIMIT_NPROC, &all);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);
	for (;;)
		if (pthread_create(&thread, &small, stay, NULL) == 0)
			keep_rate(n, (size_t)24 << 10);
		else
			pause_s(0.1);
}

static void take_name(const char *stem, unsigned number)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%s-%u", stem, number);
	(void)prctl(PR_SET_NAME, name);
}

/* Jobs that pile up, each under a name of its own, as a scheduler's whose work never ends. */
static void pile(const struct nasty *n)
{
	for (unsigned i = 0;; i++) {
		if (fork() == 0) {
			take_name("job", i);
			(void)take((size_t)(n->each * (double)MIB));
			for (;;)
				pause();
		}
		pause_s(n->pause_s);
	}
}

/* Orphans, each under a name of its own, that leak --rate together. */
static void crowd(const struct nasty *n)
{
	struct nasty one = *n;

	one.rate /= CROWD;
	for (unsigned i = 0; i < CROWD; i++)
		if (fork() == 0) {
			take_name("crowd", i);
			while (take(CHUNK))
				keep_rate(&one, CHUNK);
			pause();
		}
}

/* ---- a client that says it has freed what it has not ---- */

static struct failsoft *liar_client;

static enum failsoft_result lie(const struct failsoft_order *order, void *userdata)
{
	const struct failsoft_answer answer = {
		.result = FAILSOFT_RESULT_DONE, .sequence = order->sequence, .freed_bytes = LIE_BYTES,
		.freeable_bytes = LIE_BYTES,
	};

	(void)userdata;
	return failsoft_answer(liar_client, &answer) < 0 ? FAILSOFT_RESULT_DONE : FAILSOFT_RESULT_LATER;
}

static void liar(const struct nasty *n)
{
	const struct failsoft_options options = {
		.name = "liar", .bus_address = n->bus, .may_not_be_ended = true,
		.flush = lie, .degrade = lie, .shutdown = lie, .resume = lie,
	};
	int r = failsoft_new(&options, &liar_client);

	if (r < 0) {
		fprintf(stderr, "failsoft-nasty: %s\n", strerror(-r));
		exit(2);
	}
	struct pollfd p = { .fd = failsoft_fd(liar_client), .events = POLLIN };

	for (;;) {
		(void)failsoft_dispatch(liar_client); /* a lost broker is no concern of a liar */
		(void)poll(&p, 1, 0);
		(void)take(CHUNK);
		keep_rate(n, CHUNK);
	}
}

static const struct kind {
	const char *name, *text;
	void (*run)(const struct nasty *n);
} kinds[] = {
	{ "bomb", "takes --each and makes two of its kind, and so do they", bomb },
	{ "shm", "System V segments at --rate, which stay when it is gone", shm },
	{ "lock", "locks --file into memory at --rate", lock },
	{ "resume", "leaks at --rate; its parent makes it go on every --pause", resume },
	{ "tables", "page tables at --rate, which show in no RSS", tables },
	{ "realtime", "at full speed, before everything that has no real-time priority", realtime },
	{ "sockets", "sockets that nothing was written to, about --rate of the kernel's memory", sockets },
	{ "threads", "threads that do nothing, about --rate of the kernel's memory", threads },
	{ "crowd", "orphans, each with a name of its own, that leak --rate together", crowd },
	{ "pile", "every --pause a process with a name of its own that keeps --each", pile },
	{ "liar", "a client that leaks at --rate, may not be ended, and says it has freed", liar },
};

int main(int argc, char **argv)
{
	struct nasty n = { .rate = 20, .each = 1, .pause_s = 0.1 };
	const struct example_option options[] = {
		{ "rate", "MiB/s", NULL, &n.rate, NULL },
		{ "each", "MiB that a process of bomb takes", NULL, &n.each, NULL },
		{ "pause", "seconds", NULL, &n.pause_s, NULL },
		{ "file", "of lock", &n.file, NULL, NULL },
		{ "bus", "D-Bus address of liar", &n.bus, NULL, NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};
	const char *name = argc > 1 ? argv[1] : "";

	options_read(options, "takes memory against all manners, for tests", argc > 1 ? argc - 1 : argc,
		     argc > 1 ? argv + 1 : argv);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(name, kinds[i].name)) {
			kinds[i].run(&n);
			return 0;
		}
	fprintf(stderr, "usage: failsoft-nasty KIND [--OPTION=VALUE]...; --help lists the options\n");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(stderr, "  %-8s%s\n", kinds[i].name, kinds[i].text);
	return 2;
}
