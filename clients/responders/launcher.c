/* SPDX-License-Identifier: MIT */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ahead of everything but real-time priority: in a crisis of one CPU nothing else is as urgent. Half: the
 * broker's writer and the kernel's reclaim took 1-2 ms of a procedure of 2 ms (measured). */
#define NICE		(-20)

struct launcher {
	struct launch_spec spec;
	struct standby standby;
	struct launch_run run;
	bool is_running, is_cut;
	char *memory;			/* kept for the program; NULL: none */
	struct launch_reply reply;
};

/* ---- talking ---- */

static void reply(struct launcher *l, enum launch_word word)
{
	l->reply.word = word;
	(void)send(LAUNCH_FD, &l->reply, sizeof(l->reply), MSG_NOSIGNAL); /* gone: so are we, soon */
}

static bool is_words(const struct launch_words *w)
{
	unsigned ends = 0;

	if (w->count > LAUNCH_WORDS_MAX || w->used > sizeof(w->bytes))
		return false;
	for (uint32_t i = 0; i < w->used; i++)
		ends += w->bytes[i] == 0;
	return ends == w->count && (w->used == 0 || w->bytes[w->used - 1] == 0);
}

/* Only failsoftd may say what is run: root, or who we are ourselves. */
static bool is_from_broker(void)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(LAUNCH_FD, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static bool read_spec(struct launcher *l)
{
	struct launch_spec *s = &l->spec;
	ssize_t n;

	if (!is_from_broker())
		return false;
	n = recv(LAUNCH_FD, s, sizeof(*s), 0);
	return n == sizeof(*s) && s->word == LAUNCH_SPEC && s->version == LAUNCH_VERSION &&
	       s->program[0] == '/' && memchr(s->program, 0, sizeof(s->program)) &&
	       is_words(&s->arguments) && is_words(&s->keep);
}

/* ---- getting ready ---- */

/* Before the fork: the child has the same of it, but for the locks. */
static void protect(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* all of them: as well as our rights allow */
	if (fd >= 0 && write(fd, "-900", 4) < 0)
		(void)0;
	if (fd >= 0)
		(void)close(fd);
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
}

/* After the fork: the child has no copy of it. Touched by being locked; touched for sure by us. */
static int keep_memory(struct launcher *l)
{
	if (!l->spec.memory_bytes || l->spec.is_responder) /* which has locked its own */
		return 0;
	l->memory = mmap(NULL, l->spec.memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (l->memory == MAP_FAILED) {
		l->memory = NULL;
		return -errno;
	}
	for (uint64_t i = 0; i < l->spec.memory_bytes; i += 4096)
		l->memory[i] = 1;
	return 0;
}

static int get_ready(struct launcher *l)
{
	int r;

	protect();
	r = standby_start(&l->spec, &l->standby);
	if (r == 0)
		r = standby_wait(&l->standby);
	if (r == 0)
		r = hold_files(&l->spec, &l->reply);
	if (r == 0)
		r = keep_memory(l);
	l->reply.held_bytes += l->memory ? l->spec.memory_bytes : 0;
	return r;
}

/* ---- running ---- */

static void take_output(struct launcher *l)
{
	static char piece[65536];
	struct launch_reply *r = &l->reply;

	for (unsigned i = 0; i < 16; i++) { /* 1 MiB at a time; what writes without end waits for us */
		ssize_t n = read(l->standby.output_fd, piece, sizeof(piece));
		size_t room = sizeof(r->output) - r->output_used;

		if (n <= 0)
			return;
		r->output_bytes += (uint64_t)n;
		memcpy(r->output + r->output_used, piece, (size_t)n < room ? (size_t)n : room);
		r->output_used += (uint32_t)((size_t)n < room ? (size_t)n : room);
	}
}

static void start(struct launcher *l)
{
	int r;

	l->is_running = true;
	if (l->memory)
		(void)munmap(l->memory, l->spec.memory_bytes); /* only fails for what is not mapped */
	l->memory = NULL;
	r = standby_run(&l->standby, &l->run.run);
	if (r < 0) {
		l->reply.outcome = LAUNCH_LOST;
		l->reply.code = (uint32_t)-r;
	}
}

static void finish(struct launcher *l, enum launch_outcome outcome, uint32_t code)
{
	uint32_t exec_errno = 0;

	take_output(l);
	if (outcome == LAUNCH_FAILED)
		exec_errno = standby_exec_errno(&l->standby);
	l->reply.outcome = exec_errno ? LAUNCH_LOST : outcome;
	l->reply.code = exec_errno ? exec_errno : code;
	reply(l, LAUNCH_DONE);
}

static void take_end(struct launcher *l)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)l->standby.pid, &info, WEXITED | WNOWAIT) < 0)
		info.si_status = 127;
	if (info.si_code != CLD_EXITED && info.si_code)
		finish(l, LAUNCH_KILLED, (uint32_t)info.si_status);
	else
		finish(l, info.si_status ? LAUNCH_FAILED : LAUNCH_OK, (uint32_t)info.si_status);
}

/* What failsoftd says: run, stop, or nothing more at all. false: it is over. */
static bool take_word(struct launcher *l)
{
	ssize_t n = recv(LAUNCH_FD, &l->run, sizeof(l->run), 0);

	if (n < 0 && errno == EINTR)
		return true;
	if (n == sizeof(l->run) && l->run.word == LAUNCH_RUN && !l->is_running) {
		start(l);
		return true;
	}
	l->is_cut = n < (ssize_t)sizeof(uint32_t); /* it is gone */
	if (l->is_running)
		finish(l, LAUNCH_CUT, 0);
	return false;
}

/* Nobody else will let the victim go on that it has stopped. */
static void continue_victim(const struct launcher *l)
{
	for (uint32_t i = 0; i < l->run.run.pids_count && i < FAILSOFT_RESPONDER_PIDS_MAX; i++)
		if (l->run.run.pids[i] > 1)
			(void)kill(l->run.run.pids[i], SIGCONT);
}

static int time_left_ms(const struct launcher *l)
{
	uint64_t now = launch_now_usec(), until = l->run.run.deadline_usec;

	if (!l->is_running)
		return -1;
	return now >= until ? 0 : (int)((until - now + 999) / 1000);
}

/* One thing that happened. false: it is over. */
static bool step(struct launcher *l)
{
	struct pollfd p[] = {
		{ .fd = LAUNCH_FD, .events = POLLIN }, { .fd = l->standby.pid_fd, .events = POLLIN },
		{ .fd = l->standby.output_fd, .events = POLLIN },
	};

	if (poll(p, 3, time_left_ms(l)) < 0)
		return errno == EINTR;
	if (l->is_running && launch_now_usec() >= l->run.run.deadline_usec && !p[1].revents) {
		finish(l, LAUNCH_LATE, 0);
		return false;
	}
	if (p[1].revents) { /* before it was called: it has changed its mind */
		take_end(l);
		return false;
	}
	if (p[2].revents & POLLIN)
		take_output(l);
	else if (p[2].revents) /* its end is closed: nothing to wait for there */
		l->standby.output_fd = -1;
	return !p[0].revents || take_word(l);
}

int main(void)
{
	static struct launcher l; /* locked from the beginning */
	int r;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* what escapes comes to us */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setsid(); /* fails for a leader, who needs none */
	if (chdir("/") < 0 || !read_spec(&l)) {
		fputs("failsoft-responder is started by failsoftd; see failsoftctl(1), procedure\n", stderr);
		return 2;
	}
	r = get_ready(&l);
	if (r < 0) {
		l.reply.code = (uint32_t)-r;
		take_output(&l);
		reply(&l, LAUNCH_BROKEN);
		(void)clean_all();
		return 1;
	}
	reply(&l, LAUNCH_READY);
	while (step(&l))
		continue;
	if (l.is_cut && l.is_running)
		continue_victim(&l);
	return clean_all() ? 0 : 1;
}
